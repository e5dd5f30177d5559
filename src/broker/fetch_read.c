/* SPDX-License-Identifier: Apache-2.0 */
/* The shards' side of a Fetch: reading partitions, watching them, and warming what is not in the page cache. */
#include <assert.h>
#include <errno.h>
#include <utlist.h>

#include "base/broken.h"
#include "base/container.h"
#include "base/memory.h"
#include "broker/fetch_work.h"
#include "broker/request.h"
#include "broker/shard.h"
#include "io/file.h"

static void deliver_wake(struct mail *mail)
{
    struct fetch_visit *mine = container_of(mail, struct fetch_visit, wake);
    struct fetch_work *work = mine->request->work.fetch;

    mine->wakes_home++;
    work->woken = true;
    if (work->stage == FETCH_WAITING)
        request_resume(mine->request);
}

/* The partition moved. At home the request is resumed in this pass; from another shard mail does it. */
static void partition_moved(struct partition_watch *watch)
{
    struct fetch_visit *mine = container_of(watch, struct fetch_visit, watch);
    struct request *request = mine->request;

    if (mine->there == request->shard) {
        request->work.fetch->woken = true;
        if (request->work.fetch->stage == FETCH_WAITING)
            request_resume(request);
    } else if (mine->wakes_sent == mine->wakes_known) {
        mine->wakes_sent++;
        mine->wake.deliver = deliver_wake;
        mail_send(mine->there->loop, request->shard->loop, &mine->wake);
    }
}

static void remembered_moved(struct partition_watch *watch)
{
    struct fetch_session_partition *partition = container_of(watch, struct fetch_watch, watch)->partition;
    struct fetch_work *work = partition->session->work;

    if (!broken(session_deaf))
        fetch_session_mark_dirty(partition);
    if (work == NULL)
        return;
    work->woken = true;
    if (work->stage == FETCH_WAITING)
        request_resume(work->request);
}

/* From here on the session hears of every move, so the partition is clean until the next. */
static void watch_for_session(struct fetch_session_partition *remembered, struct partition *partition)
{
    struct fetch_watch *mine = remembered->watch;

    if (mine == NULL) {
        mine = remembered->watch = memory_take(sizeof(*mine));
        mine->partition = remembered;
        mine->watch.moved = remembered_moved;
    }
    if (mine->watch.partition != partition) {
        partition_unwatch(&mine->watch);
        partition_watch(partition, &mine->watch);
    }
    fetch_session_mark_clean(remembered);
}

static void take_from_quota(struct fetch_quota *quota, const struct log_slice *slice)
{
    quota->left -= slice->size;
    quota->has_records = quota->has_records || slice->size > 0;
}

/* True: read. False: the range must be warmed first (mine->read.slice). */
static bool read_now(struct fetch_visit *mine, struct partition *partition, struct fetch_quota *quota)
{
    struct fetch_work *work = mine->request->work.fetch;
    struct partition_read *read = &mine->read;
    int64_t limit = mine->wish.max_bytes < quota->left ? mine->wish.max_bytes : quota->left;

    *read = (struct partition_read){
        .offset = mine->wish.fetch_offset,
        .current_leader_epoch = mine->wish.current_leader_epoch,
        .last_fetched_epoch = mine->wish.last_fetched_epoch,
        .max_bytes = limit > 0 ? limit : 0,
        .at_least_one = limit > 0 || !quota->has_records, /* else only the positions are of interest */
        .committed_only = work->committed_only,
        .may_block = mine->warmed_once,
    };
    if (partition_read(partition, read, &mine->arena) == -EAGAIN)
        return false;
    shard_tell_damage(mine->there, partition);
    if (read->slice.file == NULL)
        return true;
    if (read->slice.size > limit && quota->has_records) {
        log_slice_release(&read->slice); /* its first batch alone is too much for what is left */
        read->slice = (struct log_slice){ 0 };
        return true;
    }
    if (!mine->warmed_once && !log_slice_is_cached(&read->slice))
        return false;
    take_from_quota(quota, &read->slice);
    return true;
}

static void start_warming(struct fetch_visit *mine, struct partition *partition);

static bool read_there(struct fetch_visit *mine, struct shard *shard, struct partition *partition)
{
    struct fetch_work *work = mine->request->work.fetch;

    if (partition == NULL) {
        mine->read = (struct partition_read){ .error = ERROR_UNKNOWN_TOPIC_OR_PARTITION,
            .high_watermark = -1, .last_stable_offset = -1, .log_start = -1, .diverging_epoch = -1 };
        return true;
    }
    if (shard == mine->request->shard && mine->remembered != NULL) {
        watch_for_session(mine->remembered, partition);
    } else if (work->may_wait && mine->watch.partition == NULL) {
        mine->watch.moved = partition_moved;
        partition_watch(partition, &mine->watch);
    }
    if (read_now(mine, partition, &work->quotas[shard->index]))
        return true;
    start_warming(mine, partition);
    return false;
}

static void warming_done(struct task *task)
{
    struct fetch_visit *mine = container_of(task, struct fetch_visit, warmed);
    struct partition *partition = shard_partition(mine->there, mine->visit.topic_id, mine->visit.partition_index);

    log_warm_destroy(mine->warm);
    mine->warm = NULL;
    mine->warmed_once = true;
    if (read_there(mine, mine->there, partition))
        visit_done(&mine->visit);
}

static void start_warming(struct fetch_visit *mine, struct partition *partition)
{
    struct flusher *flusher = mine->there->flushers[partition->log_dir_index];

    mine->warmed.run = warming_done;
    mine->warm = log_warm_start(flusher, &mine->read.slice, &mine->warmed);
    log_slice_release(&mine->read.slice);
    mine->read.slice = (struct log_slice){ 0 };
}

static bool visit_read(struct visit *visit, struct shard *shard, struct partition *partition)
{
    struct fetch_visit *mine = container_of(visit, struct fetch_visit, visit);

    mine->there = shard;
    mine->wakes_known = mine->wakes_told;
    mine->warmed_once = false;
    return read_there(mine, shard, partition);
}

static void release_slice(struct fetch_visit *mine)
{
    if (mine->read.slice.file != NULL)
        log_slice_release(&mine->read.slice);
    mine->read.slice = (struct log_slice){ 0 };
    arena_reset(&mine->arena);
}

/* What the session watches and did not move keeps what it read in the round before. */
static void release_moved(struct fetch_work *work)
{
    struct fetch_visit *mine;

    LL_FOREACH(work->list, mine) {
        mine->settled = mine->there == work->request->shard && mine->remembered != NULL && !mine->remembered->dirty;
        if (!mine->settled)
            release_slice(mine);
    }
}

bool fetch_round(struct fetch_work *work)
{
    struct request *request = work->request;
    struct fetch_visit *mine;

    fetch_plan_moved(work);
    release_moved(work);
    work->stage = FETCH_READING;
    work->woken = false;
    visits_init(&work->visits, request);
    for (int32_t i = 0; i < request->shard->shards->count; i++)
        work->quotas[i] = (struct fetch_quota){ .left = work->max_bytes };
    LL_FOREACH(work->list, mine) {
        if (mine->error != ERROR_NONE)
            continue;
        if (mine->settled)
            take_from_quota(&work->quotas[mine->there->index], &mine->read.slice);
        else
            visits_add(&work->visits, &mine->visit);
        mine->wakes_told = mine->wakes_home;
    }
    return visits_send(&work->visits, visit_read);
}

static bool visit_unwatch(struct visit *visit, struct shard *shard, struct partition *partition)
{
    (void)shard;
    (void)partition;
    partition_unwatch(&container_of(visit, struct fetch_visit, visit)->watch);
    return true;
}

bool fetch_unwatch(struct fetch_work *work)
{
    struct request *request = work->request;
    struct fetch_visit *mine;

    work->stage = FETCH_UNWATCHING;
    visits_init(&work->visits, request);
    LL_FOREACH(work->list, mine) {
        if (mine->there == request->shard)
            partition_unwatch(&mine->watch);
        else if (mine->there != NULL && work->may_wait)
            visits_add(&work->visits, &mine->visit);
    }
    return visits_send(&work->visits, visit_unwatch);
}

int64_t fetch_bytes(struct fetch_work *work, bool *out_urgent)
{
    struct fetch_visit *mine;
    int64_t bytes = 0;

    *out_urgent = false;
    LL_FOREACH(work->list, mine) {
        bytes += mine->read.slice.size;
        if (mine->error != ERROR_NONE || mine->read.error != ERROR_NONE || mine->read.diverging_epoch >= 0)
            *out_urgent = true;
    }
    return bytes;
}
