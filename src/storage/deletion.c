/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/deletion.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "base/container.h"
#include "base/memory.h"
#include "storage/flush.h"

enum { RETRY_MS = 1000 };

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

static bool wants_to_rename(const struct deletion *deletion)
{
    return !deletion->renamed && !timer_is_set(&deletion->timer) &&
           deletion->flusher->failure == 0;
}

bool deletion_is_running(const struct flusher *flusher)
{
    const struct deletion *deletion;
    DL_FOREACH(flusher->deletions, deletion)
    if (deletion->running || wants_to_rename(deletion))
        return true;
    return false;
}

static bool is_below(const char *path, const char *directory)
{
    size_t size = strlen(directory);
    return strncmp(path, directory, size) == 0 && path[size] == '/';
}

bool deletions_are_below(const struct flusher *flusher, const char *path)
{
    const struct deletion *deletion;
    DL_FOREACH(flusher->deletions, deletion)
    if (deletion->running && is_below(deletion->work.items[0].path, path)) /* all are of one log */
        return true;
    return false;
}

bool deletions_rename_below(const struct flusher *flusher, const char *path)
{
    const struct deletion *deletion;
    DL_FOREACH(flusher->deletions, deletion)
    if (!deletion->renamed && is_below(deletion->work.items[0].path, path))
        return true;
    return false;
}

static void follow(char **path, const char *from, const char *to)
{
    if (*path == NULL || !is_below(*path, from))
        return;
    const char *rest = *path + strlen(from);
    size_t size = strlen(to) + strlen(rest) + 1;
    char *moved = memory_take(size);
    snprintf(moved, size, "%s%s", to, rest);
    memory_give(*path);
    *path = moved;
}

void deletions_follow(struct flusher *flusher, const char *path, const char *new_path)
{
    struct deletion *deletion;
    DL_FOREACH(flusher->deletions, deletion)
    {
        for (int32_t i = 0; !deletion->running && i < deletion->work.count; i++) {
            follow(&deletion->work.items[i].path, path, new_path);
            follow(&deletion->work.items[i].target, path, new_path);
        }
    }
}

/* The oldest that has not renamed yet, unless it is at it. */
static void rename_next(struct flusher *flusher)
{
    struct deletion *deletion;
    DL_FOREACH(flusher->deletions, deletion)
    {
        if (deletion->renamed)
            continue;
        if (!deletion->running && wants_to_rename(deletion)) {
            deletion->running = true;
            work_submit(&deletion->work);
        }
        return;
    }
}

static void wait_for(struct deletion *deletion, int64_t delay_ms)
{
    timer_set_in(deletion->flusher->loop, &deletion->timer, delay_ms);
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

static void time_is_up(struct timer *timer)
{
    struct deletion *deletion = container_of(timer, struct deletion, timer);
    if (deletion->flusher->is_stopped || deletion->flusher->failure != 0)
        return; /* nothing may run any more, or be changed there: the next start does it */
    if (!deletion->renamed) {
        rename_next(deletion->flusher);
        return;
    }
    deletion->running = true;
    work_submit(&deletion->work);
}

/* The renames are done: what they were renamed to is removed after the delay. */
static void renames_are_done(struct work *work)
{
    struct deletion *deletion = container_of(work, struct deletion, work);
    struct flusher *flusher = deletion->flusher;
    deletion->running = false;
    if (work->status == -EIO) {
        deletion_is_over(work);
        return;
    }
    if (work->status < 0) { /* the disk is full: again, and before those that come after it */
        work->status = 0;
        work->next = 0;
        wait_for(deletion, RETRY_MS);
        flush_look_stopped(flusher);
        return;
    }
    deletion->renamed = true;
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
    wait_for(deletion, deletion->delay_ms);
    rename_next(flusher);
    flush_look_stopped(flusher);
}

struct deletion *deletion_create(struct flusher *flusher, int64_t delay_ms)
{
    struct deletion *deletion = memory_take(sizeof(*deletion));
    deletion->flusher = flusher;
    deletion->delay_ms = delay_ms;
    deletion->timer.run = time_is_up;
    work_init(&deletion->work, flusher->io, flusher->loop, renames_are_done);
    DL_APPEND(flusher->deletions, deletion);
    return deletion;
}

void deletion_start(struct deletion *deletion)
{
    if (deletion->work.count > 0 && deletion->work.items[0].kind != WORK_RENAME) {
        deletion->work.done = deletion_is_over;
        deletion->renamed = true;
        wait_for(deletion, deletion->delay_ms);
        return;
    }
    rename_next(deletion->flusher);
}
