/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/segment.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "base/memory.h"
#include "io/file.h"
#include "storage/scan.h"

enum { TIMES_CHUNK = 8 * 1024 }; /* read at once */

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

void segment_note(struct segment *segment, int64_t base_offset)
{
    *segment = (struct segment){ .base_offset = base_offset,
        .size = -1,
        .max_timestamp = SEGMENT_TIME_UNKNOWN,
        .first_timestamp = SEGMENT_TIME_UNKNOWN };
}

void segment_begin(struct segment *segment, int64_t base_offset)
{
    *segment = (struct segment){ .base_offset = base_offset,
        .max_timestamp = -1,
        .first_timestamp = SEGMENT_TIME_UNKNOWN,
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

int segment_time_is_true(const struct segment *segment, int64_t timestamp, int64_t offset)
{
    const struct index *offsets = &segment->indexes[INDEX_OFFSET];
    struct batch_header header;
    struct scan scan;
    int64_t position = 0;
    int status;
    int32_t entry = index_find_offset(offsets, segment->base_offset, offset);
    if (entry >= 0)
        index_offset_at(offsets, entry, segment->base_offset, &position);
    scan_begin(&scan, segment->file, position, segment->size, TIMES_CHUNK);
    while ((status = scan_header(&scan, &header)) == 1 && batch_last_offset(&header) < offset)
        scan_skip(&scan, &header);
    scan_end(&scan);
    if (status < 0 && status != -EBADMSG)
        return status;
    return status == 1 && header.base_offset <= offset && header.max_timestamp == timestamp;
}

/* Takes the newest time from the batches. Behind damage nothing can tell, so there it is as new as can be. */
static int walk_times(struct segment *segment)
{
    struct batch_header header;
    struct scan scan;
    int status;
    segment->max_timestamp = -1;
    segment->max_timestamp_offset = segment->base_offset;
    scan_begin(&scan, segment->file, 0, segment->size, TIMES_CHUNK);
    while ((status = scan_header(&scan, &header)) == 1) {
        if (header.max_timestamp > segment->max_timestamp) {
            segment->max_timestamp = header.max_timestamp;
            segment->max_timestamp_offset = batch_last_offset(&header);
        }
        scan_skip(&scan, &header);
    }
    scan_end(&scan);
    if (status == -EBADMSG)
        segment->max_timestamp = INT64_MAX;
    return status == -EBADMSG ? 0 : status;
}

/* The last entry of the time index says it, and has no checksum: its batch must say the same. */
static int find_times(struct segment *segment, struct io *io, const char *path)
{
    int64_t offset, size = segment_size(segment, io, path);
    int status = size < 0 ? (int)size : segment_open(segment, io, path);
    if (status == 0)
        status = segment_load(segment, io, path);
    if (status < 0)
        return status;
    const struct index *times = &segment->indexes[INDEX_TIME];
    if (times->count > 0 && !times->cut) {
        int64_t timestamp = index_time_at(times, times->count - 1, segment->base_offset, &offset);
        status = segment_time_is_true(segment, timestamp, offset);
        if (status == 1) {
            segment->max_timestamp = timestamp;
            segment->max_timestamp_offset = offset;
        }
        if (status != 0)
            return status < 0 ? status : 0;
    }
    status = walk_times(segment);
    if (status < 0)
        segment->max_timestamp = SEGMENT_TIME_UNKNOWN;
    return status;
}

int segment_find_times(struct segment *segment, struct io *io, const char *path)
{
    if (segment->max_timestamp != SEGMENT_TIME_UNKNOWN)
        return 0;
    bool rests = segment->file == NULL && segment->indexes == NULL;
    int status = find_times(segment, io, path);
    if (rests)
        segment_deinit(segment);
    return status;
}

int segment_find_first_time(struct segment *segment, struct io *io, const char *path)
{
    struct batch_header header;
    if (segment->first_timestamp != SEGMENT_TIME_UNKNOWN)
        return 0;
    bool rests = segment->file == NULL;
    int64_t size = segment_size(segment, io, path);
    int status = size < 0 ? (int)size : segment_open(segment, io, path);
    if (status < 0)
        return status;
    status = segment_header(segment, 0, size, &header);
    if (status == 0)
        segment->first_timestamp = header.max_timestamp;
    else if (status == -ENODATA || status == -EBADMSG) /* empty, or damaged: then it has none */
        segment->first_timestamp = -1;
    if (rests) {
        file_unref(segment->file);
        segment->file = NULL;
    }
    return segment->first_timestamp == SEGMENT_TIME_UNKNOWN ? status : 0;
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
