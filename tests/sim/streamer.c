/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/streamer.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/container.h"
#include "error.h"
#include "sim/payload.h"
#include "sim/producer_id.h"
#include "sim/workload.h"
#include "wire/gen/init_producer_id.h"
#include "wire/gen/produce.h"
#include "wire/record.h"

enum { ATTEMPTS_MOST = 40, FIRST_WITH_ZSTD = 7, LAST_WITH_NAMES = 12, FIRST_WITH_IDS = 13 };

static struct streamer *streamer_of(struct actor *actor)
{
    return container_of(actor, struct streamer, actor);
}

static struct stream_batch *batch_of(struct streamer *streamer, int64_t number)
{
    return &streamer->batches[number % STREAM_KEPT];
}

static void note(const struct streamer *streamer, const char *phase, const struct stream_batch *batch, int32_t partition)
{
    int64_t base = batch->offsets[partition];
    for (int32_t i = 0; i < batch->count; i++)
        recorder_note(streamer->actor.workload->recorder, &(struct event){ .process = streamer->name,
                                                               .phase = phase,
                                                               .name = "send",
                                                               .key = streamer->topic->keys[partition],
                                                               .value = batch->values[partition][i],
                                                               .offset = base == OFFSET_NONE ? OFFSET_NONE : base + i,
                                                               .acks = "all",
                                                               .durability = "disk" });
}

static void violate(const struct streamer *streamer, const char *name, int32_t partition, int64_t answer, int64_t known)
{
    recorder_violate(streamer->actor.workload->recorder, name, "streamer=%s key=%s answer=%lld known=%lld", streamer->name,
        streamer->topic->keys[partition], (long long)answer, (long long)known);
}

/* What is under way may still be stored, later than what comes: so a new producer begins. */
static void give_up(struct streamer *streamer)
{
    pipe_close(&streamer->pipe);
    for (; streamer->first_unanswered < streamer->next_batch; streamer->first_unanswered++) {
        const struct stream_batch *batch = batch_of(streamer, streamer->first_unanswered);
        for (int32_t i = 0; i < streamer->partition_count; i++)
            if (batch->offsets[i] == OFFSET_NONE)
                note(streamer, "info", batch, i);
    }
    streamer->first_unanswered = streamer->next_to_send = streamer->next_batch = 0;
    streamer->producer_id = -1;
    streamer->topic = NULL;
}

/* ---- The producer id ---- */

static void hear_id(struct actor *actor)
{
    struct streamer *streamer = streamer_of(actor);
    const struct init_producer_id_response *response = actor->client.response;
    if (!actor_succeeded(actor, response->error_code, "init_producer_id"))
        return;
    streamer->producer_id = response->producer_id;
    streamer->epoch = response->producer_epoch;
    snprintf(streamer->name, sizeof(streamer->name), "streamer%d/%d", actor->number, streamer->id_count++);
    producer_id_note(actor, streamer->name, streamer->producer_id);
    actor_wait(actor, 1000);
}

static void ask_id(struct actor *actor)
{
    actor->hear = hear_id;
    producer_id_ask(actor);
}

/* ---- Requests ---- */

static struct buffer *build_batch(struct streamer *streamer, const struct stream_batch *batch, int32_t partition)
{
    struct record records[STREAM_RECORDS_MOST] = { 0 };
    struct batch_options options = batch_options_plain();
    for (int32_t i = 0; i < batch->count; i++) {
        records[i].timestamp = loop_wall_ms(streamer->actor.loop);
        payload_fill(&records[i], batch->values[partition][i], &streamer->actor.arena);
    }
    options.codec = (enum codec)(batch->values[partition][0] % CODEC_COUNT);
    options.producer_id = streamer->producer_id;
    options.producer_epoch = streamer->epoch;
    options.base_sequence = batch->sequence;
    return batch_build(&options, records, batch->count);
}

static void drop_built(struct stream_batch *batch)
{
    for (int32_t i = 0; i < PARTITIONS_MOST; i++)
        buffer_unref(batch->built[i]);
}

static void begin_batch(struct streamer *streamer)
{
    struct actor *actor = &streamer->actor;
    struct stream_batch *batch = batch_of(streamer, streamer->next_batch);
    const struct stream_batch *before = batch_of(streamer, streamer->next_batch + STREAM_KEPT - 1);
    drop_built(batch);
    *batch = (struct stream_batch){ .count = 1 + (int32_t)actor_draw(actor, STREAM_RECORDS_MOST),
        .life = actor->workload->recorder->lives };
    batch->sequence = streamer->next_batch == 0 ? producer_id_draw_sequence(actor) : sequence_behind(before->sequence, before->count);
    streamer->next_batch++;
    for (int32_t i = 0; i < streamer->partition_count; i++) {
        batch->offsets[i] = OFFSET_NONE;
        for (int32_t k = 0; k < batch->count; k++)
            batch->values[i][k] = recorder_value(actor->workload->recorder);
        batch->built[i] = build_batch(streamer, batch, i);
        note(streamer, "invoke", batch, i);
    }
}

static int16_t draw_version(struct actor *actor)
{
    const struct api_schema *api = api_schema_find(API_PRODUCE);
    int16_t least = FIRST_WITH_IDS, most = api->request->max_version;
    if (actor->workload->by_name && actor_draw(actor, 2) == 0) {
        least = FIRST_WITH_ZSTD;
        most = LAST_WITH_NAMES;
    }
    return (int16_t)(least + (int16_t)actor_draw(actor, (uint64_t)(most - least + 1)));
}

static void send_batch(struct streamer *streamer, int64_t number)
{
    struct stream_batch *batch = batch_of(streamer, number);
    struct produce_partition_produce_data partitions[PARTITIONS_MOST];
    struct produce_topic_produce_data topic;
    struct produce_request request;
    message_defaults(&produce_request_schema, &request);
    shape_set_defaults(&produce_topic_produce_data_shape, &topic);
    for (int32_t i = 0; i < streamer->partition_count; i++) {
        shape_set_defaults(&produce_partition_produce_data_shape, &partitions[i]);
        partitions[i].index = i;
        partitions[i].records = (struct records){ .data = batch->built[i]->data, .size = (int32_t)batch->built[i]->size };
    }
    topic.name = str_from(streamer->topic->name);
    topic.topic_id = streamer->topic->id;
    topic.partition_data = partitions;
    topic.partition_data_count = streamer->partition_count;
    request.acks = -1;
    request.timeout_ms = 10000;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    batch->attempts++;
    streamer->calls[streamer->pipe.call_count] = (struct stream_call){ .number = number,
        .newest = streamer->next_to_send - 1,
        .newest_ever = streamer->next_batch - 1 };
    pipe_send(&streamer->pipe, api_schema_find(API_PRODUCE), draw_version(&streamer->actor), &request);
}

/* ---- Answers ---- */

static bool is_too_old(const struct stream_call *call)
{
    return call->newest - call->number >= STREAM_WINDOW;
}

/* A batch of this life of the node's is known as long as it is one of the last five. */
static int16_t right_error(struct streamer *streamer, const struct stream_call *call, int16_t error)
{
    bool is_known = call->newest_ever - call->number < STREAM_WINDOW &&
                    batch_of(streamer, call->number)->life == streamer->actor.workload->recorder->lives;
    if (is_too_old(call))
        return ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    return error == ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER && !is_known ? error : ERROR_NONE;
}

static void see_offset(struct streamer *streamer, const struct stream_call *call, const struct produce_partition_produce_response *answer)
{
    struct stream_batch *batch = batch_of(streamer, call->number);
    int64_t *offset = &batch->offsets[answer->index];
    const struct topic *topic = streamer->topic;
    if (*offset == OFFSET_NONE) {
        *offset = answer->base_offset;
        note(streamer, "ok", batch, answer->index);
    }
    if (*offset != answer->base_offset)
        violate(streamer, "batch_was_answered_with_two_offsets", answer->index, answer->base_offset, *offset);
    int64_t farthest = topic_farthest_start(topic, answer->index);
    if (topic->state == TOPIC_THERE && (answer->log_start_offset < 0 || answer->log_start_offset > farthest))
        violate(streamer, "log_start_is_not_right", answer->index, answer->log_start_offset, farthest);
}

/* False: the batch must be sent again, with those behind it; or is given up. */
static bool see_partition(struct streamer *streamer, const struct stream_call *call, const struct produce_partition_produce_response *answer)
{
    int16_t error = answer->error_code, right = right_error(streamer, call, error);
    if (error == ERROR_NONE && right == ERROR_NONE)
        see_offset(streamer, call, answer);
    else if (error == ERROR_NONE || (error == ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER && right == ERROR_NONE))
        violate(streamer, "repeated_batch_is_judged_wrong", answer->index, error, right);
    else if (error != right && !error_is_passing(error))
        violate(streamer, "unexpected_error", answer->index, error, right);
    return error == ERROR_NONE || (error == right && is_too_old(call));
}

static bool is_about_all(const struct streamer *streamer, const struct pipe_call *call, const struct produce_response *response)
{
    const struct produce_topic_produce_response *topic = response->responses;
    bool seen[PARTITIONS_MOST] = { false };
    if (response->responses_count != 1 || topic->partition_responses_count != streamer->partition_count)
        return false;
    if (call->version >= FIRST_WITH_IDS ? !uuid_equal(topic->topic_id, streamer->topic->id)
                                        : !str_equal(topic->name, str_from(streamer->topic->name)))
        return false;
    for (int32_t i = 0; i < topic->partition_responses_count; i++) {
        int32_t index = topic->partition_responses[i].index;
        if (index < 0 || index >= streamer->partition_count || seen[index])
            return false;
        seen[index] = true;
    }
    return true;
}

static void take_answer(struct pipe *pipe, const struct pipe_call *pipe_call, const void *message)
{
    struct streamer *streamer = container_of(pipe, struct streamer, pipe);
    const struct produce_response *response = message;
    struct stream_call call = streamer->calls[0];
    bool is_done = true;
    memmove(streamer->calls, streamer->calls + 1, sizeof(streamer->calls) - sizeof(streamer->calls[0]));
    streamer->heard_us = loop_now_us(pipe->loop);
    if (streamer->is_broken)
        return;
    if (response == NULL || !is_about_all(streamer, pipe_call, response)) {
        violate(streamer, "produce_answers_other", 0, response == NULL ? -1 : response->responses_count, 1);
        streamer->is_broken = true;
        return;
    }
    for (int32_t i = 0; i < streamer->partition_count; i++)
        is_done &= see_partition(streamer, &call, &response->responses[0].partition_responses[i]);
    if (!is_done)
        streamer->is_broken = true;
    else if (call.number == streamer->first_unanswered)
        streamer->first_unanswered++;
}

static void lose_answers(struct pipe *pipe)
{
    container_of(pipe, struct streamer, pipe)->is_broken = true;
}

/* ---- Turns ---- */

static void choose(struct streamer *streamer)
{
    struct actor *actor = &streamer->actor;
    const struct topics *topics = &actor->workload->topics;
    streamer->topic = topics_there(topics, actor_draw(actor, topics_count_there(topics) + 1));
    if (streamer->topic != NULL && streamer->topic->may_lose)
        streamer->topic = NULL; /* power would take what the sequences go on from */
    if (streamer->topic != NULL)
        streamer->partition_count = streamer->topic->partition_count;
}

/* Over a new connection all that was not answered goes first. */
static bool connect(struct streamer *streamer)
{
    const struct workload *workload = streamer->actor.workload;
    pipe_close(&streamer->pipe);
    streamer->is_broken = false;
    streamer->next_to_send = streamer->first_unanswered;
    streamer->heard_us = loop_now_us(streamer->actor.loop);
    return pipe_connect(&streamer->pipe, workload->host, workload->port);
}

static void send_some(struct streamer *streamer)
{
    struct actor *actor = &streamer->actor;
    while (streamer->pipe.call_count < STREAM_WINDOW) {
        int64_t repeated = streamer->next_to_send - 1 - (int64_t)actor_draw(actor, STREAM_WINDOW + 2);
        if (repeated >= 0 && actor_draw(actor, 8) == 0) {
            send_batch(streamer, repeated);
        } else if (streamer->next_to_send < streamer->next_batch) {
            send_batch(streamer, streamer->next_to_send++);
        } else if (!actor->workload->draining && actor_draw(actor, 3) > 0) {
            begin_batch(streamer);
        } else {
            break;
        }
    }
}

/* Over a new connection it would send again what the broker may not know any more. */
static bool is_in_doubt(const struct streamer *streamer)
{
    bool may_forget = false;
    for (int32_t i = 0; i < streamer->partition_count; i++)
        may_forget |= workload_may_forget(streamer->actor.workload, streamer->topic, i);
    return may_forget && streamer->next_batch > 0;
}

static bool is_hopeless(struct streamer *streamer)
{
    bool is_old = streamer->first_unanswered < streamer->next_batch && batch_of(streamer, streamer->first_unanswered)->attempts >= ATTEMPTS_MOST;
    return is_old || streamer->topic->state != TOPIC_THERE;
}

static void act_as_streamer(struct actor *actor)
{
    struct streamer *streamer = streamer_of(actor);
    int64_t now_us = loop_now_us(actor->loop);
    if (streamer->topic != NULL && (is_hopeless(streamer) || (streamer->pipe.call_count == 0 && actor_draw(actor, 200) == 0)))
        give_up(streamer);
    if (streamer->topic == NULL && !actor->workload->draining)
        choose(streamer);
    if (streamer->topic == NULL || (actor->workload->draining && !streamer_is_under_way(streamer))) {
        actor_set_idle(actor);
        return;
    }
    if (streamer->producer_id < 0) {
        ask_id(actor);
        return;
    }
    if (streamer->pipe.call_count > 0 && now_us - streamer->heard_us > CALL_LIMIT_US)
        streamer->is_broken = true;
    if (streamer->is_broken || streamer->pipe.socket == NULL) {
        if (is_in_doubt(streamer)) {
            give_up(streamer);
            actor_wait(actor, 50000);
            return;
        }
        if (!connect(streamer)) {
            actor_wait(actor, 300000);
            return;
        }
    }
    send_some(streamer);
    actor_wait(actor, 50000);
}

bool streamer_is_under_way(const struct streamer *streamer)
{
    return streamer->first_unanswered < streamer->next_batch;
}

void streamer_start(struct streamer *streamer, struct workload *workload, int number)
{
    actor_start(&streamer->actor, workload, "streamer", number, act_as_streamer);
    pipe_init(&streamer->pipe, streamer->actor.loop, take_answer, lose_answers);
    streamer->producer_id = -1;
}

void streamer_stop(struct streamer *streamer)
{
    pipe_deinit(&streamer->pipe);
    for (int i = 0; i < STREAM_KEPT; i++)
        drop_built(&streamer->batches[i]);
}
