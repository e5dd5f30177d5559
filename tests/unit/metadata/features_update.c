/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster.h"
#include "wire/gen/config_record.h"
#include "wire/gen/update_features.h"

enum { UP = 1, DOWN = 2, DOWN_UNSAFE = 3 };

static const char elr[] = "eligible.leader.replicas.version";

static enum error update_two(struct cluster *cluster,
    struct update_features_feature_update_key first,
    struct update_features_feature_update_key second, int32_t count)
{
    struct update_features_feature_update_key updates[2] = { first, second };
    struct update_features_request request = { .feature_updates = updates,
        .feature_updates_count = count };
    struct update_features_response response;
    cluster_decide(
        cluster, CONTROLLER_UPDATE_FEATURES, &request, &update_features_response_schema, &response);
    assert_true((response.error_code == ERROR_NONE) == (response.results_count == count));
    return (enum error)response.error_code;
}

static struct update_features_feature_update_key to(const char *name, int16_t level, int8_t type)
{
    return (struct update_features_feature_update_key){
        .feature = str_from(name), .max_version_level = level, .upgrade_type = type
    };
}

static enum error update(struct cluster *cluster, const char *name, int16_t level, int8_t type)
{
    return update_two(cluster, to(name, level, type), to(name, level, type), 1);
}

static int16_t level_of(const struct cluster *cluster, const char *name)
{
    return image_feature(cluster_image(cluster), str_from(name));
}

static void begin_at(struct cluster *cluster, int16_t metadata_version)
{
    cluster_init(cluster);
    cluster_set_feature(cluster, elr, 0);
    cluster_set_feature(cluster, "metadata.version", metadata_version);
}

/* Down as far as nothing is lost, and no further, however it is asked for; up again with UPGRADE
 * only. */
void test_features_update__lowers_metadata_version_while_records_survive(void)
{
    struct cluster cluster;
    begin_at(&cluster, 25);
    assert_int_equal(update(&cluster, "metadata.version", 24, UP), ERROR_INVALID_UPDATE_VERSION);
    assert_int_equal(update(&cluster, "metadata.version", 24, DOWN), ERROR_NONE);
    assert_int_equal(update(&cluster, "metadata.version", 23, DOWN_UNSAFE), ERROR_NONE);
    assert_int_equal(level_of(&cluster, "metadata.version"), 23);
    assert_int_equal(update(&cluster, "metadata.version", 22, DOWN), ERROR_INVALID_UPDATE_VERSION);
    assert_int_equal(
        update(&cluster, "metadata.version", 22, DOWN_UNSAFE), ERROR_INVALID_UPDATE_VERSION);
    assert_int_equal(update(&cluster, "metadata.version", 25, DOWN), ERROR_INVALID_UPDATE_VERSION);
    assert_int_equal(update(&cluster, "metadata.version", METADATA_VERSION_NEWEST, UP), ERROR_NONE);
    assert_int_equal(level_of(&cluster, "metadata.version"), METADATA_VERSION_NEWEST);
    cluster_deinit(&cluster);
}

/* A feature may come up together with what it needs, and not before. */
void test_features_update__asks_for_what_a_feature_needs(void)
{
    struct cluster cluster;
    begin_at(&cluster, 22);
    assert_int_equal(update(&cluster, elr, 1, UP), ERROR_INVALID_UPDATE_VERSION);
    assert_int_equal(cluster.record_count, 0);
    assert_int_equal(
        update_two(&cluster, to(elr, 1, UP), to("metadata.version", 26, UP), 2), ERROR_NONE);
    assert_int_equal(level_of(&cluster, elr), 1);
    assert_int_equal(level_of(&cluster, "metadata.version"), 26);
    cluster_deinit(&cluster);
}

/* From then on min.insync.replicas has to be the cluster's alone (KIP-966). */
void test_features_update__clears_the_way_for_eligible_leader_replicas(void)
{
    struct cluster cluster;
    struct config_record own = { .resource_type = SCOPE_BROKER,
        .resource_name = STR("1"),
        .name = STR("min.insync.replicas"),
        .value = STR("2") };
    begin_at(&cluster, 26);
    cluster_apply(&cluster, &config_record_schema, 0, &own);
    assert_int_equal(update(&cluster, elr, 1, UP), ERROR_NONE);
    assert_int_equal(cluster.record_count, 3);
    assert_true(
        str_is_null(image_setting(cluster_image(&cluster), SCOPE_BROKER, STR("1"), own.name)));
    assert_true(
        str_is(image_setting(cluster_image(&cluster), SCOPE_BROKER, STR(""), own.name), "1"));
    cluster_deinit(&cluster);
}

/* A broker that could not live with a level keeps the cluster from it. */
void test_features_update__asks_every_broker(void)
{
    struct cluster cluster;
    begin_at(&cluster, 26);
    cluster_add_broker(&cluster, 7, true); /* registered without features */
    assert_int_equal(update(&cluster, "group.version", 1, UP), ERROR_INVALID_UPDATE_VERSION);
    assert_int_equal(update(&cluster, "group.version", 0, DOWN), ERROR_NONE);
    cluster_deinit(&cluster);
}
