/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/holder.h"

#include <stdio.h>

#include "base/container.h"
#include "sim/actor.h"
#include "sim/workload.h"

static void give_up(struct timer *timer)
{
    struct holder *holder = container_of(timer, struct holder, timer);
    holder_set(holder, 0);
    holder->has_given_up = true;
}

void holder_init(struct holder *holder, struct actor *actor, const char *group, int64_t limit_us)
{
    *holder = (struct holder){ .actor = actor, .group = group, .limit_us = limit_us };
    holder->timer.run = give_up;
}

void holder_deinit(struct holder *holder)
{
    timer_cancel(holder->actor->loop, &holder->timer);
}

void holder_begin(struct holder *holder)
{
    holder_set(holder, 0);
    timer_cancel(holder->actor->loop, &holder->timer);
    holder->has_given_up = false;
    snprintf(holder->process, sizeof(holder->process), "%s-%s%d.%d", holder->group,
        holder->actor->kind, holder->actor->number, ++holder->lives);
}

void holder_ask(struct holder *holder)
{
    holder->asked_us = loop_now_us(holder->actor->loop);
}

bool holder_hear(struct holder *holder)
{
    struct loop *loop = holder->actor->loop;
    int64_t until_us = holder->asked_us + holder->limit_us;
    if (holder->has_given_up || loop_now_us(loop) >= until_us) {
        give_up(&holder->timer);
        return false;
    }
    timer_set(loop, &holder->timer, until_us);
    return true;
}

void holder_set(struct holder *holder, unsigned owned)
{
    unsigned changed = owned ^ holder->owned;
    for (int32_t i = 0; i < GROUP_PARTITIONS; i++) {
        if (!(changed >> i & 1))
            continue;
        bool gains = owned >> i & 1;
        recorder_note(
            holder->actor->workload->recorder, &(struct event){ .process = holder->process,
                                                   .phase = gains ? "ok" : "invoke",
                                                   .name = gains ? "own" : "disown",
                                                   .key = group_key(holder->group, i),
                                                   .offset = OFFSET_NONE });
    }
    holder->owned = owned;
}
