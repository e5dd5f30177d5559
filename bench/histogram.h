/* SPDX-License-Identifier: Apache-2.0 */
/* Counts of times in nanoseconds, each within 1.6 % of its true value, from 1 ns to centuries, in
 * fixed memory. */
#pragma once
#include <stdint.h>

enum { HISTOGRAM_SUB_BITS = 6, HISTOGRAM_SLOTS = 59 << HISTOGRAM_SUB_BITS };

struct histogram {
    uint64_t counts[HISTOGRAM_SLOTS];
    uint64_t total;
    uint64_t largest;
};

void histogram_add(struct histogram *histogram, uint64_t value);
uint64_t histogram_at(const struct histogram *histogram, double quantile); /* 0 when empty */
