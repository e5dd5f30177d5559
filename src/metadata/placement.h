/* SPDX-License-Identifier: Apache-2.0 */
/* Where the replicas of new partitions go: stripes over racks and brokers, as Kafka's own placer.
 * Brokers that are fenced get followers only when there are not enough others, and never the first
 * replica. */
#pragma once
#include "metadata/image.h"

struct arena;
struct placement;
struct prng;

/* Of the brokers of the image, at this moment; lives in the arena. */
struct placement *placement_create(
    struct arena *arena, struct prng *prng, const struct image *image);
/* NULL when replication_factor can be had, else why not (in the arena). */
const char *placement_refusal(const struct placement *placement, int16_t replication_factor);
void placement_next(
    struct placement *placement, int16_t replication_factor, int32_t *out_broker_ids);

/* The directory of the broker with the fewest replicas, counting what was given out here already.
 * UNASSIGNED when the broker is not known or has told of none. */
struct uuid placement_directory(struct placement *placement, int32_t broker_id);
