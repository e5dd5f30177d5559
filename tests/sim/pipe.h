/* SPDX-License-Identifier: Apache-2.0 */
/* A connection of a simulated client over which several requests go before the first is answered. The answers must come in the order of
 * the requests. Nothing is sent again: what was not answered when the connection broke is told, and forgotten. */
#pragma once
#include "base/arena.h"
#include "io/loop.h"
#include "io/socket.h"
#include "wire/schema.h"

enum { CALLS_MOST = 8 };

struct pipe_call {
    const struct api_schema *api;
    int16_t version;
    int32_t correlation_id;
};

struct pipe {
    /* The owner's: the response is valid during the call only; NULL is an answer to something else, and the connection is given up. */
    void (*answered)(struct pipe *pipe, const struct pipe_call *call, const void *response);
    void (*lost)(struct pipe *pipe); /* the connection broke: nothing answers the calls that are left */

    struct loop *loop;
    struct socket *socket; /* NULL: not connected */
    struct socket_watch watch;
    struct arena arena;
    struct pipe_call calls[CALLS_MOST]; /* not answered yet, the oldest first */
    int call_count;
    uint8_t *out, *in;
    size_t out_size, out_sent, in_size, in_capacity;
    int32_t correlation_id;
};

void pipe_init(struct pipe *pipe, struct loop *loop, void (*answered)(struct pipe *pipe, const struct pipe_call *call, const void *response),
    void (*lost)(struct pipe *pipe));
void pipe_deinit(struct pipe *pipe);

bool pipe_connect(struct pipe *pipe, const char *host, int port); /* false: not now */
void pipe_close(struct pipe *pipe); /* without a word; not inside answered() */
/* Behind what was sent before, when the loop gets to it. At most CALLS_MOST are under way. */
void pipe_send(struct pipe *pipe, const struct api_schema *api, int16_t version, const void *request);
