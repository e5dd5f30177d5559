/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/writer.h"

static void put_varint(struct writer *writer, uint64_t value)
{
    while (value >= 0x80) {
        writer_u8(writer, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    writer_u8(writer, (uint8_t)value);
}

void writer_uvarint(struct writer *writer, uint32_t value)
{
    put_varint(writer, value);
}

void writer_varint(struct writer *writer, int32_t value)
{
    put_varint(writer, ((uint32_t)value << 1) ^ (uint32_t)(value >> 31));
}

void writer_varlong(struct writer *writer, int64_t value)
{
    put_varint(writer, ((uint64_t)value << 1) ^ (uint64_t)(value >> 63));
}
