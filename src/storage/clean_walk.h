/* SPDX-License-Identifier: Apache-2.0 */
/* The records of one batch, some at a time, checked: whoever looks keys up asks for all of a window
 * before it needs the first. Can be begun again. */
#pragma once
#include "wire/record.h"

enum { CLEAN_WINDOW = 32 };

struct clean_walk {
    struct bytes records;
    struct buffer *owner; /* of the records, when they were compressed */
    struct record_reader reader;
    int64_t next_offset, end_offset;
    const char *reason; /* after -EUCLEAN */
    struct record window[CLEAN_WINDOW];
};

/* 0, -EUCLEAN, or -EMSGSIZE: it holds more than `limit` bytes. Close it then too. */
int clean_walk_open(struct clean_walk *walk, struct decompressor *decompressor,
    const uint8_t *batch, const struct batch_header *header, size_t limit);
void clean_walk_close(struct clean_walk *walk);

void clean_walk_begin(struct clean_walk *walk, const struct batch_header *header);
/* The next window: how many it holds, 0 behind the last record, or -EUCLEAN. */
int clean_walk_next(struct clean_walk *walk);
