/* SPDX-License-Identifier: Apache-2.0 */
#include "metadata/assignment.h"

#include <stdlib.h>

#include "metadata/placement.h"
#include "wire/gen/partition_record.h"

enum { ASSIGNMENT_MAX = INT16_MAX };

static int compare_ids(const void *a, const void *b)
{
    int32_t first = *(const int32_t *)a, second = *(const int32_t *)b;
    return (first > second) - (first < second);
}

const char *assignment_fault(
    const struct decider *decider, struct node_list replicas, int32_t expected)
{
    struct arena *arena = decider->arena;
    if (replicas.count <= 0)
        return "The manual partition assignment includes an empty replica list.";
    if (replicas.count > ASSIGNMENT_MAX)
        return "The manual partition assignment includes more replicas than there can be brokers.";
    int32_t *sorted = arena_copy(arena, replicas.ids, (size_t)replicas.count * sizeof(*sorted));
    qsort(sorted, (size_t)replicas.count, sizeof(*sorted), compare_ids);
    for (int32_t i = 0; i < replicas.count; i++) {
        if (image_broker(decider->image, sorted[i]) == NULL)
            return arena_format(arena,
                "The manual partition assignment includes broker %d, but no such broker is "
                "registered.",
                sorted[i]);
        if (i > 0 && sorted[i] == sorted[i - 1])
            return arena_format(arena,
                "The manual partition assignment includes the broker %d more than once.",
                sorted[i]);
    }
    if (expected >= 0 && replicas.count != expected)
        return arena_format(arena,
            "The manual partition assignment includes a partition with %d replica(s), but this is "
            "not consistent with previous partitions, which have %d replica(s).",
            replicas.count, expected);
    return NULL;
}

void assignment_record(const struct decider *decider, struct placement *placement, int32_t index,
    struct node_list replicas, struct partition_record *out_record)
{
    struct arena *arena = decider->arena;
    size_t count = (size_t)replicas.count;
    message_defaults(&partition_record_schema, out_record);
    out_record->partition_id = index;
    out_record->replicas = arena_copy(arena, replicas.ids, count * sizeof(int32_t));
    out_record->isr = arena_take_array(arena, count, sizeof(int32_t));
    out_record->directories = arena_take_array(arena, count, sizeof(struct uuid));
    out_record->replicas_count = out_record->directories_count = replicas.count;
    out_record->isr_count = 0;
    for (int32_t i = 0; i < replicas.count; i++) {
        out_record->directories[i] = placement_directory(placement, replicas.ids[i]);
        if (broker_is_active(image_broker(decider->image, replicas.ids[i])))
            out_record->isr[out_record->isr_count++] = replicas.ids[i];
    }
    out_record->leader = out_record->isr_count > 0 ? out_record->isr[0] : -1;
    out_record->leader_epoch = 0;
    out_record->partition_epoch = 0;
}

const char *assignment_nobody_serves(struct arena *arena, int32_t index)
{
    return arena_format(arena,
        "All brokers specified in the manual partition assignment for partition %d are fenced or "
        "in controlled shutdown.",
        index);
}
