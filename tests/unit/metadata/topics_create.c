/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster.h"
#include "wire/gen/create_topics.h"

static struct create_topics_creatable_topic wish_for(const char *name, int32_t partitions)
{
    return (struct create_topics_creatable_topic){
        .name = str_from(name), .num_partitions = partitions, .replication_factor = 1
    };
}

static struct create_topics_response create(
    struct cluster *cluster, struct create_topics_creatable_topic *topics, int32_t count)
{
    struct create_topics_request request = {
        .topics = topics, .topics_count = count, .timeout_ms = 1000
    };
    struct create_topics_response response;
    cluster_decide(cluster, CONTROLLER_CREATE_TOPICS, &request, &create_topics_response_schema,
        &response);
    return response;
}

/* A request may write 10,000 records: the topics, their settings and their partitions together. */
void test_topics_create__refuses_a_request_that_would_write_too_much(void)
{
    struct cluster cluster;
    cluster_init(&cluster);
    cluster_add_broker(&cluster, 1, false);
    struct create_topics_creatable_topic topics[] = { wish_for("one", 9999), wish_for("two", 1),
        wish_for("two", 1) };
    struct create_topics_response response = create(&cluster, topics, 3);
    assert_int_equal(response.topics_count, 2); /* what stands twice is refused, and does not count */
    assert_int_equal(response.topics[0].error_code, ERROR_NONE);
    assert_int_equal(cluster.record_count, 10000);

    topics[0] = wish_for("three", 9998);
    response = create(&cluster, topics, 2);
    assert_int_equal(cluster.record_count, 0);
    for (int32_t i = 0; i < 2; i++) {
        assert_int_equal(response.topics[i].error_code, ERROR_POLICY_VIOLATION);
        assert_int_equal(response.topics[i].num_partitions, -1);
        assert_true(uuid_equal(response.topics[i].topic_id, (struct uuid){ 0 }));
    }
    response = create(&cluster, topics, 3);
    assert_int_equal(response.topics[0].error_code, ERROR_NONE);
    cluster_deinit(&cluster);
}
