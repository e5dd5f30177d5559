/* SPDX-License-Identifier: Apache-2.0 */
/* How the image's topics look to the clients of one listener: who leads, who is away. Metadata and
 * DescribeTopicPartitions both answer with this. Arrays point into the image or the arena. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "error.h"
#include "metadata/image.h"

/* What an answer tells when it is asked for authorized operations and there is no authorizer: all that Kafka knows for
 * the resource, as bits numbered by AclOperation. */
enum { ALL_TOPIC_OPERATIONS = 3576, ALL_CLUSTER_OPERATIONS = 8096, NO_OPERATIONS_ASKED = INT32_MIN };

struct partition_view {
    enum error error; /* LEADER_NOT_AVAILABLE, LISTENER_NOT_FOUND */
    int32_t leader;   /* -1 with an error */
    struct node_list offline;
};

/* A broker that can be reached by this listener: registered, unfenced, with such an endpoint. */
const struct image_endpoint *broker_view_endpoint(const struct image_broker *broker, struct str listener);

void partition_view_fill(const struct image *image, const struct image_partition *partition, struct str listener,
    struct arena *arena, struct partition_view *out_view);

bool topic_is_internal(struct str name);

/* For the arrays of answers, which are never written to. */
static inline int32_t *node_list_ids(struct node_list list)
{
    return (int32_t *)(uintptr_t)list.ids;
}
