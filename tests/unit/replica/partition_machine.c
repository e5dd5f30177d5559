/* SPDX-License-Identifier: Apache-2.0 */
/* A machine that adds numbers, on the log of a partition in the simulator. */
#include "replica/partition_machine.h"

#include <errno.h>

#include "base/pace.h"
#include "io/file.h"
#include "replica/move.h"
#include "sim/sim.h"
#include "storage/flusher.h"
#include "unit/storage/store.h"

enum { EPOCH = 3, SECOND_US = 1000000, PRODUCER = 77 };
static const char first_segment[] = "/data/topic-0/00000000000000000000.log";

/* What the log says: the sum of its numbers, and of everything in it a digest that depends on the
 * order. */
struct state {
    int64_t sum, pending; /* of the transaction that is open */
    int64_t records, next_offset;
    uint64_t digest;
};

static struct world {
    struct sim *sim;
    struct machine *machine;
    struct store store;
    struct log_settings log_settings;
    struct partition_settings settings;
    struct partition *partition;
    struct replay_turns turns;
    struct rsm_machine adder;
    struct partition_machine host;
    struct state state;
    int64_t damaged_offset;  /* the adder refuses that one; -1: none */
    int64_t told, most_told; /* records: since the last event, and the most by one */
    int loaded_count, lost_count;
    bool is_closed;
} world;

/* One wish: that many records of this size, which add 1 each; 0 only reads. */
struct wish {
    struct rsm_request rsm;
    struct arena arena;
    int32_t records;
    size_t value_size;
    int64_t answer; /* the sum as decided */
    bool is_done;
    enum error error;
};

/* ---- The adder. ---- */

static void take(int64_t offset, struct rsm_record record, int64_t producer_id)
{
    struct state *state = &world.state;
    int64_t number = record.value.data == NULL ? -1 : record.value.data[0] - '0';
    assert_true(offset >= state->next_offset);
    state->next_offset = offset + 1;
    state->records++;
    if (producer_id < 0)
        state->sum += number;
    else
        state->pending += number;
    state->digest = (state->digest ^ (uint64_t)offset ^ record.value.size << 40) * 0x100000001b3u;
    for (size_t i = 0; i < record.key.size; i++)
        state->digest = (state->digest ^ record.key.data[i]) * 0x100000001b3u;
}

static enum error decide(struct rsm_machine *machine, struct rsm_request *request,
    int64_t next_offset, struct rsm_decision *decision)
{
    struct wish *wish = container_of(request, struct wish, rsm);
    (void)machine;
    assert_true(next_offset >= world.state.next_offset);
    wish->answer = world.state.sum + wish->records;
    for (int32_t i = 0; i < wish->records; i++) {
        char *key = arena_format(decision->arena, "key-%lld", (long long)(next_offset + i));
        uint8_t *value = arena_take(decision->arena, wish->value_size);
        for (size_t k = 0; k < wish->value_size; k++)
            value[k] = (uint8_t)(((k + 1) * 0x9e3779b97f4a7c15u ^ k) * 0xbf58476d1ce4e5b9u >> 56);
        value[0] = '1';
        rsm_decision_add(decision,
            (struct rsm_record){ { (uint8_t *)key, strlen(key) }, { value, wish->value_size } });
    }
    return ERROR_NONE;
}

static void apply(struct rsm_machine *machine, int64_t offset, struct rsm_record record)
{
    (void)machine;
    take(offset, record, -1);
}

static void applied(struct rsm_machine *machine, int64_t end_offset)
{
    (void)machine;
    assert_int_equal(world.state.next_offset, end_offset);
}

static bool replay(
    struct partition_machine *host, int64_t offset, struct rsm_record record, int64_t producer_id)
{
    assert_int_equal(host->state, MACHINE_LOADING);
    if (offset == world.damaged_offset)
        return false;
    take(offset, record, producer_id);
    world.told++;
    return true;
}

static void replay_marker(struct partition_machine *host, int64_t producer_id, bool committed)
{
    (void)host;
    assert_int_equal(producer_id, PRODUCER);
    if (committed)
        world.state.sum += world.state.pending;
    world.state.pending = 0;
}

static void loaded(struct partition_machine *host)
{
    assert_int_equal(host->state, MACHINE_READY);
    world.loaded_count++;
}

static void lost(struct partition_machine *host)
{
    assert_int_equal(host->state, MACHINE_OFF);
    world.state = (struct state){ 0 };
    world.lost_count++;
}

static const struct rsm_machine_type adder_type = { decide, apply, applied };
static const struct partition_machine_type host_type = { replay, replay_marker, loaded, lost };

/* ---- The world. ---- */

static bool step(void)
{
    bool happened = sim_step(world.sim);
    if (world.told > world.most_told)
        world.most_told = world.told;
    world.told = 0;
    return happened;
}

static void turn_until(const bool *flag)
{
    while (!*flag)
        assert_true(step());
}

static void turn_until_state(enum partition_machine_state state)
{
    while (world.host.state != state)
        assert_true(step());
}

static void rest(void)
{
    int64_t end_us = sim_now_us(world.sim) + 5 * SECOND_US;
    while (sim_now_us(world.sim) < end_us && step())
        continue;
}

static void host(void)
{
    replay_turns_init(&world.turns, world.store.loop);
    world.adder.type = &adder_type;
    world.state = (struct state){ 0 };
    partition_machine_init(&world.host, &host_type, &world.adder, world.partition, &world.turns);
}

static void close_host(void)
{
    partition_machine_deinit(&world.host);
    replay_turns_deinit(&world.turns);
}

/* A new process on what is there. */
static void boot(int32_t leader_epoch)
{
    struct store *store = &world.store;
    const struct partition_key key = { { { 9 } }, 0 };
    struct log_dir_identity identity = {
        .cluster_id = "sim", .node_id = 1, .directory_id = { { 1 } }
    };
    char reason[256] = "";
    struct log *log;
    store->io = machine_boot(world.machine, 2);
    store->loop = loop_create(store->io, "test");
    log_dir_settings_defaults(&store->settings);
    if (directory_exists(store->io, "/data") < 0) {
        assert_int_equal(log_dir_format(store->io, "/data", &identity), 0);
        assert_int_equal(directory_sync(store->io, "/"), 0);
    }
    assert_int_equal(
        log_dir_open(store->loop, "/data", &store->settings, &store->dir, reason, sizeof(reason)),
        0);
    store->flusher = flusher_create(store->loop, store->dir);
    const struct log_place *place = log_dir_find(store->dir, "topic", 0);
    int status = place == NULL ? log_create(store->flusher, "/data", "topic", 0, key.topic_id,
                                     &world.log_settings, &log)
                               : log_open(store->flusher, place, &world.log_settings, &log);
    assert_int_equal(status, 0);
    world.partition = partition_create(store->loop, key, log, &world.settings);
    partition_lead(world.partition, true, leader_epoch);
    host();
    sim_start_loop(store->loop);
}

static void begin_with(uint64_t seed, bool page_cache)
{
    world = (struct world){ .sim = sim_create(seed), .damaged_offset = -1 };
    world.machine = machine_create(world.sim, "node");
    log_settings_defaults(&world.log_settings);
    world.log_settings.segment_bytes = 200000;
    world.log_settings.page_cache = page_cache;
    world.settings = (struct partition_settings){ .rules.max_message_bytes = 20000,
        .codec = -1,
        .segment_bytes = world.log_settings.segment_bytes,
        .page_cache = page_cache };
    boot(EPOCH);
}

static void begin(void)
{
    begin_with(1, false);
    turn_until_state(MACHINE_READY);
}

static void end(void)
{
    machine_kill(world.machine);
    sim_destroy(world.sim);
}

static void note_done(struct rsm_request *request, enum error error)
{
    struct wish *wish = container_of(request, struct wish, rsm);
    assert_false(wish->is_done);
    if (error == ERROR_NONE) {
        assert_true(request->wait_offset <= world.partition->high_watermark);
        assert_true(request->wait_offset <= log_durable_end(world.partition->log));
    }
    wish->is_done = true;
    wish->error = error;
}

static struct wish *submit_of(int32_t records, size_t value_size)
{
    struct wish *wish = memory_take(sizeof(*wish));
    *wish = (struct wish){ .records = records, .value_size = value_size, .rsm.done = note_done };
    arena_init(&wish->arena);
    wish->rsm.arena = &wish->arena;
    rsm_submit(&world.host.rsm, &wish->rsm);
    return wish;
}

static struct wish *submit(int32_t records)
{
    return submit_of(records, 10);
}

static enum error give(struct wish *wish)
{
    enum error error = wish->error;
    assert_true(wish->is_done);
    arena_deinit(&wish->arena);
    memory_give(wish);
    return error;
}

static void add(int32_t records, size_t value_size)
{
    struct wish *wish = submit_of(records, value_size);
    turn_until(&wish->is_done);
    assert_int_equal(give(wish), ERROR_NONE);
}

static enum error ask(int32_t records)
{
    struct wish *wish = submit(records);
    turn_until(&wish->is_done);
    return give(wish);
}

/* The law: what lives is what a replay gives. */
static void check_replay(void)
{
    struct state live = world.state;
    turn_until_state(MACHINE_READY);
    close_host();
    host();
    turn_until_state(MACHINE_READY);
    assert_int_equal(live.sum, world.state.sum);
    assert_int_equal(live.pending, world.state.pending);
    assert_int_equal(live.records, world.state.records);
    assert_int_equal(live.next_offset, world.state.next_offset);
    assert_true(live.digest == world.state.digest);
}

/* Records of another hand, or of a transaction. */
static void stage_batch(const struct batch_options *options, int count)
{
    struct record records[8] = { { 0 } };
    struct batch_header header = { 0 };
    for (int i = 0; i < count; i++)
        records[i] = (struct record){
            .timestamp = 5, .key = { (const uint8_t *)"k", 1 }, .value = { (const uint8_t *)"1", 1 }
        };
    struct buffer *buffer = options->control
                                ? batch_build_control(options, 5,
                                      &(struct control_record){ .type = (int16_t)count,
                                          .value = { (const uint8_t *)"\0\0\0\0\0\0", 6 } },
                                      1)
                                : batch_build(options, records, count);
    assert_int_equal(batch_parse((struct bytes){ buffer->data, buffer->size }, &header), BATCH_OK);
    partition_stage(world.partition, buffer, buffer->data, &header);
    buffer_unref(buffer);
}

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

static void load_again(void)
{
    partition_lead(world.partition, false, world.partition->leader_epoch + 1);
    partition_lead(world.partition, true, world.partition->leader_epoch + 1);
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

/* ---- Loading. ---- */

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

void test_partition_machine__loads_in_slices(void)
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
void test_partition_machine__loads_from_the_log_start(void)
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
void test_partition_machine__begins_anew_when_the_log_is_cut(void)
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
void test_partition_machine__tells_of_transactions(void)
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
void test_partition_machine__may_end_while_the_disk_is_read(void)
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
void test_partition_machine__leaves_cold_reads_to_a_worker(void)
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
void test_partition_machine__tries_again_when_a_read_fails(void)
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
void test_partition_machine__takes_turns_with_others(void)
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
