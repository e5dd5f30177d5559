/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "coordinator/group_consumer_plan.h"

void plan_source(struct consumer_plan *plan, const struct str *names, int32_t count, int32_t by)
{
    if (plan->source_count + count > plan->source_capacity) {
        int32_t capacity = 2 * (plan->source_count + count);
        struct topic_source *list =
            arena_take_array(plan->decider->arena, (size_t)capacity, sizeof(*list));
        if (plan->source_count > 0)
            memcpy(list, plan->sources, (size_t)plan->source_count * sizeof(*list));
        plan->sources = list;
        plan->source_capacity = capacity;
    }
    for (int32_t i = 0; i < count; i++)
        plan->sources[plan->source_count++] = (struct topic_source){ names[i], by };
}

static int by_name(const void *a, const void *b)
{
    const struct topic_source *one = a, *other = b;
    return str_compare(one->name, other->name);
}

static uint64_t mix(uint64_t value)
{
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
    value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
    return value ^ (value >> 31);
}

/* FNV-1a, mixed so that sums of it do not cancel out. It stands in the log, so it must stay as it
 * is. Kafka's hash of the same topics differs: a group that changes from one to the other broker is
 * one epoch further, and no partition moves by that. */
static uint64_t hash_topic(const struct image_topic *topic)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (int32_t i = 0; i < topic->name.size; i++)
        hash = (hash ^ (uint8_t)topic->name.data[i]) * 0x100000001b3;
    for (int i = 0; i < 16; i++)
        hash = (hash ^ topic->id.bytes[i]) * 0x100000001b3;
    for (int i = 0; i < 32; i += 8)
        hash = (hash ^ (uint8_t)(topic->partition_count >> i)) * 0x100000001b3;
    return mix(hash);
}

/* The hash of no topics is 0, as in Kafka. */
const struct consumer_topics *plan_topics(struct consumer_plan *plan)
{
    struct consumer_topics *topics = &plan->topics;
    const struct image *image = plan->decider->request->image;
    if (plan->has_topics)
        return topics;
    if (plan->group != NULL)
        for (const struct subscribed_topic *topic = plan->group->consumer->topics; topic != NULL;
             topic = topic->hh.next)
            plan_source(plan, &(struct str){ topic->name, topic->name_size }, 1, topic->sources);
    if (plan->source_count > 1)
        qsort(plan->sources, (size_t)plan->source_count, sizeof(*plan->sources), by_name);
    topics->list = arena_take_array(
        plan->decider->arena, (size_t)plan->source_count, sizeof(struct image_topic *));
    uint64_t hash = 0;
    for (int32_t i = 0, sources; i < plan->source_count;) {
        struct str name = plan->sources[i].name;
        for (sources = 0; i < plan->source_count && str_equal(plan->sources[i].name, name); i++)
            sources += plan->sources[i].by;
        const struct image_topic *topic = sources > 0 ? image_topic_by_name(image, name) : NULL;
        if (topic == NULL)
            continue;
        topics->list[topics->count++] = topic;
        hash += hash_topic(topic);
    }
    topics->hash = (int64_t)hash;
    plan->has_topics = true;
    return topics;
}
