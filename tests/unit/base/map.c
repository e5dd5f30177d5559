/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include "test.h"

/* The same key and bytes give the same hash; another key, or other bytes, another one. */
void test_map__hash_depends_on_key_and_bytes(void)
{
    uint8_t input[15];
    for (uint8_t i = 0; i < sizeof(input); i++)
        input[i] = i;
    map_set_key(0x0706050403020100u, 0x0f0e0d0c0b0a0908u);
    unsigned first = map_hash(input, sizeof(input));
    assert_int_equal(first, map_hash(input, sizeof(input)));
    map_set_key(1, 2);
    assert_int_not_equal(first, map_hash(input, sizeof(input)));
    assert_int_not_equal(map_hash(input, 14), map_hash(input, 15));
}

struct entry {
    int number;
    UT_hash_handle hh;
};

static struct entry *find(struct entry *map, int number)
{
    struct entry *found;
    HASH_FIND(hh, map, &number, sizeof(number), found);
    return found;
}

/* Of entries that stand in the wrong bucket nobody would find one, so each is looked for. */
static void check(struct entry *map, const struct entry *entries, int from, int to, int step)
{
    const struct entry *at = map;
    for (int i = from; i < to; i += step) {
        assert_ptr_equal(find(map, i), &entries[i]);
        assert_ptr_equal(at, &entries[i]); /* in order of insertion */
        at = at->hh.next;
    }
    assert_null(at);
}

static unsigned longest_chain(const struct entry *map)
{
    unsigned longest = 0;
    for (unsigned i = 0; i < map->hh.tbl->num_buckets; i++)
        if (map->hh.tbl->buckets[i].count > longest)
            longest = map->hh.tbl->buckets[i].count;
    return longest;
}

/* However large a map is, an insertion splits one bucket at most, and buckets stay short; entries are found before and
 * after, and in their order, and what goes is gone. */
void test_map__grows_by_one_bucket_an_insertion(void)
{
    enum { COUNT = 200000 };
    struct entry *entries = memory_take(COUNT * sizeof(*entries)), *map = NULL;
    for (int i = 0; i < COUNT; i++) {
        unsigned before = map == NULL ? HASH_INITIAL_NUM_BUCKETS : map->hh.tbl->num_buckets;
        entries[i].number = i;
        HASH_ADD(hh, map, number, sizeof(entries[i].number), &entries[i]);
        assert_true(map->hh.tbl->num_buckets - before <= 1);
        if (i < 40)
            check(map, entries, 0, i + 1, 1);
    }
    assert_int_equal(HASH_COUNT(map), COUNT);
    assert_true(map->hh.tbl->num_buckets > COUNT / 5);
    assert_true(longest_chain(map) < 20);
    check(map, entries, 0, COUNT, 1);
    for (int i = 0; i < COUNT; i += 2)
        HASH_DEL(map, &entries[i]);
    assert_null(find(map, 0));
    check(map, entries, 1, COUNT, 2);
    for (int i = 1; i < COUNT; i += 2)
        HASH_DEL(map, &entries[i]);
    assert_null(map);
    memory_give(entries);
}
