/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "wire/record.h"

enum { CONTROL_KEY_SIZE = 4 };

struct batch_options batch_options_plain(void)
{
    return (struct batch_options){
        .leader_epoch = -1,
        .codec = CODEC_NONE,
        .level = CODEC_LEVEL_DEFAULT,
        .producer_id = -1,
        .producer_epoch = -1,
        .base_sequence = -1,
    };
}

static size_t bytes_size(struct bytes bytes)
{
    return bytes.data == NULL ? 1 : (size_t)varint_size((int64_t)bytes.size) + bytes.size;
}

static uint8_t *bytes_write(uint8_t *out, struct bytes bytes)
{
    if (bytes.data == NULL)
        return varint_write(out, -1);
    out = varint_write(out, (int64_t)bytes.size);
    if (bytes.size > 0)
        memcpy(out, bytes.data, bytes.size);
    return out + bytes.size;
}

static struct bytes key_bytes(const struct record_header *header)
{
    assert(header->key.data != NULL);
    return (struct bytes){ (const uint8_t *)header->key.data, (size_t)header->key.size };
}

static size_t body_size(const struct record *record, int32_t offset_delta, int64_t timestamp_delta)
{
    size_t size = 1 + (size_t)varint_size(timestamp_delta) + (size_t)varint_size(offset_delta) +
                  bytes_size(record->key) + bytes_size(record->value) +
                  (size_t)varint_size(record->header_count);
    if (record->headers == NULL)
        return size + record->raw_headers.size;
    for (int32_t i = 0; i < record->header_count; i++)
        size += bytes_size(key_bytes(&record->headers[i])) + bytes_size(record->headers[i].value);
    return size;
}

size_t record_encoded_size(
    const struct record *record, int32_t offset_delta, int64_t timestamp_delta)
{
    size_t size = body_size(record, offset_delta, timestamp_delta);
    return (size_t)varint_size((int64_t)size) + size;
}

uint8_t *record_encode(
    uint8_t *out, const struct record *record, int32_t offset_delta, int64_t timestamp_delta)
{
    out = varint_write(out, (int64_t)body_size(record, offset_delta, timestamp_delta));
    *out++ = 0;
    out = varint_write(out, timestamp_delta);
    out = varint_write(out, offset_delta);
    out = bytes_write(out, record->key);
    out = bytes_write(out, record->value);
    out = varint_write(out, record->header_count);
    if (record->headers == NULL && record->header_count > 0)
        return (uint8_t *)memcpy(out, record->raw_headers.data, record->raw_headers.size) +
               record->raw_headers.size;
    for (int32_t i = 0; i < record->header_count; i++) {
        out = bytes_write(out, key_bytes(&record->headers[i]));
        out = bytes_write(out, record->headers[i].value);
    }
    return out;
}

static int64_t delta(int64_t timestamp, int64_t base)
{
    return (int64_t)((uint64_t)timestamp - (uint64_t)base);
}

static struct batch_header header_for(
    const struct batch_options *options, const struct record *records, int32_t count)
{
    int64_t max_timestamp = records[0].timestamp;
    for (int32_t i = 1; i < count; i++)
        max_timestamp = records[i].timestamp > max_timestamp ? records[i].timestamp : max_timestamp;
    int attributes = (int)options->codec | (options->log_append_time ? BATCH_LOG_APPEND_TIME : 0) |
                     (options->transactional ? BATCH_TRANSACTIONAL : 0) |
                     (options->control ? BATCH_CONTROL : 0);
    return (struct batch_header){
        .base_offset = options->base_offset,
        .leader_epoch = options->leader_epoch,
        .magic = BATCH_MAGIC,
        .attributes = (int16_t)attributes,
        .last_offset_delta = count - 1,
        .base_timestamp = records[0].timestamp,
        .max_timestamp = options->log_append_time ? options->append_time_ms : max_timestamp,
        .producer_id = options->producer_id,
        .producer_epoch = options->producer_epoch,
        .base_sequence = options->base_sequence,
        .record_count = count,
    };
}

/* Sets the size that only now is known, and with it the CRC. */
static void finish_batch(struct buffer *buffer, struct batch_header *header)
{
    assert(buffer->size >= BATCH_HEADER_SIZE && buffer->size <= INT32_MAX);
    header->size = buffer->size;
    header->length = (int32_t)(buffer->size - BATCH_PREFIX_SIZE);
    batch_write_header(buffer->data, header);
    batch_renew_crc(buffer->data, header);
}

struct buffer *batch_build(
    const struct batch_options *options, const struct record *records, int32_t count)
{
    assert(count > 0);
    struct batch_header header = header_for(options, records, count);
    size_t size = 0;
    for (int32_t i = 0; i < count; i++)
        size +=
            record_encoded_size(&records[i], i, delta(records[i].timestamp, header.base_timestamp));

    struct buffer *plain = buffer_create(BATCH_HEADER_SIZE + size);
    uint8_t *at = plain->data + BATCH_HEADER_SIZE;
    for (int32_t i = 0; i < count; i++)
        at = record_encode(at, &records[i], i, delta(records[i].timestamp, header.base_timestamp));
    plain->size = (size_t)(at - plain->data);
    assert(plain->size == BATCH_HEADER_SIZE + size);

    struct buffer *out = plain;
    if (options->codec != CODEC_NONE) {
        out = buffer_create(BATCH_HEADER_SIZE + size / 2 + 64);
        out->size = BATCH_HEADER_SIZE;
        struct bytes body = { plain->data + BATCH_HEADER_SIZE, size };
        compress_append(options->codec, options->level, body, &out);
        buffer_unref(plain);
    }
    finish_batch(out, &header);
    return out;
}

struct buffer *batch_build_control(const struct batch_options *options, int64_t timestamp_ms,
    const struct control_record *records, int32_t count)
{
    assert(count > 0 && options->codec == CODEC_NONE);
    struct record *plain = memory_take((size_t)count * sizeof(*plain));
    uint8_t *keys = memory_take((size_t)count * CONTROL_KEY_SIZE);
    for (int32_t i = 0; i < count; i++) {
        uint8_t *key = keys + (size_t)i * CONTROL_KEY_SIZE;
        store_i16(key, 0);
        store_i16(key + 2, records[i].type);
        plain[i].timestamp = timestamp_ms;
        plain[i].key = (struct bytes){ key, CONTROL_KEY_SIZE };
        plain[i].value = records[i].value;
    }
    struct batch_options control = *options;
    control.control = true;
    struct buffer *batch = batch_build(&control, plain, count);
    memory_give(keys);
    memory_give(plain);
    return batch;
}

int batch_recompress(struct decompressor *decompressor, const uint8_t *batch,
    const struct batch_header *header, enum codec codec, int level, size_t limit,
    struct buffer **out_batch)
{
    struct bytes records;
    struct buffer *owner = NULL;
    int status = batch_records(decompressor, batch, header, limit, &records, &owner);
    if (status < 0)
        return status;
    struct buffer *out = buffer_create(BATCH_HEADER_SIZE + records.size / 2 + 64);
    out->size = BATCH_HEADER_SIZE;
    compress_append(codec, level, records, &out);
    buffer_unref(owner);

    struct batch_header changed = *header;
    changed.attributes = (int16_t)((header->attributes & ~BATCH_CODEC_MASK) | (int)codec);
    finish_batch(out, &changed);
    *out_batch = out;
    return 0;
}
