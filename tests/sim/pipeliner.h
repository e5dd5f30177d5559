/* SPDX-License-Identifier: Apache-2.0 */
/* Sends several requests at once, of every kind and version, over one connection. The answers must come in the order of the requests; and
 * one that reads settings must see what the one before it has changed. */
#pragma once
#include "base/arena.h"
#include "io/loop.h"
#include "io/socket.h"
#include "wire/schema.h"

struct workload;

enum { CALLS_MOST = 8 };

struct pipelined_call {
    const struct api_schema *api;
    int16_t version;
    int32_t correlation_id;
};

struct pipeliner {
    struct workload *workload;
    struct loop *loop;
    struct socket *socket; /* NULL: none */
    struct socket_watch watch;
    struct timer timer; /* the next round, or the end of this one */
    struct arena arena;
    struct pipelined_call calls[CALLS_MOST];
    int call_count, answer_count;
    int64_t value; /* that the round writes */
    uint8_t *out, *in;
    size_t out_size, out_sent, in_size, in_capacity;
    int32_t correlation_id;
    int lives; /* connections */
};

void pipeliner_start(struct pipeliner *pipeliner, struct workload *workload, struct loop *loop);
void pipeliner_stop(struct pipeliner *pipeliner);
