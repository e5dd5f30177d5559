/* SPDX-License-Identifier: Apache-2.0 */
/* A bound on memory that peers can ask for. Reserving comes before allocating; it may refuse. What cannot be refused
 * any more (an answer that is made) is charged: then the budget may be more than used up, until somebody gives back.
 * Safe from any thread. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct budget {
    int64_t limit; /* bytes; only the loop that reserves, when there is one, may change it */
    _Atomic int64_t used;
};

void budget_init(struct budget *budget, int64_t limit);
bool budget_reserve(struct budget *budget, int64_t size); /* false: over the limit, nothing reserved */
void budget_charge(struct budget *budget, int64_t size);  /* what is there already, whatever the limit says */
bool budget_is_used_up(const struct budget *budget);
void budget_release(struct budget *budget, int64_t size);
int64_t budget_used(const struct budget *budget);
