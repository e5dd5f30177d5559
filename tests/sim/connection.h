/* SPDX-License-Identifier: Apache-2.0 */
/* What TCP makes of the links between two machines: two streams of bytes, which arrive in order, late, and cut anywhere. What is sent
 * while a link is silent comes after it; an end that waits too long for its bytes to be acknowledged gives up, and the other end does
 * not hear of that until it sends something itself. Nor does it hear of a peer that lost its power. Lives while something refers to it. */
#pragma once
#include "sim/world.h"

struct chunk;
struct link;

/* Bytes on their way to one end. */
struct stream {
    struct connection *connection;
    struct link *link;
    uint8_t *arrived; /* not read yet, from start to end */
    size_t start, end, capacity;
    size_t unread;   /* arrived or on the way, as far as the writer knows; bounded by the connection's room */
    size_t unheard;  /* read, and the writer does not know it yet */
    bool ended;      /* nothing comes after what has arrived */
    struct chunk *first, *last;   /* on the way */
    struct event arrival, heard, failing; /* of the first chunk; of an acknowledgement; of what the reading end hears of */
    int failure;                  /* -errno, of failing */
};

struct connection {
    int references; /* its sockets, chunks on the way, and events that are set */
    struct sim *sim;
    struct machine *machines[2];
    struct socket *ends[2];    /* NULL: closed, or not accepted by anyone yet */
    struct stream streams[2];  /* [side]: towards ends[side] */
    size_t room;
    int64_t patience_us, retry_us;
    struct event attempt;
    int port; /* of the listener that is looked for */
};

/* From machine to machine; the attempt is on its way. */
struct connection *connection_create(struct machine *from, struct machine *to, int port);
void connection_ref(struct connection *connection);
void connection_unref(struct connection *connection);

void connection_send(struct connection *connection, int side, const uint8_t *data, size_t size); /* size <= the room */
size_t connection_read(struct connection *connection, int side, void *data, size_t size);
void connection_close(struct connection *connection, int side, bool power_cut); /* that end, which has not failed */
void connection_break(struct connection *connection); /* something between them forgets it; not both ends need to hear of that */

/* What sockets are told. */
void socket_notice(struct socket *socket); /* bytes, their end, or room */
void socket_fail(struct socket *socket, int failure);
bool socket_has_failed(const struct socket *socket);
bool socket_reach(struct connection *connection); /* the listener, if there is one; ends[1] waits there to be accepted */
void socket_connected(struct socket *socket);
