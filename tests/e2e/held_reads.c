/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded into a broker, it takes files whose path has HELD_READS in it out of the page cache, as far as the broker can see, and holds the
 * workers that are to read them: until HELD_UNTIL, a pipe with a name, was opened to write and closed, or is gone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SYSCALL_CACHESTAT = 451 };
#define REAL(name) static __typeof__(&name) real; if (real == NULL) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static bool is_held(int descriptor)
{
    char link[64], path[1024];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof(path) - 1);
    path[length < 0 ? 0 : length] = '\0';
    return strstr(path, getenv("HELD_READS")) != NULL;
}

static bool is_worker(void)
{
    char name[16];
    return pthread_getname_np(pthread_self(), name, sizeof(name)) == 0 && strncmp(name, "worker", 6) == 0;
}

static void wait_until_released(void)
{
    char byte;
    int pipe = open(getenv("HELD_UNTIL"), O_RDONLY | O_CLOEXEC); /* waits for the other end */
    if (pipe < 0)
        return;
    while (read(pipe, &byte, 1) > 0)
        continue;
    close(pipe);
}

ssize_t pread64(int descriptor, void *data, size_t size, off64_t position)
{
    REAL(pread64);
    if (is_worker() && is_held(descriptor))
        wait_until_released();
    return real(descriptor, data, size, position);
}

/* The broker asks with these two what is cached; without the first it takes the second. */
long syscall(long number, ...)
{
    REAL(syscall);
    va_list rest;
    long arguments[6];
    if (number == SYSCALL_CACHESTAT) {
        errno = ENOSYS;
        return -1;
    }
    va_start(rest, number);
    for (int i = 0; i < 6; i++)
        arguments[i] = va_arg(rest, long);
    va_end(rest);
    return real(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
}

ssize_t preadv64v2(int descriptor, const struct iovec *vectors, int count, off64_t position, int flags)
{
    REAL(preadv64v2);
    if ((flags & RWF_NOWAIT) != 0 && is_held(descriptor)) {
        errno = EAGAIN;
        return -1;
    }
    return real(descriptor, vectors, count, position, flags);
}
