/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of the consumer protocol (KIP-848, 1082, 1251): the coordinator assigns, and each member
 * is led to its target by its heartbeats, what it must give up before anybody gets it. All but
 * deadlines is replicated, in the records that Kafka writes. */
#pragma once
#include "coordinator/group.h"

struct coordinator_record;

void decide_consumer_group_heartbeat(struct group_decider *decider);
void decide_consumer_group_describe(struct group_decider *decider);
void decide_assigned(struct group_decider *decider); /* assignment.c */
void decide_resolved(struct group_decider *decider); /* resolution.c */
/* What members ask that speak the classic protocol; LeaveGroup may be an administrator's, too. */
void decide_consumer_join_group(struct group_decider *decider, const struct group *group);
void decide_consumer_sync_group(struct group_decider *decider, const struct group *group);
void decide_consumer_classic_heartbeat(struct group_decider *decider, const struct group *group);
void decide_consumer_leave_group(struct group_decider *decider, const struct group *group);

bool consumer_group_knows(int16_t type); /* a record type ConsumerGroup... */
/* Of one of those. False: the id belongs to a group of another kind that is there. */
bool consumer_group_apply(struct coordinator *coordinator, const struct coordinator_record *record);
