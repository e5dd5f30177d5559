/* SPDX-License-Identifier: Apache-2.0 */
/* Many segments that may go, or are to be cleaned, at once, in the simulator: a pass looks at a few of
 * them. */
#include "storage/sweep.h"

#include <string.h>

#include "base/budget.h"
#include "base/report.h"
#include "io/file.h"
#include "sim/sim.h"
#include "storage/log_state.h"
#include "store.h"

enum { SEGMENTS = 500, SECOND_US = 1000000, HOUR_MS = 3600 * 1000 };

struct world {
    struct sim *sim;
    struct machine *machine;
    struct store store;
    struct log *log;
    struct log_settings settings;
    int32_t segments, most; /* that there were before the last pass, that went in one pass */
    int pieces;
};
static struct world world;

static void boot(void)
{
    char reason[256] = "";
    struct store *store = &world.store;
    store->io = machine_boot(world.machine, 2);
    store->loop = loop_create(store->io, "test");
    int status =
        log_dir_open(store->loop, "/data", &store->settings, &store->dir, reason, sizeof(reason));
    assert_int_equal(status, 0);
    store->flusher = flusher_create(store->loop, store->dir);
    const struct log_place *place = log_dir_find(store->dir, "topic", 0);
    status = place == NULL ? log_create(store->flusher, "/data", "topic", 0, (struct uuid){ { 5 } },
                                 &world.settings, &world.log)
                           : log_open(store->flusher, place, &world.settings, &world.log);
    assert_int_equal(status, 0);
    log_set_high_watermark(world.log, log_end(world.log));
    world.segments = world.log->segment_count;
    sim_start_loop(store->loop);
}

static bool is_kept(void *context)
{
    (void)context;
    return world.log->recovery_point == log_end(world.log);
}

static bool never(void *context)
{
    (void)context;
    return false;
}

/* Segments of one batch, all but the active one old, of which a checkpoint knows all. */
static void create_world(void)
{
    struct log_dir_identity identity = {
        .cluster_id = "sim", .node_id = 1, .directory_id = { { 1 } }
    };
    world = (struct world){ .sim = sim_create(1) };
    world.machine = machine_create(world.sim, "node");
    log_dir_settings_defaults(&world.store.settings);
    world.store.settings.retention_first_ms = 1000;
    log_settings_defaults(&world.settings);
    world.settings.segment_bytes = 1;
    world.settings.retention_ms = -1;
    struct io *io = machine_boot(world.machine, 1);
    assert_int_equal(log_dir_format(io, "/data", &identity), 0);
    assert_int_equal(directory_sync(io, "/"), 0);
    machine_kill(world.machine);
    boot();
    for (int i = 0; i <= SEGMENTS; i++)
        store_append(world.log, 1, 10, i < SEGMENTS ? 1000 : loop_wall_ms(world.store.loop), 0);
    log_want_flush(world.log);
    assert_true(sim_run(world.sim, 60 * SECOND_US, is_kept, NULL));
    assert_int_equal(world.log->segment_count, SEGMENTS + 1);
    sim_run(world.sim, 10 * SECOND_US, never, NULL); /* the checkpoint files say so, too */
}

/* A kill, and the log is opened again: nothing of its segments was looked at yet. */
static void boot_again(void)
{
    machine_kill(world.machine);
    boot();
    assert_int_equal(world.log->segment_count, SEGMENTS + 1);
}

static bool all_are_gone(void *context)
{
    int32_t gone = world.segments - world.log->segment_count;
    (void)context;
    world.segments = world.log->segment_count;
    world.pieces += gone > 0;
    world.most = gone > world.most ? gone : world.most;
    return world.log->segment_count == 1;
}

static void expect_pieces(void)
{
    assert_true(sim_run(world.sim, 60 * SECOND_US, all_are_gone, NULL));
    assert_true(world.most <= 2 * SWEEP_PIECE); /* one when a flush is over, and one of the timer */
    assert_true(world.pieces >= SEGMENTS / SWEEP_PIECE / 2);
    assert_int_equal(log_start(world.log), SEGMENTS);
    sim_destroy(world.sim);
}

void test_sweep__takes_old_segments_in_pieces(void)
{
    create_world();
    world.settings.retention_ms = HOUR_MS;
    boot_again();
    expect_pieces();
}

void test_sweep__takes_what_is_too_much_in_pieces(void)
{
    create_world();
    world.settings.retention_bytes = 0;
    boot_again();
    expect_pieces();
}

/* At once, and not when retention comes by. */
void test_sweep__takes_what_a_client_deleted_in_pieces(void)
{
    create_world();
    world.store.settings.retention_first_ms = INT64_MAX;
    boot_again();
    assert_int_equal(log_delete_records(world.log, SEGMENTS), 0);
    expect_pieces();
}

/* What retention could not look at, since the flusher was at work with it, is looked at between two
 * flushes, in pieces as well. */
void test_sweep__goes_on_under_load(void)
{
    create_world();
    world.settings.retention_ms = HOUR_MS;
    world.store.settings.retention_first_ms = INT64_MAX;
    boot_again();
    world.log->retention_due = world.log->retention_missed = true;
    world.log->mark_index[0] = 0;
    log_retain_if_missed(world.log);
    assert_true(world.log->retention_missed);
    assert_int_equal(world.log->segment_count, SEGMENTS + 1);
    world.log->mark_index[0] = -1;
    log_retain_if_missed(world.log);
    assert_in_range(world.log->segment_count, SEGMENTS + 1 - SWEEP_PIECE, SEGMENTS);
    expect_pieces();
}

static int32_t count_known(void)
{
    int32_t count = 0;
    for (int32_t i = 0; i < world.log->segment_count; i++)
        count += world.log->segments[i].first_timestamp != SEGMENT_TIME_UNKNOWN;
    return count;
}

static bool is_being_cleaned(void *context)
{
    int32_t *known = context, now = count_known();
    world.pieces += now > *known;
    world.most = now - *known > world.most ? now - *known : world.most;
    *known = now;
    return world.log->cleaning != NULL;
}

/* A compacted log is due when its oldest record is old, so that each segment has to be looked at. */
void test_sweep__asks_when_segments_begin_in_pieces(void)
{
    struct cleaner_settings settings = { .enabled = true,
        .threads = 1,
        .backoff_ms = 1000,
        .dedupe_bytes = 1 << 20,
        .io_buffer_bytes = 1 << 20,
        .bytes_per_second = INT64_MAX,
        .load_factor = 0.9 };
    struct budget memory;
    int32_t known = 0;
    create_world();
    world.settings.compacts = true;
    world.settings.min_cleanable_ratio = 1; /* never for that */
    world.settings.max_compaction_lag_ms = HOUR_MS;
    boot_again();
    budget_init(&memory, INT64_MAX);
    flusher_set_cleaner(world.store.flusher, &settings, &memory);
    assert_true(sim_run(world.sim, 60 * SECOND_US, is_being_cleaned, &known));
    assert_int_equal(known, SEGMENTS);
    assert_true(world.most <= SWEEP_PIECE && world.pieces >= SEGMENTS / SWEEP_PIECE);
    sim_destroy(world.sim);
}

static int told;

static void hear(enum report_level level, const char *event, const char *text)
{
    (void)level;
    (void)text;
    told += strcmp(event, "retention_failed") == 0;
}

/* Files that somebody took away. */
static void lose_files(int first)
{
    char path[SEGMENT_PATH_SIZE];
    for (int i = first; i < first + 2 * SWEEP_PIECE; i++) {
        segment_path(path, world.log->path, i, ".log");
        assert_int_equal(file_unlink(world.store.io, path), 0);
    }
    told = 0;
    report_set_sink(hear);
}

/* They count for nothing, what stands before them goes, they are told of, and nothing turns for them. */
void test_sweep__lets_go_by_size_what_stands_before_missing_files(void)
{
    enum { FIRST = 400, KEPT = 60 };
    create_world();
    world.settings.retention_bytes = KEPT * log_size(world.log) / (SEGMENTS + 1);
    boot_again();
    lose_files(FIRST);
    sim_run(world.sim, 30 * SECOND_US, never, NULL);
    assert_int_equal(told, 1);
    assert_int_equal(world.log->segment_count, KEPT + 2 * SWEEP_PIECE);
    report_set_sink(NULL);
    sim_destroy(world.sim);
}

/* And what follows them says how old they are. */
void test_sweep__lets_go_by_time_what_is_missing(void)
{
    create_world();
    world.settings.retention_bytes = INT64_MAX;
    world.settings.retention_ms = HOUR_MS;
    boot_again();
    lose_files(1);
    assert_true(sim_run(world.sim, 60 * SECOND_US, all_are_gone, NULL));
    report_set_sink(NULL);
    sim_destroy(world.sim);
}
