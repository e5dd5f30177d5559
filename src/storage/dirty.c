/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/dirty.h"

/* Where a segment begins that holds the offset: of the sealed ones, else the active one. */
static int64_t base_of(const struct dirty_log *log, int64_t offset)
{
    if (offset >= log->active_base)
        return log->active_base;
    int32_t low = 0, high = log->segment_count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (log->segments[middle].base_offset <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? log->segments[low - 1].base_offset : offset;
}

static int64_t find_first_dirty(const struct dirty_log *log, bool *out_was_reset)
{
    *out_was_reset = log->clean_end >= 0 && (log->clean_end < log->start || log->clean_end > log->end);
    return log->clean_end < 0 || *out_was_reset ? log->start : log->clean_end;
}

/* What is too young ends the range, and with it the whole segment. */
static int64_t find_dirty_end(const struct dirty_log *log, int64_t first_dirty)
{
    int64_t end = log->limit < log->active_base ? log->limit : log->active_base;
    int64_t from = base_of(log, first_dirty);
    for (int32_t i = 0; log->min_lag_ms > 0 && i < log->segment_count; i++) {
        const struct dirty_segment *segment = &log->segments[i];
        if (segment->base_offset < from || segment->max_timestamp <= log->wall_ms - log->min_lag_ms)
            continue;
        end = segment->base_offset < end ? segment->base_offset : end;
        break;
    }
    return base_of(log, end > first_dirty ? end : first_dirty);
}

static bool is_overdue(const struct dirty_log *log, const struct dirty_range *range)
{
    int64_t from = base_of(log, range->first_dirty), oldest = INT64_MAX;
    if (log->max_lag_ms == INT64_MAX || range->dirty_bytes == 0)
        return false;
    for (int32_t i = 0; i < log->segment_count; i++)
        if (log->segments[i].base_offset >= from && log->segments[i].first_timestamp > 0 &&
            log->segments[i].first_timestamp < oldest)
            oldest = log->segments[i].first_timestamp;
    return oldest < log->wall_ms - log->max_lag_ms;
}

void dirty_measure(const struct dirty_log *log, struct dirty_range *out_range)
{
    struct dirty_range *range = out_range;
    *range = (struct dirty_range){ 0 };
    range->first_dirty = find_first_dirty(log, &range->was_reset);
    range->dirty_end = find_dirty_end(log, range->first_dirty);
    if (range->first_dirty > range->dirty_end) /* the last cleaning ended inside of a segment that has to stay now */
        range->first_dirty = range->dirty_end;
    int64_t from = base_of(log, range->first_dirty);
    for (int32_t i = 0; i < log->segment_count; i++) {
        const struct dirty_segment *segment = &log->segments[i];
        if (segment->base_offset >= range->dirty_end)
            break;
        if (segment->base_offset < from)
            range->clean_bytes += segment->size;
        else
            range->dirty_bytes += segment->size;
    }
    bool has_horizon = log->horizon_ms <= log->wall_ms && range->clean_bytes > 0;
    range->is_due = is_overdue(log, range) || has_horizon || dirty_ratio(range) > log->min_ratio;
}

double dirty_ratio(const struct dirty_range *range)
{
    int64_t all = range->clean_bytes + range->dirty_bytes;
    return all == 0 ? 0 : (double)range->dirty_bytes / (double)all;
}
