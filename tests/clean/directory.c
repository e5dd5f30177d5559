/* SPDX-License-Identifier: Apache-2.0 */
#include "clean/directory.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "base/memory.h"
#include "base/str.h"
#include "io/file.h"
#include "io/io.h"
#include "io/loop.h"
#include "storage/producers.h"
#include "storage/scan.h"
#include "storage/segment.h"

struct directory_wish directory_wish_defaults(void)
{
    return (struct directory_wish){
        .high_watermark = INT64_MAX,
        .wall_ms = 1760000000000,
        .delete_retention_ms = 86400000,
        .max_segment_bytes = 1 << 30,
        .max_batch_bytes = 64 << 20,
        .map_bytes = 128 << 20,
        .bytes_per_second = INT64_MAX,
        .index_interval_bytes = 4096,
        .io_buffer_bytes = 512 * 1024,
    };
}

struct bases {
    int64_t *offsets;
    int32_t count;
};

static int note_base(void *context, const char *name)
{
    struct bases *bases = context;
    int64_t offset;
    if (strlen(name) != 24 || strcmp(name + 20, ".log") != 0 ||
        !str_to_int64((struct str){ name, 20 }, &offset))
        return 0;
    bases->offsets =
        memory_resize(bases->offsets, (size_t)(bases->count + 1) * sizeof(*bases->offsets));
    bases->offsets[bases->count++] = offset;
    return 0;
}

static int compare_offsets(const void *a, const void *b)
{
    int64_t first = *(const int64_t *)a, second = *(const int64_t *)b;
    return first < second ? -1 : first > second;
}

int32_t directory_segments(struct io *io, const char *path, int64_t **out_offsets)
{
    struct bases bases = { 0 };
    int status = directory_list(io, path, note_base, &bases);
    assert(status == 0);
    qsort(bases.offsets, (size_t)bases.count, sizeof(*bases.offsets), compare_offsets);
    *out_offsets = bases.offsets;
    return bases.count;
}

struct cleaning {
    struct io *io;
    struct loop *loop;
    const char *path;
    struct task resumed;
    struct timer patience, pace_end;
    struct clean *clean;
    struct clean_segment *segments;
    int32_t segment_count;
    struct clean_producer *producers;
    int32_t producer_count;
    struct aborted_entry *aborted;
    int32_t aborted_count;
    struct directory_outcome *outcome;
};

/* ---- The plan. ---- */

static void read_producers(struct io *io, const char *name, struct producers *producers)
{
    struct batch_header header;
    struct producer before;
    struct file *file;
    struct scan scan;
    int status = file_open(io, name, FILE_READ, &file);
    assert(status == 0);
    scan_begin(&scan, file, 0, file_size(file), 1 << 20);
    while (scan_header(&scan, &header) == 1) {
        const uint8_t *batch = scan_batch(&scan, &header, &status);
        if (batch != NULL)
            producers_take(producers, &header, batch, &before);
        scan_skip(&scan, &header);
    }
    scan_end(&scan);
    file_unref(file);
}

void directory_producers(struct io *io, const char *path, struct producers *out_producers)
{
    char name[SEGMENT_PATH_SIZE];
    int64_t *offsets;
    int32_t count = directory_segments(io, path, &offsets);
    *out_producers = (struct producers){ 0 };
    for (int32_t i = 0; i < count; i++) {
        segment_path(name, path, offsets[i], ".log");
        read_producers(io, name, out_producers);
    }
    memory_give(offsets);
}

static void plan_producers(struct cleaning *cleaning)
{
    struct producers producers;
    directory_producers(cleaning->io, cleaning->path, &producers);
    cleaning->producer_count = producers.count;
    cleaning->producers = memory_take((size_t)producers.count * sizeof(*cleaning->producers));
    for (int32_t i = 0; i < producers.count; i++) {
        const struct producer *producer = producers.entries[i];
        int32_t count = producer->batch_count;
        cleaning->producers[i] = (struct clean_producer){ .id = producer->id,
            .last_offset = count == 0 ? -1 : producer->batches[count - 1].last_offset,
            .epoch = producer->epoch };
    }
    producers_deinit(&producers);
}

static void plan_segments(struct cleaning *cleaning)
{
    char name[SEGMENT_PATH_SIZE];
    int64_t *offsets;
    cleaning->segment_count = directory_segments(cleaning->io, cleaning->path, &offsets);
    cleaning->segments = memory_take((size_t)cleaning->segment_count * sizeof(*cleaning->segments));
    for (int32_t i = 0; i < cleaning->segment_count; i++) {
        cleaning->segments[i].base_offset = offsets[i];
        segment_path(name, cleaning->path, offsets[i], ".log");
        int status = file_stat(cleaning->io, name, &cleaning->segments[i].size);
        assert(status == 0);
    }
    memory_give(offsets);
}

/* Those whose markers are behind the segments that are cleaned. */
static void plan_aborted(struct cleaning *cleaning, int32_t cleaned_count)
{
    char name[SEGMENT_PATH_SIZE];
    for (int32_t i = cleaned_count; i < cleaning->segment_count; i++) {
        struct index index;
        segment_path(name, cleaning->path, cleaning->segments[i].base_offset, ".txnindex");
        index_init(&index, INDEX_ABORTED);
        int status = index_load(&index, cleaning->io, name);
        assert(status == 0);
        cleaning->aborted = memory_resize(cleaning->aborted,
            (size_t)(cleaning->aborted_count + index.count) * sizeof(*cleaning->aborted));
        for (int32_t entry = 0; entry < index.count; entry++)
            cleaning->aborted[cleaning->aborted_count++] = index_aborted_at(&index, entry);
        index_deinit(&index);
    }
}

/* ---- Putting a group in its place. ---- */

static void replace(struct cleaning *cleaning, const char *suffix, bool is_made)
{
    char name[SEGMENT_PATH_SIZE], cleaned[SEGMENT_PATH_SIZE], whole[40];
    const struct clean_group *group = clean_group(cleaning->clean);
    for (int32_t i = 0; i < group->segment_count; i++) {
        segment_path(
            name, cleaning->path, cleaning->segments[group->first_segment + i].base_offset, suffix);
        file_unlink(cleaning->io, name);
    }
    if (!is_made)
        return;
    snprintf(whole, sizeof(whole), "%s.cleaned", suffix);
    segment_path(name, cleaning->path, group->base_offset, suffix);
    segment_path(cleaned, cleaning->path, group->base_offset, whole);
    int status = file_rename(cleaning->io, cleaned, name);
    assert(status == 0);
}

static void resume(struct task *task)
{
    struct cleaning *cleaning = container_of(task, struct cleaning, resumed);
    struct directory_outcome *outcome = cleaning->outcome;
    if (clean_state(cleaning->clean) == CLEAN_RUNNING)
        return; /* it was told to stop before this was called */
    if (clean_state(cleaning->clean) == CLEAN_GROUP) {
        outcome->group_count++;
        replace(cleaning, ".log", true);
        replace(cleaning, ".index", true);
        replace(cleaning, ".timeindex", true);
        replace(cleaning, ".txnindex", clean_group(cleaning->clean)->has_aborted);
        clean_next(cleaning->clean);
        return;
    }
    outcome->status = clean_status(cleaning->clean);
    snprintf(outcome->reason, sizeof(outcome->reason), "%s", clean_reason(cleaning->clean));
    outcome->end = clean_end(cleaning->clean);
    outcome->statistics = *clean_statistics(cleaning->clean);
    clean_destroy(cleaning->clean);
    timer_cancel(cleaning->loop, &cleaning->patience);
    timer_cancel(cleaning->loop, &cleaning->pace_end);
    loop_stop(cleaning->loop);
}

static void lose_patience(struct timer *timer)
{
    struct cleaning *cleaning = container_of(timer, struct cleaning, patience);
    if (clean_state(cleaning->clean) <= CLEAN_GROUP)
        clean_stop(cleaning->clean);
}

static void end_pace(struct timer *timer)
{
    clean_set_pace(container_of(timer, struct cleaning, pace_end)->clean, INT64_MAX);
}

static void turn_until_ended(struct loop *loop)
{
    while (loop_turn(loop))
        continue;
}

static struct clean_plan plan_of(const struct cleaning *cleaning, const struct directory_wish *wish)
{
    int32_t count = 0;
    while (count < cleaning->segment_count - (wish->dirty_end == 0) &&
           (wish->dirty_end == 0 || cleaning->segments[count].base_offset < wish->dirty_end))
        count++;
    return (struct clean_plan){
        .io = cleaning->io,
        .loop = cleaning->loop,
        .path = cleaning->path,
        .segments = cleaning->segments,
        .segment_count = count,
        .first_dirty = wish->first_dirty,
        .dirty_end = wish->dirty_end > 0 ? wish->dirty_end : cleaning->segments[count].base_offset,
        .high_watermark = wish->high_watermark,
        .producers = cleaning->producers,
        .producer_count = cleaning->producer_count,
        .wall_ms = wish->wall_ms,
        .delete_retention_ms = wish->delete_retention_ms,
        .max_segment_bytes = wish->max_segment_bytes,
        .max_index_bytes = 10 << 20,
        .index_interval_bytes = wish->index_interval_bytes,
        .max_batch_bytes = wish->max_batch_bytes,
        .map_bytes = wish->map_bytes,
        .map_load_factor = 0.9,
        .io_buffer_bytes = wish->io_buffer_bytes,
        .bytes_per_second = wish->bytes_per_second,
        .is_in_the_way = wish->is_in_the_way,
    };
}

void directory_clean(struct io *io, const char *path, const struct directory_wish *wish,
    void (*run)(struct loop *loop), struct directory_outcome *out_outcome)
{
    struct cleaning cleaning = { .io = io,
        .loop = loop_create(io, "clean"),
        .path = path,
        .resumed.run = resume,
        .patience.run = lose_patience,
        .pace_end.run = end_pace,
        .outcome = out_outcome };
    *out_outcome = (struct directory_outcome){ .end = wish->first_dirty };
    plan_segments(&cleaning);
    plan_producers(&cleaning);
    struct clean_plan plan = plan_of(&cleaning, wish);
    plan_aborted(&cleaning, plan.segment_count);
    plan.resume = &cleaning.resumed;
    plan.aborted = cleaning.aborted;
    plan.aborted_count = cleaning.aborted_count;
    if (plan.segment_count > 0)
        cleaning.clean = clean_start(&plan);
    else
        loop_stop(cleaning.loop);
    if (wish->stop_after_us > 0)
        timer_set(
            cleaning.loop, &cleaning.patience, loop_now_us(cleaning.loop) + wish->stop_after_us);
    if (wish->pace_ends_after_us > 0)
        timer_set(cleaning.loop, &cleaning.pace_end,
            loop_now_us(cleaning.loop) + wish->pace_ends_after_us);
    (run == NULL ? turn_until_ended : run)(cleaning.loop);
    loop_destroy(cleaning.loop);
    memory_give(cleaning.segments);
    memory_give(cleaning.producers);
    memory_give(cleaning.aborted);
}
