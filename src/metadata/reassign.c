/* SPDX-License-Identifier: Apache-2.0 */
/* AlterPartitionReassignments: a partition gets other replicas. Those that come are added first;
 * those that go are taken away when all that stay are in the ISR, which may be at once. Cancelling
 * takes away those that came. The rules and messages are Kafka's (KIP-455). */
#include <stdlib.h>

#include "metadata/assignment.h"
#include "metadata/decide.h"
#include "metadata/elect.h"
#include "wire/gen/alter_partition_reassignments.h"

/* One partition on its way. */
struct move {
    struct decider *decider;
    const struct image_topic *topic;
    int32_t index;
    const struct image_partition *partition;
    struct node_list target;
    struct alter_partition_reassignments_reassignable_partition_response *answer;
};

static void answer(const struct move *move, enum error error, const char *message)
{
    move->answer->error_code = (int16_t)error;
    move->answer->error_message = message == NULL ? (struct str){ 0 } : str_from(message);
}

/* Those of `list` that are not in `out`. */
static struct node_list without(struct arena *arena, struct node_list list, struct node_list out)
{
    int32_t *ids = arena_take_array(arena, (size_t)list.count, sizeof(*ids));
    int32_t count = 0;
    for (int32_t i = 0; i < list.count; i++)
        if (!node_list_has(out, list.ids[i]))
            ids[count++] = list.ids[i];
    return (struct node_list){ ids, count };
}

static struct node_list join(struct arena *arena, struct node_list a, struct node_list b)
{
    int32_t *ids = arena_take_array(arena, (size_t)(a.count + b.count), sizeof(*ids));
    for (int32_t i = 0; i < a.count; i++)
        ids[i] = a.ids[i];
    for (int32_t i = 0; i < b.count; i++)
        ids[a.count + i] = b.ids[i];
    return (struct node_list){ ids, a.count + b.count };
}

static bool has_all(struct node_list list, struct node_list wanted)
{
    for (int32_t i = 0; i < wanted.count; i++)
        if (!node_list_has(list, wanted.ids[i]))
            return false;
    return true;
}

static bool is_moving(const struct image_partition *partition)
{
    return partition->adding.count + partition->removing.count > 0;
}

static int compare_ids(const void *a, const void *b)
{
    int32_t first = *(const int32_t *)a, second = *(const int32_t *)b;
    return (first > second) - (first < second);
}

/* How many replicas the partition has, without those that only came for a move. */
static int32_t replication_factor(const struct move *move)
{
    return without(move->decider->arena, move->partition->replicas, move->partition->adding).count;
}

static void begin_move(struct move *move, bool may_change_factor)
{
    struct arena *arena = move->decider->arena;
    const struct image_partition *partition = move->partition;
    const char *fault = assignment_fault(move->decider, move->target, -1);
    if (fault != NULL) {
        answer(move, ERROR_INVALID_REPLICA_ASSIGNMENT, fault);
        return;
    }
    if (!may_change_factor && move->target.count != replication_factor(move)) {
        answer(move, ERROR_INVALID_REPLICATION_FACTOR,
            arena_format(arena, "The replication factor is changed from %d to %d",
                replication_factor(move), move->target.count));
        return;
    }
    struct node_list removing = without(arena, partition->replicas, move->target);
    qsort((int32_t *)removing.ids, (size_t)removing.count, sizeof(int32_t), compare_ids);
    struct reassignment next = {
        .replicas = join(arena, move->target, removing),
        .adding = without(arena, move->target, partition->replicas),
        .removing = removing,
        .isr = partition->isr,
    };
    bool is_move = next.adding.count + next.removing.count > 0;
    if (is_move && has_all(partition->isr, move->target)) {
        next = (struct reassignment){ .replicas = move->target,
            .isr = without(arena, partition->isr, removing) };
    }
    elect_reassigned(move->decider, &next, move->topic, move->index);
    answer(move, ERROR_NONE, NULL);
}

static void cancel_move(struct move *move)
{
    struct arena *arena = move->decider->arena;
    const struct image_partition *partition = move->partition;
    if (!is_moving(partition)) {
        answer(move, ERROR_NO_REASSIGNMENT_IN_PROGRESS, NULL);
        return;
    }
    struct reassignment back = {
        .replicas = without(arena, partition->replicas, partition->adding),
        .isr = without(arena, partition->isr, partition->adding),
    };
    bool is_unclean = back.isr.count == 0;
    if (back.replicas.count == 0 ||
        (is_unclean && !may_elect_uncleanly(move->decider, move->topic))) {
        answer(move, ERROR_INVALID_REPLICA_ASSIGNMENT,
            arena_format(arena,
                "Unable to revert partition assignment for %.*s:%d because it would require an "
                "unclean leader election.",
                STR_PRINT(move->topic->name), move->index));
        return;
    }
    if (is_unclean)
        back.isr = (struct node_list){ back.replicas.ids, 1 };
    elect_reassigned(move->decider, &back, move->topic, move->index);
    answer(move, ERROR_NONE, NULL);
}

static void reassign(struct decider *decider, struct str name,
    const struct alter_partition_reassignments_reassignable_partition *wish, bool may_change_factor,
    struct alter_partition_reassignments_reassignable_partition_response *result)
{
    const struct image_topic *topic = image_topic_by_name(decider->image, name);
    struct move move = { .decider = decider,
        .topic = topic,
        .index = wish->partition_index,
        .partition = topic == NULL ? NULL : image_partition(topic, wish->partition_index),
        .target = { wish->replicas, wish->replicas_count },
        .answer = result };
    if (topic == NULL)
        answer(&move, ERROR_UNKNOWN_TOPIC_OR_PARTITION,
            arena_format(decider->arena, "Unable to find a topic named %.*s.", STR_PRINT(name)));
    else if (move.partition == NULL)
        answer(&move, ERROR_UNKNOWN_TOPIC_OR_PARTITION,
            arena_format(
                decider->arena, "Unable to find partition %.*s:%d.", STR_PRINT(name), move.index));
    else if (wish->replicas_count < 0)
        cancel_move(&move);
    else
        begin_move(&move, may_change_factor);
}

enum error decide_alter_reassignments(struct decider *decider,
    const struct alter_partition_reassignments_request *request,
    struct alter_partition_reassignments_response *response)
{
    int32_t count = request->topics_count > 0 ? request->topics_count : 0;
    bool in_time = request->timeout_ms > 0;
    response->error_code = in_time ? ERROR_NONE : ERROR_REQUEST_TIMED_OUT;
    response->error_message = count == 0 ? STR("") : (struct str){ 0 };
    if (in_time && count > 0)
        response->allow_replication_factor_change = request->allow_replication_factor_change;
    response->responses_count = count;
    response->responses = MESSAGE_TAKE(
        alter_partition_reassignments_reassignable_topic_response, decider->arena, count);
    for (int32_t i = 0; i < count; i++) {
        const struct alter_partition_reassignments_reassignable_topic *topic = &request->topics[i];
        struct alter_partition_reassignments_reassignable_topic_response *result =
            &response->responses[i];
        result->name = topic->name;
        result->partitions_count = topic->partitions_count;
        result->partitions =
            MESSAGE_TAKE(alter_partition_reassignments_reassignable_partition_response,
                decider->arena, topic->partitions_count);
        for (int32_t j = 0; j < topic->partitions_count; j++) {
            result->partitions[j].partition_index = topic->partitions[j].partition_index;
            result->partitions[j].error_code = ERROR_REQUEST_TIMED_OUT;
            result->partitions[j].error_message = (struct str){ 0 };
            if (in_time)
                reassign(decider, topic->name, &topic->partitions[j],
                    request->allow_replication_factor_change, &result->partitions[j]);
        }
    }
    return decide_bounded(decider, false);
}
