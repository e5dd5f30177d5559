/* SPDX-License-Identifier: Apache-2.0 */
/* Sends several requests at once, of every kind and version, over one connection. The answers must come in the order of the requests; and
 * one that reads settings must see what the one before it has changed. */
#pragma once
#include "sim/pipe.h"

struct workload;

struct pipeliner {
    struct workload *workload;
    struct loop *loop;
    struct pipe pipe;
    struct timer timer; /* the next round, or the end of this one */
    int64_t value;      /* that the round writes */
    int lives;          /* connections */
};

void pipeliner_start(struct pipeliner *pipeliner, struct workload *workload, struct loop *loop);
void pipeliner_stop(struct pipeliner *pipeliner);
