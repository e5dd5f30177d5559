/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/compress_snappy.h"

#include <assert.h>
#include <errno.h>
#include <snappy-c.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"

enum { FRAME_HEADER_SIZE = 16, FRAME_MAGIC_SIZE = 8, BLOCK_SIZE = 32 * 1024, BLOCK_KEPT = 1 << 20 };

static const uint8_t frame_header[FRAME_HEADER_SIZE] = { 0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0,
    0, 0, 1, 0, 0, 0, 1 };

void snappy_append(struct bytes in, struct buffer **out)
{
    memcpy(compress_room(out, FRAME_HEADER_SIZE), frame_header, FRAME_HEADER_SIZE);
    (*out)->size += FRAME_HEADER_SIZE;
    for (size_t done = 0; done < in.size; done += BLOCK_SIZE) {
        size_t piece = in.size - done < BLOCK_SIZE ? in.size - done : BLOCK_SIZE;
        size_t room = snappy_max_compressed_length(piece);
        uint8_t *at = compress_room(out, 4 + room);
        snappy_status status =
            snappy_compress((const char *)in.data + done, piece, (char *)at + 4, &room);
        assert(status == SNAPPY_OK);
        store_i32(at, (int32_t)room);
        (*out)->size += 4 + room;
    }
}

void snappy_begin(struct snappy_reader *reader, struct bytes in)
{
    if (reader->block_capacity > BLOCK_KEPT)
        snappy_deinit(reader);
    reader->rest = in;
    reader->framed =
        in.size >= FRAME_HEADER_SIZE && memcmp(in.data, frame_header, FRAME_MAGIC_SIZE) == 0;
    if (reader->framed) {
        reader->rest.data += FRAME_HEADER_SIZE;
        reader->rest.size -= FRAME_HEADER_SIZE;
    }
    reader->block_size = reader->block_used = 0;
}

/* A copy takes at least two bytes and yields at most 64, so no block holds more than 32 times its
 * size. */
static int decode_block(struct snappy_reader *reader, struct bytes block)
{
    size_t size = 0;
    if (snappy_uncompressed_length((const char *)block.data, block.size, &size) != SNAPPY_OK ||
        size / 32 > block.size)
        return -EBADMSG;
    if (size > reader->block_capacity) {
        memory_give(reader->block);
        reader->block = memory_take_raw(size);
        reader->block_capacity = size;
    }
    reader->block_used = 0;
    reader->block_size = 0;
    char nothing;
    char *target = reader->block == NULL ? &nothing : (char *)reader->block;
    if (snappy_uncompress((const char *)block.data, block.size, target, &size) != SNAPPY_OK)
        return -EBADMSG;
    reader->block_size = size;
    return 0;
}

static int next_block(struct snappy_reader *reader)
{
    struct bytes block = reader->rest;
    if (reader->framed) {
        if (block.size < 4 || load_i32(block.data) < 0 ||
            (size_t)load_i32(block.data) > block.size - 4)
            return -EBADMSG;
        block.size = (size_t)load_i32(block.data);
        block.data += 4;
    }
    reader->rest.size -= (size_t)(block.data + block.size - reader->rest.data);
    reader->rest.data = block.data + block.size;
    return decode_block(reader, block);
}

int64_t snappy_read(struct snappy_reader *reader, uint8_t *out, size_t size)
{
    while (reader->block_used == reader->block_size) {
        if (reader->rest.size == 0)
            return 0;
        int status = next_block(reader);
        if (status < 0)
            return status;
    }
    size_t piece = reader->block_size - reader->block_used;
    piece = piece < size ? piece : size;
    memcpy(out, reader->block + reader->block_used, piece);
    reader->block_used += piece;
    return (int64_t)piece;
}

void snappy_deinit(struct snappy_reader *reader)
{
    memory_give(reader->block);
    *reader = (struct snappy_reader){ 0 };
}
