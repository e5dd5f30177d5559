/* SPDX-License-Identifier: Apache-2.0 */
/* A partition between two log directories, one loop, real files. */
#include "replica/move.h"

#include <errno.h>
#include <utlist.h>

#include "base/pace.h"
#include "replica/partition.h"
#include "storage/deletion.h"
#include "storage/log_state.h"
#include "unit/storage/store.h"

enum { EPOCH = 3 };

struct stage {
    struct store stores[2]; /* only their directories, flushers and paths; loop and io are one */
    struct partition *partition;
    struct move_watch watch;
    struct pace pace;
    struct move_pace move_pace;
    int ready, fell_back, moved;
};

static void note_ready(struct move_watch *watch, struct partition *partition)
{
    (void)partition;
    container_of(watch, struct stage, watch)->ready++;
}
static void note_fall(struct move_watch *watch, struct partition *partition)
{
    (void)partition;
    container_of(watch, struct stage, watch)->fell_back++;
}
static void note_moved(struct move_watch *watch, struct partition *partition)
{
    assert_null(partition->move);
    container_of(watch, struct stage, watch)->moved++;
}

static struct loop *loop_of(struct stage *stage)
{
    return stage->stores[0].loop;
}

static void settings_for(struct log_settings *settings)
{
    log_settings_defaults(settings);
    settings->segment_bytes = 20 * 1000;
}

static const struct partition_key key = { { { 9 } }, 0 };

/* The second store works on the loop of the first. */
static void open_second(struct stage *stage)
{
    struct store *second = &stage->stores[1];
    char reason[256];
    second->io = stage->stores[0].io;
    second->loop = stage->stores[0].loop;
    move_pace_init(&stage->move_pace, loop_of(stage), &stage->pace);
    assert_int_equal(log_dir_open(second->loop, second->path, &second->settings, &second->dir, reason, sizeof(reason)), 0);
    second->flusher = flusher_create(second->loop, second->dir);
}

static void lead(struct stage *stage, struct log *log)
{
    struct partition_settings settings = { .codec = -1, .segment_bytes = 20 * 1000 };
    stage->partition = partition_create(stage->stores[0].loop, key, log, &settings);
    partition_lead(stage->partition, true, EPOCH);
}

static void stage_begin(struct stage *stage)
{
    struct log_settings log_settings;
    struct log *log;
    *stage = (struct stage){ .watch = { note_ready, note_fall, note_moved } };
    settings_for(&log_settings);
    store_create(&stage->stores[0]);
    store_create(&stage->stores[1]);
    struct store *second = &stage->stores[1];
    flusher_destroy(second->flusher);
    assert_int_equal(log_dir_close(second->dir, 1), 0);
    loop_destroy(second->loop);
    io_destroy(second->io);
    open_second(stage);
    assert_int_equal(log_create(stage->stores[0].flusher, stage->stores[0].path, "topic", 0, key.topic_id, &log_settings, &log), 0);
    lead(stage, log);
}

/* With the future log of a move that was not begun; NULL: there is none. */
static void stage_stop(struct stage *stage, struct log *future)
{
    struct store *first = &stage->stores[0];
    for (int i = 0; i < 2; i++) {
        flusher_stop(stage->stores[i].flusher, &first->task);
        store_wait(first);
    }
    partition_destroy(stage->partition, ERROR_NOT_LEADER_OR_FOLLOWER, false);
    log_close(future);
    for (int i = 0; i < 2; i++)
        flusher_destroy(stage->stores[i].flusher);
    loop_stop(first->loop);
    while (loop_turn(first->loop))
        continue;
    for (int i = 0; i < 2; i++)
        assert_int_equal(log_dir_close(stage->stores[i].dir, 7), 0);
    loop_destroy(first->loop);
    io_destroy(first->io);
}

static struct log *stage_open_again(struct stage *stage)
{
    struct log_settings settings;
    struct log *log, *future;
    settings_for(&settings);
    store_open(&stage->stores[0], stage->stores[0].path);
    open_second(stage);
    const struct log_place *place = log_dir_find(stage->stores[0].dir, "topic", 0);
    assert_int_equal(log_open(stage->stores[0].flusher, place, &settings, &log), 0);
    lead(stage, log);
    place = log_dir_find_future(stage->stores[1].dir, "topic", 0);
    assert_int_equal(log_open(stage->stores[1].flusher, place, &settings, &future), 0);
    return future;
}

static void stage_end(struct stage *stage)
{
    stage_stop(stage, NULL);
    for (int i = 0; i < 2; i++)
        store_remove(&stage->stores[i]);
}

static struct log *make_future(struct stage *stage)
{
    struct log_settings settings;
    struct log *future;
    settings_for(&settings);
    assert_int_equal(log_create_future(stage->stores[1].flusher, stage->stores[1].path, "topic", 0,
                         stage->partition->key.topic_id, &settings, &future),
        0);
    return future;
}

static void begin_move(struct stage *stage, struct log *future)
{
    move_begin(stage->partition, future, 1, &stage->watch, &stage->move_pace);
}

static void turn_until(struct stage *stage, const int *count)
{
    while (*count == 0)
        assert_true(loop_turn(loop_of(stage)));
}

static void finish(struct stage *stage)
{
    turn_until(stage, &stage->ready);
    move_finish(stage->partition->move);
    turn_until(stage, &stage->moved);
}

static void append_batches(struct log *log, int count, int32_t epoch)
{
    for (int i = 0; i < count; i++)
        store_append(log, 10, 300, loop_wall_ms(flusher_loop(log_flusher(log))), epoch);
}

static bool is_there(const struct stage *stage, int store_index, const char *name)
{
    char path[512];
    int64_t size;
    snprintf(path, sizeof(path), "%s/%s/partition.metadata", stage->stores[store_index].path, name);
    return file_stat(stage->stores[0].io, path, &size) == 0;
}

/* Each batch from the log's start on, in both logs: the same offset, epoch and checksum. */
static void assert_same(struct log *log, const struct batch_header *wanted, int count)
{
    int64_t offset = log_start(log);
    for (int i = 0; i < count; i++) {
        struct batch_header found = { 0 };
        assert_true(store_read(log, offset, &found) >= 0);
        assert_int_equal(found.base_offset, wanted[i].base_offset);
        assert_int_equal(found.leader_epoch, wanted[i].leader_epoch);
        assert_int_equal(found.crc, wanted[i].crc);
        offset = batch_next_offset(&found);
    }
    assert_int_equal(offset, log_end(log));
}

static int list_batches(struct log *log, struct batch_header *out_headers)
{
    int count = 0;
    for (int64_t offset = log_start(log); offset < log_end(log);
         offset = batch_next_offset(&out_headers[count - 1]))
        assert_true(store_read(log, offset, &out_headers[count++]) >= 0);
    return count;
}

/* All segments arrive; the new log has the name, the old one is gone; the high watermark stays. */
void test_move__brings_everything_to_the_other_directory(void)
{
    struct batch_header wanted[100];
    struct stage stage;
    stage_begin(&stage);
    append_batches(stage.partition->log, 30, EPOCH);
    store_flush(&stage.stores[0], stage.partition->log);
    partition_note_limit(stage.partition);
    int count = list_batches(stage.partition->log, wanted);
    assert_int_equal(stage.partition->high_watermark, 300);
    begin_move(&stage, make_future(&stage));
    finish(&stage);
    assert_int_equal(stage.partition->log_dir_index, 1);
    assert_int_equal(stage.partition->high_watermark, 300);
    assert_int_equal(log_durable_end(stage.partition->log), 300);
    assert_int_equal(epochs_latest(log_epochs(stage.partition->log)), EPOCH);
    assert_same(stage.partition->log, wanted, count);
    while (!is_there(&stage, 1, "topic-0"))
        assert_true(loop_turn(loop_of(&stage)));
    assert_false(is_there(&stage, 0, "topic-0"));
    append_batches(stage.partition->log, 1, EPOCH);
    assert_int_equal(log_end(stage.partition->log), 310);
    stage_end(&stage);
}

/* What a client deleted stays deleted, also inside a batch. */
void test_move__begins_where_the_log_begins(void)
{
    struct batch_header wanted[100];
    struct stage stage;
    stage_begin(&stage);
    append_batches(stage.partition->log, 20, EPOCH);
    store_flush(&stage.stores[0], stage.partition->log);
    assert_int_equal(log_delete_records(stage.partition->log, 75), 0);
    while (log_start(stage.partition->log) < 75)
        assert_true(loop_turn(loop_of(&stage)));
    int count = list_batches(stage.partition->log, wanted);
    begin_move(&stage, make_future(&stage));
    finish(&stage);
    assert_int_equal(log_start(stage.partition->log), 75);
    assert_same(stage.partition->log, wanted, count);
    stage_end(&stage);
}

/* Nobody copies its batches; a kill right after the move would find only what is on the disk. */
void test_move__keeps_a_producer_whose_batches_are_gone(void)
{
    struct batch_options options = batch_options_plain();
    struct producers kept = { 0 };
    struct stage stage;
    char path[900], *data;
    size_t size;
    stage_begin(&stage);
    options.producer_id = 7;
    options.producer_epoch = 0;
    options.base_sequence = 0;
    struct log *log = stage.partition->log;
    store_stage(log, 3, 100, loop_wall_ms(loop_of(&stage)), EPOCH, &options);
    assert_int_equal(log_write(log), 0);
    append_batches(log, 1, EPOCH);
    store_flush(&stage.stores[0], log);
    assert_int_equal(log_delete_records(log, 3), 0);
    while (log_start(log) < 3)
        assert_true(loop_turn(loop_of(&stage)));
    begin_move(&stage, make_future(&stage));
    turn_until(&stage, &stage.ready);
    snprintf(path, sizeof(path), "%s/%020d.snapshot", log_path(stage.partition->move->future), 13);
    assert_int_equal(file_load(stage.stores[0].io, path, 1 << 20, &data, &size), 0);
    assert_true(producers_load(&kept, (struct bytes){ (const uint8_t *)data, size }));
    assert_int_equal(producers_find(&kept, 7)->batches[0].last_sequence, 2);
    memory_give(data);
    producers_deinit(&kept);
    stage_end(&stage);
}

/* What is staged its producers know already, though it may never be written. */
void test_move__joins_when_nothing_is_staged(void)
{
    struct batch_options options = batch_options_plain();
    struct stage stage;
    stage_begin(&stage);
    struct log *log = stage.partition->log;
    append_batches(log, 1, EPOCH);
    store_stage(log, 3, 100, loop_wall_ms(loop_of(&stage)), EPOCH, &options);
    begin_move(&stage, make_future(&stage));
    while (log_end(stage.partition->move->future) < 10)
        assert_true(loop_turn(loop_of(&stage)));
    assert_int_equal(stage.partition->move->stage, MOVE_COPYING);
    assert_int_equal(log_write(log), 0);
    turn_until(&stage, &stage.ready);
    assert_int_equal(log_end(stage.partition->move->future), 13);
    stage_end(&stage);
}

/* A log without records keeps its offsets. */
void test_move__moves_an_empty_log(void)
{
    struct stage stage;
    stage_begin(&stage);
    assert_int_equal(log_restart(stage.partition->log, 42), 0);
    begin_move(&stage, make_future(&stage));
    finish(&stage);
    assert_int_equal(log_start(stage.partition->log), 42);
    assert_int_equal(log_end(stage.partition->log), 42);
    stage_end(&stage);
}

/* A future log of an earlier life holds what the current one has lost since, and other records stand there now: they agree to where
 * their common epoch ends. */
void test_move__takes_back_what_the_log_does_not_have(void)
{
    struct batch_header wanted[100];
    struct stage stage;
    stage_begin(&stage);
    struct log *future = make_future(&stage);
    append_batches(stage.partition->log, 5, EPOCH);
    append_batches(future, 5, EPOCH);
    append_batches(future, 4, EPOCH + 1); /* lost from the current log */
    append_batches(stage.partition->log, 6, EPOCH + 2);
    store_flush(&stage.stores[0], stage.partition->log);
    store_flush(&stage.stores[1], future);
    int count = list_batches(stage.partition->log, wanted);
    begin_move(&stage, future);
    finish(&stage);
    assert_same(stage.partition->log, wanted, count);
    stage_end(&stage);
}

/* As the future log's directory has it for a start. */
static long recovery_point_in_file(const struct stage *stage)
{
    long point = -1;
    char path[512], *data;
    size_t size;
    snprintf(path, sizeof(path), "%s/recovery-point-offset-checkpoint", stage->stores[1].path);
    assert_int_equal(file_load(stage->stores[0].io, path, 1 << 20, &data, &size), 0);
    assert_int_equal(sscanf(data, "0 1 topic 0 %ld", &point), 1);
    memory_give(data);
    return point;
}

/* The checkpoint file speaks of a longer log. A start after a cut of power would look at nothing below, and could take torn batches for
 * durable ones. */
void test_move__copies_nothing_while_the_recovery_point_speaks_of_what_was_taken_back(void)
{
    struct stage stage;
    stage_begin(&stage);
    struct log *future = make_future(&stage);
    append_batches(stage.partition->log, 5, EPOCH);
    append_batches(future, 5, EPOCH);
    append_batches(future, 20, EPOCH + 1); /* lost from the current log */
    append_batches(stage.partition->log, 30, EPOCH + 2);
    stage_stop(&stage, future);
    future = stage_open_again(&stage);
    assert_int_equal(recovery_point_in_file(&stage), 250);
    begin_move(&stage, future);
    while (stage.ready == 0) {
        assert_true(loop_turn(loop_of(&stage)));
        assert_true(recovery_point_in_file(&stage) <= log_durable_end(future) || log_end(future) <= 50);
    }
    assert_int_equal(log_end(future), 350);
    stage_end(&stage);
}

/* A future log of an earlier life, while the current one was compacted without it: it may hold values whose tombstones are gone, and is
 * copied anew. */
void test_move__begins_anew_when_the_log_was_compacted_meanwhile(void)
{
    struct batch_header wanted[100];
    struct stage stage;
    stage_begin(&stage);
    struct log *future = make_future(&stage);
    store_append(future, 10, 200, 1, EPOCH); /* other bytes than the current log has now */
    append_batches(stage.partition->log, 5, EPOCH);
    store_flush(&stage.stores[0], stage.partition->log);
    store_flush(&stage.stores[1], future);
    log_set_clean_end(stage.partition->log, 30);
    int count = list_batches(stage.partition->log, wanted);
    begin_move(&stage, future);
    finish(&stage);
    assert_same(stage.partition->log, wanted, count);
    assert_int_equal(log_clean_end(stage.partition->log), 30);
    stage_end(&stage);
}

/* What is left in a directory that failed may not get its name there: the partition stays where it is. */
void test_move__changes_no_name_when_a_directory_failed(void)
{
    struct stage stage;
    stage_begin(&stage);
    append_batches(stage.partition->log, 3, EPOCH);
    begin_move(&stage, make_future(&stage));
    turn_until(&stage, &stage.ready);
    flusher_fail(stage.stores[1].flusher, -EIO);
    move_finish(stage.partition->move);
    while (stage.partition->move->task.queued)
        assert_true(loop_turn(loop_of(&stage)));
    assert_int_equal(stage.moved, 0);
    assert_true(is_there(&stage, 0, "topic-0"));
    move_end(stage.partition, false);
    assert_int_equal(log_end(stage.partition->log), 30);
    stage_end(&stage);
}

static void lose_current(struct stage *stage)
{
    flusher_fail(stage->stores[0].flusher, -EIO);
    partition_retire(stage->partition);
}

/* The metadata may name its directory by now: then the next start finds the partition there, with what the checkpoint files say of it. */
void test_move__leaves_a_copy_that_is_kept_when_the_current_log_is_lost(void)
{
    struct batch_header wanted[100];
    struct log_settings settings;
    struct stage stage;
    struct log *log;
    stage_begin(&stage);
    append_batches(stage.partition->log, 20, EPOCH);
    store_flush(&stage.stores[0], stage.partition->log);
    assert_int_equal(log_delete_records(stage.partition->log, 75), 0);
    while (log_start(stage.partition->log) < 75)
        assert_true(loop_turn(loop_of(&stage)));
    int count = list_batches(stage.partition->log, wanted);
    begin_move(&stage, make_future(&stage));
    turn_until(&stage, &stage.ready);
    lose_current(&stage);
    stage_stop(&stage, NULL);
    settings_for(&settings);
    store_open(&stage.stores[0], stage.stores[0].path);
    open_second(&stage);
    assert_true(log_dir_was_clean(stage.stores[1].dir));
    assert_int_equal(log_dir_finish_move(stage.stores[1].dir, 0), 0);
    const struct log_place *place = log_dir_find(stage.stores[1].dir, "topic", 0);
    assert_int_equal(place->recovery_point, 200);
    assert_int_equal(log_open(stage.stores[1].flusher, place, &settings, &log), 0);
    lead(&stage, log);
    assert_int_equal(log_start(log), 75);
    assert_same(log, wanted, count);
    stage_end(&stage);
}

/* It stands still, whatever the owner wants, and goes with its topic. */
void test_move__leaves_a_copy_that_is_deleted_with_its_topic(void)
{
    struct stage stage;
    char path[512];
    stage_begin(&stage);
    append_batches(stage.partition->log, 3, EPOCH);
    begin_move(&stage, make_future(&stage));
    turn_until(&stage, &stage.ready);
    snprintf(path, sizeof(path), "%s", log_path(stage.partition->move->future));
    lose_current(&stage);
    move_finish(stage.partition->move);
    move_hurry(stage.partition->move);
    store_sleep(&stage.stores[0], 30);
    assert_int_equal(stage.moved, 0);
    assert_int_equal(directory_exists(stage.stores[0].io, path), 0);
    partition_destroy(stage.partition, ERROR_UNKNOWN_TOPIC_OR_PARTITION, true);
    assert_int_equal(directory_exists(stage.stores[0].io, path), -ENOENT);
    lead(&stage, NULL);
    stage_end(&stage);
}

static int look_for_delete(void *found, const char *name)
{
    if (strstr(name, "-delete") != NULL)
        *(bool *)found = true;
    return 0;
}

static bool has_parted(const struct stage *stage)
{
    bool found = false;
    assert_int_equal(directory_list(stage->stores[0].io, stage->stores[0].path, look_for_delete, &found), 0);
    return found;
}

/* Until then it is the only one that a start is sure to find under some name. */
void test_move__keeps_the_old_log_until_the_new_one_has_its_name_durably(void)
{
    struct log_settings settings;
    struct stage stage;
    stage_begin(&stage);
    settings_for(&settings);
    settings.file_delete_delay_ms = 0;
    log_set_settings(stage.partition->log, &settings);
    append_batches(stage.partition->log, 3, EPOCH);
    begin_move(&stage, make_future(&stage));
    finish(&stage);
    while (!is_there(&stage, 1, "topic-0") || !log_names_are_durable(stage.partition->log)) {
        assert_true(has_parted(&stage));
        assert_true(loop_turn(loop_of(&stage)));
    }
    while (has_parted(&stage))
        assert_true(loop_turn(loop_of(&stage)));
    stage_end(&stage);
}

/* Under which compaction each of them was copied stands in the checkpoint files: a restart takes up what
 * still agrees, and begins anew what the node compacted while the goal was away. */
void test_move__knows_after_a_restart_what_was_compacted(void)
{
    for (int compacted = 0; compacted < 2; compacted++) {
        struct batch_header wanted[100];
        struct stage stage;
        stage_begin(&stage);
        struct log *future = make_future(&stage);
        log_set_clean_end(stage.partition->log, 20);
        log_set_clean_end(future, 20);
        append_batches(stage.partition->log, 5, EPOCH);
        append_batches(future, 2, EPOCH);
        stage_stop(&stage, future);
        future = stage_open_again(&stage);
        assert_int_equal(log_clean_end(stage.partition->log), 20);
        assert_int_equal(log_clean_end(future), 20);
        if (compacted)
            log_set_clean_end(stage.partition->log, 30);
        stage_stop(&stage, future);
        future = stage_open_again(&stage);
        int count = list_batches(stage.partition->log, wanted);
        uint32_t generation = log_generation(future);
        begin_move(&stage, future);
        finish(&stage);
        assert_int_equal(log_generation(stage.partition->log) - generation, compacted);
        assert_same(stage.partition->log, wanted, count);
        assert_int_equal(log_clean_end(stage.partition->log), compacted ? 30 : 20);
        stage_end(&stage);
    }
}

/* From the pass on in which they are joined no high watermark goes beyond the slower disk. */
void test_move__holds_the_high_watermark_back_when_joined(void)
{
    struct stage stage;
    stage_begin(&stage);
    append_batches(stage.partition->log, 3, EPOCH);
    store_flush(&stage.stores[0], stage.partition->log);
    partition_note_limit(stage.partition);
    begin_move(&stage, make_future(&stage));
    while (stage.partition->move->stage == MOVE_COPYING)
        assert_true(loop_turn(loop_of(&stage)));
    struct move *move = stage.partition->move;
    append_batches(stage.partition->log, 1, EPOCH);
    move_follow(move);
    assert_int_equal(log_end(move->future), 40);
    assert_int_equal(move_lag(move), 0);
    store_flush(&stage.stores[0], stage.partition->log);
    log_set_durable_task(stage.partition->log, &stage.partition->durable);
    partition_note_limit(stage.partition);
    assert_int_equal(stage.partition->high_watermark,
        log_durable_end(move->future) < 30 ? 30 : log_durable_end(move->future));
    finish(&stage);
    while (stage.partition->high_watermark < 40) /* until the last flush there is over */
        assert_true(loop_turn(loop_of(&stage)));
    stage_end(&stage);
}

static void fall_back(struct stage *stage)
{
    struct log *log = stage->partition->log;
    int fell_back = stage->fell_back;
    turn_until(stage, &stage->ready);
    log->is_swapping = true; /* nothing can be copied from it */
    append_batches(log, 1, EPOCH);
    move_follow(stage->partition->move);
    assert_int_equal(stage->fell_back, fell_back + 1);
    stage->ready = 0;
    store_flush(&stage->stores[0], log);
    log_set_durable_task(log, &stage->partition->durable);
    partition_note_limit(stage->partition);
}

/* The metadata may still name the new directory, and a start that does not find the other one makes do with what is there: until the
 * owner knows better, what is promised must be there. */
void test_move__holds_the_high_watermark_back_when_it_fell_back(void)
{
    struct stage stage;
    stage_begin(&stage);
    append_batches(stage.partition->log, 3, EPOCH);
    store_flush(&stage.stores[0], stage.partition->log);
    begin_move(&stage, make_future(&stage));
    fall_back(&stage);
    assert_int_equal(stage.partition->high_watermark, 30);
    stage.partition->log->is_swapping = false;
    while (stage.partition->high_watermark < 40)
        assert_true(loop_turn(loop_of(&stage)));
    assert_int_equal(log_durable_end(stage.partition->move->future), 40);
    fall_back(&stage);
    assert_int_equal(stage.partition->high_watermark, 40);
    move_note_unnamed(stage.partition->move);
    assert_int_equal(stage.partition->high_watermark, 50);
    stage.partition->log->is_swapping = false;
    stage_end(&stage);
}

static void note_answer(struct append *append)
{
    (void)append;
}

/* With the page cache the end of the log counts at once, and the append that met the fall back is answered in its pass. */
void test_move__answers_the_append_that_made_it_fall_back(void)
{
    struct partition_settings settings = { .codec = -1, .segment_bytes = 20 * 1000, .page_cache = true };
    struct append append = { .acks = -1, .done = note_answer, .error = ERROR_UNKNOWN_SERVER_ERROR };
    struct stage stage;
    stage_begin(&stage);
    struct partition *partition = stage.partition;
    partition_set_settings(partition, &settings);
    append_batches(partition->log, 3, EPOCH);
    begin_move(&stage, make_future(&stage));
    while (partition->move->stage == MOVE_COPYING)
        assert_true(loop_turn(loop_of(&stage)));
    assert_int_equal(partition->move->stage, MOVE_JOINED);
    partition->log->is_swapping = true; /* nothing can be copied from it */
    append.base_offset = store_stage(partition->log, 10, 300, 1, EPOCH, NULL);
    append.last_offset = append.base_offset + 9;
    append.partition = partition;
    append.is_staged = true;
    DL_APPEND(partition->staged, &append);
    partition->write.run(&partition->write);
    assert_int_equal(partition->move->stage, MOVE_COPYING);
    assert_int_equal(partition->high_watermark, 40);
    assert_false(partition_append_waits(&append));
    assert_int_equal(append.error, ERROR_NONE);
    partition->log->is_swapping = false;
    stage_end(&stage);
}

/* Slow enough to be given up: the future log goes, the partition stays. */
void test_move__is_paced_and_can_be_given_up(void)
{
    struct stage stage;
    stage_begin(&stage);
    append_batches(stage.partition->log, 20, EPOCH);
    stage.move_pace.bytes_per_second = 1000;
    begin_move(&stage, make_future(&stage));
    while (log_end(stage.partition->move->future) == 0)
        assert_true(loop_turn(loop_of(&stage)));
    assert_int_equal(log_end(stage.partition->move->future), 10); /* at least a batch at once */
    assert_true(timer_is_set(&stage.partition->move->timer));
    move_end(stage.partition, true);
    assert_null(stage.partition->move);
    assert_int_equal(log_end(stage.partition->log), 200);
    assert_true(is_there(&stage, 0, "topic-0"));
    stage_end(&stage);
}

enum { MANY = 3 };

static int64_t copied_of(
    struct partition *const *partitions, int64_t *out_least, int64_t *out_undurable)
{
    int64_t copied = 0;
    *out_least = INT64_MAX;
    *out_undurable = 0;
    for (int i = 0; i < MANY; i++) {
        int64_t end = log_end(partitions[i]->move->future);
        copied += end;
        *out_undurable += end - log_durable_end(partitions[i]->move->future);
        *out_least = end < *out_least ? end : *out_least;
    }
    return copied;
}

/* However many partitions move: one piece is copied at a time, of each in its turn, and it is durable before the next. */
void test_move__copies_a_piece_at_a_time_in_turn(void)
{
    enum { BATCHES = 5, RECORDS = 64 }; /* each larger than a piece */
    struct partition_settings settings = { .codec = -1, .segment_bytes = 20 * 1000 };
    struct partition *partitions[MANY];
    struct log_settings log_settings;
    struct log *log, *futures[MANY];
    struct stage stage;
    int64_t before = 0, least, copied, undurable, allowed = 0;
    stage_begin(&stage);
    settings_for(&log_settings);
    for (int i = 0; i < MANY; i++) {
        struct partition_key of = { { { 10 } }, i };
        assert_int_equal(log_create(stage.stores[0].flusher, stage.stores[0].path, "many", i, of.topic_id, &log_settings, &log), 0);
        for (int batch = 0; batch < BATCHES; batch++)
            store_append(log, RECORDS, 20000, 1, EPOCH);
        partitions[i] = partition_create(loop_of(&stage), of, log, &settings);
        partition_lead(partitions[i], true, EPOCH);
        assert_int_equal(log_create_future(stage.stores[1].flusher, stage.stores[1].path, "many", i, of.topic_id, &log_settings, &futures[i]), 0);
    }
    for (int i = 0; i < MANY; i++) /* else some would wait for that while others are copied */
        while (!log_point_is_kept(futures[i]))
            assert_true(loop_turn(loop_of(&stage)));
    for (int i = 0; i < MANY; i++)
        move_begin(partitions[i], futures[i], 1, &stage.watch, &stage.move_pace);
    while (before < MANY * BATCHES * RECORDS) {
        assert_true(loop_turn(loop_of(&stage)));
        copied = copied_of(partitions, &least, &undurable);
        assert_true(copied - before <= RECORDS && undurable <= RECORDS);
        if (least == 0) /* some wait for their recovery points still */
            allowed = copied + MANY * RECORDS;
        assert_true(copied - MANY * least < allowed);
        before = copied;
    }
    for (int i = 0; i < MANY; i++) {
        move_end(partitions[i], true);
        partition_destroy(partitions[i], ERROR_NOT_LEADER_OR_FOLLOWER, true);
    }
    stage_end(&stage);
}

static void copy_until(struct stage *stage, int64_t end)
{
    while (log_end(stage->partition->move->future) < end)
        assert_true(loop_turn(loop_of(stage)));
    assert_int_equal(log_end(stage->partition->move->future), end);
}

/* But a log that grows as fast as that would never be over: then the next piece does not wait for the disk. */
void test_move__does_not_fall_behind_a_log_that_grows(void)
{
    enum { RECORDS = 64 }; /* larger than a piece */
    struct stage stage;
    stage_begin(&stage);
    for (int batch = 0; batch < 3; batch++)
        store_append(stage.partition->log, RECORDS, 20000, 1, EPOCH);
    begin_move(&stage, make_future(&stage));
    copy_until(&stage, RECORDS);
    assert_ptr_equal(stage.move_pace.holder, stage.partition->move);
    store_append(stage.partition->log, RECORDS, 20000, 1, EPOCH);
    copy_until(&stage, 2 * RECORDS);
    assert_null(stage.move_pace.holder);
    copy_until(&stage, 3 * RECORDS);
    assert_ptr_equal(stage.move_pace.holder, stage.partition->move);
    move_end(stage.partition, true);
    stage_end(&stage);
}

/* What a compaction that began before still does to the log is over before a piece is copied: a copy of a value may not
 * come with what is left of its tombstone. */
void test_move__waits_for_a_swap(void)
{
    struct stage stage;
    struct log_slice cold;
    int64_t size;
    stage_begin(&stage);
    append_batches(stage.partition->log, 2, EPOCH);
    begin_move(&stage, make_future(&stage));
    stage.partition->log->is_swapping = true;
    while (!log_point_is_kept(stage.partition->move->future))
        assert_true(loop_turn(loop_of(&stage)));
    assert_int_equal(move_copy(stage.partition->move, true, &size, &cold), -EBUSY);
    stage.partition->log->is_swapping = false;
    assert_int_equal(move_copy(stage.partition->move, true, &size, &cold), 0);
    assert_int_equal(log_end(stage.partition->move->future), log_end(stage.partition->log));
    move_end(stage.partition, true);
    stage_end(&stage);
}

/* Segments that go are renamed by a worker: one that went by while the directory gets its final name would come back under that. */
void test_move__lets_no_segment_go_until_the_new_log_has_its_name(void)
{
    struct log_settings settings;
    struct stage stage;
    int64_t size;
    char path[512];
    stage_begin(&stage);
    append_batches(stage.partition->log, 20, EPOCH);
    begin_move(&stage, make_future(&stage));
    while (stage.partition->move == NULL || stage.partition->move->future->recovery_point == 0)
        assert_true(loop_turn(loop_of(&stage)));
    finish(&stage);
    struct log *log = stage.partition->log;
    assert_non_null(log->replacement);
    assert_true(log->segment_count > 2);
    settings = *log_settings(log);
    settings.retention_bytes = 1;
    log_set_settings(log, &settings);
    int32_t count = log->segment_count;
    assert_int_equal(log_retain(log, 0, &(int32_t){ INT32_MAX }), 0);
    assert_int_equal(log->segment_count, count);
    while (log->replacement != NULL || log->segment_count > 1 || log->names_made != log->names_synced || deletion_is_running(log->flusher)) {
        log_want_flush(log);
        assert_true(loop_turn(loop_of(&stage)));
        assert_int_equal(log_retain(log, 0, &(int32_t){ INT32_MAX }), 0);
    }
    segment_path(path, log->path, 0, ".log");
    assert_int_equal(file_stat(log->io, path, &size), -ENOENT);
    stage_end(&stage);
}
