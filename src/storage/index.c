/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/index.h"

#include <assert.h>
#include <errno.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "io/file.h"

const char *const index_suffix[INDEX_KIND_COUNT] = { ".index", ".timeindex", ".txnindex" };
const int32_t index_entry_size[INDEX_KIND_COUNT] = { INDEX_OFFSET_ENTRY, INDEX_TIME_ENTRY,
    INDEX_ABORTED_ENTRY };

void index_init(struct index *index, enum index_kind kind)
{
    *index = (struct index){ .kind = (uint8_t)kind, .writing = -1, .loaded = true };
}

void index_deinit(struct index *index)
{
    memory_give(index->data);
    *index = (struct index){ .kind = index->kind, .writing = -1 };
}

static uint8_t *entry_at(const struct index *index, int32_t entry)
{
    assert(entry >= 0 && entry < index->count);
    return index->data + (int64_t)entry * index_entry_size[index->kind];
}

static uint8_t *index_grow(struct index *index)
{
    int32_t size = index_entry_size[index->kind];
    if (index->count == index->capacity) {
        index->capacity = index->capacity == 0 ? 16 : index->capacity * 2;
        index->data = memory_resize(index->data, (size_t)index->capacity * (size_t)size);
    }
    return index->data + (int64_t)index->count++ * size;
}

/* Whether an entry may follow the one before it. */
static bool entry_can_be(enum index_kind kind, const uint8_t *entry, const uint8_t *before)
{
    switch (kind) {
    case INDEX_OFFSET:
        if (before == NULL)
            return load_i32(entry) > 0 && load_i32(entry + 4) > 0;
        return load_i32(entry) > load_i32(before) && load_i32(entry + 4) > load_i32(before + 4);
    case INDEX_TIME:
        if (before == NULL)
            return load_i64(entry) >= 0 && load_i32(entry + 8) >= 0 &&
                   (load_i64(entry) != 0 || load_i32(entry + 8) != 0);
        return load_i64(entry) > load_i64(before) && load_i32(entry + 8) >= load_i32(before + 8);
    default:
        return load_i16(entry) == 0 && load_i64(entry + 2) >= 0 &&
               load_i64(entry + 10) <= load_i64(entry + 18);
    }
}

int index_load(struct index *index, struct io *io, const char *path)
{
    enum { CHUNK_ENTRIES = 2048 };
    int32_t size = index_entry_size[index->kind];
    struct file *file;
    index_deinit(index);
    int status = file_open(io, path, FILE_READ, &file);
    if (status == -ENOENT) {
        index->cut =
            index->kind != INDEX_ABORTED; /* to be made, also when it stays empty: Kafka wants it */
        index->loaded = true;
        return 0;
    }
    if (status < 0)
        return status;
    index->is_made = true;
    int64_t got = 0;
    bool good = true;
    while (good) {
        if (index->capacity - index->count < CHUNK_ENTRIES) {
            index->capacity = index->count + CHUNK_ENTRIES;
            index->data = memory_resize(index->data, (size_t)index->capacity * (size_t)size);
        }
        uint8_t *chunk = index->data + (int64_t)index->count * size;
        got = file_pread(file, chunk, (size_t)(CHUNK_ENTRIES * size), (int64_t)index->count * size);
        if (got <= 0)
            break;
        for (int64_t entry = 0; entry < got / size && good; entry++) {
            const uint8_t *at = chunk + entry * size;
            good = entry_can_be(index->kind, at, index->count == 0 ? NULL : at - size);
            index->count += good;
        }
        good = good && got == CHUNK_ENTRIES * size;
    }
    index->cut = file_size(file) != (int64_t)index->count * size;
    file_unref(file);
    if (got < 0) {
        index_deinit(index);
        return (int)got;
    }
    index->capacity = index->count;
    index->data = memory_resize(index->data, (size_t)(index->count + 1) * (size_t)size);
    index->saved = index->count;
    index->loaded = true;
    return 0;
}

void index_cut(struct index *index, int32_t count)
{
    if (count >= index->count)
        return;
    index->count = count;
    if (index->saved > count || index->writing > count) {
        index->saved = index->saved < count ? index->saved : count;
        index->writing = -1; /* what a running checkpoint writes is not the index any longer */
        index->cut = index->stale = true;
    }
}

void index_add_offset(struct index *index, int64_t base_offset, int64_t offset, int64_t position)
{
    assert(offset >= base_offset && offset - base_offset <= INT32_MAX && position <= INT32_MAX);
    assert(index->loaded);
    uint8_t *entry = index_grow(index);
    store_i32(entry, (int32_t)(offset - base_offset));
    store_i32(entry + 4, (int32_t)position);
}

int64_t index_offset_at(
    const struct index *index, int32_t entry, int64_t base_offset, int64_t *out_position)
{
    const uint8_t *at = entry_at(index, entry);
    *out_position = load_i32(at + 4);
    return base_offset + load_i32(at);
}

int32_t index_find_offset(const struct index *index, int64_t base_offset, int64_t offset)
{
    int32_t low = 0,
            high = index->count; /* entries below low are <= offset, from high on they are above */
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (base_offset + load_i32(entry_at(index, middle)) <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low - 1;
}

int32_t index_find_position(const struct index *index, int64_t position)
{
    int32_t low = 0,
            high = index->count; /* entries below low are before position, from high on they are not */
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (load_i32(entry_at(index, middle) + 4) < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void index_add_time(struct index *index, int64_t base_offset, int64_t timestamp, int64_t offset)
{
    assert(index->loaded);
    int64_t last = index->count == 0 ? -1 : load_i64(entry_at(index, index->count - 1));
    if (timestamp <= last)
        return;
    uint8_t *entry = index_grow(index);
    store_i64(entry, timestamp);
    store_i32(entry + 8, (int32_t)(offset - base_offset));
}

int64_t index_time_at(
    const struct index *index, int32_t entry, int64_t base_offset, int64_t *out_offset)
{
    const uint8_t *at = entry_at(index, entry);
    *out_offset = base_offset + load_i32(at + 8);
    return load_i64(at);
}

int32_t index_find_time(const struct index *index, int64_t timestamp)
{
    int32_t low = 0, high = index->count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (load_i64(entry_at(index, middle)) <= timestamp)
            low = middle + 1;
        else
            high = middle;
    }
    return low - 1;
}

void index_add_aborted(struct index *index, const struct aborted_entry *aborted)
{
    assert(index->loaded);
    uint8_t *entry = index_grow(index);
    store_i16(entry, 0);
    store_i64(entry + 2, aborted->producer_id);
    store_i64(entry + 10, aborted->first_offset);
    store_i64(entry + 18, aborted->last_offset);
    store_i64(entry + 26, aborted->last_stable_offset);
}

struct aborted_entry index_aborted_at(const struct index *index, int32_t entry)
{
    const uint8_t *at = entry_at(index, entry);
    return (struct aborted_entry){ load_i64(at + 2), load_i64(at + 10), load_i64(at + 18),
        load_i64(at + 26) };
}
