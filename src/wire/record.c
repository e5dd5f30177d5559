/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/record.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "wire/record_body.h"

enum { UNCOMPRESSED_FIRST_GUESS = 4 };

const uint8_t *varint_read_long(
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

enum record_status records_next(struct record_reader *reader, struct record *out_record)
{
    if (reader->left <= 0)
        return reader->left == 0 && reader->at == reader->end ? RECORD_END : RECORD_CORRUPT;
    int32_t size = 0;
    const uint8_t *at = int32_read(reader->at, reader->end, &size);
    if (at == NULL || size < 0 || size > reader->end - at)
        return RECORD_CORRUPT;
    const uint8_t *end = at + size;
    struct record_body body;
    if (record_body_read(at, end, &body) != end)
        return RECORD_CORRUPT;
    *out_record = (struct record){
        .offset = reader->base_offset + body.offset_delta,
        .timestamp = reader->append_time >= 0 ? reader->append_time
                                              : (int64_t)((uint64_t)reader->base_timestamp +
                                                          (uint64_t)body.timestamp_delta),
        .key = body.key,
        .value = body.value,
        .header_count = body.header_count,
        .raw_headers = { body.headers, (size_t)(end - body.headers) },
        .size = (size_t)(end - reader->at),
    };
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
        at = record_header_read(at, end, &record->headers[i]);
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
