/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of a log ask of their flusher, and its insides for checkpoint.c. Two work lists
 * may run at a time: the flush, which logs wait for, and the checkpoint, which syncs and then
 * writes what recovery wants to find. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "io/loop.h"
#include "storage/cleaner.h"
#include "storage/log.h"
#include "storage/log_dir_mail.h"
#include "storage/sweep.h"
#include "storage/work.h"

struct file;
struct log_dir;
struct staging;

/* What the running work list does for one log, noted when it is built; applied when it is done. */
struct flush_mark {
    struct log *log; /* NULL: closed meanwhile */
    uint32_t generation;
    uint32_t names; /* of the log's names, those up to here become durable */
    bool directory_new, epochs, snapshot;
    struct log_boundary_mark {
        int64_t offset, base_offset, position;
    } end;
    int64_t written;        /* of the log's, those bytes become durable */
    int64_t recovery_point; /* reached when all is done */
    int64_t snapshot_offset;
    int64_t roll_offset;     /* of the newest roll, whose snapshot is written; -1: none */
    int64_t snapshot_before; /* which that one makes superfluous; -1: none */
};

struct flush_run {
    struct work work;
    struct flusher *flusher;
    struct file *sync_file; /* the file system is synced by it; NULL: the flusher failed before it began */
    struct flush_mark *marks;
    int32_t mark_count, mark_capacity;
    int32_t data_count; /* items of work that make data durable */
    bool is_checkpoint, running;
    bool synced_all; /* the file system, not file by file */
    bool is_last; /* begun after flusher_stop() */
};
enum { RUN_FLUSH, RUN_CHECKPOINT, RUN_COUNT };

struct flusher {
    struct loop *loop;
    struct io *io;
    struct log_dir *dir;
    struct log *logs;            /* all, utlist DL */
    struct log *dirty, *waiting; /* utlist LL by dirty_next and waiting_next */
    struct log *starts;          /* by starts_next: the log-start-offset-checkpoint names them */
    struct flush_run runs[RUN_COUNT];
    bool wants_checkpoint, final, is_stopped;
    struct task start_task;
    struct timer checkpoint_timer, publish_timer, rest_timer, starts_timer;
    int64_t written;     /* bytes since the last checkpoint began */
    int64_t dirty_bytes; /* of all logs: written, and not known to be durable */
    struct task *room_task;
    int64_t publish_not_before_us;
    int64_t sync_one_us, sync_all_us; /* what syncing a file, and all of them, cost of late */
    int failure;
    struct task *stopped;
    struct staging *free_staging;
    const struct log_place **claimed; /* opened since the last mail to the directory */
    int32_t claimed_count, claimed_capacity;
    struct deletion *deletions; /* deletion.h */
    int32_t parting_count;      /* of replaced logs, whose parting is being made durable */
    struct work cache_work;     /* cache.h */
    bool cache_runs;
    struct checkpoint_kept starts_kept;
    struct task starts_task;
    bool starts_asked; /* starts_kept is on its way */
    bool has_published;
    struct cleaner cleaner;
    struct sweep sweep;
};

void flush_attach(struct log *log); /* the log exists from here on */
void flush_claim(struct flusher *flusher, const struct log_place *place); /* the checkpoint files say of it what this flusher does */
void flush_detach(struct log *log);
void flush_note_dirty(struct log *log);
void flush_forget_waiting(struct log *log);
void flush_note_awake(struct log *log);
void flush_note_roll(struct log *log);
void flush_want_checkpoint(struct log *log); /* soon, and this log is part of it */
void flush_note_written(struct log *log, int64_t bytes);
void flush_note_durable(struct log *log, int64_t written); /* of log->written */
void flush_note_failure(struct flusher *flusher, int status);
void flush_publish_soon(struct flusher *flusher); /* when the cost of the last time allows */
void flush_publish_deleted(
    struct flusher *flusher); /* a log is gone: the files must say so at once */
void flush_note_start(struct log *log); /* it begins inside a segment, or a client wants it to */
void flush_publish_starts(struct flusher *flusher); /* in this pass, or when the last are kept */
struct staging *flush_lend_staging(struct flusher *flusher);
void flush_return_staging(struct flusher *flusher, struct staging *staging);

/* After flusher_stop(): the last checkpoint is over, or can never be, and nothing else runs. */
void flush_look_stopped(struct flusher *flusher);

/* checkpoint.c */
bool checkpoint_build(
    struct flush_run *run); /* fills work and marks; false when there is nothing to do */
void checkpoint_apply(
    struct flush_run *run); /* after the work: durable ends, recovery points, tasks */
bool checkpoint_lost_a_log(const struct flush_run *run); /* one was deleted since it began */
void checkpoint_note_cost(struct flush_run *run); /* before the work is reset */
void checkpoint_publish(struct flusher *flusher); /* mails the offsets to the directory's owner */
void checkpoint_note_points(struct flusher *flusher); /* those that were asked for are durable */
void checkpoint_publish_starts(
    struct flusher *flusher); /* the log starts only, and asks when they are kept */
