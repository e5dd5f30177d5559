/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/record.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/buffer.h"

enum { UNCOMPRESSED_FIRST_GUESS = 4 };

/* Reads a varint of at most max_bytes; NULL when it is longer or the bytes end. */
static inline const uint8_t *varint_read(
    const uint8_t *at, const uint8_t *end, int max_bytes, int64_t *out_value)
{
    uint64_t bits = 0;
    for (int i = 0; i < max_bytes && at < end; i++) {
        uint8_t byte = *at++;
        bits |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *out_value = (int64_t)(bits >> 1) ^ -(int64_t)(bits & 1);
            return at;
        }
    }
    return NULL;
}

static inline const uint8_t *int32_read(const uint8_t *at, const uint8_t *end, int32_t *out_value)
{
    int64_t value = 0;
    at = varint_read(at, end, 5, &value);
    *out_value = (int32_t)value;
    return at;
}

/* A varint length and that many bytes; a negative length is null. */
static inline const uint8_t *bytes_read(
    const uint8_t *at, const uint8_t *end, struct bytes *out_bytes)
{
    int32_t size = 0;
    at = int32_read(at, end, &size);
    if (at == NULL || size > end - at)
        return NULL;
    *out_bytes = size < 0 ? (struct bytes){ NULL, 0 } : (struct bytes){ at, (size_t)size };
    return at + out_bytes->size;
}

static const uint8_t *header_read(
    const uint8_t *at, const uint8_t *end, struct record_header *out_header)
{
    struct bytes key;
    at = bytes_read(at, end, &key);
    if (at == NULL || key.data == NULL)
        return NULL;
    out_header->key = (struct str){ (const char *)key.data, (int32_t)key.size };
    return bytes_read(at, end, &out_header->value);
}

void records_begin(
    struct record_reader *reader, const struct batch_header *header, struct bytes records)
{
    reader->at = records.data;
    reader->end = records.data + records.size;
    reader->left = header->record_count;
    reader->base_offset = header->base_offset;
    reader->base_timestamp = header->base_timestamp;
    reader->append_time = batch_is_log_append_time(header) ? header->max_timestamp : -1;
}

static const uint8_t *body_read(
    struct record_reader *reader, const uint8_t *at, const uint8_t *end, struct record *record)
{
    int64_t timestamp_delta = 0;
    int32_t offset_delta = 0;
    if (at == end)
        return NULL;
    at = varint_read(at + 1, end, 10, &timestamp_delta);
    if (at == NULL)
        return NULL;
    at = int32_read(at, end, &offset_delta);
    if (at == NULL)
        return NULL;
    at = bytes_read(at, end, &record->key);
    if (at == NULL)
        return NULL;
    at = bytes_read(at, end, &record->value);
    if (at == NULL)
        return NULL;
    at = int32_read(at, end, &record->header_count);
    if (at == NULL || record->header_count < 0 || record->header_count > end - at)
        return NULL;
    record->offset = reader->base_offset + offset_delta;
    record->timestamp =
        reader->append_time >= 0
            ? reader->append_time
            : (int64_t)((uint64_t)reader->base_timestamp + (uint64_t)timestamp_delta);
    record->raw_headers = (struct bytes){ at, (size_t)(end - at) };
    record->headers = NULL;
    for (int32_t i = 0; i < record->header_count && at != NULL; i++) {
        struct record_header header;
        at = header_read(at, end, &header);
    }
    return at;
}

enum record_status records_next(struct record_reader *reader, struct record *out_record)
{
    if (reader->left <= 0)
        return reader->left == 0 && reader->at == reader->end ? RECORD_END : RECORD_CORRUPT;
    int32_t size = 0;
    const uint8_t *at = int32_read(reader->at, reader->end, &size);
    if (at == NULL || size < 0 || size > reader->end - at)
        return RECORD_CORRUPT;
    const uint8_t *end = at + size;
    if (body_read(reader, at, end, out_record) != end)
        return RECORD_CORRUPT;
    out_record->size = (size_t)(end - reader->at);
    reader->at = end;
    reader->left--;
    return RECORD_OK;
}

bool record_headers(struct record *record, struct arena *arena)
{
    const uint8_t *at = record->raw_headers.data;
    const uint8_t *end = at + record->raw_headers.size;
    if (record->header_count < 0 || (size_t)record->header_count > record->raw_headers.size)
        return false;
    record->headers =
        arena_take_array(arena, (size_t)record->header_count, sizeof(*record->headers));
    for (int32_t i = 0; i < record->header_count; i++) {
        at = header_read(at, end, &record->headers[i]);
        if (at == NULL)
            return false;
    }
    return at == end;
}

/* Doubles as output comes, so memory never runs ahead of what the stream really held. */
static int read_whole(
    struct decompressor *decompressor, size_t guess, size_t limit, struct buffer **out)
{
    struct buffer *buffer = buffer_create(guess < limit ? guess : limit);
    for (;;) {
        if (buffer->size == buffer->capacity) {
            uint8_t beyond;
            int64_t got = decompressor_read(decompressor, &beyond, 1);
            if (got == 0)
                break;
            if (got < 0 || buffer->capacity == limit) {
                buffer_unref(buffer);
                return got < 0 ? (int)got : -EMSGSIZE;
            }
            size_t capacity = buffer->capacity < limit / 2 ? buffer->capacity * 2 + 64 : limit;
            struct buffer *larger = buffer_create(capacity < limit ? capacity : limit);
            memcpy(larger->data, buffer->data, buffer->size);
            larger->data[buffer->size] = beyond;
            larger->size = buffer->size + 1;
            buffer_unref(buffer);
            buffer = larger;
            continue;
        }
        int64_t got = decompressor_read(
            decompressor, buffer->data + buffer->size, buffer->capacity - buffer->size);
        if (got == 0)
            break;
        if (got < 0) {
            buffer_unref(buffer);
            return (int)got;
        }
        buffer->size += (size_t)got;
    }
    *out = buffer;
    return 0;
}

int batch_records(struct decompressor *decompressor, const uint8_t *batch,
    const struct batch_header *header, size_t limit, struct bytes *out_records,
    struct buffer **out_owner)
{
    struct bytes body = { batch + BATCH_HEADER_SIZE, header->size - BATCH_HEADER_SIZE };
    *out_owner = NULL;
    if (batch_codec(header) == CODEC_NONE || (body.size == 0 && header->record_count == 0)) {
        *out_records = body;
        return 0;
    }
    if (batch_codec(header) >= CODEC_COUNT)
        return -EBADMSG;
    decompressor_begin(decompressor, (enum codec)batch_codec(header), body);
    int status =
        read_whole(decompressor, body.size * UNCOMPRESSED_FIRST_GUESS + 64, limit, out_owner);
    if (status == 0)
        *out_records = (struct bytes){ (*out_owner)->data, (*out_owner)->size };
    return status;
}
