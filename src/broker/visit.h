/* SPDX-License-Identifier: Apache-2.0 */
/* Visits: what a request wants done with each of several partitions, at the shards that own them. All visits of one
 * request to one shard travel together, as one errand there and back. While they are away only that shard touches
 * them. Memory is the request's arena; embed struct visit in what the handler keeps for a partition. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/uuid.h"

struct partition;
struct request;
struct shard;
struct visit;
struct visit_trip;

/* Does the work at the owner. True: done. False: visit_done() follows later, on the same shard. */
typedef bool visit_work(struct visit *visit, struct shard *shard, struct partition *partition /* NULL: not there */);

struct visit {
    struct visit *next;
    struct visit_trip *trip;
    struct uuid topic_id;
    int32_t partition_index;
};

struct visits {
    struct request *request;
    struct visit_trip *trips; /* one per shard, by index; NULL until the first visit */
};

void visits_init(struct visits *visits, struct request *request);
void visits_add(struct visits *visits, struct visit *visit); /* topic_id and partition_index are set */

/* A request's timeout is for the other replicas, of which one node has none: Kafka succeeds with a timeout of zero. What
 * is waited for here is the disk, and that gets this time at least. */
enum { DISK_TIMEOUT_MS = 10 * 1000 };

static inline int64_t disk_timeout_us(int32_t timeout_ms)
{
    return (int64_t)(timeout_ms < DISK_TIMEOUT_MS ? DISK_TIMEOUT_MS : timeout_ms) * 1000;
}

/* Sends them all; the request is resumed when the last has come home. True: all are done already (nothing was away),
 * and nobody will resume. Use it once per round; then visits_init() again. */
bool visits_send(struct visits *visits, visit_work *work);
void visit_done(struct visit *visit);
