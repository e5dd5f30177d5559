/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/clean_reader.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "io/file.h"

void clean_reader_init(struct clean_reader *reader, size_t chunk)
{
    assert(chunk >= BATCH_HEADER_SIZE);
    *reader = (struct clean_reader){ .chunk = chunk };
}

void clean_reader_deinit(struct clean_reader *reader)
{
    clean_reader_close(reader);
    memory_give(reader->data);
    reader->data = NULL;
}

void clean_reader_open(struct clean_reader *reader, struct file *file, int64_t end)
{
    assert(reader->file == NULL);
    reader->file = file;
    reader->position = 0;
    reader->end = end;
    reader->begin = reader->size = 0;
}

void clean_reader_close(struct clean_reader *reader)
{
    file_unref(reader->file);
    reader->file = NULL;
}

int64_t clean_reader_fill(struct clean_reader *reader)
{
    size_t have = reader->size - reader->begin;
    size_t wanted = reader->chunk;
    int64_t left = reader->end - reader->position;
    if (have >= BATCH_HEADER_SIZE) { /* then the length was looked at, and the file is as long */
        int32_t length = load_i32(reader->data + reader->begin + BATCH_AT_LENGTH);
        if (wanted < (size_t)length + BATCH_PREFIX_SIZE)
            wanted = (size_t)length + BATCH_PREFIX_SIZE;
    }
    if ((int64_t)wanted > left)
        wanted = (size_t)left;
    assert(wanted > have);
    if (have > 0)
        memmove(reader->data, reader->data + reader->begin, have);
    if (wanted > reader->capacity) {
        reader->data = memory_resize(reader->data, wanted);
        reader->capacity = wanted;
    }
    reader->begin = 0;
    reader->size = have;
    int64_t got = file_pread(
        reader->file, reader->data + have, wanted - have, reader->position + (int64_t)have);
    if (got < 0)
        return got;
    reader->size += (size_t)got;
    if (got < (int64_t)(wanted - have))
        reader->end = reader->position + (int64_t)reader->size; /* the file is shorter by now */
    return got;
}

int clean_reader_next(
    struct clean_reader *reader, const uint8_t **out_batch, struct batch_header *out_header)
{
    int64_t left = reader->end - reader->position;
    size_t have = reader->size - reader->begin;
    if (left == 0)
        return -ENODATA;
    if (have < BATCH_HEADER_SIZE && (int64_t)have < left)
        return 0;
    const uint8_t *batch = reader->data + reader->begin;
    if (batch_parse_header(batch, have, (uint64_t)left, out_header) != BATCH_OK)
        return -EUCLEAN;
    if (out_header->size > have)
        return 0;
    *out_batch = batch;
    reader->begin += out_header->size;
    reader->position += (int64_t)out_header->size;
    return 1;
}
