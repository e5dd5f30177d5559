/* SPDX-License-Identifier: Apache-2.0 */
#include "replica/move.h"

#include <assert.h>
#include <errno.h>
#include <utlist.h>

#include "base/broken.h"
#include "base/container.h"
#include "base/memory.h"
#include "base/odd.h"
#include "base/pace.h"
#include "base/report.h"
#include "base/status.h"
#include "replica/partition.h"
#include "storage/flusher.h"

enum { LOOK_MS = 20, ROOM_MS = 10, TROUBLE_MS = 1000, DURABLE_MS = 10 * 1000 };

static void step_at(struct move *move, int64_t at_us)
{
    if (!move->is_paused)
        timer_set(move->partition->loop, &move->timer, at_us);
}

static void step_in(struct move *move, int64_t delay_ms)
{
    step_at(move, loop_now_us(move->partition->loop) + delay_ms * 1000);
}

static void step_soon(struct move *move)
{
    if (!move->is_paused)
        loop_enqueue(move->partition->loop, &move->task);
}

/* When all that this pass staged is written: under full load every log has something staged at any earlier moment. */
static void step_when_written(struct move *move)
{
    move->waits_for_write = !move->waits_for_write;
    if (!move->waits_for_write)
        step_in(move, 0); /* more was staged behind it */
    else if (!move->is_paused)
        loop_finish(move->partition->loop, FINISH_SEND, &move->task);
}

/* It stands still, and is tried again. */
static void note_trouble(struct move *move, int status)
{
    if (!move->trouble_told && status != -EIO) /* of a directory that fails others tell */
        report_error("move_stands_still",
            "partition=%s-%d to=%s reason=\"%s\" consequence=\"it is served from %s; tried again\"",
            log_topic(move->future), log_partition(move->future), log_path(move->future),
            status == -EUCLEAN ? "the log to be moved is damaged" : status_text(status),
            log_path(move->partition->log));
    move->trouble_told = true;
    step_in(move, TROUBLE_MS);
}

static void fall_back(struct move *move)
{
    bool was_ready = move->stage == MOVE_READY;
    move->stage = MOVE_COPYING;
    move->wants_to_finish = false;
    if (was_ready)
        move->watch->fell_back(move->watch, move->partition);
}

/* ---- Copying. ---- */

/* What the log has staged its producers know already, and a failed write would take back. */
static void join(struct move *move)
{
    if (log_has_staged(move->partition->log)) {
        step_when_written(move);
        return;
    }
    move->waits_for_write = false;
    int status = log_take_producers(move->future, move->partition->log, &move->producers_end);
    if (status == -EAGAIN) {
        step_in(move, ROOM_MS);
        return;
    }
    if (status < 0) {
        note_trouble(move, status);
        return;
    }
    move->stage = MOVE_JOINED;
    move->trouble_told = false;
    move->promised_end = log_durable_end(move->partition->log);
    log_want_flush(move->future);
    step_in(move, 0);
}

static void warm(struct move *move, struct log_slice *cold)
{
    move->warm = log_warm_start(log_flusher(move->partition->log), cold, &move->task);
    log_slice_release(cold);
}

/* Others wait for the disk, and for the flush that has this piece: the next one of the loop comes when it is durable, or
 * when that takes very long. But not where the log grows by more than half of what is copied: that would never end. */
static void let_it_be_durable(struct move *move, int64_t copied)
{
    int64_t lag = move_lag(move), grown = lag + copied - move->lag;
    move->lag = lag;
    if (grown > copied / 2)
        return;
    move->pace->holder = move;
    log_want_flush(move->future);
    timer_set_in(move->partition->loop, &move->pace->next, DURABLE_MS);
}

static void copy(struct move *move)
{
    struct log_slice cold;
    int64_t size;
    if (flusher_room(log_flusher(move->future)) <= 0) {
        step_in(move, ROOM_MS);
        return;
    }
    int64_t end = log_end(move->future);
    int status = move_copy(move, move->is_warmed, &size, &cold);
    move->is_warmed = false;
    if (status == 0 && size > 0) {
        let_it_be_durable(move, log_end(move->future) - end);
        partition_note_limit(move->partition);
    }
    if (status == -EAGAIN)
        warm(move, &cold);
    else if (status == -EBUSY)
        step_in(move, ROOM_MS);
    else if (status < 0)
        note_trouble(move, status);
    else if (log_end(move->future) == log_end(move->partition->log))
        join(move);
    else
        step_at(move, pace_pay(move->pace->pace, loop_now_us(move->partition->loop), size,
                          move->pace->bytes_per_second));
}

/* Of a directory that failed no name is changed: whoever tells of it ends the move. */
static bool may_step(const struct move *move)
{
    return !move->is_paused && !flusher_is_failed(log_flusher(move->future)) &&
           !flusher_is_failed(log_flusher(move->partition->log));
}

static void let_next_copy(struct move *move)
{
    if (move->pace->holder != move)
        return;
    move->pace->holder = NULL;
    timer_set_in(move->pace->loop, &move->pace->next, 0);
}

static void leave_queue(struct move *move)
{
    if (move->waits_for_turn)
        DL_DELETE(move->pace->waiting, move);
    move->waits_for_turn = false;
}

static void copy_next(struct move_pace *pace)
{
    struct move *move = pace->waiting;
    if (move == NULL || timer_is_set(&pace->next))
        return;
    leave_queue(move);
    timer_set_in(pace->loop, &pace->next, 0);
    if (may_step(move))
        copy(move);
}

static void copy_in_turn(struct move *move)
{
    if (!move->waits_for_turn)
        DL_APPEND(move->pace->waiting, move);
    move->waits_for_turn = true;
    copy_next(move->pace);
}

static void turn_is_over(struct timer *timer)
{
    struct move_pace *pace = container_of(timer, struct move_pace, next);
    pace->holder = NULL; /* if there is one, its piece takes very long */
    copy_next(pace);
}

/* In the pass that wrote: what is written is in memory. */
void move_follow(struct move *move)
{
    struct log_slice cold;
    int64_t size;
    int status = 0;
    if (move->stage == MOVE_COPYING)
        return;
    while (status == 0 && log_end(move->future) < log_end(move->partition->log))
        status = move_copy(move, true, &size, &cold);
    if (status < 0) {
        fall_back(move);
        note_trouble(move, status);
        return;
    }
    log_want_flush(move->future);
    if (move->wants_to_finish)
        step_soon(move);
}

/* ---- The end. ---- */

/* All that somebody was promised is durable in the future log. */
static bool keeps_all(struct move *move)
{
    struct log *current = move->partition->log, *future = move->future;
    if (broken(move_before_durable))
        return true;
    if (log_durable_end(future) < move->promised_end || log_snapshot_offset(future) < move->producers_end)
        return false;
    if (log_start(future) < log_start(current)) {
        (void)log_delete_records(future, log_start(current)); /* told by a durable checkpoint file */
        return false;
    }
    return log_names_are_durable(future);
}

static void look_whether_ready(struct move *move)
{
    if (!keeps_all(move) || odd(what_is_ready_lingers)) {
        step_in(move, LOOK_MS);
        return;
    }
    move->stage = MOVE_READY;
    move->may_be_named = true;
    move->watch->ready(move->watch, move->partition);
}

/* A task that is queued is the loop's until it has run. */
static void reap(struct move *move)
{
    if (!move->task.queued && !move->future_durable.queued)
        memory_give(move);
}

static void destroy(struct move *move)
{
    struct partition *partition = move->partition;
    timer_cancel(partition->loop, &move->timer);
    log_warm_destroy(move->warm);
    leave_queue(move);
    let_next_copy(move);
    if (move->pace->waiting == NULL && move->pace->holder == NULL)
        timer_cancel(partition->loop, &move->pace->next);
    partition->move = NULL;
    move->partition = NULL;
    reap(move);
}

static void take_over(struct move *move)
{
    struct partition *partition = move->partition;
    struct log *current = partition->log, *future = move->future;
    if (log_has_staged(current)) {
        step_when_written(move);
        return;
    }
    move->waits_for_write = false;
    if (partition->deletions != NULL || !keeps_all(move)) {
        step_in(move, ROOM_MS);
        return;
    }
    assert(log_end(current) == log_end(future));
    log_set_durable_task(current, NULL);
    int status = log_replace(current, future);
    if (status < 0) {
        log_set_durable_task(current, &partition->durable);
        if (status == -EAGAIN)
            step_in(move, LOOK_MS);
        else
            note_trouble(move, status);
        return;
    }
    log_hold(future, false);
    log_set_durable_task(future, &partition->durable);
    log_set_high_watermark(future, partition->high_watermark);
    partition->log = future;
    partition->log_dir_index = move->log_dir_index;
    if (partition->leads)
        log_lead(future, partition->leader_epoch);
    struct move_watch *watch = move->watch;
    destroy(move);
    partition_note_limit(partition);
    watch->moved(watch, partition);
}

static void step(struct move *move)
{
    if (move->warm != NULL) {
        log_warm_destroy(move->warm);
        move->warm = NULL;
        move->is_warmed = true;
    }
    if (!may_step(move))
        return;
    switch (move->stage) {
    case MOVE_COPYING:
        copy_in_turn(move);
        break;
    case MOVE_JOINED:
        look_whether_ready(move);
        break;
    case MOVE_READY:
        if (move->wants_to_finish)
            take_over(move);
        break;
    }
}

static void run_task(struct task *task)
{
    struct move *move = container_of(task, struct move, task);
    if (move->partition == NULL)
        reap(move);
    else
        step(move);
}

static void run_timer(struct timer *timer)
{
    struct move *move = container_of(timer, struct move, timer);
    if (move->warm == NULL)
        step_soon(move);
}

static void future_is_durable(struct task *task)
{
    struct move *move = container_of(task, struct move, future_durable);
    if (move->partition == NULL) {
        reap(move);
        return;
    }
    let_next_copy(move);
    partition_note_limit(move->partition);
}

/* ---- Life. ---- */

void move_pace_init(struct move_pace *move_pace, struct loop *loop, struct pace *pace)
{
    *move_pace = (struct move_pace){ .pace = pace,
        .bytes_per_second = INT64_MAX,
        .loop = loop,
        .next.run = turn_is_over };
}

void move_begin(struct partition *partition, struct log *future, int log_dir_index,
    struct move_watch *watch, struct move_pace *pace)
{
    struct move *move = memory_take(sizeof(*move));
    assert(partition->log != NULL && partition->move == NULL);
    move->partition = partition;
    move->future = future;
    move->log_dir_index = log_dir_index;
    move->watch = watch;
    move->pace = pace;
    move->task.run = run_task;
    move->timer.run = run_timer;
    move->future_durable.run = future_is_durable;
    move->generation = log_generation(partition->log) - 1; /* not looked at yet */
    move->lag = INT64_MAX;
    partition->move = move;
    log_set_durable_task(future, &move->future_durable);
    log_hold(partition->log, true);
    log_hold(future, true);
    step_soon(move);
}

void move_end(struct partition *partition, bool delete_future)
{
    struct move *move = partition->move;
    if (move == NULL)
        return;
    log_set_durable_task(move->future, NULL);
    if (partition->log != NULL)
        log_hold(partition->log, false);
    if (delete_future)
        (void)log_delete(move->future);
    else
        log_close(move->future);
    destroy(move);
    if (partition->log != NULL)
        partition_note_limit(partition);
}

void move_finish(struct move *move)
{
    move->wants_to_finish = true;
    if (move->stage == MOVE_READY)
        step_soon(move);
}

void move_note_unnamed(struct move *move)
{
    assert(move->stage != MOVE_READY);
    move->may_be_named = false;
    partition_note_limit(move->partition);
}

void move_hurry(struct move *move)
{
    if (move->stage == MOVE_COPYING && move->warm == NULL)
        step_soon(move);
}

void move_pause(struct move *move)
{
    move->is_paused = true;
    timer_cancel(move->partition->loop, &move->timer);
}

int64_t move_limit(const struct move *move)
{
    if ((move->stage == MOVE_COPYING && !move->may_be_named) || broken(move_limits_nothing))
        return INT64_MAX;
    return move->partition->settings.page_cache ? log_end(move->future)
                                                 : log_durable_end(move->future);
}

int64_t move_lag(const struct move *move)
{
    return log_end(move->partition->log) - log_end(move->future);
}
