/* SPDX-License-Identifier: Apache-2.0 */
/* What a log must know when it is opened. After a clean stop only the batches behind the last index
 * entry are looked at. Otherwise everything from the recovery point on is checked (length, CRC,
 * offsets, epochs), indexed anew, and cut where it ends. What was durable once is not a torn tail,
 * and is -EUCLEAN: all that is below the recovery point; all of it after a clean stop; and, when
 * the recovery point is lost, what stands before a good batch (docs/decisions/0006). Only a future log
 * goes on with what is left: all of it stands in the log that it is to replace. */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/broken.h"
#include "base/memory.h"
#include "base/report.h"
#include "io/file.h"
#include "io/io.h"
#include "storage/flusher.h"
#include "storage/log_state.h"
#include "storage/scan.h"

/* How far the walk came. */
struct recovery {
    struct log *log;
    bool clean;
    int64_t check_from; /* from this offset on, whole batches are checked */
    int64_t expected; /* the next offset must not be below; nor above, unless the topic compacts */
    int32_t epoch;
};

/* ---- One segment. ---- */

/* Whether the last of so many entries of the time index tells what its batch does: mostly the one that was just looked at. */
static bool time_is_true(const struct segment *segment, int32_t count, const struct batch_header *looked_at)
{
    int64_t offset;
    if (count == 0)
        return true;
    int64_t timestamp = index_time_at(&segment->indexes[INDEX_TIME], count - 1, segment->base_offset, &offset);
    if (looked_at->base_offset <= offset && offset <= batch_last_offset(looked_at))
        return looked_at->max_timestamp == timestamp;
    return segment_time_is_true(segment, timestamp, offset) == 1;
}

/* Where to begin in the active (last) segment: behind entries that certainly stand below `from`. */
static int64_t trusted_position(struct recovery *recovery, struct segment *segment, int64_t size)
{
    struct index *offsets = &segment->indexes[INDEX_OFFSET], *times = &segment->indexes[INDEX_TIME];
    struct batch_header header;
    int64_t position = 0, last = -1, time_offset = -1;
    int32_t entry = index_find_offset(offsets, segment->base_offset, recovery->check_from - 1);
    if (entry >= 0)
        last = index_offset_at(offsets, entry, segment->base_offset, &position);
    bool good = entry >= 0 && !times->cut && segment_header(segment, position, size, &header) == 0 &&
                batch_last_offset(&header) == last;
    int32_t time_count = times->count;
    while (time_count > 0 && !recovery->clean) {
        index_time_at(times, time_count - 1, segment->base_offset, &time_offset);
        if (time_offset <= last)
            break;
        time_count--;
    }
    /* Both indexes get their entries together; a time index that ends early, or was cut when it was loaded, has lost some. */
    if (!good || (!recovery->clean && time_offset != last) || !time_is_true(segment, time_count, &header)) {
        index_cut(offsets, 0);
        index_cut(times, 0);
        return 0;
    }
    index_cut(offsets, broken(index_kept) ? offsets->count : entry + 1);
    index_cut(times, time_count);
    if (times->count > 0)
        segment->max_timestamp = index_time_at(
            times, times->count - 1, segment->base_offset, &segment->max_timestamp_offset);
    recovery->expected = header.base_offset;
    return position;
}

/* Offsets that are not there above the recovery point: what stood there never became durable, or was
 * lost; cleaning stays below. After a clean stop without a recovery point nothing can tell, so the
 * rest is kept; but nothing compacts the metadata log. */
static bool gaps_are_damage(const struct log *log)
{
    return !broken(recovery_hole) && !log->settings.compacts &&
           (!log->must_be_whole || !log->is_listed || log->place->recovery_point > 0);
}

/* No log puts a batch where an index cannot tell of it, nor ends at the last offset that there is. */
static bool has_a_place(
    const struct segment *segment, int64_t position, const struct batch_header *header)
{
    int64_t room = INT64_MAX - 1 - segment->base_offset;
    if (room > INT32_MAX)
        room = INT32_MAX;
    return position <= INT32_MAX &&
           header->base_offset - segment->base_offset <= room - header->last_offset_delta;
}

static bool batch_is_good(
    struct recovery *recovery, struct scan *scan, const struct batch_header *header, int *status)
{
    if (header->base_offset < recovery->expected || header->last_offset_delta < 0)
        return false;
    if (broken(recovery_cuts_all) && header->base_offset >= recovery->check_from)
        return false;
    if (!has_a_place(log_active(recovery->log), scan->position, header))
        return false;
    if (batch_next_offset(header) <= recovery->log->recovery_point &&
        (recovery->clean || header->base_offset < recovery->check_from))
        return true; /* it was durable, and says nothing that the recovery point does not */
    if (header->base_offset > recovery->expected && gaps_are_damage(recovery->log))
        return false; /* what stood between was lost, so this was never durable */
    if (header->leader_epoch >= 0 && header->leader_epoch < recovery->epoch)
        return false;
    const uint8_t *batch = scan_batch(scan, header, status);
    return batch != NULL && (broken(recovery_crc) || batch_crc_is_right(batch, header));
}

/* Walks the last segment from position, keeping its books. *out_end: behind the last good batch. */
static int walk(struct recovery *recovery, int64_t position, int64_t size, int64_t *out_end)
{
    struct log *log = recovery->log;
    struct segment *segment = log_active(log);
    struct batch_header header;
    struct scan scan;
    bool index_before, known = position > 0;
    int status = 0, found;
    scan_begin(&scan, segment->file, position, size, recovery->clean ? CLEAN_CHUNK : CHECK_CHUNK);
    while ((found = scan_header(&scan, &header)) == 1 &&
           batch_is_good(recovery, &scan, &header, &status) && status == 0) {
        int64_t entry_position = scan.position;
        log_tail_advance(&log->tail, &header, &log->settings, &index_before);
        log_account(log, &header, entry_position, index_before && !known);
        if (known) /* the batch of the last entry that was kept */
            log->tail.since_index = (int32_t)header.size;
        known = false;
        recovery->expected = batch_next_offset(&header);
        if (header.leader_epoch > recovery->epoch)
            recovery->epoch = header.leader_epoch;
        scan_skip(&scan, &header);
    }
    *out_end = scan.position;
    scan_end(&scan);
    if (found < 0 && found != -EBADMSG)
        return found;
    return status == -EBADMSG ? 0 : status;
}

/* A segment begins where the one before ended. Above the recovery point, where nothing was cleaned,
 * a later beginning says that the end of the one before was never flushed, though this one was
 * kept. */
static bool is_behind_a_hole(const struct recovery *recovery, const struct segment *segment)
{
    return !recovery->clean && gaps_are_damage(recovery->log) &&
           segment->base_offset > recovery->expected && segment->base_offset > recovery->check_from;
}

/* Opens the segment at the end of the array and brings its books in order. *out_cut: it ended
 * before its file did. */
static int recover_last(struct recovery *recovery, bool *out_cut)
{
    struct log *log = recovery->log;
    struct segment *segment = log_active(log);
    struct batch_header first;
    int64_t end;
    int64_t size = segment_size(segment, log->io, log->path);
    *out_cut = false;
    segment->max_timestamp = -1;
    segment->max_timestamp_offset = segment->base_offset;
    log_begin_tail(log, segment->base_offset);
    if (size == 0 && recovery->clean)
        return 0;
    int status = size < 0 ? (int)size : segment_open(segment, log->io, log->path);
    if (status == 0)
        status = segment_load(segment, log->io, log->path);
    if (status < 0)
        return status;
    for (int kind = 0; kind < INDEX_KIND_COUNT; kind++) {
        struct index *index = &segment->indexes[kind];
        index->stale |= index->cut && !index->is_made; /* also one that stays empty is to be made */
    }
    if (recovery->expected > segment->base_offset || is_behind_a_hole(recovery, segment)) {
        *out_cut = true;
        segment->size = 0;
        return 0;
    }
    recovery->expected = segment->base_offset;
    int64_t position = trusted_position(recovery, segment, size);
    log->tail.size = position;
    log->tail.end_offset = recovery->expected;
    log->tail.index_count = segment->indexes[INDEX_OFFSET].count;
    if (position > 0 && segment_header(segment, 0, size, &first) == 0)
        log->tail.first_timestamp = first.max_timestamp;
    status = walk(recovery, position, size, &end);
    log->tail.index_count = segment->indexes[INDEX_OFFSET].count;
    segment->size = end;
    *out_cut = end < size;
    log->tail.created_ms = io_wall_ms(log->io);
    assert(status < 0 || log->tail.size == end);
    return status;
}

/* ---- The chain of segments. ---- */

static int remove_files(struct log *log, int64_t base_offset)
{
    static const char *const suffixes[] = { ".log", ".index", ".timeindex", ".txnindex" };
    char path[SEGMENT_PATH_SIZE];
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        segment_path(path, log->path, base_offset, suffixes[i]);
        int status = file_unlink(log->io, path);
        if (status < 0 && status != -ENOENT)
            return status;
    }
    return 0;
}

/* The array was shortened to the segment under recovery; those behind go when it was cut, else they
 * come back. */
static int drop_behind(struct log *log, int32_t all)
{
    int status = 0;
    for (int32_t i = log->segment_count; i < all && status == 0; i++)
        status = remove_files(log, log->segments[i].base_offset);
    for (int32_t i = log->segment_count; i < all; i++)
        segment_deinit(&log->segments[i]);
    return status;
}

/* -EUCLEAN; of a future log 0: what is missing is copied again. */
static int refuse(struct log *log, int64_t offset, const char *cause)
{
    const struct segment *segment = log_active(log);
    if (log->place != NULL && log->place->is_future) {
        report_warn("future_log_cut", "log=%s offset=%lld recovery_point=%lld cause=\"%s\": copied again from there",
            log->path, (long long)offset, (long long)log->recovery_point, cause);
        return 0;
    }
    report_error("log_damaged",
        "file=%s/%020lld.log position=%lld offset=%lld recovery_point=%lld cause=\"%s\": nothing "
        "was "
        "cut away. Restore the file, or move the directory aside",
        log->path, (long long)segment->base_offset, (long long)segment->size, (long long)offset,
        (long long)log->recovery_point, cause);
    return -EUCLEAN;
}

/* Whether a good batch with offsets from `expected` on stands behind the damage, here or in a later
 * segment. 1, 0 or -errno. */
static int is_followed(const struct recovery *recovery, int32_t all)
{
    struct log *log = recovery->log;
    int found = 0;
    for (int32_t i = log->segment_count - 1; i < all && found == 0; i++) {
        struct segment *segment = &log->segments[i];
        struct batch_header header;
        struct scan scan;
        int64_t from = i < log->segment_count ? segment->size : 0;
        int status = segment_open(segment, log->io, log->path);
        if (status < 0)
            return status;
        scan_begin(&scan, segment->file, from, file_size(segment->file), CHECK_CHUNK);
        found = scan_find_batch(&scan, recovery->expected, &header);
        scan_end(&scan);
    }
    return found;
}

/* Whether what ends the log here may be a torn tail: 0, or -errno. */
static int judge_damage(const struct recovery *recovery, int32_t all)
{
    struct log *log = recovery->log;
    if (recovery->expected < log->recovery_point && !broken(damage_cut_away))
        return refuse(log, recovery->expected, "damage below the recovery point");
    if (log->must_be_whole)
        return refuse(log, recovery->expected, "damage after a clean stop");
    if (!log->point_unknown)
        return 0;
    int followed = is_followed(recovery, all);
    return followed == 1 ? refuse(log, recovery->expected,
                               "damage before good batches, and the recovery point is lost")
                         : followed;
}

static int cut_here(struct recovery *recovery, int32_t all)
{
    struct log *log = recovery->log;
    struct segment *segment = log_active(log);
    int status = judge_damage(recovery, all);
    if (status < 0)
        return status;
    int64_t size = file_size(segment->file);
    report_warn("log_cut",
        "log=%s file=%020lld.log position=%lld bytes=%lld segments_behind=%d offset=%lld: the torn "
        "end of an unclean stop, never confirmed",
        log->path, (long long)segment->base_offset, (long long)segment->size,
        (long long)(size < 0 ? 0 : size - segment->size), all - log->segment_count,
        (long long)recovery->expected);
    status = drop_behind(log, all);
    if (status == 0)
        status = file_truncate(segment->file, segment->size);
    if (status == 0 && !broken(cut_sync)) /* or a cut of power brings the damage back, below what is durable by then */
        status = file_sync(segment->file);
    return status;
}

/* Recovers segments [first, all): each is the last of the array while it is looked at. */
static int recover_segments(struct recovery *recovery, int32_t first, int32_t all)
{
    struct log *log = recovery->log;
    for (int32_t i = first; i < all; i++) {
        bool cut;
        log->segment_count = i + 1;
        int64_t before = recovery->expected;
        int status = recover_last(recovery, &cut);
        if (status == 0 && cut) {
            if (recovery->clean)
                return -EBADMSG; /* not so clean after all */
            status = cut_here(recovery, all);
            if (status == 0 && i > first && log_active(log)->size == 0 &&
                log_active(log)->base_offset != before) {
                status = remove_files(log, log_active(log)->base_offset);
                segment_deinit(log_active(log));
                log->segment_count--;
                recovery->expected = log->segments[i - 1].base_offset;
                recovery->epoch = -1;
                if (status == 0)
                    status = recover_last(recovery, &cut);
            }
            return status < 0 || broken(recovery_directory) ? status : directory_sync(log->io, log->path);
        }
        if (status < 0) {
            log->segment_count = all;
            return status;
        }
        if (i < all - 1) {
            struct segment *sealed = log_active(log);
            index_add_time(&sealed->indexes[INDEX_TIME], sealed->base_offset, sealed->max_timestamp,
                sealed->max_timestamp_offset);
        }
    }
    return 0;
}

/* ---- All of it. ---- */

/* Records are deleted up to the high watermark, which is durable, so the start is never beyond the
 * end; but a page-cache topic may lose its tail with the power. Its offsets are not given out
 * again. */
static int check_start(struct log *log)
{
    if (log->start <= log->tail.end_offset)
        return 0;
    if (!log->settings.page_cache || log->must_be_whole) {
        int status = refuse(log, log->tail.end_offset,
            "the log ends below its start in log-start-offset-checkpoint; without the line there "
            "it would begin at its first segment");
        if (status < 0)
            return status;
    }
    report_warn("log_start_beyond_end",
        "log=%s log_start=%lld log_end=%lld: its tail was lost. The log goes on at its start",
        log->path, (long long)log->start, (long long)log->tail.end_offset);
    segment_begin(log_push_segment(log), log->start);
    log_begin_tail(log, log->start);
    return 0;
}

static void settle(struct log *log, bool clean)
{
    int64_t end = log->tail.end_offset;
    if (log->start < log->segments[0].base_offset)
        log->start = log->segments[0].base_offset;
    if (log->recovery_point > end || clean)
        log->recovery_point = end;
    if (log->recovery_point < log->start)
        log->recovery_point = log->start;
    log->durable_end = end; /* log_dir_open() made durable what was there */
    if (log->high_watermark > end)
        log->high_watermark = end;
    if (log->high_watermark < log->start)
        log->high_watermark = log->start;
    epochs_truncate_from(&log->epochs, end);
    epochs_start_at(&log->epochs, log->start);
    log->sealed_size = log->segment_count == 1 ? 0 : -1;
}

int log_recover(struct log *log, bool clean)
{
    int32_t all = log->segment_count;
    struct recovery recovery = { .log = log, .clean = clean, .check_from = INT64_MAX, .epoch = -1 };
    int32_t first = all - 1;
    if (log_active(log)->is_new) {
        log_begin_tail(log, log->start);
        int status = log->recovery_point > log->start ? refuse(log, log->start, "its segments are gone") : 0;
        if (status == 0 && log->snapshot_offset >= 0)
            status = log_remove_snapshots(log, -1);
        if (status == 0)
            settle(log, clean);
        return status;
    }
    if (!clean) {
        if (log->recovery_point < log->segments[0].base_offset)
            log->recovery_point = log->segments[0].base_offset;
        /* The metadata log is small, and everything hangs on it: all of it is checked. */
        recovery.check_from = log->is_listed ? log->recovery_point : log->segments[0].base_offset;
        first = log_segment_at(log, recovery.check_from);
        if (first > 0 && log->segments[first].base_offset == recovery.check_from && !broken(seal_forgotten))
            first--; /* sealed after the checkpoint, maybe: then its indexes are not whole */
        /* The file may speak of a tail that is lost; what came in its place is asked below. */
        epochs_truncate_from(&log->epochs, recovery.check_from);
    }
    recovery.expected = log->segments[first].base_offset;
    int status = recover_segments(&recovery, first, all);
    if (status == -EBADMSG && clean) {
        log->segment_count = all;
        for (int32_t i = 0; i < all; i++)
            segment_deinit(&log->segments[i]);
        log_active(log)->size = -1;
        return log_recover(log, false);
    }
    if (status == 0 && log->tail.end_offset < log->recovery_point)
        status = refuse(log, log->tail.end_offset, "the log ends below its recovery point");
    if (status == 0)
        status = check_start(log);
    if (status == 0)
        status = log_recover_producers(log, clean);
    if (status < 0)
        return status;
    settle(log, clean);
    for (int32_t i = 0; i < log->segment_count; i++)
        log->is_awake = !segment_rest(&log->segments[i]) || log->is_awake;
    return 0;
}
