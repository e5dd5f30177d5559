/* SPDX-License-Identifier: Apache-2.0 */
/* What both implementations of io/loop.h share: queues of tasks, the timers, and the order in which a pass runs
 * them. Pure bookkeeping without a system call, so a simulated pass and a real one cannot differ. Each queue is
 * first in, first out. Private to the implementations of io/. */
#pragma once
#include "io/loop.h"

struct task_queue {
    struct task *first, *last;
};

struct pass {
    struct task_queue tasks;
    struct task_queue finish[FINISH_COUNT];
    struct heap timers;
    int64_t now_us, wall_ms; /* read once a pass */
};

void pass_init(struct pass *pass);
void pass_deinit(struct pass *pass); /* tasks and timers still set stay their owners' */
void pass_enqueue(struct task_queue *queue, struct task *task); /* queued already: does nothing */
bool pass_is_idle(const struct pass *pass);                     /* no task and no finish hook is queued */
int64_t pass_next_timer_us(const struct pass *pass);            /* INT64_MAX: none */
void pass_run_timers(struct pass *pass); /* those due now; one set again meanwhile waits for the next pass */
void pass_settle(struct pass *pass);     /* tasks, then the finish stages, until nothing is queued */
