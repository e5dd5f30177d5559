/* SPDX-License-Identifier: Apache-2.0 */
/* How often the odd branches (base/odd.h) were taken in all runs together, those of other processes too. */
#pragma once
#include <stdbool.h>

void odd_sums_begin(void); /* before any process is forked */
void odd_sums_add(void);   /* what the run took that just ended */
bool odd_sums_tell(void);  /* one line a branch; false: one was never taken */
