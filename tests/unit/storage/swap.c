/* SPDX-License-Identifier: Apache-2.0 */
/* A cleaned segment takes the place of those that it was made of, in the simulator, whose power is
 * cut after every step: what a cleaning keeps is always there, and once the new segment counts, what
 * it does not keep is gone for good. */
#include "storage/swap.h"

#include <errno.h>

#include "sim/sim.h"
#include "storage/log_state.h"
#include "storage/scan.h"
#include "store.h"

enum { BATCHES = 40, RECORDS = 3, GROUP = 3 /* segments that become one */ };

struct world {
    struct sim *sim;
    struct machine *machine;
    struct store store;
    struct log *log;
    struct log_settings settings;
    int64_t bases[GROUP];
    int64_t group_end;
};
static struct world world;

static void boot(void)
{
    char reason[256] = "";
    struct store *store = &world.store;
    store->io = machine_boot(world.machine, 2);
    store->loop = loop_create(store->io, "test");
    assert_int_equal(
        log_dir_open(store->loop, "/data", &store->settings, &store->dir, reason, sizeof(reason)),
        0);
    store->flusher = flusher_create(store->loop, store->dir);
    sim_start_loop(store->loop);
}

static bool is_checkpointed(void *context)
{
    const struct log *log = context;
    return log->recovery_point == log_end(log) && log_durable_end(log) == log_end(log);
}

static bool never(void *context)
{
    (void)context;
    return false;
}

/* The files are as after a crash: every later start reads them. */
static void create_world(uint64_t seed)
{
    struct log_dir_identity identity = {
        .cluster_id = "sim", .node_id = 1, .directory_id = { { 1 } }
    };
    world = (struct world){ .sim = sim_create(seed) };
    world.machine = machine_create(world.sim, "node");
    log_dir_settings_defaults(&world.store.settings);
    log_settings_defaults(&world.settings);
    world.settings.segment_bytes = 1000;
    world.settings.index_interval_bytes = 200;
    world.settings.compacts = true;
    struct io *io = machine_boot(world.machine, 1);
    assert_int_equal(log_dir_format(io, "/data", &identity), 0);
    assert_int_equal(directory_sync(io, "/"), 0);
    machine_kill(world.machine);
    boot();
    assert_int_equal(log_create(world.store.flusher, "/data", "topic", 0, (struct uuid){ { 5 } },
                         &world.settings, &world.log),
        0);
    for (int i = 0; i < BATCHES; i++)
        store_append(world.log, RECORDS, 100, 1000 + i, 0);
    log_want_flush(world.log);
    assert_true(sim_run(world.sim, 60 * 1000000LL, is_checkpointed, world.log));
    sim_run(world.sim, 1000000LL, never, NULL); /* the checkpoint files are written */
    assert_true(world.log->segment_count > GROUP + 1);
    for (int32_t i = 0; i < GROUP; i++)
        world.bases[i] = world.log->segments[i].base_offset;
    world.group_end = world.log->segments[GROUP].base_offset;
}

/* Every other batch goes, as does the last: the new segment ends before the old ones did. */
static bool is_kept(int64_t base_offset)
{
    return base_offset >= world.group_end ||
           (base_offset / RECORDS % 2 == 1 && base_offset + RECORDS < world.group_end);
}

static void write_whole(const char *suffix, const struct buffer *bytes)
{
    char path[SEGMENT_PATH_SIZE];
    struct file *file;
    segment_path(path, world.log->path, 0, suffix);
    assert_int_equal(file_open(world.store.io, path, FILE_CREATE, &file), 0);
    if (bytes != NULL)
        assert_int_equal(file_write_all(file, bytes->data, bytes->size, 0), 0);
    assert_int_equal(file_sync(file), 0);
    file_unref(file);
}

static void write_cleaned(void)
{
    struct buffer *bytes = buffer_create(1 << 20);
    bytes->size = 0;
    for (int32_t i = 0; i < GROUP; i++) {
        struct segment *segment = &world.log->segments[i];
        struct batch_header header;
        struct scan scan;
        int status = 0;
        assert_int_equal(segment_open(segment, world.store.io, world.log->path), 0);
        scan_begin(&scan, segment->file, 0, segment->size, 4096);
        while (scan_header(&scan, &header) == 1) {
            const uint8_t *batch = scan_batch(&scan, &header, &status);
            assert_non_null(batch);
            if (is_kept(header.base_offset)) {
                memcpy(bytes->data + bytes->size, batch, header.size);
                bytes->size += header.size;
            }
            scan_skip(&scan, &header);
        }
        scan_end(&scan);
    }
    write_whole(".log.cleaned", bytes);
    write_whole(".index.cleaned", NULL);
    write_whole(".timeindex.cleaned", NULL);
    assert_int_equal(directory_sync(world.store.io, world.log->path), 0);
    buffer_unref(bytes);
}

/* What is read from the beginning: all of it, or without what was cleaned away. */
static void check_content(bool must_be_new)
{
    int32_t gone = 0;
    int64_t next = 0;
    for (int64_t base = 0; base < BATCHES * RECORDS; base += RECORDS) {
        if (base < next)
            continue;
        next = store_read(world.log, base, NULL);
        assert_true(next >= base);
        assert_true(next == base || !is_kept(base));
        gone += next != base && base < world.bases[GROUP - 1]; /* else it may have come back */
        next += RECORDS;
    }
    assert_int_equal(log_start(world.log), 0);
    assert_int_equal(log_end(world.log), BATCHES * RECORDS);
    assert_true(!must_be_new || gone > 0);
}

static int no_leftover(void *context, const char *name)
{
    (void)context;
    const char *ending = strrchr(name, '.');
    return ending != NULL && (strcmp(ending, ".cleaned") == 0 || strcmp(ending, ".swap") == 0 ||
                                 strcmp(ending, ".deleted") == 0);
}

static void open_and_check(bool must_be_new)
{
    boot();
    const struct log_place *place = log_dir_find(world.store.dir, "topic", 0);
    assert_non_null(place);
    assert_int_equal(log_open(world.store.flusher, place, &world.settings, &world.log), 0);
    check_content(must_be_new);
    assert_int_equal(directory_list(world.store.io, world.log->path, no_leftover, NULL), 0);
}

/* Steps of the list until the crash; from *out_counts on the swap must be finished. */
static int32_t run_steps(int32_t steps, int32_t *out_counts)
{
    struct work work;
    work_init(&work, world.store.io, NULL, NULL);
    swap_add_claim(&work, world.log->path, 0);
    *out_counts = work.count;
    swap_add_finish(&work, world.log->path, world.bases, GROUP);
    int32_t all = work.count;
    work.count = steps < all ? steps : all;
    if (work.count > 0)
        assert_int_equal(work_run(&work), 0);
    work.count = all;
    work_deinit(&work);
    return all;
}

void test_swap__survives_a_power_cut_after_every_step(void)
{
    int32_t all = 1, counts = 0;
    for (int32_t steps = 0; steps <= all; steps++)
        for (uint64_t seed = 1; seed <= 12; seed++) {
            create_world(seed);
            write_cleaned();
            all = run_steps(steps, &counts);
            machine_cut_power(world.machine);
            open_and_check(steps >= counts);
            machine_cut_power(world.machine);
            open_and_check(steps >= counts);
            sim_destroy(world.sim);
        }
}

/* A start that finishes a swap is itself cut short: the disk dies with any change that it makes. */
void test_swap__is_finished_by_the_start_after_the_next(void)
{
    int32_t counts = 0, all = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        create_world(seed);
        write_cleaned();
        all = run_steps(0, &counts);
        run_steps(counts + (int32_t)sim_draw(world.sim, (uint64_t)(all - counts + 1)), &counts);
        machine_cut_power(world.machine);
        boot();
        machine_disk_faults(world.machine)->changes_left = 1 + (int64_t)sim_draw(world.sim, 20);
        int status = swap_settle(world.store.io, "/data/topic-0");
        assert_true(status == 0 || status == -EIO);
        machine_disk_faults(world.machine)->changes_left = 0;
        machine_cut_power(world.machine);
        open_and_check(true);
        sim_destroy(world.sim);
    }
}

static void flip(const char *name)
{
    char path[SEGMENT_PATH_SIZE];
    path_in(path, "/data/topic-0", name);
    machine_decay(world.machine, path, 8, 1, 0x40); /* of a batch's length */
}

/* What was to take the place of others may be all that is left of them: it is not thrown away. */
void test_swap__refuses_a_damaged_segment_and_keeps_it(void)
{
    int32_t counts = 0;
    struct log *log;
    create_world(3);
    write_cleaned();
    run_steps(0, &counts);
    run_steps(counts, &counts);
    machine_cut_power(world.machine);
    boot();
    flip("00000000000000000000.log.swap");
    const struct log_place *place = log_dir_find(world.store.dir, "topic", 0);
    assert_int_equal(log_open(world.store.flusher, place, &world.settings, &log), -EUCLEAN);
    machine_restore(world.machine);
    assert_int_equal(log_open(world.store.flusher, place, &world.settings, &world.log), 0);
    check_content(true);
    sim_destroy(world.sim);
}
