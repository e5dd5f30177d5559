/* SPDX-License-Identifier: Apache-2.0 */
/* A cleaning compacts one log, on a worker and without touching struct log. It learns the newest
 * offset of every key in [first_dirty, dirty_end), as far as its memory reaches; then it writes
 * each group of small segments anew, as BASE.log.cleaned with its indexes, durable under those
 * names, and stops after each for its owner to put it in its place. What it writes has the offsets,
 * epochs and timestamps that it read; the newest value of a key is always kept, and so is all of
 * what lies at or above clean_end().
 *
 *   clean_start() -> CLEAN_RUNNING -> CLEAN_GROUP -> clean_next() -> CLEAN_RUNNING ... CLEAN_OVER
 *   a failure, or clean_stop(): -> CLEAN_FAILED, CLEAN_STOPPED; the files of the last group are
 * gone
 *
 * Always: while it is CLEAN_RUNNING, its worker makes, writes and removes files below `path`, so
 * the directory must keep its name and only one cleaning may run in it; once `resume` was enqueued
 * it touches nothing. All calls are for the loop that started it. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "storage/index.h"

struct clean;
struct io;
struct loop;
struct task;

struct clean_segment {
    int64_t base_offset, size;
};

/* A producer that the log knows. The batch with its last data offset (-1: none but a marker is
 * known, then the marker of its epoch) is kept, empty when its records go: KAFKA-5490. */
struct clean_producer {
    int64_t id;
    int64_t last_offset;
    int16_t epoch;
};

struct clean_plan {
    struct io *io;
    struct loop *loop;
    struct task *resume; /* enqueued whenever the state is not CLEAN_RUNNING any longer */
    const char *path;    /* of the log's directory */
    /* The sealed segments below dirty_end, all of them from the log's first on, their indexes as
     * they stand in their files. */
    const struct clean_segment *segments;
    int32_t segment_count;
    int64_t first_dirty;    /* where the last cleaning ended, or the log's start */
    int64_t dirty_end;      /* base of the first segment that may not be cleaned; at most the last
                               stable offset */
    int64_t high_watermark; /* the batch that ends there is kept, empty when its records go */
    const struct clean_producer *producers; /* in order of id */
    int32_t producer_count;
    /* Those whose markers stand at or above dirty_end; of the others it reads .txnindex. */
    const struct aborted_entry *aborted;
    int32_t aborted_count;
    int64_t wall_ms, delete_retention_ms;
    int64_t max_segment_bytes;
    int32_t max_index_bytes, index_interval_bytes;
    int64_t max_batch_bytes; /* uncompressed: a larger one is left as it stands */
    int64_t map_bytes;       /* taken as it is needed */
    double map_load_factor;
    int64_t io_buffer_bytes;  /* of the two buffers together; at least one whole batch each */
    int64_t bytes_per_second; /* read and written; INT64_MAX: as fast as it can */
    /* Whether somebody waits for the disk now: then it works in small slices, and leaves the disk alone
     * for most of the time. NULL: nobody ever does. Asked on the loop. */
    bool (*is_in_the_way)(const void *context);
    const void *context;
};

/* What it needs of the plan is copied, but path must stay. */
struct clean *clean_start(const struct clean_plan *plan);
void clean_set_pace(struct clean *clean, int64_t bytes_per_second); /* for what it waits for, too */
void clean_destroy(struct clean *clean); /* not while CLEAN_RUNNING; NULL does nothing */

enum clean_state { CLEAN_RUNNING, CLEAN_GROUP, CLEAN_OVER, CLEAN_FAILED, CLEAN_STOPPED };
enum clean_state clean_state(const struct clean *clean);

/* CLEAN_GROUP: the segments [first_segment, first_segment + segment_count) of the plan become one,
 * BASE.log.cleaned, BASE.index.cleaned, BASE.timeindex.cleaned and, with has_aborted,
 * BASE.txnindex.cleaned. All of them are durable, their names too. A size of 0 is possible. */
struct clean_group {
    int32_t first_segment, segment_count;
    int64_t base_offset, size;
    int64_t max_timestamp, max_timestamp_offset; /* as in struct segment */
    bool has_aborted;
};
const struct clean_group *clean_group(const struct clean *clean);
void clean_next(struct clean *clean);

/* While CLEAN_RUNNING or CLEAN_GROUP: ends it soon; `resume` comes when it is CLEAN_STOPPED, or
 * when it was over before. One that was on its way already finds it CLEAN_RUNNING, and comes again.
 */
void clean_stop(struct clean *clean);

/* CLEAN_FAILED: -EUCLEAN damage, the partition cannot be cleaned until it is mended; -EFBIG nor can
 * one that would outgrow a segment; -EIO the directory is failing; -ENOSPC and others: later. The reason is a sentence without its end; for
 * damage it names file and position. */
int clean_status(const struct clean *clean);
const char *clean_reason(const struct clean *clean);

/* CLEAN_GROUP and CLEAN_OVER: up to here all is clean once the groups are in their places. Less
 * than dirty_end when the map was full: the rest is for another cleaning. */
int64_t clean_end(const struct clean *clean);

struct clean_statistics {
    int64_t bytes_read, bytes_written;
    int64_t records_read, records_kept;
    int64_t records_without_key; /* dropped */
    int64_t batches_left;        /* over max_batch_bytes */
    int64_t next_horizon_ms;     /* when the first of the tombstones and markers that were kept may
                                    go; INT64_MAX: there are none */
};
const struct clean_statistics *clean_statistics(const struct clean *clean);
