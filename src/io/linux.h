/* SPDX-License-Identifier: Apache-2.0 */
/* What the Linux files of this room share, and nobody outside may include. Whatever a loop polls begins with a
 * struct poll_source; the poll is edge-triggered and registered once, so a pass costs no epoll_ctl. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>

#include "io/io.h"
#include "io/job_queue.h"
#include "io/pass.h"

struct file;
struct socket;
struct signal_watch;

struct poll_source {
    void (*polled)(struct poll_source *source, uint32_t events); /* notes what is ready; calls no one else */
};

struct io {
    pthread_t *workers;
    int worker_count;
    pthread_mutex_t telling; /* held while a worker tells a loop that its job is done */
    pthread_mutex_t lock;    /* guards what follows */
    pthread_cond_t submitted;
    struct job_queue jobs;
    bool stopping;
};

struct loop {
    struct pass pass;
    struct io *io;
    int poll_descriptor, wake_descriptor;
    struct poll_source wake_source;
    struct socket *ready; /* utlist; to be called in this pass, or in the next when added meanwhile */
    struct socket *running; /* whose ready() is being called; NULL once it is closed */
    uint64_t socket_run;
    struct signal_watch *signals;
    struct loop **wakes;  /* loops that were sent mail in this pass, each once */
    size_t wake_count, wake_capacity;
    int64_t job_count;    /* submitted, and done() not yet run */
    bool stopping;
    char name[16];

    char apart[64]; /* what follows is written by other threads, so it has a cache line of its own */
    _Atomic(struct mail *) mailbox; /* newest first */
    _Atomic bool sleeping;          /* in the poll, or about to be: mail needs a wake-up */
};

int loop_poll(struct loop *loop, int descriptor, uint32_t events, struct poll_source *source); /* 0 or -errno */
void sockets_run(struct loop *loop); /* calls ready() of the sockets on the loop's list */
int workers_start(struct io *io);    /* 0 or -errno */
void workers_stop(struct io *io);    /* after the jobs that were submitted */
void signals_close(struct loop *loop); /* its watches */
int file_descriptor(const struct file *file);

/* pthread_create with every signal blocked: signals are main's. 0 or -errno. */
int thread_spawn(const char *name, void *(*run)(void *), void *context, pthread_t *out_thread);
