/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/key_hash.h"

uint32_t key_hash(struct bytes key)
{
    const uint32_t multiplier = 0x5bd1e995;
    uint32_t hash = 0x9747b28c ^ (uint32_t)key.size;
    size_t at = 0;
    for (; key.size - at >= 4; at += 4) {
        uint32_t word = (uint32_t)key.data[at] | (uint32_t)key.data[at + 1] << 8 |
                        (uint32_t)key.data[at + 2] << 16 | (uint32_t)key.data[at + 3] << 24;
        word *= multiplier;
        word ^= word >> 24;
        word *= multiplier;
        hash = hash * multiplier ^ word;
    }
    if (at < key.size) {
        for (size_t i = key.size; i-- > at;)
            hash ^= (uint32_t)key.data[i] << (8 * (i - at));
        hash *= multiplier;
    }
    hash ^= hash >> 13;
    hash *= multiplier;
    return hash ^ hash >> 15;
}
