/* SPDX-License-Identifier: Apache-2.0 */
/* A connection reads frames (a length, then that many bytes) and writes replies in the order of the frames. It belongs
 * to one net, that is to one loop. Memory for a frame is reserved in the budget before it is taken and grows as bytes
 * arrive; an answer is charged to it until it is sent. Reading stops while answers do not drain, while the budget is used
 * up, and while too many requests are in work. When memory is short, connections that hold most of it and do not move are
 * let go (net.c).
 * A connection ends by conn_close() or by its peer; replies that are not ready then still become ready later, and
 * reply->done() is called for each exactly once. An idle connection holds no buffer. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/budget.h"
#include "base/buffer.h"
#include "io/loop.h"
#include "io/socket.h"
#include "net/reply.h"

enum { CONN_PEER_SIZE = 64, CONN_PLACES = 3, CONN_REQUESTS_MAX = 256 };

struct conn;
struct net;

/* What a server of one listener wants to know. frame: takes the reference of buffer and must answer with a reply that
 * conn_expect() put in line before it returns. */
struct conn_owner {
    void (*frame)(struct conn_owner *owner, struct conn *conn, struct buffer *buffer);
    void (*closed)(struct conn_owner *owner, struct conn *conn); /* NULL: nobody cares; conn is still valid */
};

struct net_settings {
    int64_t frame_size_max;  /* socket.request.max.bytes */
    int64_t idle_ms;         /* connections.max.idle.ms; below 0: never */
};

/* All connections of one loop. */
struct net {
    struct loop *loop;
    struct budget *budget; /* shared by the node; frames are charged here */
    struct net_settings settings;
    struct conn *conns;    /* utlist; least recently active first */
    int32_t conn_count;
    struct conn *waiting;  /* for the budget */
    int64_t reported_ms;    /* of a connection that was let go for it, and how many were so without a report */
    int64_t left_out;
    struct timer budget_timer, idle_timer;
    uint8_t *scratch;      /* frames begin here */
};

void net_init(struct net *net, struct loop *loop, struct budget *budget, const struct net_settings *settings);
void net_deinit(struct net *net); /* closes what is open */
void net_close_oldest(struct net *net, const struct conn_owner *owner, int64_t count); /* its least recently active */

/* A new connection as it comes from a listener. places: counters of connections, reserved by the listener, given back
 * when the connection ends; any may be NULL. */
struct conn_start {
    struct socket *socket; /* taken */
    struct budget *places[CONN_PLACES];
    char peer[CONN_PEER_SIZE]; /* its address, without a port */
};
struct conn *conn_create(struct net *net, const struct conn_start *start, struct conn_owner *owner);
void conn_close(struct conn *conn); /* at once; replies that are not sent are dropped */

const char *conn_peer(const struct conn *conn);
struct conn_owner *conn_owner(const struct conn *conn);

/* For the owner to keep what it knows of the peer: a number of its own (0 at first). */
uint64_t conn_mark(const struct conn *conn);
void conn_set_mark(struct conn *conn, uint64_t mark);

/* No further frame is delivered while the owner holds the connection, not even one that was read already. */
void conn_hold(struct conn *conn, bool hold);

/* Puts the reply in line, not ready. */
void conn_expect(struct conn *conn, struct reply *reply);

/* The reply may be sent now (in this pass's finish, when it is its turn). The connection may be gone. */
void reply_ready(struct reply *reply, const struct span *spans, int32_t span_count);
