/* SPDX-License-Identifier: Apache-2.0 */
/* Looking a time up: the owner chooses the segment and the position by what it has in memory, a
 * worker walks the batches from there and opens the first that may hold the record. */
#include <assert.h>
#include <errno.h>

#include "base/broken.h"
#include "base/buffer.h"
#include "base/container.h"
#include "base/memory.h"
#include "io/file.h"
#include "io/worker.h"
#include "storage/flush.h"
#include "storage/flusher.h"
#include "storage/log_state.h"
#include "storage/scan.h"
#include "wire/record.h"

enum { SEARCH_CHUNK = 64 * 1024, RECORDS_LIMIT = 1 << 30 };

struct log_search {
    struct job job;
    struct flusher *flusher;
    struct loop *loop;
    struct task *resume;
    struct file *file; /* NULL: nothing can be found */
    struct scan scan;
    int64_t timestamp, start_offset, segment_base;
    int64_t entry_last; /* last offset of the batch that the index led to; -1: nothing to check */
    int64_t time_entry, time_offset; /* no record up to that offset is newer; -1: nothing to check */
    struct log_search_result result;
    bool running, abandoned;
};

/* The first record of the batch at or after the time. */
static int look_into(
    struct log_search *search, const struct batch_header *header, const uint8_t *batch)
{
    struct decompressor *decompressor = decompressor_create();
    struct record_reader reader;
    struct record record;
    struct bytes records;
    struct buffer *owner = NULL;
    int status = batch_records(decompressor, batch, header, RECORDS_LIMIT, &records, &owner);
    if (status == 0) {
        records_begin(&reader, header, records);
        while (!search->result.found && records_next(&reader, &record) == RECORD_OK) {
            if (record.timestamp < search->timestamp || record.offset < search->start_offset)
                continue;
            search->result.found = true;
            search->result.offset = record.offset;
            search->result.timestamp = record.timestamp;
            search->result.leader_epoch = header->leader_epoch;
        }
    }
    buffer_unref(owner);
    decompressor_destroy(decompressor);
    return status == -EBADMSG || status == -EMSGSIZE ? -EUCLEAN : status;
}

/* Whether the entries that led here are shown wrong by what stands there: scan_header() says with this status what that is. */
static bool indexes_lie(const struct log_search *search, int status, const struct batch_header *header)
{
    if (search->entry_last >= 0 && (status != 1 || batch_last_offset(header) != search->entry_last))
        return true;
    if (search->time_offset < 0)
        return false;
    if (status != 1 || header->max_timestamp > search->time_entry)
        return true;
    return batch_last_offset(header) >= search->time_offset &&
           (header->base_offset > search->time_offset || header->max_timestamp < search->time_entry);
}

static enum job_progress step(struct job *job)
{
    struct log_search *search = container_of(job, struct log_search, job);
    struct batch_header header;
    if (search->file == NULL)
        return JOB_DONE;
    int status = scan_header(&search->scan, &header);
    if (indexes_lie(search, status, &header)) {
        search->entry_last = search->time_offset = -1;
        search->scan.position = 0; /* walk the whole segment */
        return JOB_AGAIN;
    }
    if (status == 1 && batch_last_offset(&header) >= search->time_offset)
        search->time_offset = -1;
    search->entry_last = -1;
    if (status == 1 && header.max_timestamp >= search->timestamp &&
        batch_last_offset(&header) >= search->start_offset) {
        const uint8_t *batch = scan_batch(&search->scan, &header, &status);
        if (batch != NULL) {
            status = look_into(search, &header, batch);
            status = status == 0 ? 1 : status;
        }
    }
    if (status == 1)
        scan_skip(&search->scan, &header);
    if (status < 0)
        search->result.status = status == -EBADMSG ? -EUCLEAN : status;
    search->result.damaged_segment = search->segment_base;
    search->result.damaged_position = search->scan.position;
    return status == 1 && !search->result.found ? JOB_AGAIN : JOB_DONE;
}

static void search_is_done(struct job *job)
{
    struct log_search *search = container_of(job, struct log_search, job);
    search->running = false;
    if (search->result.status == -EIO)
        flush_note_failure(search->flusher, search->result.status);
    if (search->abandoned)
        log_search_destroy(search);
    else
        loop_enqueue(search->loop, search->resume);
}

/* The segment to look in, NULL when no record can be at or after the time. */
static int choose_segment(struct log *log, int64_t timestamp, struct segment **out_segment)
{
    *out_segment = NULL;
    int32_t first = log_segment_at(log, log->start);
    for (int32_t i = (first < 0 ? 0 : first) + broken(search_skips_segment); i < log->segment_count; i++) {
        int status = segment_find_times(&log->segments[i], log->io, log->path);
        if (status < 0)
            return status;
        if (log->segments[i].max_timestamp >= timestamp) {
            *out_segment = &log->segments[i];
            return 0;
        }
    }
    return 0;
}

static int begin(struct log *log, struct log_search *search)
{
    struct segment *segment;
    int64_t position = 0, offset;
    int status = choose_segment(log, search->timestamp, &segment);
    if (status < 0 || segment == NULL || segment->is_new)
        return status;
    int64_t size = segment_size(segment, log->io, log->path);
    status = size < 0 ? (int)size : segment_open(segment, log->io, log->path);
    if (status == 0)
        status = segment_load(segment, log->io, log->path);
    if (status < 0)
        return status;
    flush_note_awake(log);
    log->touched_ms = loop_now_ms(search->loop);
    const struct index *times = &segment->indexes[INDEX_TIME];
    int32_t entry = index_find_time(times, search->timestamp);
    if (entry >= 0 && index_time_at(times, entry, segment->base_offset, &offset) == search->timestamp)
        entry--; /* the record with this very time may stand in an earlier batch than the one that
                    made the entry */
    offset = segment->base_offset;
    search->time_offset = -1;
    if (entry >= 0) {
        search->time_entry = index_time_at(times, entry, segment->base_offset, &offset);
        search->time_offset = offset;
    }
    entry = index_find_offset(&segment->indexes[INDEX_OFFSET], segment->base_offset, offset);
    search->entry_last = -1;
    if (entry >= 0)
        search->entry_last = index_offset_at(
            &segment->indexes[INDEX_OFFSET], entry, segment->base_offset, &position);
    search->file = file_ref(segment->file);
    search->segment_base = segment->base_offset;
    scan_begin(&search->scan, search->file, position, segment->size, SEARCH_CHUNK);
    return 0;
}

struct log_search *log_search_start(struct log *log, int64_t timestamp, struct task *resume)
{
    struct log_search *search = memory_take(sizeof(*search));
    search->flusher = log->flusher;
    search->loop = flusher_loop(log->flusher);
    search->resume = resume;
    search->timestamp = timestamp;
    search->start_offset = log->start;
    search->result =
        (struct log_search_result){ .offset = -1, .timestamp = -1, .leader_epoch = -1 };
    search->result.status = begin(log, search);
    search->job = (struct job){ .step = step, .done = search_is_done, .owner = search->loop };
    search->running = true;
    worker_submit(log->io, search->loop, &search->job);
    return search;
}

struct log_search *log_search_max_start(struct log *log, struct task *resume)
{
    int64_t newest = -1;
    int status = 0;
    for (int32_t i = 0; i < log->segment_count && status == 0; i++) {
        status = segment_find_times(&log->segments[i], log->io, log->path);
        if (log->segments[i].max_timestamp > newest)
            newest = log->segments[i].max_timestamp;
    }
    struct log_search *search = log_search_start(log, newest < 0 ? INT64_MAX : newest, resume);
    if (status < 0)
        search->result.status = status;
    return search;
}

const struct log_search_result *log_search_result(const struct log_search *search)
{
    assert(!search->running);
    return &search->result;
}

void log_search_destroy(struct log_search *search)
{
    if (search == NULL)
        return;
    if (search->running) {
        search->abandoned = true;
        return;
    }
    scan_end(&search->scan);
    file_unref(search->file);
    memory_give(search);
}
