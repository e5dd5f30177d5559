/* SPDX-License-Identifier: Apache-2.0 */
/* A producer of a simulated run. An idempotent one sends a batch again until it hears of it; the others never do. It stays with
 * a topic until that is gone. */
#pragma once
#include "sim/actor.h"
#include "sim/topics.h"

enum { RECORDS_MOST = 5 }; /* in a batch */

struct producer {
    struct actor actor;
    bool is_idempotent;
    int16_t acks;
    struct topic *topic; /* NULL: none yet */
    int64_t producer_id; /* -1: none yet */
    int16_t epoch;
    int32_t sequences[PARTITIONS_MOST];
    int32_t partition;
    int64_t values[RECORDS_MOST]; /* of the batch under way */
    int32_t count;                /* 0: none is under way */
    int attempts;
};

void producer_start(struct producer *producer, struct workload *workload, int number);
