/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster.h"
#include "wire/gen/alter_partition_reassignments.h"
#include "wire/gen/config_record.h"
#include "wire/gen/partition_change_record.h"

/* replicas NULL: cancel. */
static enum error move_to(
    struct cluster *cluster, int32_t *replicas, int32_t count, bool may_change_factor)
{
    struct alter_partition_reassignments_reassignable_partition partition = { .replicas = replicas,
        .replicas_count = replicas == NULL ? -1 : count };
    struct alter_partition_reassignments_reassignable_topic topic = {
        .name = STR("moving"), .partitions = &partition, .partitions_count = 1
    };
    struct alter_partition_reassignments_request request = { .timeout_ms = 1000,
        .allow_replication_factor_change = may_change_factor,
        .topics = &topic,
        .topics_count = 1 };
    struct alter_partition_reassignments_response response;
    cluster_decide(cluster, CONTROLLER_ALTER_REASSIGNMENTS, &request,
        &alter_partition_reassignments_response_schema, &response);
    return (enum error)response.responses[0].partitions[0].error_code;
}

static void assert_nodes(struct node_list list, const int32_t *ids, int32_t count)
{
    assert_int_equal(list.count, count);
    for (int32_t i = 0; i < count; i++)
        assert_int_equal(list.ids[i], ids[i]);
}
#define NODES(...)                                                                                 \
    (int32_t[]){ __VA_ARGS__ }, (int32_t)(sizeof((int32_t[]){ __VA_ARGS__ }) / sizeof(int32_t))

static void begin(struct cluster *cluster)
{
    cluster_init(cluster);
    for (int32_t id = 1; id <= 5; id++)
        cluster_add_broker(cluster, id, false);
    cluster_add_partition(cluster, "moving", NODES(1, 2, 3));
}

static void set_isr(struct cluster *cluster, int32_t *isr, int32_t count)
{
    struct partition_change_record record;
    message_defaults(&partition_change_record_schema, &record);
    record.topic_id = image_topic_by_name(cluster_image(cluster), STR("moving"))->id;
    record.partition_id = 0;
    record.isr = isr;
    record.isr_count = count;
    cluster_apply(cluster, &partition_change_record_schema, 2, &record);
}

/* Who comes is added, who goes stays until the others are in the ISR; directories follow their
 * replicas. */
void test_reassign__adds_before_it_takes_away(void)
{
    struct cluster cluster;
    begin(&cluster);
    assert_int_equal(move_to(&cluster, NODES(3, 4), true), ERROR_NONE);
    const struct image_partition *partition = cluster_partition(&cluster, "moving", 0);
    assert_nodes(partition->replicas, NODES(3, 4, 1, 2));
    assert_nodes(partition->adding, NODES(4));
    assert_nodes(partition->removing, NODES(1, 2));
    assert_int_equal(partition->isr.count, 3);
    assert_int_equal(partition->leader, 1);
    assert_int_equal(partition->leader_epoch, 0);
    for (int32_t i = 0; i < 4; i++)
        assert_true(
            uuid_equal(partition->directories[i], cluster_directory(partition->replicas.ids[i])));
    cluster_deinit(&cluster);
}

/* Nobody has to catch up: done at once, and a leader that goes hands over. */
void test_reassign__is_done_at_once_when_all_that_stay_are_in_sync(void)
{
    struct cluster cluster;
    begin(&cluster);
    assert_int_equal(move_to(&cluster, NODES(3, 2), true), ERROR_NONE);
    const struct image_partition *partition = cluster_partition(&cluster, "moving", 0);
    assert_nodes(partition->replicas, NODES(3, 2));
    assert_nodes(partition->isr, NODES(2, 3));
    assert_int_equal(partition->adding.count + partition->removing.count, 0);
    assert_int_equal(partition->leader, 3);
    assert_int_equal(move_to(&cluster, NODES(3), true), ERROR_NONE);
    partition = cluster_partition(&cluster, "moving", 0);
    assert_nodes(partition->replicas, NODES(3));
    assert_int_equal(partition->leader, 3);
    assert_int_equal(
        partition->leader_epoch, 2); /* the leader stays and begins without the other */
    assert_int_equal(move_to(&cluster, NODES(3), true), ERROR_NONE);
    assert_int_equal(cluster.record_count, 0);
    cluster_deinit(&cluster);
}

/* All that stay must be in the ISR, also those that were replicas before. */
void test_reassign__waits_for_a_replica_that_lags(void)
{
    struct cluster cluster;
    begin(&cluster);
    set_isr(&cluster, NODES(1, 3));
    assert_int_equal(move_to(&cluster, NODES(1, 2), true), ERROR_NONE);
    const struct image_partition *partition = cluster_partition(&cluster, "moving", 0);
    assert_nodes(partition->replicas, NODES(1, 2, 3));
    assert_nodes(partition->removing, NODES(3));
    cluster_deinit(&cluster);
}

/* Cancelling gives back what was, unless only those that came are in sync. */
void test_reassign__takes_a_move_back(void)
{
    struct cluster cluster;
    begin(&cluster);
    assert_int_equal(move_to(&cluster, NULL, 0, true), ERROR_NO_REASSIGNMENT_IN_PROGRESS);
    assert_int_equal(move_to(&cluster, NODES(4, 5), true), ERROR_NONE);
    assert_int_equal(move_to(&cluster, NULL, 0, true), ERROR_NONE);
    const struct image_partition *partition = cluster_partition(&cluster, "moving", 0);
    assert_nodes(partition->replicas, NODES(1, 2, 3));
    assert_int_equal(partition->adding.count + partition->removing.count, 0);
    assert_int_equal(partition->leader, 1);

    assert_int_equal(move_to(&cluster, NODES(4, 5), true), ERROR_NONE);
    set_isr(&cluster, NODES(4));
    assert_int_equal(move_to(&cluster, NULL, 0, true), ERROR_INVALID_REPLICA_ASSIGNMENT);
    assert_int_equal(cluster.record_count, 0);
    cluster_deinit(&cluster);
}

/* Also where the ISR that is left is too small: who only came for the move is no eligible leader.
 */
void test_reassign__leaves_no_leader_behind_that_is_no_replica(void)
{
    struct cluster cluster;
    struct config_record two = { .resource_type = SCOPE_TOPIC,
        .resource_name = STR("moving"),
        .name = STR("min.insync.replicas"),
        .value = STR("2") };
    struct partition_change_record record;
    begin(&cluster);
    cluster_apply(&cluster, &config_record_schema, 0, &two);
    assert_int_equal(move_to(&cluster, NODES(4, 5), true), ERROR_NONE);
    set_isr(&cluster, NODES(1, 4));
    message_defaults(&partition_change_record_schema, &record);
    record.partition_id = 0;
    record.topic_id = image_topic_by_name(cluster_image(&cluster), STR("moving"))->id;
    record.leader = 4;
    cluster_apply(&cluster, &partition_change_record_schema, 2, &record);
    assert_int_equal(move_to(&cluster, NULL, 0, true), ERROR_NONE);
    const struct image_partition *partition = cluster_partition(&cluster, "moving", 0);
    assert_int_equal(partition->leader, 1);
    assert_false(node_list_has(partition->elr, 4));
    cluster_deinit(&cluster);
}

/* Those that only come for a move do not count. */
void test_reassign__keeps_the_replication_factor_when_asked_to(void)
{
    struct cluster cluster;
    begin(&cluster);
    assert_int_equal(move_to(&cluster, NODES(4, 5), false), ERROR_INVALID_REPLICATION_FACTOR);
    assert_int_equal(move_to(&cluster, NODES(3, 4, 5), false), ERROR_NONE);
    assert_int_equal(move_to(&cluster, NODES(1, 4, 5), false), ERROR_NONE);
    assert_int_equal(move_to(&cluster, NODES(9, 4, 5), false), ERROR_INVALID_REPLICA_ASSIGNMENT);
    cluster_deinit(&cluster);
}
