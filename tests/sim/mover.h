/* SPDX-License-Identifier: Apache-2.0 */
/* Moves partitions between the node's log directories while others use them, and slows such moves down or lets them go again. Nothing of that
 * is in the history: it must change nothing that anybody else sees. */
#pragma once
#include "sim/actor.h"

struct topic;

struct mover {
    struct actor actor;
    struct topic *topic; /* of the call under way */
    const char *path;
    bool is_slow;     /* what the last change of the pace asks for */
    bool may_be_slow; /* and what may be in force */
};

void mover_start(struct mover *mover, struct workload *workload);
