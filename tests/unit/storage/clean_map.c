/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/clean_map.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/prng.h"
#include "test.h"

static const uint64_t secret[2] = { 1, 2 };

static struct bytes key_of(uint64_t number, char *text)
{
    int size = snprintf(text, 32, "key-%llu", (unsigned long long)number);
    return (struct bytes){ (const uint8_t *)text, (size_t)size };
}

/* Whatever is put in whatever order, each key's newest offset is found, and no other key's. */
void test_clean_map__finds_the_newest_offset_of_each_key(void)
{
    enum { KEYS = 3000 };
    static int64_t newest[KEYS];
    struct prng prng;
    char text[32];
    prng_init(&prng, 1);
    memset(newest, 0xff, sizeof(newest));
    struct clean_map *map = clean_map_create(24 * KEYS * 10 / 9 + 48, 0.9, INT64_MAX, secret);
    for (int64_t offset = 0; offset < 20000; offset++) {
        uint64_t key = prng_below(&prng, KEYS);
        assert_true(clean_map_put(map, clean_map_key(map, key_of(key, text)), offset));
        newest[key] = offset;
    }
    int64_t count = 0;
    for (uint64_t key = 0; key < KEYS; key++) {
        assert_int_equal(clean_map_find(map, clean_map_key(map, key_of(key, text))), newest[key]);
        count += newest[key] >= 0;
    }
    assert_int_equal(clean_map_count(map), count);
    assert_int_equal(clean_map_find(map, clean_map_key(map, key_of(KEYS, text))), -1);
    clean_map_destroy(map);
}

/* A full map refuses new keys, and goes on with those it has. */
void test_clean_map__refuses_a_new_key_when_it_is_full(void)
{
    char text[32];
    struct clean_map *map = clean_map_create(24 * 100, 0.5, INT64_MAX, secret);
    for (uint64_t key = 0; key < 50; key++)
        assert_true(clean_map_put(map, clean_map_key(map, key_of(key, text)), (int64_t)key));
    assert_false(clean_map_put(map, clean_map_key(map, key_of(50, text)), 50));
    assert_int_equal(clean_map_find(map, clean_map_key(map, key_of(50, text))), -1);
    assert_true(clean_map_put(map, clean_map_key(map, key_of(7, text)), 51));
    assert_int_equal(clean_map_find(map, clean_map_key(map, key_of(7, text))), 51);
    clean_map_destroy(map);
}

/* However little memory it is given, one key fits, so that a cleaning gets on; and it takes no more
 * than the keys it may meet. */
void test_clean_map__holds_one_key_at_the_least(void)
{
    char text[32];
    for (int64_t bytes = 0; bytes < 100; bytes++) {
        struct clean_map *map = clean_map_create(bytes, 0.9, bytes % 2, secret);
        assert_true(clean_map_put(map, clean_map_key(map, key_of(1, text)), 0));
        assert_int_equal(clean_map_find(map, clean_map_key(map, key_of(1, text))), 0);
        assert_int_equal(clean_map_find(map, clean_map_key(map, key_of(2, text))), -1);
        clean_map_destroy(map);
    }
    struct clean_map *map = clean_map_create(INT64_MAX, 1.0, 10, secret);
    for (uint64_t key = 0; key < 10; key++)
        assert_true(clean_map_put(map, clean_map_key(map, key_of(key, text)), (int64_t)key));
    assert_false(clean_map_put(map, clean_map_key(map, key_of(10, text)), 10));
    clean_map_destroy(map);
}

/* Any number may be set for the load: one that is none, or none at all, still lets a cleaning get on, in the memory given. */
void test_clean_map__takes_any_load_factor(void)
{
    const double loads[] = { 0, -1, NAN, -INFINITY, 1e-300, INFINITY };
    char text[32];
    for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++) {
        struct clean_map *map = clean_map_create(24 * 1000, loads[i], INT64_MAX, secret);
        int64_t count = 0;
        while (clean_map_put(map, clean_map_key(map, key_of((uint64_t)count, text)), count))
            count++;
        assert_in_range(count, 10, 990);
        clean_map_destroy(map);
    }
}

/* Keys of every length are told apart, also where one begins like the other or ends with zeros. */
void test_clean_map__tells_keys_of_any_length_apart(void)
{
    static const uint8_t zeros[64];
    struct clean_map *map = clean_map_create(24 * 200, 0.9, INT64_MAX, secret);
    for (size_t size = 0; size <= sizeof(zeros); size++)
        assert_true(
            clean_map_put(map, clean_map_key(map, (struct bytes){ zeros, size }), (int64_t)size));
    assert_int_equal(clean_map_count(map), sizeof(zeros) + 1);
    for (size_t size = 0; size <= sizeof(zeros); size++)
        assert_int_equal(
            clean_map_find(map, clean_map_key(map, (struct bytes){ zeros, size })), size);
    clean_map_destroy(map);
}
