/* SPDX-License-Identifier: Apache-2.0 */
/* A log directory: its lock, identity (meta.properties), clean-shutdown file, checkpoint files and
 * partitions. It belongs to one loop (the control loop); the flushers of the shards reach it by
 * mail. While it is open nobody else may use it; a file that cannot be read is never taken for an
 * empty one (what is lost with a checkpoint file is told, docs/decisions/0006).
 * -stray is left alone; -delete directories are removed. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "base/uuid.h"
#include "storage/log.h"

struct file;
struct io;
struct log_dir;
struct loop;
struct task;

/* meta.properties. */
struct log_dir_identity {
    char cluster_id[64];
    int32_t node_id;
    struct uuid directory_id; /* zero: the file has none; directories of older versions */
};

struct log_dir_settings {
    int64_t checkpoint_ms;      /* 1,000 */
    int64_t checkpoint_bytes;   /* 64 MiB, per flusher */
    int64_t dirty_bytes;        /* a flusher is full with so much that is not durable; 256 MiB */
    int64_t cache_bytes; /* of each log, left in the page cache behind its readers; 64 MiB; -1: all */
    int64_t retention_first_ms; /* log.initial.task.delay.ms: from the first log on */
    int64_t retention_check_ms; /* log.retention.check.interval.ms */
    int64_t rest_ms; /* descriptors of logs that were not touched for so long are closed; 10,000 */
};
void log_dir_settings_defaults(struct log_dir_settings *settings);

/* As Kafka, which takes any text; here one of 1 to 63 bytes of UTF-8. */
bool log_dir_may_be_cluster_id(struct str text);
/* 0; -ENOENT: not there or not formatted; -EBADMSG: unreadable, with a sentence in reason. */
int log_dir_identify(struct io *io, const char *path, struct log_dir_identity *out_identity,
    char *reason, int reason_size);
int log_dir_write_identity(
    struct io *io, const char *path, const struct log_dir_identity *identity);
/* Makes the directory when missing and writes meta.properties. -EEXIST: it is formatted already. */
int log_dir_format(struct io *io, const char *path, const struct log_dir_identity *identity);

/* Locks, reads everything, removes the clean-shutdown file. Blocking, at start. On -errno reason
 * says what and where; -EWOULDBLOCK: another process has it. */
int log_dir_open(struct loop *owner, const char *path, const struct log_dir_settings *settings,
    struct log_dir **out_dir, char *reason, int reason_size);
/* What the disk or its rights, not a person's mistake, may bring: the other directories can go on. */
bool log_dir_is_offline(int status);
/* Stands for a directory that could not be opened: failed, without identity and partitions. */
struct log_dir *log_dir_open_offline(
    struct loop *owner, const char *path, const struct log_dir_settings *settings, int status);
/* Clean stop, when the flushers have stopped and the owner loop has run out of mail: checkpoint
 * files, clean-shutdown file, lock removed. Without the clean-shutdown file when a log that an
 * unclean stop left was not opened since: it is still to be checked. Blocking. A failed directory
 * is only let go, which is -errno too. broker_epoch -1: unknown. Frees. */
int log_dir_close(struct log_dir *dir, int64_t broker_epoch);

const char *log_dir_path(const struct log_dir *dir);
const struct log_dir_identity *log_dir_identity(const struct log_dir *dir);
/* Gives a directory that has no id this one, and writes it into meta.properties. Blocking, at
 * start. */
int log_dir_adopt_id(struct log_dir *dir, struct uuid directory_id);
const struct log_dir_settings *log_dir_settings(const struct log_dir *dir);
bool log_dir_was_clean(const struct log_dir *dir);
int64_t log_dir_broker_epoch(const struct log_dir *dir); /* of the last clean stop; -1 */

/* The partitions found at the start, __cluster_metadata-0 among them; borrowed, they stay where
 * they are. */
int32_t log_dir_place_count(const struct log_dir *dir);
const struct log_place *log_dir_place(const struct log_dir *dir, int32_t place_index);
const struct log_place *log_dir_find(
    const struct log_dir *dir, const char *topic, int32_t partition); /* NULL: not here */
/* The goal of a move that was under way, TOPIC-N.ID-future. */
const struct log_place *log_dir_find_future(
    const struct log_dir *dir, const char *topic, int32_t partition); /* NULL: not here */
/* Renames a partition's directory to TOPIC-N.ID-stray and forgets what the checkpoint files say of
 * it. Blocking, at start: no log of it is open. *out_path is the new name, the caller's. 0 or
 * -errno; -EIO fails the directory. */
int log_dir_set_aside(struct log_dir *dir, int32_t place_index, char **out_path);
/* Gives a future log its final name: no log of that name is in this directory. Blocking, at start.
 * 0 or -errno; -EIO fails the directory. */
int log_dir_finish_move(struct log_dir *dir, int32_t place_index);
/* Takes out of the checkpoint files what they say of partitions that are not here: a new log of such a
 * name must not be judged by it after a crash. Blocking, at start, before any log is opened. */
void log_dir_forget_gone(struct log_dir *dir);

/* While the checkpoint files may still speak of a log that was deleted, a new one of its name would be
 * judged by that after a crash. The task is enqueued on the owner loop when that is over: a full disk is
 * waited for, and in a directory that failed nothing is made any more. */
bool log_dir_is_forgetting(const struct log_dir *dir);
void log_dir_set_forgotten_task(struct log_dir *dir, struct task *task);

/* A file of the caller's own in the directory, to sync its file system by: each is told for itself what was lost. Blocking, at
 * start, before anything is written. 0 or -errno, which fails the directory. */
int log_dir_open_lock(struct log_dir *dir, struct file **out_file);

/* Failure: enqueued on the owner loop once, when a flusher met an EIO (or the owner calls
 * log_dir_fail). The owner then tells every shard, which calls flusher_fail(). */
void log_dir_set_failure_task(struct log_dir *dir, struct task *task);
void log_dir_fail(struct log_dir *dir, int status);
int log_dir_failure(const struct log_dir *dir); /* 0 or -errno */
