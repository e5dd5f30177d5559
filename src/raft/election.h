/* SPDX-License-Identifier: Apache-2.0 */
/* Who may lead: the changes of role, pre-votes (KIP-996) and votes. Used by raft.c only. */
#pragma once
#include "raft/raft.h"

/* Enters a newer epoch without a leader; the vote given in the old one is forgotten. */
void election_enter_epoch(
    struct raft *raft, const struct raft_event *event, int32_t epoch, struct raft_actions *actions);
void election_follow(struct raft *raft, const struct raft_event *event, int32_t leader_id,
    struct raft_actions *actions);
void election_tick(struct raft *raft, const struct raft_event *event, struct raft_actions *actions);
void election_answer_vote(
    struct raft *raft, const struct raft_event *event, struct raft_actions *actions);
void election_count_vote(
    struct raft *raft, const struct raft_event *event, struct raft_actions *actions);
void election_resign(
    struct raft *raft, const struct raft_event *event, struct raft_actions *actions);
