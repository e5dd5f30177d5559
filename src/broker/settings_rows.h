/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of rows: those that a node uses, and all that Kafka knows (made from schemas/settings,
 * bound to no field). Throttles can only be said while the node runs; groups and client metrics have
 * settings of their own. For the files of settings, their tests and those who list them all. */
#pragma once
#include "base/setting.h"

extern const struct setting node_setting_rows[];
extern const int node_setting_row_count;
extern const struct setting kafka_node_settings[];
extern const int kafka_node_settings_count;
extern const struct setting kafka_topic_settings[];
extern const int kafka_topic_settings_count;
extern const struct setting kafka_throttle_settings[];
extern const int kafka_throttle_settings_count;
extern const struct setting kafka_group_settings[];
extern const int kafka_group_settings_count;
extern const struct setting kafka_client_metrics_settings[];
extern const int kafka_client_metrics_settings_count;
