/* SPDX-License-Identifier: Apache-2.0 */
#include "replica/partition.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/container.h"
#include "base/memory.h"
#include "io/file.h"
#include "io/io.h"
#include "replica/record_deletion.h"
#include "storage/flusher.h"
#include "storage/log_dir.h"
#include "test.h"
#include "wire/record.h"

struct stage {
    struct io *io;
    struct loop *loop;
    struct log_dir *dir;
    struct flusher *flusher;
    struct partition *partition;
    struct decompressor *decompressor;
    struct arena arena;
    struct task stopped;
    bool is_stopped;
    char path[64];
};

struct pending {
    struct append append;
    struct buffer *buffer;
    bool done;
};

static struct stage *stage_create(bool page_cache)
{
    struct stage *stage = memory_take(sizeof(*stage));
    struct log_dir_settings dir_settings;
    struct log_settings log_settings;
    struct log_dir_identity identity = {
        .cluster_id = "AAAAAAAAAAAAAAAAAAAAAQ", .node_id = 1, .directory_id = { { 7 } }
    };
    struct partition_settings settings = {
        .rules = { .max_message_bytes = 1 << 20,
            .max_uncompressed_size = 1 << 20,
            .max_record_size = 1 << 20,
            .timestamp_before_max_ms = INT64_MAX,
            .timestamp_after_max_ms = INT64_MAX },
        .codec = -1,
        .segment_bytes = 100 * 1024,
        .page_cache = page_cache,
    };
    struct log *log;
    char reason[200];
    snprintf(stage->path, sizeof(stage->path), "/tmp/strom-partition-XXXXXX");
    assert_non_null(mkdtemp(stage->path));
    stage->io = io_create(2);
    stage->loop = loop_create(stage->io, "test");
    arena_init(&stage->arena);
    assert_int_equal(log_dir_format(stage->io, stage->path, &identity), 0);
    log_dir_settings_defaults(&dir_settings);
    assert_int_equal(
        log_dir_open(stage->loop, stage->path, &dir_settings, &stage->dir, reason, sizeof(reason)),
        0);
    stage->flusher = flusher_create(stage->loop, stage->dir);
    log_settings_defaults(&log_settings);
    log_settings.page_cache = page_cache;
    struct partition_key key = { { { 9 } }, 0 };
    assert_int_equal(
        log_create(stage->flusher, stage->path, "topic", 0, key.topic_id, &log_settings, &log), 0);
    stage->partition = partition_create(stage->loop, key, log, &settings);
    partition_lead(stage->partition, true, 3);
    stage->decompressor = decompressor_create();
    return stage;
}

/* Here the loop ends before it delivers the last checkpoint's mail to the log directory; a node's ends after it. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:checkpoint_publish";
}

static void note_stopped(struct task *task)
{
    container_of(task, struct stage, stopped)->is_stopped = true;
}

static void stage_destroy(struct stage *stage)
{
    char command[100];
    stage->stopped.run = note_stopped;
    flusher_stop(stage->flusher, &stage->stopped);
    while (!stage->is_stopped)
        loop_turn(stage->loop);
    partition_destroy(stage->partition, ERROR_NOT_LEADER_OR_FOLLOWER, false);
    flusher_destroy(stage->flusher);
    assert_int_equal(log_dir_close(stage->dir, 5), 0);
    decompressor_destroy(stage->decompressor);
    loop_destroy(stage->loop);
    io_destroy(stage->io);
    snprintf(command, sizeof(command), "rm -rf %s", stage->path);
    assert_int_equal(system(command), 0);
    arena_deinit(&stage->arena);
    memory_give(stage);
}

static void note_done(struct append *append)
{
    container_of(append, struct pending, append)->done = true;
}

static struct pending *pending_create(
    int count, int64_t producer_id, int32_t sequence, int16_t acks)
{
    struct pending *pending = memory_take(sizeof(*pending));
    struct record records[20] = { { 0 } };
    struct batch_options options = batch_options_plain();
    options.producer_id = producer_id;
    options.producer_epoch = producer_id < 0 ? -1 : 0;
    options.base_sequence = sequence;
    for (int i = 0; i < count; i++) {
        records[i].timestamp = 1700000000000 + i;
        records[i].offset = i;
        records[i].value = (struct bytes){ (const uint8_t *)"value", 5 };
    }
    pending->buffer = batch_build(&options, records, count);
    pending->append = (struct append){ .buffer = pending->buffer,
        .records = pending->buffer->data,
        .size = pending->buffer->size,
        .acks = acks,
        .allow_zstd = true,
        .base_offset = -1,
        .append_time_ms = -1,
        .log_start = -1,
        .done = note_done };
    return pending;
}

static void pending_destroy(struct pending *pending)
{
    buffer_unref(pending->buffer);
    memory_give(pending);
}

static bool append(struct stage *stage, struct pending *pending)
{
    return partition_append(stage->partition, &pending->append, stage->decompressor, &stage->arena);
}

static void turn_until(struct stage *stage, const bool *flag)
{
    while (!*flag)
        loop_turn(stage->loop);
}

/* acks=1 is answered when written, acks=-1 when the high watermark has passed: after the flush. */
void test_partition__answers_all_when_durable_and_one_when_written(void)
{
    struct stage *stage = stage_create(false);
    struct pending *one = pending_create(3, -1, -1, 1), *all = pending_create(2, -1, -1, -1);
    assert_true(append(stage, one));
    assert_true(append(stage, all));
    assert_false(one->done);
    turn_until(stage, &one->done);
    assert_int_equal(one->append.base_offset, 0);
    assert_int_equal(log_end(stage->partition->log), 5);
    turn_until(stage, &all->done);
    assert_int_equal(all->append.error, ERROR_NONE);
    assert_int_equal(all->append.base_offset, 3);
    assert_int_equal(log_durable_end(stage->partition->log), 5);
    assert_int_equal(stage->partition->high_watermark, 5);
    pending_destroy(one);
    pending_destroy(all);
    stage_destroy(stage);
}

/* Whose time is up before the write is taken out of those who hear of it; the batch is written with the others. */
void test_partition__forgets_who_gave_up_before_the_write(void)
{
    struct stage *stage = stage_create(false);
    struct pending *early = pending_create(2, -1, -1, -1), *late = pending_create(3, -1, -1, -1);
    assert_true(append(stage, early));
    partition_append_cancel(&early->append);
    assert_false(partition_append_waits(&early->append));
    assert_true(append(stage, late));
    turn_until(stage, &late->done);
    assert_false(early->done);
    assert_int_equal(late->append.base_offset, 2);
    assert_int_equal(stage->partition->high_watermark, 5);
    pending_destroy(early);
    pending_destroy(late);
    stage_destroy(stage);
}

/* With ack.durability=page-cache written is enough, in the same pass. */
void test_partition__counts_written_with_page_cache(void)
{
    struct stage *stage = stage_create(true);
    struct pending *all = pending_create(4, -1, -1, -1);
    assert_true(append(stage, all));
    turn_until(stage, &all->done);
    assert_int_equal(stage->partition->high_watermark, 4);
    pending_destroy(all);
    stage_destroy(stage);
}

/* A duplicate of a batch in the same pass gets the same offset; a gap is refused. */
void test_partition__answers_duplicates_like_their_original(void)
{
    struct stage *stage = stage_create(false);
    struct pending *first = pending_create(3, 40, 0, -1), *again = pending_create(3, 40, 0, -1);
    struct pending *gap = pending_create(1, 40, 9, -1), *late = pending_create(3, 40, 0, 1);
    assert_true(append(stage, first));
    assert_true(append(stage, again));
    assert_false(append(stage, gap));
    assert_int_equal(gap->append.error, ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    turn_until(stage, &again->done);
    assert_true(first->done);
    assert_int_equal(again->append.base_offset, 0);
    assert_int_equal(again->append.error, ERROR_NONE);
    assert_false(append(stage, late));
    assert_int_equal(late->append.error, ERROR_NONE);
    assert_int_equal(late->append.base_offset, 0);
    assert_int_equal(log_end(stage->partition->log), 3);
    pending_destroy(first);
    pending_destroy(again);
    pending_destroy(gap);
    pending_destroy(late);
    stage_destroy(stage);
}

/* Not even an empty segment would hold it. */
void test_partition__refuses_a_batch_larger_than_a_segment(void)
{
    struct stage *stage = stage_create(false);
    struct pending *large = pending_create(3, -1, -1, 1);
    stage->partition->settings.segment_bytes = 70;
    assert_false(append(stage, large));
    assert_int_equal(large->append.error, ERROR_RECORD_LIST_TOO_LARGE);
    assert_int_equal(large->append.log_start, -1);
    assert_int_equal(log_end(stage->partition->log), 0);
    pending_destroy(large);
    stage_destroy(stage);
}

static int moves;
static void note_moved(struct partition_watch *watch)
{
    (void)watch;
    moves++;
}

/* What is read ends at the high watermark, and a move of it wakes who watches. */
void test_partition__shows_only_what_is_below_the_high_watermark(void)
{
    struct stage *stage = stage_create(false);
    struct pending *one = pending_create(3, -1, -1, 1);
    struct partition_watch watch = { .moved = note_moved };
    struct partition_read read = { .current_leader_epoch = -1,
        .last_fetched_epoch = -1,
        .max_bytes = 1 << 20,
        .may_block = true,
        .at_least_one = true };
    moves = 0;
    partition_watch(stage->partition, &watch);
    assert_true(append(stage, one));
    turn_until(stage, &one->done);
    if (stage->partition->high_watermark == 0) {
        assert_int_equal(partition_read(stage->partition, &read, &stage->arena), 0);
        assert_null(read.slice.file);
    }
    while (moves == 0)
        loop_turn(stage->loop);
    assert_int_equal(partition_read(stage->partition, &read, &stage->arena), 0);
    assert_int_equal(read.error, ERROR_NONE);
    assert_non_null(read.slice.file);
    assert_int_equal(read.slice.size, one->append.size);
    log_slice_release(&read.slice);
    read.offset = 4;
    assert_int_equal(partition_read(stage->partition, &read, &stage->arena), 0);
    assert_int_equal(read.error, ERROR_OFFSET_OUT_OF_RANGE);
    read.offset = 0;
    read.current_leader_epoch = 2;
    assert_int_equal(partition_read(stage->partition, &read, &stage->arena), 0);
    assert_int_equal(read.error, ERROR_FENCED_LEADER_EPOCH);
    read.current_leader_epoch = 4;
    assert_int_equal(partition_read(stage->partition, &read, &stage->arena), 0);
    assert_int_equal(read.error, ERROR_UNKNOWN_LEADER_EPOCH);
    partition_unwatch(&watch);
    pending_destroy(one);
    stage_destroy(stage);
}

struct pending_deletion {
    struct record_deletion deletion;
    bool done;
};

static void note_deleted(struct record_deletion *deletion)
{
    container_of(deletion, struct pending_deletion, deletion)->done = true;
}

static bool delete_below(
    struct stage *stage, struct pending_deletion *pending, int64_t offset)
{
    *pending = (struct pending_deletion){ .deletion = { .offset = offset, .done = note_deleted } };
    return partition_delete_records(stage->partition, &pending->deletion);
}

static void append_and_wait(struct stage *stage, int count)
{
    struct pending *pending = pending_create(count, -1, -1, -1);
    assert_true(append(stage, pending));
    turn_until(stage, &pending->done);
    assert_int_equal(pending->append.error, ERROR_NONE);
    pending_destroy(pending);
}

/* The answer comes when the checkpoint file says where the log begins now, and nobody sees it before.
 * A page-cache topic's records are flushed first, so that the log cannot begin behind its end. */
void test_partition__deletes_records_for_good(void)
{
    for (int page_cache = 0; page_cache < 2; page_cache++) {
        struct stage *stage = stage_create(page_cache == 1);
        struct pending_deletion pending, second;
        char path[100], *text;
        size_t size;
        append_and_wait(stage, 4);
        append_and_wait(stage, 2);
        assert_true(delete_below(stage, &pending, 3));
        assert_int_equal(log_start(stage->partition->log), 0);
        turn_until(stage, &pending.done);
        assert_int_equal(pending.deletion.error, ERROR_NONE);
        assert_int_equal(pending.deletion.log_start, 3);
        assert_int_equal(log_start(stage->partition->log), 3);
        assert_true(log_durable_end(stage->partition->log) >= 3);
        snprintf(path, sizeof(path), "%s/log-start-offset-checkpoint", stage->path);
        assert_int_equal(file_load(stage->io, path, 1000, &text, &size), 0);
        assert_string_equal(text, "0\n1\ntopic 0 3\n");
        memory_give(text);
        assert_false(delete_below(stage, &second, 2)); /* it is there already */
        assert_int_equal(second.deletion.log_start, 3);
        assert_true(delete_below(stage, &pending, RECORDS_BELOW_HIGH_WATERMARK));
        assert_true(delete_below(stage, &second, 5));
        turn_until(stage, &pending.done);
        turn_until(stage, &second.done);
        assert_int_equal(pending.deletion.log_start, 6);
        stage_destroy(stage);
    }
}

static void assert_refused(struct stage *stage, int64_t offset, enum error error)
{
    struct pending_deletion pending;
    assert_false(delete_below(stage, &pending, offset));
    assert_int_equal(pending.deletion.error, error);
    assert_int_equal(pending.deletion.log_start, -1);
}

void test_partition__refuses_to_delete_what_it_must_not(void)
{
    struct stage *stage = stage_create(false);
    append_and_wait(stage, 4);
    assert_refused(stage, 5, ERROR_OFFSET_OUT_OF_RANGE);
    assert_refused(stage, -2, ERROR_OFFSET_OUT_OF_RANGE);
    stage->partition->settings.only_compacts = true;
    assert_refused(stage, 1, ERROR_POLICY_VIOLATION);
    partition_lead(stage->partition, false, 4);
    assert_refused(stage, 1, ERROR_NOT_LEADER_OR_FOLLOWER);
    stage_destroy(stage);
}

/* Who waits hears when the leadership or the directory goes, or when its time is up. */
void test_partition__lets_no_deletion_wait_for_ever(void)
{
    struct stage *stage = stage_create(false);
    struct pending_deletion pending, late;
    append_and_wait(stage, 4);
    assert_true(delete_below(stage, &pending, 1));
    assert_true(delete_below(stage, &late, 2));
    record_deletion_time_out(&late.deletion);
    assert_int_equal(late.deletion.error, ERROR_REQUEST_TIMED_OUT);
    partition_lead(stage->partition, false, 4);
    assert_true(pending.done);
    assert_int_equal(pending.deletion.error, ERROR_NOT_LEADER_OR_FOLLOWER);
    partition_lead(stage->partition, true, 5);
    assert_true(delete_below(stage, &pending, 3));
    partition_retire(stage->partition);
    assert_int_equal(pending.deletion.error, ERROR_KAFKA_STORAGE_ERROR);
    assert_false(late.done);
    stage_destroy(stage);
}
