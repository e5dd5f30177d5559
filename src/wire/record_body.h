/* SPDX-License-Identifier: Apache-2.0 */
/* The body of a record, behind its length, read from memory. Inline, since both who reads records
 * and who checks a producer's batch spend their time here. Every call returns the byte behind what
 * it read, or NULL. */
#pragma once
#include "wire/record.h"

/* What stands in a record as such; offset and timestamp are the batch's to say. */
struct record_body {
    int64_t timestamp_delta;
    int32_t offset_delta;
    struct bytes key;
    struct bytes value;
    int32_t header_count;
    const uint8_t *headers;
};

/* Reads a varint of at most max_bytes; NULL when it is longer or the bytes end. */
const uint8_t *varint_read_long(
    const uint8_t *at, const uint8_t *end, int max_bytes, int64_t *out_value);

/* Nearly all are of one or two bytes. */
static inline const uint8_t *varint_read(
    const uint8_t *at, const uint8_t *end, int max_bytes, int64_t *out_value)
{
    if (__builtin_expect(end - at < 2, 0))
        return varint_read_long(at, end, max_bytes, out_value);
    uint32_t bits = at[0];
    if (bits >= 0x80) {
        if (at[1] >= 0x80)
            return varint_read_long(at, end, max_bytes, out_value);
        bits = (bits & 0x7f) | (uint32_t)at[1] << 7;
        at++;
    }
    *out_value = (int32_t)(bits >> 1) ^ -(int32_t)(bits & 1);
    return at + 1;
}

static inline const uint8_t *int32_read(const uint8_t *at, const uint8_t *end, int32_t *out_value)
{
    int64_t value = 0;
    at = varint_read(at, end, 5, &value);
    *out_value = (int32_t)value;
    return at;
}

/* A varint length and that many bytes; a negative length is null. */
static inline const uint8_t *record_bytes_read(
    const uint8_t *at, const uint8_t *end, struct bytes *out_bytes)
{
    int32_t size = 0;
    at = int32_read(at, end, &size);
    if (at == NULL || size > end - at)
        return NULL;
    *out_bytes = size < 0 ? (struct bytes){ NULL, 0 } : (struct bytes){ at, (size_t)size };
    return at + out_bytes->size;
}

static inline const uint8_t *record_header_read(
    const uint8_t *at, const uint8_t *end, struct record_header *out_header)
{
    struct bytes key;
    at = record_bytes_read(at, end, &key);
    if (at == NULL || key.data == NULL)
        return NULL;
    out_header->key = (struct str){ (const char *)key.data, (int32_t)key.size };
    return record_bytes_read(at, end, &out_header->value);
}

/* end is where the record ends: the caller checks that this is what comes back. */
static inline const uint8_t *record_body_read(
    const uint8_t *at, const uint8_t *end, struct record_body *out_body)
{
    if (at == end)
        return NULL;
    at = varint_read(
        at + 1, end, 10, &out_body->timestamp_delta); /* behind attributes: none are defined */
    if (at == NULL)
        return NULL;
    at = int32_read(at, end, &out_body->offset_delta);
    if (at == NULL)
        return NULL;
    at = record_bytes_read(at, end, &out_body->key);
    if (at == NULL)
        return NULL;
    at = record_bytes_read(at, end, &out_body->value);
    if (at == NULL)
        return NULL;
    at = int32_read(at, end, &out_body->header_count);
    if (at == NULL || out_body->header_count < 0 || out_body->header_count > end - at)
        return NULL;
    out_body->headers = at;
    for (int32_t i = 0; i < out_body->header_count && at != NULL; i++) {
        struct record_header header;
        at = record_header_read(at, end, &header);
    }
    return at;
}
