/* SPDX-License-Identifier: Apache-2.0 */
/* Takes integers and runs of bytes off the front of an input. Reading beyond the end, or an
 * overlong varint, sets failed, which stays set, and gives zeros; so a caller may check once after
 * several reads. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct reader {
    const uint8_t *at, *end;
    bool failed;
};

static inline struct reader reader_of(struct bytes input)
{
    static const uint8_t nothing[1];
    const uint8_t *at = input.data == NULL ? nothing : input.data;
    return (struct reader){ at, at + input.size, false };
}
static inline size_t reader_left(const struct reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

/* NULL, and failed, when fewer bytes are left. */
static inline const uint8_t *reader_take(struct reader *reader, size_t size)
{
    if (__builtin_expect(reader_left(reader) < size, 0)) {
        reader->failed = true;
        reader->at = reader->end;
        return NULL;
    }
    const uint8_t *at = reader->at;
    reader->at += size;
    return at;
}
static inline uint8_t reader_u8(struct reader *reader)
{
    const uint8_t *at = reader_take(reader, 1);
    return at == NULL ? 0 : *at;
}
static inline int8_t reader_i8(struct reader *reader)
{
    return (int8_t)reader_u8(reader);
}
static inline int16_t reader_i16(struct reader *reader)
{
    const uint8_t *at = reader_take(reader, 2);
    return at == NULL ? 0 : load_i16(at);
}
static inline int32_t reader_i32(struct reader *reader)
{
    const uint8_t *at = reader_take(reader, 4);
    return at == NULL ? 0 : load_i32(at);
}
static inline int64_t reader_i64(struct reader *reader)
{
    const uint8_t *at = reader_take(reader, 8);
    return at == NULL ? 0 : load_i64(at);
}

uint32_t reader_long_uvarint(struct reader *reader);
/* At most 5 bytes; the fifth at most 15. */
static inline uint32_t reader_uvarint(struct reader *reader)
{
    if (reader->at < reader->end && *reader->at < 0x80)
        return *reader->at++;
    return reader_long_uvarint(reader);
}
