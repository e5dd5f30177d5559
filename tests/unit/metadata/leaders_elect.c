/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster.h"
#include "wire/gen/elect_leaders.h"
#include "wire/gen/partition_change_record.h"

enum { PREFERRED = 0, UNCLEAN = 1 };

static enum error elect(struct cluster *cluster, int8_t type, int32_t index)
{
    struct elect_leaders_topic_partitions topic = {
        .topic = STR("pairs"), .partitions = &index, .partitions_count = 1
    };
    struct elect_leaders_request request = { .election_type = type,
        .topic_partitions = &topic,
        .topic_partitions_count = 1,
        .timeout_ms = 1000 };
    struct elect_leaders_response response;
    cluster_decide(
        cluster, CONTROLLER_ELECT_LEADERS, &request, &elect_leaders_response_schema, &response);
    return (enum error)response.replica_election_results[0].partition_result[0].error_code;
}

static void lead(
    struct cluster *cluster, int32_t index, int32_t leader, int32_t *isr, int32_t isr_count)
{
    struct partition_change_record record;
    message_defaults(&partition_change_record_schema, &record);
    record.topic_id = image_topic_by_name(cluster_image(cluster), STR("pairs"))->id;
    record.partition_id = index;
    record.leader = leader;
    record.isr = isr;
    record.isr_count = isr_count;
    cluster_apply(cluster, &partition_change_record_schema, 2, &record);
}

static void begin(struct cluster *cluster)
{
    cluster_init(cluster);
    cluster_add_broker(cluster, 1, false);
    cluster_add_broker(cluster, 2, false);
    cluster_add_partition(cluster, "pairs", (int32_t[]){ 1, 2 }, 2);
    cluster_add_partition(cluster, "pairs", (int32_t[]){ 1, 2 }, 2);
}

/* The first replica gets its partition back as soon as it is in the ISR, not before. */
void test_leaders_elect__brings_the_preferred_leader_back(void)
{
    struct cluster cluster;
    int32_t both[] = { 2, 1 };
    begin(&cluster);
    assert_int_equal(elect(&cluster, PREFERRED, 0), ERROR_ELECTION_NOT_NEEDED);
    lead(&cluster, 0, 2, both, 1);
    assert_int_equal(elect(&cluster, PREFERRED, 0), ERROR_PREFERRED_LEADER_NOT_AVAILABLE);
    assert_int_equal(cluster.record_count, 0);
    lead(&cluster, 0, 2, both, 2);
    assert_int_equal(elect(&cluster, PREFERRED, 0), ERROR_NONE);
    assert_int_equal(cluster.record_count, 1);
    assert_int_equal(cluster_partition(&cluster, "pairs", 0)->leader, 1);
    assert_int_equal(cluster_partition(&cluster, "pairs", 0)->isr.count, 2);
    cluster_deinit(&cluster);
}

/* Asked for by name, a leader may come from outside the ISR; it has to recover then. */
void test_leaders_elect__takes_anyone_when_asked_to(void)
{
    struct cluster cluster;
    int32_t gone[] = { 2 };
    begin(&cluster);
    assert_int_equal(elect(&cluster, UNCLEAN, 0), ERROR_ELECTION_NOT_NEEDED);
    lead(&cluster, 0, -1, gone, 1);
    cluster_add_broker(&cluster, 2, true); /* fenced */
    assert_int_equal(elect(&cluster, PREFERRED, 0), ERROR_PREFERRED_LEADER_NOT_AVAILABLE);
    assert_int_equal(elect(&cluster, UNCLEAN, 0), ERROR_NONE);
    const struct image_partition *partition = cluster_partition(&cluster, "pairs", 0);
    assert_int_equal(partition->leader, 1);
    assert_int_equal(partition->isr.count, 1);
    assert_int_equal(partition->leader_recovery_state, 1);
    lead(&cluster, 1, -1, gone, 1);
    cluster_add_broker(&cluster, 1, true);
    assert_int_equal(elect(&cluster, UNCLEAN, 1), ERROR_ELIGIBLE_LEADERS_NOT_AVAILABLE);
    cluster_deinit(&cluster);
}

/* Without a list: every topic is told, and of its partitions those that needed an election. */
void test_leaders_elect__looks_at_all_partitions(void)
{
    struct cluster cluster;
    int32_t both[] = { 2, 1 };
    struct elect_leaders_request request = { .topic_partitions_count = -1, .timeout_ms = 1000 };
    struct elect_leaders_response response;
    begin(&cluster);
    lead(&cluster, 1, 2, both, 2);
    cluster_decide(
        &cluster, CONTROLLER_ELECT_LEADERS, &request, &elect_leaders_response_schema, &response);
    assert_int_equal(response.replica_election_results_count, 1);
    assert_int_equal(response.replica_election_results[0].partition_result_count, 1);
    assert_int_equal(response.replica_election_results[0].partition_result[0].partition_id, 1);
    assert_int_equal(cluster_partition(&cluster, "pairs", 1)->leader, 1);
    cluster_deinit(&cluster);
}
