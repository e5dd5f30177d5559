/* SPDX-License-Identifier: Apache-2.0 */
/* A loop turns in passes; everything it owns is touched by its own thread only. One pass:
 *   mail, ready sockets, due timers; then tasks until none is queued;
 *   then finish: FINISH_WRITE hooks, tasks, FINISH_SEND hooks, tasks (again from FINISH_WRITE if any was asked for),
 *   then one wake-up per other loop that was sent mail, and the fate of the pass is sealed.
 * Nothing is called from inside another callback: a completion enqueues a task, and the task runs from a clean stack.
 * Times are read once a pass: monotonic for deadlines, wall only for records and retention. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/heap.h"

struct io;
struct loop;

/* Work to run later in the same pass. Embed it; it is queued at most once at a time. */
struct task {
    struct task *next;
    void (*run)(struct task *task);
    bool queued;
};

struct timer {
    struct heap_entry entry; /* in the loop's heap, key in microseconds */
    void (*run)(struct timer *timer);
};

/* What one loop sends another. Embed it; after mail_send() it belongs to the receiver, whose thread runs deliver(). */
struct mail {
    struct mail *next;
    void (*deliver)(struct mail *mail);
};

enum finish { FINISH_WRITE, FINISH_SEND, FINISH_COUNT };

struct loop *loop_create(struct io *io, const char *name);
void loop_destroy(struct loop *loop);
struct io *loop_io(struct loop *loop);

/* One pass; waits until there is something to do. Called by main's while (or the simulator) only. False once
 * loop_stop() was called: everything asked for before has run, jobs of workers and their done() included. */
bool loop_turn(struct loop *loop);
void loop_stop(struct loop *loop); /* from the loop's own thread */

int64_t loop_now_us(const struct loop *loop);
int64_t loop_now_ms(const struct loop *loop);
int64_t loop_wall_ms(const struct loop *loop);

void loop_enqueue(struct loop *loop, struct task *task);
void loop_finish(struct loop *loop, enum finish stage, struct task *task); /* once, in this pass */

void timer_set(struct loop *loop, struct timer *timer, int64_t at_us); /* moves it when it is set already */
void timer_cancel(struct loop *loop, struct timer *timer);             /* not set: does nothing */
static inline bool timer_is_set(const struct timer *timer) { return heap_has(&timer->entry); }

/* In so many milliseconds, as a setting may say them: INT64_MAX is a hundred years, too. */
static inline void timer_set_in(struct loop *loop, struct timer *timer, int64_t delay_ms)
{
    const int64_t most_ms = 100 * 365 * 24 * 3600LL * 1000;
    timer_set(loop, timer, loop_now_us(loop) + (delay_ms < most_ms ? delay_ms : most_ms) * 1000);
}

/* Sends mail in order. from is the calling thread's loop, whose finish coalesces the wake-ups; NULL (a worker,
 * main, the console) wakes at once. from == to is allowed: delivered in the next pass. */
void mail_send(struct loop *from, struct loop *to, struct mail *mail);
