/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/partition_set.h"

#include <assert.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/memory.h"

struct partition_set partition_set_take(struct arena *arena, int32_t topic_capacity)
{
    return (struct partition_set){ .topics = arena_take_array(arena, (size_t)topic_capacity,
                                       sizeof(struct partition_set_topic)),
        .topic_capacity = topic_capacity };
}

struct partition_set_topic *partition_set_add_topic(
    struct partition_set *set, struct arena *arena, struct uuid id, int32_t capacity)
{
    assert(set->topic_count < set->topic_capacity);
    struct partition_set_topic *topic = &set->topics[set->topic_count++];
    *topic = (struct partition_set_topic){ .id = id,
        .capacity = capacity,
        .partitions = arena_take_array(arena, (size_t)capacity, sizeof(int32_t)),
        .epochs = arena_take_array(arena, (size_t)capacity, sizeof(int32_t)) };
    return topic;
}

void partition_set_add(struct partition_set_topic *topic, int32_t partition, int32_t epoch)
{
    assert(topic->count < topic->capacity);
    topic->partitions[topic->count] = partition;
    topic->epochs[topic->count++] = epoch;
}

/* Nearly always sorted already, or two sorted runs. */
static void sort_topic(struct partition_set_topic *topic)
{
    for (int32_t i = 1; i < topic->count; i++) {
        int32_t partition = topic->partitions[i], epoch = topic->epochs[i], k = i;
        for (; k > 0 && topic->partitions[k - 1] > partition; k--) {
            topic->partitions[k] = topic->partitions[k - 1];
            topic->epochs[k] = topic->epochs[k - 1];
        }
        topic->partitions[k] = partition;
        topic->epochs[k] = epoch;
    }
}

static int by_id(const void *a, const void *b)
{
    const struct partition_set_topic *one = a, *other = b;
    return memcmp(one->id.bytes, other->id.bytes, sizeof(one->id.bytes));
}

void partition_set_sort(struct partition_set *set)
{
    bool is_sorted = true;
    for (int32_t i = 0; i < set->topic_count; i++) {
        sort_topic(&set->topics[i]);
        is_sorted = is_sorted && (i == 0 || by_id(&set->topics[i - 1], &set->topics[i]) < 0);
    }
    if (!is_sorted)
        qsort(set->topics, (size_t)set->topic_count, sizeof(*set->topics), by_id);
}

static void merge_topic(struct partition_set_topic *to, const struct partition_set_topic *one,
    const struct partition_set_topic *other)
{
    for (int32_t i = 0, k = 0; i < one->count || k < other->count;) {
        bool is_of_one = k == other->count ||
                         (i < one->count && one->partitions[i] <= other->partitions[k]);
        const struct partition_set_topic *from = is_of_one ? one : other;
        int32_t at = is_of_one ? i++ : k++;
        partition_set_add(to, from->partitions[at], from->epochs[at]);
    }
}

struct partition_set partition_set_union(
    const struct partition_set *one, const struct partition_set *other, struct arena *arena)
{
    static const struct partition_set_topic none;
    struct partition_set all = partition_set_take(arena, one->topic_count + other->topic_count);
    for (int32_t i = 0, k = 0; i < one->topic_count || k < other->topic_count;) {
        int order = i == one->topic_count     ? 1
                    : k == other->topic_count ? -1
                                              : by_id(&one->topics[i], &other->topics[k]);
        const struct partition_set_topic *a = order <= 0 ? &one->topics[i++] : &none;
        const struct partition_set_topic *b = order >= 0 ? &other->topics[k++] : &none;
        merge_topic(partition_set_add_topic(
                        &all, arena, order <= 0 ? a->id : b->id, a->count + b->count),
            a, b);
    }
    return all;
}

struct partition_set partition_set_copy(const struct partition_set *set, struct arena *arena)
{
    struct partition_set copy = { .topic_count = set->topic_count,
        .topic_capacity = set->topic_count,
        .topics = arena_copy(arena, set->topics, (size_t)set->topic_count * sizeof(*set->topics)) };
    for (int32_t i = 0; i < copy.topic_count; i++) {
        struct partition_set_topic *topic = &copy.topics[i];
        topic->partitions =
            arena_copy(arena, topic->partitions, (size_t)topic->count * sizeof(*topic->partitions));
        topic->capacity = topic->count;
        topic->epochs = NULL;
    }
    return copy;
}

/* One block: the topics, then the numbers of each. */
struct partition_set partition_set_own(const struct partition_set *set)
{
    size_t numbers = 0, topics_size = (size_t)set->topic_count * sizeof(*set->topics);
    for (int32_t i = 0; i < set->topic_count; i++)
        numbers += 2 * (size_t)set->topics[i].count;
    struct partition_set copy = { 0 };
    if (set->topic_count == 0)
        return copy;
    copy.topics = memory_take_raw(topics_size + numbers * sizeof(int32_t));
    copy.topic_count = copy.topic_capacity = set->topic_count;
    int32_t *at = (int32_t *)(void *)(copy.topics + set->topic_count);
    for (int32_t i = 0; i < set->topic_count; i++) {
        const struct partition_set_topic *topic = &set->topics[i];
        size_t size = (size_t)topic->count * sizeof(int32_t);
        copy.topics[i] = (struct partition_set_topic){ .id = topic->id,
            .count = topic->count,
            .capacity = topic->count,
            .partitions = at,
            .epochs = at + topic->count };
        memcpy(at, topic->partitions, size);
        memcpy(at + topic->count, topic->epochs, size);
        at += 2 * topic->count;
    }
    return copy;
}

void partition_set_give(struct partition_set *set)
{
    memory_give(set->topics);
    *set = (struct partition_set){ 0 };
}

const struct partition_set_topic *partition_set_topic(
    const struct partition_set *set, struct uuid id)
{
    const struct partition_set_topic wanted = { .id = id };
    return set->topic_count == 0 ? NULL
                                 : bsearch(&wanted, set->topics, (size_t)set->topic_count,
                                       sizeof(*set->topics), by_id);
}

const int32_t *partition_set_epoch(const struct partition_set_topic *topic, int32_t partition)
{
    int32_t low = 0, high = topic->count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (topic->partitions[middle] < partition)
            low = middle + 1;
        else
            high = middle;
    }
    return low < topic->count && topic->partitions[low] == partition ? &topic->epochs[low] : NULL;
}

bool partition_set_has(const struct partition_set *set, struct uuid id, int32_t partition)
{
    const struct partition_set_topic *topic = partition_set_topic(set, id);
    return topic != NULL && partition_set_epoch(topic, partition) != NULL;
}

bool partition_set_is_empty(const struct partition_set *set)
{
    return set->topic_count == 0;
}

bool partition_set_equal(
    const struct partition_set *one, const struct partition_set *other, bool with_epochs)
{
    if (one->topic_count != other->topic_count)
        return false;
    for (int32_t i = 0; i < one->topic_count; i++) {
        const struct partition_set_topic *a = &one->topics[i];
        const struct partition_set_topic *b = &other->topics[i];
        size_t size = (size_t)a->count * sizeof(int32_t);
        if (!uuid_equal(a->id, b->id) || a->count != b->count ||
            memcmp(a->partitions, b->partitions, size) != 0)
            return false;
        if (with_epochs && memcmp(a->epochs, b->epochs, size) != 0)
            return false;
    }
    return true;
}
