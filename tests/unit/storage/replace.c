/* SPDX-License-Identifier: Apache-2.0 */
/* A future log takes the place of the current one, in the simulator: two directories, one loop, and
 * disks that fail. */
#include <errno.h>

#include "sim/sim.h"
#include "storage/flush.h"
#include "storage/log_state.h"
#include "store.h"

enum { EPOCH = 3, SECOND_US = 1000000 };
static const char *const paths[] = { "/one", "/two" };

struct world {
    struct sim *sim;
    struct machine *machine;
    struct store stores[2]; /* one loop: that of the first */
    struct log *current, *future;
};
static struct world world;

static bool never(void *context)
{
    (void)context;
    return false;
}

/* A moment in which nothing is asked of the logs. */
static void rest(void)
{
    sim_run(world.sim, 5 * SECOND_US, never, NULL);
}

static int times_durable;

static void note_durable(struct task *task)
{
    (void)task;
    times_durable++;
}

static void boot(void)
{
    char reason[256] = "";
    struct io *io = machine_boot(world.machine, 2);
    struct loop *loop = loop_create(io, "test");
    for (int i = 0; i < 2; i++) {
        struct store *store = &world.stores[i];
        store->io = io;
        store->loop = loop;
        assert_int_equal(
            log_dir_open(loop, paths[i], &store->settings, &store->dir, reason, sizeof(reason)), 0);
        store->flusher = flusher_create(loop, store->dir);
    }
    sim_start_loop(loop);
}

static void create_world(void)
{
    world = (struct world){ .sim = sim_create(1) };
    world.machine = machine_create(world.sim, "node");
    struct io *io = machine_boot(world.machine, 1);
    for (int i = 0; i < 2; i++) {
        struct log_dir_identity identity = {
            .cluster_id = "sim", .node_id = 1, .directory_id = { { (uint8_t)(i + 1) } }
        };
        log_dir_settings_defaults(&world.stores[i].settings);
        assert_int_equal(log_dir_format(io, paths[i], &identity), 0);
    }
    assert_int_equal(directory_sync(io, "/"), 0);
    machine_kill(world.machine);
    boot();
}

/* A log, and a future one in the other directory that holds the same. */
static void create_logs(void)
{
    struct log_settings settings;
    struct uuid id = { { 9 } };
    log_settings_defaults(&settings);
    struct flusher *from = world.stores[0].flusher, *to = world.stores[1].flusher;
    assert_int_equal(log_create(from, paths[0], "topic", 0, id, &settings, &world.current), 0);
    assert_int_equal(log_create_future(to, paths[1], "topic", 0, id, &settings, &world.future), 0);
    store_append(world.current, 10, 100, 1, EPOCH);
    store_append(world.future, 10, 100, 1, EPOCH);
    rest(); /* both have a checkpoint */
    assert_int_equal(log_durable_end(world.future), 10);
}

/* The disk of the current log fails with its last name: that directory is retired like any that
 * fails, and the move is not tried again for ever. */
void test_replace__retires_a_directory_that_cannot_part(void)
{
    create_world();
    create_logs();
    machine_disk_faults(world.machine)->fails[DISK_NAME] = 1000000;
    assert_int_equal(log_replace(world.current, world.future), -EIO);
    assert_true(flusher_is_failed(world.stores[0].flusher));
    assert_false(flusher_is_failed(world.stores[1].flusher));
    rest();
    assert_int_equal(log_dir_failure(world.stores[0].dir), -EIO);
    sim_destroy(world.sim);
}

static bool future_is_durable(void *context)
{
    (void)context;
    return log_durable_end(world.future) == log_end(world.future);
}

static bool old_directory_failed(void *context)
{
    (void)context;
    return flusher_is_failed(world.stores[0].flusher);
}

/* Until the old log has parted durably, a cut of power may bring it back: what the future log alone
 * has durably is not promised before. */
void test_replace__promises_nothing_that_the_old_log_may_lack(void)
{
    struct task durable = { .run = note_durable };
    create_world();
    create_logs();
    machine_disk_faults(world.machine)->sync_us = SECOND_US;
    machine_disk_faults(world.machine)->fails_below = paths[0];
    store_append(world.current, 10, 100, 1, EPOCH);
    store_append(world.future, 10, 100, 1, EPOCH);
    log_want_flush(world.future);
    assert_true(sim_run(world.sim, SECOND_US, future_is_durable, NULL));
    assert_int_equal(log_durable_end(world.current), 10);
    log_set_durable_task(world.current, NULL);
    log_set_durable_task(world.future, &durable);
    assert_int_equal(log_replace(world.current, world.future), 0);
    assert_int_equal(log_durable_end(world.future), 10);
    times_durable = 0;
    rest();
    assert_int_equal(log_durable_end(world.future), 20);
    assert_true(times_durable > 0);
    sim_destroy(world.sim);
}

/* The old directory fails with it: its disk may come back with the log. That lasts until the new one
 * has its name, which the metadata have as well. */
void test_replace__promises_nothing_while_the_old_log_may_come_back(void)
{
    create_world();
    create_logs();
    machine_disk_faults(world.machine)->fails[DISK_SYNC_NAMES] = 1000000;
    machine_disk_faults(world.machine)->fails_below = paths[0];
    store_append(world.current, 10, 100, 1, EPOCH);
    store_append(world.future, 10, 100, 1, EPOCH);
    log_want_flush(world.future);
    assert_true(sim_run(world.sim, SECOND_US, future_is_durable, NULL));
    assert_int_equal(log_replace(world.current, world.future), 0);
    assert_true(sim_run(world.sim, SECOND_US, old_directory_failed, NULL));
    assert_int_equal(log_durable_end(world.future), 10);
    rest();
    assert_int_equal(log_durable_end(world.future), 20);
    sim_destroy(world.sim);
}

struct stop {
    struct task task;
    bool is_over;
};

static void note_stopped(struct task *task)
{
    container_of(task, struct stop, task)->is_over = true;
}

static bool is_over(void *context)
{
    return ((struct stop *)context)->is_over;
}

/* The disk fails with it after the flusher was told to stop: that is told before it has stopped, or the directory would be marked
 * clean. */
void test_replace__a_stop_waits_for_the_parting(void)
{
    struct stop stop = { .task.run = note_stopped };
    create_world();
    create_logs();
    machine_disk_faults(world.machine)->fails[DISK_SYNC_NAMES] = 1000000;
    machine_disk_faults(world.machine)->fails_below = paths[0];
    machine_disk_faults(world.machine)->sync_us = SECOND_US;
    assert_int_equal(log_replace(world.current, world.future), 0);
    flusher_stop(world.stores[0].flusher, &stop.task);
    assert_true(sim_run(world.sim, 60 * SECOND_US, is_over, &stop));
    assert_true(flusher_is_failed(world.stores[0].flusher));
    rest();
    assert_int_equal(log_dir_failure(world.stores[0].dir), -EIO);
    assert_false(flusher_is_failed(world.stores[1].flusher));
    sim_destroy(world.sim);
}

/* The same when a log is to be deleted. */
void test_replace__retires_a_directory_that_cannot_delete(void)
{
    create_world();
    create_logs();
    machine_disk_faults(world.machine)->fails[DISK_NAME] = 1000000;
    assert_int_equal(log_delete(world.future), -EIO);
    assert_true(flusher_is_failed(world.stores[1].flusher));
    assert_false(flusher_is_failed(world.stores[0].flusher));
    rest();
    assert_int_equal(log_dir_failure(world.stores[1].dir), -EIO);
    sim_destroy(world.sim);
}

static int count_deleted(void *context, const char *name)
{
    if (strstr(name, "-delete") != NULL)
        ++*(int *)context;
    return 0;
}

/* What was renamed when the disk was still well stays there for the next start. */
void test_replace__removes_nothing_from_a_directory_that_failed(void)
{
    int64_t delay_ms;
    int count = 0;
    create_world();
    create_logs();
    delay_ms = world.current->settings.file_delete_delay_ms;
    assert_int_equal(log_delete(world.current), 0);
    rest();
    log_dir_fail(world.stores[0].dir, -EIO);
    flusher_fail(world.stores[0].flusher, -EIO);
    sim_run(world.sim, 2 * delay_ms * 1000, never, NULL);
    assert_int_equal(directory_list(world.stores[0].io, paths[0], count_deleted, &count), 0);
    assert_int_equal(count, 1);
    sim_destroy(world.sim);
}

static int count_log_files(void *context, const char *name)
{
    if (strstr(name, ".log") != NULL)
        ++*(int *)context;
    return 0;
}

/* The future log has lost its first segment, and takes over: nothing of it stays. */
static void replace_and_look(int64_t delete_delay_ms)
{
    int files = 0;
    assert_int_equal(log_replace(world.current, world.future), 0);
    for (int64_t ms = 0; ms < 2 * delete_delay_ms + 20000; ms += 5000)
        rest();
    assert_string_equal(world.future->path, "/two/topic-0");
    assert_int_equal(world.future->segment_count, 1);
    assert_int_equal(directory_list(world.stores[1].io, "/two/topic-0", count_log_files, &files), 0);
    assert_int_equal(files, 1);
    sim_destroy(world.sim);
}

static void run_out_of_names(const char *below)
{
    struct disk_faults *faults = machine_disk_faults(world.machine);
    faults->fails_with = -ENOSPC;
    faults->fails_below = below;
    faults->fails[DISK_NAME] = 1000000;
}

/* Appends to both a segment more, so that the first of the future log may go. */
static void drop_first_segment(void)
{
    assert_int_equal(log_roll_at_end(world.future), 0);
    store_append(world.current, 1, 100, 1, EPOCH);
    store_append(world.future, 1, 100, 1, EPOCH);
    rest();
    assert_int_equal(world.future->segment_count, 2);
    assert_int_equal(log_set_start(world.future, 10), 0);
}

/* Files that the future log has lost wait for their removal below a name that it then gives up. */
void test_replace__removes_what_the_future_log_lost(void)
{
    create_world();
    create_logs();
    drop_first_segment();
    rest();
    assert_int_equal(world.future->segment_count, 1);
    replace_and_look(world.future->settings.file_delete_delay_ms);
}

/* The same when they have not even their parting names, for want of room. */
void test_replace__removes_what_waits_for_room(void)
{
    create_world();
    create_logs();
    drop_first_segment();
    run_out_of_names("/two/topic-0.");
    sim_run(world.sim, 200000, never, NULL);
    assert_int_equal(world.future->segment_count, 1);
    assert_true(machine_disk_faults(world.machine)->failures > 0);
    machine_disk_faults(world.machine)->fails[DISK_NAME] = 0;
    replace_and_look(world.future->settings.file_delete_delay_ms);
}

/* A checkpoint that is under way has the paths of a log that is deleted: until it is over, no new log may have that name, or
 * an old snapshot of producers would stand in its directory. */
void test_replace__lets_no_log_have_a_name_that_is_still_written(void)
{
    create_world();
    create_logs();
    struct store *store = &world.stores[0];
    struct flush_run *run = &store->flusher->runs[RUN_CHECKPOINT];
    assert_true(!run->running && run->mark_capacity > 0);
    run->marks[0] = (struct flush_mark){ .log = world.current };
    run->mark_count = 1;
    run->running = true; /* for as long as we like */
    world.current->mark_index[RUN_CHECKPOINT] = 0;
    assert_int_equal(log_delete(world.current), 0);
    rest();
    assert_true(log_dir_is_forgetting(store->dir));
    run->mark_count = 0;
    run->running = false;
    flush_publish_soon(store->flusher);
    rest();
    assert_false(log_dir_is_forgetting(store->dir));
    sim_destroy(world.sim);
}

static bool is_answered(void *context)
{
    const struct flusher *flusher = context;
    return !flusher->cleaner.points_asked;
}

/* A move is given up and asked for again: the checkpoint file still has the line of the old future log,
 * and the new one must not grow below it, or a crash would find it shorter than what was confirmed. */
void test_replace__begins_no_future_log_below_the_line_of_another(void)
{
    struct log_settings settings;
    struct log *next, *other;
    create_world();
    create_logs();
    log_settings_defaults(&settings);
    struct flusher *to = world.stores[1].flusher;
    assert_int_equal(log_create_future(to, paths[1], "other", 0, (struct uuid){ { 8 } }, &settings, &other), 0);
    assert_false(log_point_is_kept(other));
    while (!to->cleaner.points_asked)
        assert_true(sim_step(world.sim));
    assert_int_equal(log_delete(world.future), 0);
    assert_int_equal(log_create_future(to, paths[1], "topic", 0, (struct uuid){ { 9 } }, &settings, &next), 0);
    assert_true(sim_run(world.sim, SECOND_US, is_answered, to)); /* to the other: it says nothing of this one */
    assert_false(log_point_is_kept(next));
    rest();
    assert_true(log_point_is_kept(next));
    sim_destroy(world.sim);
}

/* Nor are files of the next log of that name taken for them. */
void test_replace__leaves_the_next_log_of_a_name_alone(void)
{
    struct log_settings settings;
    struct log *next;
    int files = 0;
    create_world();
    create_logs();
    assert_int_equal(log_roll_at_end(world.current), 0);
    rest();
    store_append(world.current, 1, 100, 1, EPOCH);
    rest();
    run_out_of_names("/one/topic-0/");
    assert_int_equal(log_set_start(world.current, 10), 0);
    sim_run(world.sim, 200000, never, NULL);
    assert_int_equal(world.current->segment_count, 1);
    assert_int_equal(log_delete(world.current), 0);
    machine_disk_faults(world.machine)->fails[DISK_NAME] = 0;
    log_settings_defaults(&settings);
    assert_int_equal(
        log_create(world.stores[0].flusher, paths[0], "topic", 0, (struct uuid){ { 8 } }, &settings, &next), 0);
    store_append(next, 10, 100, 1, EPOCH);
    rest();
    assert_int_equal(directory_list(next->io, "/one/topic-0", count_log_files, &files), 0);
    assert_int_equal(files, 1);
    assert_true(machine_read_file(world.machine, "/one/topic-0/00000000000000000000.log", &files, 1, 0) == 1);
    sim_destroy(world.sim);
}

static void append_of(struct log *log, int64_t producer_id)
{
    struct batch_options options = batch_options_plain();
    options.producer_id = producer_id;
    options.producer_epoch = 0;
    options.base_sequence = 0;
    store_stage(log, 1, 100, 1, EPOCH, &options);
    assert_int_equal(log_write(log), 0);
}

/* A snapshot that the future log has at that offset already is of what it knew by itself. */
void test_replace__knows_the_producers_when_they_are_written_anew(void)
{
    int64_t offset;
    create_world();
    create_logs();
    append_of(world.current, 7);
    append_of(world.future, 8);
    rest();
    assert_int_equal(log_snapshot_offset(world.future), 11);
    for (int i = 0; i < 2; i++) { /* the second begins no segment */
        assert_int_equal(log_take_producers(world.future, world.current, &offset), 0);
        assert_int_equal(offset, 11);
        assert_true(log_snapshot_offset(world.future) < 11);
        rest();
        assert_int_equal(log_snapshot_offset(world.future), 11);
    }
    sim_destroy(world.sim);
}

static bool writes_snapshot(void *context)
{
    (void)context;
    return world.future->mark_index[RUN_CHECKPOINT] >= 0;
}

/* Nor is one that is just being written. */
void test_replace__waits_for_a_snapshot_that_is_being_written(void)
{
    int64_t offset;
    create_world();
    create_logs();
    append_of(world.current, 7);
    append_of(world.future, 8);
    assert_true(sim_run(world.sim, 5 * SECOND_US, writes_snapshot, NULL));
    assert_int_equal(log_take_producers(world.future, world.current, &offset), -EAGAIN);
    rest();
    assert_int_equal(log_take_producers(world.future, world.current, &offset), 0);
    sim_destroy(world.sim);
}

/* What was lost of a log cannot be taken back from a future one either. */
void test_replace__retires_a_directory_that_cannot_truncate(void)
{
    create_world();
    create_logs();
    machine_disk_faults(world.machine)->fails[DISK_SYNC] = 1000000;
    assert_int_equal(log_truncate(world.future, 0), -EIO);
    assert_true(flusher_is_failed(world.stores[1].flusher));
    sim_destroy(world.sim);
}
