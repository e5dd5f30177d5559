/* SPDX-License-Identifier: Apache-2.0 */
/* Leaders, ISR and eligible leaders of partitions when a broker comes, goes or loses a directory
 * (KIP-966). The rules are those of Kafka's PartitionChangeBuilder. */
#pragma once
#include "metadata/decide.h"

enum { NO_BROKER = -1 };

enum election {
    ELECTION_IF_NEEDED, /* a leader that is valid stays */
    ELECTION_PREFERRED, /* the first replica, when it is valid */
    ELECTION_UNCLEAN    /* anyone rather than nobody, whatever the settings say */
};

/* What happens to the brokers; the image of the decider still shows them as before. */
struct broker_move {
    int32_t leaves; /* goes out of every ISR it is in; NO_BROKER */
    bool unclean;   /* and may have lost what it had: out of the eligible leaders too */
    int32_t comes;  /* counts as active; partitions without a leader may get it; NO_BROKER */
    const struct uuid
        *lost; /* only partitions whose replica on `leaves` lies in one of these; NULL: all */
    int32_t lost_count;
    const struct uuid
        *assigned; /* where the replica on `comes` lies from now on; NULL: as before */
    enum election election;
};

/* Adds a PartitionChange for every partition that is touched. */
void elect_after(struct decider *decider, const struct broker_move *move);
/* The same for one partition, whatever the move's `lost` says. False: nothing changes. */
bool elect_one(struct decider *decider, const struct broker_move *move,
    const struct image_topic *topic, int32_t index);

/* What a partition is to become: replicas, those of them that are coming and going, and the ISR. */
struct reassignment {
    struct node_list replicas, adding, removing, isr;
};
/* Adds the PartitionChange that makes it so; a leader that is not among the replicas hands over.
 * False: nothing changes. */
bool elect_reassigned(struct decider *decider, const struct reassignment *reassignment,
    const struct image_topic *topic, int32_t index);

/* unclean.leader.election.enable of the topic. */
bool may_elect_uncleanly(const struct decider *decider, const struct image_topic *topic);
