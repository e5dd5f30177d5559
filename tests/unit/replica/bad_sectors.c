/* SPDX-License-Identifier: Apache-2.0 */
/* A partition in the simulator, whose leader epochs have to be taken from the batches, of which the disk does not give all. */
#include "base/pace.h"
#include "replica/move.h"
#include "replica/partition.h"
#include "sim/sim.h"
#include "storage/log_state.h"
#include "unit/storage/store.h"

enum { EPOCH = 3, NEWEST_EPOCH = 5, SECOND_US = 1000000 };
static const char *const paths[] = { "/one", "/two" };
static const char first_segment[] = "/one/topic-0/00000000000000000000.log";

static struct world {
    struct sim *sim;
    struct machine *machine;
    struct store stores[2]; /* one loop: that of the first */
    struct log *log, *future;
    struct partition *partition;
    struct pace pace;
    struct move_pace move_pace;
    struct move_watch watch;
} world;

static bool never(void *context)
{
    (void)context;
    return false;
}

static void rest(void)
{
    sim_run(world.sim, 5 * SECOND_US, never, NULL);
}

static void create_store(struct io *io, struct loop *loop, int i)
{
    char reason[256] = "";
    struct store *store = &world.stores[i];
    struct log_dir_identity identity = { .cluster_id = "sim", .node_id = 1, .directory_id = { { (uint8_t)(i + 1) } } };
    log_dir_settings_defaults(&store->settings);
    store->io = io;
    store->loop = loop;
    assert_int_equal(log_dir_format(io, paths[i], &identity), 0);
    assert_int_equal(log_dir_open(loop, paths[i], &store->settings, &store->dir, reason, sizeof(reason)), 0);
    store->flusher = flusher_create(loop, store->dir);
}

/* What the log knows of its epochs is wrong, as when the file decayed, and nobody has asked yet. */
static void spoil_epochs(void)
{
    world.log->epochs_checked = false;
    epochs_truncate_from(&world.log->epochs, 0);
    epochs_assign(&world.log->epochs, EPOCH - 1, 0);
    struct disk_faults *faults = machine_disk_faults(world.machine);
    faults->fails_below = first_segment;
    faults->fails[DISK_READ] = 1000000;
}

/* Two segments, and a future log that has the same. */
static void begin(void)
{
    const struct partition_settings settings = { .codec = -1, .segment_bytes = 1 << 20 };
    const struct partition_key key = { { { 9 } }, 0 };
    struct log_settings log_settings;
    world = (struct world){ .sim = sim_create(1) };
    world.machine = machine_create(world.sim, "node");
    struct io *io = machine_boot(world.machine, 2);
    struct loop *loop = loop_create(io, "test");
    for (int i = 0; i < 2; i++)
        create_store(io, loop, i);
    sim_start_loop(loop);
    log_settings_defaults(&log_settings);
    assert_int_equal(log_create(world.stores[0].flusher, paths[0], "topic", 0, key.topic_id, &log_settings, &world.log), 0);
    assert_int_equal(log_create_future(world.stores[1].flusher, paths[1], "topic", 0, key.topic_id, &log_settings, &world.future), 0);
    store_append(world.log, 10, 100, 1, EPOCH);
    store_append(world.future, 10, 100, 1, EPOCH);
    assert_int_equal(log_roll_at_end(world.log), 0);
    store_append(world.log, 10, 100, 1, NEWEST_EPOCH);
    store_append(world.future, 10, 100, 1, NEWEST_EPOCH);
    world.partition = partition_create(loop, key, world.log, &settings);
    partition_lead(world.partition, true, NEWEST_EPOCH);
    rest();
    spoil_epochs();
}

static void end(void)
{
    machine_kill(world.machine);
    sim_destroy(world.sim);
}

/* A reader would go back to where its partition begins, for nothing. */
void test_bad_sectors__are_not_told_as_another_history(void)
{
    begin();
    struct partition_read read = { .offset = 5, .current_leader_epoch = -1, .last_fetched_epoch = EPOCH, .max_bytes = 1000 };
    assert_int_equal(partition_read(world.partition, &read, NULL), 0);
    assert_true(flusher_is_failed(world.stores[0].flusher));
    assert_int_equal(read.error, ERROR_KAFKA_STORAGE_ERROR);
    end();
}

/* Nor does a move throw away what it has copied: it may be all that is left. */
void test_bad_sectors__take_nothing_from_the_copy(void)
{
    begin();
    move_pace_init(&world.move_pace, world.stores[0].loop, &world.pace);
    move_begin(world.partition, world.future, 1, &world.watch, &world.move_pace);
    rest();
    assert_true(flusher_is_failed(world.stores[0].flusher));
    assert_int_equal(log_start(world.future), 0);
    assert_int_equal(log_end(world.future), 20);
    end();
}
