/* SPDX-License-Identifier: Apache-2.0 */
/* A log is one partition's directory: segments of record batches with their indexes, the leader
 * epochs, the producers. It belongs to one loop; only the flusher of that loop works for it
 * elsewhere. Three positions always hold log start <= durable end <= end (written) <= staged end,
 * and what is below the durable end survives a power cut. The high watermark is the partition's;
 * the log keeps a copy for checkpoints, retention and reading. Offsets are 64-bit and never reused
 * below the durable end, except after log_truncate(). Calls return 0 or -errno; after -EIO the
 * directory is retired (flusher_is_failed). */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/uuid.h"
#include "wire/batch.h"

struct arena;
struct buffer;
struct epochs;
struct file;
struct flusher;
struct log;
struct producers;
struct task;

struct log_settings {
    int64_t segment_bytes;
    int64_t segment_ms;
    int64_t segment_jitter_ms; /* upper bound of what each segment takes off segment_ms */
    int32_t index_bytes;       /* most bytes of an index: a full one rolls the segment */
    int32_t index_interval_bytes;
    int64_t retention_ms;    /* -1: for ever; also when `deletes` is false */
    int64_t retention_bytes; /* -1: no bound */
    bool deletes;            /* cleanup.policy contains delete */
    bool compacts;           /* cleanup.policy contains compact: offsets may have gaps */
    double min_cleanable_ratio;
    int64_t min_compaction_lag_ms, max_compaction_lag_ms;
    int64_t delete_retention_ms; /* of tombstones and markers */
    int32_t max_message_bytes;
    int64_t flush_messages;
    int64_t flush_ms;
    int64_t file_delete_delay_ms;
    int64_t producer_expiry_ms;
    bool page_cache; /* ack.durability=page-cache: flushed at roll and by flush.* only */
};
void log_settings_defaults(struct log_settings *settings); /* Kafka's */

/* Where a log is and what the checkpoints of its directory say; log_dir_places() finds them. */
struct log_place {
    char *path;  /* the directory, owned */
    char *topic; /* owned */
    int32_t partition;
    struct uuid topic_id; /* zero: partition.metadata is missing */
    int64_t
        recovery_point; /* 0: none yet; -1: its file was lost, so anything may have been durable */
    int64_t log_start;  /* 0 when unknown */
    int64_t high_watermark; /* 0 when unknown */
    int64_t clean_end;      /* below it the log was compacted; -1: it never was */
    bool clean;             /* the directory was stopped cleanly: nothing to recover */
    bool stopped;           /* the same, also for __cluster_metadata, which is always checked */
    bool is_listed; /* in all checkpoint files; __cluster_metadata has a recovery point only */
    bool is_future; /* the goal of a move that is not finished */
    bool is_aside;  /* has another name since the start: nobody finds it any more */
};

/* ---- Life. Blocking; at start, or for a new (empty) directory cheap enough for a shard. ---- */

/* Opens what is there, recovering when the place is not clean: the tail above the recovery point is
 * scanned and cut where it ends. Damage below it, after a clean stop, or before good batches when
 * the point is not known, is -EUCLEAN, reported, and nothing is cut (the partition is offline).
 * Copies *settings; place is borrowed. */
int log_open(struct flusher *flusher, const struct log_place *place,
    const struct log_settings *settings, struct log **out_log);
/* The same for a log of that topic. Where the place has no id, since a power cut took its partition.metadata, that is
 * written first, durably: until then the directory would be taken for that of any topic of its name. On a full disk
 * the log stays without. */
int log_open_for(struct flusher *flusher, const struct log_place *place, struct uuid topic_id,
    const struct log_settings *settings, struct log **out_log);
/* A new partition in directory_path: makes the directory and partition.metadata (not for a zero
 * id), then opens it. */
int log_create(struct flusher *flusher, const char *directory_path, const char *topic,
    int32_t partition, struct uuid topic_id, const struct log_settings *settings,
    struct log **out_log);
/* A future log: the copy of a partition that grows in another log directory while it moves there
 * (KIP-113). Its directory is named TOPIC-N.ID-future until log_replace() has given it its final
 * name. A future log that is given up is closed or deleted like any other. */
int log_create_future(struct flusher *flusher, const char *directory_path, const char *topic,
    int32_t partition, struct uuid topic_id, const struct log_settings *settings,
    struct log **out_log);
/* The future log takes the place of the current one, with its producers, and all of it that
 * somebody was promised must be durable; nothing may be staged. Closes the current log, of whose
 * directory the files are removed later. At any moment one of them, or both, have a name that a
 * start understands. The names follow in the background: a start finishes what is left. -EAGAIN:
 * the current log has itself taken over just now. */
int log_replace(struct log *current, struct log *future);
/* Before that, when both end at the same offset: the future log learns of the producers of the current
 * one, also of those whose batches are gone, and keeps that in a snapshot at *out_offset, soon (-1:
 * there are none). Nothing is staged. -EAGAIN: a moment later. */
int log_take_producers(struct log *future, const struct log *current, int64_t *out_offset);
int64_t log_snapshot_offset(const struct log *log); /* of its newest durable one of the producers; -1 */
/* Frees; NULL does nothing. What is not flushed stays so, and no checkpoint file speaks of the log any more: flusher_stop()
 * comes first, unless the directory failed. */
void log_close(struct log *log);
/* Renames the directory to …-delete, closes the log and removes the files later, on a worker. */
int log_delete(struct log *log);
/* The same for what the flusher's directory had of a partition at the start, its future log as well, when
 * no log of it is open: one is damaged, or lies in another directory, which failed. A new log of that name
 * may then be made. */
void log_delete_unopened(
    struct flusher *flusher, const char *topic, int32_t partition, struct uuid topic_id);
void log_set_settings(struct log *log, const struct log_settings *settings);
const struct log_settings *log_settings(const struct log *log);
/* Enqueued on the loop when the durable end moved; NULL for none. */
void log_set_durable_task(struct log *log, struct task *task);

/* Compaction leaves the log alone while it is held: what was copied from it must go on agreeing with
 * what is copied later. Not held at first. */
void log_hold(struct log *log, bool hold);
/* False: a compaction that began before it was held is still giving segments their names. */
bool log_is_settled(const struct log *log);
/* Below it the log was compacted; -1: it never was. A copy of the log is told the same. */
int64_t log_clean_end(const struct log *log);
void log_set_clean_end(struct log *log, int64_t offset);

/* ---- Appending. Stage within the pass, write once in FINISH_WRITE. ---- */

/* Gives the whole batch at `batch` (inside buffer, validated, header parsed) its offset and leader
 * epoch in place, keeps a reference to buffer, and takes it into the producers' state. `wall_ms`
 * decides about rolling by time. */
void log_stage(struct log *log, struct buffer *buffer, uint8_t *batch,
    const struct batch_header *header, int32_t leader_epoch, int64_t wall_ms,
    int64_t *out_base_offset);
/* Writes all that is staged. On -errno everything at or beyond log_end() was undone as if never
 * staged: batches of this group below it (there may be some, after a roll) are written. -ENOSPC:
 * keep reading, try again later. */
int log_write(struct log *log);
bool log_has_staged(const struct log *log);
/* The same for a follower: batches keep their offsets and epochs and must continue the log. -EINVAL
 * when they do not. */
int log_stage_copy(struct log *log, struct buffer *buffer, const uint8_t *batch,
    const struct batch_header *header);
/* Asks the flusher to make what is written durable; the durable task follows. */
void log_want_flush(struct log *log);

/* Notes that this node leads from here on in the epoch: it begins at the log's end, also before its
 * first record (KAFKA-7415). */
void log_lead(struct log *log, int32_t leader_epoch);

/* ---- Positions. ---- */
int64_t log_start(const struct log *log);
int64_t log_end(const struct log *log); /* written */
int64_t log_staged_end(const struct log *log);
int64_t log_durable_end(const struct log *log); /* as long as a start may find the log that this one
                                                   replaces, not beyond what is durable there */
int64_t log_size(struct log *log); /* bytes of all segments; may stat them the first time */
int64_t log_segment_base(const struct log *log, int64_t offset); /* of the segment that holds it */
uint32_t log_generation(const struct log *log); /* bumped when written offsets were taken away */
bool log_names_are_durable(const struct log *log); /* of its files, and its own */
struct flusher *log_flusher(const struct log *log);
const char *log_path(const struct log *log);
const char *log_topic(const struct log *log);
int32_t log_partition(const struct log *log);
struct uuid log_topic_id(const struct log *log);
int64_t log_high_watermark(const struct log *log);
void log_set_high_watermark(
    struct log *log, int64_t high_watermark); /* the partition's, for checkpoints and retention */
/* First offset of the oldest open transaction below the high watermark, else the high watermark. */
int64_t log_last_stable_offset(const struct log *log);
struct producers *log_producers(struct log *log);       /* storage/producers.h */
/* storage/epochs.h. May block the first time; NULL: they could not be read then, and the directory has failed. */
const struct epochs *log_epochs(struct log *log);

/* ---- Reading. ---- */

/* A range of one segment, from the first byte of the batch that holds the asked offset. The end may
 * cut a batch. */
struct log_slice {
    struct file *file; /* a reference, the receiver's; NULL when there is nothing at or above the
                          offset yet */
    int64_t position;
    int64_t size;
    int64_t first_offset; /* base offset of the first batch */
};
/* What lies at offset, below upper_offset (a batch boundary), at most max_bytes, but with
 * at_least_one the whole first batch. offset == upper gives an empty slice. -ERANGE: below the
 * start or above the end. With may_block false, -EAGAIN means that what must be looked at is not in
 * memory: *out_slice is then the range to warm (log_warm) before trying again. -EUCLEAN: damage, in
 * the segment that begins at out_slice->first_offset, at out_slice->position. */
int log_read(struct log *log, int64_t offset, int64_t upper_offset, int64_t max_bytes,
    bool at_least_one, bool may_block, struct log_slice *out_slice);
/* Its bytes, slice->size of them; how many came, or -errno. */
int64_t log_slice_read(struct log *log, const struct log_slice *slice, uint8_t *out_bytes);
void log_slice_release(struct log_slice *slice);
bool log_slice_is_cached(const struct log_slice *slice);

/* Reads the slice's range on a worker, so that the page cache holds it; then enqueues resume on the
 * loop. */
struct log_warm;
struct log_warm *log_warm_start(
    struct flusher *flusher, const struct log_slice *slice, struct task *resume);
void log_warm_destroy(struct log_warm *warm); /* also while it runs: then resume is not called */

/* Looks a time up, on a worker: the first record at or after it. */
struct log_search;
struct log_search_result {
    int status; /* 0 or -errno; -EUCLEAN: damage in that segment at that position */
    int64_t damaged_segment, damaged_position;
    bool found;
    int64_t offset, timestamp;
    int32_t leader_epoch;
};
struct log_search *log_search_start(struct log *log, int64_t timestamp, struct task *resume);
struct log_search *log_search_max_start(
    struct log *log, struct task *resume); /* the (first) record with the largest timestamp */
const struct log_search_result *log_search_result(
    const struct log_search *search); /* valid after resume */
void log_search_destroy(
    struct log_search *search); /* also while it runs: then resume is not called */

/* An offset at or above the end of a slice that was just read: that of the next index entry, else
 * where the segment ends. As coarse as Kafka's, so that both tell the same aborted transactions. */
int64_t log_offset_behind(const struct log *log, const struct log_slice *slice);
/* Aborted transactions that a read_committed fetch of [from, to) must know, in arena. */
struct log_aborted {
    int64_t producer_id, first_offset;
};
int log_aborted(struct log *log, int64_t from, int64_t to, struct arena *arena,
    struct log_aborted **out_list, int32_t *out_count);

/* ---- Changing. ---- */
int log_truncate(struct log *log,
    int64_t offset); /* everything at or above goes; blocking; nothing may be staged */
int log_restart(struct log *log,
    int64_t offset); /* drops everything and begins anew there (after a snapshot). -EAGAIN: not while
                        older segments are on their way out */
int log_set_start(
    struct log *log, int64_t offset); /* moves the start up; whole segments below it go. -ERANGE */
/* The same for a client, which must not see the records again after a crash: the start moves when
 * the checkpoint file that says so is durable, and the durable task follows. At most the durable
 * end. -ERANGE */
int log_delete_records(struct log *log, int64_t offset);
/* Whether the checkpoint file has no recovery point that is above the log's own; else that is on its way
 * there. What was cut or begun anew may not grow before: a start would believe new bytes to be durable. */
bool log_point_is_kept(struct log *log);
/* Applies retention, and takes off *left the segments that it opened or let go: at 0 there may be more.
 * The flusher also does, on its timer. */
int log_retain(struct log *log, int64_t wall_ms, int32_t *left);
