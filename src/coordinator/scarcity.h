/* SPDX-License-Identifier: Apache-2.0 */
/* What is refused while the node has no memory for more state of groups (decision 0017), with the
 * errors at which clients wait and ask again. Heartbeats, commits of what is committed already,
 * leaving and deleting always go on. */
#pragma once
#include <stdbool.h>

#include "coordinator/coordinator.h"

struct committed_offset;
struct group_decider;

/* True: the request would add too much, and is answered so. Commits are looked at one by one. */
bool scarcity_refuses(struct group_decider *decider);
/* Of one partition. group NULL: there is none yet. */
bool scarcity_refuses_offset(const struct group_decider *decider, const struct group *group,
    struct str topic, const struct committed_offset *after);
