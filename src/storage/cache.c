/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/cache.h"

#include "base/container.h"
#include "base/memory.h"
#include "base/odd.h"
#include "storage/flush.h"
#include "storage/flusher.h"
#include "storage/log_dir.h"
#include "storage/log_state.h"

enum {
    LIVE_MS = 10 * 1000,
    STEP = 4 << 20,   /* less is not worth a job */
    BEFORE = 2 << 20, /* a page of many KiB that lies across two jobs goes with the second */
};

static bool is_below(struct log_spot a, struct log_spot b)
{
    return a.base_offset < b.base_offset ||
           (a.base_offset == b.base_offset && a.position < b.position);
}

/* ---- Readers. ---- */

/* Whether a read there goes on where that reader was, or asks for the same once more. */
static bool goes_on(
    const struct log *log, const struct log_reader *reader, int32_t segment_index, int64_t position)
{
    const struct segment *segment = &log->segments[segment_index];
    if (reader->from.base_offset == segment->base_offset)
        return reader->from.position <= position && position <= reader->end;
    return position == 0 && segment_index > 0 &&
           reader->from.base_offset == segment[-1].base_offset && reader->end >= segment[-1].size;
}

/* The reader that it was; else a place for a new one. That of the foremost, when there are too
 * many: the hindmost decide. */
static struct log_reader *find_reader(
    struct log *log, int32_t segment_index, struct log_spot spot, int64_t now_ms)
{
    struct log_reader *place = NULL;
    for (int i = 0; i < LOG_READERS; i++) {
        struct log_reader *reader = &log->readers[i];
        bool lives = reader->until_ms > now_ms;
        if (lives && goes_on(log, reader, segment_index, spot.position))
            return reader;
        if (!lives)
            place = reader;
    }
    if (place != NULL)
        return place;
    for (int i = 0; i < LOG_READERS; i++)
        if (is_below(place == NULL ? spot : place->from, log->readers[i].from))
            place = &log->readers[i];
    return place;
}

void cache_note_read(struct log *log, int32_t segment_index, int64_t position, int64_t size)
{
    int64_t now_ms = loop_now_ms(flusher_loop(log->flusher));
    struct log_spot spot = { log->segments[segment_index].base_offset, position };
    if (log->readers == NULL)
        log->readers = memory_take(LOG_READERS * sizeof(*log->readers));
    struct log_reader *reader = find_reader(log, segment_index, spot, now_ms);
    if (reader != NULL)
        *reader = (struct log_reader){ spot, position + size, now_ms + LIVE_MS };
}

/* ---- What can be given back. ---- */

static struct log_spot durable_spot(const struct log *log)
{
    const struct log_boundary *boundary = &log->durable_boundary;
    if (boundary->base_offset < 0) /* sealed segments only, and the next begins there */
        return (struct log_spot){ log->durable_end, 0 };
    return (struct log_spot){ boundary->base_offset, boundary->position };
}

/* So many bytes before the spot; not before a segment whose size nobody asked for yet. */
static struct log_spot spot_before(const struct log *log, struct log_spot spot, int64_t bytes)
{
    int32_t i = log_segment_at(log, spot.base_offset);
    while (i > 0 && bytes > spot.position && log->segments[i - 1].size >= 0) {
        bytes -= spot.position;
        i--;
        spot = (struct log_spot){ log->segments[i].base_offset, log->segments[i].size };
    }
    spot.position -= bytes < spot.position ? bytes : spot.position;
    return spot;
}

static void add_range(struct log *log, const struct segment *segment, int64_t from, int64_t to)
{
    char path[SEGMENT_PATH_SIZE];
    if (to <= from)
        return;
    segment_path(path, log->path, segment->base_offset, ".log");
    struct work_item *item = work_add(&log->flusher->cache_work, WORK_FORGET);
    item->path = memory_copy_text(path);
    item->position = from > BEFORE ? from - BEFORE : 0;
    item->size = (size_t)(to - item->position);
}

void cache_trim(struct log *log)
{
    int64_t keep = log_dir_settings(log->flusher->dir)->cache_bytes;
    int64_t now_ms = loop_now_ms(flusher_loop(log->flusher));
    bool early = odd(early_trim);
    if (keep < 0 || log->flusher->cache_runs || log->flusher->final)
        return;
    if (keep < HOT_TAIL)
        keep = HOT_TAIL;
    struct log_spot to = spot_before(log, durable_spot(log), early ? 0 : keep);
    for (int i = 0; log->readers != NULL && i < LOG_READERS; i++)
        if (log->readers[i].until_ms > now_ms && is_below(log->readers[i].from, to))
            to = log->readers[i].from;
    int32_t first = log_segment_at(log, log->trimmed.base_offset);
    int32_t last = log_segment_at(log, to.base_offset);
    if (last < 0)
        return;
    if (first < 0)
        first = last; /* what stood there is gone */
    int64_t bytes = to.position;
    if (first == last && log->segments[last].base_offset == log->trimmed.base_offset)
        bytes -= log->trimmed.position;
    if (first == last && bytes < (early ? 1 : STEP))
        return;
    for (int32_t i = first; i <= last; i++) {
        const struct segment *segment = &log->segments[i];
        bool begun = segment->base_offset == log->trimmed.base_offset;
        add_range(log, segment, begun ? log->trimmed.position : 0,
            i == last ? to.position : segment->size);
    }
    log->trimmed = to;
}

void cache_submit(struct flusher *flusher)
{
    if (flusher->cache_runs || flusher->cache_work.count == 0)
        return;
    flusher->cache_runs = true;
    work_submit(&flusher->cache_work);
}

void cache_work_is_done(struct work *work)
{
    struct flusher *flusher = container_of(work, struct flusher, cache_work);
    work_reset(work);
    flusher->cache_runs = false;
    flush_look_stopped(flusher);
}
