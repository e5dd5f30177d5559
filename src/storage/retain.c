/* SPDX-License-Identifier: Apache-2.0 */
/* What takes data away: retention, a start that moves up, truncation, deletion. Files are renamed
 * first and removed later; readers hold their descriptors. Nothing here runs while the flusher
 * works with the log's files by name. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/broken.h"
#include "base/memory.h"
#include "base/report.h"
#include "base/status.h"
#include "io/file.h"
#include "io/io.h"
#include "storage/deletion.h"
#include "storage/flush.h"
#include "storage/flusher.h"
#include "storage/log_dir.h"
#include "storage/log_state.h"
#include "storage/scan.h"

int log_drop_segments(struct log *log, int32_t first, int32_t count)
{
    static const char *const suffixes[] = { ".log", ".index", ".timeindex", ".txnindex",
        ".snapshot" };
    char path[SEGMENT_PATH_SIZE];
    assert(!log_is_busy(log) && first >= 0 && first + count < log->segment_count);
    if (count == 0)
        return 0;
    /* A roll whose write failed leaves an active segment without a file: its name says where the log
     * goes on, and must be there before the last one goes. */
    int status = log_active(log)->is_new ? log_wake(log) : 0;
    if (status < 0)
        return status;
    struct deletion *deletion =
        deletion_create(log->flusher, log->settings.file_delete_delay_ms);
    for (int32_t i = first; i < first + count; i++) {
        for (size_t s = 0; s < sizeof(suffixes) / sizeof(suffixes[0]); s++) {
            segment_path(path, log->path, log->segments[i].base_offset, suffixes[s]);
            work_add_path(&deletion->work, WORK_RENAME, path);
            size_t size = strlen(path);
            snprintf(path + size, sizeof(path) - size, ".deleted");
            deletion->work.items[deletion->work.count - 1].target = memory_copy_text(path);
        }
        segment_deinit(&log->segments[i]);
    }
    deletion_start(deletion);
    log->segment_count -= count;
    memmove(log->segments + first, log->segments + first + count,
        (size_t)(log->segment_count - first) * sizeof(*log->segments));
    log->sealed_size = -1;
    return 0;
}

/* Up to the end of the segment all is durable, also its indexes, since a crash may bring it back; and its producers are in a snapshot. Else
 * a checkpoint is on its way. */
static bool is_checkpointed(struct log *log, int32_t place)
{
    int64_t end = log->segments[place + 1].base_offset;
    bool has_snapshot = end <= log->snapshot_offset || log->producers.count == 0; /* a start raises the recovery point, too */
    if (!log_keeps_segment(log, place))
        flush_note_dirty(log); /* as after a start, since when nothing was written */
    return end <= log->recovery_point && has_snapshot && log_keeps_segment(log, place);
}

/* Segments that lie wholly below the start. */
int log_drop_below_start(struct log *log, int32_t *left)
{
    int32_t count = 0;
    log->retention_missed = log_is_busy(log) || log->replacement != NULL; /* its directory gets another name */
    if (log->retention_missed)
        return 0;
    while (count + 1 < log->segment_count && *left > 0 &&
           log->segments[count + 1].base_offset <= log->start &&
           is_checkpointed(log, count)) {
        count++;
        --*left;
    }
    return log_drop_segments(log, 0, count);
}

static void move_start(struct log *log, int64_t offset)
{
    log->start = offset;
    if (log->durable_end < offset)
        log->durable_end = offset;
    if (log->recovery_point < offset)
        log->recovery_point = offset;
    if (log->high_watermark < offset)
        log->high_watermark = offset;
    epochs_start_at(&log->epochs, offset);
    flush_note_dirty(log);
}

int log_set_start(struct log *log, int64_t offset)
{
    if (offset > log->tail.end_offset)
        return -ERANGE;
    if (offset <= log->start)
        return 0;
    move_start(log, offset);
    sweep_note(log);
    return 0;
}

int log_delete_records(struct log *log, int64_t offset)
{
    if (offset > log->durable_end)
        return -ERANGE;
    if (offset <= log->start || offset <= log->start_wanted)
        return 0;
    log->start_wanted = offset;
    flush_note_start(log);
    flush_publish_starts(log->flusher);
    return 0;
}

void log_begin_at(struct log *log, int64_t offset)
{
    assert(offset <= log->durable_end);
    log->start = offset;
    epochs_start_at(&log->epochs, offset);
    flush_note_dirty(log);
    sweep_note(log);
}

/* Whether all of its records are older than retention.ms. A segment without a time, as one that a
 * cleaning emptied or whose file is missing, is as old as what follows it. */
static bool is_old(struct log *log, int32_t place, int64_t wall_ms, int32_t *left)
{
    for (int32_t i = place; i < log->segment_count && *left > 0; i++) {
        struct segment *segment = &log->segments[i];
        bool is_known = segment->max_timestamp != SEGMENT_TIME_UNKNOWN;
        int status = segment_find_times(segment, log->io, log->path);
        if (status < 0 && status != -ENOENT)
            return false;
        *left -= !is_known && status == 0; /* what is missing would be asked for again by each piece */
        if (segment->max_timestamp >= 0)
            return wall_ms - segment->max_timestamp >
                   log->settings.retention_ms / (broken(retention_early) ? 10 : 1);
    }
    return false;
}

/* 0: as far as it matters; -EAGAIN: another time; else a file does not tell its size, and counts for
 * nothing. */
static int know_sizes(struct log *log, int32_t *left)
{
    int trouble = 0;
    if (log->settings.retention_bytes < 0 || log->sealed_size >= 0)
        return 0;
    for (int32_t i = 0; i < log->segment_count - 1; i++) {
        if (log->segments[i].size >= 0)
            continue;
        if (*left == 0)
            return -EAGAIN;
        int64_t size = segment_size(&log->segments[i], log->io, log->path);
        *left -= size >= 0; /* one that fails would be asked for again by each piece */
        if (size == -EIO)
            return -EIO;
        if (size < 0)
            trouble = (int)size;
    }
    return trouble;
}

/* The oldest segments that retention lets go; the active one never, nothing at or above the high
 * watermark, and nothing whose producers are not in a snapshot yet. */
static int32_t count_expired(struct log *log, int64_t wall_ms, int32_t *left)
{
    const struct log_settings *settings = &log->settings;
    int64_t size = settings->retention_bytes >= 0 ? log_size(log) : 0;
    int32_t count = 0;
    while (count + 1 < log->segment_count && *left > 0 &&
           log->segments[count + 1].base_offset <= log->high_watermark &&
           (is_checkpointed(log, count) || broken(retention_undurable))) {
        struct segment *segment = &log->segments[count];
        int64_t own = segment->size < 0 ? 0 : segment->size;
        bool old = settings->retention_ms >= 0 && is_old(log, count, wall_ms, left), large = false;
        if (settings->retention_bytes >= 0) {
            int64_t rest = size - (broken(retention_too_much) ? 0 : own);
            large = rest >= settings->retention_bytes;
        }
        if (!old && !large)
            break;
        size -= own;
        count++;
        *left -= *left > 0;
    }
    return count;
}

int log_roll_at_end(struct log *log)
{
    int64_t end = log->tail.end_offset;
    int status = log_wake(log);
    if (status < 0)
        return status;
    memory_give(log->roll_snapshot);
    log_take_snapshot(log, &log->roll_snapshot, &log->roll_snapshot_size);
    if (log->tail.size > 0) {
        struct segment *active = log_active(log);
        index_add_time(&active->indexes[INDEX_TIME], active->base_offset, active->max_timestamp,
            active->max_timestamp_offset);
        log->sealed_size = -1;
        segment_begin(log_push_segment(log), end);
        log_begin_tail(log, end);
        if (log_wake(log) ==
            0) /* its name must be there before the old one's is gone: it says where the log ends */
            log_want_flush(log);
    }
    flush_note_roll(log);
    return 0;
}

/* As in Kafka, an active segment that is old as a whole is rolled, so that it can go; when nothing
 * is on its way. */
static void roll_if_expired(struct log *log, int64_t wall_ms, int32_t *left)
{
    struct segment *active = log_active(log);
    int64_t end = log->tail.end_offset;
    if (log->tail.size == 0 || log->staging != NULL || log->settings.retention_ms < 0 ||
        active->max_timestamp < 0 ||
        wall_ms - active->max_timestamp <= log->settings.retention_ms ||
        log->high_watermark < end || log->durable_end < end || *left == 0)
        return;
    *left -= *left < SWEEP_ROLL ? *left : SWEEP_ROLL;
    (void)log_roll_at_end(log);
}

int log_retain(struct log *log, int64_t wall_ms, int32_t *left)
{
    int status = log_drop_below_start(log, left);
    if (status < 0 || log->retention_missed || !log->settings.deletes)
        return status;
    int trouble = know_sizes(log, left);
    if (trouble == -EIO || trouble == -EAGAIN)
        return trouble == -EIO ? trouble : 0;
    int32_t count = count_expired(log, wall_ms, left);
    if (count == log->segment_count - 1)
        roll_if_expired(log, wall_ms, left); /* goes the next time, when the new segment is durable */
    if (count > 0) {
        move_start(log, log->segments[count].base_offset);
        status = log_drop_segments(log, 0, count);
    }
    return status < 0 || *left == 0 ? status : trouble; /* told when all that may go is gone */
}

/* ---- Truncation. ---- */

static int noted(struct log *log, int status)
{
    if (status == -EIO)
        flush_note_failure(log->flusher, status);
    return status;
}

static int unlink_segments(struct log *log, int32_t first)
{
    static const char *const suffixes[] = { ".log", ".index", ".timeindex", ".txnindex" };
    char path[SEGMENT_PATH_SIZE];
    for (int32_t i = log->segment_count - 1; i >= first; i--) {
        for (size_t s = 0; s < sizeof(suffixes) / sizeof(suffixes[0]); s++) {
            segment_path(path, log->path, log->segments[i].base_offset, suffixes[s]);
            int status = file_unlink(log->io, path);
            if (status < 0 && status != -ENOENT)
                return status;
        }
        segment_deinit(&log->segments[i]);
        log->segment_count = i;
    }
    return 0;
}

/* Cuts the last segment at the batch that holds offset, or the first behind it. */
static int cut_segment(struct log *log, int64_t offset)
{
    struct segment *segment = log_active(log);
    struct batch_header header;
    struct scan scan;
    int64_t size = segment_size(segment, log->io, log->path);
    int status = size < 0 ? (int)size : segment_open(segment, log->io, log->path);
    if (status < 0)
        return status;
    scan_begin(&scan, segment->file, 0, size, 64 * 1024);
    while ((status = scan_header(&scan, &header)) == 1 && batch_last_offset(&header) < offset)
        scan_skip(&scan, &header);
    segment->size = scan.position;
    scan_end(&scan);
    if (status < 0)
        return status;
    status = file_truncate(segment->file, segment->size);
    return status == 0 ? file_sync(segment->file) : status;
}

/* The producers where the last segment began: it goes, or they do. */
static void forget_roll(struct log *log)
{
    memory_give(log->roll_snapshot);
    log->roll_snapshot = NULL;
}

int log_truncate(struct log *log, int64_t offset)
{
    assert(log->staging == NULL);
    if (offset >= log->tail.end_offset)
        return 0;
    if (log_is_busy(log))
        return -EAGAIN;
    if (offset < log->segments[0].base_offset)
        return log_restart(log, offset);
    int32_t keep = log_segment_at(log, offset);
    int64_t durable_end = log->durable_end;
    log->generation++;
    log->start_wanted = log->start_mailed = 0;
    if (log->clean_end > offset)
        log->clean_end = offset;
    log_forget_boundaries(log);
    forget_roll(log);
    int status = unlink_segments(log, keep + 1);
    if (status == 0)
        status = directory_sync(log->io, log->path);
    if (status == 0)
        status = cut_segment(log, offset);
    if (status < 0)
        return noted(log, status);
    struct segment *last = log_active(log);
    int64_t base = last->base_offset;
    segment_deinit(last);
    segment_note(last, base);
    if (log->recovery_point > base)
        log->recovery_point =
            base; /* the cut may have taken a whole batch that begins below offset */
    log->snapshot_offset = INT64_MAX; /* look for those at or below the new end */
    producers_forget(&log->producers);
    epochs_truncate_from(&log->epochs, offset);
    status = log_recover(log, false);
    log->durable_end = durable_end < log->tail.end_offset ? durable_end : log->tail.end_offset;
    flush_note_awake(log);
    flush_note_dirty(log);
    flush_publish_soon(log->flusher);
    return noted(log, status);
}

int log_restart(struct log *log, int64_t offset)
{
    assert(log->staging == NULL);
    /* Old segments that a crash brings back would stand before the new one, with a hole between. */
    if (log_is_busy(log) || deletions_rename_below(log->flusher, log->path))
        return -EAGAIN;
    log->generation++;
    log->start_wanted = log->start_mailed = 0;
    log->clean_end = -1;
    log_forget_boundaries(log);
    forget_roll(log);
    int status = unlink_segments(log, 0);
    if (status < 0)
        return noted(log, status);
    segment_begin(log_push_segment(log), offset);
    log_begin_tail(log, offset);
    log->names_made++;
    log->sealed_size = 0;
    log->start = log->durable_end = log->recovery_point = log->high_watermark = offset;
    epochs_truncate_from(&log->epochs, 0);
    producers_forget(&log->producers);
    status = log_remove_snapshots(log, -1); /* or the log would grow to where they stand */
    if (status == 0)
        status = log_wake(log); /* the file's name says where the log begins */
    flush_note_dirty(log);
    return noted(log, status);
}

bool log_point_is_kept(struct log *log)
{
    bool is_kept = log->point_told <= log->recovery_point;
    if (!is_kept)
        flush_publish_soon(log->flusher);
    return is_kept;
}

/* ---- Deletion. ---- */

char *log_parting_path(
    struct io *io, const char *path, const char *topic, int32_t partition, const char *suffix)
{
    static const char digits[] = "0123456789abcdef";
    char name[64], hex[33];
    uint8_t random[16];
    io_random(io, random, sizeof(random));
    for (int i = 0; i < 32; i++)
        hex[i] = digits[(random[i / 2] >> (i % 2 == 0 ? 4 : 0)) & 15];
    hex[32] = 0;
    /* At most 255 bytes: the topic's part is cut. */
    int tail = snprintf(name, sizeof(name), "-%d.%s-%s", partition, hex, suffix);
    const char *parent_end = strrchr(path, '/');
    int parent = parent_end == NULL ? 0 : (int)(parent_end - path) + 1;
    char *target = memory_take((size_t)parent + 256);
    snprintf(
        target, (size_t)parent + 256, "%.*s%.*s%s", parent, path, 255 - tail, topic, name);
    return target;
}

/* Renamed at once, removed later. */
static int remove_directory(struct flusher *flusher, const char *path, const char *topic, int32_t partition, int64_t delay_ms)
{
    struct io *io = loop_io(flusher->loop);
    char *target = log_parting_path(io, path, topic, partition, "delete");
    int status = file_rename(io, path, target);
    if (status == 0) {
        deletions_follow(flusher, path, target); /* a new log may get the old name */
        struct deletion *deletion = deletion_create(flusher, delay_ms);
        work_add_path(&deletion->work, WORK_REMOVE_TREE, target);
        deletion_start(deletion);
    }
    memory_give(target);
    return status;
}

static void tell_of_directory(struct flusher *flusher, const char *path, int status)
{
    report_warn("delete_failed", "path=%s reason=\"%s\"", path, status_text(status));
    if (status == -EIO)
        flush_note_failure(flusher, status);
}

int log_delete(struct log *log)
{
    struct flusher *flusher = log->flusher;
    int status = remove_directory(flusher, log->path, log->topic, log->partition, log->settings.file_delete_delay_ms);
    if (status < 0)
        tell_of_directory(flusher, log->path, status);
    log_forget_replacement(log, status == 0);
    log_close(log);
    flush_publish_deleted(flusher);
    return status;
}

void log_delete_unopened(struct flusher *flusher, const char *topic, int32_t partition, struct uuid topic_id)
{
    const struct log_place *places[] = { log_dir_find(flusher->dir, topic, partition),
        log_dir_find_future(flusher->dir, topic, partition) };
    struct log_settings settings;
    log_settings_defaults(&settings);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && flusher->failure == 0; i++) {
        if (places[i] == NULL || !uuid_equal(places[i]->topic_id, topic_id))
            continue;
        int status = remove_directory(flusher, places[i]->path, topic, partition, settings.file_delete_delay_ms);
        if (status < 0 && status != -ENOENT) /* it was moved or deleted since the start */
            tell_of_directory(flusher, places[i]->path, status);
        flush_claim(flusher, places[i]);
    }
    flush_publish_deleted(flusher);
}
