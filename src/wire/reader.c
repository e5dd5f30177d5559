/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/reader.h"

uint32_t reader_long_uvarint(struct reader *reader)
{
    enum { BITS = 32 };
    uint32_t value = 0;
    for (unsigned shift = 0; shift < BITS; shift += 7) {
        uint8_t byte = reader_u8(reader);
        value |= (uint32_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            if (shift + 7 > BITS && byte >> (BITS - shift) != 0)
                break; /* bits that have no place */
            return value;
        }
    }
    reader->failed = true;
    reader->at = reader->end;
    return 0;
}
