/* SPDX-License-Identifier: Apache-2.0 */
/* Walks the batches of a range of a file: a segment of the metadata log, or a snapshot. Holds one
 * batch at a time. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct decompressor;
struct file;

/* Control record types of the quorum. */
enum {
    CONTROL_LEADER_CHANGE = 2,
    CONTROL_SNAPSHOT_HEADER = 3,
    CONTROL_SNAPSHOT_FOOTER = 4,
    CONTROL_KRAFT_VERSION = 5,
    CONTROL_VOTERS = 6
};

struct batch_walk {
    struct decompressor *decompressor;
    /* False ends the walk with -EBADMSG. */
    bool (*record)(struct batch_walk *walk, int64_t offset, struct bytes value);
    bool (*control)(struct batch_walk *walk, int64_t offset, int16_t type, struct bytes value);
    int64_t from_offset;  /* records below are passed over */
    int64_t next_offset;  /* behind the last batch walked */
    int32_t epoch;        /* of the last batch walked */
    int64_t timestamp_ms; /* its largest */
    int64_t batch_bytes;  /* walked so far */
};

/* From the first byte of a batch. 0, -errno, or -EBADMSG: no batch, or damaged. A batch cut off by
 * the range's end stops the walk without an error: the caller compares next_offset with what it
 * expects. */
int batches_walk(struct file *file, int64_t position, int64_t size, struct batch_walk *walk);
