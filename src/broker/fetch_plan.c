/* SPDX-License-Identifier: Apache-2.0 */
/* Which partitions a Fetch is about: those it names, or those its session remembers. */
#include <utlist.h>

#include "base/broken.h"
#include "base/memory.h"
#include "broker/fetch_work.h"
#include "broker/request.h"
#include "broker/shard.h"
#include "io/io.h"
#include "wire/gen/fetch.h"

static bool by_topic_id(const struct request *request)
{
    return request->in.fetch->by_topic_id;
}

/* Where the wish lies: by the image, whose topics come and go while a session stays. */
static void find_topic(const struct request *request, struct fetch_visit *mine)
{
    const struct image *image = request->shard->image;
    const struct image_topic *topic = NULL;

    if (image != NULL)
        topic = by_topic_id(request) ? image_topic_by_id(image, mine->wish.topic_id)
                                     : image_topic_by_name(image, mine->wish.topic);
    if (topic == NULL)
        mine->error = by_topic_id(request) ? ERROR_UNKNOWN_TOPIC_ID : ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    else if (image_partition(topic, mine->wish.partition_index) == NULL)
        mine->error = ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    else if (request->in.fetch->replica_id >= 0 || request->in.fetch->replica_state.replica_id >= 0)
        mine->error = ERROR_NOT_LEADER_OR_FOLLOWER; /* a topic has no follower here */
    else if (mine->wish.max_bytes < 0 || request->in.fetch->max_bytes < 0)
        mine->error = ERROR_INVALID_REQUEST;
    mine->visit.topic_id = topic == NULL ? mine->wish.topic_id : topic->id;
    mine->visit.partition_index = mine->wish.partition_index;
}

static struct fetch_visit *add_visit(struct fetch_work *work, const struct fetch_wish *wish)
{
    struct request *request = work->request;
    struct fetch_visit *mine = arena_take(&request->arena, sizeof(*mine));

    mine->request = request;
    mine->wish = *wish;
    mine->wish.topic = str_copy(&request->arena, wish->topic); /* the session may forget it */
    mine->read.high_watermark = mine->read.last_stable_offset = mine->read.log_start = -1;
    mine->read.diverging_epoch = -1;
    arena_init(&mine->arena);
    find_topic(request, mine);
    *work->last = mine;
    work->last = &mine->next;
    return mine;
}

static void forget_partition(struct fetch_session_partition *partition)
{
    if (partition->visit != NULL)
        partition->visit->remembered = NULL;
    partition->visit = NULL;
    if (partition->watch != NULL)
        partition_unwatch(&partition->watch->watch);
    memory_give(partition->watch);
    partition->watch = NULL;
}

static void remember(struct fetch_visit *mine, struct fetch_session_partition *partition)
{
    mine->remembered = partition;
    partition->visit = mine;
    if (mine->error == ERROR_UNKNOWN_TOPIC_ID && partition->was_found)
        mine->error = ERROR_UNKNOWN_TOPIC_OR_PARTITION; /* the id is known; its topic is gone */
    partition->was_found = partition->was_found || mine->error != ERROR_UNKNOWN_TOPIC_ID;
}

static struct fetch_wish read_wish(const struct fetch_request *in, const struct fetch_topic *topic,
    const struct fetch_partition *partition)
{
    return (struct fetch_wish){
        .topic_id = topic->topic_id,
        .topic = in->by_topic_id ? (struct str){ 0 } : topic->topic,
        .partition_index = partition->partition,
        .fetch_offset = partition->fetch_offset,
        .log_start_offset = partition->log_start_offset,
        .max_bytes = partition->partition_max_bytes,
        .current_leader_epoch = partition->current_leader_epoch < 0 ? -1 : partition->current_leader_epoch,
        .last_fetched_epoch = partition->last_fetched_epoch,
    };
}

static int32_t wish_count(const struct fetch_request *in)
{
    int32_t count = 0;

    for (int32_t i = 0; i < in->topics_count; i++)
        count += in->topics[i].partitions_count > 0 ? in->topics[i].partitions_count : 0;
    return count;
}

/* All that the request names, and into the session when there is one. */
static void plan_named(struct fetch_work *work, struct fetch_session *session)
{
    const struct fetch_request *in = work->request->in.fetch;

    for (int32_t i = 0; i < in->topics_count; i++)
        for (int32_t j = 0; j < in->topics[i].partitions_count; j++) {
            struct fetch_wish wish = read_wish(in, &in->topics[i], &in->topics[i].partitions[j]);
            struct fetch_visit *mine = add_visit(work, &wish);
            if (session == NULL)
                continue;
            struct fetch_session_partition *partition = fetch_session_put(session, &wish);
            if (partition->visit == NULL)
                remember(mine, partition);
        }
}

static void plan_full(struct fetch_work *work)
{
    struct request *request = work->request;
    struct shard *shard = request->shard;
    const struct fetch_request *in = request->in.fetch;
    struct fetch_session *session = NULL;
    struct fetch_session *old = in->session_id == FETCH_SESSION_NONE ? NULL
                                                                     : fetch_session_find(&shard->sessions, in->session_id);
    int32_t count = wish_count(in);
    uint32_t random;

    if (old != NULL)
        fetch_session_drop(&shard->sessions, old);
    if (in->session_epoch == FETCH_EPOCH_FULL) {
        io_random(loop_io(shard->loop), &random, sizeof(random));
        session = fetch_session_create(&shard->sessions, by_topic_id(request), false, count, loop_now_ms(shard->loop),
            random);
    }
    if (session != NULL) {
        session->on_drop = forget_partition;
        session->work = work;
        work->session_id = session->id;
    }
    plan_named(work, session);
}

static enum error plan_incremental(struct fetch_work *work)
{
    struct request *request = work->request;
    struct fetch_session_cache *sessions = &request->shard->sessions;
    const struct fetch_request *in = request->in.fetch;
    struct fetch_session *session = fetch_session_find(sessions, in->session_id);

    if (session == NULL)
        return ERROR_FETCH_SESSION_ID_NOT_FOUND;
    if (session->epoch != in->session_epoch && !broken(session_epoch_any))
        return ERROR_INVALID_FETCH_SESSION_EPOCH;
    if (session->by_topic_id != by_topic_id(request))
        return ERROR_FETCH_SESSION_TOPIC_ID_ERROR;
    if (session->work != NULL)
        return ERROR_INVALID_FETCH_SESSION_EPOCH; /* a request of this session is still in work */
    for (int32_t i = 0; i < in->topics_count; i++)
        for (int32_t j = 0; j < in->topics[i].partitions_count; j++) {
            struct fetch_wish wish = read_wish(in, &in->topics[i], &in->topics[i].partitions[j]);
            fetch_session_put(session, &wish);
        }
    for (int32_t i = 0; i < in->forgotten_topics_data_count; i++) {
        const struct fetch_forgotten_topic *topic = &in->forgotten_topics_data[i];
        for (int32_t j = 0; j < topic->partitions_count; j++)
            fetch_session_forget(session, by_topic_id(request) ? (struct str){ 0 } : topic->topic, topic->topic_id,
                topic->partitions[j]);
    }
    work->session_id = session->id;
    work->incremental = true;
    session->work = work;
    fetch_plan_moved(work);
    fetch_session_advance(sessions, session, loop_now_ms(request->shard->loop));
    if (session->partitions == NULL) {
        fetch_session_drop(sessions, session);
        work->session_id = FETCH_SESSION_NONE;
        work->incremental = false;
    }
    return ERROR_NONE;
}

bool fetch_plan(struct request *request, struct fetch_work *work)
{
    const struct fetch_request *in = request->in.fetch;
    enum error error = ERROR_NONE;

    work->last = &work->list;
    if (in->session_epoch == FETCH_EPOCH_FULL || in->session_epoch == FETCH_EPOCH_FINAL)
        plan_full(work);
    else
        error = plan_incremental(work);
    request->out.fetch->error_code = (int16_t)error;
    return error == ERROR_NONE;
}

void fetch_plan_moved(struct fetch_work *work)
{
    struct fetch_session *session = fetch_session_find(&work->request->shard->sessions, work->session_id);
    struct fetch_session_partition *partition;

    if (session == NULL || !work->incremental)
        return;
    DL_FOREACH2(session->dirty, partition, dirty_next)
        if (partition->visit == NULL)
            remember(add_visit(work, &partition->wish), partition);
}

void fetch_forget_plan(struct fetch_work *work)
{
    struct fetch_session *session = fetch_session_find(&work->request->shard->sessions, work->session_id);
    struct fetch_visit *mine;

    if (session != NULL && session->work == work)
        session->work = NULL;
    LL_FOREACH(work->list, mine) {
        if (mine->remembered != NULL)
            mine->remembered->visit = NULL;
        mine->remembered = NULL;
    }
}
