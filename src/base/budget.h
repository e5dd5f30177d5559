/* SPDX-License-Identifier: Apache-2.0 */
/* A bound on memory that peers can ask for. Reserving comes before allocating; it may refuse. Safe from any thread. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct budget {
    int64_t limit; /* bytes; fixed after budget_init() */
    _Atomic int64_t used;
};

void budget_init(struct budget *budget, int64_t limit);
bool budget_reserve(struct budget *budget, int64_t size); /* false: over the limit, nothing reserved */
void budget_release(struct budget *budget, int64_t size);
int64_t budget_used(const struct budget *budget);
