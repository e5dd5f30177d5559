/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/prng.h"
#include "wire/record.h"
#include "wire/validate.h"

enum { NOW = 1000000, RECORD_COUNT = 20 };

struct bench {
    struct decompressor *decompressor;
    struct arena arena;
    struct batch_rules rules;
    struct record records[RECORD_COUNT];
    struct batch_options options;
    struct batch_verdict verdict;
};

static void bench_init(struct bench *bench)
{
    *bench =
        (struct bench){ .decompressor = decompressor_create(), .options = batch_options_plain() };
    arena_init(&bench->arena);
    bench->rules = (struct batch_rules){ .max_message_bytes = 1 << 20,
        .max_uncompressed_size = 1 << 24,
        .max_record_size = 1 << 24,
        .timestamp_before_max_ms = INT64_MAX,
        .timestamp_after_max_ms = 3600000,
        .allow_zstd = true,
        .topic = { "keyed", 5 },
        .partition_index = 3 };
    for (int i = 0; i < RECORD_COUNT; i++) {
        bench->records[i].timestamp = NOW + i % 7;
        bench->records[i].key = (struct bytes){ (const uint8_t *)"key", 3 };
        bench->records[i].value =
            (struct bytes){ (const uint8_t *)"value value value", 1 + (size_t)i % 16 };
    }
}

static void bench_deinit(struct bench *bench)
{
    arena_deinit(&bench->arena);
    decompressor_destroy(bench->decompressor);
}

static enum error validate(struct bench *bench, struct buffer *batch)
{
    batch_validate(bench->decompressor, &bench->rules, NOW, batch->data, batch->size, &bench->arena,
        &bench->verdict);
    return bench->verdict.error;
}

static enum error build_and_validate(struct bench *bench)
{
    struct buffer *batch = batch_build(&bench->options, bench->records, RECORD_COUNT);
    enum error error = validate(bench, batch);
    buffer_unref(batch);
    return error;
}

/* Changes bytes of a good batch, renews the CRC, and validates. */
static enum error validate_changed(struct bench *bench, size_t at, const void *bytes, size_t size)
{
    struct buffer *batch = batch_build(&bench->options, bench->records, RECORD_COUNT);
    memcpy(batch->data + at, bytes, size);
    store_u32(batch->data + BATCH_AT_CRC, batch_crc(batch->data, batch->size));
    enum error error = validate(bench, batch);
    buffer_unref(batch);
    return error;
}

static enum error validate_int32(struct bench *bench, size_t at, int32_t value)
{
    uint8_t bytes[4];
    store_i32(bytes, value);
    return validate_changed(bench, at, bytes, 4);
}

void test_validate__takes_good_batches_of_every_codec(void)
{
    struct bench bench;
    bench_init(&bench);
    for (int codec = 0; codec < CODEC_COUNT; codec++) {
        bench.options.codec = (enum codec)codec;
        assert_int_equal(build_and_validate(&bench), ERROR_NONE);
        assert_int_equal(bench.verdict.header.record_count, RECORD_COUNT);
        assert_int_equal(bench.verdict.header.max_timestamp, NOW + 6);
    }
    bench_deinit(&bench);
}

/* Kafka's codes for what is wrong with the request as such. */
void test_validate__wants_one_batch_of_format_2(void)
{
    struct bench bench;
    bench_init(&bench);
    struct buffer *batch = batch_build(&bench.options, bench.records, RECORD_COUNT);
    struct buffer *two = buffer_create(batch->size * 2);
    memcpy(two->data, batch->data, batch->size);
    memcpy(two->data + batch->size, batch->data, batch->size);
    two->size = batch->size * 2;
    assert_int_equal(validate(&bench, two), ERROR_INVALID_RECORD);
    two->size = batch->size + 20; /* a torn second one is dropped */
    assert_int_equal(validate(&bench, two), ERROR_NONE);
    assert_int_equal(bench.verdict.header.size, batch->size);
    two->size = batch->size - 1;
    assert_int_equal(validate(&bench, two), ERROR_INVALID_RECORD);
    two->size = 0;
    assert_int_equal(validate(&bench, two), ERROR_INVALID_RECORD);
    batch_validate(bench.decompressor, &bench.rules, NOW, NULL, 0, &bench.arena, &bench.verdict);
    assert_int_equal(bench.verdict.error, ERROR_INVALID_RECORD);
    batch->data[BATCH_AT_MAGIC] = 1;
    assert_int_equal(validate(&bench, batch), ERROR_INVALID_RECORD);
    batch->data[BATCH_AT_MAGIC] = 9;
    assert_int_equal(validate(&bench, batch), ERROR_CORRUPT_MESSAGE);
    buffer_unref(two);
    buffer_unref(batch);
    bench.options.codec = CODEC_ZSTD;
    bench.rules.allow_zstd = false;
    assert_int_equal(build_and_validate(&bench), ERROR_UNSUPPORTED_COMPRESSION_TYPE);
    bench_deinit(&bench);
}

void test_validate__checks_the_header(void)
{
    struct bench bench;
    bench_init(&bench);
    assert_int_equal(validate_int32(&bench, BATCH_AT_BASE_OFFSET + 4, 3), ERROR_INVALID_RECORD);
    assert_int_equal(
        validate_int32(&bench, BATCH_AT_RECORD_COUNT, RECORD_COUNT - 1), ERROR_INVALID_RECORD);
    assert_int_equal(validate_int32(&bench, BATCH_AT_RECORD_COUNT, -1), ERROR_INVALID_RECORD);
    assert_int_equal(
        validate_int32(&bench, BATCH_AT_LAST_OFFSET_DELTA, RECORD_COUNT), ERROR_INVALID_RECORD);
    assert_int_equal(validate_changed(&bench, BATCH_AT_ATTRIBUTES, "\0\7", 2),
        ERROR_UNSUPPORTED_COMPRESSION_TYPE);
    assert_int_equal(
        validate_changed(&bench, BATCH_AT_ATTRIBUTES, "\0\x20", 2), ERROR_INVALID_RECORD);
    assert_int_equal(validate_changed(&bench, BATCH_AT_PRODUCER_ID, "\0\0\0\0\0\0\0\1", 8),
        ERROR_INVALID_RECORD);
    struct buffer *batch = batch_build(&bench.options, bench.records, RECORD_COUNT);
    batch->data[batch->size - 1] ^= 1;
    assert_int_equal(validate(&bench, batch), ERROR_CORRUPT_MESSAGE);
    bench.rules.max_message_bytes = (int32_t)batch->size - 1;
    assert_int_equal(validate(&bench, batch), ERROR_MESSAGE_TOO_LARGE);
    buffer_unref(batch);
    bench_deinit(&bench);
}

/* A wrong maximum is mended, as Kafka does, and the CRC with it. */
void test_validate__sets_the_true_maximum_timestamp(void)
{
    struct bench bench;
    bench_init(&bench);
    for (int codec = 0; codec < CODEC_COUNT; codec++) {
        bench.options.codec = (enum codec)codec;
        struct buffer *batch = batch_build(&bench.options, bench.records, RECORD_COUNT);
        store_i64(batch->data + BATCH_AT_MAX_TIMESTAMP, 5);
        store_u32(batch->data + BATCH_AT_CRC, batch_crc(batch->data, batch->size));
        assert_int_equal(validate(&bench, batch), ERROR_NONE);
        assert_int_equal(load_i64(batch->data + BATCH_AT_MAX_TIMESTAMP), NOW + 6);
        assert_int_equal(load_u32(batch->data + BATCH_AT_CRC), batch_crc(batch->data, batch->size));
        buffer_unref(batch);
    }
    bench_deinit(&bench);
}

void test_validate__sets_log_append_time(void)
{
    struct bench bench;
    bench_init(&bench);
    bench.rules.log_append_time = true;
    bench.records[3].timestamp = NOW + 9999999; /* bounds are for create time only */
    struct buffer *batch = batch_build(&bench.options, bench.records, RECORD_COUNT);
    assert_int_equal(validate(&bench, batch), ERROR_NONE);
    struct batch_header header;
    assert_int_equal(batch_parse((struct bytes){ batch->data, batch->size }, &header), BATCH_OK);
    assert_true(batch_is_log_append_time(&header) && batch_crc_is_right(batch->data, &header));
    assert_int_equal(header.max_timestamp, NOW);
    assert_int_equal(
        validate(&bench, batch), ERROR_INVALID_TIMESTAMP); /* a client may not say so itself */
    buffer_unref(batch);
    bench_deinit(&bench);
}

void test_validate__names_each_record_that_breaks_a_rule(void)
{
    struct bench bench;
    bench_init(&bench);
    bench.rules.keys_required = true;
    bench.records[4].key = bench.records[9].key = (struct bytes){ NULL, 0 };
    for (int codec = 0; codec < CODEC_COUNT; codec++) {
        bench.options.codec = (enum codec)codec;
        assert_int_equal(build_and_validate(&bench), ERROR_INVALID_RECORD);
        assert_int_equal(bench.verdict.record_error_count, 2);
        assert_int_equal(bench.verdict.record_errors[0].index, 4);
        assert_int_equal(bench.verdict.record_errors[1].index, 9);
        assert_string_equal(bench.verdict.record_errors[0].message,
            "Compacted topic cannot accept message without key in topic partition keyed-3");
        assert_string_equal(bench.verdict.message,
            "One or more records have been rejected due to 2 record errors in total, and only "
            "showing the first three errors at most: [RecordError(batchIndex=4, message='Compacted "
            "topic cannot accept message without key in topic partition keyed-3'), "
            "RecordError(batchIndex=9, message='Compacted topic cannot accept message without key "
            "in topic partition keyed-3')]");
    }
    bench.records[2].timestamp = NOW + 3600001;
    bench.records[3].timestamp = NOW + 3600000;
    bench.records[5].timestamp = -1; /* no timestamp is within all bounds */
    bench.records[6].timestamp = INT64_MAX;
    assert_int_equal(build_and_validate(&bench), ERROR_INVALID_TIMESTAMP);
    assert_int_equal(bench.verdict.record_error_count, 4);
    assert_int_equal(bench.verdict.record_errors[0].index, 2);
    assert_int_equal(bench.verdict.record_errors[2].index, 6);
    bench.rules.timestamp_before_max_ms = 10;
    bench.rules.keys_required = false;
    for (int i = 0; i < RECORD_COUNT; i++)
        bench.records[i].timestamp = NOW - (i == 7 ? 11 : 10);
    assert_int_equal(build_and_validate(&bench), ERROR_INVALID_TIMESTAMP);
    assert_int_equal(bench.verdict.record_error_count, 1);
    assert_int_equal(bench.verdict.record_errors[0].index, 7);
    assert_string_equal(bench.verdict.record_errors[0].message,
        "Timestamp 999989 of message with offset 7 is out of range. The timestamp should be within "
        "[999990, 4600000]");
    assert_string_equal(bench.verdict.message,
        "One or more records have been rejected due to invalid timestamp");
    bench_deinit(&bench);
}

/* max.decompressed.message.bytes is for each record, not for the batch. */
void test_validate__bounds_each_record_that_is_unpacked(void)
{
    struct bench bench;
    static const uint8_t value[1000] = { 0 };
    bench_init(&bench);
    bench.options.codec = CODEC_ZSTD;
    struct record records[3];
    for (int i = 0; i < 3; i++)
        records[i] = (struct record){ .offset = i, .timestamp = NOW, .value = { value, 1000 } };
    struct buffer *batch = batch_build(&bench.options, records, 3);
    bench.rules.max_record_size = 1007; /* seven bytes beside the value */
    assert_int_equal(validate(&bench, batch), ERROR_NONE);
    bench.rules.max_record_size = 1006;
    assert_int_equal(validate(&bench, batch), ERROR_INVALID_RECORD);
    buffer_unref(batch);
    bench_deinit(&bench);
}

/* A few KiB that unpack to far more than allowed are refused without being held. */
void test_validate__refuses_a_bomb(void)
{
    struct bench bench;
    bench_init(&bench);
    size_t size = 8 << 20;
    uint8_t *zeros = calloc(1, size);
    bench.rules.max_uncompressed_size = 1 << 20;
    struct record record = { .timestamp = NOW, .value = { zeros, size } };
    for (int codec = CODEC_GZIP; codec < CODEC_COUNT; codec++) {
        bench.options.codec = (enum codec)codec;
        struct buffer *batch = batch_build(&bench.options, &record, 1);
        assert_int_equal(validate(&bench, batch), ERROR_INVALID_RECORD);
        bench.rules.header_only = true;
        assert_int_equal(validate(&bench, batch), ERROR_NONE);
        bench.rules.header_only = false;
        buffer_unref(batch);
    }
    free(zeros);
    bench_deinit(&bench);
}

/* With a right CRC over wrong bytes: never out of bounds, and records that are malformed are never
 * accepted as they stand: what is accepted reads back whole. */
void test_validate__accepts_only_what_reads_back(void)
{
    struct bench bench;
    bench_init(&bench);
    struct prng prng;
    prng_init(&prng, 11);
    for (int round = 0; round < 6000; round++) {
        bench.options.codec = (enum codec)(round % CODEC_COUNT);
        struct buffer *batch = batch_build(&bench.options, bench.records, RECORD_COUNT);
        struct buffer *exact = buffer_create(batch->size);
        exact->size = batch->size;
        memcpy(exact->data, batch->data, batch->size);
        size_t at = BATCH_HEADER_SIZE + prng_below(&prng, batch->size - BATCH_HEADER_SIZE);
        exact->data[at] ^= (uint8_t)(1 + prng_below(&prng, 255));
        store_u32(exact->data + BATCH_AT_CRC, batch_crc(exact->data, exact->size));
        if (validate(&bench, exact) == ERROR_NONE) {
            struct bytes records;
            struct buffer *owner;
            assert_int_equal(batch_records(bench.decompressor, exact->data, &bench.verdict.header,
                                 1 << 20, &records, &owner),
                0);
            struct record_reader reader;
            struct record record;
            records_begin(&reader, &bench.verdict.header, records);
            enum record_status status;
            while ((status = records_next(&reader, &record)) == RECORD_OK)
                ;
            assert_int_equal(status, RECORD_END);
            buffer_unref(owner);
        }
        arena_reset(&bench.arena);
        buffer_unref(exact);
        buffer_unref(batch);
    }
    bench_deinit(&bench);
}
