/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/arena.h"
#include "coordinator/assign_parts.h"

/* As Java compares strings, by UTF-16 units: what lies beyond U+FFFF (in UTF-8 from 0xf0 on) stands
 * before U+E000 to U+FFFF (0xee and 0xef). Else the order of the bytes is the same. */
static int compare_as_java(struct str a, struct str b)
{
    int32_t size = a.size < b.size ? a.size : b.size;
    for (int32_t i = 0; i < size; i++) {
        uint8_t first = (uint8_t)a.data[i], second = (uint8_t)b.data[i];
        if (first == second)
            continue;
        if (first >= 0xee && second >= 0xee && (first >= 0xf0) != (second >= 0xf0))
            return first >= 0xf0 ? -1 : 1;
        return first < second ? -1 : 1;
    }
    return (a.size > b.size) - (a.size < b.size);
}

static int compare_members(const void *a, const void *b, void *context)
{
    const struct assign_member *members = context;
    const struct assign_member *first = &members[*(const int32_t *)a];
    const struct assign_member *second = &members[*(const int32_t *)b];
    bool first_static = !str_is_null(first->instance_id);
    bool second_static = !str_is_null(second->instance_id);
    if (first_static != second_static)
        return first_static ? -1 : 1;
    int order = first_static ? compare_as_java(first->instance_id, second->instance_id) : 0;
    return order != 0 ? order : compare_as_java(first->id, second->id);
}

struct assign_share *assign_range(const struct assign_input *input, struct arena *arena)
{
    struct assign_work work;
    assign_begin(&work, input, arena);
    size_t member_count = (size_t)input->member_count;
    int32_t *order = arena_take_array(arena, member_count, sizeof(*order));
    for (int32_t m = 0; m < input->member_count; m++)
        order[m] = m;
    qsort_r(order, member_count, sizeof(*order), compare_members, (void *)input->members);

    /* Of each topic: how many subscribers and partitions are done with. */
    int32_t *served = arena_take_array(arena, (size_t)input->topic_count, sizeof(*served));
    int32_t *given = arena_take_array(arena, (size_t)input->topic_count, sizeof(*given));
    for (int32_t i = 0; i < input->member_count; i++) {
        const struct assign_member *member = &input->members[order[i]];
        for (int32_t t = 0; t < member->topic_count; t++) {
            int32_t topic = member->topics[t];
            int32_t subscribers = work.subscribers[topic];
            int32_t count = input->partition_counts[topic];
            int32_t run = count / subscribers + (served[topic]++ < count % subscribers);
            for (int32_t p = 0; p < run; p++)
                work.owners[work.first[topic] + given[topic]++] = order[i];
            work.loads[order[i]] += run;
        }
    }
    return assign_finish(&work);
}
