/* SPDX-License-Identifier: Apache-2.0 */
#include "io/loop.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/container.h"
#include "base/memory.h"
#include "base/report.h"
#include "io/linux.h"

enum { EVENTS_PER_PASS = 512 };

static void read_clocks(struct loop *loop)
{
    loop->pass.now_us = io_monotonic_us(loop->io);
    loop->pass.wall_ms = io_wall_ms(loop->io);
}

/* The wake-up descriptor is edge-triggered: each write is one event, and nobody has to read it. */
static void woken(struct poll_source *source, uint32_t events)
{
    (void)source;
    (void)events;
}

int loop_poll(struct loop *loop, int descriptor, uint32_t events, struct poll_source *source)
{
    struct epoll_event event = { .events = events | EPOLLET, .data.ptr = source };
    return epoll_ctl(loop->poll_descriptor, EPOLL_CTL_ADD, descriptor, &event) < 0 ? -errno : 0;
}

/* Only at start, where there is nobody to answer: without a poll there is no node. */
static void must(int status, const char *what)
{
    if (status >= 0)
        return;
    report_error("loop_failed", "call=%s errno=%d", what, -status);
    abort();
}

struct loop *loop_create(struct io *io, const char *name)
{
    struct loop *loop = memory_take(sizeof(*loop));
    *loop = (struct loop){ .io = io };
    snprintf(loop->name, sizeof(loop->name), "%s", name);
    pass_init(&loop->pass);
    read_clocks(loop);
    loop->poll_descriptor = epoll_create1(EPOLL_CLOEXEC);
    must(loop->poll_descriptor < 0 ? -errno : 0, "epoll_create1");
    loop->wake_descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    must(loop->wake_descriptor < 0 ? -errno : 0, "eventfd");
    loop->wake_source.polled = woken;
    must(loop_poll(loop, loop->wake_descriptor, EPOLLIN, &loop->wake_source), "epoll_ctl");
    return loop;
}

void loop_destroy(struct loop *loop)
{
    if (loop == NULL)
        return;
    assert(loop->job_count == 0 && loop->ready == NULL);
    pthread_mutex_lock(&loop->io->telling); /* a worker may still be waking it for the last job that was delivered */
    pthread_mutex_unlock(&loop->io->telling);
    signals_close(loop);
    close(loop->wake_descriptor);
    close(loop->poll_descriptor);
    pass_deinit(&loop->pass);
    memory_give(loop->wakes);
    memory_give(loop);
}

struct io *loop_io(struct loop *loop) { return loop->io; }
int64_t loop_now_us(const struct loop *loop) { return loop->pass.now_us; }
int64_t loop_now_ms(const struct loop *loop) { return loop->pass.now_us / 1000; }
int64_t loop_wall_ms(const struct loop *loop) { return loop->pass.wall_ms; }
void loop_stop(struct loop *loop) { loop->stopping = true; }

void loop_enqueue(struct loop *loop, struct task *task)
{
    pass_enqueue(&loop->pass.tasks, task);
}

void loop_finish(struct loop *loop, enum finish stage, struct task *task)
{
    pass_enqueue(&loop->pass.finish[stage], task);
}

void timer_set(struct loop *loop, struct timer *timer, int64_t at_us)
{
    heap_remove(&loop->pass.timers, &timer->entry);
    heap_insert(&loop->pass.timers, &timer->entry, at_us);
}

void timer_cancel(struct loop *loop, struct timer *timer)
{
    heap_remove(&loop->pass.timers, &timer->entry);
}

/* The receiver says that it sleeps before it looks at its mailbox for the last time; the sender puts mail in before
 * it asks. So one of the two sees the other (both sequentially consistent), and a busy receiver costs no call. */
static void wake(struct loop *loop)
{
    if (!atomic_load(&loop->sleeping) || !atomic_exchange(&loop->sleeping, false))
        return;
    uint64_t one = 1;
    ssize_t written = write(loop->wake_descriptor, &one, sizeof(one));
    assert(written == sizeof(one));
}

static void note_wake(struct loop *from, struct loop *to)
{
    for (size_t i = 0; i < from->wake_count; i++)
        if (from->wakes[i] == to)
            return;
    if (from->wake_count == from->wake_capacity) {
        from->wake_capacity = from->wake_capacity == 0 ? 8 : from->wake_capacity * 2;
        from->wakes = memory_resize(from->wakes, from->wake_capacity * sizeof(*from->wakes));
    }
    from->wakes[from->wake_count++] = to;
}

void mail_send(struct loop *from, struct loop *to, struct mail *mail)
{
    assert(mail->deliver != NULL);
    struct mail *newest = atomic_load_explicit(&to->mailbox, memory_order_relaxed);
    do
        mail->next = newest;
    while (!atomic_compare_exchange_weak(&to->mailbox, &newest, mail));
    if (from == NULL)
        wake(to);
    else if (from != to)
        note_wake(from, to);
}

static void deliver_mail(struct loop *loop)
{
    struct mail *newest = atomic_exchange(&loop->mailbox, NULL);
    struct mail *oldest = NULL;
    while (newest != NULL) {
        struct mail *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        struct mail *mail = oldest;
        oldest = mail->next;
        mail->deliver(mail);
    }
}

static void poll_sources(struct loop *loop)
{
    struct epoll_event events[EVENTS_PER_PASS];
    struct timespec wait = { 0 }, *wait_at_most = &wait;
    bool busy = loop->ready != NULL || !pass_is_idle(&loop->pass);

    if (!busy) {
        atomic_store(&loop->sleeping, true);
        busy = atomic_load(&loop->mailbox) != NULL;
    }
    if (!busy) {
        int64_t next_us = pass_next_timer_us(&loop->pass);
        int64_t left_us = next_us == INT64_MAX ? 0 : next_us - io_monotonic_us(loop->io);
        if (next_us == INT64_MAX)
            wait_at_most = NULL;
        else if (left_us > 0)
            wait = (struct timespec){ left_us / 1000000, left_us % 1000000 * 1000 };
    }
    int count = epoll_pwait2(loop->poll_descriptor, events, EVENTS_PER_PASS, wait_at_most, NULL);
    if (count < 0 && errno == ENOSYS) { /* kernels before 5.11 */
        int64_t milliseconds = wait_at_most == NULL ? -1 : wait.tv_sec * 1000 + (wait.tv_nsec + 999999) / 1000000;
        count = epoll_wait(loop->poll_descriptor, events, EVENTS_PER_PASS, (int)milliseconds);
    }
    assert(count >= 0 || errno == EINTR);
    atomic_store(&loop->sleeping, false);
    for (int i = 0; i < count; i++) {
        struct poll_source *source = events[i].data.ptr;
        source->polled(source, events[i].events);
    }
}

bool loop_turn(struct loop *loop)
{
    poll_sources(loop);
    read_clocks(loop);
    deliver_mail(loop);
    sockets_run(loop);
    pass_run_timers(&loop->pass);
    pass_settle(&loop->pass);
    for (size_t i = 0; i < loop->wake_count; i++)
        wake(loop->wakes[i]);
    loop->wake_count = 0;
    return !loop->stopping || loop->job_count > 0 || atomic_load(&loop->mailbox) != NULL;
}
