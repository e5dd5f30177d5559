/* SPDX-License-Identifier: Apache-2.0 */
/* OffsetForLeaderEpoch (KIP-279, KIP-320): where an epoch ends in the leader's log, so that others can see where theirs
 * went another way. */
#include "broker/apis.h"

#include "base/broken.h"
#include "broker/shard.h"
#include "broker/visit.h"
#include "storage/epochs.h"
#include "wire/gen/offset_for_leader_epoch.h"

struct epoch_visit {
    struct visit visit; /* first */
    const struct offset_for_leader_epoch_offset_for_leader_partition *wish;
    struct offset_for_leader_epoch_epoch_end_offset *answer;
};

struct offset_for_leader_epoch_work {
    struct visits visits;
};

static bool look_epoch_up(struct visit *visit, struct shard *shard, struct partition *partition)
{
    (void)shard;
    struct epoch_visit *mine = (struct epoch_visit *)visit;
    enum error error = partition == NULL ? ERROR_NOT_LEADER_OR_FOLLOWER
                                         : partition_check(partition, mine->wish->current_leader_epoch);
    mine->answer->error_code = (int16_t)error;
    if (error != ERROR_NONE)
        return true;
    /* The epoch that is being written ends at the log's end, also before its first record. */
    if (mine->wish->leader_epoch == partition->leader_epoch) {
        mine->answer->leader_epoch = partition->leader_epoch;
        mine->answer->end_offset = log_end(partition->log);
        return true;
    }
    const struct epochs *epochs = log_epochs(partition->log);
    if (epochs == NULL) {
        mine->answer->error_code = ERROR_KAFKA_STORAGE_ERROR;
        return true;
    }
    epochs_end(epochs, mine->wish->leader_epoch, log_end(partition->log), &mine->answer->leader_epoch, &mine->answer->end_offset);
    mine->answer->end_offset -= broken(epoch_end_short);
    return true;
}

static void ask_topic(struct request *request, struct visits *visits,
    const struct offset_for_leader_epoch_offset_for_leader_topic *wish,
    struct offset_for_leader_epoch_offset_for_leader_topic_result *answer)
{
    const struct image *image = request->shard->image;
    const struct image_topic *topic = image == NULL ? NULL : image_topic_by_name(image, wish->topic);
    answer->topic = wish->topic;
    answer->partitions_count = wish->partitions_count;
    answer->partitions = arena_take_array(&request->arena, (size_t)wish->partitions_count, sizeof(*answer->partitions));
    for (int32_t i = 0; i < wish->partitions_count; i++) {
        struct offset_for_leader_epoch_epoch_end_offset *end = &answer->partitions[i];
        end->partition = wish->partitions[i].partition;
        end->leader_epoch = -1;
        end->end_offset = -1;
        if (topic == NULL || image_partition(topic, end->partition) == NULL) {
            end->error_code = ERROR_UNKNOWN_TOPIC_OR_PARTITION;
            continue;
        }
        struct epoch_visit *visit = arena_take(&request->arena, sizeof(*visit));
        visit->visit.topic_id = topic->id;
        visit->visit.partition_index = end->partition;
        visit->wish = &wish->partitions[i];
        visit->answer = end;
        visits_add(visits, &visit->visit);
    }
}

enum step handle_offset_for_leader_epoch(struct request *request)
{
    const struct offset_for_leader_epoch_request *in = request->in.offset_for_leader_epoch;
    struct offset_for_leader_epoch_response *out = request->out.offset_for_leader_epoch;
    struct offset_for_leader_epoch_work *work = request->work.offset_for_leader_epoch;

    if (work == NULL) {
        work = request->work.offset_for_leader_epoch = arena_take(&request->arena, sizeof(*work));
        visits_init(&work->visits, request);
        out->topics_count = in->topics_count;
        out->topics = arena_take_array(&request->arena, (size_t)in->topics_count, sizeof(*out->topics));
        for (int32_t i = 0; i < in->topics_count; i++)
            ask_topic(request, &work->visits, &in->topics[i], &out->topics[i]);
        visits_send(&work->visits, look_epoch_up);
    }
    return request->errands_out > 0 ? STEP_PARK : STEP_ANSWER;
}
