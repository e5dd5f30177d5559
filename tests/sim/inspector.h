/* SPDX-License-Identifier: Apache-2.0 */
/* Asks what an operator asks: how the cluster, its quorum, the log directories, a topic's partitions are, what has settings; and wishes for
 * what a cluster of one node has no use for: another leader, other replicas, a feature or a broker that there is not. What is told twice must be the
 * same, or later; what is wished for must be refused as Kafka refuses it. */
#pragma once
#include "sim/actor.h"

struct topic;

struct inspector {
    struct actor actor;
    const struct topic *topic; /* that the question is about; NULL: none */
    char cluster_id[64];       /* as it was told first; "": not yet */
    int32_t leader_epoch;      /* of the quorum, and its high watermark, as they were told last */
    int64_t high_watermark;
};

void inspector_start(struct inspector *inspector, struct workload *workload);
