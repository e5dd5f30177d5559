/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/inspector.h"

#include <stdio.h>

#include "base/container.h"
#include "error.h"
#include "sim/topics.h"
#include "sim/workload.h"
#include "wire/gen/alter_partition_reassignments.h"
#include "wire/gen/describe_cluster.h"
#include "wire/gen/describe_log_dirs.h"
#include "wire/gen/describe_quorum.h"
#include "wire/gen/describe_topic_partitions.h"
#include "wire/gen/elect_leaders.h"
#include "wire/gen/list_config_resources.h"
#include "wire/gen/list_partition_reassignments.h"
#include "wire/gen/unregister_broker.h"
#include "wire/gen/update_features.h"

enum { NODE = 1, NOBODY = 7, ELECTION_PREFERRED = 0 };

struct question {
    void (*ask)(struct inspector *inspector);
    bool is_of_a_topic;
};

static struct inspector *inspector_of(struct actor *actor)
{
    return container_of(actor, struct inspector, actor);
}

/* An answer that no moment explains. */
static void expect(struct actor *actor, bool is_right, const char *call, int64_t answer)
{
    if (!is_right)
        recorder_violate(actor->workload->recorder, "inspection_is_answered_otherwise", "actor=%s call=%s answer=%lld", actor->name, call,
            (long long)answer);
}

/* Whether the error is the right one; what is passing may come at any time. */
static void expect_error(struct actor *actor, int16_t error, int16_t right, const char *call)
{
    expect(actor, error == right || (error != ERROR_NONE && error_is_passing(error)), call, error);
}

static void ask(struct inspector *inspector, enum api_key api, const void *request, void (*hear)(struct actor *actor))
{
    inspector->actor.hear = hear;
    actor_ask(&inspector->actor, api, 0, INT16_MAX, request);
}

/* ---- The node ---- */

static void expect_cluster_id(struct inspector *inspector, struct str told)
{
    if (inspector->cluster_id[0] == '\0')
        snprintf(inspector->cluster_id, sizeof(inspector->cluster_id), "%.*s", (int)told.size, told.data);
    expect(&inspector->actor, str_is(told, inspector->cluster_id), "cluster_id", told.size);
}

static void hear_cluster(struct actor *actor)
{
    struct inspector *inspector = inspector_of(actor);
    const struct describe_cluster_response *response = actor->client.response;
    if (!actor_succeeded(actor, response->error_code, "describe_cluster"))
        return;
    if (!actor_may_see_damage(actor)) /* meta.properties has no checksum */
        expect_cluster_id(inspector, response->cluster_id);
    expect(actor, response->brokers_count <= 1, "brokers_count", response->brokers_count);
    if (response->brokers_count == 1)
        expect(actor, response->brokers[0].broker_id == NODE, "broker_id", response->brokers[0].broker_id);
    expect(actor, response->controller_id == NODE || response->controller_id == -1, "controller_id", response->controller_id);
    actor_wait(actor, 1000000);
}

static void ask_cluster(struct inspector *inspector)
{
    struct describe_cluster_request request;
    message_defaults(&describe_cluster_request_schema, &request);
    ask(inspector, API_DESCRIBE_CLUSTER, &request, hear_cluster);
}

static void hear_quorum(struct actor *actor)
{
    struct inspector *inspector = inspector_of(actor);
    const struct describe_quorum_response *response = actor->client.response;
    if (!actor_succeeded(actor, response->error_code, "describe_quorum"))
        return;
    if (response->topics_count != 1 || response->topics[0].partitions_count != 1) {
        expect(actor, false, "topics_count", response->topics_count);
        actor_wait(actor, 1000000);
        return;
    }
    const struct describe_quorum_response_partition_data *partition = &response->topics[0].partitions[0];
    if (!actor_succeeded(actor, partition->error_code, "describe_quorum"))
        return;
    expect(actor, partition->leader_id == NODE, "leader_id", partition->leader_id);
    expect(actor, partition->leader_epoch >= inspector->leader_epoch, "leader_epoch", partition->leader_epoch);
    expect(actor, partition->high_watermark >= inspector->high_watermark, "high_watermark", partition->high_watermark);
    expect(actor, partition->current_voters_count == 1, "current_voters_count", partition->current_voters_count);
    inspector->leader_epoch = partition->leader_epoch;
    inspector->high_watermark = partition->high_watermark;
    actor_wait(actor, 1000000);
}

static void ask_quorum(struct inspector *inspector)
{
    struct describe_quorum_request_partition_data partition;
    struct describe_quorum_request_topic_data topic;
    struct describe_quorum_request request;
    shape_set_defaults(&describe_quorum_request_partition_data_shape, &partition);
    shape_set_defaults(&describe_quorum_request_topic_data_shape, &topic);
    message_defaults(&describe_quorum_request_schema, &request);
    topic.topic_name = STR("__cluster_metadata");
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.topics = &topic;
    request.topics_count = 1;
    ask(inspector, API_DESCRIBE_QUORUM, &request, hear_quorum);
}

static void hear_directories(struct actor *actor)
{
    const struct describe_log_dirs_response *response = actor->client.response;
    if (!actor_succeeded(actor, response->error_code, "describe_log_dirs"))
        return;
    for (int32_t i = 0; i < response->results_count; i++) {
        const struct describe_log_dirs_result *result = &response->results[i];
        expect(actor, result->error_code == ERROR_NONE || result->error_code == ERROR_KAFKA_STORAGE_ERROR, "describe_log_dirs", result->error_code);
        expect(actor, result->usable_bytes <= result->total_bytes, "usable_bytes", result->usable_bytes);
        for (int32_t t = 0; t < result->topics_count; t++)
            for (int32_t p = 0; p < result->topics[t].partitions_count; p++) {
                const struct describe_log_dirs_partition *partition = &result->topics[t].partitions[p];
                expect(actor, partition->partition_size >= 0, "partition_size", partition->partition_size);
                expect(actor, partition->offset_lag >= 0, "offset_lag", partition->offset_lag);
            }
    }
    actor_wait(actor, 1000000);
}

static void ask_directories(struct inspector *inspector)
{
    struct describe_log_dirs_request request;
    message_defaults(&describe_log_dirs_request_schema, &request);
    request.topics = NULL;
    request.topics_count = -1;
    ask(inspector, API_DESCRIBE_LOG_DIRS, &request, hear_directories);
}

static void hear_resources(struct actor *actor)
{
    const struct list_config_resources_response *response = actor->client.response;
    if (actor_succeeded(actor, response->error_code, "list_config_resources"))
        actor_wait(actor, 1000000);
}

static void ask_resources(struct inspector *inspector)
{
    struct list_config_resources_request request;
    message_defaults(&list_config_resources_request_schema, &request);
    ask(inspector, API_LIST_CONFIG_RESOURCES, &request, hear_resources);
}

static void hear_reassignments(struct actor *actor)
{
    const struct list_partition_reassignments_response *response = actor->client.response;
    if (!actor_succeeded(actor, response->error_code, "list_partition_reassignments"))
        return;
    expect(actor, response->topics_count <= 0, "reassigned_topics", response->topics_count);
    actor_wait(actor, 1000000);
}

static void ask_reassignments(struct inspector *inspector)
{
    struct list_partition_reassignments_request request;
    message_defaults(&list_partition_reassignments_request_schema, &request);
    request.topics = NULL;
    request.topics_count = -1;
    request.timeout_ms = 5000;
    ask(inspector, API_LIST_PARTITION_REASSIGNMENTS, &request, hear_reassignments);
}

/* ---- A topic ---- */

static void hear_partitions(struct actor *actor)
{
    const struct describe_topic_partitions_response *response = actor->client.response;
    expect(actor, response->topics_count == 1, "topics_count", response->topics_count);
    for (int32_t i = 0; i < response->topics_count; i++) {
        const struct describe_topic_partitions_response_topic *topic = &response->topics[i];
        expect_error(actor, topic->error_code, ERROR_NONE, "describe_topic_partitions");
        for (int32_t p = 0; p < topic->partitions_count; p++) {
            const struct describe_topic_partitions_response_partition *partition = &topic->partitions[p];
            expect(actor, partition->leader_id == NODE || partition->leader_id == -1, "leader_id", partition->leader_id);
            expect(actor, partition->replica_nodes_count == 1 && partition->replica_nodes[0] == NODE, "replica_nodes", partition->replica_nodes_count);
        }
    }
    actor_wait(actor, 1000000);
}

static void ask_partitions(struct inspector *inspector)
{
    struct describe_topic_partitions_topic_request topic;
    struct describe_topic_partitions_request request;
    shape_set_defaults(&describe_topic_partitions_topic_request_shape, &topic);
    message_defaults(&describe_topic_partitions_request_schema, &request);
    topic.name = str_from(inspector->topic->name);
    request.topics = &topic;
    request.topics_count = 1;
    request.response_partition_limit = 1 + (int32_t)actor_draw(&inspector->actor, PARTITIONS_MOST);
    ask(inspector, API_DESCRIBE_TOPIC_PARTITIONS, &request, hear_partitions);
}

static void hear_election(struct actor *actor)
{
    const struct elect_leaders_response *response = actor->client.response;
    if (!actor_succeeded(actor, response->error_code, "elect_leaders"))
        return;
    for (int32_t i = 0; i < response->replica_election_results_count; i++)
        for (int32_t p = 0; p < response->replica_election_results[i].partition_result_count; p++) {
            int16_t error = response->replica_election_results[i].partition_result[p].error_code;
            if (error != ERROR_PREFERRED_LEADER_NOT_AVAILABLE && error != ERROR_NONE) /* it was offline, and may be back */
                expect_error(actor, error, ERROR_ELECTION_NOT_NEEDED, "elect_leaders");
        }
    actor_wait(actor, 1000000);
}

static void ask_for_election(struct inspector *inspector)
{
    struct elect_leaders_topic_partitions topic;
    struct elect_leaders_request request;
    int32_t partition = 0;
    shape_set_defaults(&elect_leaders_topic_partitions_shape, &topic);
    message_defaults(&elect_leaders_request_schema, &request);
    topic.topic = str_from(inspector->topic->name);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.election_type = ELECTION_PREFERRED;
    request.topic_partitions = &topic;
    request.topic_partitions_count = 1;
    request.timeout_ms = 5000;
    ask(inspector, API_ELECT_LEADERS, &request, hear_election);
}

static void hear_reassignment(struct actor *actor)
{
    const struct alter_partition_reassignments_response *response = actor->client.response;
    if (!actor_succeeded(actor, response->error_code, "alter_partition_reassignments"))
        return;
    for (int32_t i = 0; i < response->responses_count; i++)
        for (int32_t p = 0; p < response->responses[i].partitions_count; p++)
            expect_error(actor, response->responses[i].partitions[p].error_code, ERROR_INVALID_REPLICA_ASSIGNMENT, "alter_partition_reassignments");
    actor_wait(actor, 1000000);
}

static void ask_for_reassignment(struct inspector *inspector)
{
    struct alter_partition_reassignments_reassignable_partition partition;
    struct alter_partition_reassignments_reassignable_topic topic;
    struct alter_partition_reassignments_request request;
    int32_t replica = NOBODY;
    shape_set_defaults(&alter_partition_reassignments_reassignable_partition_shape, &partition);
    shape_set_defaults(&alter_partition_reassignments_reassignable_topic_shape, &topic);
    message_defaults(&alter_partition_reassignments_request_schema, &request);
    partition.replicas = &replica;
    partition.replicas_count = 1;
    topic.name = str_from(inspector->topic->name);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 5000;
    ask(inspector, API_ALTER_PARTITION_REASSIGNMENTS, &request, hear_reassignment);
}

/* ---- What there is not ---- */

static void hear_feature(struct actor *actor)
{
    const struct update_features_response *response = actor->client.response;
    int16_t error = response->error_code == ERROR_NONE && response->results_count == 1 ? response->results[0].error_code : response->error_code;
    expect_error(actor, error, ERROR_INVALID_UPDATE_VERSION, "update_features");
    actor_wait(actor, 1000000);
}

static void ask_for_feature(struct inspector *inspector)
{
    struct update_features_feature_update_key update;
    struct update_features_request request;
    shape_set_defaults(&update_features_feature_update_key_shape, &update);
    message_defaults(&update_features_request_schema, &request);
    update.feature = STR("no.such.feature");
    update.max_version_level = 2;
    update.upgrade_type = 1;
    request.feature_updates = &update;
    request.feature_updates_count = 1;
    request.timeout_ms = 5000;
    ask(inspector, API_UPDATE_FEATURES, &request, hear_feature);
}

static void hear_unregistration(struct actor *actor)
{
    const struct unregister_broker_response *response = actor->client.response;
    expect_error(actor, response->error_code, ERROR_BROKER_ID_NOT_REGISTERED, "unregister_broker");
    actor_wait(actor, 1000000);
}

static void ask_for_unregistration(struct inspector *inspector)
{
    struct unregister_broker_request request;
    message_defaults(&unregister_broker_request_schema, &request);
    request.broker_id = NOBODY;
    ask(inspector, API_UNREGISTER_BROKER, &request, hear_unregistration);
}

/* ---- Which? ---- */

static const struct question questions[] = {
    { ask_cluster, false },
    { ask_quorum, false },
    { ask_directories, false },
    { ask_resources, false },
    { ask_reassignments, false },
    { ask_partitions, true },
    { ask_for_election, true },
    { ask_for_reassignment, true },
    { ask_for_feature, false },
    { ask_for_unregistration, false },
};

static void act_as_inspector(struct actor *actor)
{
    struct inspector *inspector = inspector_of(actor);
    const struct topics *topics = &actor->workload->topics;
    const struct question *question = &questions[actor_draw(actor, sizeof(questions) / sizeof(questions[0]))];
    inspector->topic = question->is_of_a_topic ? topics_there(topics, actor_draw(actor, topics_count_there(topics) + 1)) : NULL;
    if (actor->workload->draining || (question->is_of_a_topic && inspector->topic == NULL))
        actor_set_idle(actor);
    else
        question->ask(inspector);
}

void inspector_start(struct inspector *inspector, struct workload *workload)
{
    actor_start(&inspector->actor, workload, "inspector", 0, act_as_inspector);
}
