/* SPDX-License-Identifier: Apache-2.0 */
/* What peers may send to a whole node. The input is steps of three connections (the last one to the controller's listener):
 * requests whose fields it decides, frames of any bytes behind a right header, any bytes at all, cut anywhere; waiting, not
 * reading, hanging up. A request that was well-formed gets an answer that decodes, in order, or the connection ends. After each
 * input an honest client is answered as ever, and when all others have gone no memory is charged to anybody.
 * A node lives until something was written to its metadata, and for at most so many inputs. */
#include <assert.h>
#include <errno.h>

#include "base/arena.h"
#include "base/container.h"
#include "base/memory.h"
#include "fuzz/draw.h"
#include "fuzz/draw_batch.h"
#include "fuzz/node_world.h"
#include "io/socket.h"
#include "wire/decode.h"
#include "wire/gen/request_header_record.h"
#include "wire/gen/response_header_record.h"

enum { PEERS = 3, MOST_STEPS = 16, MOST_ASKED = MOST_STEPS, INPUTS_PER_NODE = 256, LIMIT_US = 40000000 };

enum step_kind { STEP_MESSAGE, STEP_MESSAGE_TOO, STEP_MESSAGE_AS_WELL, STEP_BODY, STEP_BYTES, STEP_WAIT, STEP_DEAF, STEP_HANG_UP };

struct asked {
    const struct api_schema *api;
    int16_t version;
    int32_t correlation_id;
};

struct peer {
    struct socket_watch watch;
    struct socket *socket; /* NULL: not connected */
    struct loop *loop;
    int port;
    uint8_t *out, *in;
    size_t out_size, out_sent, in_size, in_capacity;
    struct asked asked[MOST_ASKED]; /* in order; what was sent as bytes only is not among them */
    int asked_count, answered_count;
    bool is_wild; /* it was sent bytes, which may have been anything */
};

static struct node_world *world;
static int inputs_seen;

/* ---- What requests speak of. ---- */

static const char *const words[] = { "open", "honest", "new", "__consumer_offsets", "__cluster_metadata", "no.such", "1", "0", "-1",
    "retention.ms", "cleanup.policy", "compact", "max.message.bytes", "segment.bytes", "compression.type", "zstd",
    "min.insync.replicas", "log.retention.ms", "user", "client-id", "ip", "producer_byte_rate", "metadata.version",
    "kraft.version", "cluster", "1048576", "ack.durability", "page-cache", "follower.replication.throttled.replicas", "/data",
    "confluent", "message.timestamp.type", "LogAppendTime", "max.connections", "SCRAM-SHA-256" };

static struct uuid draw_uuid(struct input *input)
{
    struct uuid id = { 0 };
    uint8_t choice = input_byte(input);
    if (choice < 160)
        return world->open_id;
    id.bytes[15] = choice & 3;
    return id;
}

static struct bytes draw_records(struct input *input, struct arena *arena)
{
    return (input_byte(input) & 0xf0) == 0xf0 ? input_take(input, input_byte(input)) : batch_draw(input, 0, arena);
}

static const struct draw_words draw_words = { words, sizeof(words) / sizeof(words[0]), draw_records, draw_uuid };

/* ---- Peers. ---- */

static void hang_up(struct peer *peer)
{
    socket_close(peer->socket);
    peer->socket = NULL;
    peer->out_size = peer->out_sent = peer->in_size = 0;
    peer->asked_count = peer->answered_count = 0;
    peer->is_wild = false;
}

/* An answer to the oldest request that is not answered; those with acks=0 never are. */
static void take_answer(struct peer *peer, struct bytes frame)
{
    struct response_header_record header;
    struct arena arena;
    size_t used;
    if (peer->is_wild)
        return;
    assert(frame.size >= 4);
    int32_t correlation_id = load_i32(frame.data);
    while (peer->answered_count < peer->asked_count && peer->asked[peer->answered_count].correlation_id != correlation_id) {
        assert(peer->asked[peer->answered_count].api->key == API_PRODUCE);
        peer->answered_count++;
    }
    assert(peer->answered_count < peer->asked_count);
    const struct asked *asked = &peer->asked[peer->answered_count++];
    if (!schema_has_version(asked->api->response, asked->version))
        return; /* ApiVersions, in the oldest form */
    arena_init(&arena);
    int16_t header_version = api_response_header_version(asked->api, asked->version);
    assert(message_decode(&response_header_record_schema, header_version, frame, &arena, &header, &used));
    struct bytes body = { frame.data + used, frame.size - used };
    void *response = arena_take(&arena, asked->api->response->shape->size);
    assert(message_decode(asked->api->response, asked->version, body, &arena, response, &used) && used == body.size);
    arena_deinit(&arena);
}

static void read_answers(struct peer *peer)
{
    for (;;) {
        if (peer->in_capacity - peer->in_size < 4096) {
            peer->in_capacity = peer->in_capacity * 2 + 8192;
            peer->in = memory_resize(peer->in, peer->in_capacity);
        }
        int64_t got = socket_read(peer->socket, peer->in + peer->in_size, peer->in_capacity - peer->in_size);
        if (got > 0)
            peer->in_size += (size_t)got;
        while (peer->in_size >= 4 && peer->in_size - 4 >= load_u32(peer->in)) {
            size_t size = load_u32(peer->in);
            take_answer(peer, (struct bytes){ peer->in + 4, size });
            memmove(peer->in, peer->in + 4 + size, peer->in_size - 4 - size);
            peer->in_size -= 4 + size;
        }
        if (got == -EAGAIN)
            return;
        if (got <= 0) {
            hang_up(peer);
            return;
        }
    }
}

static void write_more(struct peer *peer)
{
    while (peer->out_sent < peer->out_size) {
        struct iovec vector = { peer->out + peer->out_sent, peer->out_size - peer->out_sent };
        int64_t done = socket_writev(peer->socket, &vector, 1, false);
        if (done == -EAGAIN)
            break;
        if (done < 0) {
            hang_up(peer);
            return;
        }
        peer->out_sent += (size_t)done;
    }
    socket_want_write(peer->socket, peer->out_sent < peer->out_size);
}

static void run_socket(struct socket_watch *watch, unsigned events)
{
    struct peer *peer = container_of(watch, struct peer, watch);
    if (events & SOCKET_WRITABLE)
        write_more(peer);
    if (peer->socket != NULL && (events & (SOCKET_READABLE | SOCKET_FAILED)))
        read_answers(peer);
}

static void send_bytes(struct peer *peer, struct bytes bytes)
{
    if (bytes.size == 0)
        return;
    if (peer->socket == NULL) {
        int status = socket_connect(peer->loop, "node", peer->port, &peer->watch, &peer->socket);
        assert(status == 0);
    }
    peer->out = memory_resize(peer->out, peer->out_size + bytes.size);
    memcpy(peer->out + peer->out_size, bytes.data, bytes.size);
    peer->out_size += bytes.size;
    socket_want_write(peer->socket, true);
}

/* ---- Steps. ---- */

/* The only node would lead nothing until its next start, as it was asked to. */
static bool ends_the_node(const struct api_schema *api)
{
    return api->key == API_UNREGISTER_BROKER;
}

static void send_frame(struct peer *peer, const struct api_schema *api, int16_t version, struct bytes body, struct arena *arena)
{
    const struct request_header_record header = { .request_api_key = api->key,
        .request_api_version = version,
        .correlation_id = peer->asked_count + 1,
        .client_id = STR("fuzz") };
    struct bytes head = message_bytes(&request_header_record_schema, api_request_header_version(api, version), &header, arena);
    uint8_t *frame = arena_take(arena, 4 + head.size + body.size);
    store_u32(frame, (uint32_t)(head.size + body.size));
    memcpy(frame + 4, head.data, head.size);
    memcpy(frame + 4 + head.size, body.data, body.size);
    send_bytes(peer, (struct bytes){ frame, 4 + head.size + body.size });
    if (peer->socket != NULL)
        peer->asked[peer->asked_count++] = (struct asked){ api, version, header.correlation_id };
}

static void send_request(struct peer *peer, struct input *input, bool is_well_formed, struct arena *arena)
{
    const struct api_schema *api = &api_schemas[input_byte(input) % api_schema_count];
    const struct message_schema *schema = api->request;
    int16_t version = (int16_t)(schema->max_version - input_byte(input) % (schema->max_version - schema->min_version + 1));
    if (ends_the_node(api))
        return;
    struct bytes body = is_well_formed
                            ? message_bytes(schema, version, message_draw(schema, version, input, &draw_words, arena), arena)
                            : input_take(input, (size_t)input_number(input, 2));
    send_frame(peer, api, version, body, arena);
}

static bool never(void *context)
{
    (void)context;
    return false;
}

static void take_step(struct peer *peer, enum step_kind kind, struct input *input, struct arena *arena)
{
    switch (kind) {
    case STEP_MESSAGE:
    case STEP_MESSAGE_TOO:
    case STEP_MESSAGE_AS_WELL: send_request(peer, input, true, arena); break;
    case STEP_BODY: send_request(peer, input, false, arena); break;
    case STEP_BYTES:
        peer->is_wild = true;
        send_bytes(peer, input_take(input, (size_t)input_number(input, 2)));
        break;
    case STEP_WAIT: node_world_run(world, 1 + input_byte(input) * 2000, never, NULL); break;
    case STEP_DEAF:
        if (peer->socket != NULL)
            socket_pause_reading(peer->socket, true);
        break;
    case STEP_HANG_UP: hang_up(peer); break;
    }
}

static bool is_at_rest(void *context)
{
    return node_world_budget(context) <= world->budget_at_rest || node_world_has_stopped(context);
}

static void run_input(struct peer *peers, struct input *input)
{
    struct arena arena;
    arena_init(&arena);
    for (int i = 0; i < MOST_STEPS && input_left(input) > 0; i++) {
        uint8_t choice = input_byte(input);
        take_step(&peers[choice / 8 % PEERS], choice % 8, input, &arena);
    }
    node_world_run(world, 100000, never, NULL);
    node_world_ask_honestly(world);
    for (int i = 0; i < PEERS; i++) {
        hang_up(&peers[i]);
        memory_give(peers[i].out);
        memory_give(peers[i].in);
    }
    bool is_given_back = node_world_run(world, LIMIT_US, is_at_rest, world);
    assert(is_given_back && !node_world_has_stopped(world));
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = input_of(data, size);
    struct peer peers[PEERS];
    if (world == NULL)
        world = node_world_create();
    for (int i = 0; i < PEERS; i++)
        peers[i] = (struct peer){ .watch.ready = run_socket, .loop = world->loop, .port = i == 2 ? CONTROLLER_PORT : NODE_PORT };
    run_input(peers, &input);
    if (node_world_has_changed(world) || ++inputs_seen % INPUTS_PER_NODE == 0) {
        node_world_destroy(world);
        world = NULL;
    }
    return 0;
}
