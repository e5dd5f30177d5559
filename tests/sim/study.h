/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of a partition that one client alone writes: every record in order, with its time and the epoch of the leader that stored
 * it. What may be asked of a partition follows from that. Only what was read back is here, so nothing takes it away again. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { STUDIED_MOST = 4000 };

/* The offset is its place. */
struct studied {
    int64_t timestamp;
    int32_t epoch;
};

struct study {
    struct studied records[STUDIED_MOST];
    int64_t end;
};

struct studied_end {
    int32_t epoch;
    int64_t offset;
};

int64_t study_first_since(const struct study *study, int64_t timestamp); /* -1: none is so late */
int64_t study_latest(const struct study *study);                         /* the first with the largest time; -1: there is none */
/* The newest epoch up to this one that stored something, and where it ends; of one before all, where the first begins. */
struct studied_end study_end_of(const struct study *study, int32_t epoch);
