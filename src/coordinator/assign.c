/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/assign.h"

#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "coordinator/assign_parts.h"

const struct assignor assignors[ASSIGNOR_COUNT] = {
    { "uniform", assign_uniform },
    { "range", assign_range },
};

static const char *const java_classes[ASSIGNOR_COUNT] = {
    "org.apache.kafka.coordinator.group.assignor.UniformAssignor",
    "org.apache.kafka.coordinator.group.assignor.RangeAssignor",
};

const struct assignor *assignor_find(const struct assignor_list *list, struct str name)
{
    for (int i = 0; i < list->count; i++)
        if (str_is(name, list->at[i]->name))
            return list->at[i];
    return NULL;
}

void assignor_list_read(struct str names, struct assignor_list *out_list)
{
    static const struct assignor_list all = { { &assignors[0], &assignors[1] }, ASSIGNOR_COUNT };
    struct assignor_list list = { .count = 0 };
    struct str name;
    while (str_split(&names, ',', &name))
        for (int i = 0; i < ASSIGNOR_COUNT; i++)
            if ((str_is(str_trim(name), assignors[i].name) ||
                    str_is(str_trim(name), java_classes[i])) &&
                assignor_find(&list, str_from(assignors[i].name)) == NULL)
                list.at[list.count++] = &assignors[i];
    *out_list = list.count > 0 ? list : all;
}

/* The arrays of all assignors together; the test of it says when one is forgotten. */
size_t assign_bytes(const struct assign_size *size)
{
    enum { ROUNDED_UP = 1024 };
    size_t parts = size->links < size->partitions ? size->links : size->partitions;
    return ROUNDED_UP + size->members * (sizeof(struct assign_share) + 2 * sizeof(void *)) +
           parts * sizeof(struct assign_part) +
           sizeof(int32_t) *
               (12 * size->members + 10 * size->topics + 4 * size->links + 2 * size->partitions);
}

static void count_subscribers(struct assign_work *work)
{
    const struct assign_input *input = work->input;
    for (int32_t m = 0; m < input->member_count; m++) {
        const struct assign_member *member = &input->members[m];
        for (int32_t i = 0; i < member->topic_count; i++) {
            int32_t topic = member->topics[i];
            assert(topic >= 0 && topic < input->topic_count);
            assert(i == 0 || member->topics[i - 1] < topic);
            work->subscribers[topic]++;
        }
    }
}

void assign_begin(struct assign_work *work, const struct assign_input *input, struct arena *arena)
{
    size_t topic_count = (size_t)input->topic_count, member_count = (size_t)input->member_count;
    *work = (struct assign_work){ .input = input, .arena = arena };
    work->subscribers = arena_take_array(arena, topic_count, sizeof(int32_t));
    work->first = arena_take_array(arena, topic_count + 1, sizeof(int32_t));
    work->loads = arena_take_array(arena, member_count, sizeof(int32_t));
    count_subscribers(work);
    for (int32_t topic = 0; topic < input->topic_count; topic++) {
        int32_t count = work->subscribers[topic] > 0 ? input->partition_counts[topic] : 0;
        assert(count >= 0);
        bool overflow = __builtin_add_overflow(work->first[topic], count, &work->first[topic + 1]);
        assert(!overflow);
    }
    size_t total = (size_t)assign_total(work);
    work->owners = arena_take_array(arena, total, sizeof(int32_t));
    memset(work->owners, 0xff, total * sizeof(int32_t));
    _Static_assert(ASSIGN_NOBODY == -1, "all its bits are set");
}

int32_t assign_subscription(const struct assign_member *member, int32_t topic)
{
    int32_t low = 0, high = member->topic_count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (member->topics[middle] < topic)
            low = middle + 1;
        else
            high = middle;
    }
    return low < member->topic_count && member->topics[low] == topic ? low : -1;
}

void assign_keep(struct assign_work *work)
{
    const struct assign_input *input = work->input;
    for (int32_t m = 0; m < input->member_count; m++) {
        const struct assign_member *member = &input->members[m];
        for (int32_t i = 0; i < member->owned.part_count; i++) {
            const struct assign_part *part = &member->owned.parts[i];
            if (assign_subscription(member, part->topic) < 0)
                continue;
            int32_t first = work->first[part->topic];
            int32_t count = input->partition_counts[part->topic];
            for (int32_t p = 0; p < part->partition_count; p++) {
                int32_t partition = part->partitions[p];
                if (partition < 0 || partition >= count ||
                    work->owners[first + partition] != ASSIGN_NOBODY)
                    continue;
                work->owners[first + partition] = m;
                work->loads[m]++;
            }
        }
    }
}

/* Every share gets room for its parts: how many topics its owner has partitions of. */
static void lay_out_parts(struct assign_work *work, struct assign_part **at, int32_t *last_topic)
{
    const struct assign_input *input = work->input;
    int32_t *counts = arena_take_array(work->arena, (size_t)input->member_count, sizeof(*counts));
    size_t total = 0;
    for (int32_t topic = 0; topic < input->topic_count; topic++)
        for (int32_t p = work->first[topic]; p < work->first[topic + 1]; p++) {
            int32_t owner = work->owners[p];
            assert(owner != ASSIGN_NOBODY);
            if (last_topic[owner] != topic) {
                last_topic[owner] = topic;
                counts[owner]++;
                total++;
            }
        }
    struct assign_part *parts = arena_take_array(work->arena, total, sizeof(*parts));
    for (int32_t m = 0; m < input->member_count; m++) {
        at[m] = parts;
        parts += counts[m];
        last_topic[m] = -1;
    }
}

struct assign_share *assign_finish(struct assign_work *work)
{
    const struct assign_input *input = work->input;
    size_t member_count = (size_t)input->member_count;
    struct arena *arena = work->arena;
    struct assign_share *shares = arena_take_array(arena, member_count, sizeof(*shares));
    struct assign_part **at = arena_take_array(arena, member_count, sizeof(*at));
    int32_t **next = arena_take_array(arena, member_count, sizeof(*next));
    int32_t *last_topic = arena_take_array(arena, member_count, sizeof(*last_topic));
    int32_t *partitions = arena_take_array(arena, (size_t)assign_total(work), sizeof(*partitions));
    memset(last_topic, 0xff, member_count * sizeof(*last_topic));
    lay_out_parts(work, at, last_topic);
    for (int32_t m = 0; m < input->member_count; m++) {
        shares[m].parts = at[m];
        next[m] = partitions;
        partitions += work->loads[m];
    }
    for (int32_t topic = 0; topic < input->topic_count; topic++)
        for (int32_t p = work->first[topic]; p < work->first[topic + 1]; p++) {
            int32_t owner = work->owners[p];
            if (last_topic[owner] != topic) {
                last_topic[owner] = topic;
                at[owner][shares[owner].part_count++] =
                    (struct assign_part){ .topic = topic, .partitions = next[owner] };
            }
            at[owner][shares[owner].part_count - 1].partition_count++;
            *next[owner]++ = p - work->first[topic];
        }
    return shares;
}
