/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/writer.h"

void writer_uvarint(struct writer *writer, uint32_t value)
{
    while (value >= 0x80) {
        writer_u8(writer, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    writer_u8(writer, (uint8_t)value);
}
