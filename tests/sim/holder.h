/* SPDX-License-Identifier: Apache-2.0 */
/* Which partitions a member of a group believes to be its own, and the lines of the history that
 * say so. The coordinator may take them from a member that it does not hear, but waits for as long
 * as the member wished: a member that was not answered for a good part of that gives them up by
 * itself, as a consumer does that cannot reach its coordinator. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "io/loop.h"
#include "sim/group_offsets.h"

struct actor;

enum { HOLDER_NAME_SIZE = 32, ALL_PARTITIONS = (1 << GROUP_PARTITIONS) - 1 };

struct holder {
    struct actor *actor;
    const char *group;
    char process[HOLDER_NAME_SIZE]; /* in the history: another one with each life as a member */
    int lives;
    unsigned owned;   /* a bit for each */
    int64_t limit_us; /* without an answer */
    int64_t asked_us; /* the call under way that keeps the member alive */
    struct timer timer;
    bool has_given_up; /* it must begin anew */
};

void holder_init(struct holder *holder, struct actor *actor, const char *group, int64_t limit_us);
void holder_deinit(struct holder *holder);
void holder_begin(struct holder *holder); /* as a new member, which has nothing */
void holder_ask(struct holder *holder);
bool holder_hear(struct holder *holder); /* the answer; false: it comes too late to count */
void holder_set(struct holder *holder, unsigned owned);
