/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "base/prng.h"
#include "wire/record.h"

enum { LIMIT = 1 << 20 };

static const char *codec_topic_log =
    "tar -xJOf '" GOLDEN_DISKS "/clean.tar.xz' --wildcards '*disk?/codecs-0/*.log'";

static struct buffer *output_of(const char *command)
{
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    struct buffer *buffer = buffer_create(8 << 20);
    buffer->size = fread(buffer->data, 1, buffer->capacity, pipe);
    assert_int_equal(pclose(pipe), 0);
    assert_true(buffer->size > 0 && buffer->size < buffer->capacity);
    return buffer;
}

static void base64_equal(const json_t *expected, const uint8_t *data, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (!json_is_string(expected)) {
        assert_null(data);
        return;
    }
    assert_non_null(data);
    char *text = memory_take(size / 3 * 4 + 5);
    char *at = text;
    for (size_t i = 0; i < size; i += 3) {
        uint32_t bits = (uint32_t)data[i] << 16 | (i + 1 < size ? (uint32_t)data[i + 1] << 8 : 0) |
                        (i + 2 < size ? data[i + 2] : 0);
        *at++ = digits[bits >> 18];
        *at++ = digits[bits >> 12 & 63];
        *at++ = i + 1 < size ? digits[bits >> 6 & 63] : '=';
        *at++ = i + 2 < size ? digits[bits & 63] : '=';
    }
    assert_string_equal(text, json_string_value(expected));
    memory_give(text);
}

static void record_equal(const json_t *expected, const struct record *record)
{
    assert_int_equal(record->offset, json_integer_value(json_object_get(expected, "o")));
    assert_int_equal(record->timestamp, json_integer_value(json_object_get(expected, "ts")));
    base64_equal(json_object_get(expected, "k"), record->key.data, record->key.size);
    base64_equal(json_object_get(expected, "v"), record->value.data, record->value.size);
    const json_t *headers = json_object_get(expected, "h");
    assert_int_equal(record->header_count, json_array_size(headers));
    for (int32_t i = 0; i < record->header_count; i++) {
        const json_t *header = json_array_get(headers, (size_t)i);
        struct str key = record->headers[i].key;
        assert_true(str_is(key, json_string_value(json_array_get(header, 0))));
        base64_equal(json_array_get(header, 1), record->headers[i].value.data,
            record->headers[i].value.size);
    }
}

static struct batch_options options_of(const struct batch_header *header, enum codec codec)
{
    return (struct batch_options){ .base_offset = header->base_offset,
        .leader_epoch = header->leader_epoch,
        .codec = codec,
        .level = CODEC_LEVEL_DEFAULT,
        .transactional = batch_is_transactional(header),
        .control = batch_is_control(header),
        .producer_id = header->producer_id,
        .producer_epoch = header->producer_epoch,
        .base_sequence = header->base_sequence };
}

/* Builds the batch again from its records: plain ones must come out byte for byte, all others with
 * the same records. */
static void rebuild_equal(struct decompressor *decompressor, const uint8_t *batch,
    const struct batch_header *header, const struct record *records, struct bytes plain)
{
    enum codec codec = (enum codec)batch_codec(header);
    struct batch_options options = options_of(header, codec);
    struct buffer *built = batch_build(&options, records, header->record_count);
    struct batch_header again;
    assert_int_equal(batch_parse((struct bytes){ built->data, built->size }, &again), BATCH_OK);
    if (codec == CODEC_NONE) {
        assert_int_equal(built->size, header->size);
        assert_memory_equal(built->data, batch, header->size);
    }
    struct bytes unpacked;
    struct buffer *owner;
    assert_int_equal(batch_records(decompressor, built->data, &again, LIMIT, &unpacked, &owner), 0);
    assert_int_equal(unpacked.size, plain.size);
    assert_memory_equal(unpacked.data, plain.data, plain.size);
    buffer_unref(owner);
    buffer_unref(built);
}

static void check_golden_batch(struct decompressor *decompressor, struct arena *arena,
    const uint8_t *batch, const struct batch_header *header, const json_t *expected)
{
    struct bytes plain;
    struct buffer *owner;
    assert_true(batch_crc_is_right(batch, header));
    assert_int_equal(batch_records(decompressor, batch, header, LIMIT, &plain, &owner), 0);
    struct record *records =
        arena_take_array(arena, (size_t)header->record_count, sizeof(*records));
    struct record_reader reader;
    records_begin(&reader, header, plain);
    for (int32_t i = 0; i < header->record_count; i++) {
        assert_int_equal(records_next(&reader, &records[i]), RECORD_OK);
        assert_true(record_headers(&records[i], arena));
        record_equal(json_array_get(expected, (size_t)records[i].offset), &records[i]);
    }
    struct record beyond;
    assert_int_equal(records_next(&reader, &beyond), RECORD_END);
    rebuild_equal(decompressor, batch, header, records, plain);
    for (int32_t i = 0; i < header->record_count; i++)
        records[i].headers = NULL; /* then raw_headers count */
    rebuild_equal(decompressor, batch, header, records, plain);
    buffer_unref(owner);
}

/* What Kafka wrote in every codec reads as Kafka reads it, and is built again from its records. */
void test_record__reads_and_rebuilds_what_kafka_wrote(void)
{
    struct buffer *log = output_of(codec_topic_log);
    struct buffer *text = output_of("xz -dc '" GOLDEN_DISKS "/clean.expected.json.xz'");
    json_t *root = json_loadb((const char *)text->data, text->size, 0, NULL);
    assert_non_null(root);
    json_t *partition = json_object_get(
        json_object_get(json_object_get(json_object_get(root, "topics"), "codecs"), "partitions"),
        "0");
    json_t *expected = json_object_get(partition, "records");

    struct decompressor *decompressor = decompressor_create();
    struct arena arena;
    arena_init(&arena);
    int64_t next = 0;
    bool seen[CODEC_COUNT] = { false };
    for (size_t at = 0; at < log->size;) {
        struct batch_header header;
        assert_int_equal(
            batch_parse((struct bytes){ log->data + at, log->size - at }, &header), BATCH_OK);
        assert_int_equal(header.base_offset, next);
        check_golden_batch(decompressor, &arena, log->data + at, &header, expected);
        seen[batch_codec(&header)] = true;
        next = batch_next_offset(&header);
        at += header.size;
        arena_reset(&arena);
    }
    assert_int_equal(next, json_array_size(expected));
    for (int codec = 0; codec < CODEC_COUNT; codec++)
        assert_true(seen[codec]);
    arena_deinit(&arena);
    decompressor_destroy(decompressor);
    json_decref(root);
    buffer_unref(text);
    buffer_unref(log);
}

static struct buffer *sample_batch(enum codec codec)
{
    static struct record_header headers[2] = { { STR("name"), { (const uint8_t *)"v", 1 } },
        { STR(""), { NULL, 0 } } };
    struct record records[40] = { 0 };
    for (int i = 0; i < 40; i++) {
        records[i].timestamp = 1000 + i * 70;
        records[i].value = (struct bytes){ (const uint8_t *)"a value that goes on for a while",
            1 + (size_t)i % 32 };
        if (i % 3 == 0)
            records[i].key = (struct bytes){ (const uint8_t *)"key", 3 };
        if (i % 5 == 0) {
            records[i].headers = headers;
            records[i].header_count = 2;
        }
    }
    struct batch_options options = batch_options_plain();
    options.codec = codec;
    return batch_build(&options, records, 40);
}

/* Bytes are never read beyond the run, whatever lengths say; sanitizers watch the exact-size copy.
 */
void test_record__survives_flipped_bits(void)
{
    struct buffer *batch = sample_batch(CODEC_NONE);
    struct batch_header header;
    assert_int_equal(batch_parse((struct bytes){ batch->data, batch->size }, &header), BATCH_OK);
    size_t size = batch->size - BATCH_HEADER_SIZE;
    struct prng prng;
    prng_init(&prng, 3);
    for (int round = 0; round < 3000; round++) {
        size_t kept = round % 2 == 0 ? size : 1 + prng_below(&prng, size);
        uint8_t *broken = malloc(kept);
        memcpy(broken, batch->data + BATCH_HEADER_SIZE, kept);
        for (uint64_t flips = 1 + prng_below(&prng, 3); flips > 0; flips--)
            broken[prng_below(&prng, kept)] ^= (uint8_t)(1u << prng_below(&prng, 8));
        struct record_reader reader;
        records_begin(&reader, &header, (struct bytes){ broken, kept });
        struct record record;
        enum record_status status;
        struct arena arena;
        arena_init(&arena);
        while ((status = records_next(&reader, &record)) == RECORD_OK)
            assert_true(record_headers(&record, &arena));
        assert_true(kept == size || status == RECORD_CORRUPT);
        arena_deinit(&arena);
        free(broken);
    }
    buffer_unref(batch);
}

/* A topic's own compression.type: the same records in another form, the header otherwise kept. */
void test_record__recompresses(void)
{
    struct decompressor *decompressor = decompressor_create();
    for (int from = 0; from < CODEC_COUNT; from++) {
        for (int to = 0; to < CODEC_COUNT; to++) {
            struct buffer *before = sample_batch((enum codec)from);
            struct batch_header header, changed;
            assert_int_equal(
                batch_parse((struct bytes){ before->data, before->size }, &header), BATCH_OK);
            struct buffer *after;
            assert_int_equal(batch_recompress(decompressor, before->data, &header, (enum codec)to,
                                 CODEC_LEVEL_DEFAULT, LIMIT, &after),
                0);
            assert_int_equal(
                batch_parse((struct bytes){ after->data, after->size }, &changed), BATCH_OK);
            assert_true(batch_crc_is_right(after->data, &changed));
            assert_int_equal(batch_codec(&changed), to);
            assert_int_equal(changed.max_timestamp, header.max_timestamp);
            struct bytes one, other;
            struct buffer *one_owner, *other_owner;
            assert_int_equal(
                batch_records(decompressor, before->data, &header, LIMIT, &one, &one_owner), 0);
            assert_int_equal(
                batch_records(decompressor, after->data, &changed, LIMIT, &other, &other_owner), 0);
            assert_int_equal(one.size, other.size);
            assert_memory_equal(one.data, other.data, one.size);
            buffer_unref(one_owner);
            buffer_unref(other_owner);
            if (to != CODEC_NONE)
                assert_int_equal(batch_records(decompressor, after->data, &changed, one.size - 1,
                                     &other, &other_owner),
                    -EMSGSIZE);
            buffer_unref(before);
            buffer_unref(after);
        }
    }
    decompressor_destroy(decompressor);
}

/* A commit marker of transactions: key (0, 1), one record, control bit. */
void test_record__builds_control_batches(void)
{
    struct batch_options options = batch_options_plain();
    options.transactional = true;
    options.producer_id = 4;
    options.producer_epoch = 0;
    struct control_record commit = { 1, { (const uint8_t *)"\0\0\0\0\0\7", 6 } };
    struct buffer *batch = batch_build_control(&options, 123, &commit, 1);
    struct batch_header header;
    assert_int_equal(batch_parse((struct bytes){ batch->data, batch->size }, &header), BATCH_OK);
    assert_true(batch_is_control(&header) && batch_is_transactional(&header));
    struct record_reader reader;
    struct record record;
    records_begin(&reader, &header,
        (struct bytes){ batch->data + BATCH_HEADER_SIZE, batch->size - BATCH_HEADER_SIZE });
    assert_int_equal(records_next(&reader, &record), RECORD_OK);
    assert_memory_equal(record.key.data, "\0\0\0\1", 4);
    assert_int_equal(record.timestamp, 123);
    assert_int_equal(record.value.size, 6);
    buffer_unref(batch);
}
