/* SPDX-License-Identifier: Apache-2.0 */
/* Asks what a partition says of itself: where it begins and ends, which offset is of a time, where a leader epoch ends, which producers
 * wrote to it. The answers must fit what readers saw and producers were told before. All this means topics by name, which needs names
 * that are used once. */
#pragma once
#include "sim/actor.h"
#include "sim/topics.h"

struct prober {
    struct actor actor;
    struct topic *topic; /* of the call under way */
    int32_t partition;
    int64_t timestamp;            /* that was asked for, or what stands for an end */
    struct partition_facts facts; /* as they were when it was asked */
    char start_key[TOPIC_KEY_SIZE + 8]; /* where the partition begins, in the history */
};

void prober_start(struct prober *prober, struct workload *workload);
