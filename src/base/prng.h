/* SPDX-License-Identifier: Apache-2.0 */
/* Pseudo-random numbers from a seed (xoshiro256**), for the simulator, property tests and jitter. Not for secrets. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct prng {
    uint64_t state[4];
};

void prng_init(struct prng *prng, uint64_t seed);
uint64_t prng_next(struct prng *prng);
uint64_t prng_below(struct prng *prng, uint64_t bound); /* 0 to bound-1; bound > 0 */
bool prng_chance(struct prng *prng, uint32_t of_million);
void prng_fill(struct prng *prng, void *data, size_t size);
