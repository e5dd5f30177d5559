/* SPDX-License-Identifier: Apache-2.0 */
/* Every invariant can fall: a whole node with its clients runs for a while, one thing in it is made
 * wrong, and the invariant that speaks of it must be the first to fall, and none before. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/container.h"
#include "base/memory.h"
#include "base/pace.h"
#include "broker/apis.h"
#include "broker/fetch_work.h"
#include "broker/node_parts.h"
#include "broker/request.h"
#include "io/file.h"
#include "net/conn_parts.h"
#include "replica/move.h"
#include "replica/quorum_parts.h"
#include "sim/invariants_parts.h"
#include "sim/recorder.h"
#include "sim/sim.h"
#include "storage/clean.h"
#include "storage/cleaning.h"
#include "storage/flush.h"
#include "storage/log_state.h"
#include "test.h"
#include "unit/sim/whole_node.h"
#include "wire/gen/apis.h"

enum { SECOND_US = 1000000 };

static struct world {
    struct sim *sim;
    struct whole_node whole;
    struct recorder recorder;
    struct workload *workload;
    struct invariants *invariants;
} world;

static void boot(void)
{
    whole_node_boot(&world.whole);
    invariants_begin(world.invariants, world.whole.node);
}

static bool never(void *context)
{
    (void)context;
    return false;
}

/* Until there is a partition with some records of idempotent producers and with index entries,
 * whose appends are durable. */
static bool is_in_use(void *context)
{
    struct partition **found = context;
    struct partition *partition = world.whole.node->shards.list[0]->partitions;
    for (; partition != NULL; partition = partition->hh.next) {
        const struct log *log = partition->log;
        const struct segment *active = log == NULL ? NULL : &log->segments[log->segment_count - 1];
        if (log != NULL && !partition->settings.page_cache && log->producers.count > 0 &&
            active->indexes != NULL && active->indexes[INDEX_OFFSET].count > 1 &&
            log->start < log->durable_end && log->durable_end == log_end(log) &&
            partition->high_watermark == log->durable_end) {
            *found = partition;
            return true;
        }
    }
    return false;
}

static struct partition *begin(void)
{
    struct partition *partition = NULL;
    memset(&world, 0, sizeof(world));
    world.sim = sim_create(1);
    whole_node_init(&world.whole, world.sim, "node",
        "log.dirs=/data\nstrom.shards=1\nlog.roll.ms=3000\nlog.index.interval.bytes=200\nlog.cleaner.backoff.ms=100\n");
    recorder_init(&world.recorder, world.sim);
    world.invariants = invariants_create(world.sim, world.whole.machine, &world.recorder);
    world.workload = workload_create(world.sim, "node", 9092, &world.recorder);
    boot();
    assert_true(sim_run(world.sim, 60 * SECOND_US, is_in_use, &partition));
    assert_null(world.recorder.fallen);
    return partition;
}

static void end(const char *expected)
{
    const char *fallen = world.recorder.fallen == NULL ? "none" : world.recorder.fallen;
    if (strcmp(fallen, expected) != 0)
        fail_msg("expected %s, and %s fell", expected, fallen);
    machine_kill(world.whole.machine);
    workload_destroy(world.workload);
    recorder_deinit(&world.recorder);
    sim_destroy(world.sim);
    invariants_destroy(world.invariants);
    whole_node_deinit(&world.whole);
}

/* ---- What is made wrong in memory. ---- */

static struct log_segment_bytes {
    struct file *file;
    int64_t position;
} first_batch(struct partition *partition)
{
    struct log *log = partition->log;
    const struct ledger_batch *batch =
        ledger_at(&past_of(world.invariants, partition->key)->ledger, log->start);
    char path[SEGMENT_PATH_SIZE];
    struct file *file;
    segment_path(path, log->path, batch->segment_base, ".log");
    assert_int_equal(file_open(log->io, path, FILE_WRITE, &file), 0);
    return (struct log_segment_bytes){ file, batch->position };
}

/* Changes bytes of the first batch, and has the log read again. */
static void rewrite(
    struct partition *partition, int64_t at, const void *bytes, size_t size, bool renews_crc)
{
    struct log_segment_bytes first = first_batch(partition);
    uint8_t batch[4096];
    struct batch_header header;
    assert_true(file_pread(first.file, batch, sizeof(batch), first.position) > BATCH_HEADER_SIZE);
    memcpy(batch + at, bytes, size);
    assert_int_equal(batch_parse((struct bytes){ batch, sizeof(batch) }, &header), BATCH_OK);
    if (renews_crc)
        batch_renew_crc(batch, &header);
    assert_int_equal(file_write_all(first.file, batch, header.size, first.position), 0);
    file_unref(first.file);
    partition->log->generation++;
}

static void spoil_order(struct partition *partition)
{
    partition->log->recovery_point = partition->log->durable_end + 1;
}

static void spoil_durability(struct partition *partition)
{
    partition->log->durable_end = partition->log->recovery_point = partition->log->start;
}

static void spoil_following(struct partition *partition)
{
    partition->high_watermark = partition->log->high_watermark = partition->log->start;
}

static void spoil_watermark(struct partition *partition)
{
    spoil_durability(partition);
    spoil_following(partition);
}

static void spoil_start(struct partition *partition)
{
    partition->log->start--;
}

static void spoil_epoch(struct partition *partition)
{
    partition->leader_epoch--;
}

static struct append forgotten;

static void spoil_waiting(struct partition *partition)
{
    forgotten.last_offset = partition->high_watermark - 1;
    partition->waiting = &forgotten;
}

static void spoil_staged(struct partition *partition)
{
    partition->staged = &forgotten;
}

static void spoil_crc(struct partition *partition)
{
    rewrite(partition, BATCH_HEADER_SIZE, "????", 4, false);
}

static void spoil_offsets(struct partition *partition)
{
    uint8_t offset[8];
    store_i64(offset, partition->log->start + 1);
    rewrite(partition, BATCH_AT_BASE_OFFSET, offset, sizeof(offset), false);
}

static void spoil_batch(struct partition *partition)
{
    rewrite(partition, BATCH_AT_BASE_TIMESTAMP, "12345678", 8, true);
}

static void spoil_epochs(struct partition *partition)
{
    partition->log->epochs.entries[0].epoch += 7;
}

static void spoil_index(struct partition *partition)
{
    log_active(partition->log)->indexes[INDEX_OFFSET].data[7]++;
}

static void spoil_time_index(struct partition *partition)
{
    log_active(partition->log)->indexes[INDEX_TIME].data[7]++;
}

static void spoil_producer(struct partition *partition)
{
    struct producer *producer = partition->log->producers.entries[0];
    producer->batches[producer->batch_count - 1].last_sequence ^= 1;
}

static struct quorum *quorum(void)
{
    return world.whole.node->control.quorum;
}

static void spoil_commit(struct partition *partition)
{
    (void)partition;
    quorum()->raft.high_watermark = quorum()->published->offset - 1;
}

static void spoil_vote(struct partition *partition)
{
    (void)partition;
    quorum()->raft.vote.leader_epoch++;
}

static void spoil_leader(struct partition *partition)
{
    (void)partition;
    quorum()->raft.vote.leader_epoch--;
}

static void spoil_image(struct partition *partition)
{
    (void)partition;
    quorum()->controller.working->next_producer_id++;
}

static void spoil_producer_ids(struct partition *partition)
{
    (void)partition;
    world.invariants->metadata.next_producer_id += 1000;
    world.invariants->metadata.published = NULL;
}

static void spoil_budget(struct partition *partition)
{
    (void)partition;
    budget_charge(&world.whole.node->budget, 1);
}

static void spoil_limit(struct partition *partition)
{
    (void)partition;
    world.whole.node->budget.limit = -1000000;
}

static void spoil_shard_image(struct partition *partition)
{
    (void)partition;
    world.invariants->image_offsets[0]++;
}

static void spoil_block(struct partition *partition)
{
    (void)partition;
    world.invariants->blocks[0].life--;
}

static void spoil_hint(struct partition *partition)
{
    struct log *log = partition->log;
    log_forget_boundaries(log);
    log_note_boundary(log, log->start + (partition->high_watermark - log->start) / 2,
        log->segments[0].base_offset, 1);
}

static void spoil_dirty(struct partition *partition)
{
    partition->log->flusher->dirty_bytes++;
}

static void spoil_replies(struct partition *partition)
{
    (void)partition;
    world.whole.node->shards.list[0]->net.conns->reply_count++;
}

static void spoil_directory(struct partition *partition)
{
    static const char text[] = "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA";
    struct io *io = partition->log->io;
    assert_int_equal(directory_create(io, "/data/forgotten-0"), 0);
    assert_int_equal(
        file_replace(io, "/data/forgotten-0/partition.metadata", text, sizeof(text) - 1), 0);
}

/* A move that has come to where both logs should be alike; its directory is the same one, which no look minds. */
static struct move *plant_move(struct partition *partition)
{
    static struct move_watch watch;
    static struct pace pace;
    static struct move_pace move_pace;
    struct log *log = partition->log, *future;
    move_pace_init(&move_pace, partition->loop, &pace);
    machine_enter(world.whole.machine);
    assert_int_equal(log_create_future(log_flusher(log), "/data", log_topic(log), log_partition(log), log_topic_id(log),
                         log_settings(log), &future),
        0);
    future->point_told = 0; /* no line of an older one is in the checkpoint file */
    move_begin(partition, future, partition->log_dir_index, &watch, &move_pace);
    machine_leave();
    partition->move->generation = log_generation(log);
    partition->move->stage = MOVE_JOINED;
    return partition->move;
}

static void spoil_copy(struct partition *partition)
{
    plant_move(partition);
}

static void spoil_limit_of_move(struct partition *partition)
{
    struct move *move = plant_move(partition);
    struct log_slice cold;
    int64_t size;
    machine_enter(world.whole.machine);
    while (move_lag(move) > 0)
        assert_int_equal(move_copy(move, true, &size, &cold), 0);
    machine_leave();
    move->promised_end = 0; /* and nothing of it is durable there */
}

static void spoil_end(struct partition *partition)
{
    machine_enter(world.whole.machine);
    assert_int_equal(log_wake(partition->log), 0);
    machine_leave();
    assert_int_equal(file_write_all(log_active(partition->log)->file, "", 1, partition->log->tail.size), 0);
}

/* As if it had been opened just now: a segment that it does not know of is behind its end. */
static void spoil_recovery(struct partition *partition)
{
    char path[SEGMENT_PATH_SIZE];
    segment_path(path, partition->log->path, partition->log->tail.end_offset + 1, ".log");
    assert_int_equal(file_replace(partition->log->io, path, "", 1), 0);
    past_of(world.invariants, partition->key)->life = 0;
}

static void spoil_snapshot(struct partition *partition)
{
    (void)partition;
    snapshot_list_add(&quorum()->snapshots, (struct snapshot_id){ INT32_MAX, 1 });
}

static void spoil_absence(struct partition *partition)
{
    partition->log = NULL;
}

static void spoil_opening(struct partition *partition)
{
    char path[SEGMENT_PATH_SIZE];
    struct file *file;
    segment_path(path, partition->log->path, 0, ".index.swap");
    assert_int_equal(file_open(partition->log->io, path, FILE_CREATE_NEW, &file), 0);
    file_unref(file);
    past_of(world.invariants, partition->key)->life = 0; /* not seen before */
}

/* As a start that leaves the mark where it was. */
static void spoil_mark(struct partition *partition)
{
    assert_int_equal(file_replace(partition->log->io, "/data/.kafka_cleanshutdown", "{}", 2), 0);
    look_at_clean_marks(world.invariants, world.whole.node);
}

static bool is_swapping(void *context)
{
    struct cleaning **found = context;
    const struct shard *shard = world.whole.node->shards.list[0];
    for (const struct partition *partition = shard->partitions; partition != NULL; partition = partition->hh.next) {
        *found = partition->log == NULL ? NULL : partition->log->cleaning;
        if (*found != NULL && (*found)->stage == CLEANING_SWAPS)
            return true;
    }
    return false;
}

static struct cleaning *wait_for_swap(void)
{
    struct cleaning *cleaning;
    assert_true(sim_run(world.sim, 120 * SECOND_US, is_swapping, &cleaning));
    return cleaning;
}

static void spoil_swap(struct partition *partition)
{
    char path[SEGMENT_PATH_SIZE], target[SEGMENT_PATH_SIZE];
    (void)partition;
    struct cleaning *cleaning = wait_for_swap();
    struct io *io = cleaning->flusher->io;
    int64_t base_offset = clean_group(cleaning->clean)->base_offset;
    segment_path(path, cleaning->path, base_offset, ".log.swap");
    segment_path(target, cleaning->path, base_offset, ".log.other");
    assert_int_equal(file_rename(io, path, target), 0);
    assert_int_equal(directory_sync(io, cleaning->path), 0);
    assert_int_equal(file_rename(io, target, path), 0); /* it is there, and a power cut may take it away */
}

static void spoil_cleaned_range(struct partition *partition)
{
    (void)partition;
    wait_for_swap()->dirty_end = INT64_MAX;
}

static const struct {
    const char *invariant;
    void (*spoil)(struct partition *partition);
} plants[] = {
    { "positions_are_ordered", spoil_order },
    { "high_watermark_is_durable", spoil_durability },
    { "high_watermark_follows", spoil_following },
    { "high_watermark_never_falls", spoil_watermark },
    { "log_start_never_falls", spoil_start },
    { "epochs_never_fall", spoil_epoch },
    { "nobody_waits_for_what_is_there", spoil_waiting },
    { "nothing_stays_staged", spoil_staged },
    { "batches_are_whole", spoil_crc },
    { "offsets_are_dense", spoil_offsets },
    { "batches_never_change", spoil_batch },
    { "epochs_equal_a_scan", spoil_epochs },
    { "log_and_index_agree", spoil_index },
    { "log_and_index_agree", spoil_time_index },
    { "producers_equal_a_rebuild", spoil_producer },
    { "published_is_committed", spoil_commit },
    { "vote_is_durable", spoil_vote },
    { "one_leader_an_epoch", spoil_leader },
    { "image_equals_its_replay", spoil_image },
    { "producer_ids_are_given_once", spoil_producer_ids },
    { "budget_is_what_is_held", spoil_budget },
    { "frames_stay_in_the_budget", spoil_limit },
    { "images_go_forward", spoil_shard_image },
    { "producer_ids_are_given_once", spoil_block },
    { "lookups_equal_a_scan", spoil_hint },
    { "dirty_bytes_are_what_is_not_flushed", spoil_dirty },
    { "answers_stand_in_order", spoil_replies },
    { "disk_matches_shards", spoil_directory },
    { "nothing_stands_behind_the_end", spoil_end },
    { "recovery_is_durable", spoil_recovery },
    { "snapshots_are_durable", spoil_snapshot },
    { "partitions_are_online", spoil_absence },
    { "opened_logs_are_settled", spoil_opening },
    { "no_start_counts_as_clean", spoil_mark },
    { "swaps_are_durable", spoil_swap },
    { "cleaned_is_below_the_recovery_point", spoil_cleaned_range },
    { "moves_copy_what_is_there", spoil_copy },
    { "moves_bound_the_high_watermark", spoil_limit_of_move },
};

void test_invariants__fall_for_what_is_wrong_in_a_running_node(void)
{
    for (size_t i = 0; i < sizeof(plants) / sizeof(plants[0]); i++) {
        plants[i].spoil(begin());
        invariants_end(world.invariants, ENDING_KILL);
        end(plants[i].invariant);
    }
}

static struct request *waiting_fetch;

static bool fetch_waits(void *context)
{
    (void)context;
    struct request *request = world.whole.node->shards.list[0]->requests;
    for (; request != NULL; request = request->next)
        if (request->api != NULL && request->api->key == API_FETCH && request->answer == NULL &&
            request->work.fetch != NULL && request->work.fetch->stage == FETCH_WAITING) {
            waiting_fetch = request;
            return true;
        }
    return false;
}

void test_invariants__fall_for_a_fetch_that_waits_too_long(void)
{
    begin();
    assert_true(sim_run(world.sim, 60 * SECOND_US, fetch_waits, NULL));
    waiting_fetch->work.fetch->deadline_us = 0;
    invariants_end(world.invariants, ENDING_KILL);
    end("no_fetch_outlives_its_deadline");
}

/* ---- From one life to the next. ---- */

void test_invariants__fall_for_what_a_life_has_forgotten(void)
{
    struct partition *partition = begin();
    struct past *past = past_of(world.invariants, partition->key);
    invariants_end(world.invariants, ENDING_KILL);
    machine_kill(world.whole.machine);
    past->end++;
    boot();
    sim_run(world.sim, 5 * SECOND_US, never, NULL);
    invariants_end(world.invariants, ENDING_KILL);
    end("recovery_keeps_what_was_promised");
}

void test_invariants__fall_for_a_log_that_no_snapshot_covers(void)
{
    begin();
    invariants_end(world.invariants, ENDING_KILL);
    machine_kill(world.whole.machine);
    whole_node_boot(&world.whole);
    quorum()->log->start = 3;
    invariants_begin(world.invariants, world.whole.node);
    end("snapshot_covers_log_start");
}

static void stop(void)
{
    machine_enter(world.whole.machine);
    node_stop(world.whole.node);
    machine_leave();
    assert_true(sim_run(world.sim, 60 * SECOND_US, whole_node_has_stopped, &world.whole));
    invariants_end(world.invariants, ENDING_STOP);
    node_destroy(world.whole.node);
}

void test_invariants__fall_for_what_a_stop_leaves(void)
{
    struct file *file;

    begin();
    machine_enter(world.whole.machine);
    void *lost = memory_take(1);
    machine_leave();
    stop();
    invariants_look_behind(world.invariants);
    memory_give(lost);
    end("nothing_leaks");

    struct partition *partition = begin();
    assert_int_equal(file_open(partition->log->io, "/data/meta.properties", FILE_READ, &file), 0);
    stop();
    invariants_look_behind(world.invariants);
    end("nothing_stays_open");

    partition = begin();
    struct past *past = past_of(world.invariants, partition->key);
    stop();
    past->end++;
    invariants_look_behind(world.invariants);
    end("checkpoints_say_what_was");

    partition = begin();
    past = past_of(world.invariants, partition->key);
    stop();
    past->ledger.producers.entries[0]->last_timestamp++;
    invariants_look_behind(world.invariants);
    end("producer_snapshots_equal_a_rebuild");
}

static bool always(void *context)
{
    (void)context;
    return true;
}

/* The farewell to the controller waits for a record of the metadata. */
static bool leaves(void *context)
{
    (void)context;
    return world.whole.node->control.stage == CONTROL_LEAVING && quorum()->rsm.waiting != NULL;
}

static bool shard_has_ended(void *context)
{
    (void)context;
    return sim_loop_has_ended(node_loop(world.whole.node, 1));
}

/* Whenever it happens the node ends, and leaves nothing. */
void test_invariants__find_nothing_of_a_node_whose_metadata_fail(void)
{
    bool (*const moments[])(void *context) = { NULL, always, leaves, shard_has_ended };
    for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++) {
        begin();
        recorder_expect_damage(&world.recorder, true);
        machine_enter(world.whole.machine);
        if (moments[i] != NULL)
            node_stop(world.whole.node);
        machine_leave();
        assert_true(moments[i] == NULL || sim_run(world.sim, 60 * SECOND_US, moments[i], NULL));
        machine_enter(world.whole.machine);
        log_dir_fail(world.whole.node->log_dirs[0], -EIO);
        machine_leave();
        if (!sim_run(world.sim, 60 * SECOND_US, whole_node_has_stopped, &world.whole))
            fail_msg("it does not end when they fail at moment %zu", i);
        assert_true(node_failed(world.whole.node));
        invariants_end(world.invariants, ENDING_KILL);
        node_destroy(world.whole.node);
        invariants_look_behind(world.invariants);
        end("none");
    }
}

/* While the disk is decayed the log takes batches that the ledger never sees, if they are deleted before it is followed again; what
 * stands behind them is compared all the same. */
void test_invariants__believe_no_ledger_where_it_missed_batches(void)
{
    for (int is_behind = 0; is_behind < 2; is_behind++) {
        struct partition *partition = begin();
        struct past *past = past_of(world.invariants, partition->key);
        stop();
        past->hole_end = is_behind ? 0 : past->end;
        past->ledger.producers.entries[0]->last_timestamp++;
        invariants_look_behind(world.invariants);
        end(is_behind ? "producer_snapshots_equal_a_rebuild" : "none");
    }
}
