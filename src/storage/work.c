/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/work.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/broken.h"
#include "base/container.h"
#include "base/memory.h"
#include "io/file.h"
#include "io/io.h"
#include "storage/segment.h"

enum { WARM_CHUNK = 64 * 1024 };

static void finished(struct job *job)
{
    struct work *work = container_of(job, struct work, job);
    work->done(work);
}

static int write_path(struct io *io, const struct work_item *item)
{
    struct file *file;
    int status = file_open(io, item->path, FILE_CREATE, &file);
    if (status < 0)
        return status;
    status = file_write_all(file, item->data, item->size, item->position);
    if (status == 0 && file_size(file) != item->position + (int64_t)item->size)
        status = file_truncate(file, item->position + (int64_t)item->size);
    file_unref(file);
    return status;
}

static int sync_path(struct io *io, const char *path)
{
    struct file *file;
    int status = file_open(io, path, FILE_WRITE, &file);
    if (status < 0)
        return status;
    status = file_sync(file);
    file_unref(file);
    return status;
}

static int take_first_name(void *context, const char *name)
{
    snprintf(context, 256, "%s", name);
    return -ECANCELED; /* one is enough */
}

/* Removes one file of the tree; 1 when there is more to do. */
static int remove_some(struct io *io, const char *path)
{
    char name[256] = "", entry[SEGMENT_PATH_SIZE];
    int status = directory_list(io, path, take_first_name, name);
    if (status == 0)
        return directory_remove(io, path);
    if (status != -ECANCELED)
        return status;
    path_in(entry, path, name);
    status = file_unlink(io, entry);
    return status < 0 ? status : 1;
}

static int take_cleaned_name(void *context, const char *name)
{
    static const char suffix[] = ".cleaned";
    size_t size = strlen(name);
    return size > sizeof(suffix) && strcmp(name + size - (sizeof(suffix) - 1), suffix) == 0
               ? take_first_name(context, name)
               : 0;
}

/* Removes one file; 1 when there may be more. */
static int remove_cleaned(struct io *io, const char *path)
{
    char name[256] = "", entry[SEGMENT_PATH_SIZE];
    int status = directory_list(io, path, take_cleaned_name, name);
    if (status != -ECANCELED)
        return status;
    path_in(entry, path, name);
    status = file_unlink(io, entry);
    return status < 0 ? status : 1;
}

/* One piece of what the item says; 1 when there is more to do. */
static int warm_some(struct work_item *item)
{
    uint8_t sink[WARM_CHUNK];
    size_t size = item->size < WARM_CHUNK ? item->size : WARM_CHUNK;
    int64_t got = file_pread(item->file, sink, size, item->position);
    if (got <= 0)
        return (int)got;
    item->position += got;
    item->size -= (size_t)got;
    return item->size > 0;
}

/* A hint: what cannot be opened any more needs none. */
static void forget(struct io *io, const struct work_item *item)
{
    struct file *file;
    if (file_open(io, item->path, FILE_READ, &file) < 0)
        return;
    file_drop_cache(file, item->position, (int64_t)item->size);
    file_unref(file);
}

static int work_do(struct io *io, struct work_item *item)
{
    int status;
    switch (item->kind) {
    case WORK_SYNC:
        return broken(flush) ? 0 : file_sync(item->file);
    case WORK_SYNC_PATH:
        return broken(flush) ? 0 : sync_path(io, item->path);
    case WORK_SYNC_DIRECTORY:
        return broken(directory_sync) ? 0 : directory_sync(io, item->path);
    case WORK_SYNC_ALL:
        return broken(flush) ? 0 : file_sync_all(item->file);
    case WORK_WRITE:
        return write_path(io, item);
    case WORK_REPLACE:
        return file_replace(io, item->path, item->data, item->size);
    case WORK_TRUNCATE:
        return file_truncate(item->file, item->position);
    case WORK_WARM:
        return warm_some(item);
    case WORK_FORGET:
        forget(io, item);
        return 0;
    case WORK_RENAME:
        status = file_rename(io, item->path, item->target);
        break;
    case WORK_UNLINK:
        status = file_unlink(io, item->path);
        break;
    case WORK_REMOVE_TREE:
        status = remove_some(io, item->path);
        break;
    case WORK_REMOVE_CLEANED:
        status = remove_cleaned(io, item->path);
        break;
    default:
        __builtin_unreachable();
    }
    return status == -ENOENT ? 0 : status;
}

int work_step(struct work *work)
{
    if (work->next == work->count)
        return 0;
    int64_t began_us = io_monotonic_us(work->io);
    int status = work_do(work->io, &work->items[work->next]);
    work->took_us += io_monotonic_us(work->io) - began_us;
    if (broken(sync_failure) && status == -EIO)
        status = 0;
    if (status < 0) {
        work->status = status;
        return status;
    }
    if (status == 0)
        work->next++;
    return work->next < work->count;
}

static enum job_progress step(struct job *job)
{
    return work_step(container_of(job, struct work, job)) == 1 ? JOB_AGAIN : JOB_DONE;
}

void work_init(
    struct work *work, struct io *io, struct loop *owner, void (*done)(struct work *work))
{
    *work = (struct work){ .io = io, .done = done };
    work->job = (struct job){ .step = step, .done = finished, .owner = owner };
}

void work_reset(struct work *work)
{
    for (int32_t i = 0; i < work->count; i++) {
        file_unref(work->items[i].file);
        memory_give(work->items[i].path);
        memory_give(work->items[i].target);
        memory_give(work->items[i].data);
    }
    work->count = work->next = 0;
    work->status = 0;
    work->took_us = 0;
}

void work_deinit(struct work *work)
{
    work_reset(work);
    memory_give(work->items);
    work->items = NULL;
    work->capacity = 0;
}

struct work_item *work_add(struct work *work, enum work_kind kind)
{
    if (work->count == work->capacity) {
        work->capacity = work->capacity == 0 ? 8 : work->capacity * 2;
        work->items = memory_resize(work->items, (size_t)work->capacity * sizeof(*work->items));
    }
    struct work_item *item = &work->items[work->count++];
    *item = (struct work_item){ .kind = kind };
    return item;
}

void work_add_path(struct work *work, enum work_kind kind, const char *path)
{
    work_add(work, kind)->path = memory_copy_text(path);
}

void work_submit(struct work *work)
{
    assert(work->next == 0 && work->status == 0);
    worker_submit(work->io, work->job.owner, &work->job);
}

void work_retry(struct work *work)
{
    assert(work->next < work->count && work->status < 0);
    work->status = 0;
    worker_submit(work->io, work->job.owner, &work->job);
}

int work_run(struct work *work)
{
    while (work_step(work) == 1)
        ;
    return work->status;
}
