/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/swap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/broken.h"
#include "base/memory.h"
#include "base/report.h"
#include "base/str.h"
#include "io/file.h"
#include "storage/scan.h"
#include "storage/segment.h"

enum { SWAP_CHUNK = 64 * 1024, BASE_DIGITS = 20 };

static void add_rename(struct work *work, const char *path, int64_t base_offset, const char *suffix,
    const char *from, const char *to)
{
    char name[SEGMENT_PATH_SIZE], ending[32];
    snprintf(ending, sizeof(ending), "%s%s", suffix, from);
    segment_path(name, path, base_offset, ending);
    work_add_path(work, WORK_RENAME, name);
    snprintf(ending, sizeof(ending), "%s%s", suffix, to);
    segment_path(name, path, base_offset, ending);
    work->items[work->count - 1].target = memory_copy_text(name);
}

static void add_index_renames(
    struct work *work, const char *path, int64_t base_offset, const char *from, const char *to)
{
    for (int kind = 0; kind < INDEX_KIND_COUNT; kind++)
        add_rename(work, path, base_offset, index_suffix[kind], from, to);
}

void swap_add_claim(struct work *work, const char *path, int64_t base_offset)
{
    add_index_renames(work, path, base_offset, ".cleaned", ".swap");
    add_rename(work, path, base_offset, ".log", ".cleaned", ".swap");
    if (!broken(swap_not_durable))
        work_add_path(work, WORK_SYNC_DIRECTORY, path);
}

void swap_add_finish(
    struct work *work, const char *path, const int64_t *bases, int32_t base_count)
{
    for (int32_t i = 1; i < base_count; i++) {
        add_rename(work, path, bases[i], ".log", "", ".deleted");
        add_index_renames(work, path, bases[i], "", ".deleted");
    }
    add_rename(work, path, bases[0], index_suffix[INDEX_ABORTED], "", ".deleted");
    work_add_path(work, WORK_SYNC_DIRECTORY, path);
    add_rename(work, path, bases[0], ".log", ".swap", "");
    work_add_path(work, WORK_SYNC_DIRECTORY, path);
    add_index_renames(work, path, bases[0], ".swap", "");
    work_add_path(work, WORK_SYNC_DIRECTORY, path);
}

/* ---- What a crash left. ---- */

struct leftover {
    int64_t base_offset;
    char name[64];
    bool is_cleaned, is_log; /* else .swap; the segment itself, or one of its indexes */
};
struct leftovers {
    struct leftover *items;
    int32_t count, capacity;
    int64_t *bases; /* of the segments that are there under their own names */
    int32_t base_count, base_capacity;
    int64_t first_cleaned; /* least base of a .cleaned file; INT64_MAX: there is none */
};

static void note_base(struct leftovers *left, int64_t base_offset)
{
    if (left->base_count == left->base_capacity) {
        left->base_capacity = left->base_capacity == 0 ? 16 : left->base_capacity * 2;
        left->bases =
            memory_resize(left->bases, (size_t)left->base_capacity * sizeof(*left->bases));
    }
    left->bases[left->base_count++] = base_offset;
}

static int visit(void *context, const char *name)
{
    struct leftovers *left = context;
    size_t size = strlen(name);
    int64_t base;
    if (strspn(name, "0123456789") != BASE_DIGITS || size >= sizeof(left->items->name) ||
        !str_to_int64((struct str){ name, BASE_DIGITS }, &base))
        return 0;
    const char *suffix = name + BASE_DIGITS;
    const char *ending = strrchr(suffix, '.');
    if (strcmp(suffix, ".log") == 0)
        note_base(left, base);
    bool is_cleaned = ending != NULL && strcmp(ending, ".cleaned") == 0;
    if (ending == NULL || ending == suffix || (!is_cleaned && strcmp(ending, ".swap") != 0))
        return 0;
    if (left->count == left->capacity) {
        left->capacity = left->capacity == 0 ? 8 : left->capacity * 2;
        left->items = memory_resize(left->items, (size_t)left->capacity * sizeof(*left->items));
    }
    struct leftover *item = &left->items[left->count++];
    *item = (struct leftover){ .base_offset = base,
        .is_cleaned = is_cleaned,
        .is_log = strncmp(suffix, ".log.", 5) == 0 };
    memcpy(item->name, name, size + 1);
    if (is_cleaned && base < left->first_cleaned)
        left->first_cleaned = base;
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct leftover *left = a, *right = b;
    return (left->base_offset > right->base_offset) - (left->base_offset < right->base_offset);
}

/* A .swap file at or above a .cleaned one was claimed by a swap that did not come as far as to count:
 * all of the old segments are there. Those go first, durably: alone they would count. */
static bool counts(const struct leftovers *left, const struct leftover *item)
{
    return !item->is_cleaned && item->base_offset < left->first_cleaned;
}

static void add_removals(struct work *work, const struct leftovers *left, const char *path)
{
    char name[SEGMENT_PATH_SIZE];
    for (int is_cleaned = 0; is_cleaned < 2; is_cleaned++) {
        int32_t before = work->count;
        for (int32_t i = 0; i < left->count; i++) {
            const struct leftover *item = &left->items[i];
            if (counts(left, item) || item->is_cleaned != is_cleaned)
                continue;
            path_in(name, path, item->name);
            work_add_path(work, WORK_UNLINK, name);
        }
        if (work->count > before)
            work_add_path(work, WORK_SYNC_DIRECTORY, path);
    }
}

/* Where the batches of the segment end; all of it must be batches. */
static int find_end(struct io *io, const char *path, const struct leftover *item, int64_t *out_end)
{
    char name[SEGMENT_PATH_SIZE];
    struct batch_header header;
    struct scan scan;
    struct file *file;
    path_in(name, path, item->name);
    int status = file_open(io, name, FILE_READ, &file);
    if (status < 0)
        return status;
    *out_end = item->base_offset;
    int64_t size = file_size(file);
    scan_begin(&scan, file, 0, size < 0 ? 0 : size, SWAP_CHUNK);
    status = size < 0 ? (int)size : 0;
    while (status == 0 && (status = scan_header(&scan, &header)) == 1) {
        status = header.base_offset < *out_end || header.last_offset_delta < 0 ? -EBADMSG : 0;
        *out_end = batch_next_offset(&header);
        if (status == 0)
            scan_skip(&scan, &header);
    }
    if (status == -EBADMSG) {
        report_error("log_damaged",
            "file=%s position=%lld cause=\"a cleaned segment that was to take the place of others\": "
            "nothing was cut away. Restore the file, or move the directory aside",
            name, (long long)scan.position);
        status = -EUCLEAN;
    }
    scan_end(&scan);
    file_unref(file);
    return status;
}

/* The segments that the cleaned one holds go. What of them lies behind its last record comes back to
 * life: it was superseded, and the next cleaning finds that again. */
static int add_finish(
    struct work *work, const struct leftovers *left, struct io *io, const char *path,
    const struct leftover *item)
{
    int64_t end;
    int status = find_end(io, path, item, &end);
    if (status < 0)
        return status;
    int64_t *bases = memory_take((size_t)(left->base_count + 1) * sizeof(*bases));
    int32_t count = 0;
    bases[count++] = item->base_offset;
    for (int32_t i = 0; i < left->base_count; i++)
        if (left->bases[i] > item->base_offset && left->bases[i] < end)
            bases[count++] = left->bases[i];
    swap_add_finish(work, path, bases, count);
    memory_give(bases);
    return 0;
}

static int add_all(
    struct work *work, const struct leftovers *left, struct io *io, const char *path)
{
    int status = 0;
    add_removals(work, left, path);
    for (int32_t i = 0; i < left->count && status == 0; i++)
        if (counts(left, &left->items[i]) && left->items[i].is_log)
            status = add_finish(work, left, io, path, &left->items[i]);
    if (status < 0)
        return status;
    int32_t before = work->count; /* of a swap whose log has its last name */
    for (int32_t i = 0; i < left->count; i++)
        if (counts(left, &left->items[i]) && !left->items[i].is_log)
            add_index_renames(work, path, left->items[i].base_offset, ".swap", "");
    if (work->count > before)
        work_add_path(work, WORK_SYNC_DIRECTORY, path);
    return 0;
}

int swap_settle(struct io *io, const char *path)
{
    struct leftovers left = { .first_cleaned = INT64_MAX };
    struct work work;
    work_init(&work, io, NULL, NULL);
    int status = directory_list(io, path, visit, &left);
    if (status == 0 && left.count > 0)
        qsort(left.items, (size_t)left.count, sizeof(*left.items), compare);
    if (status == 0)
        status = add_all(&work, &left, io, path);
    if (status == 0 && work.count > 0)
        status = work_run(&work);
    work_deinit(&work);
    memory_give(left.items);
    memory_give(left.bases);
    return status;
}
