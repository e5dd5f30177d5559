/* SPDX-License-Identifier: Apache-2.0 */
/* A pace: so many bytes a second for several threads together. Who has moved bytes pays for them
 * and goes on when he is told. No piece costs more than ten seconds, so that a rate that is raised
 * is felt soon. Safe from any thread. */
#pragma once
#include <stdatomic.h>
#include <stdint.h>

enum { PACE_MOST_US = 10 * 1000 * 1000 };

struct pace {
    _Atomic int64_t free_at_us; /* monotonic; zero at first */
};

/* When the caller may go on, at or after now_us. A rate below one byte counts as one. */
int64_t pace_pay(struct pace *pace, int64_t now_us, int64_t bytes, int64_t bytes_per_second);
void pace_forget(struct pace *pace); /* what is owed: the rate has changed */
