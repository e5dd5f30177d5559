/* SPDX-License-Identifier: Apache-2.0 */
/* Any files as a partition's directory. What the checkpoints say of it comes first, then files one after the other: segments of
 * batches that the input decides (draw_batch.h) or of any bytes, indexes, snapshots, epochs. The log opens or is refused; what
 * it then serves is whole batches in order, with the right CRC where recovery has looked; opening it again changes nothing; what
 * is appended can be read; and after a clean stop it is found as it was left. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/container.h"
#include "base/memory.h"
#include "fuzz/draw_batch.h"
#include "fuzz/world.h"
#include "io/file.h"
#include "storage/checkpoint_file.h"
#include "storage/flusher.h"
#include "storage/log.h"
#include "storage/log_dir.h"
#include "storage/log_state.h"
#include "wire/record.h"

enum { MOST_FILES = 12, MOST_READ = 1 << 20, SMALL_SEGMENT = 2000 };

struct run {
    struct world world;
    struct log_dir *dir;
    struct flusher *flusher;
    struct log *log;
    struct log_settings settings;
    struct task stopped;
    bool has_stopped, was_clean;
};

/* ---- The directory that the input describes. ---- */

static void put(struct run *run, int64_t offset, const char *suffix, struct bytes content)
{
    char path[100];
    snprintf(path, sizeof(path), "/data/topic-0/%020lld%s", (long long)offset, suffix);
    world_put(&run->world, path, content);
}

/* Batches that follow each other unless the input says otherwise, and a torn end. */
static int64_t put_segment(struct run *run, struct input *input, int64_t base_offset)
{
    struct arena arena;
    arena_init(&arena);
    struct buffer *content = buffer_create(1 << 16);
    int64_t next = base_offset;
    for (int left = input_byte(input) % 6; left > 0; left--) {
        struct batch_header header;
        struct bytes batch = batch_draw(input, next, &arena);
        if (content->capacity - content->size < batch.size)
            content = buffer_grow(content, content->capacity + batch.size);
        memcpy(content->data + content->size, batch.data, batch.size);
        content->size += batch.size;
        uint8_t step = input_byte(input);
        bool is_next = step < 240 && batch_parse(batch, &header) == BATCH_OK;
        next = is_next ? (int64_t)((uint64_t)header.base_offset + (uint64_t)header.last_offset_delta + 1)
                       : (int64_t)((uint64_t)next + (uint64_t)input_odd(input));
    }
    uint8_t cut = input_byte(input);
    if (cut >= 192)
        content->size -= content->size < cut - 192u ? content->size : cut - 192u;
    put(run, base_offset, ".log", (struct bytes){ content->data, content->size });
    buffer_unref(content);
    arena_deinit(&arena);
    return next;
}

static void put_files(struct run *run, struct input *input)
{
    static const char *const suffixes[] = { ".log", ".index", ".timeindex", ".txnindex", ".snapshot", ".log.deleted", ".swap",
        ".cleaned" };
    int64_t base_offset = 0, next = 0;
    for (int i = 0; i < MOST_FILES && input_left(input) > 0; i++) {
        uint8_t kind = input_byte(input) % 16;
        if (kind < 4) {
            base_offset = kind < 3 ? next : input_odd(input) & INT64_MAX;
            next = put_segment(run, input, base_offset) & INT64_MAX;
        } else if (kind < 13) {
            int64_t offset = kind == 8 ? input_odd(input) & INT64_MAX : base_offset;
            put(run, offset, suffixes[kind < 12 ? kind % 8 : 0], input_take(input, (size_t)input_number(input, 2)));
        } else {
            world_put(&run->world, kind == 13 ? "/data/topic-0/partition.metadata" : "/data/topic-0/leader-epoch-checkpoint",
                input_take(input, input_byte(input)));
        }
    }
}

/* Each checkpoint file says something, or is missing. */
static void put_checkpoints(struct run *run, struct input *input)
{
    uint8_t choice = input_byte(input);
    for (int kind = 0; kind < CHECKPOINT_KIND_COUNT; kind++) {
        char path[100];
        struct checkpoint_text text = { 0 };
        size_t size;
        if ((choice >> kind & 1) == 0)
            continue;
        checkpoint_text_add(&text, "topic", 0, input_odd(input));
        uint8_t *content = checkpoint_file_print(&text, &size);
        snprintf(path, sizeof(path), "/data/%s", checkpoint_file_name[kind]);
        world_put(&run->world, path, (struct bytes){ content, size });
        memory_give(content);
        checkpoint_text_deinit(&text);
    }
    run->was_clean = (choice & 0x80) != 0;
    if (run->was_clean)
        world_put(&run->world, "/data/.kafka_cleanshutdown", (struct bytes){ (const uint8_t *)"{}", 2 });
    log_settings_defaults(&run->settings);
    run->settings.segment_bytes = (choice & 0x40) != 0 ? SMALL_SEGMENT : 1 << 20;
    run->settings.index_interval_bytes = (choice & 0x20) != 0 ? 1 : 4096;
    run->settings.compacts = (choice & 0x10) != 0;
    run->settings.page_cache = (choice & 0x08) != 0;
}

/* ---- Opening and closing. ---- */

static void open_directory(struct run *run)
{
    struct log_dir_settings settings;
    char reason[512];
    world_start_loop(&run->world);
    log_dir_settings_defaults(&settings);
    int status = log_dir_open(run->world.loop, "/data", &settings, &run->dir, reason, sizeof(reason));
    assert(status == 0);
    run->flusher = flusher_create(run->world.loop, run->dir);
}

static bool open_log(struct run *run)
{
    const struct log_place *place = log_dir_find(run->dir, "topic", 0);
    if (place == NULL)
        return false;
    int status = log_open(run->flusher, place, &run->settings, &run->log);
    assert(status == 0 || status == -EUCLEAN || status == -EBADMSG);
    return status == 0;
}

static void note_stopped(struct task *task)
{
    container_of(task, struct run, stopped)->has_stopped = true;
}

static bool has_stopped(void *context)
{
    return ((struct run *)context)->has_stopped;
}

static void close_directory(struct run *run)
{
    run->has_stopped = false;
    run->stopped = (struct task){ .run = note_stopped };
    flusher_stop(run->flusher, &run->stopped);
    assert(world_run(&run->world, has_stopped, run));
    log_close(run->log);
    run->log = NULL;
    flusher_destroy(run->flusher);
    world_stop_loop(&run->world);
    int status = log_dir_close(run->dir, 1);
    assert(status == 0);
    loop_destroy(run->world.loop);
}

/* ---- What is asked of a log that opened. ---- */

struct found {
    int64_t start, end, size, batch_count;
    uint64_t crcs; /* of all that was read */
};

static void check_positions(const struct log *log)
{
    assert(log_start(log) >= 0);
    assert(log_start(log) <= log_high_watermark(log) && log_high_watermark(log) <= log_end(log));
    assert(log_start(log) <= log_durable_end(log) && log_durable_end(log) <= log_end(log));
    assert(log_last_stable_offset(log) <= log_high_watermark(log));
}

/* Damage below what recovery has looked at may be met now: it is told, and ends the reading. Behind the first batch of a slice it is
 * served as it is, for those are bytes that nobody looked at; whoever parses them meets it. */
static struct found read_all(struct run *run, int64_t checked_from)
{
    struct found found = { log_start(run->log), log_end(run->log), log_size(run->log), 0, 0 };
    uint8_t *bytes = memory_take(MOST_READ);
    int64_t offset = found.start, next = INT64_MIN;
    bool is_damaged = false;
    while (offset < found.end && !is_damaged) {
        struct log_slice slice;
        struct batch_header header;
        int status = log_read(run->log, offset, found.end, MOST_READ / 2, true, true, &slice);
        if (status == -EUCLEAN && offset < checked_from)
            break;
        assert(status == 0);
        if (slice.file == NULL)
            break; /* compacted away up to the end */
        int64_t size = file_pread(slice.file, bytes, (size_t)slice.size, slice.position);
        log_slice_release(&slice);
        assert(size > 0);
        struct bytes rest = { bytes, (size_t)size };
        int64_t before = offset;
        for (; rest.size > 0 && batch_parse(rest, &header) == BATCH_OK; found.batch_count++) {
            is_damaged = header.base_offset < next || batch_next_offset(&header) > found.end;
            assert(!is_damaged || (offset < checked_from && offset > before));
            if (is_damaged)
                break;
            if (header.base_offset >= checked_from)
                assert(batch_crc_is_right(rest.data, &header));
            next = offset = batch_next_offset(&header);
            found.crcs = found.crcs * 31 + header.crc;
            rest = (struct bytes){ rest.data + header.size, rest.size - header.size };
        }
        assert(offset > before);
    }
    memory_give(bytes);
    return found;
}

static void append_one(struct run *run)
{
    struct record record = { .timestamp = 1760000000000, .value = { (const uint8_t *)"value", 5 } };
    struct batch_options options = batch_options_plain();
    struct buffer *buffer = batch_build(&options, &record, 1);
    struct batch_header header;
    int64_t offset, end = log_end(run->log);
    assert(batch_parse((struct bytes){ buffer->data, buffer->size }, &header) == BATCH_OK);
    log_stage(run->log, buffer, buffer->data, &header, INT32_MAX, loop_wall_ms(run->world.loop), &offset);
    buffer_unref(buffer);
    assert(log_write(run->log) == 0 && offset == end && log_end(run->log) == end + 1);
    struct log_slice slice;
    assert(log_read(run->log, offset, end + 1, 1, true, true, &slice) == 0 && slice.file != NULL);
    assert(slice.first_offset == offset);
    log_slice_release(&slice);
}

static void use(struct run *run, int64_t checked_from)
{
    check_positions(run->log);
    struct found first = read_all(run, checked_from);
    log_close(run->log);
    assert(open_log(run));
    check_positions(run->log);
    struct found second = read_all(run, checked_from);
    assert(memcmp(&first, &second, sizeof(first)) == 0);
    if (first.end == INT64_MAX)
        return;
    append_one(run);
    int64_t start = log_start(run->log), end = log_end(run->log);
    close_directory(run);
    open_directory(run);
    assert(log_dir_was_clean(run->dir));
    assert(open_log(run));
    assert(log_start(run->log) == start && log_end(run->log) == end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = input_of(data, size);
    struct run run = { 0 };
    struct log_dir_identity identity = { .cluster_id = "fuzz", .node_id = 1, .directory_id = { { 1 } } };
    world_begin(&run.world);
    int status = log_dir_format(run.world.io, "/data", &identity);
    assert(status == 0);
    put_checkpoints(&run, &input);
    put_files(&run, &input);
    open_directory(&run);
    if (open_log(&run)) {
        const struct log_place *place = log_dir_find(run.dir, "topic", 0);
        use(&run, place->clean ? INT64_MAX : place->recovery_point);
    }
    close_directory(&run);
    world_end(&run.world);
    return 0;
}
