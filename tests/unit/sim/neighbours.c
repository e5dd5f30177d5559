/* SPDX-License-Identifier: Apache-2.0 */
/* Whole nodes in one world, each with its own disk, clients, history and invariants: what one suffers is nothing to the other, and
 * the same seed gives both the same lives again. */
#include <stdio.h>
#include <string.h>

#include "base/report.h"
#include "broker/format.h"
#include "broker/node.h"
#include "broker/settings_input.h"
#include "sim/invariants.h"
#include "sim/recorder.h"
#include "sim/sim.h"
#include "sim/workload.h"
#include "test.h"

enum { HOUSES = 2, SECOND_US = 1000000, PORT = 9092 };

struct house {
    struct machine *machine;
    struct settings_input input;
    struct node_settings settings;
    struct node *node;
    struct recorder recorder;
    struct workload *workload;
    struct invariants *invariants;
};

struct street {
    struct sim *sim;
    struct house houses[HOUSES];
};

static void drop_report(enum report_level level, const char *event, const char *text)
{
    (void)level;
    (void)event;
    (void)text;
}

static void boot(struct house *house)
{
    char reason[512];
    struct format_wish wish = { 0 };
    struct io *io = machine_boot(house->machine, 2);
    house->recorder.lives++;
    if (format_state_of(io, "/data", reason, sizeof(reason)) == FORMAT_NONE)
        assert_int_equal(format_directories(io, &house->settings, &wish, reason, sizeof(reason)), 0);
    machine_enter(house->machine);
    assert_int_equal(node_create(io, &house->settings, &house->node), 0);
    for (int i = 0; i < node_loop_count(house->node); i++)
        sim_start_loop(node_loop(house->node, i));
    node_start(house->node);
    machine_leave();
    invariants_begin(house->invariants, house->node);
}

static void cut_power(struct house *house)
{
    invariants_end(house->invariants, ENDING_POWER_CUT);
    machine_cut_power(house->machine);
    recorder_note(&house->recorder, &(struct event){ .process = "node", .phase = "info", .name = "power", .offset = OFFSET_NONE });
}

static bool has_stopped(void *context)
{
    const struct house *house = context;
    for (int i = 0; i < node_loop_count(house->node); i++)
        if (!sim_loop_has_ended(node_loop(house->node, i)))
            return false;
    return true;
}

static void stop(struct sim *sim, struct house *house)
{
    machine_enter(house->machine);
    node_stop(house->node);
    machine_leave();
    assert_true(sim_run(sim, 60 * SECOND_US, has_stopped, house));
    assert_false(node_failed(house->node));
    invariants_end(house->invariants, ENDING_STOP);
    node_destroy(house->node);
    invariants_look_behind(house->invariants);
    machine_kill(house->machine);
}

static void move_in(struct house *house, struct sim *sim, const char *name)
{
    static const char text[] = "process.roles=broker,controller\nnode.id=1\nlog.dirs=/data\nstrom.shards=2\nlog.roll.ms=3000\n"
                               "listeners=PLAINTEXT://:9092,CONTROLLER://:9093\ncontroller.listener.names=CONTROLLER\n"
                               "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n";
    char file[1024];
    struct settings_machine machine = { .cpu_count = 4, .memory_size = INT64_C(1) << 30, .host_name = str_from(name) };
    snprintf(file, sizeof(file), "%sadvertised.listeners=PLAINTEXT://%s:9092,CONTROLLER://%s:9093\ncontroller.quorum.bootstrap.servers=%s:9093\n",
        text, name, name, name);
    house->machine = machine_create(sim, name);
    settings_input_init(&house->input);
    settings_input_file(&house->input, STR("test.properties"), str_from(file));
    assert_true(settings_read(&house->input, &machine, &house->settings));
    recorder_init(&house->recorder, sim);
    house->invariants = invariants_create(sim, house->machine, &house->recorder);
    house->workload = workload_create(sim, name, PORT, &house->recorder);
    invariants_tell_starts(house->invariants, &house->workload->start_watch);
    boot(house);
}

static void move_out(struct house *house)
{
    recorder_judge(&house->recorder, NULL);
    if (house->recorder.fallen != NULL)
        fail_msg("%s fell", house->recorder.fallen);
    workload_destroy(house->workload);
    recorder_deinit(&house->recorder);
    node_settings_deinit(&house->settings);
    settings_input_deinit(&house->input);
}

static bool never(void *context)
{
    (void)context;
    return false;
}

/* What was acknowledged by some moment. */
struct progress {
    const struct house *houses;
    int64_t acked[HOUSES];
};

static bool both_went_on(void *context)
{
    const struct progress *progress = context;
    bool both = true;
    for (int i = 0; i < HOUSES; i++)
        both = both && progress->houses[i].recorder.acked_count > progress->acked[i] + 20;
    return both;
}

static bool west_went_on(void *context)
{
    const struct progress *progress = context;
    return progress->houses[1].recorder.acked_count > progress->acked[1] + 20;
}

static bool are_drained(void *context)
{
    const struct street *street = context;
    bool are = true;
    for (int i = 0; i < HOUSES; i++)
        are = are && workload_is_drained(street->houses[i].workload);
    return are;
}

static struct progress now(const struct street *street)
{
    struct progress progress = { .houses = street->houses };
    for (int i = 0; i < HOUSES; i++)
        progress.acked[i] = street->houses[i].recorder.acked_count;
    return progress;
}

/* Returns the trace. The east loses power three times, and the west never hears of it. */
static uint64_t live(uint64_t seed)
{
    static const char *const names[HOUSES] = { "east", "west" };
    struct street street = { .sim = sim_create(seed) };
    struct house *east = &street.houses[0];
    for (int i = 0; i < HOUSES; i++)
        move_in(&street.houses[i], street.sim, names[i]);
    for (int lives = 0; lives < 3; lives++) {
        struct progress progress = now(&street);
        assert_true(sim_run(street.sim, 60 * SECOND_US, both_went_on, &progress));
        cut_power(east);
        progress = now(&street);
        assert_true(sim_run(street.sim, 60 * SECOND_US, west_went_on, &progress));
        boot(east);
    }
    assert_int_equal(street.houses[1].recorder.lives, 1);
    for (int i = 0; i < HOUSES; i++)
        workload_drain(street.houses[i].workload);
    assert_true(sim_run(street.sim, 120 * SECOND_US, are_drained, &street));
    for (int i = 0; i < HOUSES; i++)
        stop(street.sim, &street.houses[i]);
    sim_run(street.sim, SECOND_US, never, NULL);
    for (int i = 0; i < HOUSES; i++)
        move_out(&street.houses[i]);
    uint64_t trace = sim_trace(street.sim);
    sim_destroy(street.sim);
    for (int i = 0; i < HOUSES; i++)
        invariants_destroy(street.houses[i].invariants);
    return trace;
}

void test_neighbours__live_side_by_side(void)
{
    report_set_sink(drop_report);
    for (uint64_t seed = 1; seed <= 3; seed++)
        assert_true(live(seed) == live(seed));
}
