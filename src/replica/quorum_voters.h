/* SPDX-License-Identifier: Apache-2.0 */
/* Voters as the quorum's control records hold them. */
#pragma once
#include <stdbool.h>

#include "base/bytes.h"
#include "raft/raft.h"
#include "replica/quorum.h"

struct arena;

bool voters_parse(struct bytes value,
    struct raft_voters *out_voters); /* false: malformed, or more than there may be */
struct bytes voters_encode(struct arena *arena, const struct quorum_voter *voters, int32_t count);
struct bytes kraft_version_encode(struct arena *arena, int16_t kraft_version);
bool kraft_version_parse(struct bytes value, int16_t *out_version);
struct bytes leader_change_encode(struct arena *arena, int32_t leader_id,
    const struct raft_voters *voters, const struct raft_voters *granting);
