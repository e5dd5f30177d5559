/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/producer.h"

#include "base/buffer.h"
#include "base/container.h"
#include "error.h"
#include "sim/workload.h"
#include "wire/gen/init_producer_id.h"
#include "wire/gen/produce.h"
#include "wire/record.h"

enum { ATTEMPTS_MOST = 40, FIRST_WITH_IDS = 13, LAST_WITH_NAMES = 12 };

static struct producer *producer_of(struct actor *actor)
{
    return container_of(actor, struct producer, actor);
}

static const char *acks_text(const struct producer *producer)
{
    return producer->acks == 0 ? "0" : producer->acks == 1 ? "1" : "all";
}

static void note(struct producer *producer, const char *phase, int64_t base_offset)
{
    const struct topic *topic = producer->topic;
    for (int32_t i = 0; i < producer->count; i++)
        recorder_note(producer->actor.workload->recorder,
            &(struct event){ .process = producer->actor.name,
                .phase = phase,
                .name = "send",
                .key = topic->keys[producer->partition],
                .value = producer->values[i],
                .offset = base_offset < 0 ? OFFSET_NONE : base_offset + i,
                .acks = acks_text(producer),
                .durability = topic->is_volatile ? "page-cache" : "disk" });
}

/* The batch under way is over. */
static void end_batch(struct producer *producer, const char *phase, int64_t base_offset)
{
    note(producer, phase, base_offset);
    producer->count = 0;
    producer->attempts = 0;
}

/* Sequence numbers begin anew with a new id. */
static void forget_id(struct producer *producer)
{
    producer->producer_id = -1;
    for (int32_t i = 0; i < PARTITIONS_MOST; i++)
        producer->sequences[i] = 0;
}

static void hear_id(struct actor *actor)
{
    struct producer *producer = producer_of(actor);
    const struct init_producer_id_response *response = actor->client.response;
    if (!actor_succeeded(actor, response->error_code, "init_producer_id"))
        return;
    producer->producer_id = response->producer_id;
    producer->epoch = response->producer_epoch;
    actor_wait(actor, 1000);
}

static void ask_id(struct actor *actor)
{
    struct init_producer_id_request request;
    message_defaults(&init_producer_id_request_schema, &request);
    request.transactional_id = (struct str){ 0 };
    request.transaction_timeout_ms = 60000;
    request.producer_id = -1;
    request.producer_epoch = -1;
    actor->hear = hear_id;
    actor->lose = NULL;
    actor_ask(actor, API_INIT_PRODUCER_ID, 0, INT16_MAX, &request);
}

static void lose_batch(struct actor *actor)
{
    struct producer *producer = producer_of(actor);
    if (producer->is_idempotent && producer->attempts < ATTEMPTS_MOST)
        return;
    end_batch(producer, "info", OFFSET_NONE);
    forget_id(producer);
}

/* The broker lost what it knew of the producer: right only where power may take what was written. */
static bool is_forgotten(const struct producer *producer, int16_t error)
{
    return producer->topic->is_volatile &&
           (error == ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER || error == ERROR_UNKNOWN_PRODUCER_ID);
}

static void hear_refusal(struct producer *producer, int16_t error)
{
    struct actor *actor = &producer->actor;
    bool is_certain = error_is_certain(error) && producer->attempts == 1;
    if (is_forgotten(producer, error)) {
        forget_id(producer);
        actor_wait(actor, 100000);
    } else {
        actor_succeeded(actor, error, "produce");
    }
    bool is_gone = error == ERROR_UNKNOWN_TOPIC_ID || error == ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    if (is_gone && producer->topic->state == TOPIC_THERE)
        is_gone = producer->attempts > 3; /* the shards may not have heard of it yet */
    if (producer->is_idempotent && producer->producer_id >= 0 && !is_gone && producer->attempts < ATTEMPTS_MOST)
        return;
    end_batch(producer, is_certain ? "fail" : "info", OFFSET_NONE);
    forget_id(producer);
    if (is_gone)
        producer->topic = NULL;
}

static void hear_batch(struct actor *actor)
{
    struct producer *producer = producer_of(actor);
    const struct produce_response *response = actor->client.response;
    int16_t error = ERROR_UNKNOWN_SERVER_ERROR;
    int64_t base_offset = OFFSET_NONE;
    if (response != NULL && response->responses_count == 1 && response->responses[0].partition_responses_count == 1) {
        error = response->responses[0].partition_responses[0].error_code;
        base_offset = response->responses[0].partition_responses[0].base_offset;
    }
    if (producer->acks == 0) {
        end_batch(producer, "info", OFFSET_NONE);
    } else if (error != ERROR_NONE) {
        hear_refusal(producer, error);
        return;
    } else {
        producer->sequences[producer->partition] += producer->count;
        end_batch(producer, "ok", base_offset);
    }
    actor_wait(actor, 30000);
}

/* The same batch must be the same bytes when it is sent again, so all follows from its first number. */
static struct buffer *build_batch(struct producer *producer)
{
    struct record records[RECORDS_MOST] = { 0 };
    struct batch_options options = batch_options_plain();
    for (int32_t i = 0; i < producer->count; i++) {
        uint8_t *value = arena_take(&producer->actor.arena, VALUE_MOST);
        records[i] = (struct record){ .timestamp = loop_wall_ms(producer->actor.workload->loop),
            .value = { value, recorder_bytes(producer->values[i], value) } };
    }
    options.codec = (enum codec)(producer->values[0] % CODEC_COUNT);
    if (producer->is_idempotent) {
        options.producer_id = producer->producer_id;
        options.producer_epoch = producer->epoch;
        options.base_sequence = producer->sequences[producer->partition];
    }
    return batch_build(&options, records, producer->count);
}

static void send_batch(struct producer *producer)
{
    struct actor *actor = &producer->actor;
    struct produce_request request;
    struct produce_topic_produce_data topic;
    struct produce_partition_produce_data partition;
    struct buffer *batch = build_batch(producer);
    message_defaults(&produce_request_schema, &request);
    shape_set_defaults(&produce_topic_produce_data_shape, &topic);
    shape_set_defaults(&produce_partition_produce_data_shape, &partition);
    partition.index = producer->partition;
    partition.records = (struct records){ .data = batch->data, .size = (int32_t)batch->size };
    topic.name = str_from(producer->topic->name);
    topic.topic_id = producer->topic->id;
    topic.partition_data = &partition;
    topic.partition_data_count = 1;
    request.acks = producer->acks;
    request.timeout_ms = actor_draw(actor, 4) == 0 ? 0 : 10000;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    actor->hear = hear_batch;
    actor->lose = lose_batch;
    actor->client.expects_nothing = producer->acks == 0;
    producer->attempts++;
    bool by_name = actor->workload->by_name && actor_draw(actor, 2) == 0;
    actor_ask(actor, API_PRODUCE, by_name ? 7 : FIRST_WITH_IDS, by_name ? LAST_WITH_NAMES : INT16_MAX, &request);
    buffer_unref(batch);
}

static void begin_batch(struct producer *producer)
{
    struct actor *actor = &producer->actor;
    producer->partition = (int32_t)actor_draw(actor, (uint64_t)producer->topic->partition_count);
    producer->count = 1 + (int32_t)actor_draw(actor, RECORDS_MOST);
    for (int32_t i = 0; i < producer->count; i++)
        producer->values[i] = recorder_value(actor->workload->recorder);
    note(producer, "invoke", OFFSET_NONE);
}

static void act_as_producer(struct actor *actor)
{
    struct producer *producer = producer_of(actor);
    struct workload *workload = actor->workload;
    if (producer->count == 0 && producer->topic != NULL && producer->topic->state != TOPIC_THERE)
        producer->topic = NULL;
    if (producer->topic == NULL) {
        producer->topic = topics_there(&workload->topics, actor_draw(actor, topics_count_there(&workload->topics) + 1));
        forget_id(producer);
    }
    if (producer->topic == NULL || (workload->draining && producer->count == 0)) {
        actor_set_idle(actor);
    } else if (producer->is_idempotent && producer->producer_id < 0) {
        ask_id(actor);
    } else {
        if (producer->count == 0)
            begin_batch(producer);
        send_batch(producer);
    }
}

void producer_start(struct producer *producer, struct workload *workload, int number)
{
    static const int16_t acks[] = { -1, -1, 1, 0 };
    struct actor *actor = &producer->actor;
    actor_start(actor, workload, "producer", number, act_as_producer);
    producer->is_idempotent = number % 2 == 0;
    producer->acks = producer->is_idempotent ? -1 : acks[actor_draw(actor, 4)];
    forget_id(producer);
}
