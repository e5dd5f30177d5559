/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pace.h"

static int64_t cost_us(int64_t bytes, int64_t bytes_per_second)
{
    int64_t rate = bytes_per_second < 1 ? 1 : bytes_per_second;
    if (bytes / rate >= PACE_MOST_US / 1000000)
        return PACE_MOST_US;
    return bytes / rate * 1000000 + bytes % rate * 1000000 / rate;
}

void pace_forget(struct pace *pace)
{
    atomic_store_explicit(&pace->free_at_us, 0, memory_order_relaxed);
}

int64_t pace_pay(struct pace *pace, int64_t now_us, int64_t bytes, int64_t bytes_per_second)
{
    int64_t cost = cost_us(bytes, bytes_per_second);
    int64_t before = atomic_load_explicit(&pace->free_at_us, memory_order_relaxed), after;
    do
        after = (before > now_us ? before : now_us) + cost;
    while (!atomic_compare_exchange_weak_explicit(
        &pace->free_at_us, &before, after, memory_order_relaxed, memory_order_relaxed));
    return after;
}
