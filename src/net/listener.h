/* SPDX-License-Identifier: Apache-2.0 */
/* A listener accepts connections on one port and hands each to one of several nets in turn (by mail when the net is
 * another loop's). Over the limits it does as Kafka does: a connection that its address may not have is closed at once;
 * while there are as many as there may be, or they come too fast, it accepts none, and peers wait in the backlog. A
 * protected listener (the brokers' own, beside others) is not held up by the limits of all: for one that it accepts beyond
 * them, the least recently active of the other listeners goes; so also when a limit is lowered below what is there. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "net/conn.h"
#include "net/limits.h"

struct listener;

struct listener_options {
    const char *host; /* NULL or "": every interface */
    int port;
    struct limits *limits; /* of all listeners of this loop; lives longer */
    int32_t connections_max, creation_rate; /* of this one; INT32_MAX: no bound */
    bool is_protected;
};

/* Where a listener may send a connection: one per loop. Lives as long as the listener. */
struct listener_target {
    struct net *net;
    struct conn_owner *owner;
};

int listener_open(struct loop *loop, const struct listener_options *options, const struct listener_target *targets,
    int target_count, struct listener **out_listener); /* 0 or -errno */
void listener_accept(struct listener *listener); /* accepts from now on; until then peers wait in the backlog */
void listener_set_limits(struct listener *listener, int32_t connections_max, int32_t creation_rate);
void listeners_close_excess(struct limits *limits); /* the limits of all may have been lowered */
void listener_stop(struct listener *listener);  /* accepts no more; connections stay */
void listener_close(struct listener *listener); /* after its connections are gone; NULL does nothing */
int listener_port(const struct listener *listener);
