/* SPDX-License-Identifier: Apache-2.0 */
/* All that the checker knows, applied to one history: what is found is printed as it is found, then
 * the counts. Owns nothing afterwards; the history is read to its end and stays the caller's to
 * close. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct history;

struct judgement {
    int64_t operation_count, finding_count;
    const char *first; /* the kind of the first finding; NULL: none */
};

/* False: the history is refused, and says why. */
bool judge(struct history *history, struct judgement *out_judgement);
