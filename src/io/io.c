/* SPDX-License-Identifier: Apache-2.0 */
#include "io/io.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/report.h"
#include "base/str.h"
#include "io/file.h"
#include "io/linux.h"

struct io *io_create(int worker_count)
{
    assert(worker_count > 0);
    signal(SIGPIPE, SIG_IGN); /* sendfile() has no MSG_NOSIGNAL */
    struct io *io = memory_take(sizeof(*io));
    io->worker_count = worker_count;
    io->workers = memory_take(sizeof(*io->workers) * (size_t)worker_count);
    pthread_mutex_init(&io->telling, NULL);
    pthread_mutex_init(&io->lock, NULL);
    pthread_cond_init(&io->submitted, NULL);
    int status = workers_start(io);
    if (status < 0) {
        report_error("workers_failed", "errno=%d workers=%d: no thread to be had", -status, worker_count);
        abort();
    }
    return io;
}

void io_destroy(struct io *io)
{
    if (io == NULL)
        return;
    workers_stop(io);
    pthread_cond_destroy(&io->submitted);
    pthread_mutex_destroy(&io->lock);
    pthread_mutex_destroy(&io->telling);
    memory_give(io->workers);
    memory_give(io);
}

void io_random(struct io *io, void *data, size_t size)
{
    (void)io;
    uint8_t *at = data;
    while (size > 0) {
        ssize_t got = getrandom(at, size, 0);
        assert(got > 0 || errno == EINTR);
        if (got > 0) {
            at += got;
            size -= (size_t)got;
        }
    }
}

int64_t io_wall_ms(struct io *io)
{
    (void)io;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t io_monotonic_us(struct io *io)
{
    (void)io;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* In a container the cgroup's limit is the machine's. */
int64_t io_memory_size(struct io *io)
{
    int64_t size = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    char *text;
    size_t text_size;
    if (file_load(io, "/sys/fs/cgroup/memory.max", 64, &text, &text_size) == 0) {
        int64_t limit;
        if (str_to_int64(str_trim(str_from(text)), &limit) && limit > 0 && limit < size)
            size = limit;
        memory_give(text);
    }
    return size;
}

int io_cpu_count(struct io *io)
{
    (void)io;
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0)
        return CPU_COUNT(&allowed);
    return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

int io_process_id(struct io *io)
{
    (void)io;
    return (int)getpid();
}
