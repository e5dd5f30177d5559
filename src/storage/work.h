/* SPDX-License-Identifier: Apache-2.0 */
/* A list of file operations done in order on a worker, one per step, so that a crash can fall
 * between any two. The first that fails ends it. Data and texts handed over belong to the list.
 * Reused: work_reset() keeps its memory. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "io/worker.h"

struct file;
struct io;

enum work_kind {
    WORK_SYNC,           /* file (a reference) */
    WORK_SYNC_PATH,      /* the file at path */
    WORK_SYNC_DIRECTORY, /* path */
    WORK_SYNC_ALL,       /* the file system that holds file (a reference) */
    WORK_WRITE,       /* data at position of the file at path, made when missing; it ends there */
    WORK_REPLACE,     /* the file at path by data, durable and whole or not at all */
    WORK_TRUNCATE,    /* file to position */
    WORK_RENAME,      /* path to target; nothing there is fine */
    WORK_UNLINK,      /* path; nothing there is fine */
    WORK_REMOVE_TREE, /* the directory at path and all in it; nothing there is fine */
    WORK_REMOVE_CLEANED, /* what an aborted cleaning left in the directory at path */
    WORK_WARM,        /* reads size bytes at position of file */
    WORK_FORGET,      /* gives back what the page cache holds of size bytes at position of the file at path */
};

struct work_item {
    enum work_kind kind;
    struct file *file;
    char *path, *target;
    uint8_t *data;
    size_t size;
    int64_t position;
};

struct work {
    struct job job;
    struct io *io;
    struct work_item *items;
    int32_t count, capacity;
    int32_t next; /* after the end: how many were done */
    int status;   /* 0, or -errno of items[next] */
    int64_t took_us; /* the operations; not the waits for a worker before and between them */
    void (*done)(
        struct work *work); /* on the owner's loop; may reset and submit again, or destroy */
};

void work_init(
    struct work *work, struct io *io, struct loop *owner, void (*done)(struct work *work));
void work_deinit(struct work *work);
void work_reset(struct work *work);
struct work_item *work_add(
    struct work *work, enum work_kind kind); /* the rest is zero; valid until the next add */
void work_add_path(struct work *work, enum work_kind kind, const char *path); /* copies path */
void work_submit(struct work *work);
void work_retry(struct work *work); /* goes on with the one that failed */
/* The next operation, for who has the list as part of a job of its own: 1 there are more, 0 all is done,
 * or -errno. */
int work_step(struct work *work);
int work_run(struct work *work); /* all of it, here and now: for start and stop */
