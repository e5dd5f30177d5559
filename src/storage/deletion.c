/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/deletion.h"

#include <errno.h>
#include <utlist.h>

#include "base/container.h"
#include "base/memory.h"
#include "storage/flush.h"

static void destroy(struct deletion *deletion)
{
    timer_cancel(deletion->flusher->loop, &deletion->timer);
    DL_DELETE(deletion->flusher->deletions, deletion);
    work_deinit(&deletion->work);
    memory_give(deletion);
}

void deletions_destroy(struct flusher *flusher)
{
    while (flusher->deletions != NULL)
        destroy(flusher->deletions);
}

bool deletion_is_running(const struct flusher *flusher)
{
    const struct deletion *deletion;
    DL_FOREACH(flusher->deletions, deletion)
    if (deletion->running)
        return true;
    return false;
}

static void wait_to_remove(struct deletion *deletion)
{
    struct loop *loop = deletion->flusher->loop;
    timer_set(loop, &deletion->timer, loop_now_us(loop) + deletion->delay_ms * 1000);
}

static void deletion_is_over(struct work *work)
{
    struct deletion *deletion = container_of(work, struct deletion, work);
    struct flusher *flusher = deletion->flusher;
    if (work->status == -EIO)
        flush_note_failure(flusher, work->status);
    destroy(deletion);
    flush_look_stopped(flusher);
}

static void removal_due(struct timer *timer)
{
    struct deletion *deletion = container_of(timer, struct deletion, timer);
    deletion->running = true;
    work_submit(&deletion->work);
}

/* The renames are done: what they were renamed to is removed after the delay. */
static void renames_are_done(struct work *work)
{
    struct deletion *deletion = container_of(work, struct deletion, work);
    struct flusher *flusher = deletion->flusher;
    deletion->running = false;
    if (work->status < 0) {
        deletion_is_over(work);
        return;
    }
    for (int32_t i = 0; i < work->count; i++) {
        struct work_item *item = &work->items[i];
        if (item->kind == WORK_RENAME) {
            memory_give(item->path);
            item->path = item->target;
            item->target = NULL;
            item->kind = WORK_UNLINK;
        }
    }
    work->next = 0;
    work->done = deletion_is_over;
    wait_to_remove(deletion);
    flush_look_stopped(flusher);
}

struct deletion *deletion_create(struct flusher *flusher, int64_t delay_ms)
{
    struct deletion *deletion = memory_take(sizeof(*deletion));
    deletion->flusher = flusher;
    deletion->delay_ms = delay_ms;
    deletion->timer.run = removal_due;
    work_init(&deletion->work, flusher->io, flusher->loop, renames_are_done);
    DL_APPEND(flusher->deletions, deletion);
    return deletion;
}

void deletion_start(struct deletion *deletion)
{
    if (deletion->work.count > 0 && deletion->work.items[0].kind == WORK_REMOVE_TREE) {
        deletion->work.done = deletion_is_over;
        wait_to_remove(deletion);
        return;
    }
    deletion->running = true;
    work_submit(&deletion->work);
}
