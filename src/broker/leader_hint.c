/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/leader_hint.h"

#include "broker/request.h"
#include "broker/shard.h"
#include "broker/topic_view.h"

bool leader_hint_fill(const struct request *request, struct uuid topic_id, int32_t partition_index,
    struct leader_hint *out_hint)
{
    const struct image *image = request->shard->image;
    const struct image_topic *topic = image == NULL ? NULL : image_topic_by_id(image, topic_id);
    const struct image_partition *partition = topic == NULL ? NULL : image_partition(topic, partition_index);

    if (partition == NULL)
        return false;
    *out_hint = (struct leader_hint){ .leader_id = partition->leader, .leader_epoch = partition->leader_epoch };
    const struct image_broker *leader = partition->leader < 0 ? NULL : image_broker(image, partition->leader);
    const struct image_endpoint *endpoint =
        leader == NULL ? NULL : broker_view_endpoint(leader, request->desk->listener_name);
    if (endpoint != NULL) {
        out_hint->host = endpoint->host;
        out_hint->port = endpoint->port;
        out_hint->rack = leader->rack;
    }
    return true;
}
