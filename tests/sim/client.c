/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/client.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/container.h"
#include "base/memory.h"
#include "sim/frame.h"

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

static void bite_again(struct timer *timer)
{
    struct client *client = container_of(timer, struct client, rest);
    if (client->socket != NULL)
        socket_pause_reading(client->socket, false);
}

static void rest(struct client *client)
{
    socket_pause_reading(client->socket, true);
    timer_set(client->loop, &client->rest, loop_now_us(client->loop) + client->chew_us(client));
}

static void read_answer(struct client *client)
{
    for (bool is_hungry = true; is_hungry;) {
        if (client->in_capacity - client->in_size < 4096) {
            client->in_capacity = client->in_capacity * 2 + 8192;
            client->in = memory_resize(client->in, client->in_capacity);
        }
        size_t size = client->in_capacity - client->in_size;
        int64_t got = socket_read(client->socket, client->in + client->in_size, client->bite > 0 ? client->bite : size);
        if (got == -EAGAIN)
            break;
        if (got <= 0) {
            disconnect(client, got == 0 ? -ECONNRESET : (int)got);
            return;
        }
        client->in_size += (size_t)got;
        is_hungry = client->bite == 0;
    }
    if (client->bite > 0)
        rest(client);
    if (client->in_size < 4)
        return;
    size_t size = load_u32(client->in);
    if (client->api == NULL || size > LARGEST_ANSWER || client->in_size > size + 4) {
        disconnect(client, -EBADMSG); /* what nobody asked for */
    } else if (client->in_size == size + 4) {
        client->response =
            frame_read(client->api, client->version, client->correlation_id, (struct bytes){ client->in + 4, size }, &client->arena);
        client->in_size = 0;
        finish(client, client->response != NULL ? 0 : -EBADMSG);
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
    client->rest.run = bite_again;
    arena_init(&client->arena);
}

void client_deinit(struct client *client)
{
    client_hang_up(client);
    timer_cancel(client->loop, &client->rest);
    arena_deinit(&client->arena);
    memory_give(client->out);
    memory_give(client->in);
}

void client_ask(struct client *client, enum api_key api, int16_t version, const void *request, int64_t limit_us)
{
    assert(client->api == NULL && !client->answer.queued);
    client->api = api_schema_find((int16_t)api);
    assert(client->api != NULL && schema_has_version(client->api->request, version));
    client->version = version;
    client->correlation_id++;
    memory_give(client->out);
    client->out = frame_build(client->api, version, client->correlation_id, request, &client->out_size);
    client->out_sent = 0;
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
