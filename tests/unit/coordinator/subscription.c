/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/subscription.h"

#include <string.h>

#include "base/arena.h"
#include "base/memory.h"
#include "base/prng.h"
#include "test.h"

/* What a client writes in version 3; earlier versions end earlier. */
static const uint8_t subscribed[] = {
    0, 3,                                  /* version */
    0, 0, 0, 2, 0, 1, 'a', 0, 2, 'b', 'c', /* topics */
    0, 0, 0, 1, 7,                         /* user data */
    0, 0, 0, 1, 0, 1, 'a',                 /* owned partitions: of a, */
    0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 9,    /* 5 and 9 */
    0, 0, 0, 42,                           /* generation */
    0, 2, 'r', '1',                        /* rack */
};
static const size_t sizes[] = { 18, 37, 41, sizeof(subscribed) };

static const uint8_t assigned[] = {
    0, 1,                                           /* version */
    0, 0, 0, 1, 0, 1, 'a',                          /* partitions of a: */
    0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1, /* 0, 2 and 1 */
    255, 255, 255, 255,                             /* user data: null */
};

static bool parse(struct arena *arena, int16_t version, const void *body, size_t size,
    struct consumer_protocol_subscription_record *out, int16_t *out_version)
{
    uint8_t *blob = arena_take(arena, sizeof(version) + size);
    store_i16(blob, version);
    memcpy(blob + sizeof(version), body, size);
    return subscription_parse(
        (struct bytes){ blob, sizeof(version) + size }, arena, out, out_version);
}

/* Each version has what the one before has, and one thing more; what it lacks is at its default. A
 * version above the highest known is read as that, whatever follows. */
void test_subscription__reads_every_version(void)
{
    struct consumer_protocol_subscription_record record;
    struct arena arena;
    arena_init(&arena);
    for (int16_t version = 0; version <= 9; version++) {
        int16_t known = version < 3 ? version : 3, read_as = -1;
        uint8_t body[sizeof(subscribed) + 5] = { 0 };
        size_t size = sizes[known] - 2;
        memcpy(body, subscribed + 2, size);
        assert_true(parse(&arena, version, body, version > 3 ? size + 5 : size, &record, &read_as));
        assert_int_equal(read_as, known);
        assert_int_equal(record.topics_count, 2);
        assert_true(str_is(record.topics[0], "a") && str_is(record.topics[1], "bc"));
        assert_int_equal(record.user_data.size, 1);
        assert_int_equal(record.owned_partitions_count, known >= 1);
        if (known >= 1) {
            assert_true(str_is(record.owned_partitions[0].topic, "a"));
            assert_int_equal(record.owned_partitions[0].partitions_count, 2);
            assert_int_equal(record.owned_partitions[0].partitions[1], 9);
        }
        assert_int_equal(record.generation_id, known >= 2 ? 42 : -1);
        assert_true(known >= 3 ? str_is(record.rack_id, "r1") : str_is_null(record.rack_id));
    }
    arena_deinit(&arena);
}

/* Cut off anywhere, it is none; nor with a negative version, or with null where a list must be. */
void test_subscription__refuses_what_does_not_parse(void)
{
    static const uint8_t no_topics[] = { 255, 255, 255, 255, 255, 255, 255, 255 };
    static const uint8_t huge[] = { 127, 255, 255, 255, 255, 255, 255, 255 };
    struct consumer_protocol_subscription_record record;
    struct arena arena;
    arena_init(&arena);
    assert_false(subscription_parse((struct bytes){ NULL, 0 }, &arena, &record, NULL));
    for (int16_t version = 0; version < 4; version++)
        for (size_t size = 0; size + 2 <= sizes[version]; size++) {
            uint8_t *body = memory_take(size); /* its own, so that reading beyond it is seen */
            memcpy(body, subscribed + 2, size);
            assert_true(
                parse(&arena, version, body, size, &record, NULL) == (size + 2 == sizes[version]));
            memory_give(body);
        }
    assert_false(parse(&arena, -1, subscribed + 2, sizeof(subscribed) - 2, &record, NULL));
    assert_false(parse(&arena, INT16_MIN, subscribed + 2, sizeof(subscribed) - 2, &record, NULL));
    assert_false(parse(&arena, 0, no_topics, sizeof(no_topics), &record, NULL));
    assert_false(parse(&arena, 0, huge, sizeof(huge), &record, NULL));
    arena_deinit(&arena);
}

/* Any bytes are a blob or none, and take memory in proportion. */
void test_subscription__stands_random_bytes(void)
{
    struct consumer_protocol_subscription_record record;
    struct consumer_protocol_assignment_record assignment;
    struct arena arena;
    struct prng prng;
    int parsed = 0;
    arena_init(&arena);
    prng_init(&prng, 1);
    for (int i = 0; i < 20000; i++) {
        uint8_t blob[sizeof(subscribed)];
        memcpy(blob, subscribed, sizeof(blob));
        for (uint64_t changes = prng_below(&prng, 4); changes > 0; changes--)
            blob[prng_below(&prng, sizeof(blob))] = (uint8_t)prng_next(&prng);
        struct bytes input = { blob, prng_below(&prng, sizeof(blob) + 1) };
        parsed += subscription_parse(input, &arena, &record, NULL);
        parsed += subscription_parse_assignment(input, &arena, &assignment);
        assert_true(arena.taken < 4096);
        arena_reset(&arena);
    }
    assert_in_range(parsed, 100, 30000);
    arena_deinit(&arena);
}

/* An assignment is written as clients write it, and what is written is read. */
void test_subscription__writes_assignments(void)
{
    int32_t partitions[3] = { 0, 2, 1 };
    struct consumer_protocol_assignment_record_topic_partition topic = {
        .topic = STR("a"), .partitions = partitions, .partitions_count = 3
    };
    struct consumer_protocol_assignment_record record = { .assigned_partitions = &topic,
        .assigned_partitions_count = 1 };
    struct arena arena;
    arena_init(&arena);
    for (int16_t version = 0; version < 4; version++) {
        struct bytes blob = subscription_encode_assignment(version, &record, &arena);
        struct consumer_protocol_assignment_record read;
        assert_int_equal(blob.size, sizeof(assigned));
        assert_int_equal(load_i16(blob.data), version);
        assert_memory_equal(blob.data + 2, assigned + 2, sizeof(assigned) - 2);
        assert_true(subscription_parse_assignment(blob, &arena, &read));
        assert_int_equal(read.assigned_partitions_count, 1);
        assert_true(str_is(read.assigned_partitions[0].topic, "a"));
        assert_int_equal(read.assigned_partitions[0].partitions_count, 3);
        assert_memory_equal(read.assigned_partitions[0].partitions, partitions, sizeof(partitions));
        assert_null(read.user_data.data);
        for (size_t size = 0; size < blob.size; size++)
            assert_false(
                subscription_parse_assignment((struct bytes){ blob.data, size }, &arena, &read));
    }
    arena_deinit(&arena);
}
