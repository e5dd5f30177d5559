/* SPDX-License-Identifier: Apache-2.0 */
#include "io/process.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <utlist.h>

#include "base/container.h"
#include "base/memory.h"
#include "io/linux.h"

struct signal_watch {
    struct signal_watch *next;
    struct poll_source source;
    struct loop *loop;
    struct task *task;
    int descriptor;
};

static void signalled(struct poll_source *source, uint32_t events)
{
    struct signal_watch *watch = container_of(source, struct signal_watch, source);
    struct signalfd_siginfo info;
    (void)events;
    while (read(watch->descriptor, &info, sizeof(info)) == (ssize_t)sizeof(info))
        loop_enqueue(watch->loop, watch->task);
}

int io_signal_watch(struct loop *loop, int signal, struct task *task)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    int error = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (error != 0)
        return -error;
    struct signal_watch *watch = memory_take(sizeof(*watch));
    *watch = (struct signal_watch){ .source.polled = signalled, .loop = loop, .task = task };
    watch->descriptor = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    int status = watch->descriptor < 0 ? -errno : loop_poll(loop, watch->descriptor, EPOLLIN, &watch->source);
    if (status == 0) {
        watch->source.polled(&watch->source, EPOLLIN); /* one that was pending already */
        LL_PREPEND(loop->signals, watch);
        return 0;
    }
    if (watch->descriptor >= 0)
        close(watch->descriptor);
    memory_give(watch);
    return status;
}

void signals_close(struct loop *loop)
{
    struct signal_watch *watch, *next;
    LL_FOREACH_SAFE(loop->signals, watch, next) {
        close(watch->descriptor);
        memory_give(watch);
    }
    loop->signals = NULL;
}

int64_t io_raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -errno;
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    return (int64_t)(setrlimit(RLIMIT_NOFILE, &limit) < 0 ? before : limit.rlim_cur);
}
