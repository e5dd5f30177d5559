/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster.h"
#include "wire/gen/create_partitions.h"

static struct create_partitions_response grow(struct cluster *cluster,
    struct create_partitions_topic *topics, int32_t count, bool validate_only)
{
    struct create_partitions_request request = {
        .topics = topics, .topics_count = count, .timeout_ms = 1000, .validate_only = validate_only
    };
    struct create_partitions_response response;
    cluster_decide(cluster, CONTROLLER_CREATE_PARTITIONS, &request,
        &create_partitions_response_schema, &response);
    return response;
}

static void begin(struct cluster *cluster)
{
    cluster_init(cluster);
    cluster_add_broker(cluster, 1, false);
    cluster_add_broker(cluster, 2, false);
    cluster_add_broker(cluster, 3, true);
    cluster_add_partition(cluster, "pairs", (int32_t[]){ 1, 2 }, 2);
}

/* New partitions have as many replicas as the first one has, and a topic that is there keeps its
 * own. */
void test_partitions_create__places_as_many_replicas_as_the_topic_has(void)
{
    struct cluster cluster;
    begin(&cluster);
    struct create_partitions_topic wish = {
        .name = STR("pairs"), .count = 5, .assignments_count = -1
    };
    assert_int_equal(grow(&cluster, &wish, 1, true).results[0].error_code, ERROR_NONE);
    assert_int_equal(cluster.record_count, 0);
    assert_int_equal(grow(&cluster, &wish, 1, false).results[0].error_code, ERROR_NONE);
    assert_int_equal(cluster.record_count, 4);
    for (int32_t i = 1; i < 5; i++) {
        const struct image_partition *partition = cluster_partition(&cluster, "pairs", i);
        assert_int_equal(partition->replicas.count, 2);
        assert_int_equal(partition->isr.count, 2);
        assert_int_equal(partition->leader, partition->replicas.ids[0]);
        assert_true(uuid_equal(partition->directories[0], cluster_directory(partition->leader)));
    }
    cluster_deinit(&cluster);
}

/* What a person chose is taken as it is, or refused for the whole topic. */
void test_partitions_create__checks_assignments_that_are_chosen(void)
{
    struct cluster cluster;
    begin(&cluster);
    struct create_partitions_assignment good = { .broker_ids = (int32_t[]){ 3, 2 },
        .broker_ids_count = 2 };
    struct create_partitions_assignment bad[] = {
        { .broker_ids = (int32_t[]){ 1 }, .broker_ids_count = 1 },
        { .broker_ids = (int32_t[]){ 2, 2 }, .broker_ids_count = 2 },
        { .broker_ids = (int32_t[]){ 2, 9 }, .broker_ids_count = 2 },
        { .broker_ids = NULL, .broker_ids_count = 0 },
    };
    struct create_partitions_assignment both[2];
    struct create_partitions_topic wish = {
        .name = STR("pairs"), .count = 3, .assignments = both, .assignments_count = 2
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        both[0] = good;
        both[1] = bad[i];
        assert_int_equal(grow(&cluster, &wish, 1, false).results[0].error_code,
            ERROR_INVALID_REPLICA_ASSIGNMENT);
        assert_int_equal(cluster.record_count, 0);
    }
    both[1] = good;
    assert_int_equal(grow(&cluster, &wish, 1, false).results[0].error_code, ERROR_NONE);
    const struct image_partition *partition = cluster_partition(&cluster, "pairs", 2);
    assert_int_equal(partition->leader, 2); /* 3 is fenced */
    assert_int_equal(partition->isr.count, 1);
    cluster_deinit(&cluster);
}

/* Only fenced brokers: such a partition would begin without a leader. */
void test_partitions_create__refuses_what_nobody_could_serve(void)
{
    struct cluster cluster;
    begin(&cluster);
    cluster_add_partition(&cluster, "single", (int32_t[]){ 1 }, 1);
    struct create_partitions_assignment fenced = { .broker_ids = (int32_t[]){ 3 },
        .broker_ids_count = 1 };
    struct create_partitions_topic wish = {
        .name = STR("single"), .count = 2, .assignments = &fenced, .assignments_count = 1
    };
    assert_int_equal(
        grow(&cluster, &wish, 1, false).results[0].error_code, ERROR_INVALID_REPLICA_ASSIGNMENT);
    assert_int_equal(cluster.record_count, 0);
    cluster_deinit(&cluster);
}
