/* SPDX-License-Identifier: Apache-2.0 */
/* ListPartitionReassignments: the partitions of the image that are getting other replicas. */
#include "broker/apis.h"
#include "broker/request.h"
#include "broker/shard.h"
#include "broker/topic_view.h"
#include "wire/gen/list_partition_reassignments.h"

static bool is_moving(const struct image_partition *partition)
{
    return partition != NULL && partition->adding.count + partition->removing.count > 0;
}

static bool tell(const struct image_partition *partition, int32_t index,
    struct list_partition_reassignments_ongoing_partition_reassignment *out)
{
    if (!is_moving(partition))
        return false;
    *out = (struct list_partition_reassignments_ongoing_partition_reassignment){
        .partition_index = index,
        .replicas = node_list_ids(partition->replicas),
        .replicas_count = partition->replicas.count,
        .adding_replicas = node_list_ids(partition->adding),
        .adding_replicas_count = partition->adding.count,
        .removing_replicas = node_list_ids(partition->removing),
        .removing_replicas_count = partition->removing.count,
    };
    return true;
}

/* A topic without such a partition is not told. indexes NULL: all partitions. */
static void list_topic(struct request *request, const struct image_topic *topic, const int32_t *indexes, int32_t count)
{
    struct list_partition_reassignments_response *out = request->out.list_partition_reassignments;
    struct list_partition_reassignments_ongoing_topic_reassignment *answer = &out->topics[out->topics_count];
    int32_t moving = 0, told = 0;
    for (int32_t i = 0; i < count; i++)
        moving += is_moving(image_partition(topic, indexes == NULL ? i : indexes[i]));
    if (moving == 0)
        return;
    answer->name = topic->name;
    answer->partitions = arena_take_array(&request->arena, (size_t)moving, sizeof(*answer->partitions));
    for (int32_t i = 0; i < count; i++) {
        int32_t index = indexes == NULL ? i : indexes[i];
        told += tell(image_partition(topic, index), index, &answer->partitions[told]);
        if (told == moving)
            break;
    }
    answer->partitions_count = told;
    out->topics_count++;
}

enum step handle_list_partition_reassignments(struct request *request)
{
    const struct list_partition_reassignments_request *in = request->in.list_partition_reassignments;
    struct list_partition_reassignments_response *out = request->out.list_partition_reassignments;
    const struct image *image = request->shard->image;
    bool all = in->topics_count < 0;
    out->topics_count = 0;
    out->error_message = (struct str){ 0 };
    if (image == NULL)
        return STEP_ANSWER;
    size_t capacity = all ? (size_t)image_topic_count(image) : (size_t)in->topics_count;
    out->topics = arena_take_array(&request->arena, capacity, sizeof(*out->topics));
    if (all) {
        const struct image_topic *topic = image_topic_after(image, (struct str){ 0 });
        for (; topic != NULL; topic = image_topic_after(image, topic->name))
            list_topic(request, topic, NULL, topic->partition_count);
    }
    for (int32_t i = 0; i < in->topics_count; i++) {
        const struct list_partition_reassignments_topics *wish = &in->topics[i];
        const struct image_topic *topic = image_topic_by_name(image, wish->name);
        if (topic != NULL)
            list_topic(request, topic, wish->partition_indexes, wish->partition_indexes_count);
    }
    return STEP_ANSWER;
}
