/* SPDX-License-Identifier: Apache-2.0 */
/* How much of a compacted log a cleaning would have to do, and whether it is time: by the ratio of
 * what is dirty, by the age of the oldest dirty record, or since a tombstone or marker may go. Pure,
 * and Kafka's rules but for the last: there a log with nothing dirty waits for its next record. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct dirty_segment {
    int64_t base_offset, size;
    int64_t max_timestamp;   /* looked at with a min_lag_ms only */
    int64_t first_timestamp; /* of its first batch; looked at with a max_lag_ms only */
};
struct dirty_log {
    const struct dirty_segment *segments; /* the sealed ones, in order */
    int32_t segment_count;
    int64_t active_base;
    int64_t start, end;
    int64_t limit;     /* what stands at or above may not be cleaned */
    int64_t clean_end; /* of the last cleaning; -1: none */
    int64_t wall_ms;
    int64_t min_lag_ms; /* 0: none */
    int64_t max_lag_ms; /* INT64_MAX: none */
    int64_t horizon_ms; /* when something may go that only waits for a time; INT64_MAX: not known */
    double min_ratio;
};
struct dirty_range {
    int64_t first_dirty; /* at most dirty_end */
    int64_t dirty_end; /* base of the first segment that may not be cleaned */
    int64_t clean_bytes, dirty_bytes;
    bool was_reset; /* the last cleaning's end lies outside of the log, so all is dirty */
    bool is_due;
};
void dirty_measure(const struct dirty_log *log, struct dirty_range *out_range);
double dirty_ratio(const struct dirty_range *range); /* 0 to 1; the dirtiest is cleaned first */
