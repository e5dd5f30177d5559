/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include <string.h>

/* Written once before any thread starts; read by all. */
static uint64_t map_key[2] = { 0x736f6d6570736575u, 0x646f72616e646f6du };

void map_set_key(uint64_t first, uint64_t second)
{
    map_key[0] = first;
    map_key[1] = second;
}

static uint64_t rotate_left(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

/* Inline, so that the four words stay in registers. */
static inline __attribute__((always_inline)) void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate_left(v[1], 13) ^ v[0];
    v[0] = rotate_left(v[0], 32);
    v[2] += v[3];
    v[3] = rotate_left(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate_left(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate_left(v[1], 17) ^ v[2];
    v[2] = rotate_left(v[2], 32);
}

unsigned map_hash(const void *key, size_t size)
{
    uint64_t v[4] = { map_key[0] ^ 0x736f6d6570736575u, map_key[1] ^ 0x646f72616e646f6du,
        map_key[0] ^ 0x6c7967656e657261u, map_key[1] ^ 0x7465646279746573u };
    const uint8_t *at = key;
    size_t left = size;
    for (;;) {
        uint64_t word = left >= 8 ? 0 : (uint64_t)size << 56;
        size_t piece = left >= 8 ? 8 : left;
        uint64_t part = 0;
        memcpy(&part, at, piece);
        word |= part;
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
        if (left < 8)
            break;
        at += 8;
        left -= 8;
    }
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    uint64_t hash = v[0] ^ v[1] ^ v[2] ^ v[3];
    return (unsigned)(hash ^ hash >> 32);
}
