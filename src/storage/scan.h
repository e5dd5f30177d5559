/* SPDX-License-Identifier: Apache-2.0 */
/* Walks the batches of a file range, one after the other, reading ahead in chunks. Blocking; for
 * recovery, and for workers. What it hands out points into its buffer and is valid until the next
 * call. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/batch.h"

struct file;

struct scan {
    struct file *file;     /* borrowed */
    int64_t position, end; /* of the next batch; of the range */
    uint8_t *data;
    size_t capacity, size, chunk;
    int64_t data_position;
};

void scan_begin(struct scan *scan, struct file *file, int64_t position, int64_t end, size_t chunk);
void scan_end(struct scan *scan);

/* The header at scan->position: 1, 0 at the end of the range, -EBADMSG when no whole batch stands
 * there, -errno. */
int scan_header(struct scan *scan, struct batch_header *out_header);
/* All bytes of the batch that scan_header() found; NULL with *status when they cannot be read. */
const uint8_t *scan_batch(struct scan *scan, const struct batch_header *header, int *status);
/* Moves on, byte by byte, to a whole batch with the right CRC and offsets from least_offset on. 1,
 * 0: none, or -errno. */
int scan_find_batch(struct scan *scan, int64_t least_offset, struct batch_header *out_header);
void scan_skip(struct scan *scan, const struct batch_header *header);
