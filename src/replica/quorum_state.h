/* SPDX-License-Identifier: Apache-2.0 */
/* quorum-state: the vote of a voter, as JSON in the metadata partition's directory. Written whole,
 * synced and renamed. */
#pragma once
#include "raft/raft.h"

struct io;

/* 0; -ENOENT: never written; -EBADMSG: unreadable, which is not the same as empty. */
int quorum_state_load(struct io *io, const char *directory, struct raft_vote *out_vote);
/* kraft_version 0 writes the older layout, which has the static voters in it. */
int quorum_state_save(struct io *io, const char *directory, const struct raft_vote *vote,
    int16_t kraft_version, const struct raft_voters *voters);
