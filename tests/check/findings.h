/* SPDX-License-Identifier: Apache-2.0 */
/* What the checker found, counted by kind; the first few of each kind are told with the line that
 * shows them. */
#pragma once
#include <stdint.h>

enum finding {
    FINDING_INCONSISTENT_OFFSET,
    FINDING_DUPLICATE,
    FINDING_LOST_WRITE,
    FINDING_UNSEEN,
    FINDING_ABORTED_READ,
    FINDING_INVENTED_READ,
    FINDING_DELETED_READ,
    FINDING_STALE_OFFSET,
    FINDING_SEND_BACK,
    FINDING_POLL_SKIP,
    FINDING_POLL_BACK,
    FINDING_POLL_SKIP_WITHIN,
    FINDING_POLL_BACK_WITHIN,
    FINDING_WATERMARK_BACK,
    FINDING_NOT_LINEARIZABLE,
    FINDING_COMMIT_BACK,
    FINDING_TWO_OWNERS,
    FINDING_COUNT
};

struct findings {
    int64_t counts[FINDING_COUNT];
    const char *first; /* the kind found first; NULL: none */
};

void finding_add(struct findings *findings, enum finding kind, int64_t line, const char *format,
    ...) __attribute__((format(printf, 4, 5)));
int64_t findings_print(const struct findings *findings); /* the counts; returns their sum */
