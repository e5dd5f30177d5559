/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/segment.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "base/memory.h"
#include "io/file.h"

void path_in(char *out, const char *path, const char *name)
{
    int size = snprintf(out, SEGMENT_PATH_SIZE, "%s/%s", path, name);
    assert(size > 0 && size < SEGMENT_PATH_SIZE);
}

void segment_path(char *out, const char *path, int64_t base_offset, const char *suffix)
{
    int size =
        snprintf(out, SEGMENT_PATH_SIZE, "%s/%020lld%s", path, (long long)base_offset, suffix);
    assert(size > 0 && size < SEGMENT_PATH_SIZE);
}

void segment_begin(struct segment *segment, int64_t base_offset)
{
    *segment = (struct segment){ .base_offset = base_offset,
        .max_timestamp = -1,
        .max_timestamp_offset = base_offset,
        .is_new = true };
    segment->indexes = memory_take(INDEX_KIND_COUNT * sizeof(*segment->indexes));
    for (int kind = 0; kind < INDEX_KIND_COUNT; kind++)
        index_init(&segment->indexes[kind], (enum index_kind)kind);
    segment->indexes[INDEX_OFFSET].cut = segment->indexes[INDEX_TIME].cut =
        true; /* Kafka wants both files, also empty */
}

static void drop_indexes(struct segment *segment)
{
    if (segment->indexes == NULL)
        return;
    for (int kind = 0; kind < INDEX_KIND_COUNT; kind++)
        index_deinit(&segment->indexes[kind]);
    memory_give(segment->indexes);
    segment->indexes = NULL;
}

void segment_deinit(struct segment *segment)
{
    file_unref(segment->file);
    segment->file = NULL;
    drop_indexes(segment);
}

int segment_open(struct segment *segment, struct io *io, const char *path)
{
    char name[SEGMENT_PATH_SIZE];
    if (segment->file != NULL)
        return 0;
    segment_path(name, path, segment->base_offset, ".log");
    return file_open(io, name, segment->is_new ? FILE_CREATE : FILE_WRITE, &segment->file);
}

static int load_one(struct segment *segment, struct io *io, const char *path, enum index_kind kind)
{
    char name[SEGMENT_PATH_SIZE];
    segment_path(name, path, segment->base_offset, index_suffix[kind]);
    return index_load(&segment->indexes[kind], io, name);
}

int segment_load(struct segment *segment, struct io *io, const char *path)
{
    if (segment->indexes != NULL)
        return 0;
    segment->indexes = memory_take(INDEX_KIND_COUNT * sizeof(*segment->indexes));
    for (int kind = 0; kind < INDEX_KIND_COUNT; kind++)
        segment->indexes[kind].kind = (uint8_t)kind;
    int status = load_one(segment, io, path, INDEX_OFFSET);
    if (status == 0)
        status = load_one(segment, io, path, INDEX_TIME);
    if (status < 0)
        drop_indexes(segment);
    return status;
}

int segment_load_aborted(struct segment *segment, struct io *io, const char *path)
{
    int status = segment_load(segment, io, path);
    if (status < 0 || segment->indexes[INDEX_ABORTED].loaded)
        return status;
    return load_one(segment, io, path, INDEX_ABORTED);
}

bool segment_rest(struct segment *segment)
{
    if (segment->is_new)
        return segment->size == 0;
    for (int kind = 0; segment->indexes != NULL && kind < INDEX_KIND_COUNT; kind++)
        if (segment->indexes[kind].saved < segment->indexes[kind].count ||
            segment->indexes[kind].stale)
            return false;
    segment_deinit(segment);
    return true;
}

int64_t segment_size(struct segment *segment, struct io *io, const char *path)
{
    char name[SEGMENT_PATH_SIZE];
    if (segment->size >= 0)
        return segment->size;
    segment_path(name, path, segment->base_offset, ".log");
    int status = file_stat(io, name, &segment->size);
    return status < 0 ? status : segment->size;
}

int segment_find_times(struct segment *segment, struct io *io, const char *path)
{
    char name[SEGMENT_PATH_SIZE];
    uint8_t entry[INDEX_TIME_ENTRY];
    struct file *file;
    if (segment->max_timestamp != SEGMENT_TIME_UNKNOWN)
        return 0;
    segment_path(name, path, segment->base_offset, index_suffix[INDEX_TIME]);
    int status = file_open(io, name, FILE_READ, &file);
    if (status < 0 && status != -ENOENT)
        return status;
    int64_t timestamp = -1, offset = segment->base_offset;
    if (status == 0) {
        int64_t size = file_size(file) / INDEX_TIME_ENTRY * INDEX_TIME_ENTRY;
        int64_t got = size < INDEX_TIME_ENTRY
                          ? 0
                          : file_pread(file, entry, sizeof(entry), size - INDEX_TIME_ENTRY);
        file_unref(file);
        if (got < 0)
            return (int)got;
        if (got == INDEX_TIME_ENTRY) {
            timestamp = load_i64(entry);
            offset = segment->base_offset + load_i32(entry + 8);
        }
    }
    if (timestamp <= 0) { /* empty, or zeros behind the entries: look at all of them */
        status = segment_load(segment, io, path);
        if (status < 0)
            return status;
        const struct index *times = &segment->indexes[INDEX_TIME];
        timestamp = times->count == 0
                        ? -1
                        : index_time_at(times, times->count - 1, segment->base_offset, &offset);
    }
    segment->max_timestamp = timestamp;
    segment->max_timestamp_offset = offset;
    return 0;
}

int segment_header(
    const struct segment *segment, int64_t position, int64_t end, struct batch_header *out_header)
{
    uint8_t bytes[BATCH_HEADER_SIZE];
    assert(segment->file != NULL);
    if (position >= end)
        return -ENODATA;
    int64_t got = file_pread(segment->file, bytes, sizeof(bytes), position);
    if (got < 0)
        return (int)got;
    enum batch_status status =
        batch_parse_header(bytes, (size_t)got, (uint64_t)(end - position), out_header);
    return status == BATCH_OK ? 0 : -EBADMSG;
}
