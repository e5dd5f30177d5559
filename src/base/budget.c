/* SPDX-License-Identifier: Apache-2.0 */
#include "base/budget.h"

#include <assert.h>

void budget_init(struct budget *budget, int64_t limit)
{
    budget->limit = limit;
    atomic_init(&budget->used, 0);
}

bool budget_reserve(struct budget *budget, int64_t size)
{
    assert(size >= 0);
    int64_t before = atomic_fetch_add_explicit(&budget->used, size, memory_order_relaxed);
    if (before > budget->limit - size) {
        atomic_fetch_sub_explicit(&budget->used, size, memory_order_relaxed);
        return false;
    }
    return true;
}

void budget_charge(struct budget *budget, int64_t size)
{
    assert(size >= 0);
    atomic_fetch_add_explicit(&budget->used, size, memory_order_relaxed);
}

bool budget_is_used_up(const struct budget *budget)
{
    return budget_used(budget) >= budget->limit;
}

void budget_release(struct budget *budget, int64_t size)
{
    int64_t before = atomic_fetch_sub_explicit(&budget->used, size, memory_order_relaxed);
    assert(before >= size);
}

int64_t budget_used(const struct budget *budget)
{
    return atomic_load_explicit(&budget->used, memory_order_relaxed);
}
