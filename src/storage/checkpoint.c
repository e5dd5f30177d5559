/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "base/broken.h"
#include "base/memory.h"
#include "base/odd.h"
#include "io/file.h"
#include "io/io.h"
#include "storage/cache.h"
#include "storage/flush.h"
#include "storage/flusher.h"
#include "storage/log_dir.h"
#include "storage/log_dir_mail.h"
#include "storage/log_state.h"

/* From so many logs on, one sync of the whole file system is taken to be cheaper than one each. */
enum { SYNC_ALL_FROM = 32 };

/* ---- Building: which logs, and how far. ---- */

static struct flush_mark *mark_log(struct flush_run *run, struct log *log)
{
    assert(log->mark_index[run->is_checkpoint] < 0);
    if (run->mark_count == run->mark_capacity) {
        run->mark_capacity = run->mark_capacity == 0 ? 16 : run->mark_capacity * 2;
        run->marks = memory_resize(run->marks, (size_t)run->mark_capacity * sizeof(*run->marks));
    }
    log->mark_index[run->is_checkpoint] = run->mark_count;
    struct flush_mark *mark = &run->marks[run->mark_count++];
    *mark = (struct flush_mark){ .log = log,
        .generation = log->generation,
        .recovery_point = -1,
        .snapshot_offset = -1,
        .roll_offset = -1,
        .snapshot_before = -1 };
    mark->end = (struct log_boundary_mark){ log->durable_end, -1, 0 };
    return mark;
}

static void mark_whole(struct flush_mark *mark)
{
    const struct log *log = mark->log;
    mark->end =
        (struct log_boundary_mark){ log->tail.end_offset, log->tail.base_offset, log->tail.size };
    mark->written = log->written;
}

static bool flush_is_due(const struct log *log, int64_t now_ms)
{
    return log->settings.flush_ms < INT64_MAX &&
           now_ms - log->last_flush_ms >= log->settings.flush_ms;
}

/* A page-cache log is flushed up to its active segment only, unless flush.ms, the last checkpoint
 * or a full flusher want more. */
static void mark_for_checkpoint(struct flush_run *run, struct log *log, int64_t now_ms)
{
    struct flush_mark *mark = mark_log(run, log);
    bool whole = !log->settings.page_cache || run->flusher->final;
    if (whole || flush_is_due(log, now_ms) || flusher_room(run->flusher) <= 0) {
        mark_whole(mark);
    } else if (log->tail.base_offset > mark->end.offset) {
        mark->end.offset = log->tail.base_offset;
        mark->written =
            log->written - log->tail.size; /* what an earlier life wrote is in the size too */
    }
    mark->recovery_point = whole ? log->tail.end_offset : log->tail.base_offset;
    if (mark->recovery_point < log->recovery_point)
        mark->recovery_point = log->recovery_point;
}

static void take_dirty(struct flush_run *run)
{
    struct flusher *flusher = run->flusher;
    int64_t now_ms = loop_now_ms(flusher->loop);
    struct log *log, *kept = NULL;
    DL_FOREACH(flusher->logs, log)
    {
        if (flusher_room(flusher) > 0)
            break;
        if (log->written >
            log->written_durable) /* a page-cache log that had its checkpoint long ago */
            flush_note_dirty(log);
    }
    log = flusher->dirty;
    flusher->dirty = NULL;
    while (log != NULL) {
        struct log *next = log->dirty_next;
        bool later = log->staging != NULL; /* its producers are ahead of what is written */
        bool again = later;
        if (!later) {
            mark_for_checkpoint(run, log, now_ms);
            again = !flusher->final && log->settings.page_cache &&
                    log->settings.flush_ms < INT64_MAX &&
                    log->tail.end_offset > run->marks[run->mark_count - 1].end.offset;
        }
        log->is_dirty = again;
        log->dirty_next = again ? kept : NULL;
        kept = again ? log : kept;
        log = next;
    }
    flusher->dirty = kept;
    if (kept != NULL && !flusher->final)
        timer_set_in(flusher->loop, &flusher->checkpoint_timer,
            log_dir_settings(flusher->dir)->checkpoint_ms);
}

static void take_waiting(struct flush_run *run)
{
    struct log *log, *next;
    for (log = run->flusher->waiting; log != NULL; log = next) {
        next = log->waiting_next;
        log->is_waiting = false;
        if (log->tail.end_offset > log->durable_end)
            mark_whole(mark_log(run, log));
    }
    run->flusher->waiting = NULL;
}

/* ---- Building: the data. ---- */

static bool needs_sync(const struct flush_mark *mark)
{
    return mark->end.offset > mark->log->durable_end ||
           mark->log->names_made != mark->log->names_synced;
}

static void add_segment_sync(struct work *work, struct log *log, const struct segment *segment)
{
    char path[SEGMENT_PATH_SIZE];
    if (segment->is_new)
        return;
    if (segment->file != NULL) {
        work_add(work, WORK_SYNC)->file = file_ref(segment->file);
        return;
    }
    segment_path(path, log->path, segment->base_offset, ".log");
    work_add_path(work, WORK_SYNC_PATH, path);
}

static void add_data(
    struct work *work, struct flush_mark *mark, bool one_by_one, bool *parent_dirty)
{
    struct log *log = mark->log;
    char path[SEGMENT_PATH_SIZE];
    /* Also the segment that ends there: a failed write behind its end was taken back, and that must
     * be durable as well. */
    int32_t first = log_segment_at(log, log->durable_end - 1);
    for (int32_t i = first < 0 ? 0 : first; one_by_one && i < log->segment_count; i++)
        if (log->segments[i].base_offset < mark->end.offset)
            add_segment_sync(work, log, &log->segments[i]);
    mark->names = log->names_made;
    mark->directory_new = log->directory_new;
    if (one_by_one && mark->directory_new && !uuid_is_zero(log->topic_id)) {
        path_in(path, log->path, "partition.metadata");
        work_add_path(work, WORK_SYNC_PATH, path);
    }
    if (one_by_one && mark->names != log->names_synced)
        work_add_path(work, WORK_SYNC_DIRECTORY, log->path);
    *parent_dirty = *parent_dirty || mark->directory_new;
}

/* ---- Building: what recovery wants to find. ---- */

static void add_index(
    struct work *work, struct log *log, struct segment *segment, enum index_kind kind, bool sealed)
{
    char path[SEGMENT_PATH_SIZE];
    struct index *index = &segment->indexes[kind];
    int32_t size = index_entry_size[kind];
    index->writing = index->count;
    if (!index->loaded)
        return;
    segment_path(path, log->path, segment->base_offset, index_suffix[kind]);
    if (index->saved == index->count && !index->cut) {
        if (sealed && index->is_made) /* written or cut while it was active, and not synced then */
            work_add_path(work, WORK_SYNC_PATH, path);
        return;
    }
    index->is_made = true;
    /* Written over what is wrong in it, a file could be left with some of both by a cut of power. */
    work_add_path(work, index->cut ? WORK_REPLACE : WORK_WRITE, path);
    struct work_item *item = &work->items[work->count - 1];
    item->position = index->cut ? 0 : (int64_t)index->saved * size;
    item->size = (size_t)index->count * (size_t)size - (size_t)item->position;
    item->data = memory_take_raw(item->size);
    if (item->size > 0)
        memcpy(item->data, index->data + item->position, item->size);
    if (sealed)
        work_add_path(work, WORK_SYNC_PATH, path);
}

/* What ends below the recovery point was sealed and saved before. What ends right there was saved, but maybe before it was sealed:
 * without its last time, and not synced. */
bool log_keeps_segment(const struct log *log, int32_t place)
{
    int64_t end = log->segments[place + 1].base_offset;
    return log->segments[place].is_kept || end < log->recovery_point || (end == log->recovery_point && broken(seal_forgotten));
}

static void add_indexes(struct work *work, struct log *log, bool final)
{
    for (int32_t i = log->segment_count - 1; i >= 0; i--) {
        struct segment *segment = &log->segments[i];
        bool sealed = i < log->segment_count - 1;
        if (sealed && log_keeps_segment(log, i))
            return;
        segment->is_taken = sealed;
        if (segment->indexes == NULL || segment->is_new)
            continue;
        if (final && !sealed)
            index_add_time(&segment->indexes[INDEX_TIME], segment->base_offset,
                segment->max_timestamp, segment->max_timestamp_offset);
        for (int kind = 0; kind < INDEX_KIND_COUNT; kind++)
            add_index(work, log, segment, (enum index_kind)kind, sealed);
        if ((sealed || (final && (log->tail_dirty || log->reserved > segment->size))) &&
            segment->file != NULL) {
            struct work_item *item =
                work_add(work, WORK_TRUNCATE); /* gives back what was reserved behind the end */
            item->file = file_ref(segment->file);
            item->position = segment->size;
        }
    }
}

static void add_snapshot_file(struct work *work, const struct log *log, int64_t offset,
    uint8_t *data, size_t size, bool one_by_one)
{
    char path[SEGMENT_PATH_SIZE];
    segment_path(path, log->path, offset, ".snapshot");
    work_add_path(work, one_by_one ? WORK_REPLACE : WORK_WRITE, path);
    work->items[work->count - 1].data = data;
    work->items[work->count - 1].size = size;
}

static bool is_segment_base(const struct log *log, int64_t offset)
{
    int32_t place = log_segment_at(log, offset);
    return place >= 0 && log->segments[place].base_offset == offset;
}

/* The producers as they are at the recovery point. Snapshots at segment bases stay, others make
 * room for the newest, once that is durable. */
static void add_snapshots(struct work *work, struct flush_mark *mark, bool one_by_one)
{
    struct log *log = mark->log;
    int64_t before = log->snapshot_offset;
    if (log->roll_snapshot != NULL) {
        uint8_t *data = memory_take_raw(log->roll_snapshot_size);
        memcpy(data, log->roll_snapshot, log->roll_snapshot_size);
        add_snapshot_file(
            work, log, log->tail.base_offset, data, log->roll_snapshot_size, one_by_one);
        mark->snapshot = true;
        mark->roll_offset = log->tail.base_offset;
        mark->snapshot_offset = mark->roll_offset > before ? mark->roll_offset : before;
    }
    bool at_end = mark->recovery_point == log->tail.end_offset && log->tail.end_offset != before &&
                  log->tail.end_offset != mark->snapshot_offset;
    if (at_end && (log->producers.dirty || log->producers.count > 0)) {
        uint8_t *data;
        size_t size;
        mark->snapshot = true;
        log_take_snapshot(log, &data, &size);
        add_snapshot_file(work, log, log->tail.end_offset, data, size, one_by_one);
        mark->snapshot_offset = log->tail.end_offset;
    }
    if (mark->snapshot_offset >= 0 && before >= 0 && before != mark->snapshot_offset &&
        !is_segment_base(log, before))
        mark->snapshot_before = before;
}

/* When the newer ones are durable. */
static void add_snapshot_removals(struct flush_run *run)
{
    char path[SEGMENT_PATH_SIZE];
    for (int32_t i = 0; i < run->mark_count; i++) {
        if (run->marks[i].snapshot_before < 0)
            continue;
        segment_path(path, run->marks[i].log->path, run->marks[i].snapshot_before, ".snapshot");
        work_add_path(&run->work, WORK_UNLINK, path);
    }
}

/* Few: each replaced durably. Many: written beside, one sync, renamed, and the caller syncs once
 * more. */
static void add_epochs(struct work *work, struct flush_mark *mark, bool few)
{
    struct log *log = mark->log;
    char path[SEGMENT_PATH_SIZE];
    int32_t size;
    if (!log->epochs.dirty || broken(epochs_not_written))
        return;
    path_in(path, log->path, few ? "leader-epoch-checkpoint" : "leader-epoch-checkpoint.tmp");
    work_add_path(work, few ? WORK_REPLACE : WORK_WRITE, path);
    work->items[work->count - 1].data = (uint8_t *)epochs_print(&log->epochs, &size);
    work->items[work->count - 1].size = (size_t)size;
    log->epochs.dirty = false;
    mark->epochs = true;
}

static void add_epoch_renames(struct flush_run *run)
{
    char path[SEGMENT_PATH_SIZE];
    struct work *work = &run->work;
    for (int32_t i = 0; i < run->mark_count; i++) {
        if (!run->marks[i].epochs)
            continue;
        path_in(path, run->marks[i].log->path, "leader-epoch-checkpoint.tmp");
        work_add_path(work, WORK_RENAME, path);
        path_in(path, run->marks[i].log->path, "leader-epoch-checkpoint");
        work->items[work->count - 1].target = memory_copy_text(path);
    }
}

/* Syncs of single files each wait for the disk, and a sync of the file system waits once, but also
 * for what others have written there. So what both cost of late decides; the dearer one is slowly
 * forgiven, to be tried again. */
static bool sync_all_is_cheaper(struct flusher *flusher, int32_t sync_count)
{
    bool cheaper = sync_count > 1 && sync_count * flusher->sync_one_us > flusher->sync_all_us;
    cheaper = cheaper || (sync_count > 0 && odd(sync_of_all));
    if (!cheaper)
        flusher->sync_all_us -= flusher->sync_all_us / 64;
    return cheaper;
}

void checkpoint_note_cost(struct flush_run *run)
{
    int64_t took_us = run->work.took_us;
    int64_t *cost_us = run->synced_all ? &run->flusher->sync_all_us : &run->flusher->sync_one_us;
    if (!run->is_checkpoint && run->data_count > 0)
        *cost_us += ((run->synced_all ? took_us : took_us / run->data_count) - *cost_us) / 4;
}

static void add_sync_all(struct flush_run *run)
{
    work_add(&run->work, WORK_SYNC_ALL)->file = file_ref(run->sync_file);
}

static void build_data(struct flush_run *run)
{
    int32_t sync_count = 0;
    bool parent_dirty = false;
    const char *directory = log_dir_path(run->flusher->dir);
    for (int32_t i = 0; i < run->mark_count; i++)
        sync_count += needs_sync(&run->marks[i]);
    bool one_by_one = sync_count < SYNC_ALL_FROM && !sync_all_is_cheaper(run->flusher, sync_count);
    run->synced_all = !one_by_one;
    for (int32_t i = 0; i < run->mark_count; i++) {
        run->marks[i].names = run->marks[i].log->names_synced;
        if (needs_sync(&run->marks[i]))
            add_data(&run->work, &run->marks[i], one_by_one, &parent_dirty);
    }
    if (!one_by_one)
        add_sync_all(run);
    else if (parent_dirty)
        work_add_path(&run->work, WORK_SYNC_DIRECTORY, directory);
    run->data_count = run->work.count;
}

static void build_checkpoint(struct flush_run *run)
{
    struct work *work = &run->work;
    bool few = run->mark_count < SYNC_ALL_FROM && !odd(many_logs);
    for (int32_t i = 0; i < run->mark_count; i++) {
        struct flush_mark *mark = &run->marks[i];
        add_indexes(work, mark->log, run->flusher->final);
        add_epochs(work, mark, few);
        add_snapshots(work, mark, few);
    }
    if (!few && work->count > run->data_count) {
        add_sync_all(run);
        int32_t before = work->count;
        add_epoch_renames(run);
        if (work->count > before)
            add_sync_all(run);
    }
    add_snapshot_removals(run);
}

bool checkpoint_build(struct flush_run *run)
{
    struct flusher *flusher = run->flusher;
    run->mark_count = 0;
    run->is_last = flusher->final;
    if (run->is_checkpoint) {
        timer_cancel(flusher->loop, &flusher->checkpoint_timer);
        flusher->wants_checkpoint = false;
        flusher->written = 0;
        take_dirty(run);
    } else {
        take_waiting(run);
    }
    build_data(run);
    if (run->is_checkpoint)
        build_checkpoint(run);
    return run->mark_count > 0;
}

/* ---- Afterwards. ---- */

static void apply_data(struct flusher *flusher, const struct flush_mark *mark)
{
    struct log *log = mark->log;
    if ((int32_t)(mark->names - log->names_synced) > 0)
        log->names_synced = mark->names;
    if (mark->directory_new) {
        log->directory_new = false;
        log_note_name_durable(log);
    }
    log->last_flush_ms = loop_now_ms(flusher->loop);
    flush_note_durable(log, mark->written);
    if (log->generation != mark->generation || mark->end.offset <= log->durable_end)
        return;
    log->durable_end = mark->end.offset;
    log->durable_boundary =
        (struct log_boundary){ mark->end.offset, mark->end.base_offset, mark->end.position };
    assert(log->durable_end <= log->tail.end_offset);
    if (log->durable_task != NULL)
        loop_enqueue(flusher->loop, log->durable_task);
    cache_trim(log);
}

static void apply_checkpoint(const struct flush_mark *mark)
{
    struct log *log = mark->log;
    if (mark->snapshot_offset >= 0)
        log->snapshot_offset = mark->snapshot_offset;
    if (log->generation != mark->generation)
        return;
    log->recovery_point = mark->recovery_point;
    if (mark->roll_offset == log->tail.base_offset) { /* else it is of a later roll */
        memory_give(log->roll_snapshot);
        log->roll_snapshot = NULL;
    }
    for (int32_t i = log->segment_count - 1; i >= 0; i--) {
        struct segment *segment = &log->segments[i];
        segment->is_kept |= segment->is_taken;
        for (int kind = 0; segment->indexes != NULL && !segment->is_new && kind < INDEX_KIND_COUNT;
             kind++) {
            struct index *index = &segment->indexes[kind];
            if (index->writing < 0)
                continue;
            index->saved = index->writing;
            index->writing = -1;
            index->cut = index->stale = false;
        }
    }
}

/* Nothing counts as done: the next checkpoint says all of it again. */
static void take_back(const struct flush_run *run, struct flush_mark *mark)
{
    struct log *log = mark->log;
    log->epochs.dirty = log->epochs.dirty || mark->epochs;
    log->producers.dirty = log->producers.dirty || mark->snapshot;
    flush_note_dirty(log);
    if (!run->is_checkpoint && run->flusher->failure == 0)
        log_want_flush(log);
}

void checkpoint_apply(struct flush_run *run)
{
    /* A sync that failed beside this run may have left clean what it lost: nothing counts from then on. */
    bool failed = run->flusher->failure != 0;
    bool data_done = !failed && run->work.next >= run->data_count;
    bool all_done = !failed && run->work.status == 0;
    for (int32_t i = 0; i < run->mark_count; i++) {
        struct flush_mark *mark = &run->marks[i];
        if (mark->log == NULL)
            continue;
        mark->log->mark_index[run->is_checkpoint] = -1;
        if (data_done)
            apply_data(run->flusher, mark);
        if (all_done && run->is_checkpoint)
            apply_checkpoint(mark);
        if (!all_done)
            take_back(run, mark);
    }
    run->mark_count = 0;
    cache_submit(run->flusher);
}

/* A log whose start a client moved stays in the file when that is a segment's base: what was below
 * may come back with a crash. */
static void add_starts(struct flusher *flusher, struct checkpoint_mail *mail)
{
    struct log *log;
    LL_FOREACH2(flusher->starts, log, starts_next)
    {
        int64_t start = log->start_wanted > log->start ? log->start_wanted : log->start;
        checkpoint_text_add(&mail->texts[CHECKPOINT_START], log->topic, log->partition, start);
    }
}

static bool has_low_point(const struct flusher *flusher)
{
    const struct log *log;
    DL_FOREACH(flusher->logs, log)
    if (log->point_told > log->recovery_point)
        return true;
    return false;
}

static void note_point(struct log *log, bool is_asked)
{
    if (is_asked || log->point_mailed < log->recovery_point)
        log->point_mailed = log->recovery_point;
    if (log->point_told < log->recovery_point)
        log->point_told = log->recovery_point;
}

void checkpoint_note_points(struct flusher *flusher)
{
    struct log *log;
    DL_FOREACH(flusher->logs, log)
    log->point_told = log->point_mailed;
}

bool checkpoint_lost_a_log(const struct flush_run *run)
{
    for (int32_t i = 0; i < run->mark_count; i++)
        if (run->marks[i].log == NULL)
            return true;
    return false;
}

/* What has the paths of the log would write old files into the next log of that name. */
static bool outlives_a_log(const struct flusher *flusher)
{
    for (int i = 0; i < RUN_COUNT; i++)
        if (flusher->runs[i].running && checkpoint_lost_a_log(&flusher->runs[i]))
            return true;
    return cleaner_outlives_a_log(flusher);
}

void checkpoint_publish(struct flusher *flusher)
{
    int64_t began_us = io_monotonic_us(flusher->io);
    struct checkpoint_mail *mail = memory_take(sizeof(*mail));
    struct log *log;
    bool is_asked = cleaner_ask_points(flusher, mail, has_low_point(flusher));
    DL_FOREACH(flusher->logs, log)
    {
        note_point(log, is_asked);
        checkpoint_text_add(
            &mail->texts[CHECKPOINT_RECOVERY], log->topic, log->partition,
            broken(recovery_point_ahead) ? log->tail.end_offset : log->recovery_point);
        if (!log->is_listed)
            continue;
        checkpoint_text_add(&mail->texts[CHECKPOINT_HIGH_WATERMARK], log->topic, log->partition,
            log->high_watermark);
        if (log->clean_end >= 0)
            checkpoint_text_add(&mail->texts[CHECKPOINT_CLEANER], log->topic, log->partition,
                log->clean_end);
    }
    add_starts(flusher, mail);
    flusher->has_published = true;
    mail->dir = flusher->dir;
    mail->from = flusher;
    mail->outlives_a_log = outlives_a_log(flusher);
    mail->claimed = flusher->claimed;
    mail->claimed_count = flusher->claimed_count;
    flusher->claimed = NULL;
    flusher->claimed_count = flusher->claimed_capacity = 0;
    log_dir_mail_checkpoint(mail, flusher->loop);
    /* Spaced so that it costs less than a half percent of a core, here and at the directory's
     * owner. */
    int64_t cost_us = odd(dear_publish) ? 10000 : io_monotonic_us(flusher->io) - began_us;
    flusher->publish_not_before_us = loop_now_us(flusher->loop) + cost_us * 400;
}

void checkpoint_publish_starts(struct flusher *flusher)
{
    struct log *log;
    assert(!flusher->starts_asked);
    if (!flusher->has_published || flusher->claimed_count > 0)
        checkpoint_publish(flusher); /* else the owner would still write the lines of what it found */
    struct checkpoint_mail *mail = memory_take(sizeof(*mail));
    mail->dir = flusher->dir;
    mail->from = flusher;
    mail->kept = &flusher->starts_kept;
    mail->starts_only = true;
    add_starts(flusher, mail);
    LL_FOREACH2(flusher->starts, log, starts_next)
    if (log->start_wanted > log->start)
        log->start_mailed = log->start_wanted;
    flusher->starts_asked = true;
    log_dir_mail_checkpoint(mail, flusher->loop);
}
