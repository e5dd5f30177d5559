/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/link.h"

#include <assert.h>
#include <errno.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/container.h"
#include "base/memory.h"
#include "io/io.h"
#include "io/socket.h"
#include "wire/decode.h"
#include "wire/encode.h"
#include "wire/gen/api_versions.h"
#include "wire/gen/request_header_record.h"
#include "wire/gen/response_header_record.h"

enum { ANSWER_MAX = 256 << 20 };

struct version_range {
    int16_t min, max; /* max -1: not there */
};

struct link {
    struct loop *loop;
    struct socket_watch watch;
    struct socket *socket;
    struct timer timer;
    int64_t timeout_ms;
    int status; /* -errno once the connection is of no use */
    bool connected, timed_out;
    uint8_t *out; /* what is being sent */
    size_t out_size, out_done;
    uint8_t length[4];
    size_t length_done;
    uint8_t *in; /* the answer, without its length; NULL: its length is not here yet */
    size_t in_size, in_done;
    int32_t correlation;
    struct version_range versions[LINK_API_COUNT];
};

static void expire(struct timer *timer)
{
    struct link *link = container_of(timer, struct link, timer);
    link->timed_out = true;
}

/* From now on, not from the loop's last turn, which may be long ago. */
static void set_timer(struct loop *loop, struct timer *timer, int64_t milliseconds)
{
    timer_set(loop, timer, io_monotonic_us(loop_io(loop)) + milliseconds * 1000);
}

struct nap {
    struct timer timer;
    bool over;
};

static void end_nap(struct timer *timer)
{
    container_of(timer, struct nap, timer)->over = true;
}

void link_turn(struct loop *loop, int64_t milliseconds)
{
    struct nap nap = { .timer = { .run = end_nap } };
    if (milliseconds >= 0)
        set_timer(loop, &nap.timer, milliseconds);
    loop_turn(loop);
    timer_cancel(loop, &nap.timer);
}

void link_wait(struct loop *loop, int64_t milliseconds)
{
    struct nap nap = { .timer = { .run = end_nap } };
    set_timer(loop, &nap.timer, milliseconds);
    while (!nap.over)
        loop_turn(loop);
}

static void send_out(struct link *link)
{
    while (link->out_done < link->out_size) {
        struct iovec vector = { link->out + link->out_done, link->out_size - link->out_done };
        int64_t sent = socket_writev(link->socket, &vector, 1, false);
        if (sent == -EAGAIN) {
            socket_want_write(link->socket, true);
            return;
        }
        if (sent < 0) {
            link->status = (int)sent;
            return;
        }
        link->out_done += (size_t)sent;
    }
    socket_want_write(link->socket, false);
}

/* Takes what has arrived, up to the end of the answer that is waited for. */
static void receive_in(struct link *link)
{
    for (;;) {
        bool has_length = link->length_done == sizeof(link->length);
        uint8_t *to = has_length ? link->in + link->in_done : link->length + link->length_done;
        size_t wanted =
            has_length ? link->in_size - link->in_done : sizeof(link->length) - link->length_done;
        if (wanted == 0)
            return;
        int64_t got = socket_read(link->socket, to, wanted);
        if (got == -EAGAIN)
            return;
        if (got <= 0) {
            link->status = got == 0 ? -ECONNRESET : (int)got;
            return;
        }
        if (has_length) {
            link->in_done += (size_t)got;
            continue;
        }
        link->length_done += (size_t)got;
        if (link->length_done < sizeof(link->length))
            continue;
        int32_t size = load_i32(link->length);
        if (size < 4 || size > ANSWER_MAX) {
            link->status = -EPROTO;
            return;
        }
        link->in_size = (size_t)size;
        link->in = memory_take_raw(link->in_size);
    }
}

static void ready(struct socket_watch *watch, unsigned events)
{
    struct link *link = container_of(watch, struct link, watch);
    if (link->status < 0)
        return;
    if (events & SOCKET_WRITABLE) {
        link->connected = true;
        send_out(link);
    }
    if (events & (SOCKET_READABLE | SOCKET_FAILED))
        receive_in(link);
}

enum wait { WAIT_CONNECTED, WAIT_SENT, WAIT_ANSWERED };

static bool is_over(const struct link *link, enum wait wait)
{
    switch (wait) {
    case WAIT_CONNECTED:
        return link->connected;
    case WAIT_SENT:
        return link->out_done == link->out_size;
    case WAIT_ANSWERED:
        break;
    }
    return link->in != NULL && link->in_done == link->in_size;
}

static int wait_for(struct link *link, enum wait wait)
{
    link->timed_out = false;
    set_timer(link->loop, &link->timer, link->timeout_ms);
    while (link->status == 0 && !link->timed_out && !is_over(link, wait))
        loop_turn(link->loop);
    timer_cancel(link->loop, &link->timer);
    if (link->status == 0 && link->timed_out)
        link->status = -ETIMEDOUT; /* a late answer would be taken for the next one's */
    return link->status;
}

static int connect_to(struct link *link, const char *host, int port)
{
    link->status = 0;
    link->connected = false;
    int status = socket_connect(link->loop, host, port, &link->watch, &link->socket);
    if (status < 0)
        return status;
    socket_want_write(link->socket, true);
    status = wait_for(link, WAIT_CONNECTED);
    if (status < 0) {
        socket_close(link->socket);
        link->socket = NULL;
    }
    return status;
}

/* Header and body, with their length in front. */
static void build_frame(
    struct link *link, const struct api_schema *api, int16_t version, const void *request)
{
    struct request_header_record header = { .request_api_key = api->key,
        .request_api_version = version,
        .correlation_id = ++link->correlation,
        .client_id = STR("strom") };
    int16_t header_version = api_request_header_version(api, version);
    size_t header_size = message_size(&request_header_record_schema, header_version, &header);
    size_t body_size = message_size(api->request, version, request);
    memory_give(link->out);
    link->out_size = 4 + header_size + body_size;
    link->out = memory_take_raw(link->out_size);
    link->out_done = 0;
    store_u32(link->out, (uint32_t)(header_size + body_size));
    message_encode(
        &request_header_record_schema, header_version, &header, link->out + 4, header_size, NULL);
    message_encode(api->request, version, request, link->out + 4 + header_size, body_size, NULL);
}

/* The answer's body, into the arena; link->in is used up. */
static int take_answer(struct link *link, const struct api_schema *api, int16_t version,
    struct arena *arena, void *out_response)
{
    struct bytes frame = { arena_copy(arena, link->in, link->in_size), link->in_size };
    struct response_header_record header;
    size_t used = 0;
    memory_give(link->in);
    link->in = NULL;
    int16_t header_version = api_response_header_version(api, version);
    if (!message_decode(
            &response_header_record_schema, header_version, frame, arena, &header, &used) ||
        header.correlation_id != link->correlation)
        return -EPROTO;
    struct bytes body = { frame.data + used, frame.size - used };
    return message_decode(api->response, version, body, arena, out_response, NULL) ? 0 : -EPROTO;
}

static int exchange(struct link *link, const struct api_schema *api, int16_t version,
    const void *request, struct arena *arena, void *out_response)
{
    assert(link->in == NULL);
    build_frame(link, api, version, request);
    link->length_done = link->in_done = link->in_size = 0;
    send_out(link);
    int status = wait_for(link, arena == NULL ? WAIT_SENT : WAIT_ANSWERED);
    if (status == 0 && arena != NULL)
        status = take_answer(link, api, version, arena, out_response);
    if (status < 0)
        link->status = status;
    return status;
}

static int ask_versions(struct link *link)
{
    struct arena arena;
    struct api_versions_request request;
    struct api_versions_response response;
    const struct api_schema *api = api_schema_find(API_API_VERSIONS);
    message_defaults(api->request, &request);
    request.client_software_name = STR("strom");
    request.client_software_version = STR(STROM_VERSION);
    arena_init(&arena);
    /* Version 3 is what every node since 2.4 knows; an older one answers in version 0, which we do
     * not speak. */
    int status = exchange(link, api, 3, &request, &arena, &response);
    if (status == 0 && response.error_code != 0)
        status = link->status = -EPROTONOSUPPORT;
    for (int i = 0; i < LINK_API_COUNT; i++)
        link->versions[i] = (struct version_range){ 0, -1 };
    for (int32_t i = 0; status == 0 && i < response.api_keys_count; i++) {
        const struct api_versions_api_version *row = &response.api_keys[i];
        if (row->api_key >= 0 && row->api_key < LINK_API_COUNT)
            link->versions[row->api_key] =
                (struct version_range){ row->min_version, row->max_version };
    }
    arena_deinit(&arena);
    return status;
}

int link_open(
    struct loop *loop, const char *host, int port, int64_t timeout_ms, struct link **out_link)
{
    struct link *link = memory_take(sizeof(*link));
    link->loop = loop;
    link->timeout_ms = timeout_ms;
    link->watch.ready = ready;
    link->timer.run = expire;
    int status = connect_to(link, host, port);
    /* A node may listen on one of localhost's two addresses only. */
    bool is_localhost = strcmp(host, "localhost") == 0;
    if (status == -ECONNREFUSED && is_localhost)
        status = connect_to(link, "127.0.0.1", port);
    if (status == -ECONNREFUSED && is_localhost)
        status = connect_to(link, "::1", port);
    if (status == 0)
        status = ask_versions(link);
    if (status < 0) {
        link_close(link);
        link = NULL;
    }
    *out_link = link;
    return status;
}

void link_close(struct link *link)
{
    if (link == NULL)
        return;
    socket_close(link->socket);
    memory_give(link->out);
    memory_give(link->in);
    memory_give(link);
}

bool link_is_open(const struct link *link)
{
    return link->status == 0;
}

int link_call(struct link *link, int16_t api_key, const void *request, struct arena *arena,
    void *out_response, int16_t *out_version)
{
    const struct api_schema *api = api_schema_find(api_key);
    assert(api != NULL && api_key < LINK_API_COUNT);
    struct version_range theirs = link->versions[api_key];
    int16_t version =
        theirs.max < api->request->max_version ? theirs.max : api->request->max_version;
    if (theirs.max < 0 || version < theirs.min || version < api->request->min_version)
        return -EPROTONOSUPPORT;
    while (version >= api->request->unstable_since)
        version--;
    *out_version = version;
    return exchange(link, api, version, request, arena, out_response);
}
