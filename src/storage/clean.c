/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/clean.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/container.h"
#include "base/memory.h"
#include "io/file.h"
#include "io/io.h"
#include "io/worker.h"
#include "storage/clean_filter.h"
#include "storage/clean_output.h"
#include "storage/clean_reader.h"
#include "storage/segment.h"
#include "storage/work.h"

enum {
    CHUNK_LEAST = 64 * 1024,
    SLICE_BYTES = 4 * 1024 * 1024, /* then others may have the worker */
    STEP_COST = 16 * 1024,         /* of a step in a slice, besides its bytes */
    SLICES_PER_SECOND = 10,        /* of one that is paced */
    SMALL_SLICE_BYTES = 64 * 1024, /* while somebody waits for the disk; */
    RESTS = 15,                    /* and then it rests so many times as long as it worked */
};

/* What the worker's next step is. Each is one file operation, or none. */
enum stage {
    STAGE_LOOK,   /* at the indexes of the plan's segments */
    STAGE_LEARN,  /* reads from first_dirty on */
    STAGE_BEGIN,  /* removes what stands in a group's way, and makes its file */
    STAGE_KEEP,   /* reads the group's segments, writes what stays of them */
    STAGE_FINISH, /* makes it durable */
    STAGE_REMOVE, /* takes it away again: the cleaning failed or was stopped */
};

struct source {
    int64_t base_offset, size;
    int64_t index_sizes[2]; /* of its offset and time index files */
};

struct clean {
    struct job job;
    struct io *io;
    struct loop *loop;
    struct task *resume;
    struct timer pause;
    const char *path;
    struct source *sources;
    int32_t source_count;
    int64_t first_dirty, dirty_end;
    int64_t max_segment_bytes;
    int32_t max_index_bytes, index_interval_bytes;
    size_t chunk;
    int64_t bytes_per_second;
    bool (*is_in_the_way)(const void *context);
    const void *context;

    enum clean_state state, last; /* the second: what it is to be behind STAGE_REMOVE */
    enum stage stage;
    bool is_stopping;
    bool is_working; /* a worker has it, and may be at another state already */
    int32_t source; /* the one that is looked at or read */
    enum index_kind kind;
    struct clean_filter *filter;
    struct clean_reader reader;
    struct clean_output output;
    struct work work; /* operations of STAGE_BEGIN, STAGE_FINISH and STAGE_REMOVE */
    struct clean_group group;
    int status;
    char reason[SEGMENT_PATH_SIZE + 256];

    int64_t allowance; /* what is left of the slice */
    int64_t slice_started_us, slice_moved;
};

static int fail(struct clean *clean, int status, const char *what)
{
    snprintf(clean->reason, sizeof(clean->reason), "%s", what);
    return status;
}

static int fail_at(struct clean *clean, const char *what, int64_t position)
{
    char name[SEGMENT_PATH_SIZE];
    segment_path(name, clean->path, clean->sources[clean->source].base_offset, ".log");
    snprintf(clean->reason, sizeof(clean->reason), "%s at position %lld of %s", what,
        (long long)position, name);
    return -EUCLEAN;
}

static struct clean_statistics *statistics(struct clean *clean)
{
    return clean_filter_statistics(clean->filter);
}

static void count_moved(struct clean *clean, int64_t bytes)
{
    clean->allowance -= bytes;
    clean->slice_moved += bytes;
}

/* Where the offsets of a segment end at the latest. */
static int64_t source_end(const struct clean *clean, int32_t source)
{
    return source + 1 < clean->source_count ? clean->sources[source + 1].base_offset
                                            : clean->dirty_end;
}

/* ---- Reading segments. ---- */

static int open_source(struct clean *clean)
{
    char name[SEGMENT_PATH_SIZE];
    struct source *source = &clean->sources[clean->source];
    struct file *file;
    segment_path(name, clean->path, source->base_offset, ".log");
    int status = file_open(clean->io, name, FILE_READ, &file);
    if (status < 0)
        return fail(clean, status, "a segment cannot be opened");
    if (file_size(file) < source->size) {
        file_unref(file);
        return fail_at(clean, "the file is too short", source->size);
    }
    clean_reader_open(&clean->reader, file, source->size);
    return 0;
}

typedef int take_batch(
    struct clean *clean, const uint8_t *batch, const struct batch_header *header);

static int take_checked(
    struct clean *clean, take_batch *take, const uint8_t *batch, const struct batch_header *header)
{
    int64_t position = clean->reader.position - (int64_t)header->size;
    if (header->base_offset < clean->sources[clean->source].base_offset ||
        header->base_offset >= source_end(clean, clean->source) - header->last_offset_delta)
        return fail_at(clean, "the batch's offsets are not those of its segment", position);
    int status = take(clean, batch, header);
    return status == -EUCLEAN ? fail_at(clean, clean_filter_reason(clean->filter), position)
                              : status;
}

/* Reads once at most, and takes every batch that is in memory then. 1: at the segment's end. */
static int read_some(struct clean *clean, take_batch *take)
{
    struct batch_header header;
    const uint8_t *batch;
    bool is_filled = false;
    for (;;) {
        int status = clean_reader_next(&clean->reader, &batch, &header);
        if (status == -ENODATA)
            return 1;
        if (status == -EUCLEAN)
            return fail_at(clean, "no whole batch stands", clean->reader.position);
        if (status == 1) {
            status = take_checked(clean, take, batch, &header);
            if (status != 0)
                return status;
            continue;
        }
        if (is_filled)
            return 0;
        int64_t got = clean_reader_fill(&clean->reader);
        if (got < 0)
            return fail(clean, (int)got, "a segment cannot be read");
        is_filled = true;
        count_moved(clean, got);
        statistics(clean)->bytes_read += got;
    }
}

/* ---- Stages. Each returns 0 or -errno, with the reason. ---- */

static void begin_learning(struct clean *clean)
{
    clean->stage = STAGE_LEARN;
    clean->source = 0;
    while (clean->source < clean->source_count &&
           source_end(clean, clean->source) <= clean->first_dirty)
        clean->source++;
    clean_filter_begin_learning(clean->filter);
}

static int look(struct clean *clean)
{
    char name[SEGMENT_PATH_SIZE];
    struct source *source = &clean->sources[clean->source];
    int status;
    segment_path(name, clean->path, source->base_offset, index_suffix[clean->kind]);
    if (clean->kind == INDEX_ABORTED) {
        struct index index;
        index_init(&index, INDEX_ABORTED);
        status = index_load(&index, clean->io, name);
        for (int32_t i = 0; i < index.count && status == 0; i++) {
            struct aborted_entry aborted = index_aborted_at(&index, i);
            clean_filter_add_aborted(clean->filter, &aborted);
        }
        index_deinit(&index);
    } else {
        status = file_stat(clean->io, name, &source->index_sizes[clean->kind]);
        if (status == -ENOENT)
            status = 0;
    }
    if (status < 0)
        return fail(clean, status, "an index cannot be read");
    if (++clean->kind < INDEX_KIND_COUNT)
        return 0;
    clean->kind = 0;
    if (++clean->source == clean->source_count)
        begin_learning(clean);
    return 0;
}

/* As many segments as one may hold, by Kafka's limits: bytes, bytes of each index, range of
 * offsets. */
static void choose_group(struct clean *clean, int32_t first)
{
    struct source total = clean->sources[first];
    int32_t next = first + 1;
    for (; next < clean->source_count; next++) {
        const struct source *source = &clean->sources[next];
        if (source->base_offset >= clean_end(clean) ||
            total.size + source->size > clean->max_segment_bytes ||
            total.index_sizes[0] + source->index_sizes[0] > clean->max_index_bytes ||
            total.index_sizes[1] + source->index_sizes[1] > clean->max_index_bytes ||
            source_end(clean, next) - 1 - total.base_offset > INT32_MAX)
            break;
        total.size += source->size;
        total.index_sizes[0] += source->index_sizes[0];
        total.index_sizes[1] += source->index_sizes[1];
    }
    clean->group = (struct clean_group){
        .first_segment = first,
        .segment_count = next - first,
        .base_offset = total.base_offset,
    };
}

/* The group that begins with a segment, or the end. Touches no file. */
static void begin_group(struct clean *clean, int32_t first)
{
    if (first == clean->source_count || clean->sources[first].base_offset >= clean_end(clean)) {
        clean->state = CLEAN_OVER;
        return;
    }
    clean->stage = STAGE_BEGIN;
    clean->source = first;
    choose_group(clean, first);
    clean_output_init(
        &clean->output, clean->path, clean->group.base_offset, clean->index_interval_bytes);
    work_reset(&clean->work);
    clean_output_remove(clean->path, clean->group.base_offset, &clean->work);
}

static int learn_batch(struct clean *clean, const uint8_t *batch, const struct batch_header *header)
{
    int status = clean_filter_learn(clean->filter, batch, header);
    if (status == 1)
        clean->source = clean->source_count - 1; /* the last one to be read */
    return status;
}

static int learn(struct clean *clean)
{
    int status = 1;
    if (clean->source < clean->source_count) {
        if (clean->reader.file == NULL)
            return open_source(clean);
        status = read_some(clean, learn_batch);
    }
    if (status != 1)
        return status;
    clean_reader_close(&clean->reader);
    if (++clean->source < clean->source_count)
        return 0;
    clean_filter_begin_keeping(clean->filter);
    begin_group(clean, 0);
    return 0;
}

static int begin(struct clean *clean)
{
    int status;
    if (clean->work.next < clean->work.count) {
        status = work_step(&clean->work);
        return status < 0 ? fail(clean, status, "an older .cleaned file cannot be removed") : 0;
    }
    status = clean_output_create(&clean->output, clean->io);
    if (status < 0)
        return fail(clean, status, "a .cleaned file cannot be made");
    clean->stage = STAGE_KEEP;
    return 0;
}

static int keep_batch(struct clean *clean, const uint8_t *batch, const struct batch_header *header)
{
    struct clean_kept kept;
    int status = clean_filter_keep(clean->filter, batch, header, &clean->output.pending, &kept);
    if (status == 0)
        status = clean_output_account(&clean->output, &kept);
    return status == -EFBIG ? fail(clean, status, "the segment would grow beyond 2 GiB") : status;
}

static int write_pending(struct clean *clean)
{
    int64_t got = clean_output_write(&clean->output);
    if (got < 0)
        return fail(clean, (int)got, "a .cleaned file cannot be written");
    count_moved(clean, got);
    statistics(clean)->bytes_written += got;
    return 0;
}

static int keep(struct clean *clean)
{
    bool is_read = clean->source == clean->group.first_segment + clean->group.segment_count;
    size_t pending = clean->output.pending->size;
    if (pending >= clean->chunk || (is_read && pending > 0))
        return write_pending(clean);
    if (is_read) {
        work_reset(&clean->work);
        clean_output_finish(&clean->output, &clean->work);
        clean->stage = STAGE_FINISH;
        return 0;
    }
    if (clean->reader.file == NULL)
        return open_source(clean);
    int status = read_some(clean, keep_batch);
    if (status != 1)
        return status;
    clean_reader_close(&clean->reader);
    clean->source++;
    return 0;
}

static int finish(struct clean *clean)
{
    int status = work_step(&clean->work);
    if (status < 0)
        return fail(clean, status, "a .cleaned file cannot be made durable");
    if (status == 1)
        return 0;
    const struct segment *segment = &clean->output.segment;
    clean->group.size = segment->size;
    clean->group.max_timestamp = segment->max_timestamp;
    clean->group.max_timestamp_offset = segment->max_timestamp_offset;
    clean->group.has_aborted = segment->indexes[INDEX_ABORTED].count > 0;
    clean_output_deinit(&clean->output);
    clean->state = CLEAN_GROUP;
    return 0;
}

/* It ends in that state once the files of the group at hand are gone. */
static void begin_removal(struct clean *clean, enum clean_state last)
{
    clean_reader_close(&clean->reader);
    if (clean->stage < STAGE_BEGIN) {
        clean->state = last;
        return;
    }
    clean_output_deinit(&clean->output);
    work_reset(&clean->work);
    clean_output_remove(clean->path, clean->group.base_offset, &clean->work);
    clean->stage = STAGE_REMOVE;
    clean->state = CLEAN_RUNNING;
    clean->last = last;
}

/* What cannot be removed now is at the next start of the log. */
static int remove_files(struct clean *clean)
{
    if (work_step(&clean->work) != 1)
        clean->state = clean->last;
    return 0;
}

static enum job_progress step(struct job *job)
{
    static int (*const stages[])(struct clean * clean) = {
        [STAGE_LOOK] = look,
        [STAGE_LEARN] = learn,
        [STAGE_BEGIN] = begin,
        [STAGE_KEEP] = keep,
        [STAGE_FINISH] = finish,
        [STAGE_REMOVE] = remove_files,
    };
    struct clean *clean = container_of(job, struct clean, job);
    clean->allowance -= STEP_COST;
    int status = stages[clean->stage](clean);
    if (status < 0) {
        clean->status = status;
        begin_removal(clean, CLEAN_FAILED);
    }
    return clean->state == CLEAN_RUNNING && clean->allowance > 0 ? JOB_AGAIN : JOB_DONE;
}

/* ---- On the owner's loop. ---- */

static bool is_in_the_way(const struct clean *clean)
{
    return clean->is_in_the_way != NULL && clean->is_in_the_way(clean->context);
}

static void submit(struct clean *clean)
{
    int64_t share = clean->bytes_per_second / SLICES_PER_SECOND;
    int64_t most = is_in_the_way(clean) ? SMALL_SLICE_BYTES : SLICE_BYTES;
    clean->allowance = share < most ? share : most;
    clean->slice_moved = 0;
    clean->slice_started_us = loop_now_us(clean->loop);
    clean->is_working = true;
    worker_submit(clean->io, clean->loop, &clean->job);
}

/* The next slice, or the end of all. */
static void go_on(struct clean *clean)
{
    if (clean->state == CLEAN_RUNNING)
        submit(clean);
    else
        loop_enqueue(clean->loop, clean->resume);
}

static void pause_is_over(struct timer *timer)
{
    go_on(container_of(timer, struct clean, pause));
}

/* When the last slice's bytes have had their time. */
static int64_t paid_at_us(const struct clean *clean)
{
    double cost_us = (double)clean->slice_moved * 1e6 / (double)clean->bytes_per_second;
    return clean->slice_started_us + (int64_t)cost_us;
}

void clean_set_pace(struct clean *clean, int64_t bytes_per_second)
{
    clean->bytes_per_second = bytes_per_second > 0 ? bytes_per_second : 1;
    if (timer_is_set(&clean->pause))
        timer_set(clean->loop, &clean->pause, paid_at_us(clean));
}

static void slice_done(struct job *job)
{
    struct clean *clean = container_of(job, struct clean, job);
    clean->is_working = false;
    bool is_undone = clean->state == CLEAN_RUNNING || clean->state == CLEAN_GROUP;
    if (clean->is_stopping && is_undone && clean->stage != STAGE_REMOVE)
        begin_removal(clean, CLEAN_STOPPED);
    int64_t now_us = loop_now_us(clean->loop), goes_on_us = paid_at_us(clean);
    if (is_in_the_way(clean) && goes_on_us < now_us + RESTS * (now_us - clean->slice_started_us))
        goes_on_us = now_us + RESTS * (now_us - clean->slice_started_us);
    if (clean->state == CLEAN_RUNNING && !clean->is_stopping && goes_on_us > now_us)
        timer_set(clean->loop, &clean->pause, goes_on_us);
    else
        go_on(clean);
}

struct clean *clean_start(const struct clean_plan *plan)
{
    struct clean *clean = memory_take(sizeof(*clean));
    int64_t chunk = plan->io_buffer_bytes / 2;
    assert(plan->segment_count > 0 && plan->first_dirty <= plan->dirty_end);
    *clean = (struct clean){
        .job = { .step = step, .done = slice_done },
        .io = plan->io,
        .loop = plan->loop,
        .resume = plan->resume,
        .pause.run = pause_is_over,
        .path = plan->path,
        .source_count = plan->segment_count,
        .first_dirty = plan->first_dirty,
        .dirty_end = plan->dirty_end,
        .max_segment_bytes = plan->max_segment_bytes,
        .max_index_bytes = plan->max_index_bytes,
        .index_interval_bytes = plan->index_interval_bytes,
        .chunk = (size_t)(chunk < CHUNK_LEAST ? CHUNK_LEAST : chunk),
        .bytes_per_second = plan->bytes_per_second > 0 ? plan->bytes_per_second : 1,
        .is_in_the_way = plan->is_in_the_way,
        .context = plan->context,
        .filter = clean_filter_create(plan),
    };
    clean->sources = memory_take((size_t)plan->segment_count * sizeof(*clean->sources));
    for (int32_t i = 0; i < plan->segment_count; i++)
        clean->sources[i] = (struct source){ .base_offset = plan->segments[i].base_offset,
            .size = plan->segments[i].size };
    clean_reader_init(&clean->reader, clean->chunk);
    work_init(&clean->work, plan->io, plan->loop, NULL);
    submit(clean);
    return clean;
}

void clean_destroy(struct clean *clean)
{
    if (clean == NULL)
        return;
    assert(clean_state(clean) != CLEAN_RUNNING);
    clean_filter_destroy(clean->filter);
    clean_reader_deinit(&clean->reader);
    work_deinit(&clean->work);
    memory_give(clean->sources);
    memory_give(clean);
}

void clean_next(struct clean *clean)
{
    assert(clean->state == CLEAN_GROUP && !clean->is_stopping);
    clean->state = CLEAN_RUNNING;
    begin_group(clean, clean->group.first_segment + clean->group.segment_count);
    go_on(clean);
}

void clean_stop(struct clean *clean)
{
    assert(clean_state(clean) == CLEAN_RUNNING || clean_state(clean) == CLEAN_GROUP);
    clean->is_stopping = true;
    if (clean->is_working)
        return; /* slice_done() sees it */
    timer_cancel(clean->loop, &clean->pause);
    begin_removal(clean, CLEAN_STOPPED);
    go_on(clean);
}

enum clean_state clean_state(const struct clean *clean)
{
    return clean->is_working ? CLEAN_RUNNING : clean->state;
}

const struct clean_group *clean_group(const struct clean *clean)
{
    assert(clean->state == CLEAN_GROUP);
    return &clean->group;
}

int clean_status(const struct clean *clean)
{
    return clean->status;
}

const char *clean_reason(const struct clean *clean)
{
    return clean->reason;
}

int64_t clean_end(const struct clean *clean)
{
    return clean_filter_mapped_end(clean->filter);
}

const struct clean_statistics *clean_statistics(const struct clean *clean)
{
    return clean_filter_statistics(clean->filter);
}
