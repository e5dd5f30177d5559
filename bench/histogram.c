/* SPDX-License-Identifier: Apache-2.0 */
#include "histogram.h"

enum { SUB_COUNT = 1 << HISTOGRAM_SUB_BITS };

/* Values below SUB_COUNT have a slot each; above, every power of two is cut into SUB_COUNT slots.
 */
static uint32_t slot_of(uint64_t value)
{
    if (value < SUB_COUNT)
        return (uint32_t)value;
    uint32_t shift = 63 - (uint32_t)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    return (shift << HISTOGRAM_SUB_BITS) + (uint32_t)(value >> shift);
}

static uint64_t top_of(uint32_t slot)
{
    if (slot < 2 * SUB_COUNT)
        return slot;
    uint32_t shift = (slot >> HISTOGRAM_SUB_BITS) - 1;
    uint64_t first = (uint64_t)(slot - (shift << HISTOGRAM_SUB_BITS)) << shift;
    return first + (1ull << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
    uint32_t slot = slot_of(value);
    histogram->counts[slot < HISTOGRAM_SLOTS ? slot : HISTOGRAM_SLOTS - 1]++;
    histogram->total++;
    if (value > histogram->largest)
        histogram->largest = value;
}

uint64_t histogram_at(const struct histogram *histogram, double quantile)
{
    uint64_t wanted = (uint64_t)(quantile * (double)histogram->total);
    uint64_t seen = 0;
    for (uint32_t i = 0; i < HISTOGRAM_SLOTS; i++) {
        seen += histogram->counts[i];
        if (seen > wanted || (seen == histogram->total && seen > 0))
            return top_of(i) < histogram->largest ? top_of(i) : histogram->largest;
    }
    return 0;
}
