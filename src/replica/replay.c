/* SPDX-License-Identifier: Apache-2.0 */
#include "replica/replay.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "base/buffer.h"
#include "base/container.h"
#include "base/memory.h"
#include "base/odd.h"
#include "base/report.h"
#include "base/status.h"
#include "replica/partition.h"
#include "storage/producers.h"
#include "wire/record_body.h"

enum {
    READ_SIZE = 128 * 1024,
    SLICE_WORK = 64 * 1024, /* bytes that are read or told in one slice */
    RECORD_WORK = 256,      /* a record is as much work as so many bytes */
    WINDOW_SIZE = 32 * 1024,
    RECORD_MAX = 128 * 1024 * 1024, /* of one record that is unpacked */
    RETRY_MS = 1000,
};

struct replay {
    struct replay *prev, *next; /* of those that wait for their turn */
    struct replay_turns *turns;
    struct replay_reader *reader;
    struct partition *partition;
    uint32_t generation;            /* of the log */
    int64_t next_offset;            /* of the batch that comes, or is being told */
    int64_t work_left;              /* in this slice */
    struct buffer *bytes;           /* as they stand in the log; NULL: none */
    size_t at;                      /* of that batch in them */
    int64_t segment_base, position; /* where they begin; when it is damaged, where that is */
    bool in_batch;
    struct batch_header header;
    struct record_reader records;
    struct buffer *window; /* what of a compressed batch is unpacked; NULL: it is none */
    struct log_warm *warm; /* under way; NULL: none */
    struct task warmed;
    bool is_warmed; /* the next read may wait for the disk: it was just read */
    struct timer retry;
    bool trouble_told, is_waiting, is_destroyed;
};

static void drop_bytes(struct replay *replay)
{
    buffer_unref(replay->window);
    buffer_unref(replay->bytes);
    replay->window = replay->bytes = NULL;
    replay->in_batch = false;
    replay->at = 0;
}

static int refuse_batch(struct replay *replay)
{
    replay->position += (int64_t)replay->at;
    return -EUCLEAN;
}

/* ---- Reading. ---- */

static int start_warming(struct replay *replay, struct log_slice *cold)
{
    replay->warm = log_warm_start(log_flusher(replay->partition->log), cold, &replay->warmed);
    log_slice_release(cold);
    return -EAGAIN;
}

static int take_bytes(struct replay *replay, const struct log_slice *slice)
{
    struct log *log = replay->partition->log;
    replay->segment_base = log_segment_base(log, slice->first_offset);
    replay->position = slice->position;
    replay->bytes = buffer_create((size_t)slice->size);
    int64_t got = log_slice_read(log, slice, replay->bytes->data);
    if (got < 0)
        return (int)got;
    replay->bytes->size = (size_t)got;
    replay->work_left -= got;
    return 1;
}

/* 1: go on; 0: that was all; -EAGAIN: warmed() goes on. */
static int read_more(struct replay *replay)
{
    struct log *log = replay->partition->log;
    struct log_slice slice;
    int64_t end = log_end(log);
    bool may_block = replay->is_warmed;
    drop_bytes(replay);
    if (replay->next_offset < log_start(log))
        replay->next_offset = log_start(log);
    if (replay->next_offset >= end) {
        replay->work_left = 0; /* what is staged can be read in the next pass */
        return log_has_staged(log) ? 1 : 0;
    }
    replay->is_warmed = false;
    int status = log_read(log, replay->next_offset, end, READ_SIZE, true, may_block, &slice);
    if (status == 0 && !may_block && !log_slice_is_cached(&slice))
        status = -EAGAIN;
    if (status == -EAGAIN)
        return start_warming(replay, &slice);
    if (status == -EUCLEAN) {
        replay->segment_base = slice.first_offset;
        replay->position = slice.position;
    }
    if (status < 0)
        return status;
    if (slice.file == NULL) { /* compaction left nothing up to the end */
        replay->next_offset = end;
        return 1;
    }
    status = take_bytes(replay, &slice);
    log_slice_release(&slice);
    return status;
}

/* ---- Batches and records. ---- */

static int end_batch(struct replay *replay)
{
    uint8_t beyond;
    if (replay->window != NULL && decompressor_read(replay->turns->decompressor, &beyond, 1) != 0)
        return refuse_batch(replay);
    buffer_unref(replay->window);
    replay->window = NULL;
    replay->in_batch = false;
    replay->at += replay->header.size;
    replay->next_offset = batch_next_offset(&replay->header);
    return 1;
}

/* A control batch has one record, that of its producer's transaction; others are of no interest. */
static int tell_marker(struct replay *replay, const uint8_t *batch)
{
    int32_t coordinator_epoch;
    enum marker marker = producers_marker(&replay->header, batch, &coordinator_epoch);
    if (marker != MARKER_NONE)
        replay->reader->marker(replay->reader, replay->header.producer_id, marker == MARKER_COMMIT);
    return end_batch(replay);
}

static int begin_batch(struct replay *replay)
{
    struct batch_header *header = &replay->header;
    struct bytes rest = { replay->bytes->data + replay->at, replay->bytes->size - replay->at };
    enum batch_status parsed = batch_parse(rest, header);
    if (parsed == BATCH_INCOMPLETE && replay->at > 0)
        return read_more(replay);
    if (parsed != BATCH_OK || !batch_crc_is_right(rest.data, header) ||
        batch_next_offset(header) <= replay->next_offset || batch_codec(header) >= CODEC_COUNT)
        return refuse_batch(replay);
    if (batch_is_control(header))
        return tell_marker(replay, rest.data);
    struct bytes body = { rest.data + BATCH_HEADER_SIZE, header->size - BATCH_HEADER_SIZE };
    replay->in_batch = true;
    if (batch_codec(header) != CODEC_NONE && header->record_count > 0) {
        decompressor_begin(replay->turns->decompressor, (enum codec)batch_codec(header), body);
        replay->window = buffer_create(WINDOW_SIZE);
        body = (struct bytes){ replay->window->data, 0 };
    }
    records_begin(&replay->records, header, body);
    return 1;
}

/* Unpacks until a whole record stands in the window, or what can be none. */
static int fill_window(struct replay *replay)
{
    struct record_reader *records = &replay->records;
    for (;;) {
        int32_t size = 0;
        size_t have = (size_t)(records->end - records->at);
        const uint8_t *body = int32_read(records->at, records->end, &size);
        if (body == NULL ? have >= 5 : size < 0 || size <= records->end - body)
            return 0;
        if (size > RECORD_MAX)
            return -EMSGSIZE;
        memmove(replay->window->data, records->at, have);
        if (have == replay->window->capacity)
            replay->window = buffer_grow(replay->window, 2 * have);
        size_t room = replay->window->capacity - have;
        int64_t got = decompressor_read(replay->turns->decompressor, replay->window->data + have,
            odd(small_window) && room > 7 ? 7 : room);
        if (got <= 0)
            return -EBADMSG;
        records->at = replay->window->data;
        records->end = records->at + have + (size_t)got;
        replay->window->size = have + (size_t)got;
    }
}

static int tell_record(struct replay *replay)
{
    struct record record;
    if (replay->window != NULL && replay->records.left > 0 && fill_window(replay) < 0)
        return refuse_batch(replay);
    enum record_status status = records_next(&replay->records, &record);
    if (status == RECORD_END)
        return end_batch(replay);
    if (status == RECORD_CORRUPT || record.offset > batch_last_offset(&replay->header))
        return refuse_batch(replay);
    replay->work_left -= (int64_t)record.size + RECORD_WORK;
    if (record.offset < replay->next_offset)
        return 1; /* the log begins inside of this batch */
    int64_t producer_id = batch_is_transactional(&replay->header) ? replay->header.producer_id : -1;
    struct rsm_record told = { record.key, record.value };
    return replay->reader->record(replay->reader, record.offset, told, producer_id)
               ? 1
               : refuse_batch(replay);
}

/* 1: there is more; 0: that was all; or why it cannot go on now. */
static int run_slice(struct replay *replay)
{
    int status = log_generation(replay->partition->log) == replay->generation ? 1 : -ESTALE;
    replay->work_left = SLICE_WORK;
    while (status > 0 && replay->work_left > 0) {
        if (replay->in_batch)
            status = tell_record(replay);
        else if (replay->bytes != NULL && replay->at < replay->bytes->size)
            status = begin_batch(replay);
        else
            status = read_more(replay);
    }
    return status;
}

/* ---- Turns. ---- */

static void join_turns(struct replay *replay)
{
    struct replay_turns *turns = replay->turns;
    DL_APPEND(turns->waiting, replay);
    replay->is_waiting = true;
    timer_set(turns->loop, &turns->next, loop_now_us(turns->loop));
}

static void leave_turns(struct replay *replay)
{
    struct replay_turns *turns = replay->turns;
    if (!replay->is_waiting)
        return;
    DL_DELETE(turns->waiting, replay);
    replay->is_waiting = false;
    if (turns->waiting == NULL)
        timer_cancel(turns->loop, &turns->next);
}

/* Of a directory that fails others tell, and end the replay. */
static void note_trouble(struct replay *replay, int status)
{
    const struct log *log = replay->partition->log;
    if (!replay->trouble_told && status != -EIO)
        report_error("replay_stands_still",
            "partition=%s-%d reason=\"%s\" consequence=\"tried again\"", log_topic(log),
            log_partition(log), status_text(status));
    replay->trouble_told = true;
    drop_bytes(replay);
    timer_set_in(replay->turns->loop, &replay->retry, RETRY_MS);
}

/* A timer that is set at once runs in the next pass. */
static void take_turn(struct timer *timer)
{
    struct replay_turns *turns = container_of(timer, struct replay_turns, next);
    struct replay *replay = turns->waiting;
    timer_set(turns->loop, timer, loop_now_us(turns->loop));
    int status = run_slice(replay);
    if (status > 0)
        return;
    leave_turns(replay);
    if (status == 0 || status == -EUCLEAN || status == -ESTALE)
        replay->reader->ended(replay->reader, status, replay->segment_base, replay->position);
    else if (status != -EAGAIN)
        note_trouble(replay, status);
}

static void go_on(struct timer *timer)
{
    join_turns(container_of(timer, struct replay, retry));
}

static void run_warmed(struct task *task)
{
    struct replay *replay = container_of(task, struct replay, warmed);
    if (replay->is_destroyed) {
        memory_give(replay);
        return;
    }
    log_warm_destroy(replay->warm);
    replay->warm = NULL;
    replay->is_warmed = true;
    join_turns(replay);
}

void replay_turns_init(struct replay_turns *turns, struct loop *loop)
{
    *turns = (struct replay_turns){
        .loop = loop, .decompressor = decompressor_create(), .next.run = take_turn
    };
}

void replay_turns_deinit(struct replay_turns *turns)
{
    assert(turns->waiting == NULL);
    decompressor_destroy(turns->decompressor);
}

struct replay *replay_start(
    struct partition *partition, struct replay_turns *turns, struct replay_reader *reader)
{
    struct replay *replay = memory_take(sizeof(*replay));
    replay->turns = turns;
    replay->reader = reader;
    replay->partition = partition;
    replay->generation = log_generation(partition->log);
    replay->next_offset = log_start(partition->log);
    replay->warmed.run = run_warmed;
    replay->retry.run = go_on;
    join_turns(replay);
    return replay;
}

void replay_destroy(struct replay *replay)
{
    if (replay == NULL)
        return;
    leave_turns(replay);
    timer_cancel(replay->turns->loop, &replay->retry);
    log_warm_destroy(replay->warm);
    drop_bytes(replay);
    replay->is_destroyed = true;
    if (!replay->warmed.queued)
        memory_give(replay);
}
