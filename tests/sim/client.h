/* SPDX-License-Identifier: Apache-2.0 */
/* One connection of a Kafka client in the simulator, with our own codec. One call at a time, and no hidden retries: what
 * is lost is told as -errno, and whether the broker did it is then unknown. The next call opens a new connection. */
#pragma once
#include "base/arena.h"
#include "base/uuid.h"
#include "io/loop.h"
#include "io/socket.h"
#include "wire/schema.h"

struct client {
    struct loop *loop;
    const char *host;
    int port;
    void (*answered)(struct client *client); /* from a clean stack; status and response are set */
    int status;                              /* of the last call: 0 or -errno */
    const void *response;                    /* its decoded answer, valid until the next call; NULL: none was expected */
    size_t bite;                             /* a slow client takes so many bytes at once; 0: all there are */
    int64_t (*chew_us)(struct client *client); /* and rests so long after each */
    bool expects_nothing;                    /* set before a call that is not answered (acks=0): done when it is sent */

    /* The client's own. */
    struct socket *socket; /* NULL: not connected */
    struct socket_watch watch;
    struct task answer;
    struct timer deadline, rest;
    struct arena arena;
    const struct api_schema *api; /* of the call under way; NULL: none */
    int16_t version;
    int32_t correlation_id;
    uint8_t *out, *in;
    size_t out_size, out_sent, in_size, in_capacity;
};

void client_init(struct client *client, struct loop *loop, const char *host, int port,
                 void (*answered)(struct client *client));
void client_deinit(struct client *client);

/* Sends one request in a version of the schema's. limit_us later the call has failed with -ETIMEDOUT. */
void client_ask(struct client *client, enum api_key api, int16_t version, const void *request, int64_t limit_us);
bool client_is_busy(const struct client *client); /* with a call, or its answer is not told yet */
void client_hang_up(struct client *client); /* the call under way is not answered */
