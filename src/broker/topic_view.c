/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/topic_view.h"

const struct image_endpoint *broker_view_endpoint(const struct image_broker *broker, struct str listener)
{
    if (broker == NULL || broker->fenced)
        return NULL;
    return image_broker_endpoint(broker, listener);
}

/* Away: not registered, fenced, or the directory of the replica is not among the broker's. */
static bool replica_is_offline(const struct image *image, const struct image_partition *partition, int32_t replica)
{
    const struct image_broker *broker = image_broker(image, replica);
    if (broker == NULL || broker->fenced)
        return true;
    struct uuid directory = image_partition_directory(partition, replica);
    if (uuid_equal(directory, DIRECTORY_LOST) && partition->directories != NULL)
        return true;
    if (!directory_is_real(directory))
        return false;
    for (int32_t i = 0; i < broker->directory_count; i++) {
        if (uuid_equal(broker->directories[i], directory))
            return false;
    }
    return true;
}

void partition_view_fill(const struct image *image, const struct image_partition *partition, struct str listener,
    struct arena *arena, struct partition_view *out_view)
{
    *out_view = (struct partition_view){ .error = ERROR_NONE, .leader = partition->leader };
    const struct image_broker *leader = partition->leader < 0 ? NULL : image_broker(image, partition->leader);
    if (broker_view_endpoint(leader, listener) == NULL) {
        out_view->error = leader == NULL ? ERROR_LEADER_NOT_AVAILABLE : ERROR_LISTENER_NOT_FOUND;
        out_view->leader = -1;
    }
    int32_t *offline = NULL;
    int32_t count = 0;
    for (int32_t i = 0; i < partition->replicas.count; i++) {
        if (!replica_is_offline(image, partition, partition->replicas.ids[i]))
            continue;
        if (offline == NULL)
            offline = arena_take_array(arena, (size_t)partition->replicas.count, sizeof(*offline));
        offline[count++] = partition->replicas.ids[i];
    }
    out_view->offline = (struct node_list){ offline, count };
}

bool topic_is_internal(struct str name)
{
    return str_is(name, "__consumer_offsets") || str_is(name, "__transaction_state") || str_is(name, "__share_group_state");
}
