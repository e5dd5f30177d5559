/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/dirty.h"

#include "test.h"

/* Five sealed segments of 100 offsets and 1,000 bytes, then the active one, all below the limit. */
static struct dirty_segment segments[5];

static struct dirty_log plain(void)
{
    for (int i = 0; i < 5; i++)
        segments[i] = (struct dirty_segment){
            .base_offset = i * 100, .size = 1000, .first_timestamp = 1000 + i * 100, .max_timestamp = 1099 + i * 100
        };
    return (struct dirty_log){ .segments = segments,
        .segment_count = 5,
        .active_base = 500,
        .end = 600,
        .limit = 600,
        .clean_end = -1,
        .wall_ms = 2000,
        .max_lag_ms = INT64_MAX,
        .horizon_ms = INT64_MAX,
        .min_ratio = 0.5 };
}

static void expect(const struct dirty_log *log, int64_t first_dirty, int64_t dirty_end,
    int64_t clean_bytes, int64_t dirty_bytes, bool is_due)
{
    struct dirty_range range;
    dirty_measure(log, &range);
    assert_int_equal(range.first_dirty, first_dirty);
    assert_int_equal(range.dirty_end, dirty_end);
    assert_int_equal(range.clean_bytes, clean_bytes);
    assert_int_equal(range.dirty_bytes, dirty_bytes);
    assert_int_equal(range.is_due, is_due);
}

/* A log that was never cleaned is dirty up to its active segment, whatever that holds. */
void test_dirty__is_all_but_the_active_segment_at_first(void)
{
    struct dirty_log log = plain();
    expect(&log, 0, 500, 0, 5000, true);
    log.segment_count = 0;
    log.active_base = 0;
    expect(&log, 0, 0, 0, 0, false);
}

/* The ratio must be above the least one, not at it. */
void test_dirty__is_due_above_the_ratio(void)
{
    struct dirty_log log = plain();
    log.clean_end = 300;
    expect(&log, 300, 500, 3000, 2000, false);
    log.min_ratio = 0.4;
    expect(&log, 300, 500, 3000, 2000, false);
    log.min_ratio = 0.39;
    expect(&log, 300, 500, 3000, 2000, true);
    log.clean_end = 500;
    log.min_ratio = 0;
    expect(&log, 500, 500, 5000, 0, false);
}

/* What a cleaning with little memory left: the segment in which it ended is dirty. */
void test_dirty__begins_inside_a_segment(void)
{
    struct dirty_log log = plain();
    log.clean_end = 250;
    expect(&log, 250, 500, 2000, 3000, true);
}

/* An open transaction, or the high watermark, lies in a segment: that one stays as it is. */
void test_dirty__ends_below_the_limit(void)
{
    struct dirty_log log = plain();
    log.limit = 399;
    expect(&log, 0, 300, 0, 3000, true);
    log.limit = 300;
    expect(&log, 0, 300, 0, 3000, true);
    log.limit = 0;
    expect(&log, 0, 0, 0, 0, false);
    log.clean_end = 400; /* the limit fell below: nothing is to be done */
    log.limit = 200;
    expect(&log, 400, 400, 4000, 0, false);
}

/* Young segments are left alone, and all that follows the first of them. */
void test_dirty__leaves_young_segments(void)
{
    struct dirty_log log = plain();
    log.min_lag_ms = 2000 - 1250; /* 1250 is the youngest that may go */
    expect(&log, 0, 200, 0, 2000, true);
    segments[2].max_timestamp = 1250;
    expect(&log, 0, 300, 0, 3000, true);
    log.clean_end = 300;
    segments[0].max_timestamp = 5000; /* what is clean is not asked */
    expect(&log, 300, 300, 3000, 0, false);
}

/* The oldest dirty record has waited for too long. */
void test_dirty__is_due_when_a_record_is_old(void)
{
    struct dirty_log log = plain();
    log.min_ratio = 1;
    log.clean_end = 300;
    log.max_lag_ms = 700;
    expect(&log, 300, 500, 3000, 2000, false);
    log.max_lag_ms = 699;
    expect(&log, 300, 500, 3000, 2000, true);
    segments[3].first_timestamp = -1; /* records without a time are not old */
    expect(&log, 300, 500, 3000, 2000, false);
    segments[3].first_timestamp = 1300;
    log.limit = 300;
    expect(&log, 300, 300, 3000, 0, false);
}

/* The last cleaning ended inside a segment which may not be cleaned any more, since the lag was raised or a checkpoint works
 * with it. What stands before it may have a tombstone that has to go: a range of nothing, that ends where a segment begins. */
void test_dirty__begins_no_later_than_it_ends(void)
{
    struct dirty_log log = plain();
    log.clean_end = 250;
    log.horizon_ms = 2000;
    log.min_lag_ms = 2000 - 1250;
    expect(&log, 200, 200, 2000, 0, true);
    log.min_lag_ms = 0;
    log.limit = 200;
    expect(&log, 200, 200, 2000, 0, true);
    log = plain();
    log.clean_end = 550; /* in the active one: not ours, maybe */
    expect(&log, 500, 500, 5000, 0, false);
}

/* A tombstone that only waits for its time is no dirt, but it has to go. */
void test_dirty__is_due_at_a_horizon(void)
{
    struct dirty_log log = plain();
    log.clean_end = 500;
    log.horizon_ms = 2001;
    expect(&log, 500, 500, 5000, 0, false);
    log.horizon_ms = 2000;
    expect(&log, 500, 500, 5000, 0, true);
}

/* The checkpoint speaks of another log, or of records that were deleted since. */
void test_dirty__begins_anew_when_the_checkpoint_lies_outside(void)
{
    struct dirty_log log = plain();
    struct dirty_range range;
    log.start = 150;
    log.clean_end = 100;
    segments[0] = segments[1];
    for (int i = 0; i < 4; i++)
        segments[i] = segments[i + 1];
    log.segment_count = 4;
    expect(&log, 150, 500, 0, 4000, true);
    log.clean_end = 601;
    expect(&log, 150, 500, 0, 4000, true);
    dirty_measure(&log, &range);
    assert_true(range.was_reset);
    log.clean_end = -1;
    dirty_measure(&log, &range);
    assert_false(range.was_reset);
}
