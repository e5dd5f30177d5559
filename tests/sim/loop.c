/* SPDX-License-Identifier: Apache-2.0 */
#include "io/loop.h"

#include "io/io.h"
#include "sim/world.h"

/* The process is stopped, or the loop waits for the disk. */
static int64_t not_before_us(const struct loop *loop)
{
    int64_t paused_until_us = loop->io->machine->paused_until_us;
    return loop->held_until_us > paused_until_us ? loop->held_until_us : paused_until_us;
}

static void turn_now(struct event *event)
{
    struct loop *loop = container_of(event, struct loop, turn);
    struct sim *sim = loop->io->sim;
    if (sim->now_us < not_before_us(loop)) {
        sim_set(sim, event, EVENT_TURN, not_before_us(loop) + draw_lateness(sim, 30));
        return;
    }
    if (!loop_turn(loop))
        loop->ended = true;
}

struct loop *loop_create(struct io *io, const char *name)
{
    (void)name;
    struct loop *loop = memory_take(sizeof(*loop));
    *loop = (struct loop){ .turn.run = turn_now, .io = io };
    pass_init(&loop->pass);
    loop->pass.now_us = io_monotonic_us(io);
    loop->pass.wall_ms = io_wall_ms(io);
    LL_APPEND(io->loops, loop);
    return loop;
}

void loop_destroy(struct loop *loop)
{
    if (loop == NULL)
        return;
    assert(loop->job_count == 0 && loop->ready == NULL);
    sim_cancel(loop->io->sim, &loop->turn);
    LL_DELETE(loop->io->loops, loop);
    pass_deinit(&loop->pass);
    memory_give(loop);
}

struct io *loop_io(struct loop *loop) { return loop->io; }
int64_t loop_now_us(const struct loop *loop) { return loop->pass.now_us; }
int64_t loop_now_ms(const struct loop *loop) { return loop->pass.now_us / 1000; }
int64_t loop_wall_ms(const struct loop *loop) { return loop->pass.wall_ms; }

void loop_stop(struct loop *loop)
{
    loop->stopping = true;
    loop_has_work(loop);
}

/* Sets the turn for what there is: soon for work, else when the first timer is due. Never later than it is set. */
static void plan_turn(struct loop *loop, bool has_work)
{
    struct sim *sim = loop->io->sim;
    int64_t timer_us = pass_next_timer_us(&loop->pass);
    if (!loop->started || loop->ended || (!has_work && timer_us == INT64_MAX))
        return;
    int64_t at_us = has_work || timer_us <= loop->pass.now_us ? 0 : machine_sim_us(loop->io->machine, timer_us);
    if (at_us < not_before_us(loop))
        at_us = not_before_us(loop);
    if (at_us < sim->now_us)
        at_us = sim->now_us;
    if (heap_has(&loop->turn.entry) && loop->turn.entry.key <= at_us)
        return;
    at_us += draw_lateness(sim, 30);
    if (!heap_has(&loop->turn.entry) || loop->turn.entry.key > at_us)
        sim_set(sim, &loop->turn, EVENT_TURN, at_us);
}

void loop_has_work(struct loop *loop) { plan_turn(loop, true); }

void sim_start_loop(struct loop *loop)
{
    loop->started = true;
    loop_has_work(loop);
}

bool sim_loop_has_ended(const struct loop *loop) { return loop->ended; }

void loop_enqueue(struct loop *loop, struct task *task)
{
    pass_enqueue(&loop->pass.tasks, task);
    loop_has_work(loop);
}

void loop_finish(struct loop *loop, enum finish stage, struct task *task)
{
    pass_enqueue(&loop->pass.finish[stage], task);
    loop_has_work(loop);
}

void timer_set(struct loop *loop, struct timer *timer, int64_t at_us)
{
    heap_remove(&loop->pass.timers, &timer->entry);
    heap_insert(&loop->pass.timers, &timer->entry, at_us);
    plan_turn(loop, false);
}

void timer_cancel(struct loop *loop, struct timer *timer)
{
    heap_remove(&loop->pass.timers, &timer->entry);
}

void mail_send(struct loop *from, struct loop *to, struct mail *mail)
{
    (void)from;
    assert(mail->deliver != NULL);
    mail->next = NULL;
    if (to->first_mail == NULL)
        to->first_mail = mail;
    else
        to->last_mail->next = mail;
    to->last_mail = mail;
    loop_has_work(to);
}

static void deliver_mail(struct loop *loop)
{
    struct mail *mail = loop->first_mail;
    loop->first_mail = NULL;
    while (mail != NULL) {
        struct mail *next = mail->next;
        mail->deliver(mail);
        mail = next;
    }
}

bool loop_turn(struct loop *loop)
{
    loop->pass.now_us = io_monotonic_us(loop->io);
    loop->pass.wall_ms = io_wall_ms(loop->io);
    deliver_mail(loop);
    sockets_run(loop);
    pass_run_timers(&loop->pass);
    pass_settle(&loop->pass);
    sim_cancel(loop->io->sim, &loop->turn); /* what was set meanwhile may have run in this pass */
    if (loop->stopping && loop->job_count == 0 && loop->first_mail == NULL)
        return false;
    loop->held_until_us = loop->io->sim->now_us + loop->io->sim->held_us;
    plan_turn(loop, loop->first_mail != NULL || loop->ready != NULL);
    return true;
}
