/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/configurer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/container.h"
#include "error.h"
#include "sim/topics.h"
#include "sim/workload.h"
#include "wire/gen/alter_configs.h"
#include "wire/gen/describe_configs.h"
#include "wire/gen/incremental_alter_configs.h"

enum { RESOURCE_TOPIC = 2, RESOURCE_BROKER = 4, SOURCE_TOPIC = 1, SOURCE_BROKER = 2, SOURCE_CLUSTER = 3 };
enum { SET = 0, DELETE = 1, KEYS_MOST = 8 };

/* The value is base and the number of the group's change. */
struct key {
    const char *name;
    int64_t base;
    int group;
    bool is_topics, is_brokers;
};

static const struct key keys[] = {
    { "retention.ms", INT64_C(1000000000000), 0, true, false },
    { "flush.messages", 1, 0, true, false },
    { "segment.bytes", 1048576, 1, true, false },
    { "max.message.bytes", 1048588, 1, true, false },
    { "index.interval.bytes", 1000, 1, true, false },
    { "log.segment.bytes", 1048576, 0, false, true },
    { "message.max.bytes", 1048588, 0, false, true },
    { "log.index.interval.bytes", 1000, 1, false, true },
    { "log.retention.ms", INT64_C(1000000000000), 1, false, true },
};
enum { KEY_COUNT = sizeof(keys) / sizeof(keys[0]) };

static struct configurer *configurer_of(struct actor *actor)
{
    return container_of(actor, struct configurer, actor);
}

static bool is_of(const struct configurer *configurer, const struct key *key)
{
    return configurer->topic != NULL ? key->is_topics : key->is_brokers;
}

static void note(struct configurer *configurer, const char *phase, const char *operation, int group, int64_t value)
{
    char key[RESOURCE_NAME_SIZE];
    snprintf(key, sizeof(key), "settings/%s%s/%d", configurer->topic != NULL ? "topic-" : "node-", configurer->name, group);
    actor_note(&configurer->actor, phase, operation, key, value, OFFSET_NONE);
}

static void note_writes(struct configurer *configurer, const char *phase)
{
    for (int group = 0; group < GROUPS; group++)
        if (configurer->is_written[group])
            note(configurer, phase, "set", group, configurer->values[group]);
}

/* The topic may go meanwhile. */
static bool is_gone(const struct configurer *configurer, int16_t error)
{
    return error == ERROR_UNKNOWN_TOPIC_OR_PARTITION && configurer->topic != NULL && configurer->topic->state != TOPIC_THERE;
}

/* ---- Reading ---- */

static const struct describe_configs_resource_result *find(const struct describe_configs_result *result, const char *name)
{
    for (int32_t i = 0; i < result->configs_count; i++)
        if (str_is(result->configs[i].name, name))
            return &result->configs[i];
    return NULL;
}

/* The number that a key's value follows from; VALUE_NONE: it is not set where this configurer sets it. */
static int64_t number_of(const struct configurer *configurer, const struct describe_configs_result *result, const struct key *key)
{
    int64_t value;
    int8_t source = configurer->topic != NULL ? SOURCE_TOPIC : configurer->name[0] != '\0' ? SOURCE_BROKER : SOURCE_CLUSTER;
    const struct describe_configs_resource_result *found = find(result, key->name);
    if (found == NULL || found->config_source != source)
        return VALUE_NONE;
    return str_to_int64(found->value, &value) && value > key->base ? value - key->base : VALUE_DAMAGED;
}

static void see_group(struct configurer *configurer, const struct describe_configs_result *result, int group)
{
    int64_t value = VALUE_NONE;
    bool is_first = true;
    for (int i = 0; i < KEY_COUNT; i++) {
        if (!is_of(configurer, &keys[i]) || keys[i].group != group)
            continue;
        int64_t number = number_of(configurer, result, &keys[i]);
        if (!is_first && number != value)
            recorder_violate(configurer->actor.workload->recorder, "settings_changed_by_half",
                "actor=%s resource=%s key=%s number=%" PRId64 " others=%" PRId64, configurer->actor.name, configurer->name,
                keys[i].name, number, value);
        value = number;
        is_first = false;
    }
    note(configurer, "ok", "get", group, value);
}

/* A topic is made with its durability, and no change takes that away. */
static void see_durability(const struct configurer *configurer, const struct describe_configs_result *result)
{
    const struct describe_configs_resource_result *found = find(result, "ack.durability");
    const char *right = configurer->topic->is_volatile ? "page-cache" : "disk";
    if (found == NULL || found->config_source != SOURCE_TOPIC || !str_is(found->value, right))
        recorder_violate(configurer->actor.workload->recorder, "topic_has_another_durability", "actor=%s topic=%s right=%s",
            configurer->actor.name, configurer->name, right);
}

static void hear_read(struct actor *actor)
{
    struct configurer *configurer = configurer_of(actor);
    const struct describe_configs_response *response = actor->client.response;
    int16_t error = response->results_count == 1 ? response->results[0].error_code : ERROR_UNKNOWN_SERVER_ERROR;
    if (!is_gone(configurer, error) && !actor_succeeded(actor, error, "describe_configs"))
        return;
    for (int group = 0; group < GROUPS && error == ERROR_NONE; group++)
        see_group(configurer, &response->results[0], group);
    if (configurer->topic != NULL && error == ERROR_NONE)
        see_durability(configurer, &response->results[0]);
    actor_wait(actor, 300000);
}

static void read_settings(struct configurer *configurer)
{
    struct actor *actor = &configurer->actor;
    struct describe_configs_resource resource;
    struct describe_configs_request request;
    message_defaults(&describe_configs_request_schema, &request);
    shape_set_defaults(&describe_configs_resource_shape, &resource);
    resource.resource_type = configurer->topic != NULL ? RESOURCE_TOPIC : RESOURCE_BROKER;
    resource.resource_name = str_from(configurer->name);
    resource.configuration_keys_count = -1;
    request.resources = &resource;
    request.resources_count = 1;
    actor->hear = hear_read;
    actor->lose = NULL;
    for (int group = 0; group < GROUPS; group++)
        note(configurer, "invoke", "get", group, VALUE_NONE);
    actor_ask(actor, API_DESCRIBE_CONFIGS, 1, INT16_MAX, &request);
}

/* ---- Writing ---- */

static void lose_write(struct actor *actor)
{
    struct configurer *configurer = configurer_of(actor);
    note_writes(configurer, configurer->is_void ? "fail" : "info");
}

static void end_write(struct configurer *configurer, int16_t error)
{
    struct actor *actor = &configurer->actor;
    int16_t right_refusal = configurer->topic != NULL ? ERROR_INVALID_CONFIG : ERROR_INVALID_REQUEST;
    bool is_refused = error == right_refusal && configurer->is_void;
    bool is_done = error == ERROR_NONE && !configurer->is_void;
    note_writes(configurer, is_done ? "ok" : configurer->is_void || error_is_certain(error) ? "fail" : "info");
    if (is_refused || is_gone(configurer, error) || actor_succeeded(actor, error, "alter_configs"))
        actor_wait(actor, 300000);
}

static void hear_change(struct actor *actor)
{
    const struct incremental_alter_configs_response *response = actor->client.response;
    end_write(configurer_of(actor), response->responses_count == 1 ? response->responses[0].error_code : ERROR_UNKNOWN_SERVER_ERROR);
}

static void hear_replacement(struct actor *actor)
{
    const struct alter_configs_response *response = actor->client.response;
    end_write(configurer_of(actor), response->responses_count == 1 ? response->responses[0].error_code : ERROR_UNKNOWN_SERVER_ERROR);
}

static struct str value_text(struct configurer *configurer, const struct key *key)
{
    return str_from(arena_format(&configurer->actor.arena, "%" PRId64, key->base + configurer->values[key->group]));
}

/* One or both groups are set or deleted; what else is set stays. */
static void change(struct configurer *configurer)
{
    struct actor *actor = &configurer->actor;
    struct incremental_alter_configs_alterable_config configs[KEYS_MOST];
    struct incremental_alter_configs_alter_configs_resource resource;
    struct incremental_alter_configs_request request;
    bool is_wrong = configurer->is_void && actor_draw(actor, 2) == 0;
    message_defaults(&incremental_alter_configs_request_schema, &request);
    shape_set_defaults(&incremental_alter_configs_alter_configs_resource_shape, &resource);
    resource.configs_count = 0;
    for (int i = 0; i < KEY_COUNT; i++) {
        struct incremental_alter_configs_alterable_config *config = &configs[resource.configs_count];
        if (!is_of(configurer, &keys[i]) || !configurer->is_written[keys[i].group])
            continue;
        bool is_deleted = configurer->values[keys[i].group] == VALUE_NONE;
        shape_set_defaults(&incremental_alter_configs_alterable_config_shape, config);
        config->name = str_from(keys[i].name);
        config->config_operation = is_deleted ? DELETE : SET;
        config->value = is_deleted ? (struct str){ 0 } : value_text(configurer, &keys[i]);
        resource.configs_count++;
    }
    if (is_wrong)
        configs[resource.configs_count - 1].value = STR("x");
    resource.resource_type = configurer->topic != NULL ? RESOURCE_TOPIC : RESOURCE_BROKER;
    resource.resource_name = str_from(configurer->name);
    resource.configs = configs;
    request.resources = &resource;
    request.resources_count = 1;
    request.validate_only = configurer->is_void && !is_wrong;
    actor->hear = hear_change;
    actor->lose = lose_write;
    note_writes(configurer, "invoke");
    actor_ask(actor, API_INCREMENTAL_ALTER_CONFIGS, 0, INT16_MAX, &request);
}

/* All that is not named is deleted, so a topic's durability must be. */
static void replace(struct configurer *configurer)
{
    struct actor *actor = &configurer->actor;
    struct alter_configs_alterable_config configs[KEYS_MOST];
    struct alter_configs_resource resource;
    struct alter_configs_request request;
    message_defaults(&alter_configs_request_schema, &request);
    shape_set_defaults(&alter_configs_resource_shape, &resource);
    shape_set_defaults(&alter_configs_alterable_config_shape, &configs[0]);
    configs[0].name = STR("ack.durability");
    configs[0].value = configurer->topic->is_volatile ? STR("page-cache") : STR("disk");
    resource.configs_count = 1;
    for (int group = 0; group < GROUPS; group++)
        configurer->is_written[group] = true;
    for (int i = 0; i < KEY_COUNT; i++) {
        struct alter_configs_alterable_config *config = &configs[resource.configs_count];
        if (!is_of(configurer, &keys[i]) || configurer->values[keys[i].group] == VALUE_NONE)
            continue;
        shape_set_defaults(&alter_configs_alterable_config_shape, config);
        config->name = str_from(keys[i].name);
        config->value = value_text(configurer, &keys[i]);
        resource.configs_count++;
    }
    resource.resource_type = RESOURCE_TOPIC;
    resource.resource_name = str_from(configurer->name);
    resource.configs = configs;
    request.resources = &resource;
    request.resources_count = 1;
    request.validate_only = configurer->is_void;
    actor->hear = hear_replacement;
    actor->lose = lose_write;
    note_writes(configurer, "invoke");
    actor_ask(actor, API_ALTER_CONFIGS, 0, INT16_MAX, &request);
}

static void draw_change(struct configurer *configurer)
{
    struct actor *actor = &configurer->actor;
    int written = 1 + (int)actor_draw(actor, 3); /* a bit for each group */
    configurer->is_void = actor_draw(actor, 6) == 0;
    for (int group = 0; group < GROUPS; group++) {
        bool is_deleted = actor_draw(actor, 4) == 0 && !configurer->is_void;
        configurer->is_written[group] = written & 1 << group;
        configurer->values[group] =
            is_deleted || !configurer->is_written[group] ? VALUE_NONE : recorder_value(actor->workload->recorder);
    }
}

static void act_as_configurer(struct actor *actor)
{
    struct configurer *configurer = configurer_of(actor);
    struct workload *workload = actor->workload;
    uint64_t count = workload->by_name ? topics_count_there(&workload->topics) : 0;
    if (workload->draining) {
        actor_set_idle(actor);
        return;
    }
    configurer->topic = topics_there(&workload->topics, actor_draw(actor, count + 2));
    if (!workload->by_name || (configurer->topic != NULL && configurer->topic->is_retained))
        configurer->topic = NULL; /* a retention must stay what it is, and a replacement would delete it */
    configurer->name = configurer->topic != NULL ? configurer->topic->name : actor_draw(actor, 2) == 0 ? "1" : "";
    if (actor_draw(actor, 2) == 0) {
        read_settings(configurer);
        return;
    }
    draw_change(configurer);
    if (configurer->topic != NULL && actor_draw(actor, 3) == 0)
        replace(configurer);
    else
        change(configurer);
}

void configurer_start(struct configurer *configurer, struct workload *workload, int number)
{
    actor_start(&configurer->actor, workload, "configurer", number, act_as_configurer);
}
