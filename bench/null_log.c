/* SPDX-License-Identifier: Apache-2.0 */
#include "null_log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "client.h"
#include "wire/batch.h"

enum { INDEX_INTERVAL = 4096, HEADERS_READ = 8192 };

static void add_segment(struct null_log *log)
{
    if (log->segment_count == NULL_LOG_SEGMENTS) {
        close(log->segments[0]->descriptor);
        memory_give(log->segments[0]);
        memmove(log->segments, log->segments + 1, (NULL_LOG_SEGMENTS - 1) * sizeof(*log->segments));
        log->segment_count--;
    }
    struct null_segment *segment = memory_take_raw(sizeof(*segment));
    segment->base_offset = log->written_offset;
    segment->size = 0;
    segment->index_count = 0;
    segment->descriptor = open(log->directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (segment->descriptor < 0)
        bench_fail("cannot write in %s: %s", log->directory, strerror(errno));
    fallocate(segment->descriptor, FALLOC_FL_KEEP_SIZE, 0, log->segment_bytes);
    log->segments[log->segment_count++] = segment;
}

void null_log_init(struct null_log *log, const char *directory, int64_t segment_bytes, bool durable)
{
    *log = (struct null_log){
        .directory = directory, .segment_bytes = segment_bytes, .durable = durable
    };
    add_segment(log);
}

int64_t null_log_stage(struct null_log *log, uint8_t *batch, size_t size)
{
    struct null_segment *segment = log->segments[log->segment_count - 1];
    if (log->queued == NULL_LOG_QUEUE ||
        segment->size + log->queued_size + (int64_t)size > log->segment_bytes) {
        null_log_write(log);
        if (segment->size + (int64_t)size > log->segment_bytes)
            add_segment(log);
        segment = log->segments[log->segment_count - 1];
    }
    int64_t base_offset = log->staged_offset;
    int64_t position = segment->size + log->queued_size;
    if (segment->index_count == 0 ||
        position - segment->index[segment->index_count - 1].position >= INDEX_INTERVAL) {
        segment->index[segment->index_count].offset = base_offset;
        segment->index[segment->index_count++].position = position;
    }
    batch_set_base_offset(batch, base_offset);
    batch_set_leader_epoch(batch, 0);
    log->staged_offset += load_i32(batch + BATCH_AT_LAST_OFFSET_DELTA) + 1;
    log->queue[log->queued++] = (struct iovec){ batch, size };
    log->queued_size += (int64_t)size;
    return base_offset;
}

void null_log_write(struct null_log *log)
{
    if (log->queued == 0)
        return;
    struct null_segment *segment = log->segments[log->segment_count - 1];
    ssize_t written = pwritev(segment->descriptor, log->queue, log->queued, segment->size);
    if (written != log->queued_size)
        bench_fail("write: %s", written < 0 ? strerror(errno) : "short");
    if (log->durable && fdatasync(segment->descriptor) < 0)
        bench_fail("fdatasync: %s", strerror(errno));
    segment->size += log->queued_size;
    log->written_offset = log->staged_offset;
    log->queued = 0;
    log->queued_size = 0;
}

/* From the index entry on, header by header. */
static int64_t position_of(const struct null_segment *segment, int64_t offset)
{
    int low = 0;
    for (int high = segment->index_count; high - low > 1;) {
        int middle = low + (high - low) / 2;
        if (segment->index[middle].offset <= offset)
            low = middle;
        else
            high = middle;
    }
    int64_t position = segment->index[low].position;
    if (segment->index[low].offset == offset)
        return position;
    uint8_t bytes[HEADERS_READ];
    ssize_t got = pread(segment->descriptor, bytes, sizeof(bytes), position);
    struct batch_header header;
    for (size_t at = 0; got > 0 && at + BATCH_HEADER_SIZE <= (size_t)got;) {
        batch_parse_header(bytes + at, BATCH_HEADER_SIZE, UINT64_MAX, &header);
        if (batch_last_offset(&header) >= offset)
            break;
        at += header.size;
        position += (int64_t)header.size;
    }
    return position;
}

struct null_range null_log_find(const struct null_log *log, int64_t offset, int64_t max_bytes)
{
    struct null_range range = { 0 };
    if (offset >= log->written_offset)
        return range;
    int i = log->segment_count - 1;
    while (i > 0 && (log->segments[i]->base_offset > offset || log->segments[i]->size == 0))
        i--;
    const struct null_segment *segment = log->segments[i];
    range.descriptor = segment->descriptor;
    range.position = position_of(segment, offset);
    range.size = segment->size - range.position;
    range.size = range.size < max_bytes ? range.size : max_bytes;
    return range;
}
