/* SPDX-License-Identifier: Apache-2.0 */
/* Syncs of a whole file system that fail, in the simulator: one directory, and the flushers of two shards in it. */
#include <errno.h>

#include "sim/sim.h"
#include "storage/flush.h"
#include "storage/log_state.h"
#include "store.h"

enum { SHARDS = 2, LOGS = 2, MANY = 40, SECOND_US = 1000000 };

struct world {
    struct sim *sim;
    struct machine *machine;
    struct log_dir *dir;
    struct loop *loops[SHARDS]; /* the first has the directory, too */
    struct flusher *flushers[SHARDS];
};
static struct world world;

static bool never(void *context)
{
    (void)context;
    return false;
}

static bool is_failed(void *context)
{
    return flusher_is_failed(context);
}

static bool is_durable(void *context)
{
    const struct log *log = context;
    return log_durable_end(log) == log_end(log);
}

static void boot(void)
{
    char reason[256] = "";
    struct log_dir_settings settings;
    struct io *io = machine_boot(world.machine, 2);
    log_dir_settings_defaults(&settings);
    for (int i = 0; i < SHARDS; i++)
        world.loops[i] = loop_create(io, "test");
    assert_int_equal(log_dir_open(world.loops[0], "/data", &settings, &world.dir, reason, sizeof(reason)), 0);
}

static void create_world(void)
{
    static const struct log_dir_identity identity = { .cluster_id = "sim", .node_id = 1, .directory_id = { { 1 } } };
    world = (struct world){ .sim = sim_create(1) };
    world.machine = machine_create(world.sim, "node");
    assert_int_equal(log_dir_format(machine_boot(world.machine, 1), "/data", &identity), 0);
    machine_kill(world.machine);
    boot();
}

static void start_shards(void)
{
    for (int i = 0; i < SHARDS; i++) {
        world.flushers[i] = flusher_create(world.loops[i], world.dir);
        sim_start_loop(world.loops[i]);
    }
}

static void create_logs(struct flusher *flusher, int first, int count, struct log **logs)
{
    struct log_settings settings;
    log_settings_defaults(&settings);
    for (int i = 0; i < count; i++)
        assert_int_equal(
            log_create(flusher, "/data", "topic", first + i, (struct uuid){ { 9 } }, &settings, &logs[i]), 0);
    flusher->sync_one_us = 1000; /* all at once is cheaper */
    flusher->sync_all_us = 1;
}

static void append_to(struct log **logs, int count, int32_t epoch)
{
    for (int i = 0; i < count; i++)
        store_append(logs[i], 1, 100, 1, epoch);
}

static void want_flush(struct log **logs, int count)
{
    for (int i = 0; i < count; i++)
        log_want_flush(logs[i]);
}

/* The system tells a failed write-back once to each that had a file there open. The sync of one shard loses what another wrote as well,
 * and that one must not take its own next sync, which finds all clean, for one that kept it. */
void test_syncs__every_shard_hears_of_what_was_lost(void)
{
    struct log *logs[SHARDS][LOGS];
    struct disk_faults *faults;
    create_world();
    faults = machine_disk_faults(world.machine);
    start_shards();
    for (int i = 0; i < SHARDS; i++) {
        create_logs(world.flushers[i], i * LOGS, LOGS, logs[i]);
        append_to(logs[i], LOGS, 0);
    }
    faults->fails[DISK_SYNC] = 1000000;
    want_flush(logs[0], LOGS);
    assert_true(sim_run(world.sim, SECOND_US / 2, is_failed, world.flushers[0]));
    faults->fails[DISK_SYNC] = 0;
    assert_false(flusher_is_failed(world.flushers[1])); /* nobody has sent it word */
    want_flush(logs[1], LOGS);
    assert_true(sim_run(world.sim, SECOND_US / 2, is_failed, world.flushers[1]));
    for (int i = 0; i < LOGS; i++)
        assert_int_equal(log_durable_end(logs[1][i]), 0);
    assert_int_equal(log_dir_failure(world.dir), -EIO);
    sim_destroy(world.sim);
}

/* Also when it comes after the data, in a checkpoint of many logs: what was written there meanwhile is lost with it. */
void test_syncs__a_failed_sync_of_all_is_final(void)
{
    struct log *logs[MANY];
    create_world();
    start_shards();
    create_logs(world.flushers[0], 0, MANY, logs);
    append_to(logs, MANY, 0);
    sim_run(world.sim, 2 * SECOND_US, never, NULL); /* the first checkpoint makes the indexes, one by one */
    assert_int_equal(logs[0]->recovery_point, 1);
    append_to(logs, MANY, 1);
    want_flush(logs, MANY);
    assert_true(sim_run(world.sim, SECOND_US / 2, is_durable, logs[0]));
    machine_disk_faults(world.machine)->fails[DISK_SYNC] = 1000000;
    machine_disk_faults(world.machine)->fails_with = -ENOSPC;
    assert_true(sim_run(world.sim, 3 * SECOND_US, is_failed, world.flushers[0]));
    sim_run(world.sim, SECOND_US, never, NULL);
    assert_int_equal(log_dir_failure(world.dir), -ENOSPC);
    assert_int_equal(logs[0]->recovery_point, 1);
    sim_destroy(world.sim);
}

/* A flusher that has nothing to sync by must not begin. */
void test_syncs__fails_where_it_has_nothing_to_sync_by(void)
{
    create_world();
    machine_disk_faults(world.machine)->fails[DISK_OPEN] = 1000000;
    start_shards();
    for (int i = 0; i < SHARDS; i++)
        assert_true(flusher_is_failed(world.flushers[i]));
    assert_int_equal(log_dir_failure(world.dir), -EIO);
    sim_destroy(world.sim);
}
