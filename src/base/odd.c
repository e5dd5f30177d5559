/* SPDX-License-Identifier: Apache-2.0 */
/* Not in the product: see odd.h. */
#include "base/odd.h"

#include "base/prng.h"

#define ODD_ROW(name, sentence) { #name, sentence },
const struct odd_branch odd_branches[] = { ODD_BRANCHES(ODD_ROW) };

int64_t odd_taken[ODD_COUNT];

static struct prng prng;
static uint32_t chances[ODD_COUNT]; /* of a million */

void odd_draw(uint64_t seed)
{
    static const uint32_t some[] = { 0, 0, 0, 1000, 10000, 100000 };
    prng_init(&prng, seed);
    for (int i = 0; i < ODD_COUNT; i++) {
        chances[i] = some[prng_below(&prng, sizeof(some) / sizeof(some[0]))];
        odd_taken[i] = 0;
    }
}

bool odd_take(int branch)
{
    bool taken = chances[branch] > 0 && prng_chance(&prng, chances[branch]);
    odd_taken[branch] += taken;
    return taken;
}
