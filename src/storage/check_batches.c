/* SPDX-License-Identifier: Apache-2.0 */
/* The walk along the batches of a file. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/buffer.h"
#include "io/file.h"
#include "storage/check_parts.h"
#include "storage/scan.h"
#include "wire/record.h"

enum { WALK_CHUNK = 1 << 20, RECORDS_LIMIT = 1 << 30, PROGRESS_BYTES = 4 << 20 };

static const char refused[] =
    "a node takes the partition offline, when it starts or when a reader comes there";
static const char restore[] =
    "restore the file, or move the partition's directory aside and let another replica fill it";

/* What is wrong with the records inside a batch; NULL: nothing. */
static const char *find_fault(
    struct check *check, const uint8_t *bytes, const struct batch_header *header)
{
    struct bytes records;
    struct buffer *owner;
    struct record_reader reader;
    struct record record;
    enum record_status status;
    int64_t before = header->base_offset - 1, last = batch_last_offset(header);
    const char *fault = NULL;
    if (header->record_count == 0) /* a cleaner keeps the frame, for the sake of its sequence */
        return header->size == BATCH_HEADER_SIZE ? NULL : "bytes behind the last record";
    if (batch_records(check->decompressor, bytes, header, RECORDS_LIMIT, &records, &owner) < 0)
        return "the records cannot be decompressed";
    records_begin(&reader, header, records);
    while (fault == NULL && (status = records_next(&reader, &record)) == RECORD_OK) {
        if (record.offset <= before || record.offset > last)
            fault = "the offsets of its records are out of order";
        before = record.offset;
    }
    if (fault == NULL && status == RECORD_CORRUPT)
        fault = "a record is malformed";
    buffer_unref(owner);
    return fault;
}

/* Whether a start would take it for the end of an unclean stop (docs/decisions/0006). */
static bool can_be_torn(const struct log_check *log)
{
    return !log->place.clean && log->end_offset >= log->place.recovery_point;
}

static int64_t bytes_behind(const struct log_check *log, int32_t segment_index)
{
    char path[SEGMENT_PATH_SIZE];
    int64_t sum = 0, size;
    for (int32_t i = segment_index + 1; i < log->base_count; i++) {
        segment_path(path, log->path, log->bases[i], ".log");
        sum += file_stat(log->check->io, path, &size) == 0 ? size : 0;
    }
    return sum;
}

static void say_torn(struct segment_check *segment, struct scan *scan, int32_t segment_index)
{
    struct log_check *log = segment->log;
    log->is_torn = true;
    check_say(log->check,
        &(struct finding){ FINDING_TORN, segment->path, scan->position,
            .follows = "the next start cuts them away: none of them was ever durable" },
        "a torn end: no whole batch stands at offset %" PRId64 ", and %" PRId64
        " bytes are there from here on",
        log->end_offset, scan->end - scan->position + bytes_behind(log, segment_index));
}

static void say_damage(struct segment_check *segment, int64_t position, const char *what)
{
    segment->log->has_hole = true;
    check_say(segment->log->check,
        &(struct finding){
            FINDING_DAMAGE, segment->path, position, .follows = refused, .remedy = restore },
        "%s, where offset %" PRId64 " was to come", what, segment->log->end_offset);
}

/* No whole batch with the right CRC stands at scan->position. 1: a later one does, and the scan is
 * there; 0: none; or -errno. */
static int pass_damage(
    struct segment_check *segment, struct scan *scan, int32_t segment_index, const char *what)
{
    struct log_check *log = segment->log;
    struct batch_header next;
    int64_t position = scan->position, end = scan->end;
    bool point_known = log->place.recovery_point >= 0;
    if (can_be_torn(log) && point_known) {
        say_torn(segment, scan, segment_index);
        return 0;
    }
    scan->position++;
    int found = scan_find_batch(scan, log->end_offset, &next);
    if (found == 0 && can_be_torn(log) && segment->next_base == INT64_MAX) {
        scan->position = position;
        say_torn(segment, scan, segment_index);
        return 0;
    }
    say_damage(segment, position, what);
    if (found == 0)
        scan->position = end;
    return found;
}

/* What of a batch can be judged by itself and by the one before. NULL: nothing is wrong. */
static const char *judge(const struct segment_check *segment, const struct checked_batch *batch)
{
    const struct log_check *log = segment->log;
    const struct batch_header *header = &batch->header;
    if (header->base_offset < log->end_offset || header->base_offset < segment->base_offset)
        return "the offsets go back";
    if (header->last_offset_delta < 0 || batch_last_offset(header) >= segment->next_base)
        return "the offsets of the batch reach into the next segment";
    if (header->leader_epoch < -1 ||
        (header->leader_epoch >= 0 && header->leader_epoch < log->epoch))
        return "the leader epoch goes back";
    return log->check->quick ? NULL : find_fault(log->check, batch->bytes, header);
}

/* What a cleaner took, or what was compacted before it came here, leaves gaps; the metadata log has
 * none. */
static void note_gap(struct segment_check *segment, const struct checked_batch *batch)
{
    struct log_check *log = segment->log;
    int64_t first = log->end_offset, next = batch->header.base_offset;
    if (first < 0 || next <= first)
        return;
    bool is_told = log->has_gaps || log->has_hole || next <= log->place.cleaned;
    log->has_gaps = true;
    if (log->is_metadata)
        check_say(log->check,
            &(struct finding){ FINDING_DAMAGE, segment->path, batch->position,
                .follows = "the node does not start", .remedy = "restore the metadata log" },
            "offsets %" PRId64 " to %" PRId64 " are missing", first, next - 1);
    else if (!is_told)
        check_say(log->check,
            &(struct finding){ FINDING_NOTE, segment->path, batch->position,
                .follows = "readers pass over them, as over what was compacted away" },
            "no batch holds offsets %" PRId64 " to %" PRId64
            ": fine where the topic is or was compacted, lost otherwise (the first gap of the log)",
            first, next - 1);
}

static int take_batch(struct segment_check *segment, const struct checked_batch *batch)
{
    struct log_check *log = segment->log;
    const char *fault = judge(segment, batch);
    if (fault != NULL) {
        say_damage(segment, batch->position, fault);
        if (batch->header.base_offset < log->end_offset)
            return 0;
    }
    note_gap(segment, batch);
    int status = check_producers_before(log, batch->header.base_offset);
    check_indexes_take(segment, batch);
    check_epochs_take(log, batch);
    check_producers_take(segment, batch);
    if (log->first_offset < 0)
        log->first_offset = batch->header.base_offset;
    log->end_offset = batch_next_offset(&batch->header);
    segment->last_offset = batch_last_offset(&batch->header);
    if (batch->header.leader_epoch > log->epoch)
        log->epoch = batch->header.leader_epoch;
    return status;
}

static void count_bytes(struct check *check, int64_t size)
{
    int64_t before = check->read_bytes / PROGRESS_BYTES;
    check->read_bytes += size;
    if (check->progressed != NULL && check->read_bytes / PROGRESS_BYTES != before)
        check->progressed(check);
}

/* The next batch that is whole. 1, 0 at the end or where the log is torn, or -errno. */
static int next_batch(struct segment_check *segment, struct scan *scan, int32_t segment_index,
    struct checked_batch *out_batch)
{
    int status = scan_header(scan, &out_batch->header);
    const char *what = "no batch begins here";
    out_batch->is_behind_damage = false;
    if (status == 1) {
        out_batch->bytes = scan_batch(scan, &out_batch->header, &status);
        if (out_batch->bytes != NULL && batch_crc_is_right(out_batch->bytes, &out_batch->header)) {
            out_batch->position = scan->position;
            return 1;
        }
        what = "the CRC of the batch is wrong";
        if (out_batch->bytes != NULL)
            status = -EBADMSG;
    }
    if (status != -EBADMSG && status != -EIO)
        return status;
    if (status == -EIO) {
        say_damage(segment, scan->position, "the disk cannot read it");
        return 0;
    }
    status = pass_damage(segment, scan, segment_index, what);
    if (status == 1)
        status = next_batch(segment, scan, segment_index, out_batch);
    out_batch->is_behind_damage = true;
    return status;
}

int check_segment(struct log_check *log, int32_t segment_index)
{
    struct segment_check segment = { .log = log,
        .base_offset = log->bases[segment_index],
        .next_base =
            segment_index + 1 < log->base_count ? log->bases[segment_index + 1] : INT64_MAX,
        .entry_end = -1,
        .max_timestamp = -1,
        .last_offset = log->bases[segment_index] - 1 };
    struct checked_batch batch;
    struct scan scan;
    struct file *file;
    segment_path(segment.path, log->path, segment.base_offset, ".log");
    int status = file_open(log->check->io, segment.path, FILE_READ, &file);
    if (status < 0)
        return status;
    int64_t size = file_size(file);
    status = size < 0 ? (int)size : check_indexes_load(&segment, size);
    scan_begin(&scan, file, 0, size < 0 ? 0 : size, WALK_CHUNK);
    while (status == 0 && (status = next_batch(&segment, &scan, segment_index, &batch)) == 1) {
        batch.offset_before = segment.last_offset;
        count_bytes(log->check, (int64_t)batch.header.size);
        scan_skip(&scan, &batch.header);
        status = take_batch(&segment, &batch);
    }
    if (status == 0 && !log->is_torn)
        check_indexes_end(&segment);
    for (int kind = 0; kind < INDEX_KIND_COUNT; kind++)
        index_deinit(&segment.indexes[kind]);
    scan_end(&scan);
    file_unref(file);
    return status;
}

/* ---- Snapshots of the metadata log. ---- */

enum { SNAPSHOT_HEADER = 3, SNAPSHOT_FOOTER = 4 };

static int16_t control_type(
    struct check *check, const uint8_t *bytes, const struct batch_header *header)
{
    struct bytes records;
    struct buffer *owner;
    struct record_reader reader;
    struct record record;
    int16_t type = -1;
    if (!batch_is_control(header) ||
        batch_records(check->decompressor, bytes, header, RECORDS_LIMIT, &records, &owner) < 0)
        return -1;
    records_begin(&reader, header, records);
    if (records_next(&reader, &record) == RECORD_OK && record.key.size >= 4)
        type = load_i16(record.key.data + 2);
    buffer_unref(owner);
    return type;
}

static const char *find_snapshot_fault(
    struct check *check, struct scan *scan, struct batch_header *header, int *status)
{
    const char *fault = NULL;
    int16_t type = -1;
    int64_t expected = 0;
    while (fault == NULL && (*status = scan_header(scan, header)) == 1) {
        const uint8_t *bytes = scan_batch(scan, header, status);
        if (bytes == NULL)
            break;
        if (!batch_crc_is_right(bytes, header))
            fault = "the CRC of the batch is wrong";
        else if (header->base_offset != expected)
            fault = "the offsets of the snapshot have a gap";
        else if (type == SNAPSHOT_FOOTER)
            fault = "a batch stands behind the footer";
        else
            fault = find_fault(check, bytes, header);
        type = fault == NULL ? control_type(check, bytes, header) : -1;
        if (fault == NULL && expected == 0 && type != SNAPSHOT_HEADER)
            fault = "it does not begin with a snapshot's header";
        expected = batch_next_offset(header);
        if (fault == NULL) {
            count_bytes(check, (int64_t)header->size);
            scan_skip(scan, header);
        }
    }
    if (fault == NULL && *status == -EBADMSG)
        fault = "no whole batch stands here";
    if (fault == NULL && *status == 0 && type != SNAPSHOT_FOOTER)
        fault = "it has no footer: it is not whole";
    return fault;
}

int check_metadata_snapshot(struct check *check, const char *path)
{
    struct batch_header header;
    struct scan scan;
    struct file *file;
    int status = file_open(check->io, path, FILE_READ, &file);
    if (status < 0)
        return status;
    int64_t size = file_size(file);
    scan_begin(&scan, file, 0, size < 0 ? 0 : size, WALK_CHUNK);
    const char *fault = find_snapshot_fault(check, &scan, &header, &status);
    if (fault != NULL) {
        check_say(check,
            &(struct finding){ FINDING_DAMAGE, path, scan.position,
                .follows = "a node that needs this snapshot does not start",
                .remedy = "restore it; where it is not the newest, it may be removed" },
            "%s", fault);
        status = 0;
    }
    scan_end(&scan);
    file_unref(file);
    return status;
}
