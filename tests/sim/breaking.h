/* SPDX-License-Identifier: Apache-2.0 */
/* Proves that the simulator notices what it is there to notice: a rule of the product is broken (base/broken.h), and seeds are run until one
 * fails. Each seed runs in a process of its own, as many at a time as there are processors: an assertion that
 * falls notices too. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct breaking {
    const char *rules; /* a name, several with commas, or "all" */
    int64_t first, last; /* seeds */
    bool counts; /* every seed is run, however many noticed */
    bool (*passes)(void *context, int64_t seed, bool has_groups); /* rules of groups (P6) are broken with groups */
    void *context;
};

void breaking_list(void);
/* One line a rule, then `N passed, N failed`. How many rules nobody noticed; -1: there is no such rule. */
int breaking_run(const struct breaking *breaking);
