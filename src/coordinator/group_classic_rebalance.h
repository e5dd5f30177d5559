/* SPDX-License-Identifier: Apache-2.0 */
/* How a classic group goes from one generation to the next: who is waited for, how long, and who
 * is answered. Live state only, but for the record of a group that has become empty. Whoever waits
 * in JoinGroup or SyncGroup waits for a deadline of the group, too: nobody waits for ever. A
 * member's session does not end while it waits, but that of a new one may: it cannot send
 * heartbeats, and nobody would notice that it has gone. */
#pragma once
#include "coordinator/group_classic_state.h"

struct join_group_response;

/* The request waits in the member: held until it is answered. */
void classic_wait_for_join(struct group_decider *decider, struct classic_member *member);
void classic_wait_for_sync(struct group_decider *decider, struct classic_member *member);
/* What the member that asks hears of its generation. */
void classic_tell_generation(const struct classic_member *member,
    const struct coordinator_request *request, bool with_members);
/* An assignment, or an error; the session begins again. */
void classic_answer_sync(struct group_decider *decider, struct classic_member *member,
    enum error error, struct bytes assignment);

/* Joining begins, or goes on: it ends when all are there, but an initial one takes its time. */
void classic_rebalance(struct group_decider *decider, struct classic_group *group);
/* Whoever waits in it hears the error; the member is destroyed. */
void classic_member_end(
    struct group_decider *decider, struct classic_member *member, enum error error);

/* Whoever waits in JoinGroup or SyncGroup is to join again. */
void classic_interrupt(struct group_decider *decider, struct classic_group *group);

void classic_session_begin(
    struct classic_member *member, int64_t steady_ms, int64_t timeout_ms); /* or begins again */
void classic_pending_begin(struct classic_pending *pending, int64_t steady_ms, int64_t timeout_ms);
/* The members' time to sync ends at the deadline; when all have synced, there is none. */
void classic_sync_phase(struct classic_group *group, int64_t steady_ms);
void classic_sync_phase_end(struct classic_group *group);
/* Of a group that has come into being with members: more than the settings allow, after a load
 * (those who join first stay), or such as came from another protocol. */
void classic_rebalance_anew(struct classic_group *group, int64_t steady_ms);
