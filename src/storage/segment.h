/* SPDX-License-Identifier: Apache-2.0 */
/* A segment is one file of batches with its offset, time and aborted-transaction index. Only the
 * last segment of a log is written; the others are sealed and never change. At rest it holds
 * neither descriptor nor index. It lives in its log's array; `path` below is always the log's
 * directory. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "storage/index.h"
#include "wire/batch.h"

struct file;
struct io;

#define SEGMENT_TIME_UNKNOWN INT64_MIN

struct segment {
    int64_t base_offset;
    int64_t size;          /* bytes of whole batches; -1: not looked at yet */
    int64_t max_timestamp; /* -1: no record has a time; SEGMENT_TIME_UNKNOWN: not looked at yet */
    int64_t max_timestamp_offset; /* last offset of the batch that has it */
    int64_t first_timestamp;      /* newest of the first batch, once that is written; the same two */
    struct file *file;            /* NULL at rest */
    struct index *indexes;        /* INDEX_KIND_COUNT of them; NULL at rest */
    bool is_new;                  /* no file yet: made by the first write */
    bool is_taken; /* sealed, and a checkpoint has set out to write its indexes, whole */
    bool is_kept;  /* and did */
};

enum { SEGMENT_PATH_SIZE = 4096 };
void path_in(
    char *out, const char *path, const char *name); /* path/name; out holds SEGMENT_PATH_SIZE */
void segment_path(char *out, const char *path, int64_t base_offset, const char *suffix);

void segment_note(struct segment *segment, int64_t base_offset); /* one that is there; touches no file */
void segment_begin(
    struct segment *segment, int64_t base_offset); /* a new, empty one; touches no file */
void segment_deinit(struct segment *segment);      /* closes; frees the indexes */
int segment_open(struct segment *segment, struct io *io,
    const char *path); /* the file; does nothing when it is open */
int segment_load(struct segment *segment, struct io *io,
    const char *path); /* offset and time index, the same way */
int segment_load_aborted(struct segment *segment, struct io *io, const char *path);
bool segment_rest(struct segment *segment); /* back to rest; false when an index is not saved yet */
int64_t segment_size(struct segment *segment, struct io *io, const char *path); /* or -errno */
int segment_find_times(
    struct segment *segment, struct io *io, const char *path); /* fills max_timestamp */
int segment_find_first_time(
    struct segment *segment, struct io *io, const char *path); /* fills first_timestamp */
/* Whether the batch that holds the offset has that newest time, as an entry of the time index says: 1, 0 or -errno. The segment is
 * open and loaded, and its size known. */
int segment_time_is_true(const struct segment *segment, int64_t timestamp, int64_t offset);

/* The batch header at position of an open segment that ends at `end`; whole batches only. */
int segment_header(
    const struct segment *segment, int64_t position, int64_t end, struct batch_header *out_header);
