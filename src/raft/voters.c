/* SPDX-License-Identifier: Apache-2.0 */
#include "raft/voters.h"

bool voter_matches(struct raft_voter a, struct raft_voter b)
{
    if (a.id != b.id)
        return false;
    return uuid_is_zero(a.directory_id) || uuid_is_zero(b.directory_id) ||
           uuid_equal(a.directory_id, b.directory_id);
}

int voters_find(const struct raft_voters *voters, struct raft_voter voter)
{
    for (int i = 0; i < voters->count; i++)
        if (voter_matches(voters->list[i], voter))
            return i;
    return -1;
}
