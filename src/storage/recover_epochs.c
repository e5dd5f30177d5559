/* SPDX-License-Identifier: Apache-2.0 */
/* Where the leader epochs of a log come from: leader-epoch-checkpoint, and when that says something
 * else than the batches do, the batches. The file has no checksum, so beside each boundary that it
 * tells a batch is looked at; only when somebody asks for the first time, since most logs rest. */
#include <errno.h>

#include "base/memory.h"
#include "base/report.h"
#include "io/file.h"
#include "io/io.h"
#include "storage/flush.h"
#include "storage/log_state.h"
#include "storage/scan.h"

enum { EPOCHS_CHUNK = 8 * 1024, FILE_LIMIT = 64 << 20 };

static int walk_segment(struct log *log, struct segment *segment)
{
    struct batch_header header;
    struct scan scan;
    bool rests = segment->file == NULL;
    int64_t size = segment_size(segment, log->io, log->path);
    int status = size < 0 ? (int)size : segment_open(segment, log->io, log->path);
    if (status < 0)
        return status;
    scan_begin(&scan, segment->file, 0, size, EPOCHS_CHUNK);
    while ((status = scan_header(&scan, &header)) == 1) {
        epochs_assign(&log->epochs, header.leader_epoch, header.base_offset);
        scan_skip(&scan, &header);
    }
    scan_end(&scan);
    if (rests)
        segment_rest(segment);
    return status;
}

/* From the headers of all batches. What is damaged ends the walk: recovery judges it. */
static int rebuild(struct log *log, const char *path, const char *reason)
{
    int status = 0;
    report_warn("leader_epochs_rebuilt",
        "file=%s reason=\"%s\": its entries are taken from the batches of the log", path, reason);
    epochs_truncate_from(&log->epochs, 0);
    for (int32_t i = 0; i < log->segment_count && status >= 0; i++)
        if (!log->segments[i].is_new)
            status = walk_segment(log, &log->segments[i]);
    log->epochs.dirty = true;
    return status == -EBADMSG ? 0 : status;
}

int log_load_epochs(struct log *log)
{
    char path[SEGMENT_PATH_SIZE], *text;
    size_t size;
    path_in(path, log->path, "leader-epoch-checkpoint");
    int status = file_load(log->io, path, FILE_LIMIT, &text, &size);
    if (status == -ENOENT)
        return 0;
    if (status < 0)
        return status;
    bool good = epochs_parse(&log->epochs, (struct str){ text, (int32_t)size });
    memory_give(text);
    return good ? 0 : rebuild(log, path, size == 0 ? "it is empty" : "it is not a checkpoint file");
}

/* Whether the batch at or behind the offset has the epoch that is known for it, and begins there where
 * an epoch does. One that cannot be read says nothing, nor one from before there were epochs. */
static bool is_right_at(struct log *log, int64_t offset, bool begins)
{
    struct log_slice slice;
    struct batch_header header;
    uint8_t bytes[BATCH_HEADER_SIZE];
    if (offset < log->start || offset >= log->tail.end_offset ||
        log_read(log, offset, log->tail.end_offset, 1, true, true, &slice) != 0 || slice.file == NULL)
        return true;
    int64_t got = file_pread(slice.file, bytes, sizeof(bytes), slice.position);
    log_slice_release(&slice);
    if (got != sizeof(bytes) ||
        batch_parse_header(bytes, sizeof(bytes), INT64_MAX, &header) != BATCH_OK || header.leader_epoch < 0)
        return true;
    int64_t first = header.base_offset < log->start ? log->start : header.base_offset;
    return (!begins || first >= offset) && epochs_at(&log->epochs, first) == header.leader_epoch;
}

int log_check_epochs(struct log *log)
{
    char path[SEGMENT_PATH_SIZE];
    const struct epochs *epochs = &log->epochs;
    bool right = is_right_at(log, log->tail.end_offset - 1, false);
    for (int32_t i = 0; i < epochs->count && right; i++) {
        int64_t begin = epochs->entries[i].start_offset;
        right = is_right_at(log, begin, true) && is_right_at(log, begin - 1, false);
    }
    if (!right) {
        path_in(path, log->path, "leader-epoch-checkpoint");
        if (rebuild(log, path, "it tells other epochs than the batches do") == -EIO) {
            flush_note_failure(log->flusher, -EIO);
            return -EIO;
        }
        epochs_start_at(&log->epochs, log->start);
        flush_note_dirty(log);
    }
    log->epochs_checked = true;
    return 0;
}
