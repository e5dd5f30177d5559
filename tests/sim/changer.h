/* SPDX-License-Identifier: Apache-2.0 */
/* Changes topics that are there while others use them: adds partitions, deletes the oldest records. Both mean topics by name,
 * so this needs names that are used once. */
#pragma once
#include "sim/actor.h"

struct topic;

struct changer {
    struct actor actor;
    struct topic *topic; /* of the call under way */
    int32_t partition;
    int64_t offset;
    int32_t count;
};

void changer_start(struct changer *changer, struct workload *workload);
