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

void classic_topics_take(struct classic_group *group)
{
    struct arena arena;
    classic_topics_forget(group);
    arena_init(&arena);
    for (const struct classic_member *at = group->members; at != NULL; at = at->hh.next) {
        struct consumer_protocol_subscription_record subscription;
        struct bytes metadata = classic_member_metadata(at, group->protocol);
        arena_reset(&arena);
        group->has_unreadable |= !subscription_parse(metadata, &arena, &subscription, NULL);
        for (int32_t k = 0; !group->has_unreadable && k < subscription.topics_count; k++)
            topic_add(group, subscription.topics[k]);
    }
    arena_deinit(&arena);
    group->has_topics = true;
}

bool classic_group_subscribes(const struct classic_group *group, struct str topic)
{
    return !group->has_topics || group->has_unreadable || topic_find(group, topic) != NULL;
}
