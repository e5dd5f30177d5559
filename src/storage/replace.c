/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a move: the future log takes the place of the current one. Three names change, each
 * durably before the next, so that a start finds one of these:
 *   TOPIC-N here, TOPIC-N.ID-future there          as if nothing had begun
 *   TOPIC-N.ID-delete here, -future there          the future log is the partition's
 *   (-delete or nothing) here, TOPIC-N there       done
 * Kafka reads all three as well, when the metadata name the new directory: so that comes first. The
 * files of the old log stay until both names are durable: else they could be missing under the old
 * one, or the new directory fail while nothing but a future log is left there. And as long as a start
 * may find the first of these, nothing counts as durable that is so in the future log only. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/broken.h"
#include "base/container.h"
#include "base/memory.h"
#include "io/file.h"
#include "storage/deletion.h"
#include "storage/flush.h"
#include "storage/flusher.h"
#include "storage/log_dir.h"
#include "storage/log_state.h"

struct replacement {
    struct work work; /* makes the old log's parting durable */
    struct flusher *from;
    struct log *log; /* the new one; NULL: closed meanwhile */
    char *parted;    /* the old log's directory */
    int64_t delete_delay_ms;
    int64_t old_durable_end; /* a cut of power may bring the old log back; INT64_MAX: no more */
    enum { OLD_PARTS, OLD_IS_PARTED, NEW_IS_NAMED } stage; /* parted: durably; named: not yet */
    bool new_is_deleted; /* and the old one with it */
};

char *log_final_path(const char *path, const char *topic, int32_t partition)
{
    const char *parent_end = strrchr(path, '/');
    int parent = parent_end == NULL ? 0 : (int)(parent_end - path) + 1;
    size_t size = (size_t)parent + strlen(topic) + 16;
    char *final = memory_take(size);
    snprintf(final, size, "%.*s%s-%d", parent, path, topic, partition);
    return final;
}

static void destroy(struct replacement *replacement)
{
    if (replacement->log != NULL)
        replacement->log->replacement = NULL;
    work_deinit(&replacement->work);
    memory_give(replacement->parted);
    memory_give(replacement);
}

void log_take_final_name(struct log *log)
{
    if (log->replacement == NULL || log->replacement->stage != OLD_IS_PARTED || log_is_busy(log))
        return;
    if (deletions_are_below(log->flusher, log->path)) {
        flush_note_dirty(log); /* again when the next checkpoint is over */
        return;
    }
    char *path = log_final_path(log->path, log->topic, log->partition);
    int status = file_rename(log->io, log->path, path);
    if (status == -EIO)
        flush_note_failure(log->flusher, status);
    if (status < 0) { /* no room for a name: a start finishes it */
        memory_give(path);
        return;
    }
    deletions_follow(log->flusher, log->path, path);
    memory_give(log->path);
    log->path = path;
    log->names_made++;
    log->directory_new = true;
    log->replacement->stage = NEW_IS_NAMED;
    flush_note_dirty(log);
}

int64_t log_durable_end(const struct log *log)
{
    const struct replacement *replacement = log->replacement;
    return replacement == NULL || replacement->old_durable_end > log->durable_end
               ? log->durable_end
               : replacement->old_durable_end;
}

/* No start takes the old log any more. */
static void forget_old_end(struct replacement *replacement)
{
    struct log *log = replacement->log;
    replacement->old_durable_end = INT64_MAX;
    if (log->durable_task != NULL)
        loop_enqueue(log->flusher->loop, log->durable_task);
}

static void remove_old(struct replacement *replacement)
{
    struct flusher *from = replacement->from;
    if (from->final || from->failure != 0)
        return; /* the next start does it */
    struct deletion *deletion = deletion_create(from, replacement->delete_delay_ms);
    work_add_path(&deletion->work, WORK_REMOVE_TREE, replacement->parted);
    deletion_start(deletion);
}

void log_note_name_durable(struct log *log)
{
    if (log->replacement == NULL || log->replacement->stage != NEW_IS_NAMED)
        return;
    forget_old_end(log->replacement);
    remove_old(log->replacement);
    destroy(log->replacement);
}

static void end_without_log(struct replacement *replacement)
{
    if (replacement->new_is_deleted)
        remove_old(replacement);
    destroy(replacement);
}

static void old_is_parted(struct work *work)
{
    struct replacement *replacement = container_of(work, struct replacement, work);
    struct flusher *from = replacement->from;
    /* It goes on then, too: of two logs a start takes the one in the directory that the metadata name, but of a log and a future one
     * the log, which lacks what was promised since. */
    if (work->status < 0)
        flush_note_failure(from, work->status);
    replacement->stage = OLD_IS_PARTED;
    if (replacement->log != NULL && work->status == 0)
        forget_old_end(replacement);
    if (replacement->log == NULL)
        end_without_log(replacement);
    else
        log_take_final_name(replacement->log);
    from->parting_count--;
    flush_look_stopped(from);
}

void log_forget_replacement(struct log *log, bool log_is_deleted)
{
    struct replacement *replacement = log->replacement;
    if (replacement == NULL)
        return;
    log->replacement = NULL;
    replacement->log = NULL;
    replacement->new_is_deleted = log_is_deleted;
    if (replacement->stage != OLD_PARTS)
        end_without_log(replacement);
}

int log_take_producers(struct log *future, const struct log *current, int64_t *out_offset)
{
    assert(current->staging == NULL && future->staging == NULL);
    assert(current->tail.end_offset == future->tail.end_offset);
    int64_t end = future->tail.end_offset;
    *out_offset = -1;
    if (current->producers.count == 0 && future->producers.count == 0)
        return 0;
    int32_t mark = future->mark_index[RUN_CHECKPOINT];
    if (mark >= 0 && future->flusher->runs[RUN_CHECKPOINT].marks[mark].snapshot_offset == end)
        return -EAGAIN; /* what is being written there is of the future log's own knowledge */
    producers_copy(&future->producers, &current->producers);
    int status = log_roll_at_end(future);
    if (status < 0)
        return status;
    if (future->snapshot_offset == end)
        future->snapshot_offset = -1; /* the one there is older */
    *out_offset = end;
    flush_want_checkpoint(future);
    return 0;
}

/* Of a producer whose batches are gone, and of what was compacted, only the current log still knows. That
 * damage kept it from being cleaned is not true of the new one's files. */
static void take_knowledge(struct log *future, struct log *current)
{
    struct producers own = future->producers;
    future->producers = current->producers;
    current->producers = own;
    future->producers.dirty = true;
    future->clean_end = current->clean_end;
    future->horizon_ms = current->horizon_ms;
}

int log_replace(struct log *current, struct log *future)
{
    assert(current->staging == NULL && future->staging == NULL && future->replacement == NULL);
    assert(current->tail.end_offset == future->tail.end_offset);
    if (current->replacement != NULL)
        return -EAGAIN;
    struct flusher *from = current->flusher;
    char *parted =
        log_parting_path(current->io, current->path, current->topic, current->partition, "delete");
    int status = file_rename(current->io, current->path, parted);
    if (status < 0) {
        if (status == -EIO)
            flush_note_failure(from, status);
        memory_give(parted);
        return status;
    }
    deletions_follow(from, current->path, parted);
    struct replacement *replacement = memory_take(sizeof(*replacement));
    work_init(&replacement->work, from->io, from->loop, old_is_parted);
    work_add_path(&replacement->work, WORK_SYNC_DIRECTORY, log_dir_path(from->dir));
    replacement->from = from;
    replacement->log = future;
    replacement->parted = parted;
    replacement->old_durable_end = current->durable_end;
    replacement->delete_delay_ms = current->settings.file_delete_delay_ms;
    future->replacement = replacement;
    take_knowledge(future, current);
    flush_note_dirty(future);
    log_close(current);
    flush_publish_deleted(from);
    from->parting_count++;
    work_submit(&replacement->work);
    return 0;
}
