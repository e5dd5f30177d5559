/* SPDX-License-Identifier: Apache-2.0 */
/* Whole directories: random histories are cleaned, and what is left is compared with what was
 * there, read as a consumer reads it. */
#include "storage/clean.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/prng.h"
#include "clean/directory.h"
#include "io/file.h"
#include "io/io.h"
#include "sim/sim.h"
#include "storage/producers.h"
#include "storage/scan.h"
#include "storage/segment.h"
#include "test.h"
#include "wire/record.h"

enum { KEYS = 12, PRODUCERS = 4, MOST_RECORDS = 4000, NOW = 1000000, RETENTION = 5000 };

/* One record as a reader at read_committed gets it. */
struct seen {
    int64_t offset, timestamp, producer_id;
    int32_t leader_epoch, sequence;
    int key; /* -1: none */
    uint64_t value;
    bool is_tombstone, has_header;
};

static const char path[] = "/data/topic-0";

struct history {
    struct io *io;
    struct prng prng;
    struct buffer *segment; /* being written */
    struct index aborted;
    int64_t base_offset, next_offset;
    int64_t active_offset; /* base of the last segment */
    int32_t leader_epoch, sequences[PRODUCERS];
    int64_t transaction_start[PRODUCERS]; /* -1: none */
    struct seen seen[MOST_RECORDS];
    int seen_count;
};

/* ---- Writing a history. ---- */

static void write_file(struct history *history, const char *suffix, const void *data, size_t size)
{
    char name[SEGMENT_PATH_SIZE];
    struct file *file;
    segment_path(name, path, history->base_offset, suffix);
    assert_int_equal(file_open(history->io, name, FILE_CREATE_NEW, &file), 0);
    assert_int_equal(file_write_all(file, data, size, 0), 0);
    file_unref(file);
}

static void end_segment(struct history *history)
{
    write_file(history, ".log", history->segment->data, history->segment->size);
    write_file(history, ".index", "", 0);
    write_file(history, ".timeindex", "", 0);
    if (history->aborted.count > 0)
        write_file(history, ".txnindex", history->aborted.data,
            (size_t)history->aborted.count * INDEX_ABORTED_ENTRY);
    history->segment->size = 0;
    history->aborted.count = 0;
    history->base_offset = history->next_offset;
}

static void append(struct history *history, struct buffer *batch)
{
    struct batch_header header;
    assert_int_equal(batch_parse((struct bytes){ batch->data, batch->size }, &header), BATCH_OK);
    size_t size = history->segment->size + batch->size;
    if (size > history->segment->capacity)
        history->segment = buffer_grow(history->segment, 2 * size);
    memcpy(history->segment->data + history->segment->size, batch->data, batch->size);
    history->segment->size = size;
    history->next_offset = batch_next_offset(&header);
    buffer_unref(batch);
}

static struct batch_options options_of(struct history *history, int producer, bool transactional)
{
    struct batch_options options = batch_options_plain();
    options.base_offset = history->next_offset;
    options.leader_epoch = history->leader_epoch;
    if (producer < PRODUCERS) {
        options.producer_id = 100 + producer;
        options.producer_epoch = 1;
        options.base_sequence = history->sequences[producer];
        options.transactional = transactional;
    }
    return options;
}

static void append_data(struct history *history, int producer, bool transactional)
{
    static const uint8_t headers[] = { 2, 'h', 2, 'v' }; /* one: h = v */
    struct prng *prng = &history->prng;
    struct record records[6];
    uint8_t keys[6], values[6][8];
    int count = 1 + (int)prng_below(prng, 6);
    struct batch_options options = options_of(history, producer, transactional);
    options.codec = (enum codec)(prng_chance(prng, 500000) ? 0 : prng_below(prng, CODEC_COUNT));
    options.log_append_time = prng_chance(prng, 200000);
    options.append_time_ms = 500 + history->next_offset;
    for (int i = 0; i < count; i++) {
        keys[i] = (uint8_t)prng_below(prng, KEYS);
        prng_fill(prng, values[i], sizeof(values[i]));
        records[i] = (struct record){ .timestamp = (int64_t)prng_below(prng, 1000),
            .key = { prng_chance(prng, 50000) ? NULL : &keys[i], 1 },
            .value = { prng_chance(prng, 200000) ? NULL : values[i], sizeof(values[i]) } };
        if (prng_chance(prng, 200000)) {
            records[i].header_count = 1;
            records[i].raw_headers = (struct bytes){ headers, sizeof(headers) };
        }
    }
    if (transactional && history->transaction_start[producer] < 0)
        history->transaction_start[producer] = history->next_offset;
    if (producer < PRODUCERS)
        history->sequences[producer] += count;
    append(history, batch_build(&options, records, count));
}

static void append_marker(struct history *history, int producer, bool commits)
{
    static const uint8_t value[6] = { 0 };
    struct control_record marker = { .type = commits, .value = { value, sizeof(value) } };
    struct batch_options options = options_of(history, producer, true);
    options.base_sequence = -1;
    struct aborted_entry aborted = { options.producer_id, history->transaction_start[producer],
        history->next_offset, history->next_offset + 1 };
    if (!commits && aborted.first_offset >= 0)
        index_add_aborted(&history->aborted, &aborted);
    history->transaction_start[producer] = -1;
    append(history, batch_build_control(&options, 500, &marker, 1));
}

static void history_init(struct history *history, struct io *io, uint64_t seed, int step_count)
{
    memset(history, 0, sizeof(*history));
    prng_init(&history->prng, seed);
    history->io = io;
    history->segment = buffer_create(4096);
    assert_int_equal(directory_create(io, "/data"), 0);
    assert_int_equal(directory_create(io, path), 0);
    index_init(&history->aborted, INDEX_ABORTED);
    for (int i = 0; i < PRODUCERS; i++)
        history->transaction_start[i] = -1;
    for (int step = 0; step < step_count; step++) {
        int producer = (int)prng_below(&history->prng, PRODUCERS + 2);
        if (producer < 2 && prng_chance(&history->prng, 300000))
            append_marker(history, producer, prng_chance(&history->prng, 500000));
        else
            append_data(history, producer, producer < 2); /* the first two are transactional */
        if (prng_chance(&history->prng, 100000))
            end_segment(history);
        if (prng_chance(&history->prng, 20000))
            history->leader_epoch++;
    }
    for (int producer = 0; producer < 2; producer++)
        append_marker(history, producer, prng_chance(&history->prng, 500000));
    end_segment(history);
    history->active_offset = history->base_offset;
    append_data(history, PRODUCERS, false);
    end_segment(history);
}

static void history_deinit(struct history *history)
{
    index_deinit(&history->aborted);
    buffer_unref(history->segment);
}

/* ---- Reading it as a consumer does. ---- */

struct reading {
    struct history *history;
    struct decompressor *decompressor;
    struct index aborted; /* of all segments */
    int64_t next_offset;
    int batch_count, empty_count;
};

static bool is_aborted(const struct reading *reading, const struct batch_header *header)
{
    for (int32_t i = 0; i < reading->aborted.count; i++) {
        struct aborted_entry aborted = index_aborted_at(&reading->aborted, i);
        if (batch_is_transactional(header) && aborted.producer_id == header->producer_id &&
            header->base_offset >= aborted.first_offset &&
            header->base_offset <= aborted.last_offset)
            return true;
    }
    return false;
}

static void see_batch(
    struct reading *reading, const uint8_t *batch, const struct batch_header *header)
{
    struct history *history = reading->history;
    struct record_reader reader;
    struct record record;
    struct bytes records;
    struct buffer *owner;
    assert_true(batch_crc_is_right(batch, header));
    assert_true(header->base_offset >= reading->next_offset);
    reading->next_offset = batch_next_offset(header);
    reading->batch_count++;
    reading->empty_count += header->record_count == 0;
    if (batch_is_control(header) || is_aborted(reading, header))
        return;
    assert_int_equal(
        batch_records(reading->decompressor, batch, header, 1 << 20, &records, &owner), 0);
    records_begin(&reader, header, records);
    int64_t max_timestamp = -1;
    enum record_status status;
    while ((status = records_next(&reader, &record)) == RECORD_OK) {
        struct seen *seen = &history->seen[history->seen_count++];
        assert_true(history->seen_count < MOST_RECORDS);
        *seen = (struct seen){ .offset = record.offset,
            .timestamp = record.timestamp,
            .producer_id = header->producer_id,
            .leader_epoch = header->leader_epoch,
            .sequence = header->base_sequence + (int32_t)(record.offset - header->base_offset),
            .key = record.key.data == NULL ? -1 : record.key.data[0],
            .is_tombstone = record.value.data == NULL,
            .has_header = record.header_count > 0 };
        if (!seen->is_tombstone)
            memcpy(&seen->value, record.value.data, sizeof(seen->value));
        if (record.timestamp > max_timestamp)
            max_timestamp = record.timestamp;
    }
    assert_int_equal(status, RECORD_END);
    if (header->record_count > 0)
        assert_int_equal(header->max_timestamp, max_timestamp);
    buffer_unref(owner);
}

static void see_segment(struct reading *reading, int64_t base_offset, struct prng *digest)
{
    char name[SEGMENT_PATH_SIZE];
    struct batch_header header;
    struct file *file;
    struct scan scan;
    int status;
    segment_path(name, path, base_offset, ".log");
    assert_int_equal(file_open(reading->history->io, name, FILE_READ, &file), 0);
    scan_begin(&scan, file, 0, file_size(file), 4096);
    while ((status = scan_header(&scan, &header)) == 1) {
        assert_true(header.base_offset >= base_offset);
        see_batch(reading, scan_batch(&scan, &header, &status), &header);
        digest->state[0] = digest->state[0] * 31 + header.crc;
        prng_next(digest);
        scan_skip(&scan, &header);
    }
    assert_int_equal(status, 0);
    scan_end(&scan);
    file_unref(file);
}

/* Fills history->seen; a number that changes with any byte. */
static uint64_t see_all(struct history *history, struct reading *out_reading)
{
    char name[SEGMENT_PATH_SIZE];
    struct reading reading = { .history = history, .decompressor = decompressor_create() };
    struct prng digest;
    int64_t *offsets;
    int32_t count = directory_segments(history->io, path, &offsets);
    prng_init(&digest, (uint64_t)count);
    history->seen_count = 0;
    index_init(&reading.aborted, INDEX_ABORTED);
    for (int32_t i = 0; i < count; i++) {
        struct index one;
        segment_path(name, path, offsets[i], ".txnindex");
        index_init(&one, INDEX_ABORTED);
        assert_int_equal(index_load(&one, history->io, name), 0);
        for (int32_t entry = 0; entry < one.count; entry++) {
            struct aborted_entry aborted = index_aborted_at(&one, entry);
            index_add_aborted(&reading.aborted, &aborted);
        }
        index_deinit(&one);
    }
    for (int32_t i = 0; i < count; i++)
        see_segment(&reading, offsets[i], &digest);
    decompressor_destroy(reading.decompressor);
    index_deinit(&reading.aborted);
    memory_give(offsets);
    *out_reading = reading;
    return prng_next(&digest);
}

/* ---- What must hold. ---- */

static const struct seen *find_seen(const struct seen *list, int count, int64_t offset)
{
    int low = 0, high = count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (list[middle].offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && list[low].offset == offset ? &list[low] : NULL;
}

/* Of each key the newest that is below `end` is there, and no older one; what is not below it, is
 * there; and every record is what it was. */
static void check_left(const struct history *history, const struct seen *before, int before_count,
    int64_t end, bool tombstones_may_be_gone)
{
    int64_t newest[KEYS];
    memset(newest, 0xff, sizeof(newest));
    for (int i = 0; i < before_count; i++)
        if (before[i].key >= 0 && before[i].offset < end)
            newest[before[i].key] = before[i].offset;
    for (int i = 0; i < before_count; i++) {
        const struct seen *seen = find_seen(history->seen, history->seen_count, before[i].offset);
        bool stays = before[i].offset >= end ||
                     (before[i].key >= 0 && newest[before[i].key] == before[i].offset);
        if (seen == NULL)
            assert_true(!stays || (tombstones_may_be_gone && before[i].is_tombstone));
        else
            assert_true(stays && memcmp(seen, &before[i], sizeof(*seen)) == 0);
    }
    for (int i = 0; i < history->seen_count; i++)
        assert_non_null(find_seen(before, before_count, history->seen[i].offset));
}

static struct directory_wish wish_of(struct prng *prng)
{
    struct directory_wish wish = directory_wish_defaults();
    wish.wall_ms = NOW;
    wish.delete_retention_ms = RETENTION;
    wish.max_segment_bytes = 1 << (7 + prng_below(prng, 8));
    wish.index_interval_bytes = (int32_t)prng_below(prng, 300);
    return wish;
}

static struct sim *sim;

static void run_simulated(struct loop *loop)
{
    sim_start_loop(loop);
    while (!sim_loop_has_ended(loop))
        assert_true(sim_step(sim));
}

static struct directory_outcome clean(
    const struct history *history, const struct directory_wish *wish)
{
    struct directory_outcome outcome;
    directory_clean(history->io, path, wish, run_simulated, &outcome);
    if (outcome.status != 0)
        print_error("%s: %s\n", path, outcome.reason);
    assert_int_equal(outcome.status, 0);
    return outcome;
}

struct trial {
    struct machine *machine;
    struct history history;
    struct reading reading;
    struct seen before[MOST_RECORDS];
    int before_count;
    int64_t log_end;
    struct directory_wish wish;
};

static struct trial *trial_create(uint64_t seed)
{
    struct trial *trial = memory_take(sizeof(*trial));
    sim = sim_create(seed);
    trial->machine = machine_create(sim, "node");
    machine_disk_faults(trial->machine)->short_write = 20000;
    history_init(&trial->history, machine_boot(trial->machine, 1), seed, 200);
    see_all(&trial->history, &trial->reading);
    trial->before_count = trial->history.seen_count;
    trial->log_end = trial->reading.next_offset;
    memcpy(trial->before, trial->history.seen, sizeof(trial->before));
    trial->wish = wish_of(&trial->history.prng);
    return trial;
}

static void trial_destroy(struct trial *trial)
{
    history_deinit(&trial->history);
    memory_give(trial);
    sim_destroy(sim);
}

/* Reads it again; no offset at the end may be lost. */
static uint64_t look_again(struct trial *trial)
{
    uint64_t digest = see_all(&trial->history, &trial->reading);
    assert_int_equal(trial->reading.next_offset, trial->log_end);
    return digest;
}

static void check_trial(struct trial *trial, int64_t end, bool tombstones_may_be_gone)
{
    check_left(&trial->history, trial->before, trial->before_count, end, tombstones_may_be_gone);
}

/* What a reader sees is of each key the newest, and that unchanged. A second cleaning only sees to
 * markers whose data the first one took, and a third has nothing to do. Behind the horizon all
 * tombstones are gone, and nothing else that is seen. */
void test_clean__keeps_the_newest_of_each_key_and_changes_nothing_else(void)
{
    const char *count = getenv("SEEDS");
    uint64_t last = count == NULL ? 40 : strtoull(count, NULL, 10);
    for (uint64_t seed = 1; seed <= last; seed++) {
        struct trial *trial = trial_create(seed);
        struct directory_outcome outcome = clean(&trial->history, &trial->wish);
        look_again(trial);
        check_trial(trial, outcome.end, false);

        trial->wish.first_dirty = outcome.end;
        clean(&trial->history, &trial->wish);
        uint64_t second = look_again(trial);
        check_trial(trial, outcome.end, false);
        clean(&trial->history, &trial->wish);
        assert_true(look_again(trial) == second);

        trial->wish.wall_ms = NOW + RETENTION;
        outcome = clean(&trial->history, &trial->wish);
        look_again(trial);
        check_trial(trial, outcome.end, true);
        for (int i = 0; i < trial->history.seen_count; i++)
            assert_true(!trial->history.seen[i].is_tombstone ||
                        trial->history.seen[i].offset >= outcome.end);
        assert_int_equal(outcome.statistics.next_horizon_ms, INT64_MAX);
        trial_destroy(trial);
    }
}

/* With memory for few keys it takes more passes, each of which gets on, to the same end. */
void test_clean__takes_as_many_passes_as_its_memory_needs(void)
{
    for (uint64_t seed = 1; seed <= 15; seed++) {
        struct trial *trial = trial_create(seed);
        struct directory_outcome outcome;
        int pass_count = 0;
        trial->wish.map_bytes = 24 * (2 + (int64_t)seed % 6);
        do {
            outcome = clean(&trial->history, &trial->wish);
            assert_true(outcome.end > trial->wish.first_dirty);
            trial->wish.first_dirty = outcome.end;
            look_again(trial);
            check_trial(trial, outcome.end, false);
            pass_count++;
        } while (outcome.end < trial->history.active_offset);
        assert_true(pass_count > 1);
        trial_destroy(trial);
    }
}

/* The batch that holds the last data of a producer is there in the end, if without records. */
void test_clean__keeps_the_last_sequence_of_each_producer(void)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct trial *trial = trial_create(seed);
        struct producers before = { 0 }, after = { 0 };
        directory_producers(trial->history.io, path, &before);
        clean(&trial->history, &trial->wish);
        directory_producers(trial->history.io, path, &after);
        assert_true(before.count > 0 && before.count == after.count);
        for (int32_t i = 0; i < before.count; i++) {
            const struct producer *was = before.entries[i], *is = after.entries[i];
            assert_int_equal(is->id, was->id);
            assert_int_equal(is->epoch, was->epoch);
            assert_int_equal(is->batches[is->batch_count - 1].last_sequence,
                was->batches[was->batch_count - 1].last_sequence);
        }
        producers_deinit(&before);
        producers_deinit(&after);
        trial_destroy(trial);
    }
}

static void check_indexes(const struct history *history, int64_t base_offset)
{
    char name[SEGMENT_PATH_SIZE];
    struct segment segment;
    struct batch_header header;
    segment_note(&segment, base_offset);
    int64_t position, size = segment_size(&segment, history->io, path);
    assert_int_equal(segment_open(&segment, history->io, path), 0);
    assert_int_equal(segment_load(&segment, history->io, path), 0);
    const struct index *offsets = &segment.indexes[INDEX_OFFSET];
    for (int32_t entry = 0; entry < offsets->count; entry++) {
        int64_t last = index_offset_at(offsets, entry, base_offset, &position);
        assert_int_equal(segment_header(&segment, position, size, &header), 0);
        assert_int_equal(batch_last_offset(&header), last);
    }
    segment_path(name, path, base_offset, ".index");
    assert_int_equal(file_stat(history->io, name, &position), 0);
    assert_int_equal(position, offsets->count * INDEX_OFFSET_ENTRY);
    int64_t max_timestamp = -1, max_offset = base_offset;
    for (position = 0; segment_header(&segment, position, size, &header) == 0;
         position += (int64_t)header.size)
        if (header.max_timestamp > max_timestamp) {
            max_timestamp = header.max_timestamp;
            max_offset = batch_last_offset(&header);
        }
    assert_int_equal(segment_find_times(&segment, history->io, path), 0);
    assert_int_equal(segment.max_timestamp, max_timestamp);
    assert_int_equal(segment.max_timestamp_offset, max_offset);
    segment_deinit(&segment);
}

/* Indexes of what was written tell of what is in it; segments become fewer, and none too large. */
void test_clean__writes_indexes_and_joins_small_segments(void)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct trial *trial = trial_create(seed);
        int64_t *offsets;
        int32_t before = directory_segments(trial->history.io, path, &offsets);
        memory_give(offsets);
        trial->wish.max_segment_bytes = 8192;
        struct directory_outcome outcome = clean(&trial->history, &trial->wish);
        int32_t after = directory_segments(trial->history.io, path, &offsets);
        assert_int_equal(after, outcome.group_count + 1);
        assert_true(after < before);
        for (int32_t i = 0; i < after - 1; i++)
            check_indexes(&trial->history, offsets[i]);
        memory_give(offsets);
        trial_destroy(trial);
    }
}

static int refuse_cleaned(void *context, const char *name)
{
    (void)context;
    return strstr(name, ".cleaned") == NULL ? 0 : -EEXIST;
}

/* Damage is told with file and position, and leaves no file behind; what was there stays. */
void test_clean__tells_where_damage_is(void)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct trial *trial = trial_create(seed);
        struct history *history = &trial->history;
        struct directory_outcome outcome;
        char name[SEGMENT_PATH_SIZE], place[64];
        uint8_t byte;
        struct file *file;
        struct batch_header header;
        int64_t *offsets;
        int32_t count = directory_segments(history->io, path, &offsets);
        int64_t base_offset = offsets[count / 2];
        struct segment segment = { .base_offset = base_offset, .size = -1 };
        int64_t size = segment_size(&segment, history->io, path);
        assert_int_equal(segment_open(&segment, history->io, path), 0);
        assert_int_equal(segment_header(&segment, 0, size, &header), 0);
        segment_deinit(&segment);
        segment_path(name, path, base_offset, ".log");
        assert_int_equal(file_open(history->io, name, FILE_WRITE, &file), 0);
        int64_t at = seed % 2 == 0 ? size - 1 : BATCH_AT_ATTRIBUTES;
        assert_int_equal(file_pread(file, &byte, 1, at), 1);
        byte ^= 0x80;
        assert_int_equal(file_write_all(file, &byte, 1, at), 0);
        file_unref(file);

        directory_clean(history->io, path, &trial->wish, run_simulated, &outcome);
        assert_int_equal(outcome.status, -EUCLEAN);
        snprintf(place, sizeof(place), "/%020lld.log", (long long)base_offset);
        assert_non_null(strstr(outcome.reason, place));
        assert_non_null(
            strstr(outcome.reason, seed % 2 == 0 ? "at position " : "at position 0 of"));
        assert_int_equal(directory_list(history->io, path, refuse_cleaned, NULL), 0);
        memory_give(offsets);
        trial_destroy(trial);
    }
}

/* Stopped anywhere it leaves no file of its own behind, and loses nothing: a cleaning that is let
 * go on does the rest. */
void test_clean__can_be_stopped_anywhere(void)
{
    struct trial *trial = trial_create(3);
    struct history *history = &trial->history;
    struct directory_outcome outcome;
    int64_t began_us = sim_now_us(sim);
    trial->wish.max_segment_bytes = 2048;
    trial->wish.stop_after_us = 1;
    do {
        began_us = sim_now_us(sim);
        directory_clean(history->io, path, &trial->wish, run_simulated, &outcome);
        assert_int_equal(outcome.status, 0);
        assert_int_equal(directory_list(history->io, path, refuse_cleaned, NULL), 0);
        look_again(trial);
        trial->wish.stop_after_us += 7;
    } while (sim_now_us(sim) - began_us >= trial->wish.stop_after_us - 7);
    assert_true(trial->wish.stop_after_us > 3000);
    trial->wish.stop_after_us = 0;
    outcome = clean(history, &trial->wish);
    look_again(trial);
    check_trial(trial, outcome.end, false);
    trial_destroy(trial);
}

/* Paced, it takes the time that its bytes are worth, but for the last slice, which nobody waits
 * for. */
void test_clean__keeps_to_its_pace(void)
{
    struct trial *trial = trial_create(4);
    trial->wish.bytes_per_second = 1000;
    int64_t began_us = sim_now_us(sim);
    struct directory_outcome outcome = clean(&trial->history, &trial->wish);
    int64_t bytes = outcome.statistics.bytes_read + outcome.statistics.bytes_written;
    int64_t seconds = (sim_now_us(sim) - began_us) / 1000000;
    assert_true(bytes > 20000);
    assert_in_range(seconds, bytes / 1000 * 8 / 10, bytes / 1000 * 12 / 10);
    trial_destroy(trial);
}

/* A pace that is taken back is not waited for any longer, not even for what was read under it. */
void test_clean__goes_on_at_its_new_pace_at_once(void)
{
    struct trial *trial = trial_create(4);
    trial->wish.bytes_per_second = 1; /* days for the first slice */
    trial->wish.pace_ends_after_us = 1000000;
    int64_t began_us = sim_now_us(sim);
    struct directory_outcome outcome = clean(&trial->history, &trial->wish);
    assert_in_range(sim_now_us(sim) - began_us, 1000000, 3000000);
    look_again(trial);
    check_trial(trial, outcome.end, false);
    trial_destroy(trial);
}

static bool always(const void *context)
{
    (void)context;
    return true;
}

/* Beside somebody who waits for the disk it leaves the disk alone for most of the time, and comes to the same end. */
void test_clean__rests_while_somebody_waits(void)
{
    int64_t took_us[2];
    for (int i = 0; i < 2; i++) {
        struct trial *trial = trial_create(4);
        trial->wish.is_in_the_way = i == 0 ? NULL : always;
        int64_t began_us = sim_now_us(sim);
        struct directory_outcome outcome = clean(&trial->history, &trial->wish);
        took_us[i] = sim_now_us(sim) - began_us;
        look_again(trial);
        check_trial(trial, outcome.end, false);
        trial_destroy(trial);
    }
    assert_true(took_us[1] > 4 * took_us[0]);
}
