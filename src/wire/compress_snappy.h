/* SPDX-License-Identifier: Apache-2.0 */
/* Snappy has no stream of its own. Java's clients wrap raw blocks in a frame (16 bytes of magic and
 * versions, then int32 length and block, again and again); others send one raw block. Only
 * compress.c and decompress.c use this. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct buffer;

/* One block is decoded at a time, into memory that is kept for the next. */
struct snappy_reader {
    struct bytes rest;
    int framed;
    uint8_t *block;
    size_t block_capacity;
    size_t block_size;
    size_t block_used;
};

uint8_t *compress_room(
    struct buffer **out, size_t size); /* at least size bytes behind the last one in use */
void snappy_append(struct bytes in, struct buffer **out); /* framed, 32 KiB of input a block */
void snappy_begin(struct snappy_reader *reader, struct bytes in);
int64_t snappy_read(
    struct snappy_reader *reader, uint8_t *out, size_t size); /* as decompressor_read() */
void snappy_deinit(struct snappy_reader *reader);
