/* SPDX-License-Identifier: Apache-2.0 */
/* Puts integers and runs of bytes behind each other into memory of known capacity, and counts them.
 * What has no room any more, and all that comes behind it, is only counted. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"

struct writer {
    uint8_t *out; /* may be NULL when capacity is 0 */
    size_t capacity;
    size_t size;
};

static inline uint8_t *writer_room(struct writer *writer, size_t size) /* size > 0; NULL: none */
{
    size_t end = writer->size + size;
    uint8_t *at = end <= writer->capacity ? writer->out + writer->size : NULL;
    writer->size = end;
    return at;
}
static inline void writer_put(struct writer *writer, const void *data, size_t size)
{
    if (size == 0)
        return;
    uint8_t *at = writer_room(writer, size);
    if (at != NULL)
        memcpy(at, data, size);
}
static inline void writer_u8(struct writer *writer, uint8_t value)
{
    uint8_t *at = writer_room(writer, 1);
    if (at != NULL)
        *at = value;
}
static inline void writer_i16(struct writer *writer, int16_t value)
{
    uint8_t *at = writer_room(writer, 2);
    if (at != NULL)
        store_i16(at, value);
}
static inline void writer_i32(struct writer *writer, int32_t value)
{
    uint8_t *at = writer_room(writer, 4);
    if (at != NULL)
        store_i32(at, value);
}
static inline void writer_i64(struct writer *writer, int64_t value)
{
    uint8_t *at = writer_room(writer, 8);
    if (at != NULL)
        store_i64(at, value);
}

void writer_uvarint(struct writer *writer, uint32_t value);
