/* SPDX-License-Identifier: Apache-2.0 */
/* Decay of a simulated node's files: flipped bits and unreadable sectors. Of a log only what is below its recovery point
 * decays: what is there the node has confirmed, and must know from a torn tail. Above it nobody can, so a bit that flips there
 * while the node is down takes what is behind it: that is beyond the budget, and only for runs that say so. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/uuid.h"

struct machine;
struct sim;

/* A bit flips, or a sector becomes unreadable, in a file of a kind that is drawn first; false: there is none. */
bool rot_strike(struct sim *sim, struct machine *machine, bool flips);

/* A byte above the recovery point of a partition's log. */
struct rot_place {
    struct uuid topic_id;
    int32_t partition;
    int64_t offset; /* of the batch that it is in */
    char path[1024];
    int64_t position;
    bool is_below_snapshot; /* a durable snapshot of its producers speaks of that batch, too */
};

/* After a power cut; false: none was found. */
bool rot_find_above(struct sim *sim, struct machine *machine, struct rot_place *out_place);
void rot_flip(struct sim *sim, struct machine *machine, const struct rot_place *place); /* for good */
