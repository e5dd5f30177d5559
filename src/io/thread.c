/* SPDX-License-Identifier: Apache-2.0 */
#include "io/thread.h"

#include <signal.h>

#include "base/memory.h"
#include "io/linux.h"

struct thread {
    pthread_t thread;
    struct loop *loop;
};

int thread_spawn(const char *name, void *(*run)(void *), void *context, pthread_t *out_thread)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(out_thread, NULL, run, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        pthread_setname_np(*out_thread, name);
    return -error;
}

static void *turn_until_stopped(void *context)
{
    while (loop_turn(context))
        continue;
    return NULL;
}

int thread_start(struct io *io, const char *name, struct loop *loop, struct thread **out_thread)
{
    (void)io;
    struct thread *thread = memory_take(sizeof(*thread));
    thread->loop = loop;
    int status = thread_spawn(name, turn_until_stopped, loop, &thread->thread);
    if (status < 0)
        memory_give(thread);
    else
        *out_thread = thread;
    return status;
}

void thread_join(struct thread *thread)
{
    pthread_join(thread->thread, NULL);
    memory_give(thread);
}
