/* SPDX-License-Identifier: Apache-2.0 */
/* A whole node in the simulator, killed when a move was about to end: the log that was replaced is gone, and the new one has not its
 * last name yet. The disk does not give it that name at the next start. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "broker/node_parts.h"
#include "io/file.h"
#include "sim/recorder.h"
#include "sim/sim.h"
#include "storage/log_state.h"
#include "test.h"
#include "unit/sim/whole_node.h"

enum { SECOND_US = 1000000 };

static struct world {
    struct sim *sim;
    struct whole_node whole;
    struct recorder recorder;
    struct workload *workload;
    struct partition_key key; /* of a partition in the second directory */
    char path[256], goal[300];
    int64_t end; /* of its log */
} world;

static bool never(void *context)
{
    (void)context;
    return false;
}

static bool is_in_use(void *context)
{
    (void)context;
    const struct partition *partition = world.whole.node->shards.list[0]->partitions;
    for (; partition != NULL; partition = partition->hh.next) {
        if (partition->log == NULL || partition->log_dir_index != 1 || log_durable_end(partition->log) == 0)
            continue;
        world.key = partition->key;
        world.end = log_durable_end(partition->log);
        snprintf(world.path, sizeof(world.path), "%s", log_path(partition->log));
        return true;
    }
    return false;
}

static void begin(void)
{
    world = (struct world){ .sim = sim_create(1) };
    whole_node_init(&world.whole, world.sim, "node", "log.dirs=/data,/disk\nstrom.shards=1\n");
    recorder_init(&world.recorder, world.sim);
    world.workload = workload_create(world.sim, "node", 9092, &world.recorder);
    whole_node_boot(&world.whole);
    assert_true(sim_run(world.sim, 60 * SECOND_US, is_in_use, NULL));
    machine_kill(world.whole.machine);
    workload_destroy(world.workload);
    struct io *io = machine_boot(world.whole.machine, 1);
    snprintf(world.goal, sizeof(world.goal), "%s.0123456789abcdef0123456789abcdef-future", world.path);
    assert_int_equal(file_rename(io, world.path, world.goal), 0);
    assert_int_equal(directory_sync(io, "/disk"), 0);
    machine_kill(world.whole.machine);
}

static struct io *live(void)
{
    whole_node_boot(&world.whole);
    assert_false(sim_run(world.sim, 3 * SECOND_US, never, NULL));
    return world.whole.node->io;
}

static const struct log *log_of_partition(void)
{
    return shard_partition(world.whole.node->shards.list[0], world.key.topic_id, world.key.index)->log;
}

static void destroy(void)
{
    machine_kill(world.whole.machine);
    recorder_deinit(&world.recorder);
    sim_destroy(world.sim);
    whole_node_deinit(&world.whole);
}

/* With a disk that does again what it is told, all is there. */
static void end(void)
{
    machine_kill(world.whole.machine);
    *machine_disk_faults(world.whole.machine) = (struct disk_faults){ 0 };
    live();
    assert_non_null(log_of_partition());
    assert_string_equal(log_path(log_of_partition()), world.path);
    assert_true(log_end(log_of_partition()) >= world.end);
    destroy();
}

/* There is no room for a name: an empty log in its place would be taken for the partition's from then on. */
void test_stray__begins_no_log_in_place_of_one_without_its_name(void)
{
    begin();
    struct disk_faults *faults = machine_disk_faults(world.whole.machine);
    faults->fails_with = -ENOSPC;
    faults->fails_below = world.goal;
    faults->fails[DISK_NAME] = 1000000;
    struct io *io = live();
    assert_true(faults->failures > 0);
    assert_int_equal(directory_exists(io, world.path), -ENOENT);
    assert_int_equal(directory_exists(io, world.goal), 0);
    end();
}

/* The name cannot be made durable: the directory is retired, and the log no stray one. */
void test_stray__keeps_a_log_whose_name_is_not_durable(void)
{
    begin();
    struct disk_faults *faults = machine_disk_faults(world.whole.machine);
    faults->fails_below = "/disk";
    faults->fails[DISK_SYNC_NAMES] = 1000000;
    struct io *io = live();
    assert_int_equal(log_dir_failure(world.whole.node->log_dirs[1]), -EIO);
    assert_int_equal(directory_exists(io, world.path), 0);
    end();
}

/* As one that a cut of power left, of an older topic of the name. There is no room for another name, and no log of ours is in it. */
void test_stray__takes_no_log_of_which_nobody_knows_the_topic(void)
{
    static const char no_points[] = "0\n0\n";
    char path[300];
    begin();
    struct io *io = machine_boot(world.whole.machine, 1);
    assert_int_equal(file_rename(io, world.goal, world.path), 0);
    snprintf(path, sizeof(path), "%s/partition.metadata", world.path);
    assert_int_equal(file_unlink(io, path), 0);
    assert_int_equal(file_replace(io, "/disk/recovery-point-offset-checkpoint", no_points, sizeof(no_points) - 1), 0);
    machine_kill(world.whole.machine);
    struct disk_faults *faults = machine_disk_faults(world.whole.machine);
    faults->fails_with = -ENOSPC;
    faults->fails_below = world.path;
    faults->fails[DISK_NAME] = 1000000;
    io = live();
    assert_true(faults->failures > 0);
    assert_null(log_of_partition());
    assert_int_equal(file_stat(io, path, &(int64_t){ 0 }), -ENOENT); /* nor did it get the id of our topic */
    destroy();
}
