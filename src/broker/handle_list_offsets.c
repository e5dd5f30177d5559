/* SPDX-License-Identifier: Apache-2.0 */
/* ListOffsets: the offset that belongs to a time, or to one of the special times below zero. Nothing at or above what the
 * client may read is told: the high watermark, or the last stable offset at read_committed. */
#include <errno.h>
#include <stdlib.h>

#include "base/broken.h"
#include "base/container.h"
#include "broker/apis.h"
#include "broker/shard.h"
#include "broker/visit.h"
#include "storage/epochs.h"
#include "wire/gen/list_offsets.h"

enum special_time {
    TIME_LATEST = -1,
    TIME_EARLIEST = -2,
    TIME_MAX = -3,             /* of the record with the largest timestamp (KIP-734) */
    TIME_EARLIEST_LOCAL = -4,  /* KIP-405 */
    TIME_LATEST_TIERED = -5,   /* KIP-1005; nothing is tiered here */
    TIME_EARLIEST_PENDING = -6 /* KIP-1023; likewise */
};
enum { REPLICA_OF_CONSUMER = -1, READ_COMMITTED = 1 };

struct list_offsets_visit {
    struct visit visit; /* first */
    struct list_offsets_work *work;
    const struct list_offsets_partition *wish;
    struct list_offsets_partition_response *answer;
    struct shard *there;
    struct partition *partition;
    struct partition_watch watch; /* tells when the partition goes away while we search */
    struct log_search *search;
    struct task found;
};

struct list_offsets_work {
    struct visits visits;
    bool committed_only, is_consumer;
};

static int64_t readable_end(const struct list_offsets_visit *mine, const struct partition *partition)
{
    if (!mine->work->is_consumer || broken(list_beyond_watermark))
        return log_end(partition->log);
    return mine->work->committed_only ? log_last_stable_offset(partition->log) : partition->high_watermark;
}

static void take_result(struct list_offsets_visit *mine)
{
    const struct log_search_result *result = log_search_result(mine->search);
    struct list_offsets_partition_response *answer = mine->answer;
    if (mine->watch.partition == NULL || mine->partition->log == NULL) {
        answer->error_code = ERROR_NOT_LEADER_OR_FOLLOWER;
    } else if (result->status < 0) {
        if (result->status == -EUCLEAN) {
            partition_note_damage(mine->partition, result->damaged_segment, result->damaged_position);
            shard_tell_damage(mine->there, mine->partition);
        }
        answer->error_code = (int16_t)error_from_status(result->status);
    } else if (result->found && result->offset < readable_end(mine, mine->partition)) {
        answer->offset = result->offset;
        answer->timestamp = result->timestamp;
        answer->leader_epoch = result->leader_epoch;
    }
}

static void search_found(struct task *task)
{
    struct list_offsets_visit *mine = container_of(task, struct list_offsets_visit, found);
    take_result(mine);
    partition_unwatch(&mine->watch);
    log_search_destroy(mine->search);
    visit_done(&mine->visit);
}

static void ignore_move(struct partition_watch *watch)
{
    (void)watch; /* whether the partition is still there is looked at when the search ends */
}

static bool start_search(struct list_offsets_visit *mine, struct partition *partition)
{
    mine->found.run = search_found;
    mine->watch.moved = ignore_move;
    mine->partition = partition;
    partition_watch(partition, &mine->watch);
    mine->search = mine->wish->timestamp == TIME_MAX
                       ? log_search_max_start(partition->log, &mine->found)
                       : log_search_start(partition->log, mine->wish->timestamp, &mine->found);
    return false;
}

static void tell_start(struct list_offsets_partition_response *answer, struct log *log)
{
    const struct epochs *epochs = log_epochs(log);
    if (epochs == NULL) {
        answer->error_code = ERROR_KAFKA_STORAGE_ERROR;
        return;
    }
    answer->offset = log_start(log);
    answer->leader_epoch = epochs_at(epochs, answer->offset);
}

static bool look_offset_up(struct visit *visit, struct shard *shard, struct partition *partition)
{
    struct list_offsets_visit *mine = (struct list_offsets_visit *)visit;
    mine->there = shard;
    struct list_offsets_partition_response *answer = mine->answer;
    enum error error = partition == NULL ? ERROR_NOT_LEADER_OR_FOLLOWER
                                         : partition_check(partition, mine->wish->current_leader_epoch);
    answer->error_code = (int16_t)error;
    if (error != ERROR_NONE)
        return true;
    switch (mine->wish->timestamp) {
    case TIME_LATEST:
        answer->offset = readable_end(mine, partition);
        answer->leader_epoch = partition->leader_epoch;
        return true;
    case TIME_EARLIEST:
    case TIME_EARLIEST_LOCAL:
        tell_start(answer, partition->log);
        return true;
    case TIME_LATEST_TIERED:
    case TIME_EARLIEST_PENDING:
        return true; /* nothing is tiered: no offset */
    default:
        return start_search(mine, partition);
    }
}

static bool time_is_known(const struct list_offsets_request *in, int64_t timestamp)
{
    switch (timestamp) {
    case TIME_MAX:
        return in->allows_max_timestamp;
    case TIME_EARLIEST_LOCAL:
        return in->allows_earliest_local;
    case TIME_LATEST_TIERED:
        return in->allows_latest_tiered;
    case TIME_EARLIEST_PENDING:
        return in->allows_earliest_pending_upload;
    default:
        return timestamp >= TIME_EARLIEST;
    }
}

/* One mention of a partition in the request. */
struct mention {
    struct str topic;
    const struct list_offsets_partition *wish;
};

static int compare_mentions(const void *a, const void *b)
{
    const struct mention *one = a, *other = b;
    int order = str_compare(one->topic, other->topic);
    int32_t index = one->wish->partition_index, other_index = other->wish->partition_index;
    if (order != 0)
        return order;
    return index < other_index ? -1 : index > other_index;
}

/* All mentions in order of topic and partition: a request may name a million, in any order. */
static struct mention *sort_mentions(struct request *request, size_t *out_count)
{
    const struct list_offsets_request *in = request->in.list_offsets;
    size_t count = 0;
    for (int32_t t = 0; t < in->topics_count; t++)
        count += (size_t)in->topics[t].partitions_count;
    struct mention *mentions = arena_take_array(&request->arena, count, sizeof(*mentions)), *next = mentions;
    for (int32_t t = 0; t < in->topics_count; t++)
        for (int32_t p = 0; p < in->topics[t].partitions_count; p++)
            *next++ = (struct mention){ in->topics[t].name, &in->topics[t].partitions[p] };
    qsort(mentions, count, sizeof(*mentions), compare_mentions);
    *out_count = count;
    return mentions;
}

static enum error check_wish(const struct list_offsets_request *in, const struct list_offsets_partition *wish,
    const struct image_topic *topic)
{
    if (!time_is_known(in, wish->timestamp))
        return ERROR_UNSUPPORTED_VERSION;
    if (topic == NULL || image_partition(topic, wish->partition_index) == NULL)
        return ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    return ERROR_NONE;
}

static void ask(struct request *request, const struct image_topic *topic, const struct list_offsets_partition *wish,
    struct list_offsets_partition_response *answer)
{
    struct list_offsets_work *work = request->work.list_offsets;
    answer->error_code = (int16_t)check_wish(request->in.list_offsets, wish, topic);
    if (answer->error_code != ERROR_NONE)
        return;
    struct list_offsets_visit *visit = arena_take(&request->arena, sizeof(*visit));
    visit->visit.topic_id = topic->id;
    visit->visit.partition_index = wish->partition_index;
    visit->work = work;
    visit->wish = wish;
    visit->answer = answer;
    visits_add(&work->visits, &visit->visit);
}

/* Each topic and each partition is answered once, however often it was named; one that was named twice is refused. */
static void ask_all(struct request *request)
{
    struct list_offsets_response *out = request->out.list_offsets;
    const struct image *image = request->shard->image;
    const struct image_topic *topic = NULL;
    size_t count;
    struct mention *mentions = sort_mentions(request, &count);
    struct list_offsets_partition_response *answers =
        MESSAGE_TAKE(list_offsets_partition_response, &request->arena, (int32_t)count);
    out->topics = arena_take_array(&request->arena, count, sizeof(*out->topics));
    out->topics_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && compare_mentions(&mentions[i - 1], &mentions[i]) == 0)
            continue;
        if (i == 0 || !str_equal(mentions[i - 1].topic, mentions[i].topic)) {
            out->topics[out->topics_count++] =
                (struct list_offsets_topic_response){ .name = mentions[i].topic, .partitions = answers };
            topic = image == NULL ? NULL : image_topic_by_name(image, mentions[i].topic);
        }
        out->topics[out->topics_count - 1].partitions_count++;
        struct list_offsets_partition_response *answer = answers++;
        answer->partition_index = mentions[i].wish->partition_index;
        if (i + 1 < count && compare_mentions(&mentions[i], &mentions[i + 1]) == 0)
            answer->error_code = ERROR_INVALID_REQUEST;
        else
            ask(request, topic, mentions[i].wish, answer);
    }
}

enum step handle_list_offsets(struct request *request)
{
    const struct list_offsets_request *in = request->in.list_offsets;
    struct list_offsets_work *work = request->work.list_offsets;

    if (work == NULL) {
        work = request->work.list_offsets = arena_take(&request->arena, sizeof(*work));
        visits_init(&work->visits, request);
        work->is_consumer = in->replica_id == REPLICA_OF_CONSUMER;
        work->committed_only = in->isolation_level == READ_COMMITTED;
        ask_all(request);
        visits_send(&work->visits, look_offset_up);
    }
    return request->errands_out > 0 ? STEP_PARK : STEP_ANSWER;
}
