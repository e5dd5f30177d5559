/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/pipe.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/container.h"
#include "base/memory.h"
#include "sim/frame.h"

void pipe_close(struct pipe *pipe)
{
    socket_close(pipe->socket);
    pipe->socket = NULL;
    pipe->call_count = 0;
    pipe->out_size = pipe->out_sent = pipe->in_size = 0;
}

static void disconnect(struct pipe *pipe)
{
    socket_close(pipe->socket);
    pipe->socket = NULL;
    pipe->lost(pipe);
    pipe_close(pipe);
}

/* ---- In ---- */

static bool take_answer(struct pipe *pipe, struct bytes frame)
{
    struct pipe_call call = pipe->calls[0];
    const void *response = NULL;
    arena_reset(&pipe->arena);
    if (pipe->call_count > 0)
        response = frame_read(call.api, call.version, call.correlation_id, frame, &pipe->arena);
    if (response != NULL) {
        pipe->call_count--;
        memmove(pipe->calls, pipe->calls + 1, (size_t)pipe->call_count * sizeof(pipe->calls[0]));
    }
    pipe->answered(pipe, &call, response);
    return response != NULL;
}

static bool take_answers(struct pipe *pipe)
{
    while (pipe->in_size >= 4 && pipe->in_size - 4 >= load_u32(pipe->in)) {
        size_t size = load_u32(pipe->in);
        if (!take_answer(pipe, (struct bytes){ pipe->in + 4, size }))
            return false;
        pipe->in_size -= size + 4;
        memmove(pipe->in, pipe->in + size + 4, pipe->in_size);
    }
    return true;
}

static void read_answers(struct pipe *pipe)
{
    for (int64_t got = 1; got > 0;) {
        if (pipe->in_capacity - pipe->in_size < 4096) {
            pipe->in_capacity = pipe->in_capacity * 2 + 8192;
            pipe->in = memory_resize(pipe->in, pipe->in_capacity);
        }
        got = socket_read(pipe->socket, pipe->in + pipe->in_size, pipe->in_capacity - pipe->in_size);
        if (got <= 0 && got != -EAGAIN) {
            disconnect(pipe);
            return;
        }
        pipe->in_size += got > 0 ? (size_t)got : 0;
    }
    if (!take_answers(pipe))
        disconnect(pipe);
}

/* ---- Out ---- */

static void write_on(struct pipe *pipe)
{
    while (pipe->out_sent < pipe->out_size) {
        struct iovec vector = { pipe->out + pipe->out_sent, pipe->out_size - pipe->out_sent };
        int64_t done = socket_writev(pipe->socket, &vector, 1, false);
        if (done == -EAGAIN)
            break;
        if (done < 0) {
            disconnect(pipe);
            return;
        }
        pipe->out_sent += (size_t)done;
    }
    if (pipe->out_sent == pipe->out_size)
        pipe->out_sent = pipe->out_size = 0;
    socket_want_write(pipe->socket, pipe->out_size > 0);
}

void pipe_send(struct pipe *pipe, const struct api_schema *api, int16_t version, const void *request)
{
    size_t size;
    assert(pipe->socket != NULL && pipe->call_count < CALLS_MOST);
    struct pipe_call *call = &pipe->calls[pipe->call_count++];
    *call = (struct pipe_call){ .api = api, .version = version, .correlation_id = ++pipe->correlation_id };
    uint8_t *frame = frame_build(api, version, call->correlation_id, request, &size);
    pipe->out = memory_resize(pipe->out, pipe->out_size + size);
    memcpy(pipe->out + pipe->out_size, frame, size);
    pipe->out_size += size;
    memory_give(frame);
    socket_want_write(pipe->socket, true);
}

/* ---- Life ---- */

static void run_socket(struct socket_watch *watch, unsigned events)
{
    struct pipe *pipe = container_of(watch, struct pipe, watch);
    if (events & SOCKET_WRITABLE)
        write_on(pipe);
    if (pipe->socket != NULL && events & (SOCKET_READABLE | SOCKET_FAILED))
        read_answers(pipe);
}

void pipe_init(struct pipe *pipe, struct loop *loop, void (*answered)(struct pipe *pipe, const struct pipe_call *call, const void *response),
    void (*lost)(struct pipe *pipe))
{
    *pipe = (struct pipe){ .loop = loop, .answered = answered, .lost = lost, .watch.ready = run_socket };
    arena_init(&pipe->arena);
}

void pipe_deinit(struct pipe *pipe)
{
    pipe_close(pipe);
    arena_deinit(&pipe->arena);
    memory_give(pipe->out);
    memory_give(pipe->in);
}

bool pipe_connect(struct pipe *pipe, const char *host, int port)
{
    assert(pipe->socket == NULL);
    if (socket_connect(pipe->loop, host, port, &pipe->watch, &pipe->socket) < 0)
        pipe->socket = NULL;
    return pipe->socket != NULL;
}
