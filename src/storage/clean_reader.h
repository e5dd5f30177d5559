/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the batches of segment files one after the other, for a worker that may read once a step:
 * reading and looking at what was read are separate calls. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "wire/batch.h"

struct file;

struct clean_reader {
    struct file *file;     /* owned; NULL: none is open */
    int64_t position, end; /* of the next batch; of what is read of the file */
    uint8_t *data;
    size_t capacity, begin, size; /* what was read and not looked at yet is [begin, size) */
    size_t chunk;
};

void clean_reader_init(struct clean_reader *reader, size_t chunk);
void clean_reader_deinit(struct clean_reader *reader);
/* Takes the reference; the batches of [0, end) are read. */
void clean_reader_open(struct clean_reader *reader, struct file *file, int64_t end);
void clean_reader_close(struct clean_reader *reader);

/* One read. The count of bytes, or -errno. */
int64_t clean_reader_fill(struct clean_reader *reader);
/* The batch at position, whole, valid until the next call: 1 and it is passed; 0: fill first;
 * -ENODATA at the end; -EUCLEAN no whole batch of format 2 stands here. */
int clean_reader_next(
    struct clean_reader *reader, const uint8_t **out_batch, struct batch_header *out_header);
