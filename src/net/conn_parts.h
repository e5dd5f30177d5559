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
    struct buffer *frame; /* being read; NULL between frames */
    struct buffer *rest;  /* read, but of frames after the one that paused the connection; frame is NULL then */
    size_t frame_size;
    size_t answer_size; /* what an answer takes in memory: at least the last one's, and less so an earlier one's */
    struct reply *first, *last;
    struct budget *places[2];
    int64_t active_ms;
    uint64_t mark;
    int32_t reply_count;
    uint8_t length[4];
    uint8_t length_have;
    bool send_asked, blocked, paused, waiting;
    char peer[CONN_PEER_SIZE];
};

void conn_ask_send(struct conn *conn); /* conn_send.c: once in the finish of this pass */
void conn_send(struct task *task);
void conn_touch(struct conn *conn); /* it was active */
void conn_update_pause(struct conn *conn);
void conn_wait_for_budget(struct conn *conn); /* net.c */
void conn_stop_waiting(struct conn *conn);
void net_look_for_idle(struct net *net); /* net.c: from now on there is a connection */
void conn_free(struct conn *conn); /* it has ended, and nobody will call */
