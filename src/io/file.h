/* SPDX-License-Identifier: Apache-2.0 */
/* Files and directories. Every call returns 0 (or a count) or -errno, and blocks: shards call only pwritev, small
 * preads of what is in the page cache, and open; everything else belongs on a worker, or to start and stop.
 * What the system does in part is asked for again here, as is what a signal interrupted: a read is whole or reaches the end.
 * A file is reference-counted, so that a deleted segment lives until its last span is sent; counts are atomic.
 * A write-back that failed is told once to each file that was open before it, and what it lost counts as written from then on. So
 * what must be durable is synced by a file that was open before the first write, and a sync that failed answers the same for good. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct io;
struct file;

enum file_mode { FILE_READ, FILE_WRITE, FILE_CREATE /* read and write, made when missing */, FILE_CREATE_NEW };

int file_open(struct io *io, const char *path, enum file_mode mode, struct file **out_file);
struct file *file_ref(struct file *file);
void file_unref(struct file *file); /* the last one closes; NULL does nothing */

int64_t file_size(struct file *file);                                        /* bytes or -errno */
int64_t file_pread(struct file *file, void *data, size_t size, int64_t position);  /* short only at the end */
int64_t file_pwritev(struct file *file, const struct iovec *vectors, int count, int64_t position); /* may be short */
int file_write_all(struct file *file, const void *data, size_t size, int64_t position);
int file_sync(struct file *file);                                            /* fdatasync */
int file_sync_all(struct file *file);                                        /* syncfs: of all that its file system holds */
int file_truncate(struct file *file, int64_t size);
int file_reserve(struct file *file, int64_t position, int64_t size);         /* fallocate(KEEP_SIZE) */
bool file_is_cached(struct file *file, int64_t position, int64_t size);      /* would a read not wait for the disk? */
void file_drop_cache(struct file *file, int64_t position, int64_t size);     /* a hint */

int file_rename(struct io *io, const char *from, const char *to);
int file_unlink(struct io *io, const char *path);
int file_stat(struct io *io, const char *path, int64_t *out_size);              /* size of a file; -ENOENT … */
int directory_create(struct io *io, const char *path);                       /* -EEXIST when there */
int directory_ensure(struct io *io, const char *path); /* makes it and what it stands in when missing, durably */
int directory_remove(struct io *io, const char *path);                       /* must be empty */
int directory_sync(struct io *io, const char *path);
int directory_exists(struct io *io, const char *path);                       /* 0, or -ENOENT, -ENOTDIR … */
int directory_current(struct io *io, char *out_path, size_t size);           /* the process's, absolute; -ERANGE */
int64_t directory_free_bytes(struct io *io, const char *path);
int64_t directory_total_bytes(struct io *io, const char *path);

/* Calls visit for every entry but "." and "..", in no order; a negative answer ends it and is returned. */
int directory_list(struct io *io, const char *path, int (*visit)(void *context, const char *name), void *context);

/* An exclusive lock on a file that is made when missing; released by file_unref. -EWOULDBLOCK: another holds it. */
int file_lock(struct io *io, const char *path, struct file **out_file);
/* A shared one, on a file that is there (-ENOENT), for who only reads what it guards: none that is exclusive can be had meanwhile. */
int file_lock_shared(struct io *io, const char *path, struct file **out_file);

/* The whole file, for small state files; -EFBIG above limit. *out_data is the caller's, with a NUL behind it. */
int file_load(struct io *io, const char *path, size_t limit, char **out_data, size_t *out_size);

/* Temporary file beside it, write, fsync, rename over it, fsync the directory. */
int file_replace(struct io *io, const char *path, const void *data, size_t size);
