/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/keeper.h"

#include <string.h>

#include "base/buffer.h"
#include "base/container.h"
#include "base/memory.h"
#include "error.h"
#include "sim/requests.h"
#include "sim/workload.h"
#include "wire/compress.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/fetch.h"
#include "wire/gen/produce.h"
#include "wire/record.h"

enum { SENT_MOST = 5000, VALUE_SIZE_MOST = 200, NUMBER_SIZE = 8, FOR_EVER = 2, RETENTIONS = 3 };

/* The clock of the node may jump by a year. */
static const char *const retentions_ms[RETENTIONS] = { "0", "1000", "3153600000000" };

static struct keeper *keeper_of(struct actor *actor)
{
    return container_of(actor, struct keeper, actor);
}

static void violate(const struct keeper *keeper, const char *name, int64_t number, int64_t offset, int64_t known)
{
    recorder_violate(keeper->actor.workload->recorder, name, "number=%lld offset=%lld known=%lld position=%lld retention_ms=%s",
        (long long)number, (long long)offset, (long long)known, (long long)keeper->position, retentions_ms[keeper->retention]);
}

/* ---- What follows from a number ---- */

static uint64_t scatter(int64_t number)
{
    return ((uint64_t)number * UINT64_C(0x9e3779b97f4a7c15)) >> 24;
}

static int key_of(int64_t number)
{
    return (int)(scatter(number) % KEEPER_KEYS);
}

static bool is_tombstone(int64_t number)
{
    return scatter(number) / KEEPER_KEYS % 5 == 0;
}

static void fill(const struct keeper *keeper, int64_t number, struct record *record, struct arena *arena)
{
    struct record_header *header = arena_take(arena, sizeof(*header));
    uint8_t *key = arena_take(arena, 1), *text = arena_take(arena, NUMBER_SIZE);
    size_t size = scatter(number) / 64 % VALUE_SIZE_MOST;
    uint8_t *value = arena_take(arena, VALUE_SIZE_MOST);
    *key = (uint8_t)('a' + key_of(number));
    store_i64(text, number);
    memset(value, (int)('A' + number % 26), size);
    *header = (struct record_header){ STR("number"), { text, NUMBER_SIZE } };
    *record = (struct record){ .timestamp = keeper->sent[number].timestamp,
        .key = { key, 1 },
        .value = { is_tombstone(number) ? NULL : value, is_tombstone(number) ? 0 : size },
        .header_count = 1,
        .headers = header };
}

/* 0: it is none that was sent. */
static int64_t number_of(const struct keeper *keeper, struct record *record, struct arena *arena)
{
    struct record expected;
    if (record->header_count != 1 || !record_headers(record, arena) || record->headers[0].value.size != NUMBER_SIZE)
        return 0;
    int64_t number = load_i64(record->headers[0].value.data);
    if (number < 1 || number > keeper->sent_count)
        return 0;
    fill(keeper, number, &expected, arena);
    bool is_same = record->timestamp == expected.timestamp && bytes_equal(record->key, expected.key) &&
                   (record->value.data == NULL) == (expected.value.data == NULL) && bytes_equal(record->value, expected.value) &&
                   str_equal(record->headers[0].key, expected.headers[0].key);
    return is_same ? number : 0;
}

/* ---- What is known ---- */

static void note_stored(struct keeper *keeper, int64_t number, int64_t offset)
{
    struct kept *kept = &keeper->sent[number];
    int64_t *newest = &keeper->newest[key_of(number)];
    if (offset >= keeper->number_capacity) {
        int64_t capacity = (offset + 1) * 2;
        keeper->numbers = memory_resize(keeper->numbers, (size_t)capacity * sizeof(*keeper->numbers));
        memset(keeper->numbers + keeper->number_capacity, 0, (size_t)(capacity - keeper->number_capacity) * sizeof(*keeper->numbers));
        keeper->number_capacity = capacity;
    }
    if (keeper->numbers[offset] != 0 && keeper->numbers[offset] != number)
        violate(keeper, "kept_offset_has_another_record", number, offset, keeper->numbers[offset]);
    if (kept->fate == KEPT_STORED && kept->offset != offset)
        violate(keeper, "kept_record_has_another_offset", number, offset, kept->offset);
    if (kept->fate == KEPT_REFUSED)
        violate(keeper, "refused_record_was_stored", number, offset, -1);
    keeper->numbers[offset] = number;
    kept->fate = KEPT_STORED;
    kept->offset = offset;
    if (*newest == 0 || offset > keeper->sent[*newest].offset)
        *newest = number;
}

/* A tombstone of which nothing was heard may stand behind what was sent in the same life of the node. */
static bool may_be_removed(const struct keeper *keeper, int64_t number)
{
    if (keeper->retention == FOR_EVER)
        return false;
    for (int64_t other = 1; other <= keeper->sent_count; other++)
        if (is_tombstone(other) && key_of(other) == key_of(number) &&
            (other == number || (keeper->sent[other].fate == KEPT_UNSURE && keeper->sent[other].lost_in_life >= keeper->sent[number].life)))
            return true;
    return false;
}

/* While one reads, a tombstone can go, and before it what it removes, though that was read already. The next reading tells. */
static void judge_key(struct keeper *keeper, int key)
{
    int64_t newest = keeper->newest[key], last = keeper->last[key];
    bool is_there = newest == 0 || (last != 0 && keeper->sent[last].offset >= keeper->sent[newest].offset);
    if (!is_there && !may_be_removed(keeper, newest))
        violate(keeper, "newest_record_of_a_key_is_gone", newest, keeper->sent[newest].offset, last);
    else if (!is_there && last != 0 && keeper->suspects[key] == newest)
        violate(keeper, "removed_key_came_back", last, keeper->sent[last].offset, newest);
    keeper->suspects[key] = !is_there && last != 0 ? newest : 0;
}

/* ---- Its topic ---- */

static void hear_creation(struct actor *actor)
{
    struct keeper *keeper = keeper_of(actor);
    const struct create_topics_response *response = actor->client.response;
    int16_t error = response->topics_count == 1 ? response->topics[0].error_code : ERROR_UNKNOWN_SERVER_ERROR;
    keeper->has_topic = error == ERROR_TOPIC_ALREADY_EXISTS || actor_succeeded(actor, error, "create_topics");
    if (keeper->has_topic)
        actor_wait(actor, 100000);
}

/* Segments of a few batches, by the size of their indexes or by time; all settings are drawn once, since a creation may be repeated. */
static void create_topic(struct keeper *keeper)
{
    const char *const settings[][2] = {
        { "ack.durability", "disk" },
        { "message.timestamp.type", "CreateTime" },
        { "cleanup.policy", "compact" },
        { "delete.retention.ms", retentions_ms[keeper->retention] },
        { "min.cleanable.dirty.ratio", "0.01" },
        { "segment.ms", keeper->rolls_by_time ? "200" : "604800000" },
        { "segment.index.bytes", keeper->rolls_by_time ? "10485760" : "100" },
        { "segment.jitter.ms", "0" },
        { "index.interval.bytes", "0" },
    };
    keeper->actor.hear = hear_creation;
    keeper->actor.lose = NULL;
    request_topic(&keeper->actor, "kept", settings, (int)(sizeof(settings) / sizeof(settings[0])));
}

/* ---- Writing ---- */

static void end_batch(struct keeper *keeper, enum kept_fate fate, int64_t base_offset)
{
    for (int64_t i = 0; i < keeper->batch_count; i++) {
        struct kept *kept = &keeper->sent[keeper->batch_first + i];
        if (base_offset >= 0) {
            note_stored(keeper, keeper->batch_first + i, base_offset + i);
            continue;
        }
        kept->fate = fate;
        kept->lost_in_life = keeper->actor.workload->recorder->lives;
    }
}

static void lose_batch(struct actor *actor)
{
    end_batch(keeper_of(actor), KEPT_UNSURE, OFFSET_NONE);
}

static void hear_sent(struct actor *actor)
{
    struct keeper *keeper = keeper_of(actor);
    const struct produce_response *response = actor->client.response;
    bool is_one = response->responses_count == 1 && str_is(response->responses[0].name, "kept") &&
                  response->responses[0].partition_responses_count == 1;
    int16_t error = is_one ? response->responses[0].partition_responses[0].error_code : ERROR_UNKNOWN_SERVER_ERROR;
    if (error == ERROR_NONE)
        end_batch(keeper, KEPT_STORED, response->responses[0].partition_responses[0].base_offset);
    else
        end_batch(keeper, error_is_certain(error) ? KEPT_REFUSED : KEPT_UNSURE, OFFSET_NONE);
    if (actor_succeeded(actor, error, "produce"))
        actor_wait(actor, 40000);
}

static void begin_batch(struct keeper *keeper)
{
    struct actor *actor = &keeper->actor;
    keeper->batch_first = keeper->sent_count + 1;
    keeper->batch_count = 1 + (int64_t)actor_draw(actor, KEEPER_RECORDS_MOST);
    if (keeper->sent_count + keeper->batch_count >= keeper->sent_capacity) {
        keeper->sent_capacity = keeper->sent_capacity == 0 ? 256 : keeper->sent_capacity * 2;
        keeper->sent = memory_resize(keeper->sent, (size_t)keeper->sent_capacity * sizeof(*keeper->sent));
    }
    for (int64_t i = 0; i < keeper->batch_count; i++)
        keeper->sent[++keeper->sent_count] =
            (struct kept){ .timestamp = loop_wall_ms(actor->loop), .life = actor->workload->recorder->lives };
}

static void send_batch(struct keeper *keeper)
{
    struct actor *actor = &keeper->actor;
    struct record records[KEEPER_RECORDS_MOST];
    struct batch_options options = batch_options_plain();
    struct produce_partition_produce_data partition;
    struct produce_topic_produce_data topic;
    struct produce_request request;
    message_defaults(&produce_request_schema, &request);
    shape_set_defaults(&produce_topic_produce_data_shape, &topic);
    shape_set_defaults(&produce_partition_produce_data_shape, &partition);
    for (int64_t i = 0; i < keeper->batch_count; i++)
        fill(keeper, keeper->batch_first + i, &records[i], &actor->arena);
    options.codec = (enum codec)(keeper->batch_first % CODEC_COUNT);
    struct buffer *batch = batch_build(&options, records, (int32_t)keeper->batch_count);
    partition.records = (struct records){ .data = batch->data, .size = (int32_t)batch->size };
    topic.name = STR("kept");
    topic.partition_data = &partition;
    topic.partition_data_count = 1;
    request.acks = -1;
    request.timeout_ms = 10000;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    actor->hear = hear_sent;
    actor->lose = lose_batch;
    actor_ask(actor, API_PRODUCE, 7, 12, &request);
    buffer_unref(batch);
}

/* ---- Reading ---- */

static void begin_reading(struct keeper *keeper)
{
    keeper->is_reading = true;
    keeper->saw_damage = false;
    keeper->position = 0;
    memset(keeper->last, 0, sizeof(keeper->last));
}

static void see_record(struct keeper *keeper, struct record *record, int64_t *before)
{
    if (record->offset <= *before)
        violate(keeper, "kept_offsets_do_not_ascend", 0, record->offset, *before);
    *before = record->offset;
    if (record->offset < keeper->position)
        return; /* the batch was asked for with an offset inside it */
    int64_t number = number_of(keeper, record, &keeper->actor.arena);
    if (number == 0) {
        violate(keeper, "kept_record_was_never_sent", 0, record->offset, 0);
        return;
    }
    note_stored(keeper, number, record->offset);
    keeper->last[key_of(number)] = number;
}

/* False: it is damaged. */
static bool see_batch(struct keeper *keeper, const uint8_t *batch, const struct batch_header *header, int64_t *before)
{
    struct decompressor *decompressor = decompressor_create();
    struct bytes records;
    struct buffer *owner = NULL;
    struct record_reader reader;
    struct record record;
    bool is_whole =
        batch_crc_is_right(batch, header) && batch_records(decompressor, batch, header, 1 << 20, &records, &owner) == 0;
    if (is_whole) {
        records_begin(&reader, header, records);
        while (records_next(&reader, &record) == RECORD_OK)
            see_record(keeper, &record, before);
        keeper->position = batch_next_offset(header);
    } else if (!keeper->saw_damage) {
        violate(keeper, "batch_is_damaged", 0, header->base_offset, 0);
    }
    buffer_unref(owner);
    decompressor_destroy(decompressor);
    return is_whole;
}

static void end_reading(struct keeper *keeper)
{
    keeper->is_reading = false;
    for (int key = 0; key < KEEPER_KEYS && !keeper->saw_damage; key++)
        judge_key(keeper, key);
    keeper->is_done = keeper->is_final && !keeper->saw_damage;
}

static void hear_records(struct actor *actor)
{
    struct keeper *keeper = keeper_of(actor);
    const struct fetch_response *response = actor->client.response;
    bool is_one = response->responses_count == 1 && response->responses[0].partitions_count == 1;
    if (!actor_succeeded(actor, response->error_code, "fetch"))
        return;
    if (!actor_succeeded(actor, is_one ? response->responses[0].partitions[0].error_code : ERROR_UNKNOWN_SERVER_ERROR, "fetch"))
        return;
    const struct fetch_partition_data *data = &response->responses[0].partitions[0];
    struct bytes rest = { data->records.data, data->records.size > 0 ? (size_t)data->records.size : 0 };
    struct batch_header header;
    int64_t before = -1;
    keeper->saw_damage = keeper->saw_damage || actor_may_see_damage(actor);
    while (rest.size > 0 && batch_parse(rest, &header) == BATCH_OK && see_batch(keeper, rest.data, &header, &before))
        rest = (struct bytes){ rest.data + header.size, rest.size - header.size };
    bool is_all = data->records.size <= 0; /* cleaning may have left nothing below the high watermark */
    if (keeper->position >= data->high_watermark || is_all || keeper->saw_damage)
        end_reading(keeper);
    actor_wait(actor, keeper->is_final ? 2000 : 20000);
}

static void read_on(struct keeper *keeper)
{
    struct actor *actor = &keeper->actor;
    struct one_fetch one;
    one_fetch_init(&one, STR("kept"));
    one.partition.fetch_offset = keeper->position;
    one.partition.partition_max_bytes = 1 + (int32_t)actor_draw(actor, 20000);
    one.request.max_wait_ms = 0;
    one.request.min_bytes = 1;
    one.request.max_bytes = 1 << 20;
    actor->hear = hear_records;
    actor->lose = NULL;
    actor_ask(actor, API_FETCH, 10, 12, &one.request);
}

static void act_as_keeper(struct actor *actor)
{
    struct keeper *keeper = keeper_of(actor);
    if (!keeper->has_topic) {
        create_topic(keeper);
        return;
    }
    if (actor->workload->draining && !keeper->is_final) {
        keeper->is_final = true;
        keeper->is_reading = false;
    }
    if (keeper->is_done) {
        actor_set_idle(actor);
        return;
    }
    bool may_send = !keeper->is_final && keeper->sent_count < SENT_MOST;
    if (!keeper->is_reading && (!may_send || actor_draw(actor, 16) == 0))
        begin_reading(keeper);
    if (keeper->is_reading) {
        read_on(keeper);
    } else {
        begin_batch(keeper);
        send_batch(keeper);
    }
}

void keeper_start(struct keeper *keeper, struct workload *workload)
{
    actor_start(&keeper->actor, workload, "keeper", 0, act_as_keeper);
    keeper->retention = actor_draw(&keeper->actor, RETENTIONS);
    keeper->rolls_by_time = actor_draw(&keeper->actor, 2) == 0;
}

void keeper_stop(struct keeper *keeper)
{
    memory_give(keeper->sent);
    memory_give(keeper->numbers);
}
