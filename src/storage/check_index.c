/* SPDX-License-Identifier: Apache-2.0 */
/* The indexes of a segment against its batches: each entry is looked at when the walk comes to what
 * it speaks of. */
#include <errno.h>
#include <inttypes.h>

#include "io/file.h"
#include "storage/check_parts.h"

enum { REST_CHUNK = 64 * 1024 };

static const char *const consequence[INDEX_KIND_COUNT] = {
    "a reader that comes in by this entry may miss records",
    "searches by time and retention by time may be wrong",
    ("readers at read_committed may be given records of an aborted transaction, or refused good "
     "ones"),
};
static const char wrong_offset[] = "the entry's offset is not that of the batch to which it points";
static const char without_it[] = "with the node stopped, remove the file: Kafka makes it anew, and "
                                 "here its segment is read from "
                                 "its beginning";
static const char from_replica[] =
    "restore it, or move the partition's directory aside and let another replica fill it";

/* One entry that is wrong speaks for all of its index. */
static void say_entry(
    struct segment_check *segment, enum index_kind kind, int32_t entry, const char *what)
{
    char path[SEGMENT_PATH_SIZE];
    if (segment->told[kind])
        return;
    segment->told[kind] = true;
    segment_path(path, segment->log->path, segment->base_offset, index_suffix[kind]);
    check_say(segment->log->check,
        &(struct finding){ FINDING_DAMAGE, path, (int64_t)entry * index_entry_size[kind],
            .follows = consequence[kind],
            .remedy = kind == INDEX_ABORTED ? from_replica : without_it },
        "%s", what);
}

/* Behind the entries of an index Kafka keeps zeros, room for those to come. 0, the first byte that
 * is not zero, or -errno. */
static int64_t find_rest(struct io *io, const char *path, int64_t position)
{
    uint8_t chunk[REST_CHUNK];
    struct file *file;
    int status = file_open(io, path, FILE_READ, &file);
    if (status < 0)
        return status;
    int64_t got, found = 0;
    while (found == 0 && (got = file_pread(file, chunk, sizeof(chunk), position)) > 0) {
        for (int64_t i = 0; i < got && found == 0; i++)
            if (chunk[i] != 0)
                found = position + i;
        position += got;
    }
    file_unref(file);
    return found != 0 ? found : got < 0 ? got : 0;
}

/* An unclean stop left it; a start makes anew what the index lacks or has too much: also of a
 * segment that ends at the recovery point, which may have been sealed since, and of all the
 * metadata log. */
static bool is_made_anew(const struct segment_check *segment)
{
    const struct check_place *place = &segment->log->place;
    return !place->clean &&
           (segment->log->is_metadata ||
               (place->recovery_point >= 0 && segment->next_base >= place->recovery_point));
}

static int load_index(struct segment_check *segment, enum index_kind kind, int64_t segment_size)
{
    char path[SEGMENT_PATH_SIZE];
    struct io *io = segment->log->check->io;
    struct index *index = &segment->indexes[kind];
    segment_path(path, segment->log->path, segment->base_offset, index_suffix[kind]);
    index_init(index, kind);
    segment->told[kind] = segment->log->is_unsettled;
    if (segment->log->is_unsettled)
        return 0;
    int status = index_load(index, io, path);
    if (status < 0 || is_made_anew(segment))
        return status;
    if (!index->is_made) { /* the last segment's is made when it is written next; Kafka recovers the
                              segment */
        if (kind != INDEX_ABORTED && segment_size > 0 && segment->next_base != INT64_MAX)
            say_entry(segment, kind, 0, "the index is not there");
        return 0;
    }
    int64_t rest = find_rest(io, path, (int64_t)index->count * index_entry_size[kind]);
    if (rest > 0)
        say_entry(
            segment, kind, index->count, "no entry that may follow the one before stands here");
    return rest < 0 ? (int)rest : 0;
}

int check_indexes_load(struct segment_check *segment, int64_t segment_size)
{
    int status = 0;
    for (int kind = 0; kind < INDEX_KIND_COUNT && status == 0; kind++)
        status = load_index(segment, (enum index_kind)kind, segment_size);
    return status;
}

static void take_entry_end(struct segment_check *segment, int64_t last_offset)
{
    if (segment->entry_end >= 0 && last_offset > segment->entry_end)
        say_entry(segment, INDEX_OFFSET, segment->cursors[INDEX_OFFSET] - 1, wrong_offset);
    if (last_offset >= segment->entry_end)
        segment->entry_end = -1;
}

/* Whoever comes in by an entry must not pass over a batch that reaches its offset. That is the last
 * of the batch to which the entry points, or of a later one that was appended together with it, as
 * older Kafkas do. */
static void take_offset(struct segment_check *segment, const struct checked_batch *batch)
{
    const struct index *index = &segment->indexes[INDEX_OFFSET];
    int32_t *cursor = &segment->cursors[INDEX_OFFSET];
    int64_t last_offset = batch_last_offset(&batch->header), position;
    take_entry_end(segment, last_offset);
    for (; *cursor < index->count; (*cursor)++) {
        int64_t offset = index_offset_at(index, *cursor, segment->base_offset, &position);
        if (position > batch->position)
            return;
        if (position < batch->position && batch->is_behind_damage)
            continue;
        if (position < batch->position)
            say_entry(segment, INDEX_OFFSET, *cursor, "the entry points between two batches");
        else if (offset < last_offset)
            say_entry(segment, INDEX_OFFSET, *cursor, wrong_offset);
        else if (offset > last_offset)
            segment->entry_end = offset;
    }
}

/* An entry says when the newest record up to an offset was made: a time that the batch has, and
 * none before is newer. */
static void take_time(struct segment_check *segment, const struct checked_batch *batch)
{
    const struct index *index = &segment->indexes[INDEX_TIME];
    int32_t *cursor = &segment->cursors[INDEX_TIME];
    for (int64_t offset; *cursor < index->count; (*cursor)++) {
        int64_t timestamp = index_time_at(index, *cursor, segment->base_offset, &offset);
        if (offset > batch_last_offset(&batch->header))
            break;
        if (offset < batch->header.base_offset && batch->is_behind_damage)
            continue;
        if (timestamp < segment->max_timestamp)
            say_entry(segment, INDEX_TIME, *cursor, "a record before this entry is newer than it");
        else if (timestamp != batch->header.max_timestamp || offset <= batch->offset_before)
            say_entry(segment, INDEX_TIME, *cursor,
                "the batch of this entry's offset does not have its time");
    }
    if (batch->header.max_timestamp > segment->max_timestamp)
        segment->max_timestamp = batch->header.max_timestamp;
}

void check_indexes_take(struct segment_check *segment, const struct checked_batch *batch)
{
    take_offset(segment, batch);
    take_time(segment, batch);
}

/* Offsets of which this log does not know all that a writer knew: in its gaps, and before its
 * beginning. */
static bool may_be_older(const struct log_check *log, int64_t said, int64_t walked)
{
    return said < walked && (log->has_gaps || said < log->first_offset);
}

static void judge_aborted(struct segment_check *segment, const struct batch_header *header,
    int64_t transaction_start, int32_t entry)
{
    struct log_check *log = segment->log;
    struct aborted_entry aborted = index_aborted_at(&segment->indexes[INDEX_ABORTED], entry);
    int64_t open = producers_first_open(&log->producers);
    int64_t stable = open >= 0 ? open : header->base_offset + 1;
    if (aborted.producer_id != header->producer_id)
        say_entry(segment, INDEX_ABORTED, entry,
            "the entry names another producer than the abort marker does");
    else if (transaction_start >= 0 && aborted.first_offset != transaction_start &&
             !may_be_older(log, aborted.first_offset, transaction_start))
        say_entry(segment, INDEX_ABORTED, entry, "the entry's transaction began at another offset");
    else if (aborted.last_stable_offset != stable &&
             !may_be_older(log, aborted.last_stable_offset, stable))
        say_entry(segment, INDEX_ABORTED, entry, "the entry's last stable offset is another one");
}

static void pass_unmarked(struct segment_check *segment, int64_t offset)
{
    const struct index *index = &segment->indexes[INDEX_ABORTED];
    int32_t *cursor = &segment->cursors[INDEX_ABORTED];
    for (; *cursor < index->count && index_aborted_at(index, *cursor).last_offset < offset;
         (*cursor)++)
        say_entry(
            segment, INDEX_ABORTED, *cursor, "no abort marker stands at the entry's last offset");
}

void check_aborted(
    struct segment_check *segment, const struct batch_header *header, int64_t transaction_start)
{
    const struct index *index = &segment->indexes[INDEX_ABORTED];
    int32_t *cursor = &segment->cursors[INDEX_ABORTED];
    if (segment->log->has_hole)
        return;
    pass_unmarked(segment, header->base_offset);
    if (*cursor < index->count &&
        index_aborted_at(index, *cursor).last_offset == header->base_offset) {
        judge_aborted(segment, header, transaction_start, *cursor);
        (*cursor)++;
    } else if (transaction_start >= 0 && !is_made_anew(segment)) {
        say_entry(segment, INDEX_ABORTED, *cursor,
            "an entry is missing here, for a transaction that a marker of the segment aborts");
    }
}

void check_indexes_end(struct segment_check *segment)
{
    struct log_check *log = segment->log;
    const struct index *times = &segment->indexes[INDEX_TIME];
    bool is_sealed = segment->next_base != INT64_MAX;
    int64_t offset;
    if (log->has_hole || is_made_anew(segment))
        return;
    pass_unmarked(segment, INT64_MAX);
    take_entry_end(segment, INT64_MAX);
    if (segment->cursors[INDEX_OFFSET] < segment->indexes[INDEX_OFFSET].count)
        say_entry(segment, INDEX_OFFSET, segment->cursors[INDEX_OFFSET],
            "the entry points behind the last batch");
    if (segment->cursors[INDEX_TIME] < times->count)
        say_entry(segment, INDEX_TIME, segment->cursors[INDEX_TIME],
            "the entry speaks of an offset behind the last batch");
    else if (is_sealed && !log->is_metadata && segment->max_timestamp > 0 &&
             (times->count == 0 || index_time_at(times, times->count - 1, segment->base_offset,
                                       &offset) < segment->max_timestamp))
        say_entry(segment, INDEX_TIME, times->count,
            "the index ends before the newest record of its segment");
}
