/* SPDX-License-Identifier: Apache-2.0 */
/* A member of a group of the consumer protocol (KIP-848): it joins, heartbeats, takes its time to
 * give up what it is to give up, commits, leaves, falls silent, dies and comes back. A static one
 * keeps its instance id; one may take turns with a classic, life by life, so that the two are one
 * static member that changes its protocol. Commits in the name of others, or of an epoch that there
 * is not, must be refused. */
#pragma once
#include "sim/actor.h"
#include "sim/group_offsets.h"
#include "sim/holder.h"

struct founder;
struct groups;

struct member {
    struct actor actor;
    struct holder holder;
    const struct groups *groups;
    char id[HOLDER_NAME_SIZE];       /* "": it is none */
    char instance[HOLDER_NAME_SIZE]; /* "": it is not static */
    int32_t epoch;                   /* 0: it joins */
    unsigned had;                    /* all that it had in that epoch */
    unsigned lost;                   /* what it had in an earlier epoch, and has no more */
    int32_t lost_epoch;
    unsigned target;        /* what it is to have, as it was told last */
    int64_t revokes_us;     /* when it gives up the rest of what it has */
    bool by_range;          /* the assignor that it wishes for */
    bool has_regex;         /* it subscribes by an expression */
    bool is_told;           /* the coordinator knows its subscription and what it has */
    bool *is_classics_turn; /* with whom it takes turns; NULL: nobody */
    bool commits, is_false; /* the call under way; its commit must be refused */
    struct group_offsets offsets;
};

void member_start(struct member *member, struct workload *workload, struct groups *groups,
    int number, const char *group);
void member_take_turns(struct member *member, const char *instance, bool *is_classics_turn);
void member_stop(struct member *member);
bool member_is_settled(const struct member *member);
