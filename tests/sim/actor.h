/* SPDX-License-Identifier: Apache-2.0 */
/* A simulated client: one connection, one call at a time, whose answer decides the next step. After trouble it waits a little.
 * It has a name in the history; with a connection that it lost, an old call may still run, so it goes on under a new one. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "sim/client.h"
#include "sim/recorder.h"

struct workload;

enum { CALL_LIMIT_US = 20000000, ACTOR_NAME_SIZE = 32 };

struct actor {
    struct actor *next; /* of the workload */
    struct client client;
    struct timer timer;
    struct workload *workload;
    struct loop *loop; /* of its machine */
    void (*act)(struct actor *actor);  /* makes the next call, or sets itself idle */
    void (*hear)(struct actor *actor); /* the answer to it */
    void (*lose)(struct actor *actor); /* or it is not known what became of it; NULL: that matters to nobody */
    struct arena arena;                /* of the request */
    char name[ACTOR_NAME_SIZE];        /* in the history */
    const char *kind;
    int number, lives;
    int asked_in_life; /* of the node: the last call */
    const struct api_schema *asked;
    bool asked_calm;   /* it must be answered in time, for nothing strikes any more */
    bool idle;
};

void actor_start(struct actor *actor, struct workload *workload, const char *kind, int number, void (*act)(struct actor *actor));
void actor_stop(struct actor *actor);
void actor_tell(const struct actor *actor); /* on standard error, for a run that hangs */

void actor_wait(struct actor *actor, int64_t most_us); /* then acts */
void actor_set_idle(struct actor *actor);              /* looks again, later, whether there is something to do */
uint64_t actor_draw(struct actor *actor, uint64_t bound);

/* In a version that the broker serves, drawn from those between. */
void actor_ask(struct actor *actor, enum api_key api, int16_t least_version, int16_t most_version, const void *request);
/* The answer may tell of damage: the call was made while a disk had decayed, or before, though it may be restored by now. */
bool actor_may_see_damage(const struct actor *actor);
/* False: the answer was no, and the actor waits. An error that no circumstance explains is a violation. */
bool actor_succeeded(struct actor *actor, int16_t error, const char *call);
bool error_is_passing(int16_t error);  /* it only says: not now */
bool error_is_certain(int16_t error);  /* whatever was asked for was certainly not done */

void actor_note(struct actor *actor, const char *phase, const char *name, const char *key, int64_t value, int64_t offset);
