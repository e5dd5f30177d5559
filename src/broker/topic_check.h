/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the settings that CreateTopics wishes for a topic may stand: each for itself, and
 * together with what the topic would get from the node. Codes and words are Kafka's; it looks at
 * all names before it looks at a value. */
#pragma once
#include "base/str.h"
#include "error.h"

struct arena;
struct create_topics_creatable_topic;
struct image;
struct node_settings;

/* No value in topic is null. ERROR_NONE, or ERROR_INVALID_CONFIG and a message from the arena. */
enum error topic_check(const struct node_settings *node, const struct image *image,
    const struct create_topics_creatable_topic *topic, struct arena *arena,
    struct str *out_message);
