/* SPDX-License-Identifier: Apache-2.0 */
/* Groups in a simulated run, where it is asked for (simulate --groups): committers without a group,
 * and members of groups of the consumer and of the classic protocol, in half of the runs of both in
 * one, where one static member may change its protocol with each life; all of them for one topic,
 * that stays. Of each group and partition the history says what was committed and what was told as
 * committed, and who had the partition, under GROUP/PARTITION. */
#pragma once
#include <stdbool.h>

#include "sim/classic.h"
#include "sim/committer.h"
#include "sim/founder.h"
#include "sim/group_offsets.h"
#include "sim/member.h"

struct workload;

enum { COMMITTERS_MOST = 4, MEMBERS_MOST = 4, CLASSICS_MOST = 4 };

struct groups {
    struct founder founder;
    struct committer committers[COMMITTERS_MOST];
    struct member members[MEMBERS_MOST];
    struct classic classics[CLASSICS_MOST];
    int committer_count, member_count, classic_count;
    bool mixes; /* some members are in the classics' group, which changes its protocol by that */
    bool is_classics_turn; /* of the two that are that static member */
    bool has_settled;      /* in the calm at the end: each partition has its owner */
};

struct groups *groups_create(struct workload *workload);
void groups_destroy(struct groups *groups);     /* NULL: nothing; the actors have stopped */
bool groups_are_drained(struct groups *groups); /* NULL: yes */
