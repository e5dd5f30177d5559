/* SPDX-License-Identifier: Apache-2.0 */
/* A listener accepts connections on one port and hands each to one of several nets in turn (by mail when the net is
 * another loop's). It refuses what is over the limits of connections: those are closed at once. */
#pragma once
#include <stdint.h>

#include "base/budget.h"
#include "net/conn.h"

struct listener;

struct listener_options {
    const char *host; /* NULL or "": every interface */
    int port;
    int32_t connections_max;        /* max.connections */
    int32_t connections_per_ip_max; /* max.connections.per.ip */
};

/* Where a listener may send a connection: one per loop. Lives as long as the listener. */
struct listener_target {
    struct net *net;
    struct conn_owner *owner;
};

int listener_open(struct loop *loop, const struct listener_options *options, const struct listener_target *targets,
    int target_count, struct listener **out_listener); /* 0 or -errno */
void listener_accept(struct listener *listener); /* accepts from now on; until then peers wait in the backlog */
void listener_stop(struct listener *listener);  /* accepts no more; connections stay */
void listener_close(struct listener *listener); /* after its connections are gone; NULL does nothing */
int listener_port(const struct listener *listener);
