/* SPDX-License-Identifier: Apache-2.0 */
/* The least that can be called a partition's log: appended batches go to a file, the last five
 * segments are kept. Files have no name, so nothing is left behind. Positions are found through a
 * sparse index and the batch headers behind it. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
    NULL_LOG_LARGEST = 32 << 20,
    NULL_LOG_SEGMENTS = 5,
    NULL_LOG_INDEX = NULL_LOG_LARGEST / 4096 + 1,
    NULL_LOG_QUEUE = 1024
};

struct null_segment {
    int descriptor;
    int64_t base_offset;
    int64_t size;
    int index_count;
    struct {
        int64_t offset;
        int64_t position;
    } index[NULL_LOG_INDEX];
};

struct null_log {
    const char *directory;
    int64_t segment_bytes;                            /* at most NULL_LOG_LARGEST */
    bool durable;                                     /* fdatasync before a write counts as done */
    struct null_segment *segments[NULL_LOG_SEGMENTS]; /* oldest first */
    int segment_count;
    int64_t staged_offset;  /* of the next batch to come */
    int64_t written_offset; /* below it all is in the file */
    struct iovec queue[NULL_LOG_QUEUE];
    int queued;
    int64_t queued_size;
};

struct null_range {
    int descriptor;
    int64_t position;
    int64_t size;
};

void null_log_init(
    struct null_log *log, const char *directory, int64_t segment_bytes, bool durable);
int64_t null_log_stage(struct null_log *log, uint8_t *batch,
    size_t size); /* the base offset; bytes stay until the write */
void null_log_write(struct null_log *log);

/* What a Fetch from offset gets; size 0 when there is nothing yet. */
struct null_range null_log_find(const struct null_log *log, int64_t offset, int64_t max_bytes);
