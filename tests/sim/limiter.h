/* SPDX-License-Identifier: Apache-2.0 */
/* Sets, removes and reads quotas: of a user, a client, both together, all other clients, an address. The quotas of one entity follow from
 * one number, which is what the history knows of them, so a change that was done by half is seen. Some changes are only to be
 * validated. */
#pragma once
#include "sim/actor.h"

struct limited;

struct limiter {
    struct actor actor;
    const struct limited *limited; /* of the call under way */
    int64_t value;                 /* VALUE_NONE: removed */
    bool is_void;                  /* it must not be done */
};

void limiter_start(struct limiter *limiter, struct workload *workload, int number);
