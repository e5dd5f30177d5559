/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/group_classic_state.h"

#include "base/memory.h"
#include "coordinator/subscription.h"

struct classic_topic {
    char *name; /* owned */
    int32_t name_size;
    UT_hash_handle hh;
};

static struct classic_topic *topic_find(const struct classic_group *group, struct str name)
{
    struct classic_topic *topic;
    HASH_FIND(hh, group->topics, name.data, (size_t)name.size, topic);
    return topic;
}

static void topic_add(struct classic_group *group, struct str name)
{
    if (topic_find(group, name) != NULL)
        return;
    struct classic_topic *topic = memory_take(sizeof(*topic));
    topic->name = str_copy_owned(name);
    topic->name_size = name.size;
    HASH_ADD_KEYPTR(hh, group->topics, topic->name, (size_t)name.size, topic);
}

void classic_topics_forget(struct classic_group *group)
{
    struct classic_topic *topic, *next;
    HASH_ITER(hh, group->topics, topic, next)
    {
        HASH_DEL(group->topics, topic);
        memory_give(topic->name);
        memory_give(topic);
    }
    group->has_topics = group->has_unreadable = false;
}

static void read_member(
    struct classic_group *group, const struct classic_member *member, struct arena *arena)
{
    for (int32_t i = 0; i < member->protocol_count; i++) {
        struct consumer_protocol_subscription_record subscription;
        arena_reset(arena);
        if (!subscription_parse(member->protocols[i].metadata, arena, &subscription, NULL)) {
            group->has_unreadable = true;
            continue;
        }
        for (int32_t k = 0; k < subscription.topics_count; k++)
            topic_add(group, subscription.topics[k]);
    }
}

bool classic_group_subscribes(struct classic_group *group, struct str topic)
{
    if (!group->has_topics) {
        struct arena arena;
        arena_init(&arena);
        for (const struct classic_member *at = group->members; at != NULL; at = at->hh.next)
            read_member(group, at, &arena);
        arena_deinit(&arena);
        group->has_topics = true;
    }
    return group->has_unreadable || topic_find(group, topic) != NULL;
}
