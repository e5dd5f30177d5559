/* SPDX-License-Identifier: Apache-2.0 */
#include "metadata/quota.h"

#include "cluster.h"
#include "wire/gen/alter_client_quotas.h"

static struct alter_client_quotas_response alter(struct cluster *cluster,
    struct alter_client_quotas_request_entry_data *entries, int32_t count, bool validate_only)
{
    struct alter_client_quotas_request request = {
        .entries = entries, .entries_count = count, .validate_only = validate_only
    };
    struct alter_client_quotas_response response;
    cluster_decide(cluster, CONTROLLER_ALTER_CLIENT_QUOTAS, &request,
        &alter_client_quotas_response_schema, &response);
    return response;
}

static struct quota_entity entity_of(const char *user, const char *client_id)
{
    struct quota_entity entity = { 0 };
    quota_entity_add(&entity, STR("user"), str_from(user));
    quota_entity_add(&entity, STR("client-id"), str_from(client_id));
    return entity;
}

static bool has(const struct cluster *cluster, const struct quota_entity *entity, double value)
{
    double found = -1;
    return image_quota(cluster_image(cluster), entity, STR("producer_byte_rate"), &found) &&
           found == value;
}

/* One entity is one, in whatever order its parts came; the default is not a name, nor an empty one.
 */
void test_quota__is_found_by_its_entity_in_any_order(void)
{
    struct cluster cluster;
    cluster_init(&cluster);
    struct alter_client_quotas_request_entity_data parts[2][2] = {
        { { .entity_type = STR("user"), .entity_name = STR("u") },
            { .entity_type = STR("client-id"), .entity_name = STR("c") } },
        { { .entity_type = STR("client-id"), .entity_name = STR("c") },
            { .entity_type = STR("user") } },
    };
    struct alter_client_quotas_op_data operations[2] = {
        { .key = STR("producer_byte_rate"), .value = 10 },
        { .key = STR("producer_byte_rate"), .value = 20 },
    };
    struct alter_client_quotas_request_entry_data entries[2] = {
        { .entity = parts[0], .entity_count = 2, .ops = &operations[0], .ops_count = 1 },
        { .entity = parts[1], .entity_count = 2, .ops = &operations[1], .ops_count = 1 },
    };
    struct quota_entity named = entity_of("u", "c"), other = entity_of(NULL, "c");
    assert_int_equal(alter(&cluster, entries, 2, true).entries[1].error_code, ERROR_NONE);
    assert_int_equal(cluster.record_count, 0);
    assert_int_equal(alter(&cluster, entries, 2, false).entries[1].error_code, ERROR_NONE);
    assert_int_equal(cluster.record_count, 2);
    assert_true(has(&cluster, &named, 10) && has(&cluster, &other, 20));
    alter(&cluster, entries, 2, false);
    assert_int_equal(cluster.record_count, 0); /* all is there */

    struct quota quota;
    assert_true(image_quota_after(cluster_image(&cluster), NULL, &quota));
    assert_true(quota_entity_equal(&quota.entity, &named) && quota.value == 10);
    assert_true(image_quota_after(cluster_image(&cluster), &quota, &quota));
    assert_true(quota_entity_equal(&quota.entity, &other));
    assert_false(image_quota_after(cluster_image(&cluster), &quota, &quota));

    operations[0].remove = operations[1].remove = true;
    alter(&cluster, entries, 2, false);
    assert_int_equal(cluster.record_count, 2);
    assert_false(image_quota_after(cluster_image(&cluster), NULL, &quota));
    cluster_deinit(&cluster);
}

/* What is wrong in one entity leaves the others alone. */
void test_quota__changes_an_entity_as_a_whole(void)
{
    struct cluster cluster;
    cluster_init(&cluster);
    struct alter_client_quotas_request_entity_data parts[2] = {
        { .entity_type = STR("user"), .entity_name = STR("good") },
        { .entity_type = STR("user"), .entity_name = STR("bad") },
    };
    struct alter_client_quotas_op_data operations[2] = {
        { .key = STR("producer_byte_rate"), .value = 10 },
        { .key = STR("nonsense"), .value = 20 },
    };
    struct alter_client_quotas_request_entry_data entries[2] = {
        { .entity = &parts[1], .entity_count = 1, .ops = operations, .ops_count = 2 },
        { .entity = &parts[0], .entity_count = 1, .ops = operations, .ops_count = 1 },
    };
    struct alter_client_quotas_response response = alter(&cluster, entries, 2, false);
    assert_int_equal(response.entries[0].error_code, ERROR_INVALID_REQUEST);
    assert_int_equal(response.entries[1].error_code, ERROR_NONE);
    assert_int_equal(cluster.record_count, 1);
    struct quota quota;
    assert_true(image_quota_after(cluster_image(&cluster), NULL, &quota));
    assert_true(str_is(quota.entity.parts[0].name, "good"));
    cluster_deinit(&cluster);
}

/* Ten thousand at once, and not one more; nothing of the larger request is done. */
void test_quota__bounds_what_one_request_may_change(void)
{
    enum { MOST = 10000 };
    struct cluster cluster;
    cluster_init(&cluster);
    struct alter_client_quotas_request_entity_data *parts =
        MESSAGE_TAKE(alter_client_quotas_request_entity_data, &cluster.arena, MOST + 1);
    struct alter_client_quotas_request_entry_data *entries =
        MESSAGE_TAKE(alter_client_quotas_request_entry_data, &cluster.arena, MOST + 1);
    struct alter_client_quotas_op_data operation = { .key = STR("producer_byte_rate"),
        .value = 10 };
    for (int32_t i = 0; i <= MOST; i++) {
        parts[i].entity_type = STR("user");
        parts[i].entity_name = str_from(arena_format(&cluster.arena, "user %d", i));
        entries[i] = (struct alter_client_quotas_request_entry_data){
            .entity = &parts[i], .entity_count = 1, .ops = &operation, .ops_count = 1
        };
    }
    struct alter_client_quotas_request request = { .entries = entries, .entries_count = MOST + 1 };
    struct alter_client_quotas_response response;
    assert_int_equal(cluster_try(&cluster, CONTROLLER_ALTER_CLIENT_QUOTAS, &request, &response),
        ERROR_POLICY_VIOLATION);
    struct quota quota;
    assert_false(image_quota_after(cluster_image(&cluster), NULL, &quota));
    request.entries_count = MOST;
    assert_int_equal(
        cluster_try(&cluster, CONTROLLER_ALTER_CLIENT_QUOTAS, &request, &response), ERROR_NONE);
    assert_int_equal(cluster.record_count, MOST);
    cluster_deinit(&cluster);
}

static enum error limit_address(struct cluster *cluster, const char *address)
{
    struct alter_client_quotas_op_data operation = {
        .key = STR("connection_creation_rate"), .value = 10
    };
    struct alter_client_quotas_request_entity_data part = {
        .entity_type = STR("ip"), .entity_name = str_from(address)
    };
    struct alter_client_quotas_request_entry_data entry = {
        .entity = &part, .entity_count = 1, .ops = &operation, .ops_count = 1
    };
    return (enum error)alter(cluster, &entry, 1, true).entries[0].error_code;
}

/* An address is what Java takes for one without asking a name server. */
void test_quota__knows_an_address(void)
{
    const char *good[] = { "127.1", "10.1.2", "2130706433", "010.1.2.3", "[::1]", "fe80::1%1",
        "::ffff:1.2.3.4" };
    const char *bad[] = { "4294967296", "127.16777216", "1.256.1.1", "1.2.3.4.5",
        "0127.000.000.001", "1.2.3.4.", "1..2", "+1.2.3.4", "[1.2.3.4]", "fe80::1%nix0" };
    struct cluster cluster;
    cluster_init(&cluster);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_int_equal(limit_address(&cluster, good[i]), ERROR_NONE);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(limit_address(&cluster, bad[i]), ERROR_INVALID_REQUEST);
    cluster_deinit(&cluster);
}
