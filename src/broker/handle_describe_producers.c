/* SPDX-License-Identifier: Apache-2.0 */
/* DescribeProducers (KIP-664): the producers that a partition's log knows, with their last
 * sequences and open transactions. */
#include "base/container.h"
#include "broker/apis.h"
#include "broker/shard.h"
#include "broker/visit.h"
#include "metadata/topic_name.h"
#include "storage/producers.h"
#include "wire/gen/describe_producers.h"
#include "wire/schema.h"

/* While it is away it takes memory from an arena of its own: the request's is the other shard's. */
struct producers_visit {
    struct visit visit; /* first */
    struct arena arena;
    struct describe_producers_partition_response *answer;
    struct producers_visit *next;
};

struct describe_producers_work {
    struct visits visits;
    struct producers_visit *list;
};

static void describe(
    const struct producer *producer, struct describe_producers_producer_state *state)
{
    state->producer_id = producer->id;
    state->producer_epoch = producer->epoch;
    if (producer->batch_count > 0)
        state->last_sequence = producer->batches[producer->batch_count - 1].last_sequence;
    state->last_timestamp = producer->last_timestamp;
    state->coordinator_epoch = producer->coordinator_epoch;
    state->current_txn_start_offset = producer->transaction_start;
}

static bool describe_there(struct visit *visit, struct shard *shard, struct partition *partition)
{
    (void)shard;
    struct producers_visit *mine = container_of(visit, struct producers_visit, visit);
    struct describe_producers_partition_response *answer = mine->answer;
    enum error error =
        partition == NULL ? ERROR_NOT_LEADER_OR_FOLLOWER : partition_check(partition, -1);
    answer->error_code = (int16_t)error;
    if (error != ERROR_NONE)
        return true;
    const struct producers *producers = log_producers(partition->log);
    answer->active_producers_count = producers->count;
    answer->active_producers =
        MESSAGE_TAKE(describe_producers_producer_state, &mine->arena, producers->count);
    for (int32_t i = 0; i < producers->count; i++)
        describe(producers->entries[i], &answer->active_producers[i]);
    return true;
}

static void add_visit(struct request *request, const struct image_topic *topic,
    struct describe_producers_partition_response *answer)
{
    struct describe_producers_work *work = request->work.describe_producers;
    struct producers_visit *mine = arena_take(&request->arena, sizeof(*mine));
    mine->visit.topic_id = topic->id;
    mine->visit.partition_index = answer->partition_index;
    mine->answer = answer;
    mine->next = work->list;
    arena_init(&mine->arena);
    work->list = mine;
    visits_add(&work->visits, &mine->visit);
}

static void add_topic(struct request *request, const struct describe_producers_topic_request *wish,
    struct describe_producers_topic_response *out)
{
    const struct image *image = request->shard->image;
    const struct image_topic *topic = image == NULL ? NULL : image_topic_by_name(image, wish->name);
    const char *fault = topic_name_fault(&request->arena, wish->name);
    out->name = wish->name;
    out->partitions_count = wish->partition_indexes_count;
    out->partitions = MESSAGE_TAKE(
        describe_producers_partition_response, &request->arena, wish->partition_indexes_count);
    for (int32_t i = 0; i < wish->partition_indexes_count; i++) {
        struct describe_producers_partition_response *answer = &out->partitions[i];
        answer->partition_index = wish->partition_indexes[i];
        if (fault != NULL) {
            answer->error_code = ERROR_INVALID_TOPIC_EXCEPTION;
            answer->error_message = str_from(fault);
        } else if (topic == NULL) {
            answer->error_code = ERROR_UNKNOWN_TOPIC_OR_PARTITION;
            answer->error_message = STR("This server does not host this topic-partition.");
        } else if (image_partition(topic, answer->partition_index) == NULL) {
            answer->error_code = ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        } else {
            add_visit(request, topic, answer);
        }
    }
}

static void cleanup(struct request *request)
{
    for (struct producers_visit *mine = request->work.describe_producers->list; mine != NULL;
         mine = mine->next)
        arena_deinit(&mine->arena);
}

enum step handle_describe_producers(struct request *request)
{
    const struct describe_producers_request *in = request->in.describe_producers;
    struct describe_producers_response *out = request->out.describe_producers;
    struct describe_producers_work *work = request->work.describe_producers;

    if (work == NULL) {
        work = request->work.describe_producers = arena_take(&request->arena, sizeof(*work));
        request->cleanup = cleanup;
        visits_init(&work->visits, request);
        out->topics_count = in->topics_count;
        out->topics =
            MESSAGE_TAKE(describe_producers_topic_response, &request->arena, in->topics_count);
        for (int32_t i = 0; i < in->topics_count; i++)
            add_topic(request, &in->topics[i], &out->topics[i]);
        visits_send(&work->visits, describe_there);
    }
    return request->errands_out > 0 ? STEP_PARK : STEP_ANSWER;
}
