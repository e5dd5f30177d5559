/* SPDX-License-Identifier: Apache-2.0 */
/* The settings a new topic will have, and where each comes from, as CreateTopics tells them. */
#pragma once

struct arena;
struct create_topics_creatable_topic;
struct create_topics_creatable_topic_result;
struct image;
struct node_settings;

void topic_describe(const struct node_settings *node, const struct image *image,
    const struct create_topics_creatable_topic *topic, struct arena *arena,
    struct create_topics_creatable_topic_result *result);
