/* SPDX-License-Identifier: Apache-2.0 */
/* Whether settings of this broker, or the default of all, may change while it runs: which keys can,
 * what is valid, and what must hold of them together with all that is said elsewhere. Codes and
 * words are Kafka's. */
#pragma once
#include "broker/setting_source.h"
#include "error.h"

struct resource_change;

/* ERROR_NONE, or an error and a message in the view's arena or constant. replaces: what the
 * resource said before counts no more. */
enum error broker_change_check(const struct setting_view *view,
    const struct resource_change *resource, bool replaces, struct str *out_message);
