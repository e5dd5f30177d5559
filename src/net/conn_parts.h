/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a connection, shared by conn.c (life and reading), conn_send.c (replies) and net.c (what all
 * connections of a loop wait for). */
#pragma once
#include "net/conn.h"

enum {
    SCRATCH_SIZE = 16 * 1024, /* first read of a frame; larger frames get the rest without a copy */
};

struct conn {
    struct net *net;
    struct socket *socket; /* NULL: the connection ended */
    struct socket_watch watch;
    struct conn_owner *owner;
    struct conn *prev, *next; /* of net->conns */
    struct conn *wait_prev, *wait_next;
    struct task send;
    struct buffer *frame; /* being read, or whole and waiting for the budget; NULL between frames */
    struct buffer *rest;  /* read, but of frames after the one that paused the connection */
    size_t frame_size;
    int64_t answered; /* bytes of answers made since its turn in this pass began */
    int64_t unsent; /* bytes of memory that answers which are ready take, charged to the budget */
    struct reply *first, *last;
    struct budget *places[CONN_PLACES];
    int64_t active_ms;
    int64_t moved, moved_since_ms; /* bytes read or sent, and from when they are counted */
    uint64_t mark;
    int32_t reply_count;
    uint8_t length[4];
    uint8_t length_have;
    bool send_asked, blocked, paused, waiting, on_hold;
    bool is_next;   /* its whole frame is delivered, however short memory is */
    bool is_proven; /* its last answer was sent at once */
    char peer[CONN_PEER_SIZE];
};

void conn_ask_send(struct conn *conn); /* conn_send.c: once in the finish of this pass */
void conn_send(struct task *task);
void reply_release(struct reply *reply, struct conn *conn); /* it is taken out of the line already */
void conn_touch(struct conn *conn, int64_t moved); /* it was active: so many bytes came or went */
int64_t conn_memory(const struct conn *conn);      /* what it holds of the budget */
void conn_update_pause(struct conn *conn);
void conn_begin_to_hold(struct conn *conn);   /* before it takes memory */
bool conn_may_use(const struct conn *conn, int64_t size); /* net.c: so much more of the budget */
bool conn_may_start(const struct conn *conn);             /* net.c: the request of its whole frame */
bool conn_has_whole_frame(const struct conn *conn);
void conn_wait_for_budget(struct conn *conn);
void net_look_for_slow(struct net *net); /* the budget may be nearly used up */
void conn_stop_waiting(struct conn *conn);
void net_look_for_idle(struct net *net); /* net.c: from now on there is a connection */
void conn_free(struct conn *conn); /* it has ended, and nobody will call */
