/* SPDX-License-Identifier: Apache-2.0 */
/* Room: what may still be written to a log directory before too much of it is only in memory. One
 * per shard and directory. When there is none, produce to that directory waits here in order of
 * arrival, and whatever comes later waits behind it; everything else of the shard goes on. Used by
 * the shard's loop only. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "io/loop.h"

struct flusher;
struct room;

/* Embedded in what waits. ready() is called from a task, once, and may write size bytes. */
struct room_wait {
    struct room_wait *prev, *next;
    struct room *room; /* NULL: does not wait */
    const void *subject; /* what it is to be written to: of one, none overtakes another */
    int64_t size;
    void (*ready)(struct room_wait *wait);
};

struct room {
    struct loop *loop;
    struct flusher *flusher;
    struct room_wait *waiting; /* utlist */
    struct task task;
};

void room_init(struct room *room, struct loop *loop,
    struct flusher *flusher);               /* until the flusher is destroyed */
bool room_is_free(const struct room *room); /* there is some, and nobody waits for it */
void room_wait(struct room *room, struct room_wait *wait);
void room_wait_cancel(struct room_wait *wait); /* does not wait: does nothing */
/* The subject is in another directory from here on: what waits for it waits there, before all that
 * comes later. */
void room_hand_over(struct room *from, struct room *to, const void *subject);
