/* SPDX-License-Identifier: Apache-2.0 */
/* A member of a group of the classic protocol: it joins, and the leader says who gets what; it
 * heartbeats, commits, leaves, falls silent, dies and comes back. A static one keeps its instance
 * id, and may take turns with a member of the consumer protocol. It is no consumer, but for a group
 * that has members of the consumer protocol, too: there it speaks as consumers do, and the
 * coordinator may assign in the leader's place. What it has it gives up before it joins again, so
 * that no two members have a partition at once. Commits of a generation that there is not, or in
 * another's name, must be refused. */
#pragma once
#include "sim/actor.h"
#include "sim/group_offsets.h"
#include "sim/holder.h"

struct groups;

enum { CLASSIC_ID_SIZE = 80 };

struct classic {
    struct actor actor;
    struct holder holder;
    const struct groups *groups;
    bool is_consumer;
    char id[CLASSIC_ID_SIZE];        /* "": it has none yet */
    char instance[HOLDER_NAME_SIZE]; /* "": it is not static */
    int32_t generation;
    bool has_joined, has_synced; /* in that generation */
    int32_t member_count;        /* it leads: of the group; else 0 */
    char members[8][CLASSIC_ID_SIZE];
    bool *is_own_turn; /* else the member has it that it takes turns with; NULL: there is none */
    bool commits, is_false; /* the call under way; its commit must be refused */
    struct group_offsets offsets;
};

void classic_start(struct classic *classic, struct workload *workload, struct groups *groups,
    int number, bool is_consumer);
void classic_take_turns(struct classic *classic, const char *instance, bool *is_own_turn);
void classic_stop(struct classic *classic);
bool classic_is_settled(const struct classic *classic);
