/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/group_ask.h"

#include "base/container.h"
#include "base/report.h"
#include "base/uuid.h"
#include "broker/apis.h"
#include "broker/group_home.h"
#include "broker/group_reports.h"
#include "broker/settings.h"
#include "broker/shard.h"
#include "io/io.h"
#include "net/conn.h"
#include "wire/gen/consumer_group_heartbeat.h"
#include "wire/gen/join_group.h"
#include "wire/schema.h"

enum {
    FIRST_ROUND = 4,             /* asks; each may be as long as a decision may be */
    ROUND_FEW_BYTES = 256 << 10, /* what coordinators answered in a round: the next is larger... */
    ROUND_MANY_BYTES = 1 << 20,  /* ...or smaller */
    MEMORY_SHARE = 2, /* one request's answers take at most this part of the budget, in memory */
    MEMORY_MIN = 4 << 20, /* or so much */
};

struct group_asks {
    struct request *request;
    int32_t round, round_count; /* how many it may have and has */
    int32_t next, count;        /* of all: those before were told */
    /* By shard, of what is decided there: what the answer points to. NULL: a request that asks once
     * lends its own. */
    struct arena *arenas;
    size_t most;        /* bytes of an arena that takes no more asks */
    struct timer timer; /* the next round is for the next pass */
    struct visits visits;
    struct group_ask list[]; /* of the round */
};

static void cleanup(struct request *request)
{
    struct group_asks *asks = request->work.group_asks;
    for (int32_t i = 0; i < request->shard->shards->count && asks->arenas != NULL; i++)
        arena_deinit(&asks->arenas[i]);
    timer_cancel(request->shard->loop, &asks->timer);
    request->lent = 0;
}

/* Of one that may become a member. As Java prints an address. */
static struct str client_host(struct request *request)
{
    const struct conn *conn = request->reply.conn;
    struct str peer = str_from(conn == NULL ? "" : conn_peer(conn));
    char *text = arena_take(&request->arena, (size_t)peer.size + 1);
    text[0] = '/';
    memcpy(text + 1, peer.data, (size_t)peer.size);
    return (struct str){ text, peer.size + 1 };
}

static void go_on(struct timer *timer)
{
    request_resume(container_of(timer, struct group_asks, timer)->request);
}

static size_t memory_most(const struct request *request)
{
    size_t share = (size_t)request->shard->net.budget->limit / MEMORY_SHARE;
    return share > MEMORY_MIN ? share : MEMORY_MIN;
}

static struct group_asks *make(struct request *request, int32_t most_at_once)
{
    struct group_asks *asks =
        arena_take(&request->arena, sizeof(*asks) + (size_t)most_at_once * sizeof(*asks->list));
    asks->request = request;
    asks->most = SIZE_MAX;
    asks->timer.run = go_on;
    request->cleanup = cleanup;
    request->work.group_asks = asks;
    return asks;
}

static struct group_asks *make_many(struct request *request, int32_t count)
{
    struct group_asks *asks =
        make(request, count < GROUP_ASKS_AT_ONCE ? count : GROUP_ASKS_AT_ONCE);
    int32_t shard_count = request->shard->shards->count;
    asks->count = count;
    asks->round = FIRST_ROUND;
    asks->most = memory_most(request);
    asks->arenas = arena_take_array(&request->arena, (size_t)shard_count, sizeof(*asks->arenas));
    for (int32_t i = 0; i < shard_count; i++)
        arena_init(&asks->arenas[i]);
    return asks;
}

/* ---- One ask. ---- */

static void done(struct rsm_request *rsm, enum error error)
{
    struct coordinator_request *request = container_of(rsm, struct coordinator_request, rsm);
    struct group_ask *ask = container_of(request, struct group_ask, ask);
    ask->error = coordinator_error(error);
    visit_done(&ask->visit);
}

/* One that the memory does not suffice for is not asked; the request ends when the round is home.
 */
static bool ask_there(struct visit *visit, struct shard *shard, struct partition *partition)
{
    struct group_ask *ask = container_of(visit, struct group_ask, visit);
    struct group_home *home = partition == NULL ? NULL : group_home_of(partition);
    if (home == NULL || shard->stopping || ask->ask.rsm.arena->held > ask->asks->most) {
        ask->error = ERROR_NOT_COORDINATOR;
        return true;
    }
    group_home_submit(home, &ask->ask);
    return false;
}

/* A member that brings no id; most heartbeats have one, and random bytes are a system call. */
static bool needs_id(enum coordinator_request_type type, const void *in)
{
    const struct join_group_request *join = in;
    const struct consumer_group_heartbeat_request *heartbeat = in;
    if (type == COORDINATOR_JOIN_GROUP)
        return join->member_id.size == 0;
    return type == COORDINATOR_CONSUMER_GROUP_HEARTBEAT && heartbeat->member_id.size == 0;
}

static struct uuid draw_id(const struct request *request)
{
    uint8_t random[16];
    io_random(loop_io(request->shard->loop), random, sizeof(random));
    return uuid_from_random(random);
}

int32_t group_ask_home_count(const struct request *request)
{
    const struct image_topic *topic = request->shard->group_topic;
    return topic == NULL ? 0 : topic->partition_count;
}

static void say(
    struct group_ask *ask, enum coordinator_request_type type, const void *in, void *out)
{
    struct request *request = ask->asks->request;
    ask->ask.type = type;
    ask->ask.request = in;
    ask->ask.response = out;
    if (type == COORDINATOR_JOIN_GROUP || type == COORDINATOR_CONSUMER_GROUP_HEARTBEAT)
        ask->ask.client_host = client_host(request);
    if (needs_id(type, in))
        ask->ask.fresh_id = draw_id(request);
}

static void send_to(struct group_ask *ask, const struct image_topic *topic, int32_t index)
{
    struct group_asks *asks = ask->asks;
    ask->visit.topic_id = topic->id;
    ask->visit.partition_index = index;
    ask->ask.rsm.arena =
        asks->arenas == NULL
            ? &asks->request->arena
            : &asks->arenas[shard_of(asks->request->shard, topic->id, index)->index];
    visits_add(&asks->visits, &ask->visit);
}

void group_ask_group(struct group_ask *ask, struct str group_id, enum coordinator_request_type type,
    const void *in, void *out)
{
    const struct image_topic *topic = ask->asks->request->shard->group_topic;
    say(ask, type, in, out);
    if (topic == NULL)
        ask->error = ERROR_NOT_COORDINATOR;
    else
        send_to(ask, topic, group_home_index(group_id, topic->partition_count));
}

/* The topic may have been made anew with fewer meanwhile. */
void group_ask_home(struct group_ask *ask, int32_t index, enum coordinator_request_type type,
    const void *in, void *out)
{
    const struct image_topic *topic = ask->asks->request->shard->group_topic;
    say(ask, type, in, out);
    if (topic == NULL || index >= topic->partition_count)
        ask->error = ERROR_NOT_COORDINATOR;
    else
        send_to(ask, topic, index);
}

/* ---- Rounds. ---- */

static struct group_ask *take_ask(struct group_asks *asks, int32_t place)
{
    const struct request *request = asks->request;
    struct group_ask *ask = &asks->list[place];
    *ask = (struct group_ask){ .asks = asks,
        .ask = { .version = request->version,
            .client_id = str_is_null(request->client_id) ? STR("") : request->client_id,
            .rsm.done = done } };
    return ask;
}

static void send_round(struct group_asks *asks, const struct group_asker *asker)
{
    struct request *request = asks->request;
    int32_t left = asks->count - asks->next;
    asks->round_count = asks->round < left ? asks->round : left;
    visits_init(&asks->visits, request);
    for (int32_t i = 0; i < asks->round_count; i++)
        asker->ask(request, asks->next + i, take_ask(asks, i));
    request_note_memory(request); /* it may be away for minutes */
    visits_send(&asks->visits, ask_there);
}

static bool is_unfinished(const struct group_ask *ask)
{
    return ask->error == ERROR_NONE && ask->ask.has_more;
}

static bool has_unfinished(const struct group_asks *asks)
{
    bool has = false;
    for (int32_t i = 0; i < asks->round_count; i++)
        has = has || is_unfinished(&asks->list[i]);
    return has;
}

/* What was decided so far is durable, and not needed any more: of many only DeleteGroups is ever
 * unfinished, and its answers are not in these arenas. One LeaveGroup has its answers in the
 * request's own. */
static void send_again(struct group_asks *asks)
{
    struct request *request = asks->request;
    visits_init(&asks->visits, request);
    for (int32_t i = 0; i < request->shard->shards->count && asks->arenas != NULL; i++)
        arena_reset(&asks->arenas[i]);
    for (int32_t i = 0; i < asks->round_count; i++)
        if (is_unfinished(&asks->list[i]))
            visits_add(&asks->visits, &asks->list[i].visit);
    visits_send(&asks->visits, ask_there);
}

/* What was decided is charged now that nobody else touches its arenas. */
static void note_memory(struct group_asks *asks)
{
    int64_t before = asks->request->lent;
    asks->request->lent = 0;
    for (int32_t i = 0; i < asks->request->shard->shards->count; i++)
        asks->request->lent += (int64_t)asks->arenas[i].held;
    request_note_memory(asks->request);
    int64_t grown = asks->request->lent - before;
    if (grown > ROUND_MANY_BYTES)
        asks->round = asks->round > 2 ? asks->round / 2 : 1;
    else if (grown < ROUND_FEW_BYTES && asks->round < GROUP_ASKS_AT_ONCE)
        asks->round *= 2;
}

static bool is_too_large(const struct group_asks *asks)
{
    int64_t left_out;
    if (asks->request->lent <= (int64_t)asks->most)
        return false;
    if (shard_may_report(asks->request->shard, &left_out))
        report_warn("answer_too_large",
            "request=\"%s\" bytes=%lld left_out=%lld consequence=\"connection closed\"",
            request_describe(asks->request), (long long)asks->request->lent, (long long)left_out);
    return true;
}

static enum step wait_for_next_pass(struct group_asks *asks)
{
    struct loop *loop = asks->request->shard->loop;
    timer_set(loop, &asks->timer, loop_now_us(loop));
    return STEP_PARK;
}

enum step group_ask_many(struct request *request, const struct group_asker *asker, int32_t count)
{
    struct group_asks *asks = request->work.group_asks;
    if (asks == NULL)
        asks = make_many(request, count < 0 ? 0 : count);
    if (asks->round_count == 0)
        send_round(asks, asker);
    else if (has_unfinished(asks))
        send_again(asks);
    if (request->errands_out > 0)
        return STEP_PARK;
    note_memory(asks);
    if (is_too_large(asks))
        return STEP_CLOSE;
    if (has_unfinished(asks))
        return wait_for_next_pass(asks);
    for (int32_t i = 0; i < asks->round_count; i++)
        asker->tell(request, asks->next + i, &asks->list[i]);
    asks->next += asks->round_count;
    asks->round_count = 0;
    if (asks->next == asks->count)
        return STEP_ANSWER;
    return wait_for_next_pass(asks);
}

bool group_ask_one(struct request *request, struct str group_id, enum coordinator_request_type type,
    const void *in, enum error *out_error)
{
    struct group_asks *asks = request->work.group_asks;
    if (asks == NULL) {
        asks = make(request, 1);
        asks->round_count = 1;
        visits_init(&asks->visits, request);
        group_ask_group(take_ask(asks, 0), group_id, type, in, request->out.message);
        request_note_memory(request);
        visits_send(&asks->visits, ask_there);
    } else if (has_unfinished(asks)) {
        send_again(asks);
    }
    if (request->errands_out > 0)
        return false;
    if (has_unfinished(asks)) {
        wait_for_next_pass(asks);
        return false;
    }
    *out_error = asks->list[0].error;
    if (*out_error == ERROR_NONE)
        group_report_conversions(request->shard, &request->arena, asks->list[0].ask.conversions);
    else /* what was decided did not come to pass */
        message_defaults(request->api->response, request->out.message);
    return true;
}

bool group_ask_is_enabled(const struct request *request)
{
    const struct image *image = request->shard->image;
    bool is_served = (request->shard->settings->group_protocols & GROUP_PROTOCOL_CONSUMER) != 0;
    return is_served && image != NULL && image_feature(image, STR("group.version")) > 0;
}
