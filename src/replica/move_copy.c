/* SPDX-License-Identifier: Apache-2.0 */
/* What a move does with its two logs: finds where they agree, and copies batches as they are. */
#include <errno.h>

#include "base/buffer.h"
#include "replica/move.h"
#include "replica/partition.h"
#include "storage/epochs.h"

enum { PIECE = 1 << 20 };

static bool is_empty(const struct log *log)
{
    return log_end(log) == log_start(log);
}

static int begin_anew(struct move *move, int64_t offset)
{
    int status = log_restart(move->future, offset);
    if (status == 0)
        log_set_clean_end(move->future, log_clean_end(move->partition->log));
    return status == -EAGAIN ? -EBUSY : status; /* the flusher is at work with its files */
}

static int64_t epoch_begin(struct log *log, int32_t epoch)
{
    const struct epochs *epochs = log_epochs(log);
    for (int32_t i = 0; i < epochs->count; i++)
        if (epochs->entries[i].epoch == epoch)
            return epochs->entries[i].start_offset;
    return log_start(log);
}

/* Takes away what the current log does not have: a crash may have taken its end after that was
 * copied, and other records may stand there by now. They agree up to the end of the newest epoch
 * that both have. A current log that was compacted since may have lost tombstones whose values the
 * future one still has: nothing of that is good. */
static int align(struct move *move)
{
    struct log *current = move->partition->log, *future = move->future;
    if (log_epochs(current) == NULL || log_epochs(future) == NULL)
        return -EIO;
    if (!is_empty(future) && log_clean_end(future) != log_clean_end(current))
        return begin_anew(move, log_start(current));
    while (!is_empty(future)) {
        int32_t newest = epochs_latest(log_epochs(future)), common;
        int64_t end;
        epochs_end(log_epochs(current), newest, log_end(current), &common, &end);
        if (common < 0 || end < log_start(future))
            return begin_anew(move, log_start(current));
        if (common < newest && epoch_begin(future, newest) < end)
            end = epoch_begin(future, newest);
        if (end < log_end(future)) {
            int status = log_truncate(future, end);
            if (status < 0)
                return status == -EAGAIN ? -EBUSY : status;
        }
        if (common == newest)
            break;
    }
    log_set_clean_end(future, log_clean_end(current));
    move->generation = log_generation(current);
    return 0;
}

/* The future log goes on where the current one begins, when it has nothing, or nothing that is still
 * there. */
static int follow_start(struct move *move)
{
    struct log *current = move->partition->log, *future = move->future;
    bool is_behind = log_end(future) < log_start(current);
    return is_behind ? begin_anew(move, log_start(current)) : 0;
}

static int stage_batches(struct log *future, struct buffer *buffer)
{
    size_t at = 0;
    while (at < buffer->size) {
        struct batch_header header;
        enum batch_status parsed =
            batch_parse((struct bytes){ buffer->data + at, buffer->size - at }, &header);
        if (parsed == BATCH_INCOMPLETE && at > 0)
            break;
        if (parsed != BATCH_OK || !batch_crc_is_right(buffer->data + at, &header))
            return -EUCLEAN;
        int status = log_stage_copy(future, buffer, buffer->data + at, &header);
        if (status < 0)
            return status;
        at += header.size;
    }
    return 0;
}

static int copy_slice(struct move *move, const struct log_slice *slice)
{
    struct log *future = move->future;
    /* The first batch holds the log's start, and may begin below it. */
    int status = is_empty(future) && slice->first_offset < log_end(future)
                     ? begin_anew(move, slice->first_offset)
                     : 0;
    if (status < 0)
        return status;
    struct buffer *buffer = buffer_create((size_t)slice->size);
    int64_t got = log_slice_read(move->partition->log, slice, buffer->data);
    buffer->size = got < 0 ? 0 : (size_t)got;
    status = got < 0 ? (int)got : got == 0 ? -EUCLEAN : stage_batches(future, buffer);
    int written = log_write(future); /* also what came before the damage */
    buffer_unref(buffer);
    if (status == 0)
        status = written;
    if (status == 0) {
        int64_t high_watermark = log_high_watermark(move->partition->log);
        log_set_high_watermark(
            future, high_watermark < log_end(future) ? high_watermark : log_end(future));
    }
    return status;
}

int move_copy(struct move *move, bool may_block, int64_t *out_size, struct log_slice *out_cold)
{
    struct log *current = move->partition->log, *future = move->future;
    struct log_slice slice;
    *out_size = 0;
    int status = log_generation(current) == move->generation ? 0 : align(move);
    if (status == 0)
        status = follow_start(move);
    if (status == 0 && !(log_point_is_kept(future) && log_is_settled(current)))
        status = -EBUSY;
    if (status < 0 || log_end(future) == log_end(current))
        return status;
    int64_t rate = move->pace->bytes_per_second;
    status = log_read(current, log_end(future), log_end(current), rate < PIECE ? rate : PIECE, true,
        may_block, &slice);
    if (status == 0 && slice.file == NULL)
        status = -EUCLEAN; /* batches are missing below the end */
    if (status == 0 && !may_block && !log_slice_is_cached(&slice))
        status = -EAGAIN;
    if (status == 0) {
        *out_size = slice.size;
        status = copy_slice(move, &slice);
    }
    if (status == -EAGAIN)
        *out_cold = slice;
    else
        log_slice_release(&slice);
    return status;
}
