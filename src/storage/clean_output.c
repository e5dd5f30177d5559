/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/clean_output.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "io/file.h"
#include "storage/clean_filter.h"
#include "storage/work.h"

static void cleaned_path(char *out, const char *path, int64_t base_offset, const char *suffix)
{
    char whole[32];
    int size = snprintf(whole, sizeof(whole), "%s.cleaned", suffix);
    assert(size > 0 && size < (int)sizeof(whole));
    segment_path(out, path, base_offset, whole);
}

void clean_output_init(struct clean_output *output, const char *path, int64_t base_offset,
    int32_t index_interval_bytes)
{
    *output = (struct clean_output){ .path = path, .index_interval_bytes = index_interval_bytes };
    segment_begin(&output->segment, base_offset);
    output->pending = buffer_create(0);
}

void clean_output_deinit(struct clean_output *output)
{
    segment_deinit(&output->segment);
    buffer_unref(output->pending);
    output->pending = NULL;
}

int clean_output_create(struct clean_output *output, struct io *io)
{
    char name[SEGMENT_PATH_SIZE];
    cleaned_path(name, output->path, output->segment.base_offset, ".log");
    return file_open(io, name, FILE_CREATE_NEW, &output->segment.file);
}

int clean_output_account(struct clean_output *output, const struct clean_kept *kept)
{
    struct segment *segment = &output->segment;
    const struct batch_header *header = &kept->header;
    int64_t last = batch_last_offset(header);
    if (kept->aborted.producer_id >= 0)
        index_add_aborted(&segment->indexes[INDEX_ABORTED], &kept->aborted);
    if (header->size == 0)
        return 0;
    if (segment->size + (int64_t)header->size > INT32_MAX ||
        last - segment->base_offset > INT32_MAX)
        return -EFBIG;
    if (header->max_timestamp > segment->max_timestamp) {
        segment->max_timestamp = header->max_timestamp;
        segment->max_timestamp_offset = last;
    }
    if (output->since_index > output->index_interval_bytes) {
        index_add_offset(
            &segment->indexes[INDEX_OFFSET], segment->base_offset, last, segment->size);
        index_add_time(&segment->indexes[INDEX_TIME], segment->base_offset, segment->max_timestamp,
            segment->max_timestamp_offset);
        output->since_index = 0;
    }
    output->since_index += (int64_t)header->size;
    segment->size += (int64_t)header->size;
    return 0;
}

int64_t clean_output_write(struct clean_output *output)
{
    int64_t size = (int64_t)output->pending->size;
    int status = file_write_all(
        output->segment.file, output->pending->data, output->pending->size, output->written);
    if (status < 0)
        return status;
    output->written += size;
    output->pending->size = 0;
    return size;
}

/* Kafka wants the offset and the time index also when they are empty. */
static void add_index(struct clean_output *output, enum index_kind kind, struct work *work)
{
    char name[SEGMENT_PATH_SIZE];
    const struct index *index = &output->segment.indexes[kind];
    if (index->count == 0 && kind == INDEX_ABORTED)
        return;
    cleaned_path(name, output->path, output->segment.base_offset, index_suffix[kind]);
    struct work_item *item = work_add(work, WORK_WRITE);
    item->path = memory_copy_text(name);
    item->size = (size_t)index->count * (size_t)index_entry_size[kind];
    item->data = memory_take_raw(item->size);
    if (item->size > 0)
        memcpy(item->data, index->data, item->size);
    work_add_path(work, WORK_SYNC_PATH, name);
}

void clean_output_finish(struct clean_output *output, struct work *work)
{
    struct segment *segment = &output->segment;
    assert(output->pending->size == 0 && output->written == segment->size);
    index_add_time(&segment->indexes[INDEX_TIME], segment->base_offset, segment->max_timestamp,
        segment->max_timestamp_offset);
    work_add(work, WORK_SYNC)->file = file_ref(segment->file);
    for (int kind = 0; kind < INDEX_KIND_COUNT; kind++)
        add_index(output, (enum index_kind)kind, work);
    work_add_path(work, WORK_SYNC_DIRECTORY, output->path);
}

void clean_output_remove(const char *path, int64_t base_offset, struct work *work)
{
    char name[SEGMENT_PATH_SIZE];
    cleaned_path(name, path, base_offset, ".log");
    work_add_path(work, WORK_UNLINK, name);
    for (int kind = 0; kind < INDEX_KIND_COUNT; kind++) {
        cleaned_path(name, path, base_offset, index_suffix[kind]);
        work_add_path(work, WORK_UNLINK, name);
    }
}
