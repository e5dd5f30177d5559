/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "base/memory.h"
#include "coordinator/group_consumer_state.h"

void consumer_count_topic(struct consumer_group *kept, struct str name, int32_t by)
{
    struct subscribed_topic *topic;
    HASH_FIND(hh, kept->topics, name.data, (size_t)name.size, topic);
    if (topic == NULL) {
        topic = memory_take(sizeof(*topic));
        topic->name = str_copy_owned(name);
        topic->name_size = name.size;
        HASH_ADD_KEYPTR(hh, kept->topics, topic->name, (size_t)topic->name_size, topic);
    }
    topic->sources += by;
    assert(topic->sources >= 0);
    if (topic->sources > 0)
        return;
    HASH_DEL(kept->topics, topic);
    memory_give(topic->name);
    memory_give(topic);
}

void consumer_forget_topics(struct consumer_group *kept, struct subscribed_regex *regex)
{
    for (int32_t i = 0; i < regex->topic_count; i++) {
        consumer_count_topic(kept, str_from(regex->topics[i]), -1);
        memory_give(regex->topics[i]);
    }
    memory_give(regex->topics);
    regex->topics = NULL;
    regex->topic_count = 0;
    regex->is_resolved = false;
}

struct subscribed_regex *consumer_find_regex(struct consumer_group *kept, struct str text)
{
    struct subscribed_regex *regex;
    HASH_FIND(hh, kept->regexes, text.data, (size_t)text.size, regex);
    if (regex != NULL)
        return regex;
    regex = memory_take(sizeof(*regex));
    regex->text = str_copy_owned(text);
    regex->text_size = text.size;
    regex->looked_at = kept->looked_at = -1;
    HASH_ADD_KEYPTR(hh, kept->regexes, regex->text, (size_t)regex->text_size, regex);
    return regex;
}

struct subscribed_regex *consumer_regex(const struct group *group, struct str text)
{
    struct subscribed_regex *regex;
    HASH_FIND(hh, group->consumer->regexes, text.data, (size_t)text.size, regex);
    return regex;
}

void consumer_regex_refused(struct subscribed_regex *regex, const char *why)
{
    memory_give(regex->refusal);
    regex->refusal = str_copy_owned(str_from(why));
}

void consumer_drop_regex_if_unused(struct consumer_group *kept, struct subscribed_regex *regex)
{
    if (regex->subscribers > 0 || regex->is_resolved)
        return;
    HASH_DEL(kept->regexes, regex);
    memory_give(regex->refusal);
    memory_give(regex->text);
    memory_give(regex);
}

static void count_regex(struct consumer_group *kept, struct str text, int32_t by)
{
    if (text.size == 0)
        return;
    struct subscribed_regex *regex = consumer_find_regex(kept, text);
    regex->subscribers += by;
    consumer_drop_regex_if_unused(kept, regex);
}

static void widen(struct held_topic *held, int32_t partition)
{
    if (partition < held->count)
        return;
    int32_t count = partition + 1 > 2 * held->count ? partition + 1 : 2 * held->count;
    held->holders = memory_resize(held->holders, (size_t)count * sizeof(*held->holders));
    memset(held->holders + held->count, 0, (size_t)(count - held->count) * sizeof(*held->holders));
    held->count = count;
}

static void count_held(
    struct consumer_group *kept, const struct partition_set_topic *topic, int32_t by)
{
    struct held_topic *held;
    HASH_FIND(hh, kept->held, &topic->id, sizeof(topic->id), held);
    if (held == NULL) {
        held = memory_take(sizeof(*held));
        held->id = topic->id;
        HASH_ADD(hh, kept->held, id, sizeof(held->id), held);
    }
    for (int32_t i = 0; i < topic->count; i++) {
        widen(held, topic->partitions[i]);
        held->holders[topic->partitions[i]] = (uint16_t)(held->holders[topic->partitions[i]] + by);
        held->total += by;
    }
    if (held->total > 0)
        return;
    HASH_DEL(kept->held, held);
    memory_give(held->holders);
    memory_give(held);
}

void consumer_count_current(struct consumer_member *member, int32_t by)
{
    struct consumer_group *kept = member->group->consumer;
    const struct consumer_current *current = &member->current;
    if (!member->has_current)
        return;
    for (int32_t i = 0; i < current->assigned.topic_count; i++)
        count_held(kept, &current->assigned.topics[i], by);
    for (int32_t i = 0; i < current->revoking.topic_count; i++)
        count_held(kept, &current->revoking.topics[i], by);
    kept->settled_count += consumer_member_is_settled(current, kept->assignment_epoch) ? by : 0;
    kept->away_count += current->epoch == LEFT_STATICALLY ? by : 0;
}

void consumer_count_subscription(struct consumer_member *member, int32_t by)
{
    for (int32_t i = 0; i < member->topic_count; i++)
        consumer_count_topic(member->group->consumer, member->topics[i], by);
    count_regex(member->group->consumer, member->regex, by);
}
