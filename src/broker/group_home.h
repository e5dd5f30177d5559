/* SPDX-License-Identifier: Apache-2.0 */
/* The coordinators of a shard: a partition of __consumer_offsets is the home of the groups whose
 * ids hash to it, and while this node leads it, it has their coordinator
 * (coordinator/coordinator.h). What that asks of itself as time goes by is asked from here:
 * deadlines, offsets that are too old, offsets of topics that were deleted. Owned by the
 * partition's shard. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/budget.h"
#include "coordinator/coordinator.h"
#include "io/loop.h"
#include "replica/partition_machine.h"

struct shard;

#define GROUP_TOPIC "__consumer_offsets"

/* What a home asks of its coordinator itself, one at a time. */
struct home_wish {
    struct coordinator_request ask;
    struct arena arena;
    struct group_home *home;
    struct timer timer;
    bool is_out, is_wanted; /* wanted: once more when it is back */
};

/* What the coordinators of a node have together. */
struct group_load {
    struct budget memory;  /* of their states; the limit is strom.group.memory.bytes */
    struct budget members; /* of all groups; no limit */
};

/* The last eighth of the memory is for those who are known already. */
enum coordinator_memory group_load_left(const struct group_load *load);

struct group_home {
    struct partition_machine machine; /* first */
    struct coordinator coordinator;
    struct shard *shard;
    struct group_home *prev, *next; /* of the shard */
    struct home_wish tick, expire, topics;
    int64_t charged; /* to the node's load: memory... */
    int32_t members; /* ...and members */
};

/* For each partition of GROUP_TOPIC that the shard has. */
void group_home_open(struct shard *shard, struct partition *partition);
void group_home_close(
    struct partition *partition); /* has none: does nothing. Who waits hears NOT_COORDINATOR */
void group_homes_close(struct shard *shard);          /* all, before flushers are stopped */
void group_homes_topics_deleted(struct shard *shard); /* the shard has the newer image */
void group_homes_set_settings(struct shard *shard);   /* as the shard's image has them */

/* Sets the times, the image, the number of members, what memory there is and what the log takes.
 * done() follows, at once or later. */
void group_home_submit(struct group_home *home, struct coordinator_request *request);
/* Its coordinator's state has changed: the node's load is as it is now. */
void group_home_charge(struct group_home *home);
/* group_assigning.c: when the last request left a target to a job, a worker computes it, one at a
 * time for the shard, and the coordinator is told. Else a later heartbeat asks for it again. */
void group_assigning_look(struct group_home *home);
void group_assigning_abandon(struct group_home *home);    /* it closes: what comes is for nobody */
int64_t group_assigning_bytes(const struct shard *shard); /* of the node's budget */
/* group_resolving.c: the same for an expression of topics, also one at a time for the shard. */
void group_resolving_look(struct group_home *home);
void group_resolving_abandon(struct group_home *home);

struct group_home *group_home_of(const struct partition *partition); /* NULL: it has none */
