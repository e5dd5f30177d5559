/* SPDX-License-Identifier: Apache-2.0 */
/* Commits offsets for a group without being a member of it, as tools do, and asks what is
 * committed; others do the same for the same group. */
#pragma once
#include "sim/actor.h"
#include "sim/group_offsets.h"

struct founder;

struct committer {
    struct actor actor;
    const struct founder *founder;
    struct group_offsets offsets; /* of the call under way */
    bool commits;                 /* that is it; else it asks */
    bool is_done;
};

void committer_start(struct committer *committer, struct workload *workload,
    const struct founder *founder, int number);
