/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crc32c.h"

#include <isa-l/crc.h>

uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
    /* ISA-L takes an int length, and a pointer to bytes that it does not change. */
    const uint8_t *at = data;
    crc = ~crc;
    while (size > 0) {
        int piece = size > 1 << 30 ? 1 << 30 : (int)size;
        crc = crc32_iscsi((unsigned char *)(uintptr_t)at, piece, crc);
        at += piece;
        size -= (size_t)piece;
    }
    return ~crc;
}
