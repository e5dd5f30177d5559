/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/flusher.h"

#include <assert.h>
#include <errno.h>
#include <utlist.h>

#include "base/broken.h"
#include "base/container.h"
#include "base/memory.h"
#include "base/odd.h"
#include "io/file.h"
#include "io/io.h"
#include "storage/cache.h"
#include "storage/cleaner.h"
#include "storage/cleaning.h"
#include "storage/deletion.h"
#include "storage/flush.h"
#include "storage/log_dir.h"
#include "storage/log_dir_mail.h"
#include "storage/log_state.h"

enum {
    DELETED_SPACING_US = 20 * 1000,
    STARTS_RETRY_MS = 1000,
    SYNC_ONE_US = 250,
    SYNC_ALL_US = 2000 /* guesses before the first */
};

static bool is_running(const struct flusher *flusher)
{
    return flusher->runs[RUN_FLUSH].running || flusher->runs[RUN_CHECKPOINT].running;
}

static void start_run(struct flush_run *run)
{
    if (!run->running && checkpoint_build(run)) {
        run->running = true;
        work_submit(&run->work);
    }
}

static void start(struct flusher *flusher)
{
    if (flusher->failure != 0 || flusher->is_stopped)
        return;
    if (flusher->waiting != NULL)
        start_run(&flusher->runs[RUN_FLUSH]);
    if (flusher->wants_checkpoint)
        start_run(&flusher->runs[RUN_CHECKPOINT]);
}

static void look_stopped(struct flusher *flusher)
{
    if (is_running(flusher) || deletion_is_running(flusher) || flusher->parting_count > 0 ||
        flusher->starts_asked || flusher->cache_runs || cleaner_is_running(flusher))
        return;
    if (flusher->failure == 0 && (flusher->dirty != NULL || flusher->waiting != NULL) && !broken(last_flush)) {
        flusher->wants_checkpoint = true;
        start(flusher);
        if (is_running(flusher))
            return;
    }
    if (flusher->failure == 0)
        checkpoint_publish(flusher);
    flusher->is_stopped = true;
    struct task *stopped = flusher->stopped;
    flusher->stopped = NULL;
    loop_enqueue(flusher->loop, stopped);
}

/* Behind the tasks that are enqueued by now: a high watermark that they move is told with the rest. */
void flush_look_stopped(struct flusher *flusher)
{
    if (flusher->stopped != NULL)
        loop_enqueue(flusher->loop, &flusher->start_task);
}

static void run_start(struct task *task)
{
    struct flusher *flusher = container_of(task, struct flusher, start_task);
    if (flusher->stopped != NULL)
        look_stopped(flusher);
    else
        start(flusher);
}

/* When all that this pass staged is written: a log with something staged cannot be checkpointed, and
 * under full load every log has at any earlier moment of a pass. */
static void start_soon(struct flusher *flusher)
{
    if (flusher->failure == 0)
        loop_finish(flusher->loop, FINISH_SEND, &flusher->start_task);
}

/* A log under steady load is hardly ever at rest when retention is due, or a new name: it is now,
 * between two flushes. */
static void retain_missed(struct flush_run *run, int32_t mark_count)
{
    for (int32_t i = 0; i < mark_count; i++) {
        struct log *log = run->marks[i].log;
        if (log != NULL) {
            log_take_final_name(log);
            log_retain_if_missed(log);
        }
    }
}

static void work_is_done(struct work *work)
{
    struct flush_run *run = container_of(work, struct flush_run, work);
    struct flusher *flusher = run->flusher;
    int status = work->status;
    bool lost_data = status < 0 && (work->next < run->data_count || work->items[work->next].kind == WORK_SYNC_ALL);
    /* Also when stopping: a stop that is not clean must not look like one. */
    bool is_final = lost_data || status == -EIO || run->is_last;
    bool lost = checkpoint_lost_a_log(run); /* then files are not where it looks, and nothing is wrong with the disk */
    if (status < 0 && is_final && !(lost && status == -ENOENT))
        flush_note_failure(flusher, status);
    int32_t mark_count = run->mark_count;
    if (status == 0)
        checkpoint_note_cost(run);
    checkpoint_apply(run);
    run->running = false;
    work_reset(work);
    if (flusher->failure == 0 && flusher->stopped == NULL)
        retain_missed(run, mark_count);
    cleaner_note_run(flusher, (int)(run - flusher->runs));
    if ((run->is_checkpoint && status == 0) || lost)
        flush_publish_soon(flusher); /* a new log may have the name of one that was lost, now */
    if (flusher->stopped != NULL)
        flush_look_stopped(flusher);
    else if (flusher->waiting != NULL || flusher->wants_checkpoint)
        start_soon(flusher);
}

/* ---- Timers. ---- */

static void checkpoint_due(struct timer *timer)
{
    struct flusher *flusher = container_of(timer, struct flusher, checkpoint_timer);
    flusher->wants_checkpoint = true;
    start_soon(flusher);
}

static void publish_due(struct timer *timer)
{
    struct flusher *flusher = container_of(timer, struct flusher, publish_timer);
    if (flusher->failure == 0)
        checkpoint_publish(flusher);
}

static int64_t rest_ms_of(const struct flusher *flusher)
{
    return odd(early_rest) ? 20 : log_dir_settings(flusher->dir)->rest_ms;
}

/* Lets logs that nobody touched go to rest. The newest time goes into the index first, as Kafka
 * does on closing. A segment that was sealed since its indexes were written is looked at by one more
 * checkpoint, which syncs them: at rest it would be passed over. */
static void rest_due(struct timer *timer)
{
    struct flusher *flusher = container_of(timer, struct flusher, rest_timer);
    int64_t rest_ms = rest_ms_of(flusher);
    int64_t before_ms = loop_now_ms(flusher->loop) - rest_ms;
    bool awake = false;
    struct log *log;
    DL_FOREACH(flusher->logs, log)
    {
        if (!log->is_awake)
            continue;
        if (log->touched_ms > before_ms || log_is_busy(log) || log->staging != NULL) {
            awake = true;
            continue;
        }
        struct segment *active = log_active(log);
        if (active->indexes != NULL && active->max_timestamp >= 0) {
            index_add_time(&active->indexes[INDEX_TIME], active->base_offset, active->max_timestamp,
                active->max_timestamp_offset);
        }
        bool rested = true;
        for (int32_t i = 0; i < log->segment_count; i++) {
            bool may_rest = &log->segments[i] == active || log_keeps_segment(log, i);
            rested = may_rest && segment_rest(&log->segments[i]) && rested;
        }
        if (!rested)
            flush_note_dirty(log);
        log->is_awake = !rested;
        awake = awake || !rested;
    }
    if (awake)
        timer_set_in(flusher->loop, &flusher->rest_timer, rest_ms);
}

/* ---- Log starts that clients wait for. ---- */

static void publish_starts(struct task *task)
{
    struct flusher *flusher = container_of(task, struct flusher, starts_task);
    if (flusher->failure == 0 && !flusher->final && !flusher->starts_asked)
        checkpoint_publish_starts(flusher);
}

void flush_publish_starts(struct flusher *flusher)
{
    if (!flusher->starts_task.queued)
        loop_enqueue(flusher->loop, &flusher->starts_task);
}

static void retry_starts(struct timer *timer)
{
    flush_publish_starts(container_of(timer, struct flusher, starts_timer));
}

void flush_note_start(struct log *log)
{
    if (log->start_listed || !log->is_listed)
        return;
    log->start_listed = true;
    LL_PREPEND2(log->flusher->starts, log, starts_next);
}

/* The checkpoint file holds the starts that clients wanted: from here on they count. */
static void starts_are_kept(struct mail *mail)
{
    struct flusher *flusher = container_of(mail, struct flusher, starts_kept.mail);
    bool kept = flusher->starts_kept.status == 0, more = false;
    struct log *log;
    flusher->starts_asked = false;
    LL_FOREACH2(flusher->starts, log, starts_next)
    {
        if (kept && log->start_mailed > log->start) {
            log_begin_at(log, log->start_mailed);
            if (log->durable_task != NULL)
                loop_enqueue(flusher->loop, log->durable_task);
        }
        more = more || log->start_wanted > log->start;
    }
    if (flusher->stopped != NULL)
        flush_look_stopped(flusher);
    else if (more && kept)
        flush_publish_starts(flusher);
    else if (more && flusher->failure == 0) /* the disk is full */
        timer_set_in(flusher->loop, &flusher->starts_timer, STARTS_RETRY_MS);
}

/* ---- Life. ---- */

struct flusher *flusher_create(struct loop *loop, struct log_dir *dir)
{
    struct flusher *flusher = memory_take(sizeof(*flusher));
    flusher->loop = loop;
    flusher->io = loop_io(loop);
    flusher->dir = dir;
    flusher->failure = log_dir_failure(dir);
    flusher->sync_one_us = SYNC_ONE_US;
    flusher->sync_all_us = SYNC_ALL_US;
    flusher->start_task.run = run_start;
    flusher->checkpoint_timer.run = checkpoint_due;
    flusher->publish_timer.run = publish_due;
    flusher->rest_timer.run = rest_due;
    flusher->starts_kept.mail.deliver = starts_are_kept;
    flusher->starts_task.run = publish_starts;
    flusher->starts_timer.run = retry_starts;
    work_init(&flusher->cache_work, flusher->io, loop, cache_work_is_done);
    for (int i = 0; i < RUN_COUNT; i++) {
        flusher->runs[i].flusher = flusher;
        flusher->runs[i].is_checkpoint = i == RUN_CHECKPOINT;
        work_init(&flusher->runs[i].work, flusher->io, loop, work_is_done);
        if (flusher->failure == 0)
            flusher->failure = log_dir_open_lock(dir, &flusher->runs[i].sync_file);
    }
    cleaner_init(flusher);
    sweep_init(flusher);
    return flusher;
}

int64_t flusher_room(const struct flusher *flusher)
{
    if (flusher->failure != 0 || flusher->final)
        return INT64_MAX;
    return log_dir_settings(flusher->dir)->dirty_bytes - flusher->dirty_bytes;
}

void flusher_set_room_task(struct flusher *flusher, struct task *task)
{
    flusher->room_task = task;
}

static void tell_of_room(struct flusher *flusher)
{
    if (flusher->room_task != NULL && flusher_room(flusher) > 0)
        loop_enqueue(flusher->loop, flusher->room_task);
}

static void stop_timers(struct flusher *flusher)
{
    timer_cancel(flusher->loop, &flusher->checkpoint_timer);
    timer_cancel(flusher->loop, &flusher->publish_timer);
    timer_cancel(flusher->loop, &flusher->rest_timer);
    sweep_stop(flusher);
    timer_cancel(flusher->loop, &flusher->starts_timer);
}

void flusher_stop(struct flusher *flusher, struct task *stopped)
{
    struct log *log;
    assert(flusher->stopped == NULL && !flusher->is_stopped);
    stop_timers(flusher);
    flusher->stopped = stopped;
    flusher->final = true;
    cleaner_stop(flusher);
    tell_of_room(flusher);
    DL_FOREACH(flusher->logs, log)
    if (log->is_awake || log->producers.dirty ||
        log->recovery_point < log->tail.end_offset) /* also what is not durable */
        flush_note_dirty(log);
    timer_cancel(flusher->loop, &flusher->checkpoint_timer);
    loop_enqueue(flusher->loop, &flusher->start_task);
}

void flusher_destroy(struct flusher *flusher)
{
    if (flusher == NULL)
        return;
    assert(flusher->logs == NULL && !is_running(flusher));
    stop_timers(flusher);
    deletions_destroy(flusher);
    cleaner_deinit(flusher);
    while (flusher->free_staging != NULL) {
        struct staging *staging = flusher->free_staging;
        flusher->free_staging = staging->next;
        memory_give(staging->items);
        memory_give(staging->vectors);
        memory_give(staging);
    }
    for (int i = 0; i < RUN_COUNT; i++) {
        work_deinit(&flusher->runs[i].work);
        file_unref(flusher->runs[i].sync_file);
        memory_give(flusher->runs[i].marks);
    }
    work_deinit(&flusher->cache_work);
    memory_give(flusher->claimed);
    memory_give(flusher);
}

bool flusher_is_failed(const struct flusher *flusher)
{
    return flusher->failure != 0;
}
struct loop *flusher_loop(const struct flusher *flusher)
{
    return flusher->loop;
}
struct log_dir *flusher_dir(const struct flusher *flusher)
{
    return flusher->dir;
}

void flusher_fail(struct flusher *flusher, int status)
{
    if (flusher->failure != 0)
        return;
    flusher->failure = status;
    stop_timers(flusher);
    cleaner_stop(flusher);
    tell_of_room(flusher);
    if (flusher->stopped != NULL)
        flush_look_stopped(flusher);
}

void flush_note_failure(struct flusher *flusher, int status)
{
    if (flusher->failure != 0 || flusher->is_stopped)
        return; /* all is told by then, and the directory's owner may have ended */
    log_dir_mail_failure(flusher->dir, flusher->loop, status);
    flusher_fail(flusher, status);
}

/* ---- What logs ask for. ---- */

void flush_claim(struct flusher *flusher, const struct log_place *place)
{
    if (flusher->claimed_count == flusher->claimed_capacity) {
        flusher->claimed_capacity = flusher->claimed_capacity == 0 ? 16 : flusher->claimed_capacity * 2;
        flusher->claimed = memory_resize(
            flusher->claimed, (size_t)flusher->claimed_capacity * sizeof(*flusher->claimed));
    }
    flusher->claimed[flusher->claimed_count++] = place;
}

void flush_attach(struct log *log)
{
    struct flusher *flusher = log->flusher;
    DL_APPEND(flusher->logs, log);
    if (log->place != NULL)
        flush_claim(flusher, log->place);
    sweep_begin(flusher);
}

void flush_detach(struct log *log)
{
    struct flusher *flusher = log->flusher;
    flush_note_durable(log, log->written);
    DL_DELETE(flusher->logs, log);
    if (log->is_dirty)
        LL_DELETE2(flusher->dirty, log, dirty_next);
    if (log->start_listed)
        LL_DELETE2(flusher->starts, log, starts_next);
    flush_forget_waiting(log);
    sweep_forget(log);
    cleaning_forget(log);
    for (int i = 0; i < RUN_COUNT; i++)
        if (log->mark_index[i] >= 0)
            flusher->runs[i].marks[log->mark_index[i]].log = NULL;
}

void flush_forget_waiting(struct log *log)
{
    if (log->is_waiting)
        LL_DELETE2(log->flusher->waiting, log, waiting_next);
    log->is_waiting = false;
}

void flush_note_dirty(struct log *log)
{
    struct flusher *flusher = log->flusher;
    if (!log->is_dirty) {
        log->is_dirty = true;
        LL_PREPEND2(flusher->dirty, log, dirty_next);
    }
    if (!timer_is_set(&flusher->checkpoint_timer) && !flusher->final && flusher->failure == 0)
        timer_set_in(flusher->loop,
            &flusher->checkpoint_timer, log_dir_settings(flusher->dir)->checkpoint_ms);
}

void flush_note_awake(struct log *log)
{
    struct flusher *flusher = log->flusher;
    log->is_awake = true;
    if (!timer_is_set(&flusher->rest_timer) && !flusher->final && flusher->failure == 0)
        timer_set_in(flusher->loop, &flusher->rest_timer, rest_ms_of(flusher));
}

void flush_want_checkpoint(struct log *log)
{
    flush_note_dirty(log);
    log->flusher->wants_checkpoint = true;
    start_soon(log->flusher);
}

void flush_note_roll(struct log *log)
{
    if (log->settings.page_cache)
        flush_want_checkpoint(log);
    else
        flush_note_dirty(log);
}

void flush_note_written(struct log *log, int64_t bytes)
{
    struct flusher *flusher = log->flusher;
    log->written += bytes;
    flusher->dirty_bytes += bytes;
    if (log->settings.compacts && !log->is_held)
        flusher->cleaner.written += bytes;
    if (!log->settings.page_cache)
        flusher->written += bytes;
    if (flusher->written >= log_dir_settings(flusher->dir)->checkpoint_bytes ||
        flusher_room(flusher) <= 0 || odd(early_checkpoint)) {
        flusher->wants_checkpoint = true;
        flush_note_dirty(log);
        start_soon(flusher);
    }
}

void flush_note_durable(struct log *log, int64_t written)
{
    struct flusher *flusher = log->flusher;
    if (written <= log->written_durable)
        return;
    flusher->dirty_bytes -= written - log->written_durable;
    log->written_durable = written;
    assert(flusher->dirty_bytes >= 0);
    if (!broken(room_untold))
        tell_of_room(flusher);
}

void log_want_flush(struct log *log)
{
    struct flusher *flusher = log->flusher;
    if (!log->is_waiting) {
        log->is_waiting = true;
        LL_PREPEND2(flusher->waiting, log, waiting_next);
    }
    start_soon(flusher);
}

static void publish_at(struct flusher *flusher, int64_t at_us)
{
    int64_t now_us = loop_now_us(flusher->loop);
    if (flusher->failure != 0 || flusher->final)
        return;
    if (!timer_is_set(&flusher->publish_timer) || flusher->publish_timer.entry.key > at_us)
        timer_set(flusher->loop, &flusher->publish_timer, at_us > now_us ? at_us : now_us);
}

void flush_publish_soon(struct flusher *flusher)
{
    publish_at(flusher, flusher->publish_not_before_us);
}

/* A topic may come back under the same name, and its log must not be measured by the old one's
 * recovery point. */
void flush_publish_deleted(struct flusher *flusher)
{
    int64_t soonest_us = loop_now_us(flusher->loop) + DELETED_SPACING_US;
    if (flusher->failure != 0 || flusher->final)
        return;
    log_dir_mail_deletion(flusher->dir, flusher, flusher->loop);
    publish_at(flusher,
        flusher->publish_not_before_us < soonest_us ? flusher->publish_not_before_us : soonest_us);
}

struct staging *flush_lend_staging(struct flusher *flusher)
{
    struct staging *staging = flusher->free_staging;
    if (staging == NULL)
        return memory_take(sizeof(*staging));
    flusher->free_staging = staging->next;
    return staging;
}

void flush_return_staging(struct flusher *flusher, struct staging *staging)
{
    staging->next = flusher->free_staging;
    flusher->free_staging = staging;
}
