/* SPDX-License-Identifier: Apache-2.0 */
/* Any batches, cleaned by any plan: what is not good is refused as damage; what stays are good batches with the offsets that they
 * had; and cleaning that again finds no damage, and in the end nothing to do. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "fuzz/draw_batch.h"
#include "sim/sim.h"
#include "storage/clean_filter.h"

enum { MOST_BATCHES = 12, MOST_PRODUCERS = 3, MOST_ABORTED = 3, LIMIT = 1 << 16 };

struct run {
    struct clean_plan plan;
    struct clean_producer producers[MOST_PRODUCERS];
    struct aborted_entry aborted[MOST_ABORTED];
    struct bytes batches[MOST_BATCHES];
    struct buffer *kept[MOST_BATCHES];
    int count;
};

static void draw_plan(struct run *run, struct input *input)
{
    static struct io *io;
    if (io == NULL)
        io = machine_boot(machine_create(sim_create(1), "node"), 1);
    run->plan = (struct clean_plan){ .io = io,
        .first_dirty = input_byte(input) & 0x1f,
        .high_watermark = input_byte(input),
        .wall_ms = INT64_C(1760000000000),
        .delete_retention_ms = 1 + (input_odd(input) & (INT64_MAX / 2)),
        .max_batch_bytes = LIMIT,
        .map_bytes = input_bit(input) ? LIMIT : input_byte(input),
        .map_load_factor = 0.9,
        .producers = run->producers,
        .producer_count = input_byte(input) % (MOST_PRODUCERS + 1),
        .aborted = run->aborted,
        .aborted_count = input_byte(input) % (MOST_ABORTED + 1) };
    for (int i = 0; i < run->plan.producer_count; i++)
        run->producers[i] = (struct clean_producer){
            .id = (i == 0 ? 0 : run->producers[i - 1].id + 1) + input_byte(input),
            .last_offset = (int64_t)input_byte(input) - 1,
            .epoch = input_byte(input) };
    for (int i = 0; i < run->plan.aborted_count; i++) {
        int64_t first = input_byte(input);
        run->aborted[i] = (struct aborted_entry){ input_byte(input), first, first + input_byte(input), 0 };
    }
}

static void draw_batches(struct run *run, struct input *input, struct arena *arena)
{
    int64_t next = 0;
    for (int wanted = input_byte(input) % (MOST_BATCHES + 1); run->count < wanted; run->count++) {
        struct batch_header header;
        struct bytes batch = batch_draw(input, next, arena);
        if (batch_parse(batch, &header) != BATCH_OK)
            break;
        run->batches[run->count] = (struct bytes){ batch.data, header.size };
        next = (int64_t)((uint64_t)header.base_offset + (uint64_t)header.last_offset_delta + 1);
        if (next < 0 || next > INT64_MAX / 2)
            continue;
        run->plan.dirty_end = next > run->plan.dirty_end ? next : run->plan.dirty_end;
    }
    if (run->plan.first_dirty > run->plan.dirty_end)
        run->plan.first_dirty = run->plan.dirty_end;
}

static void check_kept(const struct buffer *out, const struct batch_header *was)
{
    struct batch_header header;
    if (out->size == 0)
        return;
    enum batch_status status = batch_parse((struct bytes){ out->data, out->size }, &header);
    assert(status == BATCH_OK && header.size == out->size && batch_crc_is_right(out->data, &header));
    assert(header.base_offset == was->base_offset && header.last_offset_delta == was->last_offset_delta);
    assert(header.leader_epoch == was->leader_epoch && header.producer_id == was->producer_id);
    assert(header.record_count <= was->record_count);
}

/* 0, or what the first refused batch was refused with. What stays is in run->kept. */
static int clean(struct run *run, bool *out_is_full)
{
    struct batch_header header;
    struct clean_kept kept;
    struct clean_filter *filter = clean_filter_create(&run->plan);
    int status = 0;
    clean_filter_begin_learning(filter);
    for (int i = 0; i < run->count && status == 0; i++) {
        batch_parse(run->batches[i], &header);
        status = clean_filter_learn(filter, run->batches[i].data, &header);
    }
    *out_is_full = status == 1;
    status = status == 1 ? 0 : status;
    clean_filter_begin_keeping(filter);
    for (int i = 0; i < run->count && status == 0; i++) {
        batch_parse(run->batches[i], &header);
        run->kept[i] = buffer_create(0);
        status = clean_filter_keep(filter, run->batches[i].data, &header, &run->kept[i], &kept);
        if (status == 0)
            check_kept(run->kept[i], &header);
    }
    assert(status == 0 || (status == -EUCLEAN && clean_filter_reason(filter) != NULL));
    clean_filter_destroy(filter);
    return status;
}

/* What stayed is there to be cleaned again; whether it is what was there before. */
static bool take_kept(struct run *run, struct arena *arena)
{
    bool is_same = true;
    int count = 0;
    for (int i = 0; i < run->count; i++) {
        struct bytes kept = { run->kept[i]->data, run->kept[i]->size };
        is_same = is_same && bytes_equal(kept, run->batches[i]);
        if (kept.size > 0)
            run->batches[count++] = (struct bytes){ arena_copy(arena, kept.data, kept.size), kept.size };
    }
    for (int i = 0; i < run->count; i++) {
        buffer_unref(run->kept[i]);
        run->kept[i] = NULL;
    }
    run->count = count;
    return is_same;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = input_of(data, size);
    struct arena arena;
    struct run run = { 0 };
    bool is_full, is_same = false;
    arena_init(&arena);
    draw_plan(&run, &input);
    draw_batches(&run, &input, &arena);
    if (clean(&run, &is_full) == 0) {
        take_kept(&run, &arena);
        for (int pass = 0; pass < 2; pass++) {
            bool was_full = is_full;
            int status = clean(&run, &is_full);
            assert(status == 0);
            is_same = take_kept(&run, &arena) || was_full || is_full;
        }
        assert(is_same);
    }
    for (int i = 0; i < run.count; i++)
        buffer_unref(run.kept[i]);
    arena_deinit(&arena);
    return 0;
}
