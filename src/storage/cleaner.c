/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/cleaner.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "base/budget.h"
#include "base/container.h"
#include "base/memory.h"
#include "storage/cleaning.h"
#include "storage/dirty.h"
#include "storage/flush.h"
#include "storage/log_dir.h"
#include "storage/log_state.h"

/* ---- How dirty a log is. ---- */

/* Asks the disk for what is not known yet, of *left segments at most; then -EAGAIN. */
static int describe_segment(
    struct log *log, int32_t place, struct dirty_segment *out, int32_t *left)
{
    struct segment *segment = &log->segments[place];
    bool is_clean = log->segments[place + 1].base_offset <= log->clean_end;
    bool wants_last = log->settings.min_compaction_lag_ms > 0;
    bool wants_first = log->settings.max_compaction_lag_ms < INT64_MAX && !is_clean;
    bool is_known = segment->size >= 0 &&
                    (!wants_last || segment->max_timestamp != SEGMENT_TIME_UNKNOWN) &&
                    (!wants_first || segment->first_timestamp != SEGMENT_TIME_UNKNOWN);
    if (!is_known && *left == 0)
        return -EAGAIN;
    int64_t size = segment_size(segment, log->io, log->path);
    int status = size < 0 ? (int)size : 0;
    if (status == 0 && wants_last)
        status = segment_find_times(segment, log->io, log->path);
    if (status == 0 && wants_first)
        status = segment_find_first_time(segment, log->io, log->path);
    if (status == 0)
        *left -= !is_known;
    *out = (struct dirty_segment){ .base_offset = segment->base_offset,
        .size = size,
        .max_timestamp = segment->max_timestamp,
        .first_timestamp = segment->first_timestamp };
    return status;
}

static int64_t limit_of(const struct log *log)
{
    int64_t limit = log_last_stable_offset(log);
    if (limit > log->durable_end)
        limit = log->durable_end;
    if (limit > log->recovery_point)
        limit = log->recovery_point;
    for (int32_t i = log->segment_count - 2; i >= 0 && !log_keeps_segment(log, i); i--)
        if (log->segments[i].base_offset < limit)
            limit = log->segments[i].base_offset; /* a checkpoint works with its files */
    return limit;
}

static int measure(
    struct log *log, int64_t wall_ms, int32_t *left, struct dirty_range *out_range)
{
    struct cleaner *cleaner = &log->flusher->cleaner;
    int32_t count = log->segment_count - 1;
    if (cleaner->segment_capacity < count) {
        cleaner->segment_capacity = count * 2;
        cleaner->segments = memory_resize(
            cleaner->segments, (size_t)cleaner->segment_capacity * sizeof(*cleaner->segments));
    }
    for (int32_t i = 0; i < count; i++) {
        int status = describe_segment(log, i, &cleaner->segments[i], left);
        if (status < 0)
            return status;
    }
    const struct log_settings *settings = &log->settings;
    struct dirty_log dirty = { .segments = cleaner->segments,
        .segment_count = count,
        .active_base = log_active(log)->base_offset,
        .start = log->start,
        .end = log->tail.end_offset,
        .limit = limit_of(log),
        .clean_end = log->clean_end,
        .wall_ms = wall_ms,
        .min_lag_ms = settings->min_compaction_lag_ms,
        .max_lag_ms = settings->max_compaction_lag_ms,
        .horizon_ms = log->horizon_ms,
        .min_ratio = settings->min_cleanable_ratio };
    dirty_measure(&dirty, out_range);
    return 0;
}

/* ---- Choosing. ---- */

/* One cleaning at a time works below a path: a log's that was deleted may not be over yet. */
static bool is_taken(const struct log *log)
{
    const struct cleaning *cleaning;
    DL_FOREACH(log->flusher->cleaner.cleanings, cleaning)
    if (strcmp(cleaning->path, log->path) == 0)
        return true;
    return false;
}

/* The dirtiest, but those whose cleaning failed come behind all others, one after the other: the first
 * may fail for ever. */
static bool comes_first(const struct log *log, const struct dirty_range *range,
    const struct log *other, const struct dirty_range *other_range)
{
    if (log->cleaning_failed_ms != other->cleaning_failed_ms)
        return log->cleaning_failed_ms < other->cleaning_failed_ms;
    return dirty_ratio(range) > dirty_ratio(other_range);
}

/* NULL also when there is no telling yet: then nothing is left. */
static struct log *find_next(
    struct flusher *flusher, int32_t *left, struct dirty_range *out_range)
{
    struct log *log, *next = NULL;
    int64_t wall_ms = loop_wall_ms(flusher->loop);
    DL_FOREACH(flusher->logs, log)
    {
        struct dirty_range range;
        if (!log->settings.compacts || !log->is_listed || log->segment_count < 2 ||
            log->is_uncleanable || log->is_held || log->replacement != NULL || is_taken(log))
            continue;
        int status = measure(log, wall_ms, left, &range);
        if (status == -EIO) {
            flush_note_failure(flusher, status);
            return NULL;
        }
        if (status == -EAGAIN)
            return NULL;
        if (status < 0 || !range.is_due)
            continue;
        if (next == NULL || comes_first(log, &range, next, out_range)) {
            next = log;
            *out_range = range;
        }
    }
    return next;
}

static int64_t take_memory(struct cleaner *cleaner)
{
    int64_t share = cleaner->settings.dedupe_bytes / cleaner->settings.threads;
    budget_charge(cleaner->memory, share);
    if (budget_used(cleaner->memory) <= cleaner->settings.dedupe_bytes)
        return share;
    budget_release(cleaner->memory, share);
    return 0;
}

static bool may_clean(const struct flusher *flusher)
{
    const struct cleaner *cleaner = &flusher->cleaner;
    return cleaner->settings.enabled && cleaner->settings.threads > 0 && cleaner->memory != NULL &&
           !cleaner->stopping && flusher->failure == 0;
}

static void look(struct timer *timer)
{
    struct flusher *flusher = container_of(timer, struct flusher, cleaner.timer);
    struct dirty_range range;
    struct log *log;
    int32_t left = SWEEP_PIECE;
    while (may_clean(flusher) && (log = find_next(flusher, &left, &range)) != NULL) {
        int64_t memory = take_memory(&flusher->cleaner);
        if (memory == 0)
            break;
        cleaning_start(log, &range, memory);
    }
    if (may_clean(flusher))
        timer_set_in(flusher->loop, timer, left == 0 ? 0 : flusher->cleaner.settings.backoff_ms);
}

void cleaner_look_soon(struct flusher *flusher)
{
    if (may_clean(flusher))
        timer_set(flusher->loop, &flusher->cleaner.timer, loop_now_us(flusher->loop));
}

/* ---- What cleanings wait for. ---- */

/* One that goes on may find the disk failing, and then all of them end: so each time the list is read from its head. */
void cleaner_note_run(struct flusher *flusher, int run)
{
    struct cleaning *cleaning = flusher->cleaner.cleanings;
    while (cleaning != NULL) {
        if (!cleaning->waits_for_run[run]) {
            cleaning = cleaning->next;
            continue;
        }
        cleaning->waits_for_run[run] = false;
        cleaning_go_on(cleaning);
        cleaning = flusher->cleaner.cleanings;
    }
}

bool cleaner_ask_points(struct flusher *flusher, struct checkpoint_mail *mail, bool another_waits)
{
    struct cleaner *cleaner = &flusher->cleaner;
    struct cleaning *cleaning;
    if (cleaner->points_asked)
        return false;
    cleaner->points_asked = another_waits && !flusher->final;
    DL_FOREACH(cleaner->cleanings, cleaning)
    {
        if (cleaning->point_kept)
            continue;
        cleaning->point_asked = true;
        cleaner->points_asked = true;
    }
    if (cleaner->points_asked)
        mail->kept = &cleaner->points;
    return cleaner->points_asked;
}

static void points_are_kept(struct mail *mail)
{
    struct flusher *flusher = container_of(mail, struct flusher, cleaner.points.mail);
    struct cleaner *cleaner = &flusher->cleaner;
    struct cleaning *cleaning;
    bool more = false;
    cleaner->points_asked = false;
    if (cleaner->points.status == 0)
        checkpoint_note_points(flusher);
    DL_FOREACH(cleaner->cleanings, cleaning)
    more = more || (!cleaning->point_kept && !cleaning->point_asked);
    cleaning = cleaner->cleanings;
    while (cleaning != NULL) { /* from the head each time, as above */
        if (!cleaning->point_asked) {
            cleaning = cleaning->next;
            continue;
        }
        cleaning->point_asked = false;
        cleaning->point_kept = cleaner->points.status == 0;
        if (cleaning->point_kept)
            cleaning_go_on(cleaning);
        else
            cleaning_stop(cleaning); /* the disk is full: another time */
        cleaning = cleaner->cleanings;
    }
    if (more)
        flush_publish_soon(flusher);
    flush_look_stopped(flusher);
}

/* ---- Life. ---- */

void cleaner_init(struct flusher *flusher)
{
    flusher->cleaner.timer.run = look;
    flusher->cleaner.points.mail.deliver = points_are_kept;
}

void cleaner_deinit(struct flusher *flusher)
{
    assert(flusher->cleaner.cleanings == NULL);
    timer_cancel(flusher->loop, &flusher->cleaner.timer);
    memory_give(flusher->cleaner.segments);
}

void flusher_set_cleaner(
    struct flusher *flusher, const struct cleaner_settings *settings, struct budget *memory)
{
    struct cleaner *cleaner = &flusher->cleaner;
    bool is_set = timer_is_set(&cleaner->timer) && cleaner->settings.backoff_ms == settings->backoff_ms;
    cleaner->settings = *settings;
    cleaner->memory = memory;
    struct cleaning *cleaning;
    DL_FOREACH(cleaner->cleanings, cleaning)
    cleaning_set_pace(cleaning);
    if (!is_set && may_clean(flusher))
        timer_set_in(flusher->loop, &cleaner->timer, settings->backoff_ms);
}

void cleaner_stop(struct flusher *flusher)
{
    struct cleaning *cleaning, *next;
    flusher->cleaner.stopping = true;
    timer_cancel(flusher->loop, &flusher->cleaner.timer);
    DL_FOREACH_SAFE(flusher->cleaner.cleanings, cleaning, next)
    cleaning_stop(cleaning);
}

bool cleaner_outlives_a_log(const struct flusher *flusher)
{
    const struct cleaning *cleaning;
    DL_FOREACH(flusher->cleaner.cleanings, cleaning)
    if (cleaning->log == NULL)
        return true;
    return false;
}

bool cleaner_is_running(const struct flusher *flusher)
{
    return flusher->cleaner.cleanings != NULL || flusher->cleaner.points_asked;
}
