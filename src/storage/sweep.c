/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/sweep.h"

#include <errno.h>
#include <utlist.h>

#include "base/container.h"
#include "base/report.h"
#include "base/status.h"
#include "storage/flush.h"
#include "storage/log_dir.h"
#include "storage/log_state.h"

void sweep_note(struct log *log)
{
    struct flusher *flusher = log->flusher;
    if (!log->is_swept) {
        log->is_swept = true;
        LL_PREPEND2(flusher->sweep.logs, log, sweep_next);
    }
    if (flusher->failure == 0 && !flusher->final)
        timer_set_in(flusher->loop, &flusher->sweep.next, 0);
}

void sweep_forget(struct log *log)
{
    if (log->is_swept)
        LL_DELETE2(log->flusher->sweep.logs, log, sweep_next);
    log->is_swept = false;
}

/* What is due of a log, as far as *left goes; false: there is more. */
static bool sweep_log(struct log *log, int32_t *left)
{
    struct flusher *flusher = log->flusher;
    int status = log->retention_due ? log_retain(log, loop_wall_ms(flusher->loop), left)
                                    : log_drop_below_start(log, left);
    if (status == -EIO)
        flush_note_failure(flusher, status);
    else if (status < 0)
        report_warn("retention_failed", "log=%s reason=\"%s\" consequence=\"its old segments stay; tried again at the next check\"",
            log->path, status_text(status));
    if (status == 0 && *left == 0)
        return false;
    log->retention_due = log->retention_due && log->retention_missed;
    return true;
}

static void sweep_some(struct timer *timer)
{
    struct flusher *flusher = container_of(timer, struct flusher, sweep.next);
    int32_t left = SWEEP_PIECE;
    while (flusher->sweep.logs != NULL && left > 0 && flusher->failure == 0) {
        struct log *log = flusher->sweep.logs;
        if (sweep_log(log, &left))
            sweep_forget(log);
    }
    if (flusher->sweep.logs != NULL && flusher->failure == 0)
        timer_set_in(flusher->loop, timer, 0);
}

static void sweep_all(struct timer *timer)
{
    struct flusher *flusher = container_of(timer, struct flusher, sweep.due);
    const struct log_dir_settings *settings = log_dir_settings(flusher->dir);
    struct log *log;
    DL_FOREACH(flusher->logs, log)
    {
        producers_expire(
            &log->producers, loop_now_ms(flusher->loop), log->settings.producer_expiry_ms);
        log->retention_due = true;
        sweep_note(log);
    }
    timer_set_in(flusher->loop, timer, settings->retention_check_ms);
}

void log_retain_if_missed(struct log *log)
{
    int32_t left = SWEEP_PIECE;
    if (log->retention_missed && !sweep_log(log, &left))
        sweep_note(log);
}

void sweep_init(struct flusher *flusher)
{
    flusher->sweep.due.run = sweep_all;
    flusher->sweep.next.run = sweep_some;
}

void sweep_begin(struct flusher *flusher)
{
    if (!timer_is_set(&flusher->sweep.due) && !flusher->final)
        timer_set_in(flusher->loop, &flusher->sweep.due,
            log_dir_settings(flusher->dir)->retention_first_ms);
}

void sweep_stop(struct flusher *flusher)
{
    timer_cancel(flusher->loop, &flusher->sweep.due);
    timer_cancel(flusher->loop, &flusher->sweep.next);
}
