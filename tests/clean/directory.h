/* SPDX-License-Identifier: Apache-2.0 */
/* Cleans the directory of one partition that no server holds, all of it at once: what a server does
 * between its other work. For tests, and for measuring. */
#pragma once
#include "storage/clean.h"

struct io;
struct loop;

struct directory_wish {
    int64_t first_dirty;
    int64_t dirty_end; /* 0: base of the last segment, as of an active one */
    int64_t high_watermark;
    int64_t wall_ms, delete_retention_ms;
    int64_t max_segment_bytes, max_batch_bytes, map_bytes, bytes_per_second;
    bool (*is_in_the_way)(const void *context); /* NULL: never */
    int32_t index_interval_bytes;
    int64_t io_buffer_bytes;
    int64_t stop_after_us; /* it is asked to stop then; 0: not */
    int64_t pace_ends_after_us; /* it may go as fast as it can then; 0: not */
};
struct directory_wish directory_wish_defaults(void); /* Kafka's */

struct producers;
/* What the batches tell of the producers. */
void directory_producers(struct io *io, const char *path, struct producers *out_producers);

struct directory_outcome {
    int status; /* of the cleaning; the rest is for 0 */
    char reason[512];
    int64_t end; /* clean up to here */
    int32_t group_count;
    struct clean_statistics statistics;
};
/* run: turns the loop until it has ended; NULL: as a real one is turned. */
void directory_clean(struct io *io, const char *path, const struct directory_wish *wish,
    void (*run)(struct loop *loop), struct directory_outcome *out_outcome);

/* The base offsets of the segments in order; the caller gives the array back (memory_give). */
int32_t directory_segments(struct io *io, const char *path, int64_t **out_offsets);
