/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/mover.h"

#include <string.h>

#include "base/container.h"
#include "error.h"
#include "sim/topics.h"
#include "sim/workload.h"
#include "wire/gen/alter_replica_log_dirs.h"
#include "wire/gen/incremental_alter_configs.h"

enum { RESOURCE_BROKER = 4, OPERATION_SET = 0, OPERATION_DELETE = 1 };

/* The second is a directory of some nodes only, the third of none. */
static const char *const paths[] = { "/data", "/disk", "/nowhere" };
enum { PATH_COUNT = 3 };

static struct mover *mover_of(struct actor *actor)
{
    return container_of(actor, struct mover, actor);
}

static bool is_right(const struct mover *mover, int16_t error)
{
    if (strcmp(mover->path, "/nowhere") == 0)
        return error == ERROR_LOG_DIR_NOT_FOUND;
    return error == ERROR_NONE || error == ERROR_REPLICA_NOT_AVAILABLE ||
           (error == ERROR_LOG_DIR_NOT_FOUND && strcmp(mover->path, "/disk") == 0) || error_is_passing(error);
}

static void hear_move(struct actor *actor)
{
    struct mover *mover = mover_of(actor);
    const struct alter_replica_log_dirs_response *response = actor->client.response;
    int16_t error = ERROR_UNKNOWN_SERVER_ERROR;
    if (response->results_count == 1 && response->results[0].partitions_count == 1)
        error = response->results[0].partitions[0].error_code;
    if (!is_right(mover, error))
        recorder_violate(actor->workload->recorder, "unexpected_error", "actor=%s call=alter_replica_log_dirs path=%s error=%d",
            actor->name, mover->path, error);
    actor_wait(actor, 1500000);
}

static void move(struct mover *mover)
{
    struct actor *actor = &mover->actor;
    struct alter_replica_log_dirs_alter_replica_log_dir_topic topic;
    struct alter_replica_log_dirs_alter_replica_log_dir directory;
    struct alter_replica_log_dirs_request request;
    int32_t partition = (int32_t)actor_draw(actor, (uint64_t)mover->topic->partition_count);
    shape_set_defaults(&alter_replica_log_dirs_alter_replica_log_dir_topic_shape, &topic);
    shape_set_defaults(&alter_replica_log_dirs_alter_replica_log_dir_shape, &directory);
    message_defaults(&alter_replica_log_dirs_request_schema, &request);
    mover->path = paths[actor_draw(actor, 20) == 0 ? PATH_COUNT - 1 : actor_draw(actor, PATH_COUNT - 1)];
    topic.name = str_from(mover->topic->name);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    directory.path = str_from(mover->path);
    directory.topics = &topic;
    directory.topics_count = 1;
    request.dirs = &directory;
    request.dirs_count = 1;
    actor->hear = hear_move;
    actor_ask(actor, API_ALTER_REPLICA_LOG_DIRS, 0, INT16_MAX, &request);
}

static void hear_pace(struct actor *actor)
{
    const struct incremental_alter_configs_response *response = actor->client.response;
    int16_t error = response->responses_count == 1 ? response->responses[0].error_code : ERROR_UNKNOWN_SERVER_ERROR;
    if (!actor_succeeded(actor, error, "incremental_alter_configs"))
        return;
    mover_of(actor)->may_be_slow = mover_of(actor)->is_slow;
    actor_wait(actor, 500000);
}

/* Slow enough that a move lasts for many events; or as fast as it goes. */
static void set_pace(struct mover *mover, bool is_slow)
{
    struct actor *actor = &mover->actor;
    struct incremental_alter_configs_alterable_config config;
    struct incremental_alter_configs_alter_configs_resource resource;
    struct incremental_alter_configs_request request;
    shape_set_defaults(&incremental_alter_configs_alterable_config_shape, &config);
    shape_set_defaults(&incremental_alter_configs_alter_configs_resource_shape, &resource);
    message_defaults(&incremental_alter_configs_request_schema, &request);
    config.name = STR("replica.alter.log.dirs.io.max.bytes.per.second");
    config.config_operation = is_slow ? OPERATION_SET : OPERATION_DELETE;
    config.value = is_slow ? STR("5000") : (struct str){ 0 };
    resource.resource_type = RESOURCE_BROKER;
    resource.resource_name = STR("");
    resource.configs = &config;
    resource.configs_count = 1;
    request.resources = &resource;
    request.resources_count = 1;
    mover->is_slow = is_slow;
    mover->may_be_slow |= is_slow;
    actor->hear = hear_pace;
    actor_ask(actor, API_INCREMENTAL_ALTER_CONFIGS, 0, INT16_MAX, &request);
}

static void act_as_mover(struct actor *actor)
{
    struct mover *mover = mover_of(actor);
    struct workload *workload = actor->workload;
    if (workload->draining && mover->may_be_slow) {
        set_pace(mover, false); /* or what moves now is not over in time */
        return;
    }
    mover->topic = topics_there(&workload->topics, actor_draw(actor, topics_count_there(&workload->topics) + 1));
    if (mover->topic == NULL || workload->draining)
        actor_set_idle(actor);
    else if (actor_draw(actor, 5) == 0)
        set_pace(mover, actor_draw(actor, 2) == 0);
    else
        move(mover);
}

void mover_start(struct mover *mover, struct workload *workload)
{
    actor_start(&mover->actor, workload, "mover", 0, act_as_mover);
}
