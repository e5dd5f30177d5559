/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/producer.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/crc32c.h"
#include "base/container.h"
#include "error.h"
#include "sim/payload.h"
#include "sim/producer_id.h"
#include "sim/workload.h"
#include "wire/gen/init_producer_id.h"
#include "wire/gen/produce.h"
#include "wire/record.h"

enum { ATTEMPTS_MOST = 40, FIRST_WITH_ZSTD = 7, FIRST_WITH_IDS = 13, LAST_WITH_NAMES = 12, NO_PARTITION = 1000 };

static struct producer *producer_of(struct actor *actor)
{
    return container_of(actor, struct producer, actor);
}

static const char *acks_text(const struct producer *producer)
{
    return producer->acks == 0 ? "0" : producer->acks == 1 ? "1" : "all";
}

void producer_note(struct producer *producer, const char *phase, int64_t base_offset)
{
    const struct topic *topic = producer->topic;
    if (strcmp(phase, "invoke") == 0)
        memcpy(producer->begun_as, producer->actor.name, sizeof(producer->begun_as));
    for (int32_t i = 0; i < producer->count; i++)
        recorder_note(producer->actor.workload->recorder,
            &(struct event){ .process = producer->begun_as,
                .phase = phase,
                .name = "send",
                .key = topic->keys[producer->partition],
                .value = producer->values[i],
                .offset = base_offset < 0 ? OFFSET_NONE : base_offset + i,
                .acks = acks_text(producer),
                .durability = topic->is_volatile ? "page-cache" : "disk" });
}

void producer_violate(struct producer *producer, const char *name, int64_t offset)
{
    recorder_violate(producer->actor.workload->recorder, name, "actor=%s key=%s value=%lld offset=%lld first_offset=%lld",
        producer->actor.name, producer->topic->keys[producer->partition], (long long)producer->values[0], (long long)offset,
        (long long)producer->first_offset);
}

static enum codec codec_of(const struct producer *producer)
{
    return (enum codec)(producer->values[0] % CODEC_COUNT);
}

static bool is_spoiled(const struct producer *producer)
{
    return producer->kind >= BATCH_NO_PARTITION;
}

/* The batch under way is over. */
static void end_batch(struct producer *producer, const char *phase, int64_t base_offset)
{
    if (producer->kind != BATCH_ECHO && producer->other_offset == OFFSET_NONE)
        producer_note(producer, is_spoiled(producer) ? "fail" : phase, base_offset);
    producer->count = 0;
    producer->attempts = 0;
    producer->is_doubled = false;
    producer->other_offset = OFFSET_NONE;
}

static void begin_sequences(struct producer *producer, int32_t first)
{
    producer->first_sequence = first;
    for (int32_t i = 0; i < PARTITIONS_MOST; i++)
        producer->sequences[i] = first;
}

/* What is under way over either connection may still be stored, later than what comes: so a new life begins. */
static void forget_id(struct producer *producer)
{
    producer->producer_id = -1;
    producer->actor.lives++;
    client_hang_up(&producer->other);
    begin_sequences(producer, 0);
    memset(producer->is_known, 0, sizeof(producer->is_known));
}

static void hear_id(struct actor *actor)
{
    struct producer *producer = producer_of(actor);
    const struct init_producer_id_response *response = actor->client.response;
    char owner[ACTOR_NAME_SIZE + 16];
    if (!actor_succeeded(actor, response->error_code, "init_producer_id"))
        return;
    producer->producer_id = response->producer_id;
    producer->epoch = response->producer_epoch;
    begin_sequences(producer, producer_id_draw_sequence(actor));
    snprintf(owner, sizeof(owner), "%s/%d", actor->name, producer->id_count++);
    producer_id_note(actor, owner, producer->producer_id);
    actor_wait(actor, 1000);
}

static void ask_id(struct actor *actor)
{
    actor->hear = hear_id;
    actor->lose = NULL;
    producer_id_ask(actor);
}

static void lose_batch(struct actor *actor)
{
    struct producer *producer = producer_of(actor);
    if (is_spoiled(producer)) {
        bool has_gap = producer->kind == BATCH_SEQUENCE_GAP;
        end_batch(producer, "fail", OFFSET_NONE);
        if (has_gap) /* it may come later than a batch that would fill the gap */
            forget_id(producer);
        return;
    }
    if (producer->is_idempotent && producer->attempts < ATTEMPTS_MOST)
        return;
    end_batch(producer, "info", OFFSET_NONE);
    forget_id(producer);
}

static bool may_be_forgotten(const struct producer *producer)
{
    return producer->topic->may_lose || workload_may_forget(producer->actor.workload, producer->topic, producer->partition);
}

/* The broker lost what it knew of the producer: right only where power may take what was written, or decay. */
static bool is_forgotten(const struct producer *producer, int16_t error)
{
    return may_be_forgotten(producer) &&
           (error == ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER || error == ERROR_UNKNOWN_PRODUCER_ID);
}

static bool is_gone(const struct producer *producer, int16_t error)
{
    if (error != ERROR_UNKNOWN_TOPIC_ID && error != ERROR_UNKNOWN_TOPIC_OR_PARTITION)
        return false;
    return producer->topic->state != TOPIC_THERE || producer->attempts > 3; /* the shards may not have heard of it yet */
}

/* The error that a spoiled batch is refused with. */
static int16_t right_refusal(const struct producer *producer)
{
    switch (producer->kind) {
    case BATCH_NO_PARTITION: return ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    case BATCH_WRONG_CRC: return ERROR_CORRUPT_MESSAGE;
    case BATCH_WRONG_RECORDS: return ERROR_INVALID_RECORD;
    case BATCH_SEQUENCE_GAP: return ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    default: return ERROR_INVALID_PRODUCER_EPOCH;
    }
}

static void hear_refusal(struct producer *producer, int16_t error)
{
    struct actor *actor = &producer->actor;
    bool is_certain = error_is_certain(error) && producer->attempts == 1 && !producer->is_doubled;
    bool was_gone = is_gone(producer, error);
    if (is_forgotten(producer, error)) {
        forget_id(producer);
        actor_wait(actor, 100000);
    } else if (is_spoiled(producer) && error == right_refusal(producer)) {
        actor_wait(actor, 10000);
    } else {
        actor_succeeded(actor, error, "produce");
    }
    if (is_spoiled(producer)) {
        end_batch(producer, "fail", OFFSET_NONE);
        return;
    }
    if (producer->is_idempotent && producer->producer_id >= 0 && !was_gone && producer->attempts < ATTEMPTS_MOST)
        return;
    end_batch(producer, is_certain ? "fail" : "info", OFFSET_NONE);
    forget_id(producer);
    if (was_gone)
        producer->topic = NULL;
}

/* It must be about what was asked for, and nothing else. */
int16_t producer_read_answer(struct producer *producer, const struct client *client, int64_t *out_base_offset)
{
    const struct produce_response *response = client->response;
    const struct produce_topic_produce_response *topic = response == NULL ? NULL : response->responses;
    int32_t asked = producer->partition + (producer->kind == BATCH_NO_PARTITION ? NO_PARTITION : 0);
    *out_base_offset = OFFSET_NONE;
    if (response == NULL)
        return ERROR_UNKNOWN_SERVER_ERROR;
    if (response->responses_count != 1 || topic->partition_responses_count != 1 || topic->partition_responses[0].index != asked ||
        (client->version >= FIRST_WITH_IDS ? !uuid_equal(topic->topic_id, producer->topic->id)
                                           : !str_equal(topic->name, str_from(producer->topic->name)))) {
        producer_violate(producer, "produce_answers_other", response->responses_count);
        return ERROR_UNKNOWN_SERVER_ERROR;
    }
    *out_base_offset = topic->partition_responses[0].base_offset;
    return topic->partition_responses[0].error_code;
}

static void remember(struct producer *producer, int64_t base_offset)
{
    struct partition_facts *facts = &producer->topic->facts[producer->partition];
    facts->has_producer = true;
    facts->producer_id = producer->producer_id;
    facts->producer_epoch = producer->epoch;
    facts->last_sequence = sequence_behind(producer->sequence, producer->count - 1);
    facts->last_offset = base_offset + producer->count - 1;
    producer->is_known[producer->partition] = true;
}

static void end_sequences(struct producer *producer)
{
    int32_t *next = &producer->sequences[producer->partition];
    *next = sequence_behind(*next, producer->count);
}

static void hear_success(struct producer *producer, int64_t base_offset)
{
    struct actor *actor = &producer->actor;
    bool is_repeatable = producer->is_idempotent && !producer->topic->may_lose && !actor->workload->draining;
    if (is_spoiled(producer))
        producer_violate(producer, "spoiled_batch_was_stored", base_offset);
    if (producer->kind == BATCH_NORMAL)
        producer->first_offset = producer->other_offset == OFFSET_NONE ? base_offset : producer->other_offset;
    if (!is_spoiled(producer) && !producer->topic->may_lose && base_offset != producer->first_offset)
        producer_violate(producer, "batch_was_answered_with_two_offsets", base_offset);
    if (producer->kind == BATCH_NORMAL && producer->is_idempotent)
        remember(producer, base_offset);
    if (producer->kind == BATCH_NORMAL && is_repeatable && actor_draw(actor, 6) == 0) {
        if (producer->other_offset == OFFSET_NONE)
            producer_note(producer, "ok", base_offset);
        producer->kind = BATCH_ECHO;
        producer->attempts = 0;
        end_sequences(producer);
        return;
    }
    if (producer->kind == BATCH_NORMAL)
        end_sequences(producer);
    end_batch(producer, "ok", base_offset);
}

static void hear_batch(struct actor *actor)
{
    struct producer *producer = producer_of(actor);
    int64_t base_offset;
    int16_t error = producer_read_answer(producer, &actor->client, &base_offset);
    if (producer->acks == 0) {
        end_batch(producer, "info", OFFSET_NONE);
    } else if (error != ERROR_NONE) {
        hear_refusal(producer, error);
        return;
    } else {
        hear_success(producer, base_offset);
    }
    actor_wait(actor, 30000);
}

/* A CRC that is right, over what is not: more records than there are, a last offset that is none, a record of another length. */
static void spoil_records(struct producer *producer, struct buffer *batch)
{
    enum { CRC_AT = 17, CRC_FROM = 21, LAST_DELTA_AT = 26, COUNT_AT = 60, FIRST_LENGTH_AT = 61 };
    static const size_t places[] = { LAST_DELTA_AT, COUNT_AT, FIRST_LENGTH_AT };
    batch->data[places[actor_draw(&producer->actor, 3)]] += 2;
    store_u32(batch->data + CRC_AT, crc32c(0, batch->data + CRC_FROM, batch->size - CRC_FROM));
}

/* The same batch must be the same bytes when it is sent again, so all follows from its first number. */
static struct buffer *build_batch(struct producer *producer)
{
    struct actor *actor = &producer->actor;
    struct record records[RECORDS_MOST] = { 0 };
    struct batch_options options = batch_options_plain();
    for (int32_t i = 0; i < producer->count; i++) {
        records[i].timestamp = loop_wall_ms(actor->loop);
        payload_fill(&records[i], producer->values[i], &actor->arena);
    }
    if (producer->kind != BATCH_WRONG_RECORDS)
        options.codec = codec_of(producer);
    if (producer->is_idempotent) {
        options.producer_id = producer->producer_id;
        options.producer_epoch = producer->kind == BATCH_OLD_EPOCH ? producer->epoch - 1 : producer->epoch;
        options.base_sequence = producer->sequence;
    }
    struct buffer *batch = batch_build(&options, records, producer->count);
    if (producer->kind == BATCH_WRONG_RECORDS)
        spoil_records(producer, batch);
    if (producer->kind == BATCH_WRONG_CRC)
        batch->data[batch->size - 1 - actor_draw(actor, 20)] ^= (uint8_t)(1u << actor_draw(actor, 8));
    return batch;
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
    partition.index = producer->partition + (producer->kind == BATCH_NO_PARTITION ? NO_PARTITION : 0);
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
    bool may_double = producer->is_idempotent && !is_spoiled(producer) && !producer->topic->may_lose;
    if (may_double && !client_is_busy(&producer->other) && actor_draw(actor, 4) == 0)
        producer_send_twice(producer, &request);
    actor_ask(actor, API_PRODUCE, !by_name ? FIRST_WITH_IDS : codec_of(producer) == CODEC_ZSTD ? FIRST_WITH_ZSTD : 3, by_name ? LAST_WITH_NAMES : INT16_MAX, &request);
    actor->asked_calm = actor->asked_calm && request.timeout_ms > 0;
    buffer_unref(batch);
}

/* A gap and an old epoch are noticed where something was stored before, and power cannot take that. A new epoch begins with 0 there. */
static enum batch_kind draw_kind(struct producer *producer)
{
    struct actor *actor = &producer->actor;
    bool is_first = producer->sequence == producer->first_sequence;
    bool is_known = producer->is_idempotent && !is_first && !may_be_forgotten(producer);
    bool begins_epoch = producer->is_known[producer->partition] && is_first && !may_be_forgotten(producer);
    if (begins_epoch && actor_draw(actor, 4) == 0)
        return BATCH_SEQUENCE_GAP;
    if (producer->acks == 0 || actor_draw(actor, 12) > 0)
        return BATCH_NORMAL;
    switch (actor_draw(actor, is_known ? 5 : 3)) {
    case 0: return BATCH_NO_PARTITION;
    case 1: return BATCH_WRONG_CRC;
    case 2: return BATCH_WRONG_RECORDS;
    case 3: return BATCH_SEQUENCE_GAP;
    default: return producer->epoch > 0 ? BATCH_OLD_EPOCH : BATCH_NORMAL;
    }
}

static void begin_batch(struct producer *producer)
{
    struct actor *actor = &producer->actor;
    if (producer->is_idempotent && producer->epoch < 100 && actor_draw(actor, 30) == 0) {
        producer->epoch++; /* as clients do that do not know what became of a batch */
        begin_sequences(producer, 0);
    }
    producer->partition = (int32_t)actor_draw(actor, (uint64_t)producer->topic->partition_count);
    producer->sequence = producer->sequences[producer->partition];
    producer->kind = draw_kind(producer);
    if (producer->kind == BATCH_SEQUENCE_GAP)
        producer->sequence = sequence_behind(producer->sequence, 1 + (int32_t)actor_draw(actor, 10));
    producer->count = 1 + (int32_t)actor_draw(actor, RECORDS_MOST);
    for (int32_t i = 0; i < producer->count; i++)
        producer->values[i] = recorder_value(actor->workload->recorder);
    producer_note(producer, "invoke", OFFSET_NONE);
}

/* Sent again it might be stored again: the broker may not know it any more. */
static bool is_in_doubt(const struct producer *producer)
{
    bool is_repeated = producer->is_idempotent && (producer->attempts > 0 || producer->kind == BATCH_ECHO);
    return is_repeated && workload_may_forget(producer->actor.workload, producer->topic, producer->partition);
}

static void give_up(struct producer *producer)
{
    end_batch(producer, "info", OFFSET_NONE);
    forget_id(producer);
    actor_wait(&producer->actor, 30000);
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
    if (producer->count == 0 && actor_draw(actor, 100) == 0)
        forget_id(producer);
    if (producer->topic == NULL || (workload->draining && producer->count == 0)) {
        actor_set_idle(actor);
    } else if (producer->is_idempotent && producer->producer_id < 0) {
        ask_id(actor);
    } else {
        if (producer->count == 0)
            begin_batch(producer);
        if (is_in_doubt(producer))
            give_up(producer);
        else
            send_batch(producer);
    }
}

void producer_start(struct producer *producer, struct workload *workload, int number)
{
    static const int16_t acks[] = { -1, -1, 1, 0 };
    struct actor *actor = &producer->actor;
    actor_start(actor, workload, "producer", number, act_as_producer);
    producer_init_other(producer);
    producer->is_idempotent = number % 2 == 0;
    producer->acks = producer->is_idempotent ? -1 : acks[actor_draw(actor, 4)];
    producer->other_offset = OFFSET_NONE;
    forget_id(producer);
}

void producer_stop(struct producer *producer)
{
    client_deinit(&producer->other);
}
