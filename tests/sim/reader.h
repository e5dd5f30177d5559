/* SPDX-License-Identifier: Apache-2.0 */
/* A reader of a simulated run. It follows the partitions of one topic, then of another; at the end it reads all that is
 * there from the beginning. */
#pragma once
#include "sim/actor.h"
#include "sim/topics.h"

struct reader {
    struct actor actor;
    struct topic *topic; /* NULL: none */
    int64_t positions[PARTITIONS_MOST];
    int64_t ends[PARTITIONS_MOST]; /* high watermarks, as the last answer said; -1: not asked yet */
    int32_t partition;
    bool is_final;
    uint64_t final_topic; /* how many it has drained */
    bool is_done;
};

void reader_start(struct reader *reader, struct workload *workload, int number);
