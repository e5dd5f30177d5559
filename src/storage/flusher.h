/* SPDX-License-Identifier: Apache-2.0 */
/* A flusher makes the logs that one loop owns in one log directory durable. Work gathers while a
 * flush runs (group commit); a flush is a list of file operations on a worker, after which durable
 * ends move and tasks are enqueued. Each second or 64 MiB it checkpoints: data, then index entries,
 * epochs and producer snapshots, then it mails the recovery points to the log_dir, whose owner
 * writes the checkpoint files. It also applies retention and closes the descriptors of logs at
 * rest. A failed sync or an EIO is final: the flusher is failed, and so is its log_dir. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct budget;
struct flusher;
struct log_dir;
struct loop;
struct task;

/* For the logs of `loop` in `dir`; both outlive it. At start, as log_dir_open_lock(). Failed from the beginning when its directory
 * is. */
struct flusher *flusher_create(struct loop *loop, struct log_dir *dir);
void flusher_destroy(
    struct flusher *flusher); /* stopped or failed, and no log open; NULL does nothing */

/* The last checkpoint: everything durable, snapshots at the end of every log; then enqueues stopped
 * on the loop. Nothing may be appended from here on. After that logs may be closed. */
void flusher_stop(struct flusher *flusher, struct task *stopped);

/* Bytes that may be written before the memory of the page cache is left to a slow disk: what is
 * written and not durable counts, of page-cache logs too, and at zero all of it is being flushed.
 * Nobody is held back once the flusher stops or has failed. The task is enqueued when there is more
 * room; set before the first log. */
int64_t flusher_room(const struct flusher *flusher);
void flusher_set_room_task(struct flusher *flusher, struct task *task); /* NULL: nobody waits */

/* How compacted logs are cleaned; log.cleaner.* of the node. */
struct cleaner_settings {
    bool enabled;
    int32_t threads; /* of the node: so many cleanings at a time */
    int64_t backoff_ms;
    int64_t dedupe_bytes, io_buffer_bytes; /* of all of them together */
    int64_t bytes_per_second;              /* the same; INT64_MAX: no bound */
    double load_factor;
};
/* May be called again. `memory`, of all flushers of the node, has no limit of its own. Before the
 * first call nothing is cleaned. */
void flusher_set_cleaner(
    struct flusher *flusher, const struct cleaner_settings *settings, struct budget *memory);

bool flusher_is_failed(const struct flusher *flusher);
void flusher_fail(struct flusher *flusher,
    int status); /* for the loop, when it hears that the directory failed */
struct loop *flusher_loop(const struct flusher *flusher);
struct log_dir *flusher_dir(const struct flusher *flusher);
