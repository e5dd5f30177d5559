/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/group_ask.h"

#include "base/container.h"
#include "base/uuid.h"
#include "broker/apis.h"
#include "broker/group_home.h"
#include "broker/request.h"
#include "broker/shard.h"
#include "io/io.h"
#include "net/conn.h"
#include "wire/gen/consumer_group_heartbeat.h"
#include "wire/gen/join_group.h"
#include "wire/schema.h"

static void cleanup(struct request *request)
{
    for (int32_t i = 0; i < request->shard->shards->count; i++)
        arena_deinit(&request->work.group_asks->arenas[i]);
}

/* As Java prints an address. */
static struct str client_host(struct request *request)
{
    const struct conn *conn = request->reply.conn;
    struct str peer = str_from(conn == NULL ? "" : conn_peer(conn));
    char *text = arena_take(&request->arena, (size_t)peer.size + 1);
    text[0] = '/';
    memcpy(text + 1, peer.data, (size_t)peer.size);
    return (struct str){ text, peer.size + 1 };
}

struct group_asks *group_asks_make(struct request *request)
{
    struct group_asks *asks = arena_take(&request->arena, sizeof(*asks));
    int32_t shard_count = request->shard->shards->count;
    asks->request = request;
    asks->last = &asks->list;
    asks->client_host = client_host(request);
    asks->arenas = arena_take_array(&request->arena, (size_t)shard_count, sizeof(*asks->arenas));
    for (int32_t i = 0; i < shard_count; i++)
        arena_init(&asks->arenas[i]);
    visits_init(&asks->visits, request);
    request->work.group_asks = asks;
    request->cleanup = cleanup;
    return asks;
}

static void done(struct rsm_request *rsm, enum error error)
{
    struct coordinator_request *request = container_of(rsm, struct coordinator_request, rsm);
    struct group_ask *ask = container_of(request, struct group_ask, ask);
    ask->error = coordinator_error(error);
    visit_done(&ask->visit);
}

static bool ask_there(struct visit *visit, struct shard *shard, struct partition *partition)
{
    struct group_ask *ask = container_of(visit, struct group_ask, visit);
    struct group_home *home = partition == NULL ? NULL : group_home_of(partition);
    if (home == NULL || shard->stopping) {
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

static struct group_ask *add(
    struct group_asks *asks, enum coordinator_request_type type, const void *in, void *out)
{
    struct request *request = asks->request;
    struct group_ask *ask = arena_take(&request->arena, sizeof(*ask));
    ask->ask = (struct coordinator_request){ .type = type,
        .version = request->version,
        .request = in,
        .response = out,
        .client_id = str_is_null(request->client_id) ? STR("") : request->client_id,
        .client_host = asks->client_host,
        .rsm.done = done };
    if (needs_id(type, in))
        ask->ask.fresh_id = draw_id(request);
    *asks->last = ask;
    asks->last = &ask->next;
    return ask;
}

static const struct image_topic *group_topic(const struct group_asks *asks)
{
    const struct image *image = asks->request->shard->image;
    return image == NULL ? NULL : image_topic_by_name(image, STR(GROUP_TOPIC));
}

static void send_to(
    struct group_asks *asks, struct group_ask *ask, struct uuid topic_id, int32_t index)
{
    ask->visit.topic_id = topic_id;
    ask->visit.partition_index = index;
    ask->ask.rsm.arena = &asks->arenas[shard_of(asks->request->shard, topic_id, index)->index];
    visits_add(&asks->visits, &ask->visit);
}

struct group_ask *group_ask_add(struct group_asks *asks, struct str group_id,
    enum coordinator_request_type type, const void *in, void *out)
{
    const struct image_topic *topic = group_topic(asks);
    struct group_ask *ask = add(asks, type, in, out);
    if (topic == NULL)
        ask->error = ERROR_NOT_COORDINATOR;
    else
        send_to(asks, ask, topic->id, group_home_index(group_id, topic->partition_count));
    return ask;
}

void group_ask_add_all(struct group_asks *asks, enum coordinator_request_type type, const void *in,
    void *(*make_out)(struct request *request))
{
    const struct image_topic *topic = group_topic(asks);
    for (int32_t i = 0; topic != NULL && i < topic->partition_count; i++)
        send_to(asks, add(asks, type, in, make_out(asks->request)), topic->id, i);
}

void group_asks_send(struct group_asks *asks)
{
    request_note_memory(asks->request); /* it may be away for minutes */
    visits_send(&asks->visits, ask_there);
}

bool group_ask_is_enabled(const struct request *request)
{
    const struct image *image = request->shard->image;
    return image != NULL && image_feature(image, STR("group.version")) > 0;
}

bool group_ask_one(struct request *request, struct str group_id, enum coordinator_request_type type,
    const void *in, enum error *out_error)
{
    if (request->work.group_asks == NULL) {
        struct group_asks *asks = group_asks_make(request);
        group_ask_add(asks, group_id, type, in, request->out.message);
        group_asks_send(asks);
    }
    if (request->errands_out > 0)
        return false;
    *out_error = request->work.group_asks->list->error;
    if (*out_error != ERROR_NONE) /* what was decided did not come to pass */
        message_defaults(request->api->response, request->out.message);
    return true;
}
