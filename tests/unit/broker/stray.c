/* SPDX-License-Identifier: Apache-2.0 */
/* A whole node in the simulator, killed when a move was about to end: the log that was replaced is gone, and the new one has not its
 * last name yet. The disk does not give it that name at the next start. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/report.h"
#include "broker/format.h"
#include "broker/node.h"
#include "broker/node_parts.h"
#include "broker/settings_input.h"
#include "io/file.h"
#include "sim/recorder.h"
#include "sim/sim.h"
#include "storage/log_state.h"
#include "test.h"

enum { SECOND_US = 1000000 };

/* As in sim/workload.h, whose struct producer is not that of storage. */
struct workload;
struct workload *workload_create(struct sim *sim, const char *host, int port, struct recorder *recorder);
void workload_destroy(struct workload *workload);

static const char settings_text[] =
    "process.roles=broker,controller\n"
    "node.id=1\n"
    "listeners=PLAINTEXT://:9092,CONTROLLER://:9093\n"
    "advertised.listeners=PLAINTEXT://node:9092,CONTROLLER://node:9093\n"
    "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n"
    "controller.listener.names=CONTROLLER\n"
    "controller.quorum.bootstrap.servers=node:9093\n"
    "log.dirs=/data,/disk\n"
    "strom.shards=1\n"
    "offsets.topic.replication.factor=1\n";

static struct world {
    struct sim *sim;
    struct machine *machine;
    struct settings_input input;
    struct node_settings settings;
    struct node *node;
    struct recorder recorder;
    struct workload *workload;
    struct partition_key key; /* of a partition in the second directory */
    char path[256], goal[300];
    int64_t end; /* of its log */
} world;

static void drop_report(enum report_level level, const char *event, const char *text)
{
    (void)level;
    (void)event;
    (void)text;
}

static bool never(void *context)
{
    (void)context;
    return false;
}

static void boot(void)
{
    char reason[512];
    struct format_wish wish = { 0 };
    struct io *io = machine_boot(world.machine, 2);
    if (format_state_of(io, "/data", reason, sizeof(reason)) == FORMAT_NONE)
        assert_int_equal(format_directories(io, &world.settings, &wish, reason, sizeof(reason)), 0);
    machine_enter(world.machine);
    assert_int_equal(node_create(io, &world.settings, &world.node), 0);
    for (int i = 0; i < node_loop_count(world.node); i++)
        sim_start_loop(node_loop(world.node, i));
    node_start(world.node);
    machine_leave();
}

static bool is_in_use(void *context)
{
    (void)context;
    const struct partition *partition = world.node->shards.list[0]->partitions;
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
    static const struct settings_machine machine = { .cpu_count = 4, .memory_size = INT64_C(1) << 30, .host_name = STR("node") };
    report_set_sink(drop_report);
    world = (struct world){ .sim = sim_create(1) };
    world.machine = machine_create(world.sim, "node");
    settings_input_init(&world.input);
    settings_input_file(&world.input, STR("test.properties"), str_from(settings_text));
    assert_true(settings_read(&world.input, &machine, &world.settings));
    recorder_init(&world.recorder, world.sim);
    world.workload = workload_create(world.sim, "node", 9092, &world.recorder);
    boot();
    assert_true(sim_run(world.sim, 60 * SECOND_US, is_in_use, NULL));
    machine_kill(world.machine);
    workload_destroy(world.workload);
    struct io *io = machine_boot(world.machine, 1);
    snprintf(world.goal, sizeof(world.goal), "%s.0123456789abcdef0123456789abcdef-future", world.path);
    assert_int_equal(file_rename(io, world.path, world.goal), 0);
    assert_int_equal(directory_sync(io, "/disk"), 0);
    machine_kill(world.machine);
}

static struct io *live(void)
{
    boot();
    assert_false(sim_run(world.sim, 3 * SECOND_US, never, NULL));
    return world.node->io;
}

/* With a disk that does again what it is told, all is there. */
static void end(void)
{
    machine_kill(world.machine);
    *machine_disk_faults(world.machine) = (struct disk_faults){ 0 };
    live();
    const struct partition *partition = shard_partition(world.node->shards.list[0], world.key.topic_id, world.key.index);
    assert_non_null(partition->log);
    assert_string_equal(log_path(partition->log), world.path);
    assert_true(log_end(partition->log) >= world.end);
    machine_kill(world.machine);
    recorder_deinit(&world.recorder);
    sim_destroy(world.sim);
    node_settings_deinit(&world.settings);
    settings_input_deinit(&world.input);
}

/* There is no room for a name: an empty log in its place would be taken for the partition's from then on. */
void test_stray__begins_no_log_in_place_of_one_without_its_name(void)
{
    begin();
    struct disk_faults *faults = machine_disk_faults(world.machine);
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
    struct disk_faults *faults = machine_disk_faults(world.machine);
    faults->fails_below = "/disk";
    faults->fails[DISK_SYNC_NAMES] = 1000000;
    struct io *io = live();
    assert_int_equal(log_dir_failure(world.node->log_dirs[1]), -EIO);
    assert_int_equal(directory_exists(io, world.path), 0);
    end();
}
