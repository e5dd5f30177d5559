/* SPDX-License-Identifier: Apache-2.0 */
/* What a log gives back of the page cache behind a steady writer: what is durable, behind the bytes
 * that are kept, and what every live reader is past. */
#include "storage/cache.h"
#include "storage/flush.h"
#include "storage/log_state.h"
#include "store.h"

enum { MIB = 1 << 20, BATCH_RECORDS = 64, VALUE_SIZE = 8 * 1024 /* half a MiB a batch */ };

struct bench {
    struct store store;
    struct log_settings settings;
    struct log *log;
};

static void bench_create(struct bench *bench, int64_t cache_bytes, int64_t segment_bytes)
{
    log_settings_defaults(&bench->settings);
    bench->settings.segment_bytes = segment_bytes;
    store_create(&bench->store);
    store_stop(&bench->store, NULL, 0);
    bench->store.settings.cache_bytes = cache_bytes;
    store_open(&bench->store, bench->store.path);
    assert_int_equal(log_create(bench->store.flusher, bench->store.path, "t", 0,
                         (struct uuid){ { 4 } }, &bench->settings, &bench->log),
        0);
}

static void bench_destroy(struct bench *bench)
{
    store_stop(&bench->store, &bench->log, 1);
    store_remove(&bench->store);
}

/* Each flush may give back; what the one before began is awaited. */
static void write_mib(struct bench *bench, int mib)
{
    for (int i = 0; i < mib; i++) {
        store_append(bench->log, BATCH_RECORDS, VALUE_SIZE, 1000, 0);
        store_append(bench->log, BATCH_RECORDS, VALUE_SIZE, 1000, 0);
        store_flush(&bench->store, bench->log);
        while (bench->store.flusher->cache_runs)
            assert_true(loop_turn(bench->store.loop));
    }
}

/* How many bytes of the log, from its first on, were given back. */
static int64_t given_back(const struct bench *bench)
{
    int64_t sum = bench->log->trimmed.position;
    for (int32_t i = 0; bench->log->segments[i].base_offset < bench->log->trimmed.base_offset; i++)
        sum += bench->log->segments[i].size;
    return sum;
}

static void expect_kept(struct bench *bench, int64_t kept)
{
    int64_t left = log_size(bench->log) - given_back(bench);
    assert_true(left >= kept && left <= kept + 5 * MIB);
}

void test_cache__keeps_the_end_of_a_log_only(void)
{
    struct bench bench;
    bench_create(&bench, 16 * MIB, 1 << 30);
    write_mib(&bench, 15);
    assert_int_equal(given_back(&bench), 0);
    write_mib(&bench, 25);
    expect_kept(&bench, 16 * MIB);
    assert_true(file_is_cached(
        log_active(bench.log)->file, log_active(bench.log)->size - 8 * MIB, 8 * MIB));
    bench_destroy(&bench);
}

void test_cache__gives_back_across_segments(void)
{
    struct bench bench;
    bench_create(&bench, 0, 3 * MIB); /* the last 8 MiB stay whatever is asked for */
    write_mib(&bench, 30);
    expect_kept(&bench, 8 * MIB);
    bench_destroy(&bench);
}

void test_cache__leaves_all_to_the_system_when_told_to(void)
{
    struct bench bench;
    bench_create(&bench, -1, 1 << 30);
    write_mib(&bench, 20);
    assert_int_equal(given_back(&bench), 0);
    bench_destroy(&bench);
}

/* One that is slow holds what it has not read, one that went away does not, and one that read on
 * across segments is one. */
void test_cache__waits_for_live_readers(void)
{
    struct bench bench;
    bench_create(&bench, 8 * MIB, 6 * MIB);
    write_mib(&bench, 2);
    assert_int_equal(store_read(bench.log, 0, NULL), 0);
    write_mib(&bench, 25);
    assert_int_equal(given_back(&bench), 0);
    for (int64_t offset = 0; offset < log_end(bench.log); offset += BATCH_RECORDS) {
        struct log_slice slice;
        assert_int_equal(
            log_read(bench.log, offset, log_end(bench.log), 600 * 1024, true, true, &slice), 0);
        log_slice_release(&slice);
    }
    write_mib(&bench, 6);
    expect_kept(&bench, 8 * MIB);
    int64_t before = given_back(&bench);
    int64_t late = log_end(bench.log) - BATCH_RECORDS * 10;
    assert_int_equal(store_read(bench.log, late, NULL), late);
    write_mib(&bench, 15);
    assert_true(given_back(&bench) <= before + 8 * MIB);
    for (int i = 0; i < LOG_READERS; i++)
        bench.log->readers[i].until_ms = 0; /* ten seconds have passed */
    write_mib(&bench, 1);
    expect_kept(&bench, 8 * MIB);
    bench_destroy(&bench);
}

static bool has_reader(const struct bench *bench, int64_t position)
{
    for (int i = 0; i < LOG_READERS; i++)
        if (bench->log->readers[i].from.position == position && bench->log->readers[i].until_ms > 0)
            return true;
    return false;
}

/* Of more readers than are noted, the hindmost are. */
void test_cache__forgets_the_foremost_reader(void)
{
    struct bench bench;
    bench_create(&bench, 0, 1 << 30);
    write_mib(&bench, 1);
    for (int i = 0; i < LOG_READERS; i++)
        cache_note_read(bench.log, 0, 100 * ((i + 3) % LOG_READERS + 1), 10);
    cache_note_read(bench.log, 0, 50, 10);
    assert_false(has_reader(&bench, 100 * LOG_READERS));
    for (int i = 1; i < LOG_READERS; i++)
        assert_true(has_reader(&bench, 100 * i));
    assert_true(has_reader(&bench, 50));
    cache_note_read(bench.log, 0, 5000, 10);
    assert_false(has_reader(&bench, 5000));
    bench_destroy(&bench);
}
