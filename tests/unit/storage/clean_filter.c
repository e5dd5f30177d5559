/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/clean_filter.h"

#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/prng.h"
#include "io/io.h"
#include "test.h"
#include "wire/record.h"

enum { NOW = 1000000, RETENTION = 5000, BATCHES = 16 };

struct bench {
    struct io *io;
    struct clean_plan plan;
    struct buffer *batches[BATCHES];
    int count;
    int64_t next_offset;
    struct clean_filter *filter;
    struct buffer *out[BATCHES]; /* NULL: it went */
    struct clean_kept kept[BATCHES];
};

static void bench_init(struct bench *bench)
{
    *bench = (struct bench){ .io = io_create(1) };
    bench->plan = (struct clean_plan){
        .io = bench->io,
        .wall_ms = NOW,
        .delete_retention_ms = RETENTION,
        .max_batch_bytes = 1 << 20,
        .map_bytes = 1 << 16,
        .map_load_factor = 0.9,
    };
}

static void bench_deinit(struct bench *bench)
{
    for (int i = 0; i < bench->count; i++) {
        buffer_unref(bench->batches[i]);
        buffer_unref(bench->out[i]);
    }
    io_destroy(bench->io);
}

static struct bytes text(const char *text)
{
    return text == NULL ? (struct bytes){ NULL, 0 }
                        : (struct bytes){ (const uint8_t *)text, strlen(text) };
}

static void add(struct bench *bench, struct buffer *batch)
{
    struct batch_header header;
    assert_true(bench->count < BATCHES);
    assert_int_equal(batch_parse((struct bytes){ batch->data, batch->size }, &header), BATCH_OK);
    bench->batches[bench->count++] = batch;
    bench->next_offset = batch_next_offset(&header);
    bench->plan.dirty_end = bench->plan.high_watermark = bench->next_offset;
}

/* A batch of records "key" -> "value"; a NULL value is a tombstone. */
static void append(
    struct bench *bench, struct batch_options options, const char *const pairs[][2], int count)
{
    struct record records[8];
    for (int i = 0; i < count; i++)
        records[i] = (struct record){ .timestamp = 100 * bench->count + i,
            .key = text(pairs[i][0]),
            .value = text(pairs[i][1]) };
    options.base_offset = bench->next_offset;
    options.leader_epoch = 7;
    add(bench, batch_build(&options, records, count));
}

static void append_one(
    struct bench *bench, struct batch_options options, const char *key, const char *value)
{
    append(bench, options, (const char *const[][2]){ { key, value } }, 1);
}

static struct batch_options of_producer(int64_t id, int32_t sequence, bool transactional)
{
    struct batch_options options = batch_options_plain();
    options.producer_id = id;
    options.producer_epoch = 3;
    options.base_sequence = sequence;
    options.transactional = transactional;
    return options;
}

static void append_marker(struct bench *bench, int64_t producer_id, int16_t type)
{
    static const uint8_t value[6] = { 0 };
    struct batch_options options = of_producer(producer_id, -1, true);
    struct control_record marker = { .type = type, .value = { value, sizeof(value) } };
    options.base_offset = bench->next_offset;
    options.leader_epoch = 7;
    add(bench, batch_build_control(&options, 100 * bench->count, &marker, 1));
}

/* The whole cleaning of what was appended; the outcome of the first batch that is refused, else 0.
 */
static int clean(struct bench *bench)
{
    struct batch_header header;
    int status = 0;
    bench->filter = clean_filter_create(&bench->plan);
    clean_filter_begin_learning(bench->filter);
    for (int i = 0; i < bench->count && status == 0; i++) {
        struct buffer *batch = bench->batches[i];
        batch_parse((struct bytes){ batch->data, batch->size }, &header);
        status = clean_filter_learn(bench->filter, batch->data, &header);
    }
    status = status == 1 ? 0 : status;
    clean_filter_begin_keeping(bench->filter);
    for (int i = 0; i < bench->count && status == 0; i++) {
        struct buffer *batch = bench->batches[i];
        buffer_unref(bench->out[i]);
        bench->out[i] = buffer_create(0);
        batch_parse((struct bytes){ batch->data, batch->size }, &header);
        status =
            clean_filter_keep(bench->filter, batch->data, &header, &bench->out[i], &bench->kept[i]);
        assert_int_equal(bench->out[i]->size, bench->kept[i].header.size);
    }
    clean_filter_destroy(bench->filter);
    return status;
}

/* What stayed is what is cleaned next. */
static void clean_again(struct bench *bench)
{
    int count = 0;
    for (int i = 0; i < bench->count; i++) {
        buffer_unref(bench->batches[i]);
        if (bench->out[i]->size > 0)
            bench->batches[count++] = bench->out[i];
        else
            buffer_unref(bench->out[i]);
    }
    bench->count = count;
    memset(bench->out, 0, sizeof(bench->out));
    assert_int_equal(clean(bench), 0);
}

/* The keys that stayed of a batch, one letter each, large where a value is; "-": the batch is gone.
 */
static const char *left(struct bench *bench, int i)
{
    static char letters[64];
    struct batch_header header;
    struct record_reader reader;
    struct record record;
    struct bytes records;
    struct buffer *owner;
    int count = 0;
    if (bench->out[i]->size == 0)
        return "-";
    struct bytes batch = { bench->out[i]->data, bench->out[i]->size };
    assert_int_equal(batch_parse(batch, &header), BATCH_OK);
    assert_true(batch_crc_is_right(batch.data, &header));
    struct decompressor *decompressor = decompressor_create();
    assert_int_equal(
        batch_records(decompressor, batch.data, &header, 1 << 20, &records, &owner), 0);
    records_begin(&reader, &header, records);
    enum record_status status;
    while ((status = records_next(&reader, &record)) == RECORD_OK) {
        assert_in_range(record.offset, header.base_offset, batch_last_offset(&header));
        letters[count++] = batch_is_control(&header)   ? '!'
                           : record.value.data == NULL ? (char)record.key.data[0]
                                                       : (char)(record.key.data[0] - 'a' + 'A');
    }
    assert_int_equal(status, RECORD_END);
    letters[count] = 0;
    buffer_unref(owner);
    decompressor_destroy(decompressor);
    return letters;
}

static bool is_untouched(const struct bench *bench, int i)
{
    return bench->out[i]->size == bench->batches[i]->size &&
           memcmp(bench->out[i]->data, bench->batches[i]->data, bench->out[i]->size) == 0;
}

/* The newest of each key stays where it was, whatever the codec, and what its batch says of
 * offsets, epoch and producer too. */
void test_clean_filter__keeps_the_newest_of_each_key(void)
{
    for (int codec = 0; codec < CODEC_COUNT; codec++) {
        struct bench bench;
        bench_init(&bench);
        struct batch_options options = of_producer(9, 40, false);
        options.codec = (enum codec)codec;
        append(&bench, options,
            (const char *const[][2]){ { "a", "1" }, { "b", "1" }, { "c", "1" }, { "a", "2" } }, 4);
        append(&bench, options, (const char *const[][2]){ { "c", "2" }, { "d", "1" } }, 2);
        append(&bench, options, (const char *const[][2]){ { "a", "3" }, { "b", "2" } }, 2);
        append_one(&bench, batch_options_plain(), "z", "1");
        assert_int_equal(clean(&bench), 0);
        assert_string_equal(left(&bench, 0), "-");
        assert_string_equal(left(&bench, 1), "CD");
        assert_string_equal(left(&bench, 2), "AB");
        assert_true(is_untouched(&bench, 1) && is_untouched(&bench, 2));

        append(&bench, options, (const char *const[][2]){ { "d", "2" }, { "e", "1" } }, 2);
        append_one(&bench, batch_options_plain(), "z", "2");
        assert_int_equal(clean(&bench), 0);
        assert_string_equal(left(&bench, 1), "C");
        const struct batch_header *kept = &bench.kept[1].header;
        assert_int_equal(kept->base_offset, 4);
        assert_int_equal(kept->last_offset_delta, 1);
        assert_int_equal(kept->record_count, 1);
        assert_int_equal(kept->leader_epoch, 7);
        assert_int_equal(kept->producer_id, 9);
        assert_int_equal(kept->producer_epoch, 3);
        assert_int_equal(kept->base_sequence, 40);
        assert_int_equal(batch_codec(kept), codec);
        assert_int_equal(kept->base_timestamp, 100);
        assert_int_equal(kept->max_timestamp, 100); /* d's was 101 */
        bench_deinit(&bench);
    }
}

void test_clean_filter__drops_records_without_a_key(void)
{
    struct bench bench;
    bench_init(&bench);
    append(
        &bench, batch_options_plain(), (const char *const[][2]){ { NULL, "1" }, { "a", "1" } }, 2);
    append_one(&bench, batch_options_plain(), NULL, "1");
    append_one(&bench, batch_options_plain(), "z", "1");
    assert_int_equal(clean(&bench), 0);
    assert_string_equal(left(&bench, 0), "A");
    assert_string_equal(left(&bench, 1), "-");
    bench_deinit(&bench);
}

/* KIP-534: the first cleaning writes when the tombstone may go, the first one after that time drops
 * it, and the records' own times stay what they were. */
void test_clean_filter__lets_a_tombstone_go_after_its_horizon(void)
{
    struct bench bench;
    bench_init(&bench);
    append(
        &bench, batch_options_plain(), (const char *const[][2]){ { "a", NULL }, { "b", "1" } }, 2);
    append_one(&bench, batch_options_plain(), "z", "1");
    assert_int_equal(clean(&bench), 0);
    assert_string_equal(left(&bench, 0), "aB");
    assert_int_equal(bench.kept[0].header.attributes, BATCH_DELETE_HORIZON);
    assert_int_equal(bench.kept[0].header.base_timestamp, NOW + RETENTION);
    assert_int_equal(bench.kept[0].header.max_timestamp, 1);

    bench.plan.wall_ms = NOW + RETENTION - 1;
    clean_again(&bench);
    assert_string_equal(left(&bench, 0), "aB");
    assert_true(is_untouched(&bench, 0));

    bench.plan.wall_ms = NOW + RETENTION;
    clean_again(&bench);
    assert_string_equal(left(&bench, 0), "B");
    assert_int_equal(bench.kept[0].header.base_timestamp, NOW + RETENTION);
    assert_int_equal(bench.kept[0].header.max_timestamp, 1);
    bench_deinit(&bench);
}

/* As long as delete.retention.ms may be, the horizon lies ahead. */
void test_clean_filter__keeps_tombstones_for_ever_when_told_to(void)
{
    struct bench bench;
    bench_init(&bench);
    append_one(&bench, batch_options_plain(), "a", NULL);
    append_one(&bench, batch_options_plain(), "z", "1");
    bench.plan.delete_retention_ms = INT64_MAX;
    assert_int_equal(clean(&bench), 0);
    assert_int_equal(bench.kept[0].header.base_timestamp, INT64_MAX);
    clean_again(&bench);
    assert_string_equal(left(&bench, 0), "a");
    bench_deinit(&bench);
}

/* Only a key that is learned can be superseded: a full map leaves what lies behind as it is. */
void test_clean_filter__leaves_what_the_map_had_no_room_for(void)
{
    struct bench bench;
    bench_init(&bench);
    append(
        &bench, batch_options_plain(), (const char *const[][2]){ { "a", "1" }, { "a", "2" } }, 2);
    append(&bench, batch_options_plain(),
        (const char *const[][2]){ { "b", "1" }, { "b", "2" }, { NULL, "1" } }, 3);
    bench.plan.map_bytes = 24;
    assert_int_equal(clean(&bench), 0);
    assert_string_equal(left(&bench, 0), "A");
    assert_true(is_untouched(&bench, 1));
    bench_deinit(&bench);
}

static void add_aborted(struct bench *bench, struct aborted_entry *aborted)
{
    bench->plan.aborted = aborted;
    bench->plan.aborted_count = 1;
}

/* Aborted data go and supersede nothing; their marker and its entry stay as long as a reader could
 * need them: while there are data, and then until a horizon. */
void test_clean_filter__drops_aborted_data_and_then_their_marker(void)
{
    struct bench bench;
    struct aborted_entry aborted = { 5, 1, 2, 3 };
    bench_init(&bench);
    append_one(&bench, batch_options_plain(), "a", "1");
    append_one(&bench, of_producer(5, 0, true), "a", "2");
    append_marker(&bench, 5, 0);
    append_one(&bench, batch_options_plain(), "z", "1");
    add_aborted(&bench, &aborted);
    assert_int_equal(clean(&bench), 0);
    assert_string_equal(left(&bench, 0), "A");
    assert_string_equal(left(&bench, 1), "-");
    assert_true(is_untouched(&bench, 2));
    assert_memory_equal(&bench.kept[2].aborted, &aborted, sizeof(aborted));

    clean_again(&bench); /* the marker is batch 1 now */
    assert_string_equal(left(&bench, 1), "!");
    assert_int_equal(bench.kept[1].aborted.producer_id, -1);
    assert_true((bench.kept[1].header.attributes & BATCH_DELETE_HORIZON) != 0);
    assert_int_equal(bench.kept[1].header.base_timestamp, NOW + RETENTION);

    bench.plan.wall_ms = NOW + RETENTION;
    clean_again(&bench);
    assert_string_equal(left(&bench, 1), "-");
    bench_deinit(&bench);
}

/* A commit marker stays while one record of its transaction does. */
void test_clean_filter__keeps_a_commit_marker_while_it_has_data(void)
{
    struct bench bench;
    bench_init(&bench);
    append_one(&bench, of_producer(5, 0, true), "a", "1");
    append_marker(&bench, 5, 1);
    append_one(&bench, of_producer(6, 0, true), "b", "1");
    append_marker(&bench, 6, 1);
    append_one(&bench, batch_options_plain(), "a", "2");
    append_one(&bench, batch_options_plain(), "z", "1");
    assert_int_equal(clean(&bench), 0);
    assert_string_equal(left(&bench, 0), "-");
    assert_true(is_untouched(&bench, 1) && is_untouched(&bench, 2) && is_untouched(&bench, 3));
    clean_again(&bench); /* 5's marker, b, 6's marker, a, z */
    assert_true((bench.kept[0].header.attributes & BATCH_DELETE_HORIZON) != 0);
    assert_true(is_untouched(&bench, 2));
    bench.plan.wall_ms = NOW + RETENTION;
    clean_again(&bench);
    assert_string_equal(left(&bench, 0), "-");
    assert_true(is_untouched(&bench, 1) && is_untouched(&bench, 2));
    bench_deinit(&bench);
}

/* When .txnindex does not know of an abort, or knows one that was none, nothing is thrown away. */
void test_clean_filter__refuses_a_marker_that_the_index_contradicts(void)
{
    for (int16_t type = 0; type <= 1; type++) {
        struct bench bench;
        struct aborted_entry aborted = { 5, 0, 1, 2 };
        bench_init(&bench);
        append_one(&bench, of_producer(5, 0, true), "a", "1");
        append_marker(&bench, 5, type);
        if (type == 1)
            add_aborted(&bench, &aborted);
        assert_int_equal(clean(&bench), -EUCLEAN);
        bench_deinit(&bench);
    }
}

/* KAFKA-5490: the batch with a producer's last sequence stays, without records; a producer of which
 * only a marker is known keeps that; the last batch of all stays too. */
void test_clean_filter__keeps_empty_batches_that_say_who_and_how_far(void)
{
    struct clean_producer producers[] = { { 5, 1, 3 }, { 6, -1, 3 } };
    struct bench bench;
    bench_init(&bench);
    append_one(&bench, of_producer(5, 0, false), "a", "1");
    append_one(&bench, of_producer(5, 1, false), "a", "2");
    append_marker(&bench, 6, 1);
    append_one(&bench, batch_options_plain(), "a", "3");
    append_one(&bench, batch_options_plain(), NULL, "1");
    bench.plan.producers = producers;
    bench.plan.producer_count = 2;
    assert_int_equal(clean(&bench), 0);
    assert_string_equal(left(&bench, 0), "-");
    assert_string_equal(left(&bench, 1), "");
    assert_int_equal(bench.kept[1].header.base_sequence, 1);
    assert_int_equal(bench.kept[1].header.base_timestamp, -1);
    assert_int_equal(bench.kept[1].header.max_timestamp, 100);
    assert_int_equal(bench.kept[1].header.size, BATCH_HEADER_SIZE);
    assert_string_equal(left(&bench, 4), "");

    bench.plan.wall_ms = NOW + RETENTION;
    clean_again(&bench);
    assert_true(is_untouched(&bench, 0));
    assert_string_equal(left(&bench, 1), "");
    assert_true(batch_is_control(&bench.kept[1].header));
    clean_again(&bench);
    for (int i = 0; i < bench.count; i++)
        assert_true(is_untouched(&bench, i));
    bench_deinit(&bench);
}

/* A batch that takes too much memory is left alone. */
void test_clean_filter__leaves_a_batch_that_is_too_large(void)
{
    struct bench bench;
    struct batch_options options = batch_options_plain();
    char *large = memory_take(100001);
    memset(large, 'x', 100000);
    bench_init(&bench);
    options.codec = CODEC_ZSTD;
    append_one(&bench, options, "a", large);
    append_one(&bench, batch_options_plain(), "a", "2");
    bench.plan.max_batch_bytes = 99999;
    assert_int_equal(clean(&bench), 0);
    assert_true(is_untouched(&bench, 0));
    bench.plan.max_batch_bytes = 200000;
    assert_int_equal(clean(&bench), 0);
    assert_string_equal(left(&bench, 0), "-");
    memory_give(large);
    bench_deinit(&bench);
}

/* An older value of the key may stand in a batch that is left: without the tombstone it would count again. One that stands before
 * that batch goes, and so does the other as soon as the batch is small enough. */
void test_clean_filter__keeps_tombstones_behind_a_batch_that_is_too_large(void)
{
    struct bench bench;
    struct batch_options options = batch_options_plain();
    char *large = memory_take(100001);
    memset(large, 'x', 100000);
    large[100000] = 0;
    bench_init(&bench);
    options.codec = CODEC_ZSTD;
    append_one(&bench, batch_options_plain(), "b", NULL);
    append_one(&bench, options, "a", large);
    append_one(&bench, batch_options_plain(), "a", NULL);
    append_one(&bench, batch_options_plain(), "z", "1");
    bench.plan.max_batch_bytes = 99999;
    assert_int_equal(clean(&bench), 0);
    bench.plan.wall_ms = NOW + RETENTION;
    clean_again(&bench);
    assert_string_equal(left(&bench, 0), "-");
    assert_true(is_untouched(&bench, 1));
    assert_string_equal(left(&bench, 2), "a");
    bench.plan.max_batch_bytes = 200000;
    clean_again(&bench);
    assert_string_equal(left(&bench, 0), "-");
    assert_string_equal(left(&bench, 1), "-");
    assert_string_equal(left(&bench, 2), "Z");
    memory_give(large);
    bench_deinit(&bench);
}

/* Offsets that no batch can have are damage before anything is reckoned with them. */
void test_clean_filter__refuses_impossible_offsets(void)
{
    static const struct {
        int64_t base_offset;
        int32_t last_offset_delta;
    } cases[] = { { INT64_MIN, 0 }, { -1, 0 }, { INT64_MAX, 0 }, { INT64_MAX - 4, INT32_MAX },
        { 0, -1 }, { 0, INT32_MIN } };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bench bench;
        struct batch_header header;
        bench_init(&bench);
        append_one(&bench, batch_options_plain(), "a", "1");
        struct bytes batch = { bench.batches[0]->data, bench.batches[0]->size };
        batch_parse(batch, &header);
        header.base_offset = cases[i].base_offset;
        header.last_offset_delta = cases[i].last_offset_delta;
        batch_write_header(bench.batches[0]->data, &header);
        batch_renew_crc(bench.batches[0]->data, &header);
        bench.plan.first_dirty = i % 2;
        assert_int_equal(clean(&bench), -EUCLEAN);
        bench_deinit(&bench);
    }
}

/* Bytes bent anywhere, with the CRC made right, are refused or give good batches again, in order;
 * with the CRC as it was they are refused. */
void test_clean_filter__survives_bent_batches(void)
{
    struct prng prng;
    prng_init(&prng, 11);
    for (int round = 0; round < 3000; round++) {
        struct bench bench;
        struct batch_header header;
        struct batch_options options = of_producer(5, 0, prng_chance(&prng, 500000));
        bool is_crc_right = !prng_chance(&prng, 100000);
        bench_init(&bench);
        options.codec = (enum codec)prng_below(&prng, CODEC_COUNT);
        append(&bench, options,
            (const char *const[][2]){ { "a", "1" }, { "b", NULL }, { "c", "1" } }, 3);
        append(&bench, batch_options_plain(),
            (const char *const[][2]){ { "a", "2" }, { "d", "1" } }, 2);
        append_marker(&bench, 5, (int16_t)prng_below(&prng, 2));
        struct buffer *bent = bench.batches[prng_below(&prng, 3)];
        for (uint64_t left = 1 + prng_below(&prng, 3); left > 0; left--) {
            uint64_t at = BATCH_AT_ATTRIBUTES + prng_below(&prng, bent->size - BATCH_AT_ATTRIBUTES);
            bent->data[at] = (uint8_t)(bent->data[at] + 1 + prng_below(&prng, 255));
        }
        assert_int_equal(batch_parse((struct bytes){ bent->data, bent->size }, &header), BATCH_OK);
        if (is_crc_right)
            batch_renew_crc(bent->data, &header);
        int status = clean(&bench);
        assert_true(status == -EUCLEAN || (status == 0 && is_crc_right));
        int64_t next = 0;
        for (int i = 0; i < bench.count && status == 0; i++) {
            if (bench.out[i]->size == 0)
                continue;
            assert_int_equal(
                batch_parse((struct bytes){ bench.out[i]->data, bench.out[i]->size }, &header),
                BATCH_OK);
            assert_true(batch_crc_is_right(bench.out[i]->data, &header));
            assert_true(header.base_offset >= next && header.last_offset_delta >= 0);
            next = batch_next_offset(&header);
        }
        bench_deinit(&bench);
    }
}
