/* SPDX-License-Identifier: Apache-2.0 */
/* AlterReplicaLogDirs (KIP-113): replicas of this broker shall lie in other log directories. It is
 * answered when the moves have begun. As in Kafka, the last mention of a partition counts, and where
 * a partition that is not here yet is wanted is remembered. */
#include <string.h>

#include "base/container.h"
#include "broker/apis.h"
#include "broker/directory_view.h"
#include "broker/moves.h"
#include "broker/partition_name.h"
#include "broker/visit.h"
#include "storage/flusher.h"
#include "wire/gen/alter_replica_log_dirs.h"
#include "wire/schema.h"

enum {
    NAME_MOST = 255, /* of a directory */
    FUTURE_SUFFIX = 1 + 32 + 7, /* .ID-future */
};

struct wish {
    struct partition_mention mention; /* first */
    struct str path;
};

struct alter_visit {
    struct visit visit; /* first */
    struct partition_name name;
    int log_dir_index;
    enum error error;
    struct alter_replica_log_dirs_alter_replica_log_dir_partition_result *answer;
    struct alter_visit *next;
};

/* Carries the wish for a partition that nobody has to every shard: which one is to own it is not
 * known before the topic has an id. */
struct preference_errand {
    struct errand errand; /* first */
    const struct alter_visit *first;
};

struct alter_replica_log_dirs_work {
    struct visits visits;
    struct alter_visit *list;   /* partitions that the image has */
    struct alter_visit *unknown; /* and others */
    struct preference_errand *errands;
};

/* In order of topic and partition, the last mention of each; the number of them. */
static int32_t sort_wishes(struct request *request, struct wish **out_wishes)
{
    const struct alter_replica_log_dirs_request *in = request->in.alter_replica_log_dirs;
    size_t all = 0;
    int32_t count = 0;
    for (int32_t d = 0; d < in->dirs_count; d++)
        for (int32_t t = 0; t < in->dirs[d].topics_count; t++)
            all += (size_t)in->dirs[d].topics[t].partitions_count;
    struct wish *wishes = arena_take_array(&request->arena, all, sizeof(*wishes));
    for (int32_t d = 0; d < in->dirs_count; d++) {
        for (int32_t t = 0; t < in->dirs[d].topics_count; t++) {
            for (int32_t p = 0; p < in->dirs[d].topics[t].partitions_count; p++) {
                struct partition_name name = { in->dirs[d].topics[t].name,
                    in->dirs[d].topics[t].partitions[p] };
                wishes[count] = (struct wish){ { name, count }, in->dirs[d].path };
                count++;
            }
        }
    }
    *out_wishes = wishes;
    return partition_mentions_keep_last(wishes, count, sizeof(*wishes));
}

static enum error check(struct request *request, const struct wish *wish, int *out_index)
{
    const struct shard *shard = request->shard;
    const char *name = arena_format(
        &request->arena, "%.*s-%d", STR_PRINT(wish->mention.name.topic), wish->mention.name.index);
    if (strlen(name) + FUTURE_SUFFIX > NAME_MOST)
        return ERROR_INVALID_TOPIC_EXCEPTION;
    *out_index = directory_view_find(shard, wish->path, &request->arena);
    if (*out_index < 0)
        return ERROR_LOG_DIR_NOT_FOUND;
    if (flusher_is_failed(shard->flushers[*out_index]))
        return ERROR_KAFKA_STORAGE_ERROR;
    if (directory_view_is_cordoned(shard, *out_index))
        return ERROR_INVALID_REPLICA_ASSIGNMENT;
    return ERROR_NONE;
}

static bool alter_there(struct visit *visit, struct shard *shard, struct partition *partition)
{
    struct alter_visit *mine = container_of(visit, struct alter_visit, visit);
    mine->error = ERROR_REPLICA_NOT_AVAILABLE;
    if (partition == NULL)
        preference_note(&shard->preferences, mine->name.topic, mine->name.index, mine->log_dir_index);
    else
        mine->error = moves_alter(shard, partition, mine->log_dir_index);
    return true;
}

static void remember_there(struct errand *errand)
{
    const struct preference_errand *mine = container_of(errand, struct preference_errand, errand);
    for (const struct alter_visit *one = mine->first; one != NULL; one = one->next)
        preference_note(
            &errand->there->preferences, one->name.topic, one->name.index, one->log_dir_index);
    errand_finish(errand);
}

static void add_wish(struct request *request, const struct wish *wish,
    struct alter_replica_log_dirs_alter_replica_log_dir_partition_result *answer)
{
    struct alter_replica_log_dirs_work *work = request->work.alter_replica_log_dirs;
    const struct image *image = request->shard->image;
    const struct image_topic *topic =
        image == NULL ? NULL : image_topic_by_name(image, wish->mention.name.topic);
    struct alter_visit *mine = arena_take(&request->arena, sizeof(*mine));
    answer->partition_index = wish->mention.name.index;
    answer->error_code = (int16_t)check(request, wish, &mine->log_dir_index);
    if (answer->error_code != ERROR_NONE)
        return;
    mine->name = wish->mention.name;
    mine->answer = answer;
    if (topic == NULL || image_partition(topic, wish->mention.name.index) == NULL) {
        answer->error_code = ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        mine->next = work->unknown;
        work->unknown = mine;
        return;
    }
    mine->visit.topic_id = topic->id;
    mine->visit.partition_index = wish->mention.name.index;
    mine->next = work->list;
    work->list = mine;
    visits_add(&work->visits, &mine->visit);
}

static void send_preferences(struct request *request)
{
    struct alter_replica_log_dirs_work *work = request->work.alter_replica_log_dirs;
    const struct shard_list *shards = request->shard->shards;
    if (work->unknown == NULL)
        return;
    work->errands =
        arena_take_array(&request->arena, (size_t)shards->count, sizeof(*work->errands));
    for (int32_t i = 0; i < shards->count; i++) {
        work->errands[i].errand.run = remember_there;
        work->errands[i].first = work->unknown;
    }
    for (int32_t i = 0; i < shards->count; i++)
        request_send(request, &work->errands[i].errand, shards->list[i]);
}

static void start(struct request *request)
{
    struct alter_replica_log_dirs_response *out = request->out.alter_replica_log_dirs;
    struct alter_replica_log_dirs_alter_replica_log_dir_topic_result *topic = NULL;
    struct wish *wishes;
    int32_t count = sort_wishes(request, &wishes);
    struct alter_replica_log_dirs_alter_replica_log_dir_partition_result *answers = MESSAGE_TAKE(
        alter_replica_log_dirs_alter_replica_log_dir_partition_result, &request->arena, count);
    request->work.alter_replica_log_dirs =
        arena_take(&request->arena, sizeof(*request->work.alter_replica_log_dirs));
    visits_init(&request->work.alter_replica_log_dirs->visits, request);
    out->results = MESSAGE_TAKE(
        alter_replica_log_dirs_alter_replica_log_dir_topic_result, &request->arena, count);
    for (int32_t i = 0; i < count; i++) {
        if (topic == NULL || str_compare(topic->topic_name, wishes[i].mention.name.topic) != 0) {
            topic = &out->results[out->results_count++];
            topic->topic_name = wishes[i].mention.name.topic;
            topic->partitions = &answers[i];
        }
        topic->partitions_count++;
        add_wish(request, &wishes[i], &answers[i]);
    }
    send_preferences(request);
    visits_send(&request->work.alter_replica_log_dirs->visits, alter_there);
}

enum step handle_alter_replica_log_dirs(struct request *request)
{
    if (request->work.alter_replica_log_dirs == NULL)
        start(request);
    if (request->errands_out > 0)
        return STEP_PARK;
    for (struct alter_visit *mine = request->work.alter_replica_log_dirs->list; mine != NULL;
         mine = mine->next)
        mine->answer->error_code = (int16_t)mine->error;
    return STEP_ANSWER;
}
