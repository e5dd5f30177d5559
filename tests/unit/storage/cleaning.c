/* SPDX-License-Identifier: Apache-2.0 */
/* A compacted log under random appends, cleanings, deletions of records, changes of its policy and
 * restarts in the simulator, whose power is cut again and again and whose disk is full now and then.
 * Whatever is read stands where it was written; the newest value of every key is there; a tombstone
 * goes only after its time; nothing that was durable is lost behind the last cleaning. */
#include <errno.h>

#include "base/budget.h"
#include "base/report.h"
#include "sim/sim.h"
#include "storage/clean.h"
#include "storage/cleaner.h"
#include "storage/cleaning.h"
#include "storage/log_state.h"
#include "storage/scan.h"
#include "store.h"

enum { OFFSETS_MAX = 20000, KEYS = 40, ROUNDS = 8, PRODUCERS = 2 };

struct written {
    uint16_t key;
    bool is_tombstone;
    bool is_there; /* appended, and not lost by a restart */
    uint32_t value;
    int64_t at_us; /* of the world's time */
};

struct world {
    struct sim *sim;
    struct machine *machine;
    struct store store;
    struct log *log;
    struct log_settings settings;
    struct cleaner_settings cleaner;
    struct budget memory;
    struct timer work;
    int64_t durable, start; /* that were announced last */
    struct written written[OFFSETS_MAX];
    int32_t next_sequence[PRODUCERS];
    int64_t swaps; /* that were seen under way */
    bool stopping, stopped;
};
static struct world world;

static void note_durable(struct task *task)
{
    struct world *w = container_of(task, struct world, store.task);
    if (w->stopping) {
        w->stopped = true;
        return;
    }
    w->durable = log_durable_end(w->log);
    log_set_high_watermark(w->log, w->durable);
    w->start = log_start(w->log);
}

static uint32_t draw(uint64_t below)
{
    return (uint32_t)sim_draw(world.sim, below);
}

/* One batch of records with keys; few keys, so that most of them are written again soon. */
static void stage_batch(int64_t base)
{
    struct record records[4];
    uint8_t keys[4][2], values[4][200];
    struct batch_options options = batch_options_plain();
    struct batch_header header;
    int64_t offset;
    int count = 1 + (int)draw(4);
    uint32_t producer = draw(PRODUCERS + 1);
    if (producer < PRODUCERS) {
        options.producer_id = 100 + (int64_t)producer;
        options.producer_epoch = 0;
        options.base_sequence = world.next_sequence[producer];
        world.next_sequence[producer] += count;
    }
    options.codec = draw(3) == 0 ? CODEC_LZ4 : CODEC_NONE;
    for (int i = 0; i < count; i++) {
        struct written *written = &world.written[base + i];
        *written = (struct written){ .key = (uint16_t)draw(KEYS),
            .is_tombstone = draw(6) == 0,
            .is_there = true,
            .value = draw(UINT32_MAX),
            .at_us = sim_now_us(world.sim) };
        memcpy(keys[i], &written->key, 2);
        memset(values[i], (int)written->value, sizeof(values[i]));
        memcpy(values[i], &written->value, 4);
        records[i] = (struct record){ .offset = i,
            .timestamp = 1000 + base + i,
            .key = { keys[i], 2 },
            .value = { written->is_tombstone ? NULL : values[i],
                written->is_tombstone ? 0 : 4 + draw(196) } };
    }
    struct buffer *buffer = batch_build(&options, records, count);
    assert_int_equal(batch_parse((struct bytes){ buffer->data, buffer->size }, &header), BATCH_OK);
    log_stage(world.log, buffer, buffer->data, &header, 0, loop_wall_ms(world.store.loop), &offset);
    assert_int_equal(offset, base);
    buffer_unref(buffer);
}

static void append_some(void)
{
    int64_t end = log_end(world.log);
    int batches = 1 + (int)draw(4);
    for (int i = 0; i < batches; i++)
        stage_batch(log_staged_end(world.log));
    int64_t staged = log_staged_end(world.log);
    int status = log_write(world.log);
    assert_true(status == 0 || status == -ENOSPC);
    for (int64_t offset = log_end(world.log); offset < staged; offset++)
        world.written[offset].is_there = false;
    for (int i = 0; i < PRODUCERS; i++) {
        const struct producer *known = producers_find(log_producers(world.log), 100 + i);
        world.next_sequence[i] =
            known == NULL ? 0 : known->batches[known->batch_count - 1].last_sequence + 1;
    }
    assert_true(log_end(world.log) >= end);
}

/* ---- What is read. ---- */

struct seen {
    int64_t newest[KEYS]; /* offset of its last record; -1: none */
    bool was_read[OFFSETS_MAX];
    int64_t next;         /* behind the last batch */
};

static void check_record(const struct record *record, struct seen *seen)
{
    const struct written *written = &world.written[record->offset];
    uint16_t key;
    assert_true(record->offset < OFFSETS_MAX && written->is_there);
    assert_int_equal(record->key.size, 2);
    memcpy(&key, record->key.data, 2);
    assert_int_equal(key, written->key);
    assert_int_equal(record->timestamp, 1000 + record->offset);
    assert_int_equal(record->value.data == NULL, written->is_tombstone);
    if (!written->is_tombstone)
        assert_memory_equal(record->value.data, &written->value, 4);
    assert_true(record->offset > seen->newest[key]);
    seen->newest[key] = record->offset;
    seen->was_read[record->offset] = true;
}

/* Reads a slice's first batch. */
static void read_batch(int64_t offset, struct seen *seen)
{
    struct log_slice slice;
    struct batch_header header;
    struct record_reader reader;
    struct record record;
    struct bytes records;
    struct buffer *owner = NULL;
    struct scan scan;
    int status =
        log_read(world.log, offset, log_end(world.log), 1, true, true, &slice);
    assert_int_equal(status, 0);
    seen->next = log_end(world.log);
    if (slice.file == NULL)
        return;
    scan_begin(&scan, slice.file, slice.position, slice.position + slice.size, 4096);
    assert_int_equal(scan_header(&scan, &header), 1);
    assert_int_equal(header.base_offset, slice.first_offset);
    assert_true(batch_last_offset(&header) >= offset);
    const uint8_t *batch = scan_batch(&scan, &header, &status);
    assert_non_null(batch);
    assert_true(batch_crc_is_right(batch, &header));
    struct decompressor *decompressor = decompressor_create();
    assert_int_equal(batch_records(decompressor, batch, &header, 1 << 20, &records, &owner), 0);
    records_begin(&reader, &header, records);
    while (records_next(&reader, &record) == RECORD_OK)
        if (record.offset >= offset)
            check_record(&record, seen);
    seen->next = batch_next_offset(&header);
    buffer_unref(owner);
    decompressor_destroy(decompressor);
    scan_end(&scan);
    log_slice_release(&slice);
}

static void begin_seen(struct seen *seen)
{
    memset(seen->was_read, 0, sizeof(seen->was_read));
    for (int key = 0; key < KEYS; key++)
        seen->newest[key] = -1;
}

/* Reads at places where it was read before, while segments are swapped: hints must not mislead. */
static void read_somewhere(void)
{
    static struct seen seen;
    int64_t start = log_start(world.log), size = log_end(world.log) - start;
    begin_seen(&seen);
    for (int64_t at = start + (int64_t)draw((uint64_t)size + 1), i = 0; i < 4 && at < log_end(world.log); i++) {
        read_batch(at, &seen);
        at = seen.next;
    }
}

static void check_key(int key, const struct seen *seen, int64_t start)
{
    int64_t newest = -1;
    for (int64_t offset = start; offset < log_end(world.log); offset++)
        if (world.written[offset].key == key && world.written[offset].is_there)
            newest = offset;
    if (newest < 0 || seen->newest[key] == newest)
        return;
    const struct written *written = &world.written[newest];
    assert_true(written->is_tombstone);
    assert_int_equal(seen->newest[key], -1); /* and nothing older came back */
    assert_true(sim_now_us(world.sim) - written->at_us >= world.settings.delete_retention_ms * 1000);
}

static void check_content(void)
{
    struct log *log = world.log;
    static struct seen seen;
    begin_seen(&seen);
    assert_true(log_end(log) >= world.durable);
    assert_true(log_start(log) >= world.start && log_start(log) <= log_end(log));
    for (int64_t at = log_start(log); at < log_end(log); at = seen.next)
        read_batch(at, &seen);
    for (int64_t offset = world.durable; offset < OFFSETS_MAX; offset++)
        world.written[offset].is_there = seen.was_read[offset]; /* what was not durable may be lost */
    for (int key = 0; key < KEYS; key++)
        check_key(key, &seen, log_start(log));
    for (int i = 0; i < PRODUCERS; i++) {
        const struct producer *known = producers_find(log_producers(log), 100 + i);
        int32_t next = known == NULL ? 0 : known->batches[known->batch_count - 1].last_sequence + 1;
        assert_true(next <= world.next_sequence[i]);
        world.next_sequence[i] = next;
    }
}

/* ---- The life of a node. ---- */

static void change_policy(void)
{
    world.settings.compacts = !world.settings.compacts;
    log_set_settings(world.log, &world.settings);
}

static void work(struct timer *timer)
{
    if (world.stopping)
        return;
    if (draw(60) == 0)
        machine_disk_faults(world.machine)->is_full = !machine_disk_faults(world.machine)->is_full;
    if (log_end(world.log) < OFFSETS_MAX - 100 && draw(3) != 0)
        append_some();
    if (draw(3) == 0)
        log_want_flush(world.log);
    if (draw(60) == 0 && world.durable > log_start(world.log))
        assert_int_equal(log_delete_records(world.log,
                             log_start(world.log) + (int64_t)draw((uint64_t)(world.durable - log_start(world.log)) + 1) / 4),
            0);
    if (draw(4) == 0)
        read_somewhere();
    if (draw(world.settings.compacts ? 100 : 10) == 0)
        change_policy();
    if (world.log->cleaning != NULL && world.log->cleaning->stage == CLEANING_SWAPS)
        world.swaps++;
    timer_set(world.store.loop, timer, loop_now_us(world.store.loop) + 100 + (int64_t)draw(10000));
}

static void boot(void)
{
    char reason[256] = "";
    struct store *store = &world.store;
    store->io = machine_boot(world.machine, 2);
    store->loop = loop_create(store->io, "test");
    store->task = (struct task){ .run = note_durable };
    world.work = (struct timer){ .run = work };
    assert_int_equal(
        log_dir_open(store->loop, "/data", &store->settings, &store->dir, reason, sizeof(reason)),
        0);
    store->flusher = flusher_create(store->loop, store->dir);
    const struct log_place *place = log_dir_find(store->dir, "topic", 0);
    int status = place == NULL ? log_create(store->flusher, "/data", "topic", 0,
                                     (struct uuid){ { 5 } }, &world.settings, &world.log)
                               : log_open(store->flusher, place, &world.settings, &world.log);
    assert_int_equal(status, 0);
    check_content();
    log_set_durable_task(world.log, &store->task);
    world.stopping = world.stopped = false;
    budget_init(&world.memory, INT64_MAX);
    flusher_set_cleaner(store->flusher, &world.cleaner, &world.memory);
    timer_set(store->loop, &world.work, loop_now_us(store->loop) + 10);
    sim_start_loop(store->loop);
}

static bool is_stopped(void *context)
{
    (void)context;
    return world.stopped;
}

static void stop(void)
{
    struct store *store = &world.store;
    world.stopping = true;
    log_set_durable_task(world.log, NULL);
    flusher_stop(store->flusher, &store->task);
    assert_true(sim_run(world.sim, 60 * 1000000LL, is_stopped, NULL));
    world.durable = log_end(world.log);
    log_close(world.log);
    assert_int_equal(budget_used(&world.memory), 0);
    flusher_destroy(store->flusher);
    for (int64_t until = sim_now_us(world.sim) + 1000000;
         sim_now_us(world.sim) < until && sim_step(world.sim);)
        continue;
    assert_int_equal(log_dir_close(store->dir, 1), 0);
    machine_kill(world.machine);
}

static void create_world(uint64_t seed)
{
    struct log_dir_identity identity = {
        .cluster_id = "sim", .node_id = 1, .directory_id = { { 1 } }
    };
    memset(&world, 0, sizeof(world));
    world.sim = sim_create(seed);
    world.machine = machine_create(world.sim, "node");
    log_dir_settings_defaults(&world.store.settings);
    log_settings_defaults(&world.settings);
    world.settings.producer_expiry_ms = INT64_MAX;
    world.settings.segment_bytes = 2000 + (int64_t)draw(20000);
    world.settings.index_interval_bytes = 100 + (int32_t)draw(4000);
    world.settings.compacts = true;
    world.settings.deletes = draw(2) == 0;
    world.settings.retention_ms = -1;
    world.settings.min_cleanable_ratio = draw(3) * 0.3;
    world.settings.delete_retention_ms = draw(2) == 0 ? (int64_t)draw(500) : INT64_MAX / 2000;
    world.settings.file_delete_delay_ms = draw(300);
    world.cleaner = (struct cleaner_settings){ .enabled = true,
        .threads = 1,
        .backoff_ms = 5 + draw(100),
        .dedupe_bytes = draw(2) == 0 ? 2048 : 1 << 20,
        .io_buffer_bytes = 8192,
        .bytes_per_second = draw(3) == 0 ? 200000 : INT64_MAX,
        .load_factor = 0.9 };
    world.store.settings.checkpoint_ms = 5 + (int64_t)draw(100);
    world.store.settings.rest_ms = 20 + (int64_t)draw(200);
    world.store.settings.retention_first_ms = world.store.settings.retention_check_ms = 50;
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
        boot();
        int64_t until = sim_now_us(world.sim) + 1000 + (int64_t)draw(1500000);
        while (sim_now_us(world.sim) < until && sim_step(world.sim))
            continue;
        machine_disk_faults(world.machine)->is_full = false;
        switch (draw(4)) {
        case 0:
            machine_kill(world.machine);
            break;
        case 1:
            stop();
            break;
        default:
            machine_cut_power(world.machine);
            break;
        }
    }
    boot();
    sim_destroy(world.sim);
}

/* ---- Cleanings one by one. ---- */

static bool has_segments(void *context)
{
    (void)context;
    return world.log->segment_count > 4;
}

/* A world that ran for a while and in which nothing was cleaned yet; nobody works in it any more. */
static void create_uncleaned(void)
{
    create_world(1);
    world.settings.segment_bytes = 5000;
    world.settings.min_cleanable_ratio = 0;
    world.cleaner.enabled = false;
    world.cleaner.dedupe_bytes = 1 << 20;
    world.cleaner.backoff_ms = 10;
    world.cleaner.bytes_per_second = INT64_MAX;
    boot();
    assert_true(sim_run(world.sim, 60 * 1000000LL, has_segments, NULL));
    timer_cancel(world.store.loop, &world.work);
    log_want_flush(world.log);
    sim_run(world.sim, 1000000, is_stopped, NULL); /* everything is durable */
    world.cleaner.enabled = true;
}

static bool has_begun(void *context)
{
    (void)context;
    return world.log->cleaning != NULL || world.log->clean_end > 0;
}

static bool has_failed(void *context)
{
    const struct cleaning *cleaning = world.log->cleaning;
    (void)context;
    return machine_disk_faults(world.machine)->failures > 0 && (cleaning == NULL || !cleaning->working);
}

static bool is_cleaned(void *context)
{
    (void)context;
    return world.log->clean_end > 0 && world.log->cleaning == NULL;
}

/* What an older cleaning left could not be removed, since no descriptor was free: until it is, no new one begins, and
 * nothing takes away what that writes. */
void test_cleaning__does_not_begin_before_old_files_are_gone(void)
{
    create_uncleaned();
    struct disk_faults *faults = machine_disk_faults(world.machine);
    world.cleaner.bytes_per_second = 10000; /* longer than until something is tried again */
    flusher_set_cleaner(world.store.flusher, &world.cleaner, &world.memory);
    assert_true(sim_run(world.sim, 10 * 1000000LL, has_begun, NULL));
    faults->fails[DISK_READ] = 1000000;
    faults->fails_with = -EMFILE;
    faults->fails_below = "/data/topic-0";
    world.log->cleaning->waits_for_run[0] = true; /* a flush that had the log before, and takes longer */
    assert_true(sim_run(world.sim, 10 * 1000000LL, has_failed, NULL));
    faults->fails[DISK_READ] = 0;
    cleaner_note_run(world.store.flusher, 0);
    assert_true(sim_run(world.sim, 600 * 1000000LL, is_cleaned, NULL));
    check_content();
    sim_destroy(world.sim);
}

/* The longest backoff that may be set is one, and does not outlive its setting. */
void test_cleaning__waits_for_the_backoff_that_was_said_last(void)
{
    create_uncleaned();
    world.cleaner.backoff_ms = INT64_MAX;
    flusher_set_cleaner(world.store.flusher, &world.cleaner, &world.memory);
    assert_false(sim_run(world.sim, 60 * 1000000LL, has_begun, NULL));
    world.cleaner.backoff_ms = 1000;
    flusher_set_cleaner(world.store.flusher, &world.cleaner, &world.memory);
    assert_true(sim_run(world.sim, 60 * 1000000LL, is_cleaned, NULL));
    sim_destroy(world.sim);
}

/* How old the records of a segment are, the log knows since they were written: no look at it opens a file. */
void test_cleaning__knows_how_old_segments_are(void)
{
    create_uncleaned();
    world.settings.min_cleanable_ratio = 1; /* never for that */
    world.settings.max_compaction_lag_ms = 1;
    log_set_settings(world.log, &world.settings);
    struct disk_faults *faults = machine_disk_faults(world.machine);
    faults->fails[DISK_OPEN] = 1000000;
    faults->fails_with = -EMFILE;
    faults->fails_below = "/data/topic-0";
    flusher_set_cleaner(world.store.flusher, &world.cleaner, &world.memory);
    assert_true(sim_run(world.sim, 10 * 1000000LL, has_begun, NULL));
    faults->fails[DISK_OPEN] = 0;
    assert_true(sim_run(world.sim, 600 * 1000000LL, is_cleaned, NULL));
    check_content();
    sim_destroy(world.sim);
}

/* Nothing below /data/topic-0 can be written any more. */
static void fail_writes(int status)
{
    struct disk_faults *faults = machine_disk_faults(world.machine);
    faults->fails[DISK_WRITE] = 1000000;
    faults->fails_with = status;
    faults->fails_below = "/data/topic-0";
}

static bool other_is_cleaned(void *context)
{
    return log_clean_end(context) > 0;
}

/* One that fails each time, and is as dirty as any, does not keep the only thread from the others. */
void test_cleaning__goes_on_with_others_when_one_fails(void)
{
    struct log *other;
    create_uncleaned();
    int status = log_create(world.store.flusher, "/data", "other", 0, (struct uuid){ { 6 } },
        &world.settings, &other);
    assert_int_equal(status, 0);
    for (int i = 0; i < 20; i++)
        store_append(other, 1, 1000, 1000, 0);
    log_want_flush(other);
    sim_run(world.sim, 1000000, is_stopped, NULL);
    log_set_high_watermark(other, log_durable_end(other));
    fail_writes(-ENOSPC);
    flusher_set_cleaner(world.store.flusher, &world.cleaner, &world.memory);
    assert_true(sim_run(world.sim, 60 * 1000000LL, other_is_cleaned, other));
    assert_int_equal(log_clean_end(world.log), -1);
    machine_disk_faults(world.machine)->fails[DISK_WRITE] = 0;
    assert_true(sim_run(world.sim, 600 * 1000000LL, is_cleaned, NULL));
    check_content();
    sim_destroy(world.sim);
}

static bool is_claiming(void *context)
{
    (void)context;
    return world.log->is_swapping;
}

struct claimed {
    bool has_log, has_index;
};

static int look_at_claimed(void *context, const char *name)
{
    struct claimed *claimed = context;
    claimed->has_log = claimed->has_log || strcmp(name, "00000000000000000000.log.cleaned") == 0;
    claimed->has_index = claimed->has_index || strcmp(name, "00000000000000000000.index.swap") == 0;
    return 0;
}

/* The node stops between two names of a claim: the files keep the names that they have. An index alone under the name of
 * a swap would be taken for that of the old segment by the next start. */
void test_cleaning__leaves_half_a_claim_to_the_next_start(void)
{
    struct claimed claimed = { 0 };
    create_uncleaned();
    flusher_set_cleaner(world.store.flusher, &world.cleaner, &world.memory);
    assert_true(sim_run(world.sim, 60 * 1000000LL, is_claiming, NULL));
    struct disk_faults *faults = machine_disk_faults(world.machine);
    faults->fails[DISK_NAME] = 1000000;
    faults->fails_with = -ENOSPC;
    faults->fails_below = "/data/topic-0/00000000000000000000.timeindex";
    assert_true(sim_run(world.sim, 60 * 1000000LL, has_failed, NULL));
    stop();
    assert_int_equal(directory_list(machine_boot(world.machine, 1), "/data/topic-0", look_at_claimed, &claimed), 0);
    machine_kill(world.machine);
    assert_true(claimed.has_index);
    assert_true(claimed.has_log);
    faults->fails[DISK_NAME] = 0;
    boot();
    check_content();
    assert_true(sim_run(world.sim, 600 * 1000000LL, is_cleaned, NULL));
    check_content();
    sim_destroy(world.sim);
}

/* ---- A swap that cannot go on. ---- */

/* The claim of the first segment cannot give its log the new name. */
static void fail_claim(int status)
{
    create_uncleaned();
    struct disk_faults *faults = machine_disk_faults(world.machine);
    faults->fails[DISK_NAME] = 1000000;
    faults->fails_with = status;
    faults->fails_below = "/data/topic-0/00000000000000000000.log";
    flusher_set_cleaner(world.store.flusher, &world.cleaner, &world.memory);
}

static int told_stuck;

static void hear(enum report_level level, const char *event, const char *text)
{
    (void)level;
    (void)text;
    told_stuck += strcmp(event, "cleaning_stuck") == 0;
}

/* Whatever else keeps it, more room or descriptors let it go on: the operator is told, once. */
static void check_goes_on_after(int status)
{
    told_stuck = 0;
    report_set_sink(hear);
    fail_claim(status);
    assert_true(sim_run(world.sim, 60 * 1000000LL, has_failed, NULL));
    assert_false(sim_run(world.sim, 10 * 1000000LL, is_cleaned, NULL));
    assert_true(machine_disk_faults(world.machine)->failures > 5);
    assert_int_equal(told_stuck, 1);
    machine_disk_faults(world.machine)->fails[DISK_NAME] = 0;
    assert_true(sim_run(world.sim, 600 * 1000000LL, is_cleaned, NULL));
    check_content();
    report_set_sink(NULL);
    sim_destroy(world.sim);
}

void test_cleaning__tells_once_what_a_swap_waits_for(void)
{
    check_goes_on_after(-ENOSPC);
    check_goes_on_after(-EMFILE);
}

static bool directory_has_failed(void *context)
{
    (void)context;
    return log_dir_failure(world.store.dir) != 0;
}

/* A file system that became read-only, or rights that were taken away: no retry helps, and partitions whose other copies
 * are whole should not stay here. */
void test_cleaning__fails_the_directory_that_is_offline(void)
{
    static const int statuses[] = { -EIO, -EROFS, -EACCES, -EPERM };
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        fail_claim(statuses[i]);
        assert_true(sim_run(world.sim, 60 * 1000000LL, directory_has_failed, NULL));
        assert_null(world.log->cleaning);
        assert_int_equal(machine_disk_faults(world.machine)->failures, 1);
        assert_int_equal(log_dir_failure(world.store.dir), statuses[i]);
        sim_destroy(world.sim);
    }
}

static bool is_given_up(void *context)
{
    (void)context;
    return world.log->is_uncleanable;
}

/* A file that would grow too large does so each time: it is not tried for ever. */
void test_cleaning__gives_up_what_cannot_fit(void)
{
    create_uncleaned();
    fail_writes(-EFBIG);
    flusher_set_cleaner(world.store.flusher, &world.cleaner, &world.memory);
    assert_true(sim_run(world.sim, 60 * 1000000LL, is_given_up, NULL));
    int64_t failures = machine_disk_faults(world.machine)->failures;
    assert_false(sim_run(world.sim, 60 * 1000000LL, has_begun, NULL));
    assert_int_equal(machine_disk_faults(world.machine)->failures, failures);
    check_content();
    sim_destroy(world.sim);
}

/* Who waits for the disk all the time, for what it writes to another log. */
struct impatient {
    struct timer timer;
    struct log *log;
};

static void write_and_wait(struct timer *timer)
{
    struct impatient *impatient = container_of(timer, struct impatient, timer);
    store_append(impatient->log, 1, 100, 1000, 0);
    log_want_flush(impatient->log);
    timer_set(world.store.loop, timer, loop_now_us(world.store.loop) + 100);
}

static int64_t time_beside_impatient(bool other_compacts, bool other_moves, int64_t max_lag_ms)
{
    struct impatient impatient = { .timer.run = write_and_wait };
    create_uncleaned();
    world.settings.max_compaction_lag_ms = max_lag_ms;
    log_set_settings(world.log, &world.settings);
    world.settings.compacts = other_compacts;
    world.settings.min_cleanable_ratio = 1;
    int status = log_create(world.store.flusher, "/data", "other", 0, (struct uuid){ { 6 } },
        &world.settings, &impatient.log);
    assert_int_equal(status, 0);
    log_hold(impatient.log, other_moves);
    timer_set(world.store.loop, &impatient.timer, loop_now_us(world.store.loop));
    int64_t began_us = sim_now_us(world.sim);
    flusher_set_cleaner(world.store.flusher, &world.cleaner, &world.memory);
    assert_true(sim_run(world.sim, 600 * 1000000LL, is_cleaned, NULL));
    int64_t took_us = sim_now_us(world.sim) - began_us;
    timer_cancel(world.store.loop, &impatient.timer);
    check_content();
    sim_destroy(world.sim);
    return took_us;
}

/* It leaves the disk to who waits for it, unless that makes compacted logs dirty faster than they are cleaned. A copy that
 * a move writes here makes none dirty. */
void test_cleaning__keeps_up_with_what_is_written(void)
{
    int64_t took_us = time_beside_impatient(true, false, INT64_MAX);
    assert_true(time_beside_impatient(false, false, INT64_MAX) > 2 * took_us);
    assert_true(time_beside_impatient(true, true, INT64_MAX) > 2 * took_us);
}

/* It leaves the disk to others for as long as a record may wait to be due, and no longer. */
void test_cleaning__rests_no_longer_than_the_greatest_lag(void)
{
    int64_t patient_us = time_beside_impatient(false, false, INT64_MAX);
    int64_t lag_ms = patient_us / 4 / 1000;
    int64_t took_us = time_beside_impatient(false, false, lag_ms);
    assert_true(took_us >= lag_ms * 1000);
    assert_true(took_us < patient_us / 2);
}

void test_cleaning__keeps_the_newest_of_every_key(void)
{
    const char *only = getenv("SEED"), *count = getenv("SEEDS");
    int64_t swaps = 0;
    if (only != NULL) {
        run_seed(strtoull(only, NULL, 10));
        return;
    }
    uint64_t last = count == NULL ? 100 : strtoull(count, NULL, 10);
    for (uint64_t seed = 1; seed <= last; seed++) {
        if (count != NULL)
            print_message("seed %llu\n", (unsigned long long)seed);
        run_seed(seed);
        swaps += world.swaps;
    }
    assert_true(swaps > 0);
}
