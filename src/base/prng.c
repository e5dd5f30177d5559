/* SPDX-License-Identifier: Apache-2.0 */
#include "base/prng.h"

#include <assert.h>
#include <string.h>

void prng_init(struct prng *prng, uint64_t seed)
{
    for (int i = 0; i < 4; i++) { /* splitmix64 spreads the seed */
        seed += 0x9e3779b97f4a7c15u;
        uint64_t mixed = seed;
        mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
        mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
        prng->state[i] = mixed ^ mixed >> 31;
    }
}

static uint64_t rotate_left(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

uint64_t prng_next(struct prng *prng)
{
    uint64_t *s = prng->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t prng_below(struct prng *prng, uint64_t bound)
{
    assert(bound > 0);
    return (uint64_t)((unsigned __int128)prng_next(prng) * bound >> 64);
}

bool prng_chance(struct prng *prng, uint32_t of_million)
{
    return prng_below(prng, 1000000) < of_million;
}

void prng_fill(struct prng *prng, void *data, size_t size)
{
    uint8_t *at = data;
    while (size > 0) {
        uint64_t value = prng_next(prng);
        size_t piece = size < sizeof(value) ? size : sizeof(value);
        memcpy(at, &value, piece);
        at += piece;
        size -= piece;
    }
}
