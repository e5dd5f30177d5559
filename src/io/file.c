/* SPDX-License-Identifier: Apache-2.0 */
#include "io/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/memory.h"
#include "io/linux.h"

enum { PAGE = 4096, PROBE_STEP = 64 * 1024 };

struct file {
    _Atomic int32_t references;
    int descriptor;
    pthread_mutex_t sync_lock; /* guards what follows */
    int sync_failure; /* 0, or what a sync answered, for good */
};

int file_descriptor(const struct file *file) { return file->descriptor; }

static int from_call(int result) { return result < 0 ? -errno : 0; }

int file_open(struct io *io, const char *path, enum file_mode mode, struct file **out_file)
{
    static const int flags[] = { [FILE_READ] = O_RDONLY, [FILE_WRITE] = O_RDWR, [FILE_CREATE] = O_RDWR | O_CREAT,
                                 [FILE_CREATE_NEW] = O_RDWR | O_CREAT | O_EXCL };
    (void)io;
    int descriptor = open(path, flags[mode] | O_CLOEXEC, 0644);
    if (descriptor < 0)
        return -errno;
    struct file *file = memory_take(sizeof(*file));
    atomic_init(&file->references, 1);
    pthread_mutex_init(&file->sync_lock, NULL);
    file->descriptor = descriptor;
    *out_file = file;
    return 0;
}

struct file *file_ref(struct file *file)
{
    int32_t before = atomic_fetch_add_explicit(&file->references, 1, memory_order_relaxed);
    assert(before > 0);
    return file;
}

void file_unref(struct file *file)
{
    if (file == NULL)
        return;
    int32_t before = atomic_fetch_sub_explicit(&file->references, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before > 1)
        return;
    pthread_mutex_destroy(&file->sync_lock);
    close(file->descriptor); /* nothing is left to be written: whoever needs it durable has synced it */
    memory_give(file);
}

int64_t file_size(struct file *file)
{
    struct stat stat;
    return fstat(file->descriptor, &stat) < 0 ? -errno : stat.st_size;
}

int64_t file_pread(struct file *file, void *data, size_t size, int64_t position)
{
    size_t done = 0;
    while (done < size) {
        ssize_t got = pread(file->descriptor, (uint8_t *)data + done, size - done, position + (int64_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (int64_t)done;
}

int64_t file_pwritev(struct file *file, const struct iovec *vectors, int count, int64_t position)
{
    ssize_t done;
    do
        done = pwritev(file->descriptor, vectors, count < IOV_MAX ? count : IOV_MAX, position);
    while (done < 0 && errno == EINTR);
    return done < 0 ? -errno : done;
}

int file_write_all(struct file *file, const void *data, size_t size, int64_t position)
{
    for (size_t done = 0; done < size;) {
        struct iovec vector = { (uint8_t *)data + done, size - done };
        int64_t written = file_pwritev(file, &vector, 1, position + (int64_t)done);
        if (written < 0)
            return (int)written;
        if (written == 0)
            return -EIO;
        done += (size_t)written;
    }
    return 0;
}

/* The system tells a failed write-back to one sync of a descriptor, whatever it failed for, and the next finds all clean: so it is
 * remembered, and two do not run at a time. */
static int sync_by(struct file *file, int (*call)(int))
{
    pthread_mutex_lock(&file->sync_lock);
    if (file->sync_failure == 0)
        file->sync_failure = from_call(call(file->descriptor));
    int status = file->sync_failure;
    pthread_mutex_unlock(&file->sync_lock);
    return status;
}

int file_sync(struct file *file) { return sync_by(file, fdatasync); }
int file_sync_all(struct file *file) { return sync_by(file, syncfs); }

int file_truncate(struct file *file, int64_t size) { return from_call(ftruncate(file->descriptor, size)); }

int file_reserve(struct file *file, int64_t position, int64_t size)
{
    return from_call(fallocate(file->descriptor, FALLOC_FL_KEEP_SIZE, position, size));
}

#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif
struct cachestat_of_range {
    uint64_t cached, dirty, writeback, evicted, recently_evicted; /* pages */
};

/* Kernels before 6.5: one byte in each read-ahead unit stands for the unit. */
static bool is_cached_by_probing(struct file *file, int64_t position, int64_t size)
{
    char byte;
    struct iovec vector = { &byte, 1 };
    for (int64_t at = 0; at < size; at += PROBE_STEP)
        if (preadv2(file->descriptor, &vector, 1, position + at, RWF_NOWAIT) < 0)
            return false;
    return size == 0 || preadv2(file->descriptor, &vector, 1, position + size - 1, RWF_NOWAIT) >= 0;
}

bool file_is_cached(struct file *file, int64_t position, int64_t size)
{
    struct {
        uint64_t position, size;
    } range = { (uint64_t)position, (uint64_t)size };
    struct cachestat_of_range counts;
    if (size <= 0)
        return true;
    if (syscall(SYS_cachestat, file->descriptor, &range, &counts, 0) < 0)
        return is_cached_by_probing(file, position, size);
    int64_t pages = (position + size - 1) / PAGE - position / PAGE + 1;
    return (int64_t)counts.cached >= pages;
}

void file_drop_cache(struct file *file, int64_t position, int64_t size)
{
    posix_fadvise(file->descriptor, position, size, POSIX_FADV_DONTNEED);
}

int file_rename(struct io *io, const char *from, const char *to)
{
    (void)io;
    return from_call(rename(from, to));
}

int file_unlink(struct io *io, const char *path)
{
    (void)io;
    return from_call(unlink(path));
}

int file_stat(struct io *io, const char *path, int64_t *out_size)
{
    (void)io;
    struct stat status;
    if (stat(path, &status) < 0)
        return -errno;
    *out_size = status.st_size;
    return 0;
}

/* A lock of the open description: it excludes other opens in this process too, and Kafka's tryLock(). */
static int lock_file(struct io *io, const char *path, enum file_mode mode, short type, struct file **out_file)
{
    struct file *file;
    int status = file_open(io, path, mode, &file);
    if (status < 0)
        return status;
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET };
    if (fcntl(file->descriptor, F_OFD_SETLK, &lock) < 0) {
        status = errno == EACCES ? -EWOULDBLOCK : -errno;
        file_unref(file);
        return status;
    }
    *out_file = file;
    return 0;
}

int file_lock(struct io *io, const char *path, struct file **out_file)
{
    return lock_file(io, path, FILE_CREATE, F_WRLCK, out_file);
}

int file_lock_shared(struct io *io, const char *path, struct file **out_file)
{
    return lock_file(io, path, FILE_READ, F_RDLCK, out_file);
}
