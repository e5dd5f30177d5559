/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/assign.h"

#include "crowd.h"

struct wish {
    const char *id, *instance_id;
    unsigned topics;
    const char *expected;
};

struct example {
    int32_t partition_counts[3];
    struct wish wishes[4]; /* up to one without id */
};

/* What Apache Kafka 4.4.0 answers. */
static const struct example examples[] = {
    { { 3, 0, 0 }, { { "a", NULL, 0, "" } } },
    { { 3, 0, 2 }, { { "a", NULL, 5, "0:0,1 2:0" }, { "b", NULL, 5, "0:2 2:1" } } },
    { { 3, 3, 2 }, { { "a", NULL, 3, "0:0,1,2 1:0,1" }, { "b", NULL, 4, "2:0" },
                       { "c", NULL, 6, "1:2 2:1" } } },
    { { 3, 0, 2 },
        { { "a", NULL, 5, "0:0 2:0" }, { "b", NULL, 5, "0:1 2:1" }, { "c", NULL, 5, "0:2" } } },
    { { 2, 2, 0 },
        { { "a", NULL, 3, "0:0 1:0" }, { "b", NULL, 3, "0:1 1:1" }, { "c", NULL, 3, "" } } },
    { { 4, 4, 0 }, { { "a", NULL, 3, "0:0,1 1:0,1" }, { "b", NULL, 3, "0:2,3 1:2,3" } } },
    { { 3, 3, 0 },
        { { "a", NULL, 3, "0:0 1:0" }, { "b", NULL, 3, "0:1 1:1" }, { "c", NULL, 3, "0:2 1:2" } } },
    { { 4, 3, 0 },
        { { "a", NULL, 3, "0:0,1 1:0,1" }, { "b", NULL, 3, "0:2 1:2" }, { "c", NULL, 1, "0:3" } } },
    { { 3, 3, 0 }, { { "b", NULL, 3, "0:0,1,2 1:0,1,2" } } },
    { { 3, 3, 2 }, { { "a", NULL, 1, "0:0,1" }, { "b", NULL, 7, "0:2 1:0,1 2:0,1" },
                       { "c", NULL, 2, "1:2" } } },
    /* Static members, and then the others; the order of the input does not matter. */
    { { 3, 0, 0 }, { { "z", "i1", 1, "0:0,1" }, { "a", "i2", 1, "0:2" } } },
    { { 5, 0, 0 },
        { { "b", NULL, 1, "0:4" }, { "a", "i-a", 1, "0:0,1" }, { "c", "i-c", 1, "0:2,3" } } },
    { { 3, 0, 0 }, { { "ab", NULL, 1, "0:1" }, { "b", NULL, 1, "0:2" }, { "a", NULL, 1, "0:0" } } },
    { { 3, 0, 0 }, { { "\xef\xbf\xbd", NULL, 1, "0:2" }, { "\xf0\x9f\x98\x80", NULL, 1, "0:1" },
                       { "\xc3\xa9", NULL, 1, "0:0" } } },
};

void test_assign_range__answers_as_kafka_does(void)
{
    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        struct crowd crowd;
        crowd_init(&crowd, 1);
        crowd.topic_count = 3;
        memcpy(crowd.partition_counts, examples[i].partition_counts,
            sizeof(examples[i].partition_counts));
        for (const struct wish *wish = examples[i].wishes; wish->id != NULL; wish++)
            crowd_add(&crowd, wish->id, wish->topics)->instance_id = str_from(wish->instance_id);
        crowd_assign(&crowd, "range");
        for (int32_t m = 0; m < crowd.member_count; m++)
            assert_string_equal(
                share_print(&crowd, crowd.members[m].owned), examples[i].wishes[m].expected);
        crowd_deinit(&crowd);
    }
}

/* A static member that comes back under another id gets what it had. */
void test_assign_range__knows_a_static_member_again(void)
{
    struct crowd crowd;
    crowd_init(&crowd, 1);
    crowd.topic_count = 1;
    crowd.partition_counts[0] = 5;
    crowd_add(&crowd, "a", 1)->instance_id = STR("i-a");
    crowd_add(&crowd, "b", 1);
    crowd_add(&crowd, "c", 1)->instance_id = STR("i-c");
    struct owners before = crowd_assign(&crowd, "range");
    crowd.members[0].id = STR("z");
    struct owners after = crowd_assign(&crowd, "range");
    assert_memory_equal(&before, &after, sizeof(before));
    crowd_deinit(&crowd);
}

/* Whoever subscribes: the subscribers of a topic differ by one at most and have runs in one order,
 * and two topics of the same size with the same subscribers are shared out alike. */
void test_assign_range__gives_runs_and_partitions_alike(void)
{
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct crowd crowd;
        crowd_init(&crowd, seed);
        crowd.topic_count = 6;
        for (int32_t topic = 0; topic < 6; topic += 2)
            crowd.partition_counts[topic] = crowd.partition_counts[topic + 1] =
                crowd_draw(&crowd, 0, 40);
        int32_t count = crowd_draw(&crowd, 1, 12);
        for (int32_t m = 0; m < count; m++) {
            unsigned pairs = (unsigned)crowd_draw(&crowd, 0, 7);
            crowd_add(
                &crowd, NULL, (pairs & 1 ? 3u : 0) | (pairs & 2 ? 12u : 0) | (pairs & 4 ? 48u : 0));
        }
        struct owners owners = crowd_assign(&crowd, "range");
        for (int32_t topic = 0; topic < 6; topic++) {
            int32_t runs = 0, subscribers = 0, *of = owners.of[topic];
            for (int32_t m = 0; m < count; m++)
                subscribers += crowd_subscribes(&crowd.members[m], topic);
            for (int32_t p = 0; subscribers > 0 && p < crowd.partition_counts[topic]; runs++) {
                int32_t size = 1;
                while (of[p + size] == of[p])
                    size++;
                assert_int_equal(size, crowd.partition_counts[topic] / subscribers +
                                           (runs < crowd.partition_counts[topic] % subscribers));
                p += size;
            }
            if (topic % 2 == 1)
                assert_memory_equal(owners.of[topic - 1], of, sizeof(owners.of[topic]));
        }
        crowd_deinit(&crowd);
    }
}
