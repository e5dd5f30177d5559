/* SPDX-License-Identifier: Apache-2.0 */
/* Diagnostics as a resource of the protocol: one logger, `root`, whose level is the least that is
 * reported. Kafka's TRACE is as DEBUG here, and FATAL as ERROR. */
#pragma once
#include "base/str.h"
#include "error.h"

struct arena;
struct node_settings;
struct resource_change;

const char *logger_level(void);
struct str logger_report_level(void); /* the same as report.level has it */
/* Sets the level, unless validate_only. ERROR_NONE, or an error and Kafka's message. */
enum error logger_change(const struct node_settings *node, const struct resource_change *resource,
    bool validate_only, struct arena *arena, struct str *out_message);
