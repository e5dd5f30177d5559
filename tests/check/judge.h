/* SPDX-License-Identifier: Apache-2.0 */
/* All that the checker knows, applied to one history: what is found is printed as it is found, then
 * the counts. Owns nothing afterwards; the history is read to its end and stays the caller's to
 * close. */
#pragma once
#include <stdint.h>

struct history;

int64_t judge(struct history *history, int64_t *out_operation_count); /* the number of findings */
