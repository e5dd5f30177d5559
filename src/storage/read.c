/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>

#include "base/arena.h"
#include "base/container.h"
#include "base/memory.h"
#include "base/odd.h"
#include "base/report.h"
#include "io/file.h"
#include "storage/cache.h"
#include "storage/flush.h"
#include "storage/flusher.h"
#include "storage/log_state.h"
#include "storage/scan.h"

enum {
    LOOK_CHUNK = 4 * 1024, /* read at once while looking for a batch */
    HOT_STEP = 16 * 1024,  /* looked up in the page cache, and warmed, at once */
};

/* One lookup: where a batch begins, or what must be warmed first. */
struct look {
    struct log *log;
    bool may_block;
    struct log_slice
        *place; /* gets the range when the answer is -EAGAIN, where it is when -EUCLEAN */
    struct batch_header header; /* the last that was read in looking for an offset */
    int64_t header_position;    /* -1: none was */
};

static int refuse_cold(struct look *look, struct file *file, int64_t position, int64_t size)
{
    *look->place = (struct log_slice){ .file = file_ref(file), .position = position, .size = size };
    return -EAGAIN;
}

static int refuse_damage(struct look *look, const struct segment *segment, int64_t position)
{
    *look->place = (struct log_slice){ .position = position, .first_offset = segment->base_offset };
    return -EUCLEAN;
}

static bool is_hot(struct look *look, const struct segment *segment, int64_t position, int64_t size)
{
    const struct segment *active = log_active(look->log);
    if (look->may_block || (segment == active && position > active->size - HOT_TAIL))
        return true;
    if (size > segment->size - position)
        size = segment->size - position;
    return size <= 0 || file_is_cached(segment->file, position, size);
}

/* Opens a segment with its indexes. Those of a cold one are warmed first. */
static int open_segment(struct look *look, struct segment *segment)
{
    char path[SEGMENT_PATH_SIZE];
    struct log *log = look->log;
    struct file *file;
    if (segment == log_active(log))
        return log_wake(log);
    int64_t size = segment_size(segment, log->io, log->path);
    int status = size < 0 ? (int)size : segment_open(segment, log->io, log->path);
    if (status < 0)
        return status;
    if (!log->is_awake)
        flush_note_awake(log);
    log->touched_ms = loop_now_ms(flusher_loop(log->flusher));
    if (segment->indexes == NULL && !look->may_block) {
        segment_path(path, log->path, segment->base_offset, index_suffix[INDEX_OFFSET]);
        status = file_open(log->io, path, FILE_READ, &file);
        if (status < 0 && status != -ENOENT)
            return status;
        int64_t index_size = status < 0 ? 0 : file_size(file);
        bool cold = index_size > 0 && !file_is_cached(file, 0, index_size);
        if (cold)
            refuse_cold(look, file, 0, index_size);
        if (status == 0)
            file_unref(file);
        if (cold)
            return -EAGAIN;
    }
    return segment_load(segment, log->io, log->path);
}

static int64_t hint_for(const struct log *log, const struct segment *segment, int64_t offset)
{
    const struct log_boundary *durable = &log->durable_boundary;
    if (odd(no_hint))
        return -1;
    if (durable->offset == offset && durable->base_offset == segment->base_offset)
        return durable->position;
    for (int i = 0; i < LOG_HINTS; i++)
        if (log->hints[i].offset == offset && log->hints[i].base_offset == segment->base_offset)
            return log->hints[i].position;
    return -1;
}

/* The position of the batch that holds offset, or of the first behind it; the segment's size when
 * there is none. */
static int find_position(
    struct look *look, struct segment *segment, int64_t offset, int64_t *out_position)
{
    struct batch_header header;
    struct scan scan;
    int64_t hint = hint_for(look->log, segment, offset);
    if (offset <= segment->base_offset || hint >= 0) {
        *out_position = hint >= 0 ? hint : 0;
        return 0;
    }
    struct index *offsets = &segment->indexes[INDEX_OFFSET];
    int32_t entry = index_find_offset(offsets, segment->base_offset, offset);
    int64_t position = 0, last = -1;
    if (entry >= 0)
        last = index_offset_at(offsets, entry, segment->base_offset, &position);
    scan_begin(&scan, segment->file, position, segment->size, LOOK_CHUNK);
    int status;
    int64_t hot_until = 0;
    for (;;) {
        if (scan.position + BATCH_HEADER_SIZE > hot_until) {
            hot_until = scan.position + HOT_STEP;
            if (!is_hot(look, segment, scan.position, HOT_STEP)) {
                status = refuse_cold(look, segment->file, scan.position, HOT_STEP);
                break;
            }
        }
        status = scan_header(&scan, &header);
        if (last >= 0 && status != -EIO && (status != 1 || batch_last_offset(&header) != last)) {
            index_cut(offsets, 0); /* it lies: do without it */
            offsets->stale = false; /* the segment may be one that no checkpoint writes again */
            scan.position = hot_until = 0;
            last = -1;
            continue;
        }
        last = -1;
        if (status < 0 || status == 0 || batch_last_offset(&header) >= offset)
            break;
        scan_skip(&scan, &header);
    }
    *out_position = scan.position;
    scan_end(&scan);
    if (status == -EBADMSG)
        return refuse_damage(look, segment, *out_position);
    if (status < 0)
        return status;
    if (status == 1) {
        look->header = header;
        look->header_position = *out_position;
    }
    if (status == 1 && header.base_offset == offset)
        log_note_boundary(look->log, offset, segment->base_offset, *out_position);
    return 0;
}

/* Where upper_offset stands in the segment, not looking farther than `enough`: then it is only
 * known to be beyond. */
static int find_upper(struct look *look, const struct segment *segment, int64_t upper_offset,
    int64_t enough, int64_t *out_position, bool *out_exact)
{
    struct log *log = look->log;
    if (upper_offset == log->tail.end_offset || segment + 1 < log->segments + log->segment_count) {
        const struct segment *next = segment + 1;
        if (segment == log_active(log) || next->base_offset <= upper_offset) {
            *out_position = segment->size;
            *out_exact = segment == log_active(log);
            return 0;
        }
    }
    int64_t position;
    int32_t entry =
        index_find_offset(&segment->indexes[INDEX_OFFSET], segment->base_offset, upper_offset);
    if (entry >= 0 && hint_for(log, segment, upper_offset) < 0) {
        index_offset_at(&segment->indexes[INDEX_OFFSET], entry, segment->base_offset, &position);
        if (position >= enough) {
            *out_position = position;
            *out_exact = false;
            return 0;
        }
    }
    *out_exact = true;
    return find_position(look, (struct segment *)(uintptr_t)segment, upper_offset, out_position);
}

/* Its offsets lie between the segment's beginning and the next one's, or the end. */
static bool belongs_to(
    struct log *log, const struct segment *segment, const struct batch_header *header)
{
    int64_t end = segment == log_active(log) ? log->tail.end_offset : segment[1].base_offset;
    return header->base_offset >= segment->base_offset && batch_last_offset(header) < end;
}

/* Most often the search has just read it. */
static int first_header(
    struct look *look, struct segment *segment, int64_t position, struct batch_header *out_header)
{
    if (look->header_position == position) {
        *out_header = look->header;
        return 0;
    }
    if (!is_hot(look, segment, position, BATCH_HEADER_SIZE))
        return refuse_cold(look, segment->file, position, HOT_STEP);
    return segment_header(segment, position, segment->size, out_header);
}

static int fill_slice(struct look *look, struct segment *segment, int64_t position,
    int64_t upper_offset, int64_t max_bytes, bool at_least_one, struct log_slice *out_slice)
{
    struct batch_header header;
    int64_t end;
    bool exact;
    int status = first_header(look, segment, position, &header);
    if (status == -EBADMSG)
        return refuse_damage(look, segment, position);
    if (status < 0)
        return status;
    if (!belongs_to(look->log, segment, &header))
        return refuse_damage(look, segment, position);
    if (header.base_offset >= upper_offset)
        return 0;
    int64_t most =
        at_least_one && max_bytes < (int64_t)header.size ? (int64_t)header.size : max_bytes;
    status = find_upper(look, segment, upper_offset, position + most, &end, &exact);
    if (status < 0)
        return status;
    int64_t size = end - position < most ? end - position : most;
    if (size <= 0)
        return 0;
    *out_slice = (struct log_slice){ file_ref(segment->file), position, size, header.base_offset };
    if (exact && position + size == end) /* where a reader that keeps up asks next */
        log_note_boundary(look->log, upper_offset, segment->base_offset, end);
    return 0;
}

/* A reader comes past a hole between two batches. Compaction leaves them, also for the time after
 * the topic has given it up, so they are no proof of a loss; and no sign of one where the log was
 * compacted. */
static void tell_gap(struct log *log, int64_t offset, int64_t next_base_offset)
{
    if (next_base_offset <= offset || next_base_offset <= log->clean_end || log->settings.compacts ||
        log->gap_told)
        return;
    log->gap_told = true;
    report_warn("log_gap",
        "log=%s offset=%lld next=%lld: what stood between is not there. That is right when the "
        "topic "
        "was compacted once; else a segment file is lost or damaged: restore it",
        log->path, (long long)offset, (long long)next_base_offset);
}

static int read_from(struct look *look, int64_t offset, int64_t upper_offset, int64_t max_bytes,
    bool at_least_one, struct log_slice *out_slice)
{
    struct log *log = look->log;
    for (int32_t i = log_segment_at(log, offset); i >= 0 && i < log->segment_count; i++) {
        struct segment *segment = &log->segments[i];
        int64_t position;
        if (offset >= upper_offset || segment->base_offset >= upper_offset || segment->is_new)
            return 0;
        int status = open_segment(look, segment);
        if (status == -ENOENT)
            return refuse_damage(look, segment, 0); /* nobody but us deletes segments */
        if (status == 0)
            status = find_position(look, segment, offset, &position);
        if (status < 0)
            return status;
        if (position < segment->size) {
            status = fill_slice(
                look, segment, position, upper_offset, max_bytes, at_least_one, out_slice);
            if (status == 0 && out_slice->file != NULL) {
                cache_note_read(log, i, position, out_slice->size);
                tell_gap(log, offset, out_slice->first_offset);
            }
            return status;
        }
        if (i + 1 < log->segment_count && log->segments[i + 1].base_offset < upper_offset)
            tell_gap(log, offset, log->segments[i + 1].base_offset);
    }
    return 0;
}

int log_read(struct log *log, int64_t offset, int64_t upper_offset, int64_t max_bytes,
    bool at_least_one, bool may_block, struct log_slice *out_slice)
{
    struct look look = { log, may_block, out_slice, .header_position = -1 };
    *out_slice = (struct log_slice){ .first_offset = offset };
    if (offset < log->start || offset > log->tail.end_offset)
        return -ERANGE;
    if (upper_offset > log->tail.end_offset)
        upper_offset = log->tail.end_offset;
    int status = read_from(&look, offset, upper_offset, max_bytes, at_least_one, out_slice);
    if (status == -EIO)
        flush_note_failure(log->flusher, status);
    return status;
}

void log_slice_release(struct log_slice *slice)
{
    file_unref(slice->file);
    slice->file = NULL;
}

int64_t log_slice_read(struct log *log, const struct log_slice *slice, uint8_t *out_bytes)
{
    int64_t got = file_pread(slice->file, out_bytes, (size_t)slice->size, slice->position);
    if (got == -EIO)
        flush_note_failure(log->flusher, (int)got);
    return got;
}

bool log_slice_is_cached(const struct log_slice *slice)
{
    return slice->file == NULL || file_is_cached(slice->file, slice->position, slice->size);
}

/* ---- Warming. ---- */

struct log_warm {
    struct work work;
    struct flusher *flusher;
    struct task *resume;
    bool running, abandoned;
};

static void warm_is_done(struct work *work)
{
    struct log_warm *warm = container_of(work, struct log_warm, work);
    warm->running = false;
    if (work->status == -EIO)
        flush_note_failure(warm->flusher, work->status);
    if (warm->abandoned)
        log_warm_destroy(warm);
    else
        loop_enqueue(work->job.owner, warm->resume);
}

struct log_warm *log_warm_start(
    struct flusher *flusher, const struct log_slice *slice, struct task *resume)
{
    struct log_warm *warm = memory_take(sizeof(*warm));
    work_init(&warm->work, flusher->io, flusher->loop, warm_is_done);
    struct work_item *item = work_add(&warm->work, WORK_WARM);
    item->file = file_ref(slice->file);
    item->position = slice->position;
    item->size = (size_t)slice->size;
    warm->flusher = flusher;
    warm->resume = resume;
    warm->running = true;
    work_submit(&warm->work);
    return warm;
}

void log_warm_destroy(struct log_warm *warm)
{
    if (warm == NULL)
        return;
    if (warm->running) {
        warm->abandoned = true;
        return;
    }
    work_deinit(&warm->work);
    memory_give(warm);
}

/* ---- Aborted transactions. ---- */

int64_t log_offset_behind(const struct log *log, const struct log_slice *slice)
{
    int32_t place = log_segment_at(log, slice->first_offset);
    const struct segment *segment = &log->segments[place];
    const struct index *offsets = &segment->indexes[INDEX_OFFSET];
    int32_t entry = index_find_position(offsets, slice->position + slice->size);
    int64_t position;
    if (entry < offsets->count)
        return index_offset_at(offsets, entry, segment->base_offset, &position);
    return place == log->segment_count - 1 ? log->tail.end_offset : segment[1].base_offset;
}

int log_aborted(struct log *log, int64_t from, int64_t to, struct arena *arena,
    struct log_aborted **out_list, int32_t *out_count)
{
    int32_t capacity = 0;
    struct log_aborted *list = NULL;
    *out_list = NULL;
    *out_count = 0;
    int32_t first = log_segment_at(log, from);
    for (int32_t i = first < 0 ? 0 : first; i < log->segment_count; i++) {
        struct segment *segment = &log->segments[i];
        int status = segment->is_new ? 0 : segment_load_aborted(segment, log->io, log->path);
        if (status < 0)
            return status;
        if (!log->is_awake)
            flush_note_awake(log);
        const struct index *aborted = &segment->indexes[INDEX_ABORTED];
        for (int32_t entry = 0; entry < aborted->count; entry++) {
            struct aborted_entry one = index_aborted_at(aborted, entry);
            if (one.last_offset >= from && one.first_offset < to) {
                if (*out_count == capacity) {
                    capacity = capacity == 0 ? 8 : capacity * 2;
                    struct log_aborted *larger =
                        arena_take_array(arena, (size_t)capacity, sizeof(*larger));
                    for (int32_t k = 0; k < *out_count; k++)
                        larger[k] = list[k];
                    list = larger;
                }
                list[(*out_count)++] = (struct log_aborted){ one.producer_id, one.first_offset };
            }
            if (one.last_stable_offset >=
                to) { /* whatever is aborted behind it began there or later */
                *out_list = list;
                return 0;
            }
        }
    }
    *out_list = list;
    return 0;
}
