/* SPDX-License-Identifier: Apache-2.0 */
/* DeleteRecords (KIP-107): the log start of partitions moves up, and what lies below is gone for
 * good. As Kafka does, a partition that is named several times is answered once, for its last
 * mention. */

#include "base/broken.h"
#include "base/container.h"
#include "broker/apis.h"
#include "broker/partition_name.h"
#include "broker/shard.h"
#include "broker/topic_view.h"
#include "broker/visit.h"
#include "replica/record_deletion.h"
#include "wire/gen/delete_records.h"
#include "wire/schema.h"

struct wish {
    struct partition_mention mention; /* first */
    int64_t offset;
};

struct deletion_visit {
    struct visit visit; /* first */
    struct record_deletion deletion;
    struct timer timeout;
    struct shard *shard;
    int32_t timeout_ms;
    struct delete_records_partition_result *answer;
    struct deletion_visit *next;
};

struct delete_records_work {
    struct visits visits;
    struct deletion_visit *list;
};

static void deletion_done(struct record_deletion *deletion)
{
    struct deletion_visit *mine = container_of(deletion, struct deletion_visit, deletion);
    timer_cancel(mine->shard->loop, &mine->timeout);
    visit_done(&mine->visit);
}

static void time_is_up(struct timer *timer)
{
    struct deletion_visit *mine = container_of(timer, struct deletion_visit, timeout);
    record_deletion_time_out(&mine->deletion);
    visit_done(&mine->visit);
}

static bool delete_there(struct visit *visit, struct shard *shard, struct partition *partition)
{
    struct deletion_visit *mine = container_of(visit, struct deletion_visit, visit);
    mine->shard = shard;
    if (partition == NULL || shard->stopping) {
        mine->deletion.error = ERROR_NOT_LEADER_OR_FOLLOWER;
        mine->deletion.log_start = -1;
        return true;
    }
    mine->deletion.done = deletion_done;
    if (!partition_delete_records(partition, &mine->deletion))
        return true;
    mine->timeout.run = time_is_up;
    timer_set(shard->loop, &mine->timeout, loop_now_us(shard->loop) + disk_timeout_us(mine->timeout_ms));
    return false;
}

/* In order of topic and partition, the last mention of each; the number of them. */
static int32_t sort_wishes(struct request *request, struct wish **out_wishes)
{
    const struct delete_records_request *in = request->in.delete_records;
    size_t all = 0;
    int32_t count = 0;
    for (int32_t t = 0; t < in->topics_count; t++)
        all += (size_t)in->topics[t].partitions_count;
    struct wish *wishes = arena_take_array(&request->arena, all, sizeof(*wishes));
    for (int32_t t = 0; t < in->topics_count; t++) {
        for (int32_t p = 0; p < in->topics[t].partitions_count; p++) {
            const struct delete_records_partition *wished = &in->topics[t].partitions[p];
            struct partition_name name = { in->topics[t].name, wished->partition_index };
            wishes[count] = (struct wish){ { name, count }, wished->offset };
            count++;
        }
    }
    *out_wishes = wishes;
    return partition_mentions_keep_last(wishes, count, sizeof(*wishes));
}

static void add_visit(struct request *request, const struct wish *wish,
    struct delete_records_partition_result *answer)
{
    struct delete_records_work *work = request->work.delete_records;
    const struct image *image = request->shard->image;
    const struct image_topic *topic =
        image == NULL ? NULL : image_topic_by_name(image, wish->mention.name.topic);
    answer->partition_index = wish->mention.name.index;
    answer->low_watermark = -1;
    if (topic == NULL || image_partition(topic, wish->mention.name.index) == NULL) {
        answer->error_code = ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        return;
    }
    if (topic_is_internal(topic->name)) {
        answer->error_code = ERROR_INVALID_TOPIC_EXCEPTION;
        return;
    }
    struct deletion_visit *mine = arena_take(&request->arena, sizeof(*mine));
    mine->visit.topic_id = topic->id;
    mine->visit.partition_index = wish->mention.name.index;
    mine->deletion.offset = wish->offset;
    mine->timeout_ms = request->in.delete_records->timeout_ms;
    mine->answer = answer;
    mine->next = work->list;
    work->list = mine;
    visits_add(&work->visits, &mine->visit);
}

static void start(struct request *request)
{
    struct delete_records_response *out = request->out.delete_records;
    struct delete_records_topic_result *topic = NULL;
    struct wish *wishes;
    int32_t count = sort_wishes(request, &wishes);
    struct delete_records_partition_result *answers =
        MESSAGE_TAKE(delete_records_partition_result, &request->arena, count);
    request->work.delete_records =
        arena_take(&request->arena, sizeof(*request->work.delete_records));
    visits_init(&request->work.delete_records->visits, request);
    out->topics = MESSAGE_TAKE(delete_records_topic_result, &request->arena, count);
    for (int32_t i = 0; i < count; i++) {
        if (topic == NULL || str_compare(wishes[i - 1].mention.name.topic, wishes[i].mention.name.topic) != 0) {
            topic = &out->topics[out->topics_count++];
            topic->name = wishes[i].mention.name.topic;
            topic->partitions = &answers[i];
        }
        topic->partitions_count++;
        add_visit(request, &wishes[i], &answers[i]);
    }
    visits_send(&request->work.delete_records->visits, delete_there);
}

enum step handle_delete_records(struct request *request)
{
    if (request->work.delete_records == NULL)
        start(request);
    if (request->errands_out > 0)
        return STEP_PARK;
    for (struct deletion_visit *mine = request->work.delete_records->list; mine != NULL;
         mine = mine->next) {
        mine->answer->error_code = (int16_t)mine->deletion.error;
        mine->answer->low_watermark = mine->deletion.log_start + broken(low_watermark);
    }
    return STEP_ANSWER;
}
