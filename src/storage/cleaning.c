/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/cleaning.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "base/broken.h"
#include "base/budget.h"
#include "base/container.h"
#include "base/memory.h"
#include "base/report.h"
#include "base/status.h"
#include "io/file.h"
#include "storage/clean.h"
#include "storage/cleaner.h"
#include "storage/deletion.h"
#include "storage/dirty.h"
#include "storage/flush.h"
#include "storage/log_dir.h"
#include "storage/log_state.h"
#include "storage/swap.h"

enum { RETRY_MS = 1000, LEAST_BATCH_BYTES = 64 << 20, PATIENCE = 8 };

_Static_assert(RUN_COUNT == sizeof(((struct cleaning *)0)->waits_for_run) / sizeof(bool), "");

/* ---- The end. ---- */

static void end(struct cleaning *cleaning)
{
    struct flusher *flusher = cleaning->flusher;
    assert(!cleaning->working);
    if (cleaning->log != NULL) {
        cleaning->log->cleaning = NULL;
        cleaning->log->is_swapping = false;
    }
    timer_cancel(flusher->loop, &cleaning->retry);
    clean_destroy(cleaning->clean);
    work_deinit(&cleaning->work);
    budget_release(flusher->cleaner.memory, cleaning->memory);
    DL_DELETE(flusher->cleaner.cleanings, cleaning);
    if (cleaning->log == NULL)
        flush_publish_soon(flusher); /* a new log may have the name of the deleted one, now */
    memory_give(cleaning->bases);
    memory_give(cleaning->path);
    memory_give(cleaning);
    flush_look_stopped(flusher);
}

/* It comes back to clean_has_stopped(), where it ends. */
static void stop_clean(struct cleaning *cleaning)
{
    enum clean_state state = clean_state(cleaning->clean);
    cleaning->stage = CLEANING_WRITES;
    if (!cleaning->stopping && (state == CLEAN_RUNNING || state == CLEAN_GROUP))
        clean_stop(cleaning->clean);
    cleaning->stopping = true;
}

/* Nothing works for it: it ends; else what works is told, and ends it. */
void cleaning_stop(struct cleaning *cleaning)
{
    switch (cleaning->stage) {
    case CLEANING_WRITES:
        stop_clean(cleaning);
        return;
    case CLEANING_WAITS:
        if (!cleaning->working)
            end(cleaning);
        return;
    default: /* a swap that counts goes on; at a stop, what cannot now is done by the next start,
              * and what does not count yet is removed there: some of its files have other names */
        if (cleaning->working || (cleaning->log != NULL && !cleaning->flusher->cleaner.stopping &&
                                     cleaning->flusher->failure == 0))
            return;
        end(cleaning);
        return;
    }
}

void cleaning_forget(struct log *log)
{
    struct cleaning *cleaning = log->cleaning;
    if (cleaning == NULL)
        return;
    log->cleaning = NULL;
    cleaning->log = NULL;
    cleaning_stop(cleaning);
}

static bool is_wanted(const struct cleaning *cleaning)
{
    return cleaning->log != NULL && cleaning->log->generation == cleaning->generation &&
           cleaning->log->settings.compacts && !cleaning->log->is_held &&
           !cleaning->flusher->cleaner.stopping && cleaning->flusher->failure == 0;
}

/* Told once until the log is cleaned. It comes behind the others from here on. */
static void note_trouble(struct log *log, const char *reason, int status)
{
    if (log->cleaning_failed_ms == 0)
        report_warn("cleaning_failed", "log=%s reason=\"%s\" cause=\"%s\": it is tried again later",
            log->path, reason, status_text(status));
    log->cleaning_failed_ms = loop_now_ms(log->flusher->loop);
}

/* ---- Its beginning. ---- */

/* The producers whose newest batch stays, empty when its records go. */
static struct clean_producer *list_producers(const struct producers *producers)
{
    struct clean_producer *list = memory_take((size_t)(producers->count + 1) * sizeof(*list));
    for (int32_t i = 0; i < producers->count; i++) {
        const struct producer *producer = producers->entries[i];
        list[i] = (struct clean_producer){ .id = producer->id,
            .last_offset = producer->batch_count > 0
                               ? producer->batches[producer->batch_count - 1].last_offset
                               : -1,
            .epoch = producer->epoch };
    }
    return list;
}

/* What was aborted by markers behind the segments that are cleaned. */
static int list_aborted(struct log *log, int32_t first, struct clean_plan *plan)
{
    struct aborted_entry *list = NULL;
    int32_t count = 0;
    for (int32_t i = first; i < log->segment_count; i++) {
        struct segment *segment = &log->segments[i];
        int status = segment->is_new ? 0 : segment_load_aborted(segment, log->io, log->path);
        if (status < 0) {
            memory_give(list);
            return status;
        }
        const struct index *aborted = &segment->indexes[INDEX_ABORTED];
        if (aborted->count > 0)
            list = memory_resize(list, (size_t)(count + aborted->count) * sizeof(*list));
        for (int32_t k = 0; k < aborted->count; k++)
            list[count++] = index_aborted_at(aborted, k);
    }
    flush_note_awake(log);
    plan->aborted = list;
    plan->aborted_count = count;
    return 0;
}

static int list_segments(struct cleaning *cleaning, struct clean_plan *plan)
{
    struct log *log = cleaning->log;
    struct clean_segment *list = memory_take((size_t)log->segment_count * sizeof(*list));
    cleaning->bases = memory_take((size_t)log->segment_count * sizeof(*cleaning->bases));
    int32_t count = 0;
    int status = 0;
    for (; status == 0 && log->segments[count].base_offset < cleaning->dirty_end;
         count++) {
        int64_t size = segment_size(&log->segments[count], log->io, log->path);
        list[count] = (struct clean_segment){ log->segments[count].base_offset, size };
        cleaning->bases[count] = list[count].base_offset;
        status = size < 0 ? (int)size : 0;
    }
    plan->segments = list;
    plan->segment_count = count;
    return status;
}

/* Of one cleaning. No threads: what runs still ends. */
static int32_t threads_of(const struct cleaner_settings *settings)
{
    return settings->threads > 0 ? settings->threads : 1;
}

static int64_t pace_of(const struct cleaner_settings *settings)
{
    int64_t pace = settings->bytes_per_second;
    return pace == INT64_MAX ? pace : pace / threads_of(settings) + 1;
}

void cleaning_set_pace(struct cleaning *cleaning)
{
    if (cleaning->clean != NULL)
        clean_set_pace(cleaning->clean, pace_of(&cleaning->flusher->cleaner.settings));
}

/* Compacted logs have grown by a good part of what it goes through since it began: with more patience they would become
 * dirty faster than they are cleaned. Or it has had as much time as a record may have before it is due: with more, a log whose
 * max.compaction.lag.ms is over might not be clean for ever. */
static bool is_behind(const struct cleaning *cleaning)
{
    int64_t written = cleaning->flusher->cleaner.written - cleaning->written_before;
    int64_t took_ms = loop_wall_ms(cleaning->flusher->loop) - cleaning->began_ms;
    return written > cleaning->bytes / PATIENCE || took_ms > cleaning->max_lag_ms;
}

static bool is_in_the_way(const void *context)
{
    const struct cleaning *cleaning = context;
    const struct flusher *flusher = cleaning->flusher;
    bool somebody_waits = flusher->waiting != NULL || flusher->runs[RUN_FLUSH].running;
    return somebody_waits && !is_behind(cleaning);
}

static struct clean_plan make_plan(struct cleaning *cleaning)
{
    const struct log_settings *settings = &cleaning->log->settings;
    const struct cleaner_settings *all = &cleaning->flusher->cleaner.settings;
    return (struct clean_plan){ .io = cleaning->flusher->io,
        .loop = cleaning->flusher->loop,
        .resume = &cleaning->resume,
        .path = cleaning->path,
        .first_dirty = cleaning->first_dirty,
        .dirty_end = cleaning->dirty_end,
        .high_watermark = cleaning->log->high_watermark,
        .wall_ms = cleaning->began_ms,
        .delete_retention_ms = settings->delete_retention_ms,
        .max_segment_bytes = settings->segment_bytes,
        .max_index_bytes = settings->index_bytes,
        .index_interval_bytes = settings->index_interval_bytes,
        .max_batch_bytes = settings->max_message_bytes > LEAST_BATCH_BYTES
                               ? settings->max_message_bytes
                               : LEAST_BATCH_BYTES,
        .map_bytes = cleaning->memory,
        .map_load_factor = all->load_factor,
        .io_buffer_bytes = all->io_buffer_bytes / threads_of(all),
        .bytes_per_second = pace_of(all),
        .is_in_the_way = is_in_the_way,
        .context = cleaning };
}

static void begin(struct cleaning *cleaning)
{
    struct log *log = cleaning->log;
    struct clean_plan plan = make_plan(cleaning);
    int status = list_segments(cleaning, &plan);
    if (status == 0)
        status = list_aborted(log, plan.segment_count, &plan);
    struct clean_producer *producers = list_producers(&log->producers);
    plan.producers = producers;
    plan.producer_count = log->producers.count;
    if (status == 0) {
        cleaning->stage = CLEANING_WRITES;
        cleaning->clean = clean_start(&plan);
    }
    memory_give(producers);
    memory_give((void *)(uintptr_t)plan.segments);
    memory_give((void *)(uintptr_t)plan.aborted);
    if (status == -EIO)
        flush_note_failure(cleaning->flusher, status);
    else if (status < 0) {
        note_trouble(log, "what has to be known before cannot be read", status);
        end(cleaning);
    }
}

void cleaning_go_on(struct cleaning *cleaning)
{
    if (cleaning->stage != CLEANING_WAITS || cleaning->working)
        return;
    if (!is_wanted(cleaning)) {
        end(cleaning);
        return;
    }
    for (int run = 0; run < RUN_COUNT; run++)
        if (cleaning->waits_for_run[run])
            return;
    if (cleaning->log->segments[0].base_offset >= cleaning->dirty_end) /* all of it was deleted */
        end(cleaning);
    else if (cleaning->point_kept)
        begin(cleaning);
}

static void submit(struct cleaning *cleaning)
{
    cleaning->working = true;
    work_submit(&cleaning->work);
}

/* ---- The swap. ---- */

static void retry_due(struct timer *timer);

/* A swap that began has to end, and nobody else may change the log's files before: it is tried until it can, unless the
 * directory is offline. */
static void meet_obstacle(struct cleaning *cleaning, int status)
{
    if (log_dir_is_offline(status)) {
        flush_note_failure(cleaning->flusher, status); /* ends this one, too */
        return;
    }
    if (!cleaning->is_stuck)
        report_warn("cleaning_stuck",
            "log=%s reason=\"%s\" consequence=\"a compacted segment cannot take the place of the old ones, and until it "
            "does the log deletes none; tried again every second\"",
            cleaning->path, status_text(status));
    cleaning->is_stuck = true;
    timer_set_in(cleaning->flusher->loop, &cleaning->retry, RETRY_MS);
}

/* The bases of the segments that become one. */
static const int64_t *group_bases(const struct cleaning *cleaning, int32_t *out_count)
{
    const struct clean_group *group = clean_group(cleaning->clean);
    *out_count = group->segment_count;
    return cleaning->bases + group->first_segment;
}

/* The place of the group's first segment; -1: what it was made of is not there any more. */
static int32_t find_group(const struct cleaning *cleaning)
{
    const struct log *log = cleaning->log;
    int32_t count;
    const int64_t *bases = group_bases(cleaning, &count);
    int32_t first = log_segment_at(log, bases[0]);
    if (first < 0 || first + count >= log->segment_count)
        return -1;
    for (int32_t i = 0; i < count; i++)
        if (log->segments[first + i].base_offset != bases[i])
            return -1;
    return first;
}

static void claim(struct cleaning *cleaning)
{
    if (!is_wanted(cleaning) || find_group(cleaning) < 0) {
        stop_clean(cleaning);
        return;
    }
    cleaning->stage = CLEANING_CLAIMS;
    cleaning->log->is_swapping = true;
    work_reset(&cleaning->work);
    swap_add_claim(&cleaning->work, cleaning->path, clean_group(cleaning->clean)->base_offset);
    submit(cleaning);
}

/* The new segment, its files open under the names that they have now: it keeps them open until they
 * have their last ones. */
static int open_claimed(const struct cleaning *cleaning, struct segment *out_segment)
{
    static const char *const suffixes[INDEX_KIND_COUNT] = { ".index.swap", ".timeindex.swap",
        ".txnindex.swap" };
    const struct clean_group *group = clean_group(cleaning->clean);
    char name[SEGMENT_PATH_SIZE];
    struct io *io = cleaning->flusher->io;
    struct segment *segment = out_segment;
    *segment = (struct segment){ .base_offset = group->base_offset,
        .size = group->size,
        .max_timestamp = group->max_timestamp,
        .max_timestamp_offset = group->max_timestamp_offset,
        .first_timestamp = SEGMENT_TIME_UNKNOWN,
        .is_taken = true,
        .is_kept = true };
    segment_path(name, cleaning->path, group->base_offset, ".log.swap");
    int status = file_open(io, name, FILE_WRITE, &segment->file);
    segment->indexes = memory_take(INDEX_KIND_COUNT * sizeof(*segment->indexes));
    for (int kind = 0; kind < INDEX_KIND_COUNT && status == 0; kind++) {
        segment->indexes[kind].kind = (uint8_t)kind;
        segment_path(name, cleaning->path, group->base_offset, suffixes[kind]);
        status = index_load(&segment->indexes[kind], io, name);
    }
    if (status < 0)
        segment_deinit(segment);
    return status;
}

static void replace_segments(struct log *log, int32_t first, int32_t count, struct segment *segment)
{
    int64_t behind = log->segments[first + count].base_offset;
    for (int32_t i = first; i < first + count; i++)
        segment_deinit(&log->segments[i]);
    log->segments[first] = *segment;
    memmove(log->segments + first + 1, log->segments + first + count,
        (size_t)(log->segment_count - first - count) * sizeof(*log->segments));
    log->segment_count -= count - 1;
    log->sealed_size = -1;
    if (!broken(boundaries_kept))
        log_forget_boundaries_in(log, segment->base_offset, behind);
    flush_note_awake(log);
}

/* Readers find the new segment from here on. */
static void swap(struct cleaning *cleaning)
{
    struct segment segment;
    int32_t count;
    const int64_t *bases = group_bases(cleaning, &count);
    int status = open_claimed(cleaning, &segment);
    if (status < 0) {
        cleaning->stage = CLEANING_OPENS;
        meet_obstacle(cleaning, status);
        return;
    }
    int32_t first = find_group(cleaning);
    assert(first >= 0); /* the log was busy */
    replace_segments(cleaning->log, first, count, &segment);
    cleaning->stage = CLEANING_SWAPS;
    work_reset(&cleaning->work);
    swap_add_finish(&cleaning->work, cleaning->path, bases, count);
    submit(cleaning);
}

/* The old segments' files, under the names that they were given. The newest producer snapshot stays. */
static void remove_later(struct cleaning *cleaning)
{
    static const char *const suffixes[] = { ".log.deleted", ".index.deleted", ".timeindex.deleted",
        ".txnindex.deleted", ".snapshot" };
    enum { SUFFIXES = sizeof(suffixes) / sizeof(suffixes[0]) };
    char name[SEGMENT_PATH_SIZE];
    int32_t count;
    const int64_t *bases = group_bases(cleaning, &count);
    const struct log *log = cleaning->log;
    struct deletion *deletion =
        deletion_create(cleaning->flusher, log->settings.file_delete_delay_ms);
    for (int32_t i = 0; i < count; i++)
        for (int s = i == 0 ? 3 : 0; s < SUFFIXES - (i == 0 || bases[i] == log->snapshot_offset); s++) {
            segment_path(name, cleaning->path, bases[i], suffixes[s]);
            work_add_path(&deletion->work, WORK_UNLINK, name);
        }
    deletion_start(deletion);
}

static void swap_is_done(struct cleaning *cleaning)
{
    struct log *log = cleaning->log;
    log->is_swapping = false;
    remove_later(cleaning);
    cleaning->stage = CLEANING_WRITES;
    if (!is_wanted(cleaning)) {
        stop_clean(cleaning);
        return;
    }
    clean_next(cleaning->clean);
    log_retain_if_missed(log);
}

static void work_is_done(struct work *work)
{
    struct cleaning *cleaning = container_of(work, struct cleaning, work);
    struct flusher *flusher = cleaning->flusher;
    cleaning->working = false;
    if (work->status == -EIO && flusher->failure == 0) {
        flush_note_failure(flusher, work->status); /* stops this one, too */
        return;
    }
    bool is_stopping = flusher->failure != 0 || (work->status < 0 && flusher->cleaner.stopping);
    if (cleaning->log == NULL || is_stopping)
        cleaning_stop(cleaning);
    else if (work->status < 0 && cleaning->stage == CLEANING_WAITS) {
        note_trouble(cleaning->log, "what an older cleaning left cannot be removed", work->status);
        end(cleaning); /* not to begin without: another time */
    } else if (work->status < 0)
        meet_obstacle(cleaning, work->status);
    else if (cleaning->stage == CLEANING_WAITS)
        cleaning_go_on(cleaning);
    else if (cleaning->stage == CLEANING_CLAIMS)
        swap(cleaning);
    else
        swap_is_done(cleaning);
}

static void retry_due(struct timer *timer)
{
    struct cleaning *cleaning = container_of(timer, struct cleaning, retry);
    if (cleaning->stage == CLEANING_OPENS) {
        swap(cleaning);
        return;
    }
    cleaning->working = true;
    work_retry(&cleaning->work);
}

/* ---- What clean says. ---- */

static void note_over(struct cleaning *cleaning)
{
    const struct clean_statistics *statistics = clean_statistics(cleaning->clean);
    struct log *log = cleaning->log;
    if (log == NULL || log->generation != cleaning->generation)
        return;
    log->cleaning_failed_ms = 0;
    if (log->clean_end < clean_end(cleaning->clean)) /* the range may have ended before */
        log->clean_end = clean_end(cleaning->clean);
    log->horizon_ms = statistics->next_horizon_ms > cleaning->began_ms
                          ? statistics->next_horizon_ms
                          : INT64_MAX;
    report_info("log_cleaned",
        "log=%s from=%lld to=%lld bytes_read=%lld bytes_written=%lld records_read=%lld "
        "records_kept=%lld",
        log->path, (long long)cleaning->first_dirty, (long long)log->clean_end,
        (long long)statistics->bytes_read, (long long)statistics->bytes_written,
        (long long)statistics->records_read, (long long)statistics->records_kept);
    flush_publish_soon(cleaning->flusher);
}

static void note_failed(struct cleaning *cleaning)
{
    int status = clean_status(cleaning->clean);
    struct log *log = cleaning->log;
    if (log == NULL || log->generation != cleaning->generation)
        return;
    if (status == -EUCLEAN || status == -EFBIG) { /* it would end the same way each time */
        log->is_uncleanable = true;
        report_error("log_uncleanable",
            "log=%s reason=\"%s\": it is served as before, and not compacted any more%s", log->path,
            clean_reason(cleaning->clean),
            status == -EUCLEAN ? ". Restore the file, and start the node again" : "");
    } else if (status != -EIO && status != -ENOENT)
        note_trouble(log, clean_reason(cleaning->clean), status);
}

static void clean_has_stopped(struct task *task)
{
    struct cleaning *cleaning = container_of(task, struct cleaning, resume);
    struct flusher *flusher = cleaning->flusher;
    int status = 0;
    switch (clean_state(cleaning->clean)) {
    case CLEAN_RUNNING: /* it was told to stop before this was called */
        return;
    case CLEAN_GROUP:
        claim(cleaning);
        return;
    case CLEAN_OVER:
        note_over(cleaning);
        end(cleaning);
        cleaner_look_soon(flusher);
        return;
    case CLEAN_FAILED:
        status = clean_status(cleaning->clean);
        note_failed(cleaning);
        break;
    default:
        break;
    }
    end(cleaning);
    if (status == -EIO)
        flush_note_failure(flusher, status);
}

void cleaning_start(struct log *log, const struct dirty_range *range, int64_t memory)
{
    struct flusher *flusher = log->flusher;
    struct cleaning *cleaning = memory_take(sizeof(*cleaning));
    *cleaning = (struct cleaning){ .flusher = flusher,
        .log = log,
        .path = memory_copy_text(log->path),
        .generation = log->generation,
        .resume.run = clean_has_stopped,
        .retry.run = retry_due,
        .memory = memory,
        .first_dirty = range->first_dirty,
        .dirty_end = range->dirty_end,
        .began_ms = loop_wall_ms(flusher->loop),
        .max_lag_ms = log->settings.max_compaction_lag_ms,
        .bytes = range->clean_bytes + range->dirty_bytes,
        .written_before = flusher->cleaner.written };
    if (range->was_reset) {
        if (!log->settings.deletes)
            report_warn("cleaner_checkpoint_reset",
                "log=%s clean_end=%lld log_start=%lld log_end=%lld: it lies outside of the log, which "
                "is cleaned from its start",
                log->path, (long long)log->clean_end, (long long)log->start,
                (long long)log->tail.end_offset);
        log->clean_end = log->start;
    }
    log->cleaning = cleaning;
    DL_APPEND(flusher->cleaner.cleanings, cleaning);
    for (int run = 0; run < RUN_COUNT; run++)
        cleaning->waits_for_run[run] = log->mark_index[run] >= 0;
    cleaning->point_kept = broken(cleaned_unchecked);
    if (!cleaning->point_kept)
        flush_publish_soon(flusher);
    work_init(&cleaning->work, flusher->io, flusher->loop, work_is_done);
    work_add_path(&cleaning->work, WORK_REMOVE_CLEANED, cleaning->path);
    work_add_path(&cleaning->work, WORK_SYNC_DIRECTORY, cleaning->path);
    submit(cleaning);
}
