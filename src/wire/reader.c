/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/reader.h"

static uint64_t take_varint(struct reader *reader, unsigned bits)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < bits; shift += 7) {
        uint8_t byte = reader_u8(reader);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            if (shift + 7 > bits && byte >> (bits - shift) != 0)
                break; /* bits that have no place */
            return value;
        }
    }
    reader->failed = true;
    reader->at = reader->end;
    return 0;
}

uint32_t reader_long_uvarint(struct reader *reader)
{
    return (uint32_t)take_varint(reader, 32);
}

int32_t reader_varint(struct reader *reader)
{
    uint32_t value = reader_uvarint(reader);
    return (int32_t)((value >> 1) ^ (0U - (value & 1)));
}

int64_t reader_varlong(struct reader *reader)
{
    uint64_t value = take_varint(reader, 64);
    return (int64_t)((value >> 1) ^ (0U - (value & 1)));
}
