/* SPDX-License-Identifier: Apache-2.0 */
/* DescribeLogDirs (KIP-113, KIP-827): what lies in each log directory, and how much room there is.
 * Every shard lists the partitions that it has there; a directory that failed is told as
 * KAFKA_STORAGE_ERROR, without partitions. A partition that moves is told in both: the future log
 * with how many offsets it is behind (KIP-113). */
#include <stdlib.h>

#include "broker/apis.h"
#include "broker/directory_view.h"
#include "broker/partition_name.h"
#include "broker/shard.h"
#include "io/file.h"
#include "storage/flusher.h"
#include "wire/gen/describe_log_dirs.h"
#include "wire/schema.h"

struct found {
    struct partition_name name;
    int log_dir_index;
    int64_t size;
    bool is_future;
    int64_t lag;
};

/* What one shard has. Memory is its own while it is away: the request's arena is the other shard's.
 */
struct listing {
    struct errand errand; /* first */
    struct arena arena;
    const struct describe_log_dirs_work *work;
    struct found *list;
    int32_t count;
};

struct describe_log_dirs_work {
    const struct partition_name *wanted; /* in order; NULL: everything */
    int32_t wanted_count;
    struct listing *listings; /* one per shard */
};

static int compare_names(const void *a, const void *b)
{
    return partition_name_compare(a, b);
}

static int compare_found(const void *a, const void *b)
{
    const struct found *one = a, *other = b;
    int order =
        (one->log_dir_index > other->log_dir_index) - (one->log_dir_index < other->log_dir_index);
    return order != 0 ? order : partition_name_compare(&one->name, &other->name);
}

static bool is_wanted(const struct describe_log_dirs_work *work, const struct partition_name *name)
{
    return work->wanted == NULL || bsearch(name, work->wanted, (size_t)work->wanted_count,
                                       sizeof(*name), compare_names) != NULL;
}

static void list_there(struct errand *errand)
{
    struct listing *listing = (struct listing *)errand;
    struct shard *shard = errand->there;
    struct partition *partition, *next;
    listing->list = arena_take_array(
        &listing->arena, 2 * (size_t)HASH_COUNT(shard->partitions), sizeof(*listing->list));
    HASH_ITER(hh, shard->partitions, partition, next)
    {
        if (partition->log == NULL)
            continue;
        struct partition_name name = { str_from(log_topic(partition->log)), partition->key.index };
        if (!is_wanted(listing->work, &name))
            continue;
        name.topic =
            str_copy(&listing->arena, name.topic); /* the partition may go before the answer */
        listing->list[listing->count++] =
            (struct found){ name, partition->log_dir_index, log_size(partition->log), false, 0 };
        const struct move *move = partition->move;
        if (move != NULL)
            listing->list[listing->count++] = (struct found){ name, move->log_dir_index,
                log_size(move->future), true, move_lag(move) };
    }
    errand_finish(errand);
}

static void sort_wanted(struct request *request)
{
    const struct describe_log_dirs_request *in = request->in.describe_log_dirs;
    struct describe_log_dirs_work *work = request->work.describe_log_dirs;
    size_t all = 0;
    if (in->topics_count < 0)
        return;
    for (int32_t t = 0; t < in->topics_count; t++)
        all += (size_t)in->topics[t].partitions_count;
    struct partition_name *wanted = arena_take_array(&request->arena, all + 1, sizeof(*wanted));
    for (int32_t t = 0; t < in->topics_count; t++)
        for (int32_t p = 0; p < in->topics[t].partitions_count; p++)
            wanted[work->wanted_count++] =
                (struct partition_name){ in->topics[t].topic, in->topics[t].partitions[p] };
    qsort(wanted, all, sizeof(*wanted), compare_names);
    work->wanted = wanted;
}

static void cleanup(struct request *request)
{
    const struct shard_list *shards = request->shard->shards;
    for (int32_t i = 0; i < shards->count; i++)
        arena_deinit(&request->work.describe_log_dirs->listings[i].arena);
}

static void start(struct request *request)
{
    const struct shard_list *shards = request->shard->shards;
    struct describe_log_dirs_work *work = arena_take(&request->arena, sizeof(*work));
    request->work.describe_log_dirs = work;
    sort_wanted(request);
    work->listings =
        arena_take_array(&request->arena, (size_t)shards->count, sizeof(*work->listings));
    request->cleanup = cleanup;
    for (int32_t i = 0; i < shards->count; i++) {
        arena_init(&work->listings[i].arena);
        work->listings[i].work = work;
        work->listings[i].errand.run = list_there;
    }
    for (int32_t i = 0; i < shards->count; i++)
        request_send(request, &work->listings[i].errand, shards->list[i]);
}

/* All that the shards found, in order of directory, topic and partition. */
static struct found *gather(struct request *request, int32_t *out_count)
{
    const struct describe_log_dirs_work *work = request->work.describe_log_dirs;
    const struct shard_list *shards = request->shard->shards;
    int32_t count = 0;
    for (int32_t i = 0; i < shards->count; i++)
        count += work->listings[i].count;
    struct found *all = arena_take_array(&request->arena, (size_t)count, sizeof(*all)), *next = all;
    for (int32_t i = 0; i < shards->count; i++)
        for (int32_t j = 0; j < work->listings[i].count; j++)
            *next++ = work->listings[i].list[j];
    qsort(all, (size_t)count, sizeof(*all), compare_found);
    *out_count = count;
    return all;
}

static void tell_partitions(struct request *request, const struct found *found, int32_t count,
    struct describe_log_dirs_result *out)
{
    struct describe_log_dirs_partition *partitions =
        MESSAGE_TAKE(describe_log_dirs_partition, &request->arena, count);
    struct describe_log_dirs_topic *topic = NULL;
    out->topics = MESSAGE_TAKE(describe_log_dirs_topic, &request->arena, count);
    for (int32_t i = 0; i < count; i++) {
        if (topic == NULL || str_compare(topic->name, found[i].name.topic) != 0) {
            topic = &out->topics[out->topics_count++];
            topic->name = found[i].name.topic;
            topic->partitions = &partitions[i];
        }
        partitions[i].partition_index = found[i].name.index;
        partitions[i].partition_size = found[i].size;
        partitions[i].is_future_key = found[i].is_future;
        partitions[i].offset_lag = found[i].lag;
        topic->partitions_count++;
    }
}

static void tell_directory(struct request *request, int index, const struct found *found,
    int32_t count, struct describe_log_dirs_result *out)
{
    const struct shard *shard = request->shard;
    const char *path = log_dir_path(shard->log_dirs[index]);
    out->log_dir = directory_view_path(shard, index, &request->arena);
    out->is_cordoned = directory_view_is_cordoned(shard, index);
    if (flusher_is_failed(shard->flushers[index])) {
        out->error_code = ERROR_KAFKA_STORAGE_ERROR;
        return;
    }
    int64_t total = directory_total_bytes(loop_io(shard->loop), path);
    int64_t usable = directory_free_bytes(loop_io(shard->loop), path);
    out->total_bytes = total < 0 ? -1 : total;
    out->usable_bytes = usable < 0 ? -1 : usable;
    tell_partitions(request, found, count, out);
}

enum step handle_describe_log_dirs(struct request *request)
{
    struct describe_log_dirs_response *out = request->out.describe_log_dirs;
    const struct shard *shard = request->shard;
    int32_t count, first = 0;

    if (request->work.describe_log_dirs == NULL)
        start(request);
    if (request->errands_out > 0)
        return STEP_PARK;
    struct found *found = gather(request, &count);
    out->results_count = shard->log_dir_count;
    out->results = MESSAGE_TAKE(describe_log_dirs_result, &request->arena, shard->log_dir_count);
    for (int i = 0; i < shard->log_dir_count; i++) {
        int32_t end = first;
        while (end < count && found[end].log_dir_index == i)
            end++;
        tell_directory(request, i, found + first, end - first, &out->results[i]);
        first = end;
    }
    return STEP_ANSWER;
}
