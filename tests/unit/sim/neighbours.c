/* SPDX-License-Identifier: Apache-2.0 */
/* Whole nodes in one world, each with its own disk, clients, history and invariants: what one suffers is nothing to the other, and
 * the same seed gives both the same lives again. */
#include <string.h>

#include "sim/invariants.h"
#include "sim/recorder.h"
#include "sim/sim.h"
#include "sim/workload.h"
#include "test.h"
#include "unit/sim/whole_node.h"

enum { HOUSES = 2, SECOND_US = 1000000, PORT = 9092 };

struct house {
    struct whole_node whole;
    struct recorder recorder;
    struct workload *workload;
    struct invariants *invariants;
};

struct street {
    struct sim *sim;
    struct house houses[HOUSES];
};

static void boot(struct house *house)
{
    house->recorder.lives++;
    whole_node_boot(&house->whole);
    invariants_begin(house->invariants, house->whole.node);
}

static void cut_power(struct house *house)
{
    invariants_end(house->invariants, ENDING_POWER_CUT);
    machine_cut_power(house->whole.machine);
    recorder_note(&house->recorder, &(struct event){ .process = "node", .phase = "info", .name = "power", .offset = OFFSET_NONE });
}

static void stop(struct sim *sim, struct house *house)
{
    machine_enter(house->whole.machine);
    node_stop(house->whole.node);
    machine_leave();
    assert_true(sim_run(sim, 60 * SECOND_US, whole_node_has_stopped, &house->whole));
    assert_false(node_failed(house->whole.node));
    invariants_end(house->invariants, ENDING_STOP);
    node_destroy(house->whole.node);
    invariants_look_behind(house->invariants);
    machine_kill(house->whole.machine);
}

static void move_in(struct house *house, struct sim *sim, const char *name)
{
    whole_node_init(&house->whole, sim, name, "log.dirs=/data\nstrom.shards=2\nlog.roll.ms=3000\n");
    recorder_init(&house->recorder, sim);
    house->invariants = invariants_create(sim, house->whole.machine, &house->recorder);
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
    whole_node_deinit(&house->whole);
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
    for (uint64_t seed = 1; seed <= 3; seed++)
        assert_true(live(seed) == live(seed));
}
