/* SPDX-License-Identifier: Apache-2.0 */
/* Makes the topic that the groups of a simulated run read, and then their coordinators, by asking
 * for one. Later it deletes offsets and groups, and moves partitions of __consumer_offsets to
 * another directory. */
#pragma once
#include "sim/actor.h"
#include "sim/group_offsets.h"

struct founder {
    struct actor actor;
    struct uuid topic_id; /* zero: not known yet */
    bool has_asked;       /* for the topic */
    bool is_founded;      /* both are there */
    bool is_done;
    struct group_offsets offsets; /* of the deletion under way */
};

void founder_start(struct founder *founder, struct workload *workload);
