/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/topics.h"

#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "base/memory.h"

struct topic *topics_add(struct topics *topics, const char *name)
{
    struct topic *topic = memory_take(sizeof(*topic));
    snprintf(topic->name, sizeof(topic->name), "%s", name);
    topic->may_lose = topic->is_volatile = name[strlen(name) - 1] % 4 == 3;
    topic->is_retained = name[strlen(name) - 1] % 3 == 1;
    snprintf(topic->name_key, sizeof(topic->name_key), "topic/%s", name);
    DL_APPEND(topics->list, topic);
    return topic;
}

void topics_deinit(struct topics *topics)
{
    struct topic *topic, *next;
    DL_FOREACH_SAFE (topics->list, topic, next)
        memory_give(topic);
}

void topics_remove(struct topics *topics, struct topic *topic)
{
    DL_DELETE(topics->list, topic);
    memory_give(topic);
}

void topic_set_id(struct topic *topic, struct uuid id)
{
    char text[UUID_TEXT_SIZE + 1];
    topic->id = id;
    uuid_print(id, text);
    for (int32_t i = 0; i < PARTITIONS_MOST; i++)
        snprintf(topic->keys[i], sizeof(topic->keys[i]), "%s-%s/%d", topic->name, text, i);
}

void topic_lose(struct topic *topic, int32_t partition, int64_t from)
{
    topic->may_lose = true;
    topic->facts[partition] = (struct partition_facts){ .gone_below = topic->facts[partition].gone_below };
    if (topic->read_to[partition] > from)
        topic->read_to[partition] = from;
    if (topic->deleted_below[partition] > from)
        topic->deleted_below[partition] = from;
}

int64_t topic_farthest_start(const struct topic *topic, int32_t partition)
{
    int64_t deleted = topic->deleted_below[partition], retained = topic->retained_from[partition];
    return deleted > retained ? deleted : retained;
}

bool topic_is_absent(const struct topic *topic)
{
    return topic->state == TOPIC_GONE || topic->state == TOPIC_REFUSED;
}

struct topic *topics_named(const struct topics *topics, const char *name)
{
    struct topic *topic, *found = NULL;
    DL_FOREACH (topics->list, topic)
        if (strcmp(topic->name, name) == 0 && (found == NULL || topic_is_absent(found) || !topic_is_absent(topic)))
            found = topic;
    return found;
}

struct topic *topics_learn(struct topics *topics, const char *name, struct uuid id)
{
    struct topic *topic, *found = NULL;
    DL_FOREACH (topics->list, topic)
        if (uuid_equal(topic->id, id))
            return topic;
    DL_FOREACH (topics->list, topic) { /* the one that was certainly made; else the oldest that may have been */
        bool may_be = uuid_is_zero(topic->id) && topic->state != TOPIC_REFUSED && strcmp(topic->name, name) == 0;
        if (may_be && (found == NULL || !topic->is_unsure))
            found = topic;
    }
    if (found != NULL)
        topic_set_id(found, id);
    return found;
}

struct topic *topics_there(const struct topics *topics, uint64_t n)
{
    struct topic *topic;
    DL_FOREACH (topics->list, topic)
        if (topic->state == TOPIC_THERE && n-- == 0)
            return topic;
    return NULL;
}

uint64_t topics_count_there(const struct topics *topics)
{
    struct topic *topic;
    uint64_t count = 0;
    DL_FOREACH (topics->list, topic)
        count += topic->state == TOPIC_THERE;
    return count;
}
