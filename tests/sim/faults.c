/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/faults.h"

#include <stdio.h>

#include "sim/rot.h"
#include "sim/sim.h"

enum { SECOND_US = 1000000 };

#define HOURS_MS(hours) (INT64_C(3600000) * (hours))

static const char *const kind_names[FAULT_KIND_COUNT] = { "disk_calls", "bad_sectors", "disk_full", "disk_slow", "sync_slow",
    "disk_short", "disk_dies", "rot", "clock_jumps", "clock_drifts", "pauses", "short_lives", "rots_above" };

static uint64_t draw(struct faults *faults, uint64_t bound) { return sim_draw_fault(faults->sim, bound); }

/* Once in so many times, where the run has that kind at all. */
static bool strikes(struct faults *faults, enum fault_kind kind, uint64_t in)
{
    if (!faults->is_on[kind] || draw(faults, in) != 0)
        return false;
    faults->count[kind]++;
    return true;
}

void faults_init(struct faults *faults, struct sim *sim, struct machine *machine, bool has_two_directories, bool goes_beyond)
{
    *faults = (struct faults){ .sim = sim, .machine = machine, .has_two_directories = has_two_directories };
    for (int kind = 0; kind < FAULT_ROTS_ABOVE; kind++)
        faults->is_on[kind] = draw(faults, 2) == 0;
    faults->is_on[FAULT_ROTS_ABOVE] = goes_beyond;
    if (strikes(faults, FAULT_CLOCK_DRIFTS, 1))
        machine_set_drift(machine, (int32_t)draw(faults, 100001) - 50000);
}

/* ---- Disks. ---- */

static void draw_failing_calls(struct faults *faults, struct disk_faults *disk)
{
    static const uint32_t chances[DISK_CALL_COUNT] = { 300, 1000, 1000, 500, 1000, 3000 };
    if (!strikes(faults, FAULT_DISK_CALLS, 4))
        return;
    enum disk_call call = (enum disk_call)draw(faults, DISK_CALL_COUNT);
    disk->fails[call] = chances[call] * (1 + (uint32_t)draw(faults, 4));
    disk->fails_below = faults->has_two_directories && draw(faults, 2) == 0 ? "/disk" : NULL;
}

static void draw_slowness(struct faults *faults, struct disk_faults *disk)
{
    if (!strikes(faults, FAULT_DISK_SLOW, 3))
        return;
    switch (draw(faults, 3)) {
    case 0: disk->slow = 1000000, disk->slow_us = 10000; break;
    case 1: disk->slow = 20000, disk->slow_us = SECOND_US; break;
    default: disk->slow = 300, disk->slow_us = 60 * SECOND_US; break;
    }
}

/* Names change seldom, and many things are done in steps that each rename a file: so every other death falls between two of those. */
static void draw_death(struct faults *faults, struct disk_faults *disk)
{
    if (draw(faults, 2) == 0)
        disk->names_left = 1 + (int64_t)draw(faults, 200);
    else
        disk->changes_left = 1 + (int64_t)draw(faults, draw(faults, 2) == 0 ? 60 : 3000);
}

static void draw_slow_syncs(struct faults *faults, struct disk_faults *disk)
{
    static const int64_t most_us[] = { 5000, 50000, 500000 };
    if (strikes(faults, FAULT_SYNC_SLOW, 2))
        disk->sync_us = most_us[draw(faults, 3)];
}

static void decay(struct faults *faults)
{
    if (strikes(faults, FAULT_ROT, 4))
        faults->decays += rot_strike(faults->sim, faults->machine, true);
    if (strikes(faults, FAULT_BAD_SECTORS, 8))
        faults->decays += rot_strike(faults->sim, faults->machine, false);
}

static void restore(struct faults *faults)
{
    machine_restore(faults->machine);
    faults->decays = 0;
}

/* ---- Time. ---- */

/* A node that starts forgets, as Kafka does, the producers whose last batch is older than producer.id.expiration.ms by the clock. So
 * at a start it is about right, and it never goes back by a day: a topic's own times may come from it. */
static void jump(struct faults *faults, bool starts)
{
    static const int64_t most_ms[] = { 1000, 600000, HOURS_MS(1), HOURS_MS(24), HOURS_MS(365 * 24) };
    bool strikes_now = strikes(faults, FAULT_CLOCK_JUMPS, 6);
    if (!strikes_now && (!starts || faults->shift_ms == 0))
        return;
    int64_t most = most_ms[draw(faults, starts ? 3 : 5)];
    int64_t back = most < HOURS_MS(20) ? most : HOURS_MS(20);
    int64_t shift_ms = (int64_t)draw(faults, (uint64_t)(most + back)) - back; /* from the right time, not from where it is */
    machine_shift_clock(faults->machine, shift_ms - faults->shift_ms);
    faults->shift_ms = shift_ms;
}

/* ---- Lives. ---- */

void faults_begin_life(struct faults *faults)
{
    struct disk_faults *disk = machine_disk_faults(faults->machine);
    jump(faults, true);
    if (faults->is_calm)
        return;
    faults->failures_before = disk->failures;
    decay(faults);
    draw_failing_calls(faults, disk);
    draw_slowness(faults, disk);
    draw_slow_syncs(faults, disk);
    if (strikes(faults, FAULT_DISK_SHORT, 2)) {
        disk->short_write = 3000;
        disk->cold_read = 300000;
    }
    if (strikes(faults, FAULT_DISK_DIES, 3))
        draw_death(faults, disk);
    faults->was_full_early = disk->is_full = strikes(faults, FAULT_DISK_FULL, 16);
}

bool faults_life_is_short(struct faults *faults) { return strikes(faults, FAULT_SHORT_LIVES, 3); }

void faults_strike(struct faults *faults, bool is_elected)
{
    struct disk_faults *disk = machine_disk_faults(faults->machine);
    disk->is_full = strikes(faults, FAULT_DISK_FULL, 6);
    disk->room_left = disk->is_full && draw(faults, 2) == 0 ? (int64_t)draw(faults, 20000) : 0;
    if (disk->is_full && !is_elected)
        faults->was_full_early = true;
    jump(faults, false);
    decay(faults);
    if (strikes(faults, FAULT_PAUSES, 8))
        machine_pause(faults->machine, 1000 + (int64_t)draw(faults, draw(faults, 4) == 0 ? 60 * SECOND_US : 2 * SECOND_US));
}

void faults_end_life(struct faults *faults)
{
    struct disk_faults *disk = machine_disk_faults(faults->machine);
    for (int call = 0; call < DISK_CALL_COUNT; call++)
        disk->fails[call] = 0;
    disk->is_full = false;
    disk->slow = disk->short_write = 0;
    disk->sync_us = 0;
    disk->cold_read = 10000;
    if (draw(faults, 2) == 0)
        restore(faults);
}

void faults_calm(struct faults *faults)
{
    faults_end_life(faults);
    restore(faults);
    machine_shift_clock(faults->machine, -faults->shift_ms);
    faults->shift_ms = 0;
    faults->is_calm = true;
    faults->was_full_early = false;
    struct disk_faults *disk = machine_disk_faults(faults->machine);
    disk->changes_left = disk->names_left = 0;
    faults->failures_before = disk->failures;
}

bool faults_find_rot_above(struct faults *faults, struct rot_place *out_place)
{
    enum { TRIES = 16 };
    struct rot_place place;
    bool is_found = false;
    if (faults->decays > 0)
        return false; /* a header that decayed may say that the batches behind it are not confirmed */
    for (int try = 0; faults->is_on[FAULT_ROTS_ABOVE] && try < TRIES && !(is_found && out_place->is_below_snapshot); try++) {
        if (!rot_find_above(faults->sim, faults->machine, &place) || (is_found && !place.is_below_snapshot))
            continue;
        *out_place = place;
        is_found = true;
    }
    return is_found;
}

void faults_rot_above(struct faults *faults, const struct rot_place *place)
{
    rot_flip(faults->sim, faults->machine, place);
    faults->count[FAULT_ROTS_ABOVE]++;
}

bool faults_disk_is_dead(const struct faults *faults) { return machine_disk_faults(faults->machine)->is_dead; }

bool faults_disk_failed(const struct faults *faults)
{
    return machine_disk_faults(faults->machine)->failures > faults->failures_before;
}

bool faults_explain_end(const struct faults *faults)
{
    return faults_disk_is_dead(faults) || faults_disk_failed(faults) || faults->decays > 0 || faults->was_full_early;
}

bool faults_explain_damage(const struct faults *faults) { return faults->decays > 0; }

void faults_tell(const struct faults *faults)
{
    for (int kind = 0; kind < FAULT_KIND_COUNT; kind++)
        printf("%s%s=%d", kind == 0 ? "" : " ", kind_names[kind], faults->count[kind]);
    putchar('\n');
}
