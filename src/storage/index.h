/* SPDX-License-Identifier: Apache-2.0 */
/* One index of a segment, in memory as it stands in its file: fixed entries, big-endian, strictly
 * increasing. Indexes are caches of what the batches say: loading takes the longest prefix that can
 * be true and ignores the rest (zeros of a preallocated file, garbage). New entries are written to
 * the file at checkpoints; `saved` counts those in it. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct io;

enum index_kind { INDEX_OFFSET, INDEX_TIME, INDEX_ABORTED, INDEX_KIND_COUNT };
enum { INDEX_OFFSET_ENTRY = 8, INDEX_TIME_ENTRY = 12, INDEX_ABORTED_ENTRY = 34 };

struct index {
    uint8_t *data;                  /* owned */
    int32_t count, capacity, saved; /* entries */
    int32_t writing; /* entries in the file once the running checkpoint is done; -1: not in it */
    uint8_t kind;
    bool loaded;
    bool is_made; /* its file is there */
    bool cut; /* the file may hold more than `saved` good entries: cut it when it is written next */
    bool stale; /* and not to be forgotten before that: some of them would be believed, or a kill came
                   before the file was made */
};

extern const char *const index_suffix[INDEX_KIND_COUNT];
extern const int32_t index_entry_size[INDEX_KIND_COUNT];

void index_init(struct index *index, enum index_kind kind); /* empty, as of a new segment */
void index_deinit(struct index *index);
int index_load(struct index *index, struct io *io, const char *path); /* a missing file is empty */
void index_cut(struct index *index, int32_t count); /* keeps the first count entries */

/* Offset index: the last offset of a batch, and the position where that batch begins. */
void index_add_offset(struct index *index, int64_t base_offset, int64_t offset, int64_t position);
int64_t index_offset_at(
    const struct index *index, int32_t entry, int64_t base_offset, int64_t *out_position);
int32_t index_find_offset(const struct index *index, int64_t base_offset,
    int64_t offset); /* last entry <= offset; -1 none */
int32_t index_find_position(
    const struct index *index, int64_t position); /* first entry >= position; count: none */

/* Time index: no record up to that offset is newer than that time. Older times are not added. */
void index_add_time(struct index *index, int64_t base_offset, int64_t timestamp, int64_t offset);
int64_t index_time_at(
    const struct index *index, int32_t entry, int64_t base_offset, int64_t *out_offset);
int32_t index_find_time(
    const struct index *index, int64_t timestamp); /* last entry <= timestamp; -1 none */

/* Aborted transactions, in the order of their markers. */
struct aborted_entry {
    int64_t producer_id, first_offset, last_offset, last_stable_offset;
};
void index_add_aborted(struct index *index, const struct aborted_entry *aborted);
struct aborted_entry index_aborted_at(const struct index *index, int32_t entry);
