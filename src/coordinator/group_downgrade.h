/* SPDX-License-Identifier: Apache-2.0 */
/* A consumer group becomes a classic group: while it has members (KIP-848), when the last that
 * speaks the consumer protocol leaves, or a static one comes back with the classic protocol, and
 * group.consumer.migration.policy allows that; and when it has none, and one of the classic
 * protocol joins. The classic group is made by the decision, apart, and waits in the coordinator
 * for its record to be applied; what the log does not say (who is joining, who may choose which
 * protocol, sessions) comes with it. So is one that is new: if the log does not take its record,
 * there is no group, and nobody waits in it. */
#pragma once
#include "coordinator/decide.h"

struct consumer_member;
struct consumer_plan;

struct group_downgrade {
    const struct group *from;
    struct consumer_member *const *leaving;
    int32_t leaving_count;
    const struct consumer_plan *joining; /* in the place of the one that leaves; NULL: nobody */
    bool rebalances;                     /* all are to join again */
};

/* Adds its records. False: it stays a consumer group, and nothing is added. */
bool decide_downgrade(struct group_decider *decider, const struct group_downgrade *wish);

/* Of one without members: adds its records. The classic group is new, and the caller's to change.
 */
struct classic_group *downgrade_empty(struct group_decider *decider, const struct group *from);

/* Where there is no group: the same. */
struct classic_group *classic_group_begin(struct group_decider *decider, struct str id);

/* When the record is applied: the group gets what was made for it. False: nothing was, as in a
 * replay. */
bool downgrade_take(struct coordinator *coordinator, struct group *group);
void downgrade_forget(struct coordinator *coordinator); /* what the log has not taken */
