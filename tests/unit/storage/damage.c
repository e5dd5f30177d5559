/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of logs whose files are not what was written: only a torn tail is cut, and a
 * checkpoint file that is lost costs no record. */
#include <errno.h>
#include <unistd.h>

#include "base/report.h"
#include "storage/log_state.h"
#include "storage/producers.h"
#include "store.h"

enum { BATCHES = 50 };

static int told; /* how often a gap was reported */

static void hear(enum report_level level, const char *event, const char *text)
{
    (void)level;
    (void)text;
    told += strcmp(event, "log_gap") == 0;
}

struct bench {
    struct store store;
    struct log_settings settings;
    struct log *log;
    int64_t batch_size; /* all are alike */
    char path[512];     /* of the first segment */
};

/* One log of 50 batches of one record, durable, and a clean stop. */
static void bench_create_indexed(struct bench *bench, int64_t segment_bytes, int32_t index_interval_bytes)
{
    log_settings_defaults(&bench->settings);
    bench->settings.index_interval_bytes = index_interval_bytes;
    bench->settings.segment_bytes = segment_bytes;
    store_create(&bench->store);
    snprintf(bench->path, sizeof(bench->path), "%s/t-0/%020d.log", bench->store.path, 0);
    assert_int_equal(log_create(bench->store.flusher, bench->store.path, "t", 0,
                         (struct uuid){ { 4 } }, &bench->settings, &bench->log),
        0);
    for (int i = 0; i < BATCHES; i++) {
        store_append(bench->log, 1, 300, 1000 + i, i / 10);
        if (i == 0)
            bench->batch_size = log_size(bench->log);
    }
    store_stop(&bench->store, &bench->log, 1);
}

static void bench_create(struct bench *bench, int64_t segment_bytes)
{
    bench_create_indexed(bench, segment_bytes, 4096);
}

static void bench_write(const struct bench *bench, const char *name, const char *text)
{
    char path[900];
    snprintf(path, sizeof(path), "%s/%s", bench->store.path, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void bench_remove(const struct bench *bench, const char *name)
{
    char path[900];
    snprintf(path, sizeof(path), "%s/%s", bench->store.path, name);
    assert_int_equal(unlink(path), 0);
}

static void forget_the_stop(const struct bench *bench)
{
    char path[900];
    snprintf(path, sizeof(path), "%s/.kafka_cleanshutdown", bench->store.path);
    assert_true(unlink(path) == 0 || errno == ENOENT); /* as after a crash */
}

static void flip_bit(const char *path, int64_t position, int bit)
{
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, position, SEEK_SET), 0);
    int byte = fgetc(file);
    assert_int_equal(fseek(file, position, SEEK_SET), 0);
    assert_int_equal(fputc(byte ^ 1 << bit, file), byte ^ 1 << bit);
    assert_int_equal(fclose(file), 0);
}

static void flip_byte(const char *path, int64_t position)
{
    flip_bit(path, position, 0);
}

static int64_t size_of(const struct bench *bench)
{
    int64_t size;
    assert_int_equal(file_stat(bench->store.io, bench->path, &size), 0);
    return size;
}

static int try_open(struct bench *bench)
{
    store_open(&bench->store, bench->store.path);
    bench->log = NULL;
    return log_open(bench->store.flusher, log_dir_find(bench->store.dir, "t", 0), &bench->settings,
        &bench->log);
}

static void stop(struct bench *bench)
{
    store_stop(&bench->store, &bench->log, bench->log == NULL ? 0 : 1);
}

/* It cannot be opened, now and after further stops, and keeps all its bytes. */
static void expect_refused(struct bench *bench, bool also_unclean)
{
    for (int round = 0; round < 4; round++) {
        store_open(
            &bench->store, bench->store.path); /* nobody opens the log: nothing is forgotten */
        int64_t size = size_of(bench);
        bool was_clean = log_dir_was_clean(bench->store.dir);
        store_stop(&bench->store, NULL, 0);
        if (!was_clean || (also_unclean && round == 2))
            forget_the_stop(bench);
        assert_int_equal(try_open(bench), -EUCLEAN);
        assert_int_equal(size_of(bench), size);
        stop(bench);
    }
}

static void expect_whole(struct bench *bench)
{
    assert_int_equal(try_open(bench), 0);
    assert_int_equal(log_end(bench->log), BATCHES);
    for (int i = 0; i < BATCHES; i++)
        assert_int_equal(store_read(bench->log, i, NULL), i);
    assert_int_equal(log_start(bench->log), 0);
    for (int i = 0; i < BATCHES; i++)
        assert_int_equal(epochs_at(log_epochs(bench->log), i), i / 10);
    stop(bench);
}

/* Below the recovery point damage is not a torn tail: the log is refused, and nothing is cut. */
void test_damage__below_the_recovery_point_is_refused(void)
{
    struct bench bench;
    bench_create(&bench, 1 << 30);
    forget_the_stop(&bench);
    assert_int_equal(truncate(bench.path, 15000), 0);
    assert_int_equal(try_open(&bench), -EUCLEAN);
    assert_int_equal(size_of(&bench), 15000);
    stop(&bench);
    expect_refused(&bench, true);
    store_remove(&bench.store);
}

/* What a damaged log leaves goes with its topic: a new one of the name is made, and judged by nothing that was said of the old one. */
void test_damage__goes_with_its_topic(void)
{
    struct bench bench;
    bench_create(&bench, 1 << 30);
    forget_the_stop(&bench);
    assert_int_equal(truncate(bench.path, 15000), 0);
    assert_int_equal(try_open(&bench), -EUCLEAN);
    log_delete_unopened(bench.store.flusher, "t", 0, (struct uuid){ { 4 } });
    assert_int_equal(log_create(bench.store.flusher, bench.store.path, "t", 0, (struct uuid){ { 5 } }, &bench.settings, &bench.log), 0);
    stop(&bench);
    forget_the_stop(&bench);
    assert_int_equal(try_open(&bench), 0);
    assert_int_equal(log_end(bench.log), 0);
    stop(&bench);
    store_remove(&bench.store);
}

/* After a clean stop nothing is torn: neither a cut batch, nor a shorter file that ends with a
 * whole one, nor bytes behind the end. */
void test_damage__after_a_clean_stop_is_refused(void)
{
    for (int kind = 0; kind < 4; kind++) {
        struct bench bench;
        bench_create(&bench, 1 << 30);
        int64_t size = BATCHES * bench.batch_size;
        switch (kind) {
        case 0:
            assert_int_equal(truncate(bench.path, size - 100), 0);
            break;
        case 1:
            assert_int_equal(truncate(bench.path, size - bench.batch_size), 0);
            break;
        case 2:
            assert_int_equal(truncate(bench.path, size + 10), 0);
            break; /* zeros */
        case 3:
            assert_int_equal(truncate(bench.path, 0), 0);
            break;
        }
        expect_refused(&bench, kind != 2); /* those were not confirmed */
        store_remove(&bench.store);
    }
}

/* A future log is a copy: wherever it is damaged it is cut there, and copied again. */
void test_damage__of_a_future_log_is_cut(void)
{
    enum { SEGMENTS_GONE, POINT_BEYOND_END, BELOW_THE_POINT, POINT_LOST, AFTER_A_CLEAN_STOP, START_BEYOND_END, KINDS };
    static const int64_t ends[KINDS] = { 0, BATCHES, 20, 20, BATCHES - 1, 60 };
    for (int kind = 0; kind < KINDS; kind++) {
        struct bench bench;
        char from[512], to[600];
        bench_create(&bench, 1 << 30);
        if (kind < AFTER_A_CLEAN_STOP)
            forget_the_stop(&bench);
        switch (kind) {
        case SEGMENTS_GONE: assert_int_equal(unlink(bench.path), 0); break;
        case POINT_BEYOND_END: bench_write(&bench, "recovery-point-offset-checkpoint", "0\n1\nt 0 70\n"); break;
        case POINT_LOST: bench_write(&bench, "recovery-point-offset-checkpoint", "garbage"); /* fall through */
        case BELOW_THE_POINT: assert_int_equal(truncate(bench.path, 20 * bench.batch_size + 100), 0); break;
        case AFTER_A_CLEAN_STOP: assert_int_equal(truncate(bench.path, BATCHES * bench.batch_size - 100), 0); break;
        case START_BEYOND_END: bench_write(&bench, "log-start-offset-checkpoint", "0\n1\nt 0 60\n"); break;
        }
        snprintf(from, sizeof(from), "%s/t-0", bench.store.path);
        snprintf(to, sizeof(to), "%s.0123456789abcdef0123456789abcdef-future", from);
        assert_int_equal(rename(from, to), 0);
        store_open(&bench.store, bench.store.path);
        assert_int_equal(log_open(bench.store.flusher, log_dir_find_future(bench.store.dir, "t", 0), &bench.settings, &bench.log), 0);
        assert_int_equal(log_end(bench.log), ends[kind]);
        for (int64_t i = log_start(bench.log); i < log_end(bench.log); i++)
            assert_int_equal(store_read(bench.log, i, NULL), i);
        stop(&bench);
        store_remove(&bench.store);
    }
}

/* Above the recovery point any part of what was written may be missing, so it is cut at the damage,
 * good batches behind it or not. */
void test_damage__above_the_recovery_point_is_cut(void)
{
    struct bench bench;
    bench_create(&bench, 1 << 30);
    forget_the_stop(&bench);
    bench_write(&bench, "recovery-point-offset-checkpoint", "0\n1\nt 0 20\n");
    flip_byte(bench.path, 30 * bench.batch_size + 100);
    assert_int_equal(try_open(&bench), 0);
    assert_int_equal(log_end(bench.log), 30);
    assert_int_equal(size_of(&bench), 30 * bench.batch_size);
    stop(&bench);
    store_remove(&bench.store);
}

/* A page-cache topic's index can be on the disk when its records are lost. What recovery took out of it does not come back, though
 * the log was at rest before it was written again. */
void test_damage__that_cuts_a_log_cuts_its_index(void)
{
    struct bench bench;
    bench_create(&bench, 1 << 30);
    forget_the_stop(&bench);
    bench_write(&bench, "recovery-point-offset-checkpoint", "0\n1\nt 0 0\n");
    assert_int_equal(truncate(bench.path, 5 * bench.batch_size), 0);
    assert_int_equal(try_open(&bench), 0);
    assert_int_equal(log_end(bench.log), 5);
    for (int i = 0; i < BATCHES; i++)
        store_append(bench.log, 1, 200, 2000 + i, 9);
    struct segment *segment = log_active(bench.log);
    struct index *offsets = &segment->indexes[INDEX_OFFSET];
    assert_true(offsets->count > 0);
    for (int32_t entry = 0; entry < offsets->count; entry++) {
        struct batch_header header = { 0 };
        int64_t position, last = index_offset_at(offsets, entry, 0, &position);
        assert_int_equal(segment_header(segment, position, segment->size, &header), 0);
        assert_int_equal(batch_last_offset(&header), last);
    }
    stop(&bench);
    store_remove(&bench.store);
}

/* The last entry below the recovery point says where recovery begins. One that points to a batch further on would leave out what stands
 * between: here a torn end. */
void test_damage__of_an_index_entry_skips_no_check(void)
{
    struct bench bench;
    char path[900], *data;
    size_t size;
    bench_create_indexed(&bench, 1 << 30, 1000);
    bench_write(&bench, "recovery-point-offset-checkpoint", "0\n1\nt 0 20\n");
    forget_the_stop(&bench);
    snprintf(path, sizeof(path), "%s/t-0/%020d.index", bench.store.path, 0);
    assert_int_equal(file_load(bench.store.io, path, 1 << 20, &data, &size), 0);
    uint8_t *entries = (uint8_t *)data;
    size_t last = 0;
    while (last + 16 <= size && load_u32(entries + last + 8) < 20)
        last += 8;
    assert_in_range(load_u32(entries + last), 10, 19);
    store_u32(entries + last + 4, (uint32_t)(40 * bench.batch_size));
    assert_int_equal(file_replace(bench.store.io, path, data, size), 0);
    memory_give(data);
    flip_byte(bench.path, 30 * bench.batch_size + 100);
    assert_int_equal(try_open(&bench), 0);
    assert_int_equal(log_end(bench.log), 30);
    stop(&bench);
    store_remove(&bench.store);
}

/* When nothing says what was durable, a good batch behind the damage does: refused. */
void test_damage__without_a_recovery_point_is_a_torn_tail_only_at_the_end(void)
{
    static const char *const texts[] = { "", "garbage", "0\n2\nt 0 5\n", NULL };
    for (int i = 0; i < 4; i++) {
        struct bench bench;
        bench_create(&bench, i % 2 == 0 ? 1 << 30 : 6000);
        forget_the_stop(&bench);
        if (texts[i] == NULL)
            bench_remove(&bench, "recovery-point-offset-checkpoint");
        else
            bench_write(&bench, "recovery-point-offset-checkpoint", texts[i]);
        flip_byte(bench.path, bench.batch_size * 3 / 2);
        expect_refused(&bench, true);
        store_remove(&bench.store);
    }
    struct bench bench;
    bench_create(&bench, 1 << 30);
    forget_the_stop(&bench);
    bench_write(&bench, "recovery-point-offset-checkpoint", "");
    assert_int_equal(truncate(bench.path, BATCHES * bench.batch_size - 10), 0);
    assert_int_equal(try_open(&bench), 0);
    assert_int_equal(log_end(bench.log), BATCHES - 1);
    stop(&bench);
    store_remove(&bench.store);
}

/* A stop before a log was opened is none of that log: what the crash before it left is still looked at. */
void test_damage__is_looked_for_after_a_stop_that_opened_no_log(void)
{
    struct bench bench;
    bench_create(&bench, 1 << 30);
    forget_the_stop(&bench);
    bench_write(&bench, "recovery-point-offset-checkpoint", "0\n1\nt 0 40\n");
    assert_int_equal(truncate(bench.path, BATCHES * bench.batch_size - 10), 0);
    for (int round = 0; round < 2; round++) {
        store_open(&bench.store, bench.store.path);
        assert_false(log_dir_was_clean(bench.store.dir));
        store_stop(&bench.store, NULL, 0);
    }
    assert_int_equal(try_open(&bench), 0);
    assert_int_equal(log_end(bench.log), BATCHES - 1);
    stop(&bench);
    assert_int_equal(try_open(&bench), 0);
    assert_true(log_dir_was_clean(bench.store.dir));
    stop(&bench);
    store_remove(&bench.store);
}

/* Nor is a lost middle: the segments behind it are kept. */
void test_damage__without_a_recovery_point_keeps_what_stands_behind_a_hole(void)
{
    struct bench bench;
    char path[500];
    bench_create(&bench, 6000);
    forget_the_stop(&bench);
    bench_write(&bench, "recovery-point-offset-checkpoint", "0\n1\nt 0\n");
    int64_t per_segment = 6000 / bench.batch_size;
    snprintf(path, sizeof(path), "t-0/%020lld.log", (long long)per_segment);
    bench_remove(&bench, path);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(try_open(&bench), -EUCLEAN);
        stop(&bench);
        forget_the_stop(&bench);
    }
    snprintf(
        path, sizeof(path), "%s/t-0/%020lld.log", bench.store.path, (long long)per_segment * 2);
    assert_int_equal(access(path, F_OK), 0);
    store_remove(&bench.store);
}

/* Garbage in a checkpoint file costs no record, after a clean stop and after another. */
void test_damage__of_checkpoint_files_costs_no_record(void)
{
    static const char *const names[] = { "recovery-point-offset-checkpoint",
        "replication-offset-checkpoint", "log-start-offset-checkpoint",
        "t-0/leader-epoch-checkpoint" };
    static const char *const texts[] = { "", "garbage", "0\n", "0\n2\nt 0 5\n",
        "0\n1\nt 0 99999999999999999999\n", "0\n1\nt 0 -2\n", "1\n1\nt 0 5\n" };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct bench bench;
        bench_create(&bench, 6000);
        for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); k++) {
            bench_write(&bench, names[i], texts[k]);
            if ((i + k) % 2 == 0)
                forget_the_stop(&bench);
            expect_whole(&bench);
        }
        store_remove(&bench.store);
    }
}

/* After a clean stop a hole between two segments may be what compaction left while the topic had
 * that policy. It is served as Kafka does, and told once, but not where the log is known to have been
 * compacted. */
void test_damage__a_hole_between_segments_is_told_after_a_clean_stop(void)
{
    struct bench bench;
    char name[500];
    bench_create(&bench, 6000);
    int64_t per_segment = 6000 / bench.batch_size;
    snprintf(name, sizeof(name), "t-0/%020lld.log", (long long)per_segment);
    bench_remove(&bench, name);
    enum { NEVER_COMPACTED, COMPACTS, COMPACTED, COMPACTED_BELOW, CASE_COUNT };
    for (int which = 0; which < CASE_COUNT; which++) {
        bench.settings.compacts = which == COMPACTS;
        assert_int_equal(try_open(&bench), 0);
        assert_int_equal(log_end(bench.log), BATCHES);
        log_set_clean_end(bench.log, which == COMPACTED ? 2 * per_segment
                                     : which == COMPACTED_BELOW ? per_segment : -1);
        told = 0;
        report_set_sink(hear);
        for (int64_t i = 0; i < BATCHES; i++)
            assert_int_equal(store_read(bench.log, i, NULL),
                i < per_segment || i >= 2 * per_segment ? i : 2 * per_segment);
        report_set_sink(NULL);
        assert_int_equal(told, which == NEVER_COMPACTED || which == COMPACTED_BELOW);
        stop(&bench);
    }
    store_remove(&bench.store);
}

/* A snapshot of producers that is damaged says that there were some: they are taken from the batches, and a batch that is sent
 * again is known. */
void test_damage__of_a_snapshot_forgets_no_producer(void)
{
    struct bench bench;
    struct batch_options options = batch_options_plain();
    char path[900];
    bench_create(&bench, 1 << 30);
    assert_int_equal(try_open(&bench), 0);
    options.producer_id = 7;
    options.producer_epoch = 0;
    options.base_sequence = 0;
    store_stage(bench.log, 3, 100, 2000, 5, &options);
    assert_int_equal(log_write(bench.log), 0);
    stop(&bench);
    snprintf(path, sizeof(path), "%s/t-0/%020d.snapshot", bench.store.path, BATCHES + 3);
    flip_byte(path, 20);
    assert_int_equal(try_open(&bench), 0);
    const struct producer *producer = producers_find(log_producers(bench.log), 7);
    assert_non_null(producer);
    assert_int_equal(producer->batches[0].last_sequence, 2);
    stop(&bench);
    store_remove(&bench.store);
}

static void check_producer(const struct bench *bench)
{
    const struct producer *producer = producers_find(log_producers(bench->log), 7);
    assert_non_null(producer);
    assert_int_equal(producer->batches[0].last_sequence, 2);
}

static void cut_behind_a_producer(int64_t segment_bytes)
{
    struct bench bench;
    struct batch_options options = batch_options_plain();
    char name[64], path[900];
    bench_create(&bench, segment_bytes);
    int64_t base = BATCHES - BATCHES % (segment_bytes / bench.batch_size); /* of the last segment */
    snprintf(bench.path, sizeof(bench.path), "%s/t-0/%020lld.log", bench.store.path, (long long)base);
    assert_int_equal(try_open(&bench), 0);
    options.producer_id = 7;
    options.producer_epoch = 0;
    options.base_sequence = 0;
    store_stage(bench.log, 3, 100, 2000, 5, &options);
    assert_int_equal(log_write(bench.log), 0);
    stop(&bench);
    assert_int_equal(try_open(&bench), 0);
    store_append(bench.log, 1, 300, 2001, 5);
    stop(&bench);
    flip_byte(bench.path, size_of(&bench) - 1);
    snprintf(name, sizeof(name), "0\n1\nt 0 %d\n", BATCHES + 3);
    bench_write(&bench, "recovery-point-offset-checkpoint", name);
    forget_the_stop(&bench);
    snprintf(path, sizeof(path), "%s/t-0/%020lld.snapshot", bench.store.path, (long long)base);
    assert_true(unlink(path) == 0 || errno == ENOENT);

    assert_int_equal(try_open(&bench), 0);
    assert_int_equal(log_end(bench.log), BATCHES + 3);
    check_producer(&bench);
    for (int beyond = 0; beyond < 2; beyond++) {
        snprintf(path, sizeof(path), "%s/t-0/%020d.snapshot", bench.store.path, BATCHES + 3 + beyond);
        assert_int_equal(access(path, F_OK), beyond == 0 ? 0 : -1);
    }
    stop(&bench);
    snprintf(path, sizeof(path), "%s/t-0/%020d.snapshot", bench.store.path, BATCHES + 3);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(try_open(&bench), 0);
    check_producer(&bench);
    stop(&bench);
    store_remove(&bench.store);
}

/* A snapshot of producers beyond the end of a log that is cut had taken the place of the one before: they are taken from the batches,
 * and a snapshot of that stands before the one beyond is gone. It stays, though a checkpoint writes that of the last segment's base. */
void test_damage__of_the_end_forgets_no_producer(void)
{
    cut_behind_a_producer(1 << 30);
    cut_behind_a_producer(6000);
}

/* A time index that is damaged before its end is read no further. After a clean stop, too, its segment still knows its newest time. */
void test_damage__inside_a_time_index_loses_no_newest_time(void)
{
    struct bench bench;
    char path[900];
    bench_create_indexed(&bench, 1 << 30, 100);
    assert_int_equal(try_open(&bench), 0);
    for (int i = 0; i < 3; i++)
        store_append(bench.log, 1, 300, 500, 5); /* older, and behind the newest */
    stop(&bench);
    snprintf(path, sizeof(path), "%s/t-0/%020d.timeindex", bench.store.path, 0);
    flip_bit(path, 40 * index_entry_size[INDEX_TIME] + 6, 2); /* 1024 less, and so below the one before */
    assert_int_equal(try_open(&bench), 0);
    assert_int_equal(log_active(bench.log)->max_timestamp, 1000 + BATCHES - 1);
    stop(&bench);
    store_remove(&bench.store);
}

/* A header whose offsets are wrong hides its batch from who looks for it: told as a gap, or damage
 * when they cannot be. */
void test_damage__of_an_offset_is_told(void)
{
    struct bench bench;
    struct log_slice slice;
    bench_create(&bench, 1 << 30);
    flip_byte(bench.path, 10 * bench.batch_size + 7); /* one more */
    flip_byte(bench.path, 20 * bench.batch_size + 5); /* far above the end */
    assert_int_equal(try_open(&bench), 0);
    told = 0;
    report_set_sink(hear);
    assert_int_equal(store_read(bench.log, 10, NULL), 11);
    report_set_sink(NULL);
    assert_int_equal(told, 1);
    assert_int_equal(log_read(bench.log, 20, BATCHES, 1, true, true, &slice), -EUCLEAN);
    assert_int_equal(slice.position, 20 * bench.batch_size);
    assert_int_equal(slice.first_offset, 0);
    stop(&bench);
    store_remove(&bench.store);
}

/* A batch says where the log ends. It is believed only where the recovery point says so, too, or its checksum and the offset before
 * it: an end that is too high would make a torn tail of all that follows, and give offsets out that nobody expects. */
void test_damage__of_the_last_offset_is_refused(void)
{
    for (int kind = 0; kind < 4; kind++) {
        struct bench bench;
        bench_create(&bench, kind < 2 ? 1 << 30 : 6000);
        int64_t last = BATCHES - 1, base = kind < 2 ? 0 : last - last % (6000 / bench.batch_size);
        int64_t byte = kind % 2 == 0 ? BATCH_AT_LAST_OFFSET_DELTA + 2 : BATCH_AT_BASE_OFFSET + 6; /* 256 more */
        snprintf(bench.path, sizeof(bench.path), "%s/t-0/%020lld.log", bench.store.path, (long long)base);
        flip_byte(bench.path, (last - base) * bench.batch_size + byte);
        expect_refused(&bench, true);
        store_remove(&bench.store);
    }
}

/* No segment holds an offset that its index could not tell. One that is damaged so is found when the index is made anew. */
void test_damage__of_an_offset_beyond_the_index_is_refused(void)
{
    struct bench bench;
    bench_create(&bench, 1 << 30);
    bench.settings.index_interval_bytes = 1;
    flip_byte(bench.path, 20 * bench.batch_size + 3); /* 2^32 more */
    bench_remove(&bench, "t-0/00000000000000000000.index");
    expect_refused(&bench, true);
    store_remove(&bench.store);
}

/* A start beyond the end: refused, but for a page-cache topic after a crash, which may lose its
 * tail and gives none of its offsets out again. */
void test_damage__of_the_log_start_is_refused(void)
{
    struct bench bench;
    bench_create(&bench, 1 << 30);
    bench_write(&bench, "log-start-offset-checkpoint", "0\n1\nt 0 60\n");
    bench.settings.page_cache = true;
    expect_refused(&bench, false);
    bench.settings.page_cache = false;
    expect_refused(&bench, true);
    bench.settings.page_cache = true;
    forget_the_stop(&bench);
    assert_int_equal(try_open(&bench), 0);
    assert_int_equal(log_start(bench.log), 60);
    assert_int_equal(log_end(bench.log), 60);
    assert_int_equal(store_append(bench.log, 1, 10, 2000, 5), 60);
    assert_int_equal(store_read(bench.log, 60, NULL), 60);
    stop(&bench);
    assert_int_equal(try_open(&bench), 0);
    assert_int_equal(log_start(bench.log), 60);
    assert_int_equal(log_end(bench.log), 61);
    stop(&bench);
    store_remove(&bench.store);
}

static void expect_times(struct bench *bench)
{
    for (int i = 0; i < BATCHES; i += 3) {
        struct log_search *search = log_search_start(bench->log, 1000 + i, &bench->store.task);
        store_wait(&bench->store);
        assert_int_equal(log_search_result(search)->status, 0);
        assert_int_equal(log_search_result(search)->offset, i);
        log_search_destroy(search);
    }
}

/* An index has no checksum. What it says is compared with the batches, so a flipped bit costs time and no answer, nor a segment its
 * life: in a sealed segment and in the active one. */
static void flip_bits_of_an_index(const char *suffix)
{
    struct bench bench;
    int64_t base = 0, size;
    char path[900];
    bench_create_indexed(&bench, 6000, 1);
    for (int which = 0; which < 2; which++, base = BATCHES - 1 - (BATCHES - 1) % (6000 / bench.batch_size)) {
        snprintf(path, sizeof(path), "%s/t-0/%020lld%s", bench.store.path, (long long)base, suffix);
        for (int64_t position = 0; position == 0 || position < size; position += 5) {
            assert_int_equal(try_open(&bench), 0);
            assert_int_equal(file_stat(bench.store.io, path, &size), 0);
            stop(&bench);
            flip_bit(path, position, (int)(position + position / 8) % 8);
            if (position % 3 == 0)
                forget_the_stop(&bench);
            assert_int_equal(try_open(&bench), 0);
            expect_times(&bench);
            for (int i = 0; i < BATCHES; i++)
                assert_int_equal(store_read(bench.log, i, NULL), i);
            log_set_high_watermark(bench.log, BATCHES);
            bench.settings.retention_ms = 1000;
            log_set_settings(bench.log, &bench.settings);
            assert_int_equal(log_retain(bench.log, 1900, &(int32_t){ INT32_MAX }), 0);
            assert_int_equal(log_start(bench.log), 0);
            stop(&bench);
            if (which == 0)
                flip_bit(path, position, (int)(position + position / 8) % 8); /* nobody writes it again */
        }
    }
    store_remove(&bench.store);
}

void test_damage__of_a_time_index_changes_no_answer(void)
{
    flip_bits_of_an_index(".timeindex");
}

void test_damage__of_an_offset_index_changes_no_answer(void)
{
    flip_bits_of_an_index(".index");
}

/* leader-epoch-checkpoint has no checksum, either: one digit is another there, and no answer is. */
void test_damage__of_the_leader_epochs_changes_no_answer(void)
{
    struct bench bench;
    int64_t size;
    char path[900];
    bench_create(&bench, 6000);
    snprintf(path, sizeof(path), "%s/t-0/leader-epoch-checkpoint", bench.store.path);
    for (int64_t position = 0; position == 0 || position < size; position++) {
        assert_int_equal(try_open(&bench), 0);
        assert_int_equal(file_stat(bench.store.io, path, &size), 0);
        stop(&bench);
        flip_bit(path, position, (int)position % 3);
        if (position % 2 == 0)
            forget_the_stop(&bench);
        expect_whole(&bench);
    }
    store_remove(&bench.store);
}

/* An epoch that is told to begin inside a batch is found, too, though that batch has the epoch before it. */
void test_damage__of_a_leader_epoch_inside_a_batch_changes_no_answer(void)
{
    struct bench bench;
    bench_create(&bench, 1 << 30);
    assert_int_equal(try_open(&bench), 0);
    for (int64_t i = 0; i < 3; i++)
        store_append(bench.log, 8, 100, 2000 + i, 5 + (int32_t)i / 2);
    stop(&bench);
    bench_write(&bench, "t-0/leader-epoch-checkpoint", "0\n7\n0 0\n1 10\n2 20\n3 30\n4 40\n5 50\n6 55\n");
    assert_int_equal(try_open(&bench), 0);
    assert_int_equal(epochs_at(log_epochs(bench.log), BATCHES + 8), 5);
    assert_int_equal(epochs_at(log_epochs(bench.log), BATCHES + 16), 6);
    stop(&bench);
    store_remove(&bench.store);
}
