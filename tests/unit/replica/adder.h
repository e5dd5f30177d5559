/* SPDX-License-Identifier: Apache-2.0 */
/* A machine that adds numbers, hosted on the log of a partition, in a simulated world. */
#pragma once
#include "io/file.h"
#include "replica/partition_machine.h"
#include "sim/sim.h"
#include "storage/flusher.h"
#include "unit/storage/store.h"

enum { EPOCH = 3, SECOND_US = 1000000, PRODUCER = 77 };

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
    int64_t damaged_offset;          /* the adder refuses that one; -1: none */
    int64_t told, most_told;         /* records: since the last event, and the most by one */
    int prepared_count, prepared_in; /* so many passes */
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

static inline void take(int64_t offset, struct rsm_record record, int64_t producer_id)
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

static inline enum error decide(struct rsm_machine *machine, struct rsm_request *request,
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

static inline void apply(struct rsm_machine *machine, int64_t offset, struct rsm_record record)
{
    (void)machine;
    take(offset, record, -1);
}

static inline void applied(struct rsm_machine *machine, int64_t end_offset)
{
    (void)machine;
    assert_int_equal(world.state.next_offset, end_offset);
}

static inline bool replay(
    struct partition_machine *host, int64_t offset, struct rsm_record record, int64_t producer_id)
{
    assert_int_equal(host->state, MACHINE_LOADING);
    if (offset == world.damaged_offset)
        return false;
    take(offset, record, producer_id);
    world.told++;
    return true;
}

static inline void replay_marker(
    struct partition_machine *host, int64_t producer_id, bool committed)
{
    (void)host;
    assert_int_equal(producer_id, PRODUCER);
    if (committed)
        world.state.sum += world.state.pending;
    world.state.pending = 0;
}

static inline bool prepare(struct partition_machine *host)
{
    assert_int_equal(host->state, MACHINE_LOADING);
    world.prepared_count++;
    return world.prepared_count >= world.prepared_in;
}

static inline void loaded(struct partition_machine *host)
{
    assert_int_equal(host->state, MACHINE_READY);
    world.loaded_count++;
}

static inline void lost(struct partition_machine *host)
{
    assert_int_equal(host->state, MACHINE_OFF);
    world.state = (struct state){ 0 };
    world.lost_count++;
}

static const struct rsm_machine_type adder_type = { decide, apply, applied };
static const struct partition_machine_type host_type = { replay, replay_marker, prepare, loaded,
    lost };

/* ---- The world. ---- */

static inline bool step(void)
{
    bool happened = sim_step(world.sim);
    if (world.told > world.most_told)
        world.most_told = world.told;
    world.told = 0;
    return happened;
}

static inline void turn_until(const bool *flag)
{
    while (!*flag)
        assert_true(step());
}

static inline void turn_until_state(enum partition_machine_state state)
{
    while (world.host.state != state)
        assert_true(step());
}

static inline void rest(void)
{
    int64_t end_us = sim_now_us(world.sim) + 5 * SECOND_US;
    while (sim_now_us(world.sim) < end_us && step())
        continue;
}

static inline void host(void)
{
    replay_turns_init(&world.turns, world.store.loop);
    world.adder.type = &adder_type;
    world.state = (struct state){ 0 };
    partition_machine_init(&world.host, &host_type, &world.adder, world.partition, &world.turns);
}

static inline void close_host(void)
{
    partition_machine_deinit(&world.host);
    replay_turns_deinit(&world.turns);
}

/* A new process on what is there. */
static inline void boot(int32_t leader_epoch)
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

static inline void begin_with(uint64_t seed, bool page_cache)
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

static inline void begin(void)
{
    begin_with(1, false);
    turn_until_state(MACHINE_READY);
}

static inline void end(void)
{
    machine_kill(world.machine);
    sim_destroy(world.sim);
}

static inline void note_done(struct rsm_request *request, enum error error)
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

static inline struct wish *submit_of(int32_t records, size_t value_size)
{
    struct wish *wish = memory_take(sizeof(*wish));
    *wish = (struct wish){ .records = records, .value_size = value_size, .rsm.done = note_done };
    arena_init(&wish->arena);
    wish->rsm.arena = &wish->arena;
    rsm_submit(&world.host.rsm, &wish->rsm);
    return wish;
}

static inline struct wish *submit(int32_t records)
{
    return submit_of(records, 10);
}

static inline enum error give(struct wish *wish)
{
    enum error error = wish->error;
    assert_true(wish->is_done);
    arena_deinit(&wish->arena);
    memory_give(wish);
    return error;
}

static inline void add(int32_t records, size_t value_size)
{
    struct wish *wish = submit_of(records, value_size);
    turn_until(&wish->is_done);
    assert_int_equal(give(wish), ERROR_NONE);
}

static inline enum error ask(int32_t records)
{
    struct wish *wish = submit(records);
    turn_until(&wish->is_done);
    return give(wish);
}

/* The law: what lives is what a replay gives. */
static inline void check_replay(void)
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
static inline void stage_batch(const struct batch_options *options, int count)
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

static inline void load_again(void)
{
    partition_lead(world.partition, false, world.partition->leader_epoch + 1);
    partition_lead(world.partition, true, world.partition->leader_epoch + 1);
}
