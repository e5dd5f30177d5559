/* SPDX-License-Identifier: Apache-2.0 */
#include "replica/partition_machine.h"

#include "base/pace.h"
#include "replica/move.h"
#include "unit/replica/adder.h"

static const char first_segment[] = "/data/topic-0/00000000000000000000.log";

/* ---- What it does. ---- */

/* All decisions of a pass go into one write, each as a batch; they are answered when that is
 * durable, also where the topic asks for less. */
void test_partition_machine__answers_when_durable(void)
{
    for (int page_cache = 0; page_cache < 2; page_cache++) {
        begin_with(1, page_cache == 1);
        turn_until_state(MACHINE_READY);
        struct wish *first = submit(2), *second = submit(3), *reads = submit(0);
        struct log *log = world.partition->log;
        assert_int_equal(second->answer, 5);
        assert_int_equal(reads->answer, 5);
        assert_int_equal(log_end(log), 0);
        while (log_end(log) == 0)
            assert_true(step());
        assert_int_equal(log_end(log), 5);
        assert_false(first->is_done || second->is_done || reads->is_done);
        turn_until(&first->is_done);
        turn_until(&reads->is_done);
        assert_int_equal(log_durable_end(log), 5);
        assert_int_equal(give(first), ERROR_NONE);
        assert_int_equal(give(second), ERROR_NONE);
        assert_int_equal(give(reads), ERROR_NONE);
        struct batch_header header = { 0 };
        assert_int_equal(store_read(log, 3, &header), 2);
        assert_int_equal(header.record_count, 3);
        assert_int_equal(header.leader_epoch, EPOCH);
        assert_int_equal(header.producer_id, -1);
        check_replay();
        end();
    }
}

/* What was left of the last process is told to the next one, which goes on from there. A read is
 * answered when what it saw is durable, even if nobody writes. */
void test_partition_machine__loads_what_was_appended(void)
{
    const struct batch_options plain = batch_options_plain();
    for (int page_cache = 0; page_cache < 2; page_cache++) {
        begin_with(1, page_cache == 1);
        struct wish *early = submit(1);
        assert_int_equal(give(early), ERROR_COORDINATOR_LOAD_IN_PROGRESS);
        turn_until_state(MACHINE_READY);
        add(7, 10);
        add(1, 10);
        struct wish *written = submit(2); /* and not durable yet */
        while (log_end(world.partition->log) < 10)
            assert_true(step());
        struct state before = world.state;
        assert_false(written->is_done);
        machine_kill(world.machine);
        boot(EPOCH + 1);
        turn_until_state(MACHINE_READY);
        assert_int_equal(world.state.sum, 10);
        assert_true(world.state.digest == before.digest);
        assert_int_equal(ask(0), ERROR_NONE);
        assert_int_equal(ask(4), ERROR_NONE);
        assert_int_equal(world.state.sum, 14);
        check_replay();
        partition_lead(world.partition, false, EPOCH + 2);
        stage_batch(&plain, 2); /* of another hand, to whom written is enough in the one case */
        while (log_end(world.partition->log) < 16)
            assert_true(step());
        partition_lead(world.partition, true, EPOCH + 3);
        turn_until_state(MACHINE_READY);
        assert_int_equal(ask(0), ERROR_NONE);
        end();
    }
}

/* What was applied and is not written is forgotten; a moment later it goes on. */
void test_partition_machine__forgets_what_a_failed_write_took_back(void)
{
    begin();
    add(3, 10);
    machine_disk_faults(world.machine)->is_full = true;
    struct wish *first = submit_of(2, 15000), *second = submit(1), *reads = submit(0);
    assert_int_equal(reads->answer, 6);
    turn_until(&first->is_done);
    assert_int_equal(give(first), ERROR_KAFKA_STORAGE_ERROR);
    assert_int_equal(give(second), ERROR_KAFKA_STORAGE_ERROR);
    assert_int_equal(give(reads), ERROR_KAFKA_STORAGE_ERROR);
    assert_int_equal(world.lost_count, 1);
    turn_until_state(MACHINE_READY);
    assert_int_equal(world.state.sum, 3);
    assert_int_equal(ask(0), ERROR_NONE);                /* reading goes on */
    assert_int_equal(ask(1), ERROR_KAFKA_STORAGE_ERROR); /* without another load */
    assert_int_equal(world.lost_count, 1);
    machine_disk_faults(world.machine)->is_full = false;
    rest();
    assert_int_equal(ask(1), ERROR_NONE);
    assert_int_equal(world.state.sum, 4);
    check_replay();
    end();
}

/* A decision of many batches, of which the disk takes those before the next segment. */
void test_partition_machine__is_what_the_log_says_of_half_a_decision(void)
{
    begin();
    add(12, 15000);
    machine_disk_faults(world.machine)->is_full = true;
    machine_disk_faults(world.machine)->room_left = 30000;
    struct wish *wish = submit_of(4, 15000);
    turn_until(&wish->is_done);
    assert_int_equal(give(wish), ERROR_KAFKA_STORAGE_ERROR);
    turn_until_state(MACHINE_READY);
    assert_true(world.state.sum > 12 && world.state.sum < 16);
    assert_int_equal(world.state.next_offset, log_end(world.partition->log));
    machine_disk_faults(world.machine)->is_full = false;
    rest();
    assert_int_equal(ask(1), ERROR_NONE);
    check_replay();
    end();
}

void test_partition_machine__makes_batches_that_fit(void)
{
    begin();
    struct wish *large = submit_of(1, 30000), *beside = submit_of(3, 19000);
    assert_int_equal(give(large), ERROR_MESSAGE_TOO_LARGE);
    turn_until(&beside->is_done);
    assert_int_equal(give(beside), ERROR_NONE);
    assert_int_equal(world.state.sum, 3);
    for (int64_t offset = 0; offset < 3; offset++)
        assert_int_equal(store_read(world.partition->log, offset, NULL), offset);
    struct wish *many = submit_of(2000, 1);
    turn_until(&many->is_done);
    assert_int_equal(give(many), ERROR_NONE);
    struct batch_header header = { 0 };
    store_read(world.partition->log, 3, &header);
    assert_true(header.size <= 20000 && header.size > 19900);
    world.partition->settings.segment_bytes = 100;
    struct wish *refused = submit_of(3, 60);
    turn_until(&refused->is_done);
    assert_int_equal(refused->error, ERROR_RECORD_LIST_TOO_LARGE);
    give(refused);
    check_replay();
    end();
}

/* The offsets topic's codec, or its own one, which comes first. What does not get smaller stays as
 * it is where it would be too large. */
void test_partition_machine__compresses_as_told(void)
{
    begin();
    struct batch_header header = { 0 };
    world.host.codec = CODEC_ZSTD;
    add(2, 10);
    store_read(world.partition->log, 0, &header);
    assert_int_equal(batch_codec(&header), CODEC_ZSTD);
    world.partition->settings.codec = CODEC_LZ4;
    world.partition->settings.level = CODEC_LEVEL_DEFAULT;
    add(2, 10);
    store_read(world.partition->log, 2, &header);
    assert_int_equal(batch_codec(&header), CODEC_LZ4);
    add(5000, 10);
    add(3, 19915);
    check_replay();
    assert_int_equal(world.state.sum, 5007);
    end();
}

/* ---- Leadership, and the end of the log. ---- */

void test_partition_machine__is_off_while_another_leads(void)
{
    begin();
    add(2, 10);
    struct wish *waits = submit(1);
    while (log_end(world.partition->log) < 3)
        assert_true(step());
    partition_lead(world.partition, false, EPOCH + 1);
    assert_int_equal(give(waits), ERROR_NOT_LEADER_OR_FOLLOWER);
    assert_int_equal(world.host.state, MACHINE_OFF);
    assert_int_equal(ask(0), ERROR_NOT_LEADER_OR_FOLLOWER);
    rest();
    assert_int_equal(world.host.state, MACHINE_OFF);
    partition_lead(world.partition, true, EPOCH + 2);
    assert_int_equal(world.host.state, MACHINE_LOADING);
    partition_lead(world.partition, false, EPOCH + 3);
    assert_int_equal(world.host.state, MACHINE_OFF);
    partition_lead(world.partition, true, EPOCH + 4);
    turn_until_state(MACHINE_READY);
    assert_int_equal(world.state.sum, 3);
    int lost_before = world.lost_count;
    partition_lead(world.partition, true, EPOCH + 5); /* others may have led between */
    assert_int_equal(world.lost_count, lost_before + 1);
    turn_until_state(MACHINE_READY);
    assert_int_equal(ask(1), ERROR_NONE);
    assert_int_equal(world.state.sum, 4);
    end();
}

void test_partition_machine__ends_with_its_partition(void)
{
    begin();
    add(2, 10);
    struct wish *waits = submit(1);
    while (log_end(world.partition->log) < 3)
        assert_true(step());
    partition_destroy(world.partition, ERROR_UNKNOWN_TOPIC_OR_PARTITION, true);
    assert_int_equal(give(waits), ERROR_NOT_LEADER_OR_FOLLOWER);
    assert_int_equal(ask(0), ERROR_NOT_LEADER_OR_FOLLOWER);
    rest();
    partition_machine_deinit(&world.host);
    assert_int_equal(world.lost_count, 1);
    end();
    begin();
    add(2, 10);
    waits = submit(1);
    while (log_end(world.partition->log) < 3)
        assert_true(step());
    partition_retire(world.partition);
    assert_int_equal(give(waits), ERROR_KAFKA_STORAGE_ERROR);
    assert_int_equal(ask(0), ERROR_KAFKA_STORAGE_ERROR);
    end();
}

/* A disk that fails is no reason to read from it again. */
void test_partition_machine__is_off_in_a_directory_that_failed(void)
{
    begin();
    add(2, 10);
    machine_disk_faults(world.machine)->fails[DISK_WRITE] = 1000000;
    assert_int_equal(ask(1), ERROR_KAFKA_STORAGE_ERROR);
    assert_int_equal(world.host.state, MACHINE_OFF);
    rest();
    assert_int_equal(world.host.state, MACHINE_OFF);
    end();
}

static void assert_damaged(void)
{
    load_again();
    turn_until_state(MACHINE_OFF);
    assert_true(world.partition->damaged);
    assert_int_equal(world.state.records, 0);
    assert_int_equal(ask(0), ERROR_KAFKA_STORAGE_ERROR);
    rest();
    assert_int_equal(world.host.state, MACHINE_OFF);
}

void test_partition_machine__is_off_when_damage_is_met(void)
{
    for (int codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
        begin();
        world.host.codec = (enum codec)codec;
        for (int i = 0; i < 20; i++)
            add(2, 5000);
        machine_flip(world.machine, first_segment, log_size(world.partition->log) / 2, 4);
        assert_damaged();
        end();
    }
    begin();
    add(20, 10);
    world.damaged_offset = 11; /* as the owner finds */
    assert_damaged();
    end();
}

/* What it was told may need more than one pass of its owner before anything is asked; who asks
 * meanwhile hears that it loads, and a loss ends that, too. */
void test_partition_machine__is_ready_when_its_owner_is(void)
{
    begin();
    add(3, 10);
    world.prepared_in = world.prepared_count + 4;
    load_again();
    while (world.prepared_count < world.prepared_in - 1)
        assert_true(step());
    assert_int_equal(world.state.sum, 3);
    assert_int_equal(world.host.state, MACHINE_LOADING);
    assert_int_equal(ask(0), ERROR_COORDINATOR_LOAD_IN_PROGRESS);
    turn_until_state(MACHINE_READY);
    assert_int_equal(world.prepared_count, world.prepared_in);
    assert_int_equal(world.loaded_count, 2);
    assert_int_equal(ask(1), ERROR_NONE);

    world.prepared_in = world.prepared_count + 4;
    load_again();
    while (world.prepared_count < world.prepared_in - 1)
        assert_true(step());
    partition_lead(world.partition, false, world.partition->leader_epoch + 1);
    rest();
    assert_int_equal(world.prepared_count, world.prepared_in - 1);
    assert_int_equal(world.loaded_count, 2);
    partition_lead(world.partition, true, world.partition->leader_epoch + 1);
    turn_until_state(MACHINE_READY);
    assert_int_equal(world.state.sum, 4);
    check_replay();
    end();
}

static void note_move(struct move_watch *watch, struct partition *partition)
{
    (void)watch, (void)partition;
}

/* The log that a partition has in another directory takes the place of its own; the machine goes on
 * without another load, and answers what is durable in both. */
void test_partition_machine__goes_along_when_its_partition_moves(void)
{
    struct log_dir_identity identity = {
        .cluster_id = "sim", .node_id = 1, .directory_id = { { 2 } }
    };
    struct store other = { 0 };
    struct move_watch watch = { note_move, note_move, note_move };
    struct pace pace = { 0 };
    struct move_pace move_pace;
    struct log *future;
    char reason[256] = "";
    begin();
    log_dir_settings_defaults(&other.settings);
    assert_int_equal(log_dir_format(world.store.io, "/other", &identity), 0);
    assert_int_equal(log_dir_open(world.store.loop, "/other", &other.settings, &other.dir, reason,
                         sizeof(reason)),
        0);
    other.flusher = flusher_create(world.store.loop, other.dir);
    add(10, 10);
    assert_int_equal(log_create_future(other.flusher, "/other", "topic", 0,
                         world.partition->key.topic_id, &world.log_settings, &future),
        0);
    move_pace_init(&move_pace, world.store.loop, &pace);
    move_begin(world.partition, future, 1, &watch, &move_pace);
    for (int i = 0; i < 40; i++)
        add(1, 3000);
    rest();
    assert_int_equal(world.partition->move->stage, MOVE_READY);
    for (int i = 0; i < 40; i++) /* each write goes to both */
        add(1, 3000);
    move_finish(world.partition->move);
    rest();
    assert_null(world.partition->move);
    assert_ptr_equal(world.partition->log, future);
    add(2, 10);
    assert_int_equal(world.state.sum, 92);
    assert_int_equal(world.loaded_count, 1);
    check_replay();
    end();
}

/* ---- Random histories. ---- */

enum { WISHES = 64 };
static struct wish *wishes[WISHES];
static int64_t promised; /* what was answered is in the sum */

static void collect(void)
{
    for (int i = 0; i < WISHES; i++) {
        if (wishes[i] == NULL || !wishes[i]->is_done)
            continue;
        if (wishes[i]->error == ERROR_NONE && wishes[i]->answer > promised)
            promised = wishes[i]->answer;
        give(wishes[i]);
        wishes[i] = NULL;
    }
}

static void submit_something(void)
{
    static const int32_t counts[] = { 0, 1, 1, 2, 5, 40, 100 };
    static const size_t sizes[] = { 1, 10, 100, 1000 };
    int slot = (int)sim_draw(world.sim, WISHES);
    if (wishes[slot] == NULL)
        wishes[slot] = submit_of(counts[sim_draw(world.sim, 7)], sizes[sim_draw(world.sim, 4)]);
    world.host.codec = (enum codec)sim_draw(world.sim, CODEC_COUNT);
}

/* All that waits is told at once when the state is lost. */
static void crash(void)
{
    if (sim_draw(world.sim, 2) == 0)
        machine_kill(world.machine);
    else
        machine_cut_power(world.machine);
    collect();
    for (int i = 0; i < WISHES; i++)
        wishes[i] = NULL; /* left behind with their process */
    *machine_disk_faults(world.machine) = (struct disk_faults){ .cold_read = 300000 };
    boot(world.partition->leader_epoch + 1);
}

static void do_something(void)
{
    struct disk_faults *faults = machine_disk_faults(world.machine);
    uint64_t draw = sim_draw(world.sim, 200);
    if (draw < 60)
        submit_something();
    else if (draw == 60)
        faults->is_full = !faults->is_full, faults->room_left = (int64_t)sim_draw(world.sim, 5000);
    else if (draw == 61)
        faults->short_write = 300000 * (uint32_t)sim_draw(world.sim, 2);
    else if (draw == 62 && !log_has_staged(world.partition->log)) /* images come behind the write */
        load_again();
    else if (draw == 63 && sim_draw(world.sim, 4) == 0)
        crash();
    else
        step();
    collect();
}

/* No answer is taken back, whatever happens; and at each rest the live state is what a replay of
 * the log gives. */
void test_partition_machine__lives_as_it_is_replayed(void)
{
    int64_t records = 0;
    for (uint64_t seed = 1; seed <= 15; seed++) {
        begin_with(seed, false);
        world.partition->settings.rules.max_message_bytes = world.settings.rules.max_message_bytes =
            6000;
        promised = 0;
        for (int round = 0; round < 8; round++) {
            for (int i = 0; i < 400; i++)
                do_something();
            machine_disk_faults(world.machine)->is_full = false;
            rest();
            collect();
            turn_until_state(MACHINE_READY);
            assert_true(world.state.sum >= promised);
            assert_int_equal(ask(1), ERROR_NONE);
            check_replay();
        }
        records += world.state.records;
        for (int i = 0; i < WISHES; i++)
            assert_null(wishes[i]);
        end();
    }
    print_message("%lld records\n", (long long)records);
    assert_true(records > 10000);
}
