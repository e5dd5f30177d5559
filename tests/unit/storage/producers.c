/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/producers.h"

#include "base/memory.h"
#include "test.h"

static struct batch_header batch(
    int64_t id, int16_t epoch, int32_t sequence, int32_t count, int64_t offset)
{
    return (struct batch_header){ .base_offset = offset,
        .producer_id = id,
        .producer_epoch = epoch,
        .base_sequence = sequence,
        .last_offset_delta = count - 1,
        .record_count = count,
        .max_timestamp = 1000 + offset };
}

static enum producer_verdict check(const struct producers *producers, struct batch_header header)
{
    const struct producer_batch *original;
    return producers_check(producers, &header, &original);
}

static struct producer take(struct producers *producers, struct batch_header header)
{
    struct producer before;
    producers_take(producers, &header, NULL, &before);
    return before;
}

/* Five batches are remembered; a gap, an old epoch, a new epoch that does not begin at 0 are told
 * apart. */
void test_producers__keep_a_window_of_five(void)
{
    struct producers producers = { 0 };
    for (int i = 0; i < 7; i++) {
        assert_int_equal(check(&producers, batch(9, 3, i * 2, 2, i * 2)), PRODUCER_NEW);
        take(&producers, batch(9, 3, i * 2, 2, i * 2));
    }
    for (int i = 2; i < 7; i++)
        assert_int_equal(check(&producers, batch(9, 3, i * 2, 2, 99)), PRODUCER_DUPLICATE);
    assert_int_equal(check(&producers, batch(9, 3, 2, 2, 99)), PRODUCER_OUT_OF_ORDER);
    assert_int_equal(
        check(&producers, batch(9, 3, 12, 1, 99)), PRODUCER_OUT_OF_ORDER); /* not the same batch */
    assert_int_equal(check(&producers, batch(9, 3, 15, 1, 99)), PRODUCER_OUT_OF_ORDER);
    assert_int_equal(check(&producers, batch(9, 2, 14, 1, 99)), PRODUCER_FENCED);
    assert_int_equal(check(&producers, batch(9, 4, 14, 1, 99)), PRODUCER_OUT_OF_ORDER);
    assert_int_equal(check(&producers, batch(9, 4, 0, 1, 99)), PRODUCER_NEW);
    producers_deinit(&producers);
}

/* One flipped bit of a plain batch's id, -1, makes it the largest there is. */
void test_producers__a_batch_without_an_epoch_is_no_producers(void)
{
    struct producers producers = { 0 };
    take(&producers, batch(INT64_MAX, -1, -1, 2, 0));
    assert_int_equal(producers.count, 0);
    take(&producers, batch(INT64_MAX, 0, 0, 2, 2));
    assert_int_equal(producers.count, 1);
    producers_deinit(&producers);
}

/* Sequences wrap from the largest int to 0. */
void test_producers__let_sequences_wrap(void)
{
    struct producers producers = { 0 };
    take(&producers, batch(1, 0, INT32_MAX - 1, 4, 0)); /* MAX-1, MAX, 0, 1 */
    assert_int_equal(check(&producers, batch(1, 0, 2, 1, 4)), PRODUCER_NEW);
    assert_int_equal(check(&producers, batch(1, 0, INT32_MAX - 1, 4, 4)), PRODUCER_DUPLICATE);
    size_t size;
    uint8_t *data = producers_print(&producers, &size);
    assert_true(producers_load(&producers, (struct bytes){ data, size }));
    assert_int_equal(check(&producers, batch(1, 0, INT32_MAX - 1, 4, 4)), PRODUCER_DUPLICATE);
    memory_give(data);
    producers_deinit(&producers);
}

/* A failed write leaves everything as it was before, in any order of producers. */
void test_producers__take_back_what_was_not_written(void)
{
    struct producers producers = { 0 };
    take(&producers, batch(5, 0, 0, 1, 0));
    struct producer known = take(&producers, batch(5, 0, 1, 1, 1));
    struct producer unknown = take(&producers, batch(3, 0, 0, 1, 2));
    producers_restore(&producers, &unknown, 3);
    producers_restore(&producers, &known, 5);
    assert_null(producers_find(&producers, 3));
    assert_int_equal(check(&producers, batch(5, 0, 1, 1, 1)), PRODUCER_NEW);
    assert_int_equal(producers.count, 1);
    producers_deinit(&producers);
}

/* Of a producer that is not known, and whose first batch was refused, that batch comes next, not one
 * that was sent behind it; or the first of another epoch. */
void test_producers__begin_again_with_the_batch_that_was_refused(void)
{
    struct producers producers = { 0 };
    assert_int_equal(check(&producers, batch(3, 1, 40, 2, 0)), PRODUCER_NEW);
    struct producer first = take(&producers, batch(3, 1, 40, 2, 0));
    struct producer second = take(&producers, batch(3, 1, 42, 2, 2));
    producers_restore(&producers, &second, 3);
    producers_restore(&producers, &first, 3);
    assert_null(producers_find(&producers, 3));
    assert_int_equal(check(&producers, batch(3, 1, 42, 2, 0)), PRODUCER_OUT_OF_ORDER);
    assert_int_equal(check(&producers, batch(3, 2, 42, 2, 0)), PRODUCER_OUT_OF_ORDER);
    assert_int_equal(check(&producers, batch(3, 2, 0, 2, 0)), PRODUCER_NEW);
    assert_int_equal(check(&producers, batch(4, 1, 42, 2, 0)), PRODUCER_NEW);
    assert_int_equal(check(&producers, batch(3, 1, 40, 2, 0)), PRODUCER_NEW);
    take(&producers, batch(3, 1, 40, 2, 0));
    assert_int_equal(check(&producers, batch(3, 1, 42, 2, 2)), PRODUCER_NEW);
    assert_int_equal(producers.refused_count, 0);
    producers_deinit(&producers);
}

/* Refused ones cost memory and no disk, so their number has an end: the oldest are forgotten. */
void test_producers__remember_so_many_that_were_refused(void)
{
    struct producers producers = { 0 };
    for (int id = 0; id <= REFUSED_STARTS; id++) {
        struct producer before = take(&producers, batch(id, 0, 0, 1, 0));
        producers_restore(&producers, &before, id);
    }
    assert_int_equal(producers.refused_count, REFUSED_STARTS);
    assert_int_equal(check(&producers, batch(0, 0, 1, 1, 0)), PRODUCER_NEW);
    assert_int_equal(check(&producers, batch(1, 0, 1, 1, 0)), PRODUCER_OUT_OF_ORDER);
    assert_int_equal(check(&producers, batch(REFUSED_STARTS, 0, 1, 1, 0)), PRODUCER_OUT_OF_ORDER);
    producers_deinit(&producers);
}

/* Silent ones go, unless a transaction of theirs is open, whatever the times of their batches say; damaged snapshots are refused. */
void test_producers__expire_and_refuse_damage(void)
{
    struct producers producers = { 0 };
    struct batch_header open = batch(1, 0, 0, 1, 0);
    open.attributes = BATCH_TRANSACTIONAL;
    take(&producers, open);
    take(&producers, batch(2, 0, 0, 1, 1));
    take(&producers, batch(4, 0, 0, 1, 900));
    producers_expire(&producers, 5000, 1000);
    assert_int_equal(producers.count, 3);
    take(&producers, batch(4, 0, 1, 1, 901));
    producers_expire(&producers, 5999, 1000);
    assert_int_equal(producers.count, 3);
    producers_expire(&producers, 6000, 1000);
    assert_non_null(producers_find(&producers, 1));
    assert_null(producers_find(&producers, 2));
    assert_non_null(producers_find(&producers, 4));
    assert_int_equal(producers_first_open(&producers), 0);
    size_t size;
    uint8_t *data = producers_print(&producers, &size);
    struct producers other = { 0 };
    for (size_t i = 0; i < size; i++) {
        data[i] ^= 0x10;
        assert_false(producers_load(&other, (struct bytes){ data, size }));
        assert_int_equal(other.count, 0);
        data[i] ^= 0x10;
        assert_false(producers_load(&other, (struct bytes){ data, i }));
    }
    assert_true(producers_load(&other, (struct bytes){ data, size }));
    assert_int_equal(other.count, 2);
    assert_int_equal(producers_first_open(&other), 0);
    memory_give(data);
    producers_deinit(&producers);
    producers_deinit(&other);
}
