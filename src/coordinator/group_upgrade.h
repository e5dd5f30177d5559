/* SPDX-License-Identifier: Apache-2.0 */
/* A classic group becomes a consumer group while it has members (KIP-848), because a member of the
 * consumer protocol joins it, where group.consumer.migration.policy allows that. Its members stay,
 * and go on to speak the classic protocol (group_consumer_classic.c): what they were assigned is
 * their target and what they have, their generation is their epoch. The heartbeat that upgrades
 * goes on with a copy apart, which the records of the upgrade have made a consumer group already.
 */
#pragma once
#include "coordinator/decide.h"

struct group_upgrade {
    const struct group *from;    /* NULL: nothing is upgraded */
    struct group *to;            /* owned; apart */
    struct rsm_decision records; /* that make it */
    bool rebalances;             /* who has what is not settled, whoever joins */
};

/* NULL, or why it cannot be, in the request's arena. Changes nothing. */
const char *upgrade_prepare(
    struct group_decider *decider, const struct group *from, struct group_upgrade *out_upgrade);
/* Adds the records, the end of the classic group first; whoever waits in it is to join again. */
void upgrade_carry_out(struct group_decider *decider, const struct group_upgrade *upgrade);
