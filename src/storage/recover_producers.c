/* SPDX-License-Identifier: Apache-2.0 */
/* What a log must know of its producers when it is opened: the newest snapshot that can be read,
 * and the batches behind it. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/broken.h"
#include "base/memory.h"
#include "base/report.h"
#include "io/file.h"
#include "io/io.h"
#include "storage/log_state.h"
#include "storage/scan.h"

enum { SNAPSHOT_LIMIT = 1 << 30 };

static int load_snapshot(struct log *log, int64_t offset)
{
    char path[SEGMENT_PATH_SIZE], *data;
    size_t size;
    segment_path(path, log->path, offset, ".snapshot");
    int status = file_load(log->io, path, SNAPSHOT_LIMIT, &data, &size);
    if (status < 0)
        return status;
    bool good = producers_load(&log->producers, (struct bytes){ (const uint8_t *)data, size });
    memory_give(data);
    return good ? 0 : -EBADMSG;
}

/* Of the snapshots up to a limit the newest, and whether there are any beyond it. */
struct newest_snapshot {
    int64_t limit, offset;
    bool has_beyond;
};

static int visit_snapshot(void *context, const char *name)
{
    struct newest_snapshot *newest = context;
    int64_t offset;
    if (strspn(name, "0123456789") != 20 || strcmp(name + 20, ".snapshot") != 0 ||
        !str_to_int64((struct str){ name, 20 }, &offset))
        return 0;
    if (offset > newest->limit)
        newest->has_beyond = true;
    else if (offset > newest->offset)
        newest->offset = offset;
    return 0;
}

/* The newest readable snapshot at or below the end; those beyond speak of what was cut. */
static int find_snapshot(struct log *log, bool *out_damaged, bool *out_beyond)
{
    if (log->snapshot_offset > log->tail.end_offset && !broken(snapshot_beyond_end)) {
        struct newest_snapshot newest = { .limit = log->tail.end_offset, .offset = -1 };
        int status = directory_list(log->io, log->path, visit_snapshot, &newest);
        if (status < 0)
            return status;
        log->snapshot_offset = newest.offset;
        *out_beyond = newest.has_beyond;
    }
    while (log->snapshot_offset >= 0) {
        int status = load_snapshot(log, log->snapshot_offset);
        if (status != -EBADMSG)
            return status;
        *out_damaged = true;
        report_warn("producers_rebuilt",
            "file=%s/%020lld.snapshot reason=\"it is damaged\": the producers are taken from the one "
            "before it, or from all batches",
            log->path, (long long)log->snapshot_offset);
        struct newest_snapshot newest = { .limit = log->snapshot_offset - 1, .offset = -1 };
        status = directory_list(log->io, log->path, visit_snapshot, &newest);
        if (status < 0)
            return status;
        log->snapshot_offset = newest.offset;
    }
    return 0;
}

int log_remove_snapshots(struct log *log, int64_t beyond)
{
    char path[SEGMENT_PATH_SIZE];
    struct newest_snapshot newest = { .limit = INT64_MAX, .offset = -1 };
    int status = directory_list(log->io, log->path, visit_snapshot, &newest);
    while (status == 0 && newest.offset > beyond) {
        segment_path(path, log->path, newest.offset, ".snapshot");
        status = file_unlink(log->io, path);
        newest = (struct newest_snapshot){ .limit = newest.offset - 1, .offset = -1 };
        if (status == 0)
            status = directory_list(log->io, log->path, visit_snapshot, &newest);
    }
    if (log->snapshot_offset > beyond)
        log->snapshot_offset = -1;
    return status < 0 ? status : directory_sync(log->io, log->path);
}

/* They are gone for good before the log grows to where they stand. The last one that says that there were producers is not removed
 * before another does. */
static int remove_beyond(struct log *log)
{
    char path[SEGMENT_PATH_SIZE];
    int status = 0;
    if (log->snapshot_offset < 0) {
        uint8_t *data;
        size_t size;
        log->snapshot_offset = log->tail.end_offset;
        log_take_snapshot(log, &data, &size);
        segment_path(path, log->path, log->snapshot_offset, ".snapshot");
        status = file_replace(log->io, path, data, size);
        memory_give(data);
    }
    return status < 0 ? status : log_remove_snapshots(log, log->tail.end_offset);
}

static int replay_batch(
    struct log *log, struct segment *segment, struct scan *scan, const struct batch_header *header)
{
    struct producer before;
    const uint8_t *batch = NULL;
    int status = 0;
    int32_t coordinator_epoch;
    if (batch_is_control(header)) {
        batch = scan_batch(scan, header, &status);
        if (batch == NULL)
            return status;
    }
    producers_take(&log->producers, header, batch, &before);
    if (batch == NULL || before.id < 0 || before.batch_count < 0 || before.transaction_start < 0 ||
        producers_marker(header, batch, &coordinator_epoch) != MARKER_ABORT)
        return 0;
    int64_t open = producers_first_open(&log->producers);
    struct aborted_entry aborted = { header->producer_id, before.transaction_start,
        header->base_offset, open >= 0 ? open : header->base_offset + 1 };
    index_add_aborted(&segment->indexes[INDEX_ABORTED], &aborted);
    return 0;
}

static int replay_segment(struct log *log, struct segment *segment, int64_t from, bool clean)
{
    struct batch_header header;
    struct scan scan;
    int64_t position = 0;
    int64_t size = segment_size(segment, log->io, log->path);
    int status = size < 0 ? (int)size : segment_open(segment, log->io, log->path);
    if (status == 0)
        status = segment_load_aborted(segment, log->io, log->path);
    if (status < 0)
        return status;
    struct index *aborted = &segment->indexes[INDEX_ABORTED];
    int32_t kept = 0;
    while (kept < aborted->count && index_aborted_at(aborted, kept).last_offset < from)
        kept++;
    index_cut(aborted, kept);
    int32_t entry =
        index_find_offset(&segment->indexes[INDEX_OFFSET], segment->base_offset, from - 1);
    if (entry >= 0) {
        int64_t last = index_offset_at(
            &segment->indexes[INDEX_OFFSET], entry, segment->base_offset, &position);
        if (segment_header(segment, position, size, &header) < 0 ||
            batch_last_offset(&header) != last)
            position = 0; /* the index lies */
    }
    scan_begin(&scan, segment->file, position, size, clean ? CLEAN_CHUNK : CHECK_CHUNK);
    while (status == 0 && (status = scan_header(&scan, &header)) == 1) {
        status = header.base_offset >= from ? replay_batch(log, segment, &scan, &header) : 0;
        scan_skip(&scan, &header);
    }
    scan_end(&scan);
    return status == -EBADMSG ? 0 : status;
}

static int replay(struct log *log, int64_t from, bool clean)
{
    int status = 0;
    int32_t first = log_segment_at(log, from);
    assert(log->roll_snapshot == NULL); /* it is opened, or a truncation has forgotten it */
    if (!clean && first > 0 && log->segments[first].base_offset == from)
        first--; /* was the end of the one before cut there, and then sealed, so is its index of aborted ones */
    for (int32_t i = first; i < log->segment_count && status == 0; i++) {
        struct segment *segment = &log->segments[i];
        if (segment == log_active(log) && segment->base_offset > from)
            log_take_snapshot(log, &log->roll_snapshot, &log->roll_snapshot_size);
        if (!segment->is_new)
            status = replay_segment(log, segment, from, clean);
    }
    return status;
}

/* Without a snapshot there was no producer at the recovery point, unless that only follows the log's
 * start: then what stands below it tells. After a clean stop there is none at all. One that is damaged
 * or beyond the end says that there were some, and had taken the place of those before it. Where the
 * active segment begins there is a snapshot, as when it was begun: the recovery point of a page-cache
 * log moves there. */
int log_recover_producers(struct log *log, bool clean)
{
    bool damaged = false, beyond = false;
    int status = broken(producer_snapshot) ? 0 : find_snapshot(log, &damaged, &beyond);
    int64_t from = log->snapshot_offset;
    if (from < 0 && !damaged && !beyond)
        from = clean                               ? log->tail.end_offset
               : log->recovery_point <= log->start ? log->segments[0].base_offset
                                                   : log->recovery_point;
    if (from < log->segments[0].base_offset)
        from = log->segments[0].base_offset;
    if (status == 0 && (from < log->tail.end_offset || !clean)) /* the index of aborted ones may tell of what was lost behind the end */
        status = replay(log, from, clean);
    return status < 0 || !beyond ? status : remove_beyond(log);
}
