/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/founder.h"

#include "base/container.h"
#include "error.h"
#include "sim/groups.h"
#include "sim/workload.h"
#include "wire/gen/alter_replica_log_dirs.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/delete_groups.h"
#include "wire/gen/find_coordinator.h"
#include "wire/gen/metadata.h"

enum { MANY_SINCE = 4, IDS_SINCE = 10 }; /* of FindCoordinator and Metadata */
enum { HOMES_MOST = 5 /* partitions of __consumer_offsets; there may be fewer */ };

static struct founder *founder_of(struct actor *actor)
{
    return container_of(actor, struct founder, actor);
}

/* ---- The topic, and __consumer_offsets ---- */

static void hear_creation(struct actor *actor)
{
    const struct create_topics_response *response = actor->client.response;
    int16_t error =
        response->topics_count == 1 ? response->topics[0].error_code : ERROR_UNKNOWN_SERVER_ERROR;
    if (error == ERROR_TOPIC_ALREADY_EXISTS || actor_succeeded(actor, error, "create_topics")) {
        founder_of(actor)->has_asked = true;
        actor_wait(actor, 100000);
    }
}

static void create(struct actor *actor)
{
    struct create_topics_creatable_topic topic;
    struct create_topics_request request;
    message_defaults(&create_topics_request_schema, &request);
    shape_set_defaults(&create_topics_creatable_topic_shape, &topic);
    topic.name = STR(GROUPS_TOPIC);
    topic.num_partitions = GROUP_PARTITIONS;
    topic.replication_factor = 1;
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 5000;
    actor->hear = hear_creation;
    actor_ask(actor, API_CREATE_TOPICS, 0, INT16_MAX, &request);
}

static void hear_topic(struct actor *actor)
{
    const struct metadata_response *response = actor->client.response;
    int16_t error =
        response->topics_count == 1 ? response->topics[0].error_code : ERROR_UNKNOWN_SERVER_ERROR;
    if (!actor_succeeded(actor, error, "metadata"))
        return;
    founder_of(actor)->topic_id = response->topics[0].topic_id;
    actor_wait(actor, 10000);
}

static void look(struct actor *actor)
{
    struct metadata_request request;
    struct metadata_request_topic topic;
    message_defaults(&metadata_request_schema, &request);
    shape_set_defaults(&metadata_request_topic_shape, &topic);
    topic.name = STR(GROUPS_TOPIC);
    request.topics = &topic;
    request.topics_count = 1;
    request.allow_auto_topic_creation = false;
    actor->hear = hear_topic;
    actor_ask(actor, API_METADATA, IDS_SINCE, INT16_MAX, &request);
}

static void hear_coordinator(struct actor *actor)
{
    const struct find_coordinator_response *response = actor->client.response;
    int16_t error = response->coordinators_count == 1 ? response->coordinators[0].error_code
                                                      : ERROR_UNKNOWN_SERVER_ERROR;
    if (!actor_succeeded(actor, error, "find_coordinator"))
        return;
    founder_of(actor)->is_founded = true;
    actor_wait(actor, 100000);
}

static void find(struct actor *actor)
{
    struct find_coordinator_request request;
    struct str key = STR("s0");
    message_defaults(&find_coordinator_request_schema, &request);
    request.coordinator_keys = &key;
    request.coordinator_keys_count = 1;
    actor->hear = hear_coordinator;
    actor_ask(actor, API_FIND_COORDINATOR, MANY_SINCE, INT16_MAX, &request);
}

/* ---- Deletion ---- */

/* What a group may answer that has members, or is not there. */
static void settle(struct actor *actor, int16_t error, const char *call)
{
    bool is_right = error == ERROR_NONE || error == ERROR_GROUP_ID_NOT_FOUND ||
                    error == ERROR_NON_EMPTY_GROUP || error == ERROR_GROUP_SUBSCRIBED_TO_TOPIC ||
                    group_error_is_passing(error);
    if (!is_right)
        recorder_violate(actor->workload->recorder, "unexpected_error", "actor=%s call=%s error=%d",
            actor->name, call, error);
    actor_wait(actor, 1500000);
}

static void lose_deletion(struct actor *actor)
{
    group_offsets_note(actor, &founder_of(actor)->offsets, "info");
}

static void hear_offset_deletion(struct actor *actor)
{
    settle(actor, group_offsets_hear_deletion(actor, &founder_of(actor)->offsets), "offset_delete");
}

static void hear_group_deletion(struct actor *actor)
{
    const struct delete_groups_response *response = actor->client.response;
    int16_t error =
        response->results_count == 1 ? response->results[0].error_code : ERROR_UNKNOWN_SERVER_ERROR;
    group_offsets_note(actor, &founder_of(actor)->offsets, group_phase(error));
    settle(actor, error, "delete_groups");
}

static void delete_group(struct founder *founder)
{
    struct actor *actor = &founder->actor;
    struct delete_groups_request request;
    struct str name = str_from(founder->offsets.group);
    message_defaults(&delete_groups_request_schema, &request);
    request.groups_names = &name;
    request.groups_names_count = 1;
    founder->offsets.partitions = (1u << GROUP_PARTITIONS) - 1;
    group_offsets_note(actor, &founder->offsets, "invoke");
    actor->hear = hear_group_deletion;
    actor->lose = lose_deletion;
    actor_ask(actor, API_DELETE_GROUPS, 0, INT16_MAX, &request);
}

static void delete_something(struct founder *founder)
{
    struct actor *actor = &founder->actor;
    founder->offsets = (struct group_offsets){ .group = group_name(actor_draw(actor, GROUP_COUNT)),
        .topic_id = founder->topic_id };
    if (actor_draw(actor, 3) == 0) {
        delete_group(founder);
        return;
    }
    founder->offsets.partitions = 1 + (unsigned)actor_draw(actor, (1u << GROUP_PARTITIONS) - 1);
    actor->hear = hear_offset_deletion;
    actor->lose = lose_deletion;
    group_offsets_delete(actor, &founder->offsets);
}

/* ---- Moves ---- */

static void hear_move(struct actor *actor)
{
    const struct alter_replica_log_dirs_response *response = actor->client.response;
    int16_t error = ERROR_UNKNOWN_SERVER_ERROR;
    if (response->results_count == 1 && response->results[0].partitions_count == 1)
        error = response->results[0].partitions[0].error_code;
    bool is_right = error == ERROR_NONE || error == ERROR_REPLICA_NOT_AVAILABLE ||
                    error == ERROR_LOG_DIR_NOT_FOUND || error_is_passing(error);
    if (!is_right)
        recorder_violate(actor->workload->recorder, "unexpected_error",
            "actor=%s call=alter_replica_log_dirs error=%d", actor->name, error);
    actor_wait(actor, 3000000);
}

static void move(struct actor *actor)
{
    struct alter_replica_log_dirs_alter_replica_log_dir_topic topic;
    struct alter_replica_log_dirs_alter_replica_log_dir directory;
    struct alter_replica_log_dirs_request request;
    int32_t home = (int32_t)actor_draw(actor, HOMES_MOST);
    shape_set_defaults(&alter_replica_log_dirs_alter_replica_log_dir_topic_shape, &topic);
    shape_set_defaults(&alter_replica_log_dirs_alter_replica_log_dir_shape, &directory);
    message_defaults(&alter_replica_log_dirs_request_schema, &request);
    topic.name = STR("__consumer_offsets");
    topic.partitions = &home;
    topic.partitions_count = 1;
    directory.path = actor_draw(actor, 2) == 0 ? STR("/data") : STR("/disk");
    directory.topics = &topic;
    directory.topics_count = 1;
    request.dirs = &directory;
    request.dirs_count = 1;
    actor->hear = hear_move;
    actor->lose = NULL;
    actor_ask(actor, API_ALTER_REPLICA_LOG_DIRS, 0, INT16_MAX, &request);
}

static void act_as_founder(struct actor *actor)
{
    struct founder *founder = founder_of(actor);
    actor->lose = NULL;
    if (founder->is_founded && actor->workload->draining) {
        founder->is_done = true;
        actor_set_idle(actor);
    } else if (!founder->has_asked) {
        create(actor);
    } else if (uuid_is_zero(founder->topic_id)) {
        look(actor);
    } else if (!founder->is_founded) {
        find(actor);
    } else if (actor_draw(actor, 3) == 0) {
        move(actor);
    } else {
        delete_something(founder);
    }
}

void founder_start(struct founder *founder, struct workload *workload)
{
    actor_start(&founder->actor, workload, "founder", 0, act_as_founder);
}
