/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/broken.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "base/odd.h"
#include "io/file.h"
#include "io/io.h"
#include "storage/flush.h"
#include "storage/flusher.h"
#include "storage/log_dir.h"
#include "storage/log_state.h"

enum {
    VECTORS_MAX = 1024, /* IOV_MAX */
    RESERVE_FIRST = 256 * 1024,
    RESERVE_LAST = 32 * 1024 * 1024,
};

void log_begin_tail(struct log *log, int64_t base_offset)
{
    int64_t jitter = 0;
    if (log->settings.segment_jitter_ms > 0) {
        io_random(log->io, &jitter, sizeof(jitter));
        int64_t most = log->settings.segment_jitter_ms < log->settings.segment_ms
                           ? log->settings.segment_jitter_ms
                           : log->settings.segment_ms;
        jitter = most == 0 ? 0 : (int64_t)((uint64_t)jitter % (uint64_t)most);
    }
    log->tail = (struct log_tail){ .base_offset = base_offset,
        .end_offset = base_offset,
        .first_timestamp = -1,
        .jitter_ms = jitter };
    log->reserved = 0;
    log->reserve_step = 0;
}

void log_tail_advance(struct log_tail *tail, const struct batch_header *header,
    const struct log_settings *settings, bool *out_index_before)
{
    *out_index_before = tail->since_index > settings->index_interval_bytes ||
                        (tail->size > 0 && odd(early_index_entry));
    if (*out_index_before) {
        tail->since_index = 0;
        tail->index_count++;
    }
    if (tail->size == 0 || tail->first_timestamp < 0)
        tail->first_timestamp = header->max_timestamp;
    tail->since_index += (int32_t)header->size;
    tail->size += (int64_t)header->size;
    tail->end_offset = batch_next_offset(header);
}

/* The books of the active segment for a batch at position: its times, and an index entry when it is
 * due. */
void log_account(
    struct log *log, const struct batch_header *header, int64_t position, bool index_before)
{
    struct segment *active = log_active(log);
    int64_t last = batch_last_offset(header);
    if (header->max_timestamp > active->max_timestamp) {
        active->max_timestamp = header->max_timestamp;
        active->max_timestamp_offset = last;
    }
    if (index_before) {
        index_add_offset(&active->indexes[INDEX_OFFSET], active->base_offset,
            broken(index_before_batch) ? header->base_offset - 1 : last, position);
        index_add_time(&active->indexes[INDEX_TIME], active->base_offset, active->max_timestamp,
            active->max_timestamp_offset);
    }
    epochs_assign(&log->epochs, header->leader_epoch, header->base_offset);
}

static bool must_roll(const struct log *log, const struct log_tail *tail,
    const struct batch_header *header, int64_t wall_ms)
{
    const struct log_settings *settings = &log->settings;
    if (tail->size == 0)
        return false;
    int64_t waited = tail->first_timestamp >= 0 && header->max_timestamp >= 0
                         ? header->max_timestamp - tail->first_timestamp
                         : wall_ms - tail->created_ms;
    int32_t entries_max = settings->index_bytes / INDEX_TIME_ENTRY - 1;
    return odd(early_roll) || tail->size > settings->segment_bytes - (int64_t)header->size ||
           tail->size + (int64_t)header->size > INT32_MAX ||
           waited > settings->segment_ms - tail->jitter_ms || tail->index_count >= entries_max ||
           tail->end_offset + header->last_offset_delta - tail->base_offset > INT32_MAX;
}

static struct staged *next_staged(struct log *log)
{
    if (log->staging == NULL) {
        log->staging = flush_lend_staging(log->flusher);
        log->staging->tail = log->tail;
    }
    struct staging *staging = log->staging;
    if (staging->count == staging->capacity) {
        staging->capacity = staging->capacity == 0 ? 16 : staging->capacity * 2;
        staging->items =
            memory_resize(staging->items, (size_t)staging->capacity * sizeof(*staging->items));
        staging->vectors =
            memory_resize(staging->vectors, (size_t)staging->capacity * sizeof(*staging->vectors));
    }
    struct staged *staged = &staging->items[staging->count++];
    *staged = (struct staged){ .before.id = -1 };
    return staged;
}

/* header: as it will stand in the log. */
static void stage(struct log *log, struct buffer *buffer, const uint8_t *batch,
    const struct batch_header *header, int64_t wall_ms)
{
    struct staged *staged = next_staged(log);
    struct log_tail *tail = &log->staging->tail;
    int32_t coordinator_epoch;
    if (tail->created_ms == 0)
        tail->created_ms = wall_ms;
    staged->buffer = buffer_ref(buffer);
    staged->batch = batch;
    staged->header = *header;
    if (must_roll(log, tail, header, wall_ms)) {
        staged->roll_before = true;
        log_take_snapshot(log, &staged->snapshot, &staged->snapshot_size);
        *tail = (struct log_tail){ .base_offset = header->base_offset,
            .end_offset = header->base_offset,
            .first_timestamp = -1,
            .created_ms = wall_ms,
            .jitter_ms = tail->jitter_ms };
    }
    log_tail_advance(tail, header, &log->settings, &staged->index_before);
    staged->tail = *tail;
    producers_take(&log->producers, header, batch, &staged->before);
    if (batch_is_control(header) && staged->before.id >= 0 && staged->before.batch_count >= 0 &&
        staged->before.transaction_start >= 0 &&
        producers_marker(header, batch, &coordinator_epoch) == MARKER_ABORT) {
        int64_t open = producers_first_open(&log->producers);
        staged->aborts = true;
        staged->aborted =
            (struct aborted_entry){ header->producer_id, staged->before.transaction_start,
                header->base_offset, open >= 0 ? open : header->base_offset + 1 };
    }
}

void log_stage(struct log *log, struct buffer *buffer, uint8_t *batch,
    const struct batch_header *header, int32_t leader_epoch, int64_t wall_ms,
    int64_t *out_base_offset)
{
    struct batch_header placed = *header;
    placed.base_offset = broken(offset_given_twice) ? log->tail.end_offset : log_staged_end(log);
    placed.leader_epoch = leader_epoch;
    batch_set_base_offset(batch, placed.base_offset);
    batch_set_leader_epoch(batch, leader_epoch);
    stage(log, buffer, batch, &placed, wall_ms);
    *out_base_offset = placed.base_offset;
}

int log_stage_copy(
    struct log *log, struct buffer *buffer, const uint8_t *batch, const struct batch_header *header)
{
    if (header->base_offset < log_staged_end(log))
        return -EINVAL;
    stage(log, buffer, batch, header, loop_wall_ms(flusher_loop(log->flusher)));
    return 0;
}

bool log_has_staged(const struct log *log)
{
    return log->staging != NULL;
}

/* Seals the active segment and begins the next; its files come with the first write. */
static int roll(struct log *log, const struct staged *staged)
{
    int status = log_wake(log);
    if (status < 0)
        return status;
    struct segment *sealed = log_active(log);
    index_add_time(&sealed->indexes[INDEX_TIME], sealed->base_offset, sealed->max_timestamp,
        sealed->max_timestamp_offset);
    if (log->sealed_size >= 0)
        log->sealed_size += sealed->size;
    segment_begin(log_push_segment(log), staged->header.base_offset);
    log_begin_tail(log, staged->header.base_offset);
    log->tail.created_ms = staged->tail.created_ms;
    memory_give(log->roll_snapshot);
    log->roll_snapshot = memory_take_raw(staged->snapshot_size);
    log->roll_snapshot_size = staged->snapshot_size;
    memcpy(log->roll_snapshot, staged->snapshot, staged->snapshot_size);
    flush_note_roll(log);
    return 0;
}

static void reserve_ahead(struct log *log, struct file *file, int64_t end)
{
    if (end <= log->reserved || end < RESERVE_FIRST / 4)
        return;
    log->reserve_step = log->reserve_step == 0 ? RESERVE_FIRST : log->reserve_step * 2;
    if (log->reserve_step > RESERVE_LAST)
        log->reserve_step = RESERVE_LAST;
    int64_t most = log->settings.segment_bytes > end ? log->settings.segment_bytes : end;
    int64_t until = end + log->reserve_step < most ? end + log->reserve_step : most;
    log->reserved = until; /* a refusal is no error: the write itself will tell */
    (void)file_reserve(file, log->tail.size, until - log->tail.size);
}

/* Fills vectors with the batches of a run, joining neighbours; returns how many. */
static int gather(struct staging *staging, int32_t first, int32_t last)
{
    int count = 0;
    for (int32_t i = first; i < last; i++) {
        const struct staged *staged = &staging->items[i];
        struct iovec *before = count == 0 ? NULL : &staging->vectors[count - 1];
        if (before != NULL && (const uint8_t *)before->iov_base + before->iov_len == staged->batch)
            before->iov_len += staged->header.size;
        else
            staging->vectors[count++] =
                (struct iovec){ (void *)(uintptr_t)staged->batch, staged->header.size };
    }
    return count;
}

static int write_vectors(struct file *file, struct iovec *vectors, int count, int64_t position)
{
    while (count > 0) {
        int64_t wrote =
            file_pwritev(file, vectors, odd(short_group) ? 1 : count < VECTORS_MAX ? count : VECTORS_MAX, position);
        if (wrote <= 0)
            return wrote == 0 ? -EIO : (int)wrote;
        position += wrote;
        while (count > 0 && (size_t)wrote >= vectors->iov_len) {
            wrote -= (int64_t)vectors->iov_len;
            vectors++;
            count--;
        }
        if (count > 0) {
            vectors->iov_base = (char *)vectors->iov_base + wrote;
            vectors->iov_len -= (size_t)wrote;
        }
    }
    return 0;
}

/* Makes the active segment ready for bytes behind its end. */
static int prepare(struct log *log, bool needs_aborted)
{
    int status = log_wake(log);
    struct segment *active = log_active(log);
    if (status == 0 && needs_aborted)
        status = segment_load_aborted(active, log->io, log->path);
    if (status == 0 && log->tail_dirty)
        status = file_truncate(active->file, log->tail.size);
    if (status == 0)
        log->tail_dirty = false;
    return status;
}

/* Writes items [first, last), which go to one segment, and takes them into the books. */
static int write_run(struct log *log, int32_t first, int32_t last)
{
    struct staging *staging = log->staging;
    bool needs_aborted = false;
    for (int32_t i = first; i < last; i++)
        needs_aborted = needs_aborted || staging->items[i].aborts;
    int status = prepare(log, needs_aborted);
    if (status < 0)
        return status;
    struct segment *active = log_active(log);
    int64_t position = log->tail.size;
    reserve_ahead(log, active->file, staging->items[last - 1].tail.size);
    status = write_vectors(active->file, staging->vectors, gather(staging, first, last), position);
    if (status < 0) {
        log->tail_dirty = broken(failed_write_left) ? false : file_truncate(active->file, position) < 0;
        return status;
    }
    if (position == 0)
        active->first_timestamp = staging->items[first].header.max_timestamp;
    for (int32_t i = first; i < last; i++) {
        const struct staged *staged = &staging->items[i];
        log_account(log, &staged->header, position, staged->index_before);
        if (staged->aborts)
            index_add_aborted(&active->indexes[INDEX_ABORTED], &staged->aborted);
        position += (int64_t)staged->header.size;
    }
    int64_t jitter = log->tail.jitter_ms;
    flush_note_written(log, position - log->tail.size);
    log->tail = staging->items[last - 1].tail;
    log->tail.jitter_ms = jitter;
    active->size = log->tail.size;
    assert(active->size == position);
    return 0;
}

static void give_staging(struct log *log, int32_t written)
{
    struct staging *staging = log->staging;
    for (int32_t i = staging->count - 1; i >= 0; i--) {
        struct staged *staged = &staging->items[i];
        if (i >= written && !broken(producers_not_restored))
            producers_restore(&log->producers, &staged->before, staged->header.producer_id);
        buffer_unref(staged->buffer);
        memory_give(staged->snapshot);
    }
    staging->count = 0;
    log->staging = NULL;
    flush_return_staging(log->flusher, staging);
}

int log_write(struct log *log)
{
    struct staging *staging = log->staging;
    int status = 0;
    int32_t first = 0;
    if (staging == NULL)
        return 0;
    if (flusher_is_failed(log->flusher))
        status = -EIO;
    while (status == 0 && first < staging->count) {
        int32_t last = first + 1;
        while (last < staging->count && !staging->items[last].roll_before)
            last++;
        if (staging->items[first].roll_before && log->tail.size > 0)
            status = roll(log, &staging->items[first]);
        if (status == 0)
            status = write_run(log, first, last);
        if (status == 0)
            first = last;
    }
    give_staging(log, first);
    if (log_dir_is_offline(status) || (status == -ENOSPC && broken(full_disk_retires)))
        flush_note_failure(log->flusher, status);
    if (first > 0) {
        flush_note_dirty(log);
        if (log->tail.end_offset - log->durable_end >= log->settings.flush_messages)
            log_want_flush(log);
    }
    assert(log->durable_end <= log->tail.end_offset);
    return status;
}
