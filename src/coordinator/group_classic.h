/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of the classic protocol (KIP-62, 345, 389, 394, 559, 800, 814): members join, the leader
 * among them assigns, and everybody syncs. Only what GroupMetadata records say is replicated: one
 * is written when the leader has assigned, when the last member has left, when a static member
 * takes over from its older self, and when a group is new and its first member is told an id. The
 * rest is live: who is joining, who waits for an answer, deadlines. */
#pragma once
#include "coordinator/group.h"

struct coordinator_record;

void decide_join_group(struct group_decider *decider);
void decide_sync_group(struct group_decider *decider);
void decide_classic_heartbeat(struct group_decider *decider);
void decide_leave_group(struct group_decider *decider);
void decide_describe_group(struct group_decider *decider);

void group_metadata_apply(struct coordinator *coordinator, const struct coordinator_record *record);
