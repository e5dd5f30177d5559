/* SPDX-License-Identifier: Apache-2.0 */
/* Fetch: read what there is; when that is too little, wait for it or for the time; then answer with ranges of files. */
#include <utlist.h>

#include "base/container.h"
#include "base/odd.h"
#include "broker/apis.h"
#include "broker/fetch_work.h"
#include "broker/leader_hint.h"
#include "broker/settings.h"
#include "broker/shard.h"
#include "io/file.h"
#include "wire/gen/fetch.h"
#include "wire/schema.h"

enum { READ_COMMITTED = 1 };

/* Up to here, copying what is in the page cache costs less than the two more calls that a range of a file takes. */
enum { COPY_SIZE_MAX = 16 * 1024, COPY_TOTAL_MAX = 64 * 1024 };

static void time_is_up(struct timer *timer)
{
    request_resume(container_of(timer, struct fetch_work, deadline)->request);
}

static void cleanup(struct request *request)
{
    struct fetch_work *work = request->work.fetch;
    struct fetch_visit *mine;

    timer_cancel(request->shard->loop, &work->deadline);
    fetch_forget_plan(work);
    LL_FOREACH(work->list, mine) {
        if (mine->warm != NULL)
            log_warm_destroy(mine->warm);
        partition_unwatch(&mine->watch);
        if (mine->read.slice.file != NULL)
            log_slice_release(&mine->read.slice);
        arena_deinit(&mine->arena);
    }
}

static bool start(struct request *request)
{
    const struct fetch_request *in = request->in.fetch;
    struct shard *shard = request->shard;
    struct fetch_work *work = arena_take(&request->arena, sizeof(*work));
    int64_t max_bytes = shard->settings->fetch_max_bytes;

    request->work.fetch = work;
    request->cleanup = cleanup;
    work->request = request;
    work->committed_only = in->isolation_level == READ_COMMITTED;
    work->max_bytes = in->max_bytes < max_bytes ? in->max_bytes : max_bytes;
    work->min_bytes = in->min_bytes < work->max_bytes ? in->min_bytes : work->max_bytes;
    work->may_wait = in->max_wait_ms > 0;
    work->deadline.run = time_is_up;
    work->deadline_us = loop_now_us(shard->loop) + (int64_t)in->max_wait_ms * 1000;
    work->quotas = arena_take_array(&request->arena, (size_t)shard->shards->count, sizeof(*work->quotas));
    return fetch_plan(request, work);
}

static void tell_endpoint(struct request *request, const struct leader_hint *hint)
{
    const struct fetch_request *in = request->in.fetch;
    struct fetch_response *out = request->out.fetch;

    if (str_is_null(hint->host) || in->replica_id >= 0 || in->replica_state.replica_id >= 0)
        return; /* a replica knows where the brokers are */
    for (int32_t i = 0; i < out->node_endpoints_count; i++)
        if (out->node_endpoints[i].node_id == hint->leader_id)
            return;
    struct fetch_node_endpoint *grown = MESSAGE_TAKE(fetch_node_endpoint, &request->arena, out->node_endpoints_count + 1);
    if (out->node_endpoints_count > 0)
        memcpy(grown, out->node_endpoints, (size_t)out->node_endpoints_count * sizeof(*grown));
    out->node_endpoints = grown;
    struct fetch_node_endpoint *endpoint = &grown[out->node_endpoints_count++];
    endpoint->node_id = hint->leader_id;
    endpoint->host = hint->host;
    endpoint->port = hint->port;
    endpoint->rack = hint->rack;
}

static bool copy_records(struct request *request, const struct log_slice *slice, struct fetch_partition_data *data)
{
    struct fetch_work *work = request->work.fetch;

    if (odd(no_copy) || slice->size > COPY_SIZE_MAX || work->copied + slice->size > COPY_TOTAL_MAX)
        return false;
    uint8_t *records = arena_take(&request->arena, (size_t)slice->size);
    if (file_pread(slice->file, records, (size_t)slice->size, slice->position) != slice->size)
        return false; /* the connection will meet the same fault, and end */
    data->records = (struct records){ .data = records, .size = (int32_t)slice->size };
    work->copied += slice->size;
    return true;
}

/* The records of the answer become a hole, which the connection fills from the file. */
static void hand_over(struct request *request, struct fetch_visit *mine, struct fetch_partition_data *data)
{
    struct log_slice *slice = &mine->read.slice;

    if (copy_records(request, slice, data)) {
        log_slice_release(slice);
        *slice = (struct log_slice){ 0 };
        return;
    }
    struct span *span = arena_take(&request->arena, sizeof(*span));

    *span = (struct span){ .file = slice->file, .position = slice->position, .size = (size_t)slice->size };
    data->records = (struct records){ .size = (int32_t)slice->size, .hole = span };
    request_keep_file(request, slice->file);
    *slice = (struct log_slice){ 0 };
}

static void fill_aborted(struct request *request, const struct partition_read *read, struct fetch_partition_data *data)
{
    data->aborted_transactions_count = read->aborted_count;
    data->aborted_transactions = MESSAGE_TAKE(fetch_aborted_transaction, &request->arena, read->aborted_count);
    for (int32_t i = 0; i < read->aborted_count; i++) {
        data->aborted_transactions[i].producer_id = read->aborted[i].producer_id;
        data->aborted_transactions[i].first_offset = read->aborted[i].first_offset;
    }
}

static void fill_partition(struct request *request, struct fetch_visit *mine, struct fetch_partition_data *data)
{
    const struct partition_read *read = &mine->read;
    enum error error = mine->error != ERROR_NONE ? mine->error : read->error;
    struct leader_hint hint;

    data->partition_index = mine->wish.partition_index;
    if (error == ERROR_KAFKA_STORAGE_ERROR && !request->in.fetch->knows_storage_errors)
        error = ERROR_NOT_LEADER_OR_FOLLOWER;
    data->error_code = (int16_t)error;
    data->high_watermark = read->high_watermark;
    data->last_stable_offset = read->last_stable_offset;
    data->log_start_offset = read->log_start;
    data->records = (struct records){ .size = 0 };
    bool is_unknown = mine->error == ERROR_UNKNOWN_TOPIC_ID || mine->error == ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    data->aborted_transactions_count = is_unknown ? 0 : -1; /* null and none mean the same; Kafka tells them so */
    if (error != ERROR_NONE) {
        if ((error == ERROR_NOT_LEADER_OR_FOLLOWER || error == ERROR_FENCED_LEADER_EPOCH) &&
            request->in.fetch->tells_leader &&
            leader_hint_fill(request, mine->visit.topic_id, mine->visit.partition_index, &hint)) {
            data->current_leader.leader_id = hint.leader_id;
            data->current_leader.leader_epoch = hint.leader_epoch;
            tell_endpoint(request, &hint);
        }
        return;
    }
    if (read->diverging_epoch >= 0) {
        data->diverging_epoch.epoch = read->diverging_epoch;
        data->diverging_epoch.end_offset = read->diverging_end;
        return;
    }
    if (request->work.fetch->committed_only)
        fill_aborted(request, read, data);
    if (read->slice.file != NULL && read->slice.size > 0)
        hand_over(request, mine, data);
}

static bool belongs_in(struct fetch_work *work, struct fetch_visit *mine)
{
    const struct partition_read *read = &mine->read;
    bool failed = mine->error != ERROR_NONE || read->error != ERROR_NONE;
    bool has_records = read->slice.size > 0;

    if (mine->remembered == NULL)
        return true;
    bool diverges = read->diverging_epoch >= 0;
    int64_t upper = work->committed_only ? read->last_stable_offset : read->high_watermark;
    bool news = fetch_session_has_news(mine->remembered, failed, has_records, diverges, read->high_watermark,
        read->log_start);
    if (has_records)
        fetch_session_served(mine->remembered);
    else if (failed || diverges || mine->wish.fetch_offset < upper)
        fetch_session_mark_dirty(mine->remembered); /* there was no room, or it must be looked at again */
    return news || !work->incremental;
}

/* Several shards may each have read up to the limit: what is too much is left for the next time. */
static void keep_limit(struct fetch_work *work)
{
    struct fetch_visit *mine;
    int64_t left = work->max_bytes;
    bool first = true;

    if (work->request->shard->shards->count == 1)
        return;
    LL_FOREACH(work->list, mine) {
        int64_t size = mine->read.slice.size;
        if (size == 0)
            continue;
        if (!first && size > left) {
            log_slice_release(&mine->read.slice);
            mine->read.slice = (struct log_slice){ 0 };
            continue;
        }
        first = false;
        left -= size;
    }
}

static bool same_topic(const struct request *request, const struct fetch_wish *a, const struct fetch_wish *b)
{
    return request->in.fetch->by_topic_id ? uuid_equal(a->topic_id, b->topic_id) : str_equal(a->topic, b->topic);
}

static void fill(struct request *request)
{
    struct fetch_work *work = request->work.fetch;
    struct fetch_response *out = request->out.fetch;
    const struct fetch_wish *previous = NULL;
    struct fetch_visit *mine;
    int32_t count = 0;

    keep_limit(work);
    LL_COUNT(work->list, mine, count);
    out->session_id = work->session_id;
    out->responses = MESSAGE_TAKE(fetch_fetchable_topic_response, &request->arena, count);
    out->responses_count = 0;
    struct fetch_partition_data *data = MESSAGE_TAKE(fetch_partition_data, &request->arena, count);
    LL_FOREACH(work->list, mine) {
        if (!belongs_in(work, mine))
            continue;
        if (previous == NULL || !same_topic(request, previous, &mine->wish)) {
            struct fetch_fetchable_topic_response *topic = &out->responses[out->responses_count++];
            topic->topic = mine->wish.topic;
            topic->topic_id = mine->wish.topic_id;
            topic->partitions = data;
            topic->partitions_count = 0;
        }
        previous = &mine->wish;
        fill_partition(request, mine, data++);
        out->responses[out->responses_count - 1].partitions_count++;
    }
}

static bool is_enough(struct fetch_work *work)
{
    bool urgent;
    int64_t bytes = fetch_bytes(work, &urgent);

    return !work->may_wait || urgent || (work->list == NULL && !work->incremental) || bytes >= work->min_bytes ||
           loop_now_us(work->request->shard->loop) >= work->deadline_us;
}

/* Reads until it is enough; false: waits. */
static bool collect(struct fetch_work *work)
{
    struct request *request = work->request;

    if (request->errands_out > 0)
        return false;
    if (work->stage == FETCH_WAITING) {
        bool late = loop_now_us(request->shard->loop) >= work->deadline_us;
        if (!work->woken && !late)
            return false;
        if (!fetch_round(work))
            return false;
    }
    while (!is_enough(work)) {
        if (!work->woken) {
            if (!request_may_wait(request) || odd(answer_early))
                return true; /* with what there is; the client asks again */
            work->stage = FETCH_WAITING;
            timer_set(request->shard->loop, &work->deadline, work->deadline_us);
            return false;
        }
        if (!fetch_round(work))
            return false;
    }
    return true;
}

enum step handle_fetch(struct request *request)
{
    if (request->work.fetch == NULL) {
        if (!start(request))
            return STEP_ANSWER;
        request_note_memory(request); /* of what is read; a visit takes more than it is in the request */
        if (!fetch_round(request->work.fetch))
            return STEP_PARK;
    }
    struct fetch_work *work = request->work.fetch;
    if (work->stage != FETCH_UNWATCHING) {
        if (!collect(work))
            return STEP_PARK;
        timer_cancel(request->shard->loop, &work->deadline);
        if (!fetch_unwatch(work))
            return STEP_PARK;
    } else if (request->errands_out > 0) {
        return STEP_PARK;
    }
    fill(request);
    return STEP_ANSWER;
}
