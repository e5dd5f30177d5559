/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded into a broker, it makes the system calls of files fail and steps the wall clock, as the test asks while the broker runs: the file
 * that FAILING_CONTROL names is shared memory, laid out as struct control. Only files below the directory that it names fail. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum call { CALL_WRITE, CALL_READ, CALL_SYNC, CALL_RENAME, CALL_OPEN, CALL_COUNT };

struct control {
    volatile int64_t clock_step_s;
    volatile int64_t failure[CALL_COUNT]; /* errno; 0: none */
    volatile int64_t spared[CALL_COUNT];  /* so many calls succeed before */
    volatile int64_t failed[CALL_COUNT];  /* counted here */
    char below[256];                      /* a path */
};

static struct control *control(void)
{
    static struct control *shared;
    static const struct control nothing;
    if (shared != NULL)
        return shared;
    const char *path = getenv("FAILING_CONTROL");
    int descriptor = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    void *memory = descriptor < 0 ? MAP_FAILED : mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    shared = memory == MAP_FAILED ? (struct control *)&nothing : memory;
    return shared;
}

static bool fails_at(enum call call, const char *path)
{
    struct control *shared = control();
    if (shared->failure[call] == 0 || strncmp(path, shared->below, strlen(shared->below)) != 0)
        return false;
    if (__atomic_fetch_sub(&shared->spared[call], 1, __ATOMIC_SEQ_CST) > 0)
        return false;
    __atomic_fetch_add(&shared->failed[call], 1, __ATOMIC_SEQ_CST);
    errno = (int)shared->failure[call];
    return true;
}

static bool fails(enum call call, int descriptor)
{
    char link[64], path[1024];
    if (control()->failure[call] == 0)
        return false;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", descriptor);
    ssize_t size = readlink(link, path, sizeof(path) - 1);
    if (size < 0)
        return false;
    path[size] = '\0';
    return fails_at(call, path);
}

#define REAL(name) static __typeof__(&name) real; if (real == NULL) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

ssize_t pwritev64(int descriptor, const struct iovec *vectors, int count, off64_t position)
{
    REAL(pwritev64);
    return fails(CALL_WRITE, descriptor) ? -1 : real(descriptor, vectors, count, position);
}

ssize_t write(int descriptor, const void *data, size_t size)
{
    REAL(write);
    return fails(CALL_WRITE, descriptor) ? -1 : real(descriptor, data, size);
}

ssize_t pread64(int descriptor, void *data, size_t size, off64_t position)
{
    REAL(pread64);
    return fails(CALL_READ, descriptor) ? -1 : real(descriptor, data, size, position);
}

ssize_t preadv64v2(int descriptor, const struct iovec *vectors, int count, off64_t position, int flags)
{
    REAL(preadv64v2);
    return fails(CALL_READ, descriptor) ? -1 : real(descriptor, vectors, count, position, flags);
}

ssize_t sendfile64(int to, int from, off64_t *position, size_t size)
{
    REAL(sendfile64);
    return fails(CALL_READ, from) ? -1 : real(to, from, position, size);
}

int fsync(int descriptor)
{
    REAL(fsync);
    return fails(CALL_SYNC, descriptor) ? -1 : real(descriptor);
}

int fdatasync(int descriptor)
{
    REAL(fdatasync);
    return fails(CALL_SYNC, descriptor) ? -1 : real(descriptor);
}

int rename(const char *from, const char *to)
{
    REAL(rename);
    return fails_at(CALL_RENAME, to) ? -1 : real(from, to);
}

int open64(const char *path, int flags, ...)
{
    REAL(open64);
    __builtin_va_list rest;
    __builtin_va_start(rest, flags);
    int mode = (flags & O_CREAT) != 0 ? __builtin_va_arg(rest, int) : 0;
    __builtin_va_end(rest);
    return (flags & O_CREAT) != 0 && fails_at(CALL_OPEN, path) ? -1 : real(path, flags, mode);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    REAL(clock_gettime);
    int status = real(clock, now);
    if (status == 0 && clock == CLOCK_REALTIME)
        now->tv_sec += control()->clock_step_s;
    return status;
}
