/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of one resource as DescribeConfigs tells them: value, source, what stands behind it,
 * whether it may change, and what it means. A value that nobody knows is treated as a secret. */
#pragma once
#include "broker/setting_source.h"
#include "error.h"

struct describe_configs_resource;
struct describe_configs_result;

struct settings_description {
    struct setting_view view;
    bool with_synonyms, with_documentation;
    const struct describe_configs_resource *wish;
    struct describe_configs_result *result;
    int32_t capacity;                    /* of result->configs */
    struct str *topic_values;            /* by topic row: what all topics inherit; NULL until */
    struct setting_voices *topic_voices; /* the first topic */
};

/* Fill result->configs; a refusal fills its message. */
enum error describe_topic(struct settings_description *description);
enum error describe_broker(struct settings_description *description);
enum error describe_logger(struct settings_description *description);
enum error describe_client_metrics(struct settings_description *description);
enum error describe_group(struct settings_description *description);
