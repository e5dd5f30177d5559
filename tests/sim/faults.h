/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong with a simulated node but for its network: drawn life by life, from a stream of its own, each run from its
 * own subset of the kinds. A life is from a boot to the next. Whatever happens is within what the node must survive: after
 * faults_calm() it starts, serves, and has all that it acknowledged; but for what rots above a recovery point, in runs that go
 * beyond that. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct machine;
struct rot_place;
struct sim;

enum fault_kind {
    FAULT_DISK_CALLS,   /* a kind of call fails now and then */
    FAULT_BAD_SECTORS,  /* a range of a file cannot be read any more */
    FAULT_DISK_FULL,
    FAULT_DISK_SLOW,    /* slow all the time, or stuck for up to a minute */
    FAULT_SYNC_SLOW,    /* syncs take long, so much is written behind the durable end */
    FAULT_DISK_SHORT,   /* writes take a part only, reads must wait for the disk */
    FAULT_DISK_DIES,    /* between two calls, also of a start or a stop: the process is killed or loses power there */
    FAULT_ROT,          /* bits flip in what was durable long ago */
    FAULT_CLOCK_JUMPS,
    FAULT_CLOCK_DRIFTS,
    FAULT_PAUSES,
    FAULT_SHORT_LIVES,  /* ended during start and recovery */
    FAULT_ROTS_ABOVE,   /* after a power cut a bit flips in what a log has not confirmed yet: it is cut there */
    FAULT_KIND_COUNT
};

struct faults {
    struct sim *sim;
    struct machine *machine;
    bool has_two_directories;
    bool is_on[FAULT_KIND_COUNT];   /* in this run */
    int32_t count[FAULT_KIND_COUNT]; /* how often they struck */
    int64_t shift_ms;               /* of the wall clock */
    int64_t failures_before;        /* of the disk, this life */
    int32_t decays;                 /* places that are not restored */
    bool was_full_early, is_calm;
};

void faults_init(struct faults *faults, struct sim *sim, struct machine *machine, bool has_two_directories, bool goes_beyond);
void faults_begin_life(struct faults *faults); /* before the process starts, but after machine_boot() */
bool faults_life_is_short(struct faults *faults);
void faults_strike(struct faults *faults, bool is_elected); /* at some moment of a life */
void faults_end_life(struct faults *faults);   /* the disk works again, until it dies; sometimes an operator brings back what decayed from a copy */
void faults_calm(struct faults *faults);       /* so it does, and nothing goes wrong any more */

/* While the node is down, its power cut. Found is not struck yet: others must agree to the loss first. It is a place that a snapshot of
 * producers speaks of, if there is one. */
bool faults_find_rot_above(struct faults *faults, struct rot_place *out_place);
void faults_rot_above(struct faults *faults, const struct rot_place *place);

/* What this life's faults explain. */
bool faults_disk_is_dead(const struct faults *faults);
bool faults_disk_failed(const struct faults *faults); /* what it left in memory no process can save */
bool faults_explain_end(const struct faults *faults); /* that the node did not start, or ended by itself */
bool faults_explain_damage(const struct faults *faults); /* that a client saw damage, and knew it for that */
void faults_tell(const struct faults *faults);        /* on standard output: how often each kind struck */
