/* SPDX-License-Identifier: Apache-2.0 */
/* What must be there whole after a power cut: small state files that are replaced, and new directories. Built from the
 * calls of io/file.h alone, so both implementations share it and a simulated crash falls between its steps as a real
 * one would. */
#include <errno.h>
#include <string.h>

#include "base/broken.h"
#include "base/memory.h"
#include "io/file.h"

enum { KERNEL_FILE = 64 * 1024 };

int file_load(struct io *io, const char *path, size_t limit, char **out_data, size_t *out_size)
{
    struct file *file;
    int status = file_open(io, path, FILE_READ, &file);
    if (status < 0)
        return status;
    /* Files of the kernel say they are empty, so the size only bounds the first read; none is larger than KERNEL_FILE. */
    int64_t size = file_size(file);
    if (size < 0 || (uint64_t)size > limit) {
        file_unref(file);
        return size < 0 ? (int)size : -EFBIG;
    }
    size_t capacity = size > 0 ? (size_t)size : limit < KERNEL_FILE ? limit : KERNEL_FILE;
    char *data = memory_take_raw(capacity + 1);
    int64_t got = file_pread(file, data, capacity, 0);
    file_unref(file);
    if (got < 0) {
        memory_give(data);
        return (int)got;
    }
    data[got] = '\0';
    *out_data = data;
    *out_size = (size_t)got;
    return 0;
}

static int write_new(struct io *io, const char *path, const void *data, size_t size)
{
    struct file *file;
    int status = file_open(io, path, FILE_CREATE, &file);
    if (status < 0)
        return status;
    status = file_truncate(file, 0);
    if (status == 0)
        status = file_write_all(file, data, size, 0);
    if (status == 0)
        status = broken(replace_sync) ? 0 : file_sync(file);
    file_unref(file);
    return status;
}

/* The directory that a path stands in; the caller's. */
static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    char *parent = memory_take(length + sizeof("."));
    memcpy(parent, slash == NULL ? "." : path, slash == NULL ? 1 : length);
    return parent;
}

int file_replace(struct io *io, const char *path, const void *data, size_t size)
{
    size_t length = strlen(path);
    char *temporary = memory_take(length + sizeof(".tmp"));
    char *parent = parent_of(path);
    memcpy(temporary, path, length);
    memcpy(temporary + length, ".tmp", sizeof(".tmp"));
    int status = write_new(io, temporary, data, size);
    if (status == 0)
        status = file_rename(io, temporary, path);
    if (status == 0)
        status = broken(replace_directory) ? 0 : directory_sync(io, parent);
    memory_give(temporary);
    memory_give(parent);
    return status;
}

int directory_ensure(struct io *io, const char *path)
{
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    char *trimmed = memory_take(length + 1);
    memcpy(trimmed, path, length);
    char *parent = parent_of(trimmed);
    int status = directory_exists(io, trimmed);
    if (status == 0) {
        /* Who made it may have been killed before its name was durable. Where that cannot be done it was made by somebody else. */
        if (directory_sync(io, parent) == -EIO)
            status = -EIO;
    } else if (status == -ENOENT && length > 0) {
        status = directory_ensure(io, parent);
        if (status == 0)
            status = directory_create(io, trimmed);
        if (status == 0 || status == -EEXIST)
            status = directory_sync(io, parent);
    }
    memory_give(parent);
    memory_give(trimmed);
    return status;
}
