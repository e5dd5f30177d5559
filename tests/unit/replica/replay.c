/* SPDX-License-Identifier: Apache-2.0 */
#include "replica/replay.h"

#include <errno.h>

#include "unit/replica/adder.h"

/* No event tells more than a slice, whatever the batches and the records are like, and however cold
 * the disk. */
static void load_in_slices(enum codec codec, int32_t records, size_t value_size, uint32_t cold)
{
    begin();
    world.host.codec = codec;
    world.settings.rules.max_message_bytes = world.partition->settings.rules.max_message_bytes =
        150000;
    for (int i = 0; i < 40; i++)
        add(records, value_size);
    struct state live = world.state;
    machine_disk_faults(world.machine)->cold_read = cold;
    world.most_told = 0;
    load_again();
    turn_until_state(MACHINE_READY);
    assert_true(live.digest == world.state.digest && live.sum == world.state.sum);
    assert_true(world.most_told > 0 && world.most_told <= 600);
    assert_true(world.most_told * (int64_t)value_size <= 300000);
    end();
}

void test_replay__loads_in_slices(void)
{
    load_in_slices(CODEC_NONE, 1, 1, 0);
    load_in_slices(CODEC_NONE, 3000, 20, 0);
    load_in_slices(CODEC_NONE, 1, 140000, 300000);
    for (int codec = CODEC_GZIP; codec < CODEC_COUNT; codec++) {
        load_in_slices((enum codec)codec, 3000, 20, 0);
        load_in_slices((enum codec)codec, 3, 60000, 500000);
    }
}

/* The log begins inside of a batch; the machine hears of nothing before. */
void test_replay__loads_from_the_log_start(void)
{
    begin();
    add(10, 10);
    add(10, 10);
    assert_int_equal(log_set_start(world.partition->log, 13), 0);
    load_again();
    turn_until_state(MACHINE_READY);
    assert_int_equal(world.state.records, 7);
    assert_int_equal(log_set_start(world.partition->log, 20), 0);
    load_again();
    turn_until_state(MACHINE_READY);
    assert_int_equal(world.state.records, 0);
    assert_int_equal(ask(1), ERROR_NONE);
    assert_int_equal(world.state.next_offset, 21);
    end();
}

/* What it has been told is not there any more. */
void test_replay__begins_anew_when_the_log_is_cut(void)
{
    begin();
    for (int i = 0; i < 30; i++)
        add(100, 1);
    load_again();
    while (world.state.records < 1000)
        assert_true(step());
    assert_int_equal(log_truncate(world.partition->log, 500), 0);
    turn_until_state(MACHINE_READY);
    assert_int_equal(world.state.records, 500);
    assert_int_equal(ask(1), ERROR_NONE);
    assert_int_equal(world.state.sum, 501);
    check_replay();
    end();
}

/* What a producer wrote in a transaction is told with its id, and how that ended; what others wrote
 * in the middle of loading is told as well. */
void test_replay__tells_of_transactions(void)
{
    struct batch_options plain = batch_options_plain(), part = plain, mark = plain;
    part.producer_id = mark.producer_id = PRODUCER;
    part.producer_epoch = mark.producer_epoch = 0;
    part.base_sequence = 0;
    part.transactional = mark.transactional = mark.control = true;
    begin();
    add(5, 10);
    stage_batch(&part, 3);
    rest();
    load_again();
    turn_until_state(MACHINE_READY);
    assert_int_equal(world.state.sum, 5);
    assert_int_equal(world.state.pending, 3);
    stage_batch(&mark, 1); /* commits */
    part.base_sequence = 3;
    stage_batch(&part, 2);
    stage_batch(&mark, 0); /* aborts */
    part.base_sequence = 5;
    stage_batch(&part, 1);
    rest();
    load_again();
    stage_batch(&plain, 4);
    turn_until_state(MACHINE_READY);
    assert_int_equal(world.state.sum, 5 + 3 + 4);
    assert_int_equal(world.state.pending, 1);
    end();
}

static void close_now(struct timer *timer)
{
    (void)timer;
    close_host();
    world.is_closed = true;
}

/* A worker reads for it when it is not wanted any more, or has just done so in this very pass. */
void test_replay__may_end_while_the_disk_is_read(void)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct timer timer = { .run = close_now };
        begin_with(seed, false);
        turn_until_state(MACHINE_READY);
        add(10, 10);
        machine_disk_faults(world.machine)->cold_read = 1000000;
        sim_faults(world.sim)->pause = 700000;
        load_again();
        timer_set(world.store.loop, &timer,
            loop_now_us(world.store.loop) + (int64_t)sim_draw(world.sim, 30000));
        turn_until(&world.is_closed);
        rest();
        host();
        turn_until_state(MACHINE_READY);
        assert_int_equal(world.state.sum, 10);
        end();
    }
}

/* Of what the loop would have to wait for a worker reads. */
void test_replay__leaves_cold_reads_to_a_worker(void)
{
    int steps[2] = { 0 };
    begin();
    for (int i = 0; i < 10; i++)
        add(1, 15000);
    for (int cold = 0; cold < 2; cold++) {
        machine_disk_faults(world.machine)->cold_read = cold == 1 ? 1000000 : 0;
        load_again();
        for (; world.host.state != MACHINE_READY; steps[cold]++)
            assert_true(step());
        assert_int_equal(world.state.sum, 10);
    }
    assert_true(steps[1] >= steps[0] + 2);
    end();
}

/* What is passing, as too many open files, is waited out. */
void test_replay__tries_again_when_a_read_fails(void)
{
    struct disk_faults *faults;
    begin();
    add(10, 10);
    faults = machine_disk_faults(world.machine);
    faults->fails_with = -EMFILE;
    faults->fails[DISK_READ] = 1000000;
    load_again();
    rest();
    assert_int_equal(world.host.state, MACHINE_LOADING);
    assert_true(faults->failures >= 4 && faults->failures <= 6);
    assert_int_equal(ask(0), ERROR_COORDINATOR_LOAD_IN_PROGRESS);
    faults->fails[DISK_READ] = 0;
    turn_until_state(MACHINE_READY);
    assert_int_equal(world.state.sum, 10);
    end();
}

/* One that is told, and how far it has come. */
struct listener {
    struct replay_reader reader;
    int64_t records, others; /* when it ended: of all listeners */
    bool has_ended;
};
static int64_t listened;

static bool listen(
    struct replay_reader *reader, int64_t offset, struct rsm_record record, int64_t producer_id)
{
    struct listener *listener = container_of(reader, struct listener, reader);
    assert_int_equal(offset, listener->records);
    assert_int_equal(record.value.size, 1);
    assert_int_equal(producer_id, -1);
    listener->records++;
    listened++;
    world.told++;
    return true;
}

static void listen_to_the_end(
    struct replay_reader *reader, int status, int64_t segment_base, int64_t position)
{
    struct listener *listener = container_of(reader, struct listener, reader);
    (void)segment_base, (void)position;
    assert_int_equal(status, 0);
    listener->has_ended = true;
    listener->others = listened - listener->records;
}

/* One slice a pass for all of the loop, and one is told everything before the next begins. */
void test_replay__takes_turns_with_others(void)
{
    struct listener listeners[3] = { 0 };
    struct replay *replays[3];
    begin();
    add(3000, 1);
    listened = world.most_told = 0;
    for (int i = 0; i < 3; i++) {
        listeners[i].reader =
            (struct replay_reader){ .record = listen, .ended = listen_to_the_end };
        replays[i] = replay_start(world.partition, &world.turns, &listeners[i].reader);
    }
    turn_until(&listeners[0].has_ended);
    replay_destroy(replays[1]); /* while it waits */
    turn_until(&listeners[2].has_ended);
    assert_int_equal(listeners[0].others, 0);
    assert_int_equal(listeners[0].records, 3000);
    assert_int_equal(listeners[1].records, 0);
    assert_int_equal(listeners[2].records, 3000);
    assert_true(world.most_told <= 600);
    replay_destroy(replays[0]);
    replay_destroy(replays[2]);
    rest();
    end();
}
