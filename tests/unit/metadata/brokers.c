/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster.h"
#include "wire/gen/unregister_broker.h"

static enum error unregister(struct cluster *cluster, int32_t id)
{
    struct unregister_broker_request request = { .broker_id = id };
    struct unregister_broker_response response;
    cluster_decide(cluster, CONTROLLER_UNREGISTER_BROKER, &request,
        &unregister_broker_response_schema, &response);
    return (enum error)response.error_code;
}

/* Its partitions go to others, or wait for it; what it was a replica of, it still is. */
void test_brokers__unregistering_takes_a_brokers_partitions_from_it(void)
{
    struct cluster cluster;
    cluster_init(&cluster);
    cluster_add_broker(&cluster, 1, false);
    cluster_add_broker(&cluster, 2, false);
    cluster_add_partition(&cluster, "shared", (int32_t[]){ 1, 2 }, 2);
    cluster_add_partition(&cluster, "alone", (int32_t[]){ 1 }, 1);
    assert_int_equal(unregister(&cluster, 7), ERROR_BROKER_ID_NOT_REGISTERED);
    assert_int_equal(cluster.record_count, 0);
    assert_int_equal(unregister(&cluster, 1), ERROR_NONE);
    assert_null(image_broker(cluster_image(&cluster), 1));
    assert_int_equal(cluster_partition(&cluster, "shared", 0)->leader, 2);
    assert_int_equal(cluster_partition(&cluster, "shared", 0)->replicas.count, 2);
    const struct image_partition *alone = cluster_partition(&cluster, "alone", 0);
    assert_int_equal(alone->leader, -1);
    assert_int_equal(alone->elr.count, 1);
    assert_int_equal(unregister(&cluster, 1), ERROR_BROKER_ID_NOT_REGISTERED);
    cluster_deinit(&cluster);
}
