/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of groups and of client metrics subscriptions, which exist in the metadata log only. A
 * group's value is bounded by its broker's settings (group.consumer.min.session.timeout.ms ...),
 * and where the group says nothing the broker's own value holds. Codes and words are Kafka's. */
#pragma once
#include "broker/setting_source.h"
#include "error.h"

const struct setting *group_setting_find(struct str key);          /* NULL: no such */
const struct setting *client_metrics_setting_find(struct str key); /* NULL: no such */

struct str group_setting_value(
    const struct setting_view *view, struct str group, const struct setting *row);
struct setting_voices group_setting_voices(
    const struct setting_view *view, struct str group, const struct setting *row);

/* All that a resource would say. ERROR_NONE, or an error and a message in the view's arena. */
struct setting_pair;
enum error group_settings_check(const struct setting_view *view, const struct setting_pair *pairs,
    int32_t count, struct str *out_message);
enum error client_metrics_settings_check(const struct setting_view *view,
    const struct setting_pair *pairs, int32_t count, struct str *out_message);
