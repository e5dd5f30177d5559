/* SPDX-License-Identifier: Apache-2.0 */
/* DescribeProducers (KIP-664): the producers that a partition's log knows, with their last
 * sequences and open transactions. A partition is told as often as it is named, but asked once. */
#include <stdlib.h>

#include "base/container.h"
#include "broker/apis.h"
#include "broker/partition_name.h"
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

struct mention {
    struct partition_name name;
    struct uuid topic_id;
    struct describe_producers_partition_response *answer;
};

struct describe_producers_work {
    struct visits visits;
    struct producers_visit *list;
    struct mention *mentions; /* of partitions that there are */
    int32_t mention_count;
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

static int compare_mentions(const void *a, const void *b)
{
    const struct mention *one = a, *other = b;
    return partition_name_compare(&one->name, &other->name);
}

static bool repeats(const struct describe_producers_work *work, int32_t i)
{
    return i > 0 && compare_mentions(&work->mentions[i - 1], &work->mentions[i]) == 0;
}

static void add_visits(struct request *request)
{
    struct describe_producers_work *work = request->work.describe_producers;
    qsort(work->mentions, (size_t)work->mention_count, sizeof(*work->mentions), compare_mentions);
    for (int32_t i = 0; i < work->mention_count; i++) {
        if (repeats(work, i))
            continue;
        struct producers_visit *mine = arena_take(&request->arena, sizeof(*mine));
        mine->visit.topic_id = work->mentions[i].topic_id;
        mine->visit.partition_index = work->mentions[i].name.index;
        mine->answer = work->mentions[i].answer;
        mine->next = work->list;
        arena_init(&mine->arena);
        work->list = mine;
        visits_add(&work->visits, &mine->visit);
    }
}

static void add_topic(struct request *request, const struct describe_producers_topic_request *wish,
    struct describe_producers_topic_response *out)
{
    struct describe_producers_work *work = request->work.describe_producers;
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
            work->mentions[work->mention_count++] =
                (struct mention){ { wish->name, answer->partition_index }, topic->id, answer };
        }
    }
}

static void cleanup(struct request *request)
{
    for (struct producers_visit *mine = request->work.describe_producers->list; mine != NULL;
         mine = mine->next)
        arena_deinit(&mine->arena);
}

static void start(struct request *request)
{
    const struct describe_producers_request *in = request->in.describe_producers;
    struct describe_producers_response *out = request->out.describe_producers;
    struct describe_producers_work *work = arena_take(&request->arena, sizeof(*work));
    size_t count = 0;
    request->work.describe_producers = work;
    request->cleanup = cleanup;
    visits_init(&work->visits, request);
    for (int32_t i = 0; i < in->topics_count; i++)
        count += (size_t)in->topics[i].partition_indexes_count;
    work->mentions = arena_take_array(&request->arena, count, sizeof(*work->mentions));
    out->topics_count = in->topics_count;
    out->topics =
        MESSAGE_TAKE(describe_producers_topic_response, &request->arena, in->topics_count);
    for (int32_t i = 0; i < in->topics_count; i++)
        add_topic(request, &in->topics[i], &out->topics[i]);
    add_visits(request);
    visits_send(&work->visits, describe_there);
}

enum step handle_describe_producers(struct request *request)
{
    if (request->work.describe_producers == NULL)
        start(request);
    if (request->errands_out > 0)
        return STEP_PARK;
    const struct describe_producers_work *work = request->work.describe_producers;
    for (int32_t i = 0; i < work->mention_count; i++)
        if (repeats(work, i))
            *work->mentions[i].answer = *work->mentions[i - 1].answer;
    return STEP_ANSWER;
}
