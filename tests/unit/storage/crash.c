/* SPDX-License-Identifier: Apache-2.0 */
/* A log under random appends, flushes, rolls, epochs, deletions of records and restarts in the
 * simulator, whose power is cut again and again and whose disk is full now and then. What was durable
 * is there with the same bytes; what was deleted stays deleted; what is there is whole and in order;
 * looking up equals walking; sealed segments know their newest time; producers are what their batches say, those of deleted ones too. */
#include <errno.h>

#include "sim/sim.h"
#include "storage/flush.h"
#include "storage/log_state.h"
#include "storage/scan.h"
#include "store.h"

enum { OFFSETS_MAX = 20000, PRODUCERS = 3, ROUNDS = 8 };

struct world {
    struct sim *sim;
    struct machine *machine;
    struct store store;
    struct log *log;
    struct log_settings settings;
    struct timer work;
    int64_t durable;           /* the durable end that was announced last */
    int64_t start;             /* the log start that was announced last */
    uint32_t crc[OFFSETS_MAX]; /* of the batch that holds the offset, as it was staged last */
    int64_t producer[OFFSETS_MAX]; /* and its producer, and the sequence that follows it */
    int32_t sequence[OFFSETS_MAX];
    int32_t next_sequence[PRODUCERS];
    int32_t epoch;
    bool stopping, stopped;
};

static void note_durable(struct task *task)
{
    struct world *world = container_of(task, struct world, store.task);
    if (world->stopping) {
        world->stopped = true;
        return;
    }
    assert_true(log_durable_end(world->log) >= world->durable);
    world->durable = log_durable_end(world->log);
    log_set_high_watermark(world->log, world->durable);
    assert_true(log_start(world->log) >= world->start);
    world->start = log_start(world->log);
}

static void append_some(struct world *world)
{
    int64_t first = log_end(world->log);
    int count = 1 + (int)sim_draw(world->sim, 5);
    for (int i = 0; i < count; i++) {
        struct batch_options options = batch_options_plain();
        int records = 1 + (int)sim_draw(world->sim, 4);
        int producer = (int)sim_draw(world->sim, PRODUCERS + 1);
        if (producer < PRODUCERS) {
            options.producer_id = 100 + producer;
            options.producer_epoch = 0;
            options.base_sequence = world->next_sequence[producer];
            world->next_sequence[producer] += records;
        }
        if (sim_draw(world->sim, 100) == 0)
            world->epoch++;
        store_stage(world->log, records, sim_draw(world->sim, 900),
            1000 + log_staged_end(world->log), world->epoch, &options);
    }
    int status = log_write(world->log);
    assert_true(status == 0 || (status == -ENOSPC && machine_disk_faults(world->machine)->is_full));
    assert_int_equal(log_staged_end(world->log), log_end(world->log));
    for (int i = 0; i < PRODUCERS; i++) { /* what was not written is forgotten */
        const struct producer *known = producers_find(log_producers(world->log), 100 + i);
        int32_t next = known == NULL ? 0 : known->batches[known->batch_count - 1].last_sequence + 1;
        assert_true(status != 0 || world->next_sequence[i] == next);
        world->next_sequence[i] = next;
    }
    for (int64_t offset = first; offset < log_end(world->log);) {
        struct batch_header header = { 0 };
        assert_int_equal(store_read(world->log, offset, &header), offset);
        for (; offset < batch_next_offset(&header) && offset < OFFSETS_MAX; offset++) {
            world->crc[offset] = header.crc;
            world->producer[offset] = header.producer_id;
            world->sequence[offset] = batch_last_sequence(&header) + 1;
        }
    }
}

/* At any offset, or where a segment begins: then all that lies below goes. */
static void delete_some(struct world *world)
{
    struct log *log = world->log;
    int64_t start = log_start(log), most = world->durable - start;
    int64_t base = log->segments[sim_draw(world->sim, (uint64_t)log->segment_count)].base_offset;
    if (sim_draw(world->sim, 2) == 0 && base <= world->durable)
        start = base;
    else if (most > 0)
        start += (int64_t)sim_draw(world->sim, (uint64_t)(most < 100 ? most : 100) + 1);
    assert_int_equal(log_delete_records(log, start), 0);
}

static void work(struct timer *timer)
{
    struct world *world = container_of(timer, struct world, work);
    if (world->stopping)
        return;
    if (sim_draw(world->sim, 40) == 0)
        machine_disk_faults(world->machine)->is_full = !machine_disk_faults(world->machine)->is_full;
    if (log_end(world->log) < OFFSETS_MAX - 100 && sim_draw(world->sim, 3) != 0)
        append_some(world);
    if (sim_draw(world->sim, 4) == 0)
        log_want_flush(world->log);
    if (sim_draw(world->sim, 15) == 0)
        delete_some(world);
    timer_set(world->store.loop, &world->work,
        loop_now_us(world->store.loop) + 100 + (int64_t)sim_draw(world->sim, 20000));
}

/* Everything from the start on, walked once; returns the number of batches. */
static void check_content(struct world *world, int64_t durable)
{
    struct log *log = world->log;
    int32_t sequences[PRODUCERS] = { 0 };
    int32_t epoch = 0;
    int64_t offset = log_start(log);
    assert_true(log_end(log) >= durable);
    assert_true(offset >= world->start && offset <= log_end(log));
    for (int64_t below = 0; below < offset; below++)
        if (world->producer[below] >= 0)
            sequences[world->producer[below] - 100] = world->sequence[below];
    if (offset < log_end(log))
        offset = store_read(log, offset, NULL); /* it may lie inside a batch */
    while (offset < log_end(log)) {
        struct batch_header header = { 0 };
        int64_t first = offset < log_start(log) ? log_start(log) : offset;
        assert_int_equal(store_read(log, first, &header), offset);
        for (int64_t inside = first; inside < batch_next_offset(&header); inside++)
            assert_int_equal(store_read(log, inside, NULL), offset);
        assert_int_equal(header.crc, world->crc[offset]);
        assert_true(header.leader_epoch >= epoch);
        epoch = header.leader_epoch;
        assert_int_equal(epochs_at(log_epochs(log), first), epoch);
        if (header.producer_id >= 0)
            sequences[header.producer_id - 100] = batch_last_sequence(&header) + 1;
        offset = batch_next_offset(&header);
    }
    assert_int_equal(offset, log_end(log));
    for (int i = 0; i < PRODUCERS; i++) {
        const struct producer *producer = producers_find(log_producers(log), 100 + i);
        assert_int_equal(producer == NULL, sequences[i] == 0);
        if (producer != NULL)
            assert_int_equal(
                producer->batches[producer->batch_count - 1].last_sequence + 1, sequences[i]);
        world->next_sequence[i] = sequences[i];
    }
    if (epochs_latest(log_epochs(log)) >= 0)
        world->epoch = epochs_latest(log_epochs(log));
}

/* The record at an offset has the time 1000 + offset, so a sealed segment's newest follows from where the next one begins. */
static void check_times(const struct world *world)
{
    struct log *log = world->log;
    for (int32_t i = 0; i + 1 < log->segment_count; i++) {
        if (log->segments[i + 1].base_offset <= log_start(log))
            continue; /* it is going */
        assert_int_equal(segment_find_times(&log->segments[i], log->io, log->path), 0);
        assert_int_equal(log->segments[i].max_timestamp, 1000 + log->segments[i + 1].base_offset - 1);
    }
}

static void boot(struct world *world)
{
    char reason[256] = "";
    struct store *store = &world->store;
    store->io = machine_boot(world->machine, 2);
    store->loop = loop_create(store->io, "test");
    store->task = (struct task){ .run = note_durable };
    world->work = (struct timer){ .run = work };
    snprintf(store->path, sizeof(store->path), "/data");
    int status =
        log_dir_open(store->loop, "/data", &store->settings, &store->dir, reason, sizeof(reason));
    if (status != 0)
        print_error("%s\n", reason);
    assert_int_equal(status, 0);
    store->flusher = flusher_create(store->loop, store->dir);
    const struct log_place *place = log_dir_find(store->dir, "topic", 0);
    if (place == NULL)
        status = log_create(store->flusher, "/data", "topic", 0, (struct uuid){ { 5 } },
            &world->settings, &world->log);
    else
        status = log_open(store->flusher, place, &world->settings, &world->log);
    assert_int_equal(status, 0);
    check_content(world, world->durable);
    check_times(world);
    log_set_durable_task(world->log, &store->task);
    world->stopping = world->stopped = false;
    timer_set(store->loop, &world->work, loop_now_us(store->loop) + 10);
    sim_start_loop(store->loop);
}

static bool is_stopped(void *context)
{
    return ((struct world *)context)->stopped;
}

/* A clean stop instead of a cut: nothing is lost at all. */
static void stop(struct world *world)
{
    struct store *store = &world->store;
    world->stopping = true;
    log_set_durable_task(world->log, NULL);
    flusher_stop(store->flusher, &store->task);
    assert_true(sim_run(world->sim, 60 * 1000000LL, is_stopped, world));
    world->durable = log_end(world->log);
    log_close(world->log);
    flusher_destroy(store->flusher);
    sim_run(world->sim, 1000000, is_stopped, world);
    for (int64_t until = sim_now_us(world->sim) + 1000000;
         sim_now_us(world->sim) < until && sim_step(world->sim);)
        continue;
    assert_int_equal(log_dir_close(store->dir, 1), 0);
    machine_kill(world->machine);
}

static struct world world;

static void sync_all(void)
{
    assert_int_equal(file_sync_all(world.store.flusher->runs[RUN_FLUSH].sync_file), 0);
}

static void create_world(uint64_t seed)
{
    struct log_dir_identity identity = {
        .cluster_id = "sim", .node_id = 1, .directory_id = { { 1 } }
    };
    world = (struct world){ .sim = sim_create(seed) };
    world.machine = machine_create(world.sim, "node");
    log_dir_settings_defaults(&world.store.settings);
    log_settings_defaults(&world.settings);
    world.settings.producer_expiry_ms = INT64_MAX;
    world.settings.segment_bytes = 4000 + (int64_t)sim_draw(world.sim, 60000);
    world.settings.index_interval_bytes = 100 + (int32_t)sim_draw(world.sim, 4000);
    world.store.settings.checkpoint_ms = 5 + (int64_t)sim_draw(world.sim, 200);
    world.store.settings.rest_ms = 20 + (int64_t)sim_draw(world.sim, 200);
    sim_faults(world.sim)->pause = 20000;
    machine_disk_faults(world.machine)->short_write = 20000;
    struct io *io = machine_boot(world.machine, 1);
    assert_int_equal(log_dir_format(io, "/data", &identity), 0);
    assert_int_equal(directory_sync(io, "/"), 0);
    machine_kill(world.machine);
}

static void run_seed(uint64_t seed)
{
    create_world(seed);
    for (int round = 0; round < ROUNDS; round++) {
        boot(&world);
        int64_t until = sim_now_us(world.sim) + 1000 + (int64_t)sim_draw(world.sim, 1000000);
        while (sim_now_us(world.sim) < until && sim_step(world.sim))
            continue;
        machine_disk_faults(world.machine)->is_full = false;
        switch (sim_draw(world.sim, 4)) {
        case 0:
            machine_kill(world.machine);
            break;
        case 1:
            stop(&world);
            if (sim_draw(world.sim, 2) == 0)
                machine_cut_power(world.machine);
            break;
        default:
            machine_cut_power(world.machine);
            break;
        }
    }
    boot(&world);
    sim_destroy(world.sim);
}

void test_crash__loses_nothing_that_was_durable(void)
{
    const char *only = getenv("SEED");
    if (only != NULL) {
        run_seed(strtoull(only, NULL, 10));
        return;
    }
    const char *count = getenv("SEEDS");
    uint64_t last = count == NULL ? 60 : strtoull(count, NULL, 10);
    for (uint64_t seed = 1; seed <= last; seed++) {
        if (count != NULL)
            print_message("seed %llu\n", (unsigned long long)seed);
        run_seed(seed);
    }
}

static bool something_is_durable(void *context)
{
    return ((struct world *)context)->durable > 0;
}

/* A process that was killed before its first append leaves a directory whose name is not durable;
 * the next one opens it and must not promise anything before it is. */
void test_crash__makes_the_directory_durable_that_a_killed_process_made(void)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        create_world(seed);
        boot(&world);
        machine_kill(world.machine);
        boot(&world);
        assert_true(sim_run(world.sim, 60 * 1000000LL, something_is_durable, &world));
        machine_cut_power(world.machine);
        boot(&world);
        sim_destroy(world.sim);
    }
}

/* A checkpoint file that does not fit on the disk is tried again; until it stands nobody sees the
 * new start. */
void test_crash__deletes_records_when_there_is_room_again(void)
{
    create_world(1);
    boot(&world);
    while (world.durable < 50)
        assert_true(sim_step(world.sim));
    timer_cancel(world.store.loop, &world.work);
    machine_disk_faults(world.machine)->is_full = false;
    assert_false(sim_run(world.sim, 2 * 1000000LL, is_stopped, &world)); /* all deletions are over */
    int64_t start = log_start(world.log);
    machine_disk_faults(world.machine)->is_full = true;
    assert_int_equal(log_delete_records(world.log, start + 7), 0);
    assert_false(sim_run(world.sim, 3 * 1000000LL, is_stopped, &world));
    assert_int_equal(log_start(world.log), start);
    machine_disk_faults(world.machine)->is_full = false;
    while (log_start(world.log) < start + 7)
        assert_true(sim_step(world.sim));
    sim_destroy(world.sim);
}

/* What the checkpoint files say of a deleted log would be taken for a new one of its name: as long as they cannot be written they speak. */
void test_crash__forgets_a_deleted_log_when_there_is_room_again(void)
{
    create_world(1);
    boot(&world);
    while (world.durable < 50)
        assert_true(sim_step(world.sim));
    timer_cancel(world.store.loop, &world.work);
    machine_disk_faults(world.machine)->is_full = false;
    assert_false(sim_run(world.sim, 2 * 1000000LL, is_stopped, &world));
    machine_disk_faults(world.machine)->is_full = true;
    log_set_durable_task(world.log, NULL);
    assert_int_equal(log_delete(world.log), 0);
    assert_false(sim_run(world.sim, 3 * 1000000LL, is_stopped, &world));
    assert_true(log_dir_is_forgetting(world.store.dir));
    machine_disk_faults(world.machine)->is_full = false;
    assert_false(sim_run(world.sim, 3 * 1000000LL, is_stopped, &world));
    assert_false(log_dir_is_forgetting(world.store.dir));
    sim_destroy(world.sim);
}

/* So they do in the next life, when the one that deleted the log did not come to it. */
void test_crash__forgets_a_log_of_the_life_before_when_there_is_room_again(void)
{
    char reason[256] = "";
    struct store *store = &world.store;
    create_world(1);
    boot(&world);
    while (world.durable < 50)
        assert_true(sim_step(world.sim));
    timer_cancel(store->loop, &world.work);
    machine_disk_faults(world.machine)->is_full = false;
    assert_false(sim_run(world.sim, 2 * 1000000LL, is_stopped, &world));
    log_set_durable_task(world.log, NULL);
    assert_int_equal(log_delete(world.log), 0);
    machine_kill(world.machine);
    machine_disk_faults(world.machine)->is_full = true;
    store->io = machine_boot(world.machine, 2);
    store->loop = loop_create(store->io, "test");
    assert_int_equal(log_dir_open(store->loop, store->path, &store->settings, &store->dir, reason, sizeof(reason)), 0);
    sim_start_loop(store->loop);
    log_dir_forget_gone(store->dir);
    assert_false(sim_run(world.sim, 3 * 1000000LL, is_stopped, &world));
    assert_true(log_dir_is_forgetting(store->dir));
    machine_disk_faults(world.machine)->is_full = false;
    assert_false(sim_run(world.sim, 3 * 1000000LL, is_stopped, &world));
    assert_false(log_dir_is_forgetting(store->dir));
    sim_destroy(world.sim);
}

/* The system tells a failed write-back to one sync only: the flush that runs beside a checkpoint finds the
 * file clean, and must not count what it synced. */
void test_crash__believes_no_sync_beside_one_that_failed(void)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        create_world(seed);
        struct disk_faults *faults = machine_disk_faults(world.machine);
        world.store.settings.checkpoint_bytes = 1; /* both run whenever something was written */
        boot(&world);
        int64_t until = sim_now_us(world.sim) + 20000 + (int64_t)sim_draw(world.sim, 300000);
        while (sim_now_us(world.sim) < until)
            assert_true(sim_step(world.sim));
        faults->fails[DISK_SYNC] = 1000000;
        while (faults->failures == 0)
            assert_true(sim_step(world.sim));
        faults->fails[DISK_SYNC] = 0;
        timer_cancel(world.store.loop, &world.work);
        sim_run(world.sim, 200 * 1000LL, is_stopped, &world);
        machine_cut_power(world.machine);
        faults->is_full = false;
        boot(&world);
        sim_destroy(world.sim);
    }
}

enum { MANY = 40 };
static struct log *many[MANY];

static void open_many(void)
{
    char reason[256] = "";
    struct store *store = &world.store;
    store->io = machine_boot(world.machine, 2);
    store->loop = loop_create(store->io, "test");
    assert_int_equal(log_dir_open(store->loop, "/data", &store->settings, &store->dir, reason,
                         sizeof(reason)), 0);
    store->flusher = flusher_create(store->loop, store->dir);
    for (int i = 0; i < MANY; i++) {
        const struct log_place *place = log_dir_find(store->dir, "many", i);
        int status = place != NULL
                         ? log_open(store->flusher, place, &world.settings, &many[i])
                         : log_create(store->flusher, "/data", "many", i, (struct uuid){ { 6 } },
                               &world.settings, &many[i]);
        assert_int_equal(status, 0);
    }
    sim_start_loop(store->loop);
}

static void append_to_many(int64_t producer_id)
{
    struct batch_options options = batch_options_plain();
    options.producer_id = producer_id;
    options.producer_epoch = 0;
    options.base_sequence = 0;
    for (int i = 0; i < MANY; i++) {
        store_stage(many[i], 1, 100, 1000, 0, &options);
        assert_int_equal(log_write(many[i]), 0);
    }
}

/* The checkpoint of many logs writes their snapshots and syncs them at once; until then the older
 * ones are all that is known of the producers. */
void test_crash__forgets_no_producer_of_many_logs(void)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        create_world(seed);
        machine_disk_faults(world.machine)->short_write = 0;
        open_many();
        append_to_many(7);
        sim_run(world.sim, 2000000, is_stopped, &world);
        append_to_many(8);
        sim_run(world.sim, 5000 + (int64_t)sim_draw(world.sim, 250000), is_stopped, &world);
        machine_cut_power(world.machine);
        open_many();
        for (int i = 0; i < MANY; i++)
            assert_non_null(producers_find(log_producers(many[i]), 7));
        sim_destroy(world.sim);
    }
}

static bool is_there(const char *path)
{
    int64_t size;
    return file_stat(world.store.io, path, &size) == 0;
}

/* Two deletions of one log: when the older one's segment cannot be renamed, the newer one's stays, too, or there would be a
 * hole between them. */
void test_crash__lets_segments_go_oldest_first(void)
{
    char first[SEGMENT_PATH_SIZE], second[SEGMENT_PATH_SIZE];
    for (uint64_t seed = 1; seed <= 40; seed++) {
        create_world(seed);
        boot(&world);
        struct log *log = world.log;
        timer_cancel(world.store.loop, &world.work);
        while (log->segment_count < 4)
            append_some(&world);
        while (log->segments[2].base_offset > log->recovery_point || log->mark_index[0] >= 0 || log->mark_index[1] >= 0)
            assert_true(sim_step(world.sim));
        segment_path(first, log->path, log->segments[0].base_offset, ".log");
        segment_path(second, log->path, log->segments[1].base_offset, ".log");
        machine_disk_faults(world.machine)->fails[DISK_NAME] = 1000000;
        machine_disk_faults(world.machine)->fails_below = first;
        assert_int_equal(log_set_start(log, log->segments[1].base_offset), 0);
        assert_int_equal(log_set_start(log, log->segments[1].base_offset), 0);
        while (!flusher_is_failed(world.store.flusher))
            assert_true(sim_step(world.sim));
        sim_run(world.sim, 1000000, is_stopped, &world);
        assert_true(is_there(first));
        assert_true(is_there(second));
        sim_destroy(world.sim);
    }
}

/* A log begins anew when no crash can bring old segments back any more, which would leave a hole behind them. */
void test_crash__begins_anew_when_old_segments_have_gone(void)
{
    char first[SEGMENT_PATH_SIZE];
    create_world(1);
    boot(&world);
    struct log *log = world.log;
    timer_cancel(world.store.loop, &world.work);
    while (log->segment_count < 4)
        append_some(&world);
    while (log->segments[2].base_offset > log->recovery_point || log->mark_index[0] >= 0 || log->mark_index[1] >= 0 || log_is_busy(log))
        assert_true(sim_step(world.sim));
    segment_path(first, log->path, log->segments[0].base_offset, ".log");
    int64_t start = log->segments[1].base_offset;
    for (int32_t count = log->segment_count; log->segment_count == count; assert_true(sim_step(world.sim)))
        assert_int_equal(log_set_start(log, start), 0);
    int64_t end = log_end(log) + 1000;
    assert_int_equal(log_restart(log, end), -EAGAIN);
    assert_true(is_there(first));
    while (log_restart(log, end) == -EAGAIN)
        assert_true(sim_step(world.sim));
    assert_false(is_there(first));
    assert_int_equal(log_start(log), end);
    assert_int_equal(log->segment_count, 1);
    sim_destroy(world.sim);
}

/* A page-cache log whose indexes tell of batches that are lost: one batch is left, or none. */
static void lose_what_is_indexed(bool all)
{
    char path[SEGMENT_PATH_SIZE];
    struct file *file;
    int64_t position = 0;
    struct log *log = world.log;
    struct segment *segment = log_active(log);
    struct index *offsets = &segment->indexes[INDEX_OFFSET];
    struct index *aborted = &segment->indexes[INDEX_ABORTED];
    while (offsets->count == 0)
        append_some(&world);
    int64_t last = index_offset_at(offsets, 0, segment->base_offset, &position);
    assert_int_equal(segment_load_aborted(segment, log->io, log->path), 0);
    index_add_aborted(aborted, &(struct aborted_entry){ 7, last, last, last + 1 });
    while (offsets->saved == 0 || aborted->saved == 0)
        assert_true(sim_step(world.sim));
    segment_path(path, log->path, segment->base_offset, ".log");
    assert_int_equal(file_open(log->io, path, FILE_WRITE, &file), 0);
    assert_int_equal(file_truncate(file, (all ? 0 : position) + 1), 0);
    file_unref(file);
    sync_all();
    machine_cut_power(world.machine);
}

static void check_no_entries(struct log *log)
{
    struct segment *segment = &log->segments[0];
    assert_int_equal(segment_load_aborted(segment, log->io, log->path), 0);
    assert_int_equal(segment->indexes[INDEX_OFFSET].count, 0);
    assert_int_equal(segment->indexes[INDEX_ABORTED].count, 0);
}

/* Indexes are cut while their segment is active, and are empty then. Once it is sealed nobody compares them with the log again, so
 * the cut must be durable. */
void test_crash__brings_back_no_entry_that_was_cut_off_an_index(void)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        create_world(seed);
        world.settings.page_cache = true;
        world.settings.index_interval_bytes = 100;
        world.settings.segment_bytes = 100000;
        boot(&world);
        timer_cancel(world.store.loop, &world.work);
        lose_what_is_indexed(seed % 2 == 0);

        world.settings.segment_bytes = 100;
        boot(&world);
        timer_cancel(world.store.loop, &world.work);
        struct log *log = world.log;
        check_no_entries(log);
        while (log->segments[0].indexes[INDEX_OFFSET].stale || log->segments[0].indexes[INDEX_ABORTED].stale)
            assert_true(sim_step(world.sim));
        while (log->segment_count < 3)
            append_some(&world);
        while (!log->segments[0].is_kept)
            assert_true(sim_step(world.sim));
        sim_run(world.sim, 1000000, is_stopped, &world); /* the recovery point is told */
        machine_cut_power(world.machine);

        boot(&world);
        check_no_entries(world.log);
        sim_destroy(world.sim);
    }
}

/* A segment that ends at the recovery point, though the last time that its time index has in its file is not its newest. */
static void seal_at_recovery_point(void)
{
    struct log *log = world.log;
    const struct segment *segment = log_active(log);
    const struct index *times = &segment->indexes[INDEX_TIME];
    int64_t offset;
    while (times->count == 0 ||
           index_time_at(times, times->count - 1, segment->base_offset, &offset) == segment->max_timestamp)
        append_some(&world);
    log_want_flush(log);
    while (log->recovery_point < log_end(log) || log_is_busy(log))
        assert_true(sim_step(world.sim));
    world.settings.segment_bytes = 100;
    log_set_settings(log, &world.settings);
    append_some(&world);
    log_want_flush(log);
    while (!log_names_are_durable(log) || log->durable_end < log_end(log) || log_is_busy(log))
        assert_true(sim_step(world.sim));
}

/* Retention lets a segment go, behind so many others that a cut of power comes before the rename: it is below the recovery point by
 * then, where nobody looks at its indexes. */
void test_crash__brings_back_no_segment_without_its_newest_time(void)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        create_world(seed);
        world.settings.segment_bytes = 100;
        world.settings.index_interval_bytes = 2000;
        world.settings.deletes = true;
        world.settings.retention_bytes = 0;
        boot(&world);
        timer_cancel(world.store.loop, &world.work);
        while (world.log->segment_count < 300)
            append_some(&world);
        world.settings.segment_bytes = 100000;
        log_set_settings(world.log, &world.settings);
        int32_t place = world.log->segment_count - 1;
        seal_at_recovery_point();
        assert_false(world.log->segments[place].is_kept);
        assert_int_equal(log_retain(world.log, 0, &(int32_t){ INT32_MAX }), 0);
        flush_want_checkpoint(world.log);
        sim_run(world.sim, 5000 + (int64_t)sim_draw(world.sim, 40000), is_stopped, &world); /* the recovery point is told */
        machine_cut_power(world.machine);
        world.start = 0; /* retention is no promise */
        boot(&world);
        sim_destroy(world.sim);
    }
}

/* The recovery point of a page-cache log is where its active segment begins. The snapshot of the producers there is lost with the
 * process that rolled; recovery, which read all batches, makes it again before its own recovery point moves there. */
void test_crash__forgets_no_producer_at_the_base_of_a_page_cache_segment(void)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        create_world(seed);
        machine_disk_faults(world.machine)->short_write = 0;
        world.settings.page_cache = true;
        world.settings.segment_bytes = 4000;
        world.store.settings.checkpoint_ms = 1 << 30;
        boot(&world);
        timer_cancel(world.store.loop, &world.work);
        while (world.log->segment_count < 3)
            append_some(&world);
        machine_kill(world.machine);

        world.store.settings.checkpoint_ms = 10;
        boot(&world);
        timer_cancel(world.store.loop, &world.work);
        sim_run(world.sim, 3 * 1000000LL, is_stopped, &world);
        assert_int_equal(world.log->recovery_point, world.log->tail.base_offset);
        machine_kill(world.machine);
        boot(&world);
        sim_destroy(world.sim);
    }
}

/* So does a checkpoint whose disk was full when it wrote that snapshot. */
void test_crash__forgets_no_producer_whose_snapshot_found_no_room(void)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        create_world(seed);
        machine_disk_faults(world.machine)->short_write = 0;
        world.settings.page_cache = true;
        world.settings.segment_bytes = 4000;
        world.store.settings.checkpoint_ms = 10;
        boot(&world);
        timer_cancel(world.store.loop, &world.work);
        while (world.log->segment_count < 3)
            append_some(&world);
        machine_disk_faults(world.machine)->is_full = true;
        sim_run(world.sim, 1000000, is_stopped, &world);
        assert_int_equal(world.log->recovery_point, 0);
        machine_disk_faults(world.machine)->is_full = false;
        sim_run(world.sim, 3 * 1000000LL, is_stopped, &world);
        assert_int_equal(world.log->recovery_point, world.log->tail.base_offset);
        machine_kill(world.machine);
        boot(&world);
        sim_destroy(world.sim);
    }
}

/* A page-cache log whose end is lost down to the last clean stop, though an index of aborted transactions tells of what stood there. */
static void lose_what_aborted(void)
{
    char path[SEGMENT_PATH_SIZE];
    struct file *file;
    struct log *log = world.log;
    struct segment *segment = log_active(log);
    int64_t size = log->tail.size;
    append_some(&world);
    int64_t last = log_end(log) - 1;
    assert_int_equal(segment_load_aborted(segment, log->io, log->path), 0);
    struct index *aborted = &segment->indexes[INDEX_ABORTED];
    index_add_aborted(aborted, &(struct aborted_entry){ 7, last, last, last + 1 });
    while (aborted->saved == 0)
        assert_true(sim_step(world.sim));
    segment_path(path, log->path, segment->base_offset, ".log");
    assert_int_equal(file_open(log->io, path, FILE_WRITE, &file), 0);
    assert_int_equal(file_truncate(file, size), 0);
    file_unref(file);
    sync_all();
    machine_cut_power(world.machine);
}

/* The end is cut where a snapshot of the producers stands, and the segment is sealed before a checkpoint has written its indexes. */
void test_crash__looks_at_the_aborted_of_a_segment_that_was_cut_and_sealed(void)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        create_world(seed);
        machine_disk_faults(world.machine)->short_write = 0;
        world.settings.page_cache = true;
        world.settings.segment_bytes = 1 << 20;
        boot(&world);
        timer_cancel(world.store.loop, &world.work);
        append_some(&world);
        stop(&world);
        boot(&world);
        timer_cancel(world.store.loop, &world.work);
        lose_what_aborted();

        world.settings.segment_bytes = 100;
        world.store.settings.checkpoint_ms = 1 << 30;
        boot(&world);
        timer_cancel(world.store.loop, &world.work);
        append_some(&world);
        assert_true(world.log->segment_count > 1);
        machine_kill(world.machine);

        boot(&world);
        struct segment *segment = &world.log->segments[0];
        assert_int_equal(segment_load_aborted(segment, world.log->io, world.log->path), 0);
        assert_int_equal(segment->indexes[INDEX_ABORTED].count, 0);
        sim_destroy(world.sim);
    }
}

/* The file of leader epochs tells of a tail that is lost, and so when it is written anew: the batches that have come in its place are
 * believed, not the file. */
void test_crash__believes_no_epoch_of_a_tail_that_was_lost(void)
{
    char path[SEGMENT_PATH_SIZE];
    struct file *file;
    create_world(1);
    world.settings.page_cache = true;
    world.settings.segment_bytes = 1000000;
    boot(&world);
    timer_cancel(world.store.loop, &world.work);
    append_some(&world);
    world.epoch += 2;
    append_some(&world);
    while (world.log->epochs.dirty || log_is_busy(world.log))
        assert_true(sim_step(world.sim));
    segment_path(path, world.log->path, 0, ".log");
    assert_int_equal(file_open(world.store.io, path, FILE_WRITE, &file), 0);
    assert_int_equal(file_truncate(file, 0), 0);
    file_unref(file);
    sync_all();
    machine_cut_power(world.machine);

    boot(&world);
    timer_cancel(world.store.loop, &world.work);
    append_some(&world);
    machine_kill(world.machine);

    boot(&world); /* compares each batch with what is known of its epoch */
    assert_int_equal(epochs_at(log_epochs(world.log), 0), world.epoch);
    sim_destroy(world.sim);
}

/* The disk fails while the epochs are taken from the batches: half of them are none, since a reader would be told that it went another way. */
void test_crash__tells_no_epochs_that_it_cannot_read(void)
{
    char path[SEGMENT_PATH_SIZE];
    create_world(1);
    world.settings.segment_bytes = 1000000;
    boot(&world);
    timer_cancel(world.store.loop, &world.work);
    append_some(&world);
    append_some(&world);
    world.log->epochs.entries[0].epoch += 7;
    world.log->epochs_checked = false;
    sync_all();
    segment_path(path, world.log->path, 0, ".log");
    machine_decay(world.machine, path, 0, 10, 0);
    assert_null(log_epochs(world.log));
    assert_true(flusher_is_failed(world.store.flusher));
    assert_null(log_epochs(world.log));
    sim_destroy(world.sim);
}

/* As ext4 does by default when its disk fails. */
void test_crash__retires_a_directory_that_is_read_only_by_now(void)
{
    create_world(1);
    boot(&world);
    timer_cancel(world.store.loop, &world.work);
    machine_disk_faults(world.machine)->fails[DISK_WRITE] = 1000000;
    machine_disk_faults(world.machine)->fails_with = -EROFS;
    store_stage(world.log, 1, 100, 1000, 0, NULL);
    assert_int_equal(log_write(world.log), -EROFS);
    sim_run(world.sim, 1000000, is_stopped, &world);
    assert_int_equal(log_dir_failure(world.store.dir), -EROFS);
    sim_destroy(world.sim);
}

/* Else the stop would mark it as clean, though nothing of the logs there is saved any more. */
void test_crash__retires_a_directory_that_takes_no_new_log(void)
{
    struct log *other;
    create_world(1);
    boot(&world);
    machine_disk_faults(world.machine)->fails[DISK_NAME] = 1000000;
    assert_int_equal(
        log_create(world.store.flusher, "/data", "other", 0, (struct uuid){ { 6 } }, &world.settings, &other), -EIO);
    timer_cancel(world.store.loop, &world.work);
    sim_run(world.sim, 1000000, is_stopped, &world);
    assert_int_equal(log_dir_failure(world.store.dir), -EIO);
    sim_destroy(world.sim);
}

static void append_until_indexed(int32_t count)
{
    do
        append_some(&world);
    while (log_active(world.log)->indexes[INDEX_OFFSET].count < count);
}

/* What a cut of power that keeps nothing would leave of the active segment's offset index. */
static void check_durable_index(const uint8_t *entries, int32_t count)
{
    static uint8_t bytes[1 << 20];
    int64_t size = machine_read_file(world.machine, "/data/topic-0/00000000000000000000.index", bytes, sizeof(bytes), 0);
    assert_int_equal(size, count * INDEX_OFFSET_ENTRY);
    assert_memory_equal(bytes, entries, (size_t)size);
}

/* The active segment's index is not synced while it only grows: what is missing of it is made again, and zeros are no entries. But one
 * that is written anew over another history must not stand beside sectors of that one, and after a clean stop it is believed. */
void test_crash__finds_an_index_that_is_whole(void)
{
    create_world(1);
    world.settings.page_cache = true;
    world.settings.index_interval_bytes = 1;
    world.settings.segment_bytes = 10000000;
    boot(&world);
    timer_cancel(world.store.loop, &world.work);
    struct log *log = world.log;
    append_until_indexed(150);
    while (log_active(log)->indexes[INDEX_OFFSET].saved < 150)
        assert_true(sim_step(world.sim));
    struct file *file;
    assert_int_equal(file_open(log->io, "/data/topic-0/00000000000000000000.log", FILE_WRITE, &file), 0);
    assert_int_equal(file_truncate(file, 1), 0);
    file_unref(file);
    sync_all();
    machine_cut_power(world.machine);

    boot(&world);
    timer_cancel(world.store.loop, &world.work);
    log = world.log;
    append_until_indexed(100);
    const struct index *offsets = &log_active(log)->indexes[INDEX_OFFSET];
    while (offsets->cut)
        assert_true(sim_step(world.sim));
    check_durable_index(offsets->data, offsets->count);

    append_until_indexed(120);
    int32_t count = offsets->count;
    uint8_t *entries = memory_take((size_t)count * INDEX_OFFSET_ENTRY);
    memcpy(entries, offsets->data, (size_t)count * INDEX_OFFSET_ENTRY);
    stop(&world);
    check_durable_index(entries, count);
    memory_give(entries);
    sim_destroy(world.sim);
}

static bool is_begun_behind_the_first(void *context)
{
    (void)context;
    return world.start > 0;
}

/* Records are deleted before any snapshot of the producers. The start raises the recovery point, and that is told before there is a
 * snapshot, too; what stands below it still tells of its producers. */
void test_crash__forgets_no_producer_whose_records_were_deleted(void)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        create_world(seed);
        world.settings.segment_bytes = 4000;
        world.store.settings.checkpoint_ms = 1 << 30;
        boot(&world);
        timer_cancel(world.store.loop, &world.work);
        while (world.log->segment_count < 3)
            append_some(&world);
        log_want_flush(world.log);
        assert_true(sim_run(world.sim, 60 * 1000000LL, something_is_durable, &world));
        assert_int_equal(log_delete_records(world.log, world.durable), 0);
        assert_true(sim_run(world.sim, 60 * 1000000LL, is_begun_behind_the_first, &world));
        machine_kill(world.machine);

        boot(&world);
        timer_cancel(world.store.loop, &world.work);
        assert_int_equal(log_retain(world.log, 0, &(int32_t){ INT32_MAX }), 0); /* may take what lies below the start, but not its producers */
        flush_publish_soon(world.store.flusher);
        sim_run(world.sim, 3 * 1000000LL, is_stopped, &world);
        machine_kill(world.machine);
        boot(&world);
        sim_destroy(world.sim);
    }
}

/* What the next checkpoint writes at the base of the last segment. */
static void check_roll_snapshot(const struct log *log)
{
    struct producers then = { 0 };
    if (log->roll_snapshot == NULL)
        return;
    assert_true(producers_load(&then, (struct bytes){ log->roll_snapshot, log->roll_snapshot_size }));
    for (int32_t i = 0; i < then.count; i++)
        assert_true(then.entries[i]->batches[0].last_offset < log->tail.base_offset);
    producers_deinit(&then);
}

/* The producers as they were where the last segment began are to be written by the next checkpoint; when that segment is cut away they
 * would stand at the base of another, and know of what is gone. */
void test_crash__keeps_no_producers_of_a_segment_that_was_cut_away(void)
{
    for (int restarts = 0; restarts < 2; restarts++) {
        create_world(1);
        world.settings.segment_bytes = 4000;
        world.store.settings.checkpoint_ms = 1 << 30;
        boot(&world);
        timer_cancel(world.store.loop, &world.work);
        while (world.log->segment_count < 3)
            append_some(&world);
        assert_non_null(world.log->roll_snapshot);
        int64_t offset = world.log->segments[1].base_offset;
        assert_int_equal(restarts ? log_restart(world.log, offset) : log_truncate(world.log, offset), 0);
        check_roll_snapshot(world.log);
        sim_destroy(world.sim);
    }
}

static int find_snapshot(void *context, const char *name)
{
    bool *found = context;
    *found = *found || strstr(name, ".snapshot") != NULL;
    return 0;
}

/* A log that begins anew grows to where its old snapshots of producers stood: none is there by then. */
void test_crash__begins_anew_without_the_old_snapshots(void)
{
    bool found = false;
    create_world(1);
    world.settings.segment_bytes = 4000;
    boot(&world);
    timer_cancel(world.store.loop, &world.work);
    while (world.log->segment_count < 3)
        append_some(&world);
    sim_run(world.sim, 3 * 1000000LL, is_stopped, &world);
    assert_int_equal(world.log->snapshot_offset, log_end(world.log));
    assert_int_equal(log_restart(world.log, 0), 0);
    assert_int_equal(directory_list(world.log->io, world.log->path, find_snapshot, &found), 0);
    assert_false(found);
    sim_destroy(world.sim);
}
