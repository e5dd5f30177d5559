/* SPDX-License-Identifier: Apache-2.0 */
/* The two tables behind node_setting_find(): the rows that a node uses, and all that Kafka knows
 * (made from schemas/settings, bound to no field). For the settings files and their test only. */
#pragma once
#include "base/setting.h"

extern const struct setting node_setting_rows[];
extern const int node_setting_row_count;
extern const struct setting kafka_node_settings[];
extern const int kafka_node_settings_count;
extern const struct setting kafka_topic_settings[];
extern const int kafka_topic_settings_count;
