/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/log.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/budget.h"
#include "storage/log_state.h"
#include "store.h"

static struct uuid topic_id = { { 9, 9, 9 } };

static struct log *create(struct store *store, struct log_settings *settings)
{
    struct log *log;
    assert_int_equal(
        log_create(store->flusher, store->path, "topic", 0, topic_id, settings, &log), 0);
    return log;
}

static struct log *reopen(struct store *store, struct log_settings *settings)
{
    struct log *log;
    const struct log_place *place = log_dir_find(store->dir, "topic", 0);
    assert_non_null(place);
    assert_true(uuid_equal(place->topic_id, topic_id));
    assert_int_equal(log_open(store->flusher, place, settings, &log), 0);
    return log;
}

/* Offsets follow each other, every offset finds its batch, a flush moves the durable end, and all
 * is there after a stop. */
void test_log__keeps_what_was_appended(void)
{
    struct store store;
    struct log_settings settings;
    log_settings_defaults(&settings);
    store_create(&store);
    struct log *log = create(&store, &settings);
    for (int i = 0; i < 100; i++)
        assert_int_equal(store_append(log, 3, 500, 1000 + i, 0), 3 * i);
    assert_int_equal(log_end(log), 300);
    assert_int_equal(log_durable_end(log), 0);
    store_flush(&store, log);
    assert_int_equal(log_durable_end(log), 300);
    for (int64_t offset = 0; offset < 300; offset++)
        assert_int_equal(store_read(log, offset, NULL), offset / 3 * 3);
    log_set_high_watermark(log, 300);
    store_stop(&store, &log, 1);

    store_open(&store, store.path);
    assert_true(log_dir_was_clean(store.dir));
    assert_int_equal(log_dir_broker_epoch(store.dir), 7);
    log = reopen(&store, &settings);
    assert_int_equal(log_end(log), 300);
    assert_int_equal(log_durable_end(log), 300);
    assert_int_equal(log_high_watermark(log), 300);
    assert_int_equal(epochs_latest(log_epochs(log)), 0);
    for (int64_t offset = 0; offset < 300; offset++)
        assert_int_equal(store_read(log, offset, NULL), offset / 3 * 3);
    assert_int_equal(store_append(log, 1, 10, 5000, 2), 300);
    assert_int_equal(epochs_at(log_epochs(log), 300), 2);
    store_stop(&store, &log, 1);
    store_remove(&store);
}

/* Small segments: rolled by size, read across, retained by size; the start moves, and reading below
 * it is refused. */
void test_log__rolls_and_lets_old_segments_go(void)
{
    struct store store;
    struct log_settings settings;
    struct log_slice slice;
    log_settings_defaults(&settings);
    settings.segment_bytes = 10000;
    settings.file_delete_delay_ms = 1;
    store_create(&store);
    struct log *log = create(&store, &settings);
    for (int i = 0; i < 100; i++)
        store_stage(log, 1, 1000, 1000 + i, 0, NULL);
    assert_int_equal(log_write(log), 0);
    store_flush(&store, log);
    log_set_high_watermark(log, 100);
    for (int64_t offset = 0; offset < 100; offset++)
        assert_int_equal(store_read(log, offset, NULL), offset);
    settings.retention_bytes = 30000;
    settings.retention_ms = -1;
    log_set_settings(log, &settings);
    int64_t deadline_ms = loop_now_ms(store.loop) + 30000; /* none goes before a checkpoint */
    while (log_size(log) >= 40000 && loop_now_ms(store.loop) < deadline_ms) {
        assert_true(loop_turn(store.loop));
        assert_int_equal(log_retain(log, 2000, &(int32_t){ INT32_MAX }), 0);
    }
    assert_true(log_start(log) > 60);
    assert_true(log_size(log) >= 30000 && log_size(log) < 40000);
    assert_int_equal(log_read(log, 5, 100, 100, true, true, &slice), -ERANGE);
    store_sleep(&store, 50);
    int64_t start = log_start(log);
    store_stop(&store, &log, 1);
    store_open(&store, store.path);
    log = reopen(&store, &settings);
    assert_int_equal(log_start(log), start);
    assert_int_equal(log_end(log), 100);
    store_stop(&store, &log, 1);
    store_remove(&store);
}

/* With two bounds as many segments go as the stricter one wants, and none for both: by age four, by size
 * six, and the other way round. */
void test_log__keeps_to_the_stricter_of_two_bounds(void)
{
    enum { SEGMENTS = 10, OLD = 4 };
    static const int kept[] = { 4, 8 }, gone[] = { SEGMENTS - 4, OLD };
    for (int which = 0; which < 2; which++) {
        struct store store;
        struct log_settings settings;
        log_settings_defaults(&settings);
        settings.segment_bytes = 1500; /* one batch */
        settings.retention_ms = -1;
        store_create(&store);
        struct log *log = create(&store, &settings);
        for (int i = 0; i <= SEGMENTS; i++)
            store_append(log, 1, 1000, i < OLD ? 1000 : 5000, 0);
        int64_t size = log_size(log) / (SEGMENTS + 1);
        store_flush(&store, log);
        log_set_high_watermark(log, SEGMENTS + 1);
        while (log->recovery_point <= SEGMENTS || log_is_busy(log))
            assert_true(loop_turn(store.loop));
        settings.retention_ms = 3000;
        settings.retention_bytes = (kept[which] + 1) * size; /* the active one counts */
        log_set_settings(log, &settings);
        assert_int_equal(log_retain(log, 5000, &(int32_t){ INT32_MAX }), 0);
        assert_int_equal(log_start(log), gone[which]);
        assert_int_equal(log_retain(log, 5000, &(int32_t){ INT32_MAX }), 0);
        assert_int_equal(log_start(log), gone[which]);
        store_stop(&store, &log, 1);
        store_remove(&store);
    }
}

/* A cleaning empties two segments, as nothing in them has a key. They stand before others for as long as these
 * are young, and go with them; the last one that is old is rolled, so that it can go as well. */
void test_log__lets_emptied_segments_go_with_what_follows(void)
{
    struct store store;
    struct log_settings settings;
    struct budget memory;
    log_settings_defaults(&settings);
    settings.segment_bytes = 1500;
    settings.file_delete_delay_ms = 1;
    settings.compacts = settings.deletes = true;
    settings.retention_ms = 1000;
    store_create(&store);
    struct log *log = create(&store, &settings);
    int64_t wall_ms = loop_wall_ms(store.loop);
    for (int i = 0; i < 3; i++)
        store_append(log, 1, 1000, wall_ms, 0);
    store_flush(&store, log);
    log_set_high_watermark(log, 3);
    budget_init(&memory, INT64_MAX);
    flusher_set_cleaner(store.flusher,
        &(struct cleaner_settings){ .enabled = true, .threads = 1, .backoff_ms = 1, .dedupe_bytes = 1 << 20,
            .io_buffer_bytes = 1 << 20, .bytes_per_second = INT64_MAX, .load_factor = 0.9 },
        &memory);
    while (log_size(log) > 2000 || log->cleaning != NULL)
        assert_true(loop_turn(store.loop));
    assert_int_equal(log_retain(log, wall_ms + 1000, &(int32_t){ INT32_MAX }), 0);
    assert_int_equal(log_start(log), 0);
    assert_int_equal(log_retain(log, wall_ms + 1001, &(int32_t){ INT32_MAX }), 0);
    assert_int_equal(log_start(log), 2);
    store_flush(&store, log);
    store_stop(&store, &log, 1);
    store_open(&store, store.path);
    log = reopen(&store, &settings);
    assert_int_equal(log_retain(log, wall_ms + 1001, &(int32_t){ INT32_MAX }), 0);
    while (!log->segments[0].is_kept) /* as a checkpoint says, though nothing was written since the start */
        assert_true(loop_turn(store.loop));
    assert_int_equal(log_retain(log, wall_ms + 1001, &(int32_t){ INT32_MAX }), 0);
    assert_int_equal(log_start(log), 3);
    store_stop(&store, &log, 1);
    store_remove(&store);
}

/* Removes the index files of three segments of twelve records, or looks for them. */
static void expect_indexes(const struct store *store, bool remove)
{
    static const char *const suffixes[] = { ".index", ".timeindex" };
    char path[400];
    int64_t size;
    for (int i = 0; i < 6; i++) {
        snprintf(path, sizeof(path), "%s/topic-0/%020d%s", store->path, i / 2 * 12, suffixes[i % 2]);
        assert_int_equal(remove ? file_unlink(store->io, path) : file_stat(store->io, path, &size), 0);
    }
}

/* A kill comes before the first checkpoint. Records without a time in small segments leave nothing
 * that would stand in an index; its file is made nevertheless. */
void test_log__makes_the_indexes_that_a_kill_left_unmade(void)
{
    struct store store;
    struct log_settings settings;
    char path[400];
    log_settings_defaults(&settings);
    settings.segment_bytes = 1000;
    store_create(&store);
    struct log *log = create(&store, &settings);
    for (int i = 0; i < 30; i++)
        store_append(log, 1, 10, -1, 0);
    store_stop(&store, &log, 1);

    store_open(&store, store.path);
    expect_indexes(&store, true);
    store_stop(&store, NULL, 0);
    snprintf(path, sizeof(path), "%s/.kafka_cleanshutdown", store.path);
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof(path), "%s/recovery-point-offset-checkpoint", store.path);
    assert_int_equal(unlink(path), 0);
    store_open(&store, store.path);
    log = reopen(&store, &settings);
    assert_int_equal(log_end(log), 30);
    store_stop(&store, &log, 1);
    store_open(&store, store.path);
    expect_indexes(&store, false);
    store_stop(&store, NULL, 0);
    store_remove(&store);
}

static struct batch_options producer_options(int64_t id, int16_t epoch, int32_t sequence)
{
    struct batch_options options = batch_options_plain();
    options.producer_id = id;
    options.producer_epoch = epoch;
    options.base_sequence = sequence;
    return options;
}

/* A producer's window survives a stop as its newest batch; duplicates and gaps are told apart. One
 * that wrote nothing for long is forgotten at the start. */
void test_log__knows_its_producers(void)
{
    struct store store;
    struct log_settings settings;
    struct batch_header header;
    const struct producer_batch *original;
    log_settings_defaults(&settings);
    settings.producer_expiry_ms = INT64_MAX;
    store_create(&store);
    struct log *log = create(&store, &settings);
    for (int i = 0; i < 8; i++) {
        struct batch_options options = producer_options(77, 0, i * 2);
        store_stage(log, 2, 10, 1000, 0, &options);
    }
    assert_int_equal(log_write(log), 0);
    assert_int_equal(store_read(log, 14, &header), 14);
    assert_int_equal(producers_check(log_producers(log), &header, &original), PRODUCER_DUPLICATE);
    assert_int_equal(original->first_offset, 14);
    assert_int_equal(store_read(log, 6, &header), 6);
    assert_int_equal(producers_check(log_producers(log), &header, &original), PRODUCER_DUPLICATE);
    assert_int_equal(store_read(log, 4, &header), 4);
    assert_int_equal(
        producers_check(log_producers(log), &header, &original), PRODUCER_OUT_OF_ORDER);
    store_stop(&store, &log, 1);
    store_open(&store, store.path);
    log = reopen(&store, &settings);
    assert_int_equal(store_read(log, 14, &header), 14);
    assert_int_equal(producers_check(log_producers(log), &header, &original), PRODUCER_DUPLICATE);
    header.base_sequence = 16;
    assert_int_equal(producers_check(log_producers(log), &header, &original), PRODUCER_NEW);
    header.base_sequence = 18;
    assert_int_equal(
        producers_check(log_producers(log), &header, &original), PRODUCER_OUT_OF_ORDER);
    header.producer_epoch = -1;
    assert_int_equal(producers_check(log_producers(log), &header, &original), PRODUCER_FENCED);
    store_stop(&store, &log, 1);
    store_open(&store, store.path);
    settings.producer_expiry_ms = 1000;
    log = reopen(&store, &settings); /* long after by the wall clock, which may be wrong */
    assert_int_equal(log_producers(log)->count, 1);
    store_stop(&store, &log, 1);
    store_remove(&store);
}

/* Truncation takes whole batches, epochs and producers with it, and the log goes on from there. */
void test_log__truncates(void)
{
    struct store store;
    struct log_settings settings;
    log_settings_defaults(&settings);
    settings.segment_bytes = 5000;
    store_create(&store);
    struct log *log = create(&store, &settings);
    for (int i = 0; i < 40; i++)
        store_append(log, 2, 300, 1000 + i, i / 10);
    store_flush(&store, log);
    uint32_t generation = log_generation(log);
    assert_int_equal(log_truncate(log, 45), 0);
    assert_int_equal(log_end(log), 44);
    assert_int_equal(log_durable_end(log), 44);
    assert_int_not_equal(log_generation(log), generation);
    assert_int_equal(epochs_latest(log_epochs(log)), 2);
    assert_int_equal(store_append(log, 2, 300, 2000, 7), 44);
    for (int64_t offset = 0; offset < 46; offset++)
        assert_int_equal(store_read(log, offset, NULL), offset / 2 * 2);
    store_stop(&store, &log, 1);
    store_open(&store, store.path);
    log = reopen(&store, &settings);
    assert_int_equal(log_end(log), 46);
    assert_int_equal(epochs_latest(log_epochs(log)), 7);
    store_stop(&store, &log, 1);
    store_remove(&store);
}

/* A time finds the first record at or after it; the largest time finds its record. */
void test_log__finds_records_by_time(void)
{
    struct store store;
    struct log_settings settings;
    log_settings_defaults(&settings);
    settings.segment_bytes = 20000;
    store_create(&store);
    struct log *log = create(&store, &settings);
    for (int i = 0; i < 200; i++)
        store_append(log, 2, 500, 1000 + i * 10, 3);
    for (int64_t time = 900; time < 3100; time += 7) {
        struct log_search *search = log_search_start(log, time, &store.task);
        store_wait(&store);
        const struct log_search_result *result = log_search_result(search);
        assert_int_equal(result->status, 0);
        int64_t expected = time <= 1000
                               ? 0
                               : (time - 1000) / 10 * 2 + ((time - 1000) % 10 == 0      ? 0
                                                              : (time - 1000) % 10 == 1 ? 1
                                                                                        : 2);
        assert_int_equal(result->found, expected < 400);
        assert_int_equal(result->offset, expected < 400 ? expected : -1);
        log_search_destroy(search);
    }
    struct log_search *search = log_search_max_start(log, &store.task);
    store_wait(&store);
    assert_int_equal(log_search_result(search)->offset, 399);
    assert_int_equal(log_search_result(search)->leader_epoch, 3);
    log_search_destroy(search);
    store_stop(&store, &log, 1);
    store_remove(&store);
}

static void create_unnamed(struct store *store)
{
    struct log_settings settings;
    struct log *log;
    char path[512];
    log_settings_defaults(&settings);
    store_create(store);
    assert_int_equal(log_create(store->flusher, store->path, "named", 0, topic_id, &settings, &log), 0);
    store_append(log, 1, 10, 1000, 0);
    store_stop(store, &log, 1);
    snprintf(path, sizeof(path), "%s/named-0/partition.metadata", store->path);
    assert_int_equal(remove(path), 0);
}

/* A power cut can take partition.metadata, which the first flush makes durable; the log must not stay without. */
void test_log__takes_the_id_of_its_topic_again(void)
{
    struct store store;
    struct log_settings settings;
    struct log *log;
    log_settings_defaults(&settings);
    create_unnamed(&store);
    for (int round = 0; round < 2; round++) {
        store_open(&store, store.path);
        const struct log_place *place = log_dir_find(store.dir, "named", 0);
        assert_int_equal(uuid_is_zero(place->topic_id), round == 0);
        assert_int_equal(log_open_for(store.flusher, place, topic_id, &settings, &log), 0);
        assert_true(uuid_equal(log_topic_id(log), topic_id));
        store_stop(&store, &log, 1);
    }
    store_remove(&store);
}

/* Where that cannot be written the log is not opened: it stays as the checkpoint files say, and nothing of it is to be checked again. */
void test_log__is_not_opened_without_the_id_of_its_topic(void)
{
    struct store store;
    struct log_settings settings;
    struct log *log;
    char path[512];
    log_settings_defaults(&settings);
    create_unnamed(&store);
    snprintf(path, sizeof(path), "%s/named-0/partition.metadata.tmp", store.path);
    assert_int_equal(mkdir(path, 0700), 0);
    store_open(&store, store.path);
    assert_true(log_open_for(store.flusher, log_dir_find(store.dir, "named", 0), topic_id, &settings, &log) < 0);
    store_stop(&store, NULL, 0);
    assert_int_equal(rmdir(path), 0);
    store_open(&store, store.path);
    assert_true(log_dir_was_clean(store.dir));
    assert_int_equal(log_dir_find(store.dir, "named", 0)->recovery_point, 1);
    store_stop(&store, NULL, 0);
    store_remove(&store);
}

/* The directory is renamed at once and removed after the delay; the name can be used again. */
void test_log__is_deleted_by_rename(void)
{
    struct store store;
    struct log_settings settings;
    log_settings_defaults(&settings);
    settings.file_delete_delay_ms = 1;
    store_create(&store);
    struct log *log = create(&store, &settings);
    store_append(log, 1, 10, 1000, 0);
    store_flush(&store, log);
    assert_int_equal(log_delete(log), 0);
    log = create(&store, &settings);
    assert_int_equal(log_end(log), 0);
    store_append(log, 1, 10, 1000, 0);
    store_sleep(&store, 30);
    store_stop(&store, &log, 1);
    store_open(&store, store.path);
    assert_int_equal(log_dir_place_count(store.dir), 1);
    store_stop(&store, NULL, 0);
    store_remove(&store);
}

/* A topic that goes while its flush runs, and comes back at once under its name, harms neither
 * itself nor the others. */
void test_log__is_deleted_under_a_running_flush(void)
{
    struct store store;
    struct log_settings settings;
    struct log *other;
    log_settings_defaults(&settings);
    settings.file_delete_delay_ms = 1;
    store_create(&store);
    store.settings.checkpoint_ms = 1;
    assert_int_equal(
        log_create(store.flusher, store.path, "other", 0, topic_id, &settings, &other), 0);
    for (int round = 0; round < 30; round++) {
        struct log *log = create(&store, &settings);
        store_append(other, 1, 100, 1000, 0);
        store_append(log, 1, 100, 1000, 0);
        log_want_flush(other);
        log_want_flush(log);
        loop_enqueue(store.loop, &store.task);
        store_wait(&store); /* the run is on its way, or over */
        assert_int_equal(log_delete(log), 0);
    }
    struct log *log = create(&store, &settings);
    assert_int_equal(store_append(log, 1, 100, 1000, 0), 0);
    store_flush(&store, other);
    store_flush(&store, log);
    assert_false(flusher_is_failed(store.flusher));
    assert_int_equal(log_durable_end(other), 30);
    struct log *logs[] = { other, log };
    store_sleep(&store, 20);
    store_stop(&store, logs, 2);
    store_remove(&store);
}
