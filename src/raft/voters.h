/* SPDX-License-Identifier: Apache-2.0 */
/* Questions about a set of voters. */
#pragma once
#include "raft/raft.h"

/* Same node and, where both are known, same directory. */
bool voter_matches(struct raft_voter a, struct raft_voter b);
int voters_find(const struct raft_voters *voters, struct raft_voter voter); /* index or -1 */
static inline int voters_majority(const struct raft_voters *voters)
{
    return voters->count / 2 + 1;
}
