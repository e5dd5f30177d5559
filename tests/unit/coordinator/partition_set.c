/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/partition_set.h"

#include "base/arena.h"
#include "base/bytes.h"
#include "test.h"

static struct arena arena;

static struct uuid id_of(int32_t number)
{
    struct uuid id = { { 0 } };
    store_u32(&id.bytes[4], (uint32_t)number);
    return id;
}

/* Topics from, from + by, ... below 100, each with the partitions 5, 3 and 4, at the given epoch. */
static struct partition_set set_of(int32_t from, int32_t by, int32_t epoch)
{
    struct partition_set set = partition_set_take(&arena, 100);
    for (int32_t i = 0; i < 100; i++) {
        int32_t number = i * 37 % 100; /* in no order */
        if (number < from || (number - from) % by != 0)
            continue;
        struct partition_set_topic *topic =
            partition_set_add_topic(&set, &arena, id_of(number), 3);
        partition_set_add(topic, 5, epoch);
        partition_set_add(topic, 3, epoch);
        partition_set_add(topic, 4, epoch);
    }
    partition_set_sort(&set);
    return set;
}

void test_partition_set__is_in_order_however_it_was_filled(void)
{
    arena_init(&arena);
    struct partition_set all = set_of(0, 1, 7), third = set_of(2, 3, 7);
    assert_int_equal(third.topic_count, 33);
    for (int32_t i = 0; i < 33; i++) {
        assert_true(uuid_equal(third.topics[i].id, id_of(2 + 3 * i)));
        for (int32_t k = 0; k < 3; k++)
            assert_int_equal(third.topics[i].partitions[k], 3 + k);
    }
    for (int32_t i = 0; i < 100; i++) {
        const struct partition_set_topic *topic = partition_set_topic(&third, id_of(i));
        assert_true(uuid_equal(partition_set_topic(&all, id_of(i))->id, id_of(i)));
        assert_int_equal(topic != NULL, i % 3 == 2);
        assert_int_equal(partition_set_has(&third, id_of(i), 4), i % 3 == 2);
        assert_false(partition_set_has(&all, id_of(i), 6));
    }
    assert_null(partition_set_topic(&(struct partition_set){ 0 }, id_of(1)));
    arena_deinit(&arena);
}

void test_partition_set__sets_of_the_same_are_equal(void)
{
    arena_init(&arena);
    struct partition_set one = set_of(0, 2, 7), other = set_of(0, 2, 8), less = set_of(2, 2, 7);
    struct partition_set odd = set_of(1, 2, 7), owned = partition_set_own(&one);
    assert_true(partition_set_equal(&one, &owned, true));
    assert_true(partition_set_equal(&one, &other, false));
    assert_false(partition_set_equal(&one, &other, true));
    assert_false(partition_set_equal(&one, &less, false));
    assert_false(partition_set_equal(&one, &odd, false));
    partition_set_give(&owned);
    assert_true(partition_set_is_empty(&owned));
    arena_deinit(&arena);
}

void test_partition_set__a_union_has_what_is_in_one_of_them(void)
{
    arena_init(&arena);
    struct partition_set even = set_of(0, 2, 7), odd = set_of(1, 2, 8), none = { 0 };
    struct partition_set all = partition_set_union(&even, &odd, &arena);
    struct partition_set expected = set_of(0, 1, 7);
    assert_true(partition_set_equal(&all, &expected, false));
    assert_int_equal(*partition_set_epoch(partition_set_topic(&all, id_of(3)), 4), 8);
    all = partition_set_union(&none, &even, &arena);
    assert_true(partition_set_equal(&all, &even, true));
    struct partition_set more = partition_set_take(&arena, 1);
    struct partition_set_topic *topic = partition_set_add_topic(&more, &arena, id_of(6), 2);
    partition_set_add(topic, 1, 9);
    partition_set_add(topic, 6, 9);
    all = partition_set_union(&even, &more, &arena);
    assert_int_equal(all.topic_count, even.topic_count);
    static const int32_t partitions[] = { 1, 3, 4, 5, 6 }, epochs[] = { 9, 7, 7, 7, 9 };
    const struct partition_set_topic *both = partition_set_topic(&all, id_of(6));
    assert_int_equal(both->count, 5);
    assert_memory_equal(both->partitions, partitions, sizeof(partitions));
    assert_memory_equal(both->epochs, epochs, sizeof(epochs));
    arena_deinit(&arena);
}
