/* SPDX-License-Identifier: Apache-2.0 */
/* A stranger that means no good: it sends garbage, lengths that cannot be, half frames, bent requests, floods that it does not read the
 * answers of, or connects and goes again. It must cost nobody but itself. What it asks for, bent as it may be, changes nothing that others
 * look at. */
#pragma once
#include "io/loop.h"
#include "io/socket.h"

struct workload;

struct hostile {
    struct workload *workload;
    struct loop *loop;
    struct socket *socket; /* NULL: none */
    struct socket_watch watch;
    struct timer timer;
    uint8_t *out;
    size_t out_size, out_sent;
    int32_t correlation_id;
};

void hostile_start(struct hostile *hostile, struct workload *workload, struct loop *loop);
void hostile_stop(struct hostile *hostile);
void hostile_forget(struct hostile *hostile); /* its machine has lost its power, and all that was in it */
