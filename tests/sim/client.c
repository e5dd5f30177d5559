/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/client.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/container.h"
#include "base/memory.h"
#include "wire/decode.h"
#include "wire/encode.h"
#include "wire/gen/request_header_record.h"
#include "wire/gen/response_header_record.h"

enum { LARGEST_ANSWER = 64 * 1024 * 1024 };

static void run_answer(struct task *task)
{
    struct client *client = container_of(task, struct client, answer);
    client->answered(client);
}

static void finish(struct client *client, int status)
{
    if (client->api == NULL)
        return;
    client->api = NULL;
    client->expects_nothing = false;
    client->status = status;
    timer_cancel(client->loop, &client->deadline);
    loop_enqueue(client->loop, &client->answer);
}

static void disconnect(struct client *client, int status)
{
    socket_close(client->socket);
    client->socket = NULL;
    client->in_size = 0;
    finish(client, status);
}

void client_hang_up(struct client *client)
{
    client->api = NULL;
    timer_cancel(client->loop, &client->deadline);
    disconnect(client, 0);
}

bool client_is_busy(const struct client *client)
{
    return client->api != NULL || client->answer.queued;
}

static void give_up(struct timer *timer)
{
    disconnect(container_of(timer, struct client, deadline), -ETIMEDOUT);
}

/* One whole frame: 0, or -EBADMSG. */
static int take_answer(struct client *client, struct bytes frame)
{
    struct response_header_record header;
    size_t used;
    const struct message_schema *schema = client->api->response;
    if (!message_decode(&response_header_record_schema, api_response_header_version(client->api, client->version), frame,
                        &client->arena, &header, &used) ||
        header.correlation_id != client->correlation_id)
        return -EBADMSG;
    frame = (struct bytes){ frame.data + used, frame.size - used };
    void *response = arena_take(&client->arena, schema->shape->size);
    if (!message_decode(schema, client->version, frame, &client->arena, response, &used) || used != frame.size)
        return -EBADMSG;
    client->response = response;
    return 0;
}

static void read_answer(struct client *client)
{
    for (;;) {
        if (client->in_capacity - client->in_size < 4096) {
            client->in_capacity = client->in_capacity * 2 + 8192;
            client->in = memory_resize(client->in, client->in_capacity);
        }
        int64_t got = socket_read(client->socket, client->in + client->in_size, client->in_capacity - client->in_size);
        if (got == -EAGAIN)
            break;
        if (got <= 0) {
            disconnect(client, got == 0 ? -ECONNRESET : (int)got);
            return;
        }
        client->in_size += (size_t)got;
    }
    if (client->in_size < 4)
        return;
    size_t size = load_u32(client->in);
    if (client->api == NULL || size > LARGEST_ANSWER || client->in_size > size + 4) {
        disconnect(client, -EBADMSG); /* what nobody asked for */
    } else if (client->in_size == size + 4) {
        int status = take_answer(client, (struct bytes){ client->in + 4, size });
        client->in_size = 0;
        finish(client, status);
    }
}

static void write_request(struct client *client)
{
    while (client->out_sent < client->out_size) {
        struct iovec vector = { client->out + client->out_sent, client->out_size - client->out_sent };
        int64_t done = socket_writev(client->socket, &vector, 1, false);
        if (done == -EAGAIN)
            break;
        if (done < 0) {
            disconnect(client, (int)done);
            return;
        }
        client->out_sent += (size_t)done;
    }
    socket_want_write(client->socket, client->out_sent < client->out_size);
    if (client->out_sent == client->out_size && client->expects_nothing)
        finish(client, 0);
}

static void run_socket(struct socket_watch *watch, unsigned events)
{
    struct client *client = container_of(watch, struct client, watch);
    if (events & SOCKET_WRITABLE)
        write_request(client);
    if (client->socket != NULL && (events & (SOCKET_READABLE | SOCKET_FAILED)))
        read_answer(client);
}

void client_init(struct client *client, struct loop *loop, const char *host, int port,
                 void (*answered)(struct client *client))
{
    *client = (struct client){ .loop = loop, .host = host, .port = port, .answered = answered };
    client->watch.ready = run_socket;
    client->answer.run = run_answer;
    client->deadline.run = give_up;
    arena_init(&client->arena);
}

void client_deinit(struct client *client)
{
    client_hang_up(client);
    arena_deinit(&client->arena);
    memory_give(client->out);
    memory_give(client->in);
}

static void encode_request(struct client *client, const void *request)
{
    const struct request_header_record header = { .request_api_key = client->api->key,
                                                  .request_api_version = client->version,
                                                  .correlation_id = client->correlation_id,
                                                  .client_id = STR("simulated") };
    int16_t header_version = api_request_header_version(client->api, client->version);
    size_t header_size = message_size(&request_header_record_schema, header_version, &header);
    size_t body_size = message_size(client->api->request, client->version, request);
    client->out_size = 4 + header_size + body_size;
    client->out_sent = 0;
    memory_give(client->out);
    client->out = memory_take(client->out_size);
    store_u32(client->out, (uint32_t)(header_size + body_size));
    message_encode(&request_header_record_schema, header_version, &header, client->out + 4, header_size, NULL);
    message_encode(client->api->request, client->version, request, client->out + 4 + header_size, body_size, NULL);
}

void client_ask(struct client *client, enum api_key api, int16_t version, const void *request, int64_t limit_us)
{
    assert(client->api == NULL && !client->answer.queued);
    client->api = api_schema_find((int16_t)api);
    assert(client->api != NULL && schema_has_version(client->api->request, version));
    client->version = version;
    client->correlation_id++;
    encode_request(client, request);
    arena_reset(&client->arena);
    client->response = NULL;
    timer_set(client->loop, &client->deadline, loop_now_us(client->loop) + limit_us);
    if (client->socket == NULL) {
        int status = socket_connect(client->loop, client->host, client->port, &client->watch, &client->socket);
        if (status < 0) {
            client->socket = NULL;
            finish(client, status);
            return;
        }
    }
    socket_want_write(client->socket, true);
}
