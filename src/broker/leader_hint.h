/* SPDX-License-Identifier: Apache-2.0 */
/* Who leads a partition now, for a client that came to the wrong broker or with an old epoch (KIP-951). */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "base/uuid.h"

struct request;

struct leader_hint {
    int32_t leader_id, leader_epoch;
    struct str host; /* null: not reachable by the listener of the request */
    int32_t port;
    struct str rack;
};

/* False: nothing is known. */
bool leader_hint_fill(const struct request *request, struct uuid topic_id, int32_t partition_index,
    struct leader_hint *out_hint);
