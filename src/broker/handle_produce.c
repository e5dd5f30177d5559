/* SPDX-License-Identifier: Apache-2.0 */
/* Produce: each partition's batch is appended by the shard that owns it, and answered when its acks are met or its time
 * is up. */
#include <utlist.h>

#include "base/buffer.h"
#include "base/container.h"
#include "broker/apis.h"
#include "broker/leader_hint.h"
#include "broker/settings.h"
#include "broker/shard.h"
#include "broker/topic_view.h"
#include "broker/visit.h"
#include "wire/gen/produce.h"
#include "wire/schema.h"

/* One partition of the request. While it is away, its own shard's; its arena is not the request's for that reason. */
struct produce_visit {
    struct visit visit; /* first */
    struct append append;
    struct room_wait wait; /* for room in the log directory, before the append */
    struct timer timeout;
    struct arena arena;
    struct shard *shard;
    int32_t timeout_ms;
    struct produce_partition_produce_response *answer;
    struct produce_visit *next;
};

struct produce_work {
    struct visits visits;
    struct produce_visit *list;
    bool failed; /* some partition answers an error */
    bool lacks_transactional_id;
};

static void append_done(struct append *append)
{
    struct produce_visit *mine = container_of(append, struct produce_visit, append);

    timer_cancel(mine->shard->loop, &mine->timeout);
    visit_done(&mine->visit);
}

static void time_is_up(struct timer *timer)
{
    struct produce_visit *mine = container_of(timer, struct produce_visit, timeout);

    if (mine->wait.room != NULL)
        room_wait_cancel(&mine->wait);
    else
        partition_append_cancel(&mine->append);
    mine->append.error = ERROR_REQUEST_TIMED_OUT;
    visit_done(&mine->visit);
}

/* True: done, without having been appended. */
static bool append_now(struct produce_visit *mine, struct partition *partition)
{
    struct shard *shard = mine->shard;

    if (partition == NULL || shard->stopping) {
        mine->append.error = ERROR_NOT_LEADER_OR_FOLLOWER;
        return true;
    }
    mine->append.done = append_done;
    return !partition_append(partition, &mine->append, shard->decompressor, &mine->arena);
}

static void room_is_there(struct room_wait *wait)
{
    struct produce_visit *mine = container_of(wait, struct produce_visit, wait);
    struct visit *visit = &mine->visit;

    if (!append_now(mine, shard_partition(mine->shard, visit->topic_id, visit->partition_index)))
        return;
    timer_cancel(mine->shard->loop, &mine->timeout);
    visit_done(visit);
}

static bool append_there(struct visit *visit, struct shard *shard, struct partition *partition)
{
    struct produce_visit *mine = container_of(visit, struct produce_visit, visit);
    struct room *room = partition == NULL ? NULL : &shard->rooms[partition->log_dir_index];
    int64_t timeout_us = disk_timeout_us(mine->timeout_ms);

    mine->shard = shard;
    mine->append.base_offset = mine->append.append_time_ms = mine->append.log_start = -1;
    if (room == NULL || room_is_free(room)) {
        if (append_now(mine, partition))
            return true;
    } else {
        mine->wait.ready = room_is_there;
        mine->wait.subject = partition;
        mine->wait.size = (int64_t)mine->append.size;
        room_wait(room, &mine->wait);
        timeout_us = (int64_t)mine->timeout_ms * 1000;
    }
    if (mine->append.acks == -1) {
        mine->timeout.run = time_is_up;
        timer_set(shard->loop, &mine->timeout, loop_now_us(shard->loop) + timeout_us);
    }
    return false;
}

static enum error check_partition(const struct request *request, const struct image_topic *topic,
    const struct produce_partition_produce_data *data)
{
    bool by_id = request->in.produce->by_topic_id;

    if (request->work.produce->lacks_transactional_id)
        return ERROR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    if (topic == NULL)
        return by_id ? ERROR_UNKNOWN_TOPIC_ID : ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    if (image_partition(topic, data->index) == NULL)
        return ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    if (data->records.data == NULL || data->records.size <= 0)
        return ERROR_INVALID_RECORD; /* Kafka 4.4.0 never answers a null here */
    if (request->in.produce->acks < -1 || request->in.produce->acks > 1)
        return ERROR_INVALID_REQUIRED_ACKS;
    /* Kafka lets a client of this name write there, for its own tools. It guards against mistakes only: any client may say so. */
    if (topic_is_internal(topic->name) && !str_is(request->client_id, "__admin_client"))
        return ERROR_INVALID_TOPIC_EXCEPTION;
    return ERROR_NONE;
}

static void add_partition(struct request *request, const struct image_topic *topic, struct str name,
    const struct produce_partition_produce_data *data, struct produce_partition_produce_response *answer)
{
    struct produce_work *work = request->work.produce;

    answer->index = data->index;
    answer->base_offset = -1;
    answer->error_code = (int16_t)check_partition(request, topic, data);
    if (answer->error_code != ERROR_NONE) {
        work->failed = true;
        return;
    }
    struct produce_visit *mine = arena_take(&request->arena, sizeof(*mine));
    mine->visit.topic_id = topic->id;
    mine->visit.partition_index = data->index;
    mine->answer = answer;
    mine->timeout_ms = request->in.produce->timeout_ms;
    mine->append.buffer = request->frame;
    mine->append.records = request->frame->data + (data->records.data - request->frame->data);
    mine->append.size = (size_t)data->records.size;
    mine->append.topic = name;
    mine->append.acks = request->in.produce->acks;
    mine->append.allow_zstd = request->in.produce->allows_zstd;
    arena_init(&mine->arena);
    LL_PREPEND(work->list, mine);
    visits_add(&work->visits, &mine->visit);
}

/* Whether a batch, as far as it can be told from its header, belongs to a transaction. */
static bool is_transactional(struct records records)
{
    return records.data != NULL && records.size >= BATCH_HEADER_SIZE &&
           (int8_t)records.data[BATCH_AT_MAGIC] == BATCH_MAGIC &&
           (load_i16(records.data + BATCH_AT_ATTRIBUTES) & BATCH_TRANSACTIONAL) != 0;
}

/* A transactional batch needs a transactional id; without one, the whole request is refused. */
static bool lacks_transactional_id(const struct produce_request *in)
{
    bool found = false;

    for (int32_t t = 0; t < in->topic_data_count && str_is_null(in->transactional_id); t++)
        for (int32_t p = 0; p < in->topic_data[t].partition_data_count && !found; p++)
            found = is_transactional(in->topic_data[t].partition_data[p].records);
    return found;
}

static void add_topic(struct request *request, const struct produce_topic_produce_data *data,
    struct produce_topic_produce_response *answer)
{
    const struct image *image = request->shard->image;
    const struct image_topic *topic = NULL;
    struct str name = { 0 };
    int32_t count = data->partition_data_count < 0 ? 0 : data->partition_data_count;

    if (image != NULL)
        topic = request->in.produce->by_topic_id ? image_topic_by_id(image, data->topic_id)
                                                 : image_topic_by_name(image, data->name);
    if (topic != NULL)
        name = str_copy(&request->arena, topic->name); /* the image may go before the answer */
    answer->name = data->name;
    answer->topic_id = data->topic_id;
    answer->partition_responses = MESSAGE_TAKE(produce_partition_produce_response, &request->arena, count);
    answer->partition_responses_count = count;
    for (int32_t i = 0; i < count; i++)
        add_partition(request, topic, name, &data->partition_data[i], &answer->partition_responses[i]);
}

static void cleanup(struct request *request)
{
    struct produce_visit *mine;

    LL_FOREACH(request->work.produce->list, mine)
        arena_deinit(&mine->arena);
}

static void start(struct request *request)
{
    const struct produce_request *in = request->in.produce;
    struct produce_response *out = request->out.produce;
    int32_t count = in->topic_data_count < 0 ? 0 : in->topic_data_count;

    request->work.produce = arena_take(&request->arena, sizeof(*request->work.produce));
    request->cleanup = cleanup;
    visits_init(&request->work.produce->visits, request);
    out->responses = MESSAGE_TAKE(produce_topic_produce_response, &request->arena, count);
    out->responses_count = 0;
    request->work.produce->lacks_transactional_id = lacks_transactional_id(in);
    for (int32_t i = 0; i < count; i++)
        if (in->topic_data[i].partition_data_count > 0)
            add_topic(request, &in->topic_data[i], &out->responses[out->responses_count++]);
}

static void tell_record_errors(struct request *request, const struct append *append,
    struct produce_partition_produce_response *answer)
{
    answer->record_errors_count = append->record_error_count;
    answer->record_errors =
        MESSAGE_TAKE(produce_batch_index_and_error_message, &request->arena, append->record_error_count);
    for (int32_t i = 0; i < append->record_error_count; i++) {
        answer->record_errors[i].batch_index = append->record_errors[i].index;
        answer->record_errors[i].batch_index_error_message = str_from(append->record_errors[i].message);
    }
}

static void tell_leader(struct request *request, const struct produce_visit *mine,
    struct produce_partition_produce_response *answer)
{
    struct produce_response *out = request->out.produce;
    struct leader_hint hint;

    if (!leader_hint_fill(request, mine->visit.topic_id, mine->visit.partition_index, &hint))
        return;
    answer->current_leader.leader_id = hint.leader_id;
    answer->current_leader.leader_epoch = hint.leader_epoch;
    if (str_is_null(hint.host))
        return;
    for (int32_t i = 0; i < out->node_endpoints_count; i++)
        if (out->node_endpoints[i].node_id == hint.leader_id)
            return;
    struct produce_node_endpoint *grown =
        MESSAGE_TAKE(produce_node_endpoint, &request->arena, out->node_endpoints_count + 1);
    if (out->node_endpoints_count > 0)
        memcpy(grown, out->node_endpoints, (size_t)out->node_endpoints_count * sizeof(*grown));
    out->node_endpoints = grown;
    struct produce_node_endpoint *endpoint = &grown[out->node_endpoints_count++];
    endpoint->node_id = hint.leader_id;
    endpoint->host = hint.host;
    endpoint->port = hint.port;
    endpoint->rack = hint.rack;
}

static void fill(struct request *request, struct produce_visit *mine)
{
    const struct append *append = &mine->append;
    struct produce_partition_produce_response *answer = mine->answer;

    answer->error_code = (int16_t)append->error;
    if (append->error == ERROR_NONE) {
        answer->base_offset = append->base_offset;
        answer->log_append_time_ms = append->append_time_ms;
        answer->log_start_offset = append->log_start;
        return;
    }
    request->work.produce->failed = true;
    answer->base_offset = -1;
    answer->log_start_offset = append->log_start;
    answer->error_message = str_from(append->message);
    if (append->record_error_count > 0)
        tell_record_errors(request, append, answer);
    if (append->error == ERROR_NOT_LEADER_OR_FOLLOWER)
        tell_leader(request, mine, answer);
}

enum step handle_produce(struct request *request)
{
    struct produce_visit *mine;

    if (request->work.produce == NULL) {
        start(request);
        if (!visits_send(&request->work.produce->visits, append_there))
            return STEP_PARK;
    }
    if (request->errands_out > 0)
        return STEP_PARK;
    LL_FOREACH(request->work.produce->list, mine)
        fill(request, mine);
    if (request->in.produce->acks != 0)
        return STEP_ANSWER;
    return request->work.produce->failed ? STEP_CLOSE : STEP_SILENT;
}
