/* SPDX-License-Identifier: Apache-2.0 */
/* What the assignors share: the owner of every partition while it is decided. Partitions are
 * numbered through over all topics that have subscribers: those of topic t are first[t] up to
 * first[t + 1]. Where an owner is set, it subscribes to the topic. */
#pragma once
#include <stdbool.h>

#include "coordinator/assign.h"

enum { ASSIGN_NOBODY = -1 };

struct assign_work {
    const struct assign_input *input;
    struct arena *arena;
    int32_t *subscribers; /* of each topic: how many */
    int32_t *first;       /* of each topic, and the end: the number of its first partition */
    int32_t *owners;      /* of each partition */
    int32_t *loads;       /* of each member: how many partitions it owns */
};

static inline int32_t assign_total(const struct assign_work *work)
{
    return work->first[work->input->topic_count];
}

/* Nobody owns anything. */
void assign_begin(struct assign_work *work, const struct assign_input *input, struct arena *arena);
/* Everybody owns what it owned before and still subscribes to; of two who claim the same partition
 * the first. */
void assign_keep(struct assign_work *work);
struct assign_share *assign_finish(struct assign_work *work); /* every partition has an owner */

struct assign_share *assign_uniform(const struct assign_input *input, struct arena *arena);
struct assign_share *assign_range(const struct assign_input *input, struct arena *arena);
/* The uniform assignor where subscriptions differ: decides all owners, from what is kept. */
void assign_mixed(struct assign_work *work);
/* Which of the member's subscriptions the topic is; -1: none. */
int32_t assign_subscription(const struct assign_member *member, int32_t topic);
