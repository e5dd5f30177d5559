/* SPDX-License-Identifier: Apache-2.0 */
#include "io/loop.h"

#include <signal.h>
#include <string.h>

#include "base/container.h"
#include "io/io.h"
#include "io/process.h"
#include "io/thread.h"
#include "io/worker.h"
#include "test.h"

struct step {
    struct task task;
    struct timer timer;
    struct loop *loop;
    char mark;
    enum finish asks;
    struct step *asked;
};

static char trace[64];

static void note(char mark)
{
    size_t length = strlen(trace);
    assert_true(length + 1 < sizeof(trace));
    trace[length] = mark;
}

static void run_step(struct task *task)
{
    struct step *step = container_of(task, struct step, task);
    note(step->mark);
    if (step->asked != NULL)
        loop_finish(step->loop, step->asks, &step->asked->task);
}

static void run_timer(struct timer *timer)
{
    struct step *step = container_of(timer, struct step, timer);
    note(step->mark);
    loop_stop(step->loop);
}

static void turn(struct loop *loop)
{
    while (loop_turn(loop))
        continue;
}

/* Tasks come first, then all writes (also those that tasks of the finish ask for), then what sends. */
void test_loop__writes_before_it_sends(void)
{
    memset(trace, 0, sizeof(trace));
    struct io *io = io_create(1);
    struct loop *loop = loop_create(io, "loop");
    struct step last_write = { .task.run = run_step, .loop = loop, .mark = 'w' };
    struct step send = { .task.run = run_step, .loop = loop, .mark = 's', .asks = FINISH_WRITE, .asked = &last_write };
    struct step write = { .task.run = run_step, .loop = loop, .mark = 'W', .asks = FINISH_SEND, .asked = &send };
    struct step first = { .task.run = run_step, .loop = loop, .mark = 't', .asks = FINISH_WRITE, .asked = &write };
    loop_enqueue(loop, &first.task);
    loop_enqueue(loop, &first.task);
    loop_stop(loop);
    assert_false(loop_turn(loop));
    assert_string_equal(trace, "tWsw");
    loop_destroy(loop);
    io_destroy(io);
}

/* Timers fire in order of their time, and the poll waits for them rather than spinning. */
void test_loop__waits_for_timers(void)
{
    memset(trace, 0, sizeof(trace));
    struct io *io = io_create(1);
    struct loop *loop = loop_create(io, "loop");
    struct step late = { .timer.run = run_timer, .loop = loop, .mark = 'l' };
    struct step cancelled = { .timer.run = run_timer, .loop = loop, .mark = 'c' };
    int64_t start_us = io_monotonic_us(io);
    timer_set(loop, &late.timer, start_us + 900000);
    timer_set(loop, &late.timer, start_us + 20000);
    timer_set(loop, &cancelled.timer, start_us + 10000);
    timer_cancel(loop, &cancelled.timer);
    int passes = 1;
    while (loop_turn(loop))
        passes++;
    assert_true(passes <= 3);
    assert_true(io_monotonic_us(io) - start_us >= 20000);
    assert_true(loop_now_us(loop) >= start_us + 20000);
    assert_string_equal(trace, "l");
    loop_destroy(loop);
    io_destroy(io);
}

/* Settings may say INT64_MAX milliseconds: never, not at once. */
void test_loop__waits_as_long_as_a_timer_says(void)
{
    memset(trace, 0, sizeof(trace));
    struct io *io = io_create(1);
    struct loop *loop = loop_create(io, "loop");
    struct step never = { .timer.run = run_timer, .loop = loop, .mark = 'n' };
    struct step soon = { .timer.run = run_timer, .loop = loop, .mark = 's' };
    timer_set_in(loop, &never.timer, INT64_MAX);
    timer_set_in(loop, &soon.timer, 1);
    turn(loop);
    assert_string_equal(trace, "s");
    timer_cancel(loop, &never.timer);
    loop_destroy(loop);
    io_destroy(io);
}

enum { LETTERS = 20000 };

struct letter {
    struct mail mail;
    struct post *post;
    int number;
};

struct post {
    struct loop *receiver, *sender;
    struct task send;
    struct letter letters[LETTERS];
    int sent, received;
    bool answering;
};

static void deliver_letter(struct mail *mail)
{
    struct letter *letter = container_of(mail, struct letter, mail);
    struct post *post = letter->post;
    assert_int_equal(letter->number, post->received);
    if (++post->received == LETTERS)
        loop_stop(post->receiver);
}

static void send_letters(struct task *task)
{
    struct post *post = container_of(task, struct post, send);
    for (int i = 0; i < 7 && post->sent < LETTERS; i++) {
        struct letter *letter = &post->letters[post->sent];
        *letter = (struct letter){ .mail.deliver = deliver_letter, .post = post, .number = post->sent++ };
        mail_send(post->sender, post->receiver, &letter->mail);
    }
    if (post->sent == LETTERS)
        loop_stop(post->sender);
    else
        loop_finish(post->sender, FINISH_SEND, &post->send);
}

static void start_sending(struct mail *mail)
{
    struct letter *letter = container_of(mail, struct letter, mail);
    loop_enqueue(letter->post->sender, &letter->post->send);
}

/* Mail between two threads arrives complete and in order, whether the receiver sleeps or not. */
void test_loop__delivers_mail_in_order(void)
{
    static struct post post;
    struct io *io = io_create(1);
    struct thread *receiver, *sender;
    post = (struct post){ .receiver = loop_create(io, "receiver"), .sender = loop_create(io, "sender"),
                          .send.run = send_letters };
    struct letter start = { .mail.deliver = start_sending, .post = &post };
    assert_int_equal(thread_start(io, "receiver", post.receiver, &receiver), 0);
    assert_int_equal(thread_start(io, "sender", post.sender, &sender), 0);
    mail_send(NULL, post.sender, &start.mail);
    thread_join(sender);
    thread_join(receiver);
    assert_int_equal(post.received, LETTERS);
    loop_destroy(post.sender);
    loop_destroy(post.receiver);
    io_destroy(io);
}

struct counting_job {
    struct job job;
    int steps;
    int *finished;
};

static enum job_progress count_step(struct job *job)
{
    struct counting_job *counting = container_of(job, struct counting_job, job);
    return ++counting->steps == 5 ? JOB_DONE : JOB_AGAIN;
}

static void count_done(struct job *job)
{
    struct counting_job *counting = container_of(job, struct counting_job, job);
    assert_int_equal(counting->steps, 5);
    ++*counting->finished;
}

/* A stopped loop turns until every job it gave to the workers has come back. */
void test_loop__stays_until_its_jobs_are_done(void)
{
    struct counting_job jobs[50];
    int finished = 0;
    struct io *io = io_create(3);
    struct loop *loop = loop_create(io, "loop");
    for (int i = 0; i < 50; i++) {
        jobs[i] = (struct counting_job){ .job = { .step = count_step, .done = count_done }, .finished = &finished };
        worker_submit(io, loop, &jobs[i].job);
    }
    loop_stop(loop);
    turn(loop);
    assert_int_equal(finished, 50);
    loop_destroy(loop);
    io_destroy(io);
}

struct long_job {
    struct job job;
    _Atomic bool other_waits, other_ran;
    int steps; /* while the other waited */
};

static enum job_progress long_step(struct job *job)
{
    struct long_job *it = container_of(job, struct long_job, job);
    if (!it->other_waits)
        return JOB_AGAIN;
    return it->other_ran || ++it->steps == 1000 ? JOB_DONE : JOB_AGAIN;
}

struct short_job {
    struct job job;
    struct long_job *other;
};

static enum job_progress short_step(struct job *job)
{
    container_of(job, struct short_job, job)->other->other_ran = true;
    return JOB_DONE;
}

static void nothing_done(struct job *job)
{
    (void)job;
}

/* The only worker is in the middle of a long list: what is one step waits for one step of it. */
void test_loop__lets_short_jobs_between_the_steps_of_long_ones(void)
{
    struct long_job lasting = { .job = { .step = long_step, .done = nothing_done } };
    struct short_job quick = { .job = { .step = short_step, .done = nothing_done }, .other = &lasting };
    struct io *io = io_create(1);
    struct loop *loop = loop_create(io, "loop");
    worker_submit(io, loop, &lasting.job);
    worker_submit(io, loop, &quick.job);
    lasting.other_waits = true;
    loop_stop(loop);
    turn(loop);
    assert_true(lasting.other_ran);
    assert_in_range(lasting.steps, 0, 2);
    loop_destroy(loop);
    io_destroy(io);
}

/* A signal that main watches becomes a task. */
void test_loop__turns_a_signal_into_a_task(void)
{
    memset(trace, 0, sizeof(trace));
    struct io *io = io_create(1);
    struct loop *loop = loop_create(io, "loop");
    struct step step = { .task.run = run_step, .loop = loop, .mark = 'u' };
    assert_int_equal(io_signal_watch(loop, SIGUSR1, &step.task), 0);
    raise(SIGUSR1);
    loop_turn(loop);
    if (trace[0] == '\0')
        loop_turn(loop);
    assert_string_equal(trace, "u");
    assert_true(io_raise_file_limit() > 0);
    loop_destroy(loop);
    io_destroy(io);
}
