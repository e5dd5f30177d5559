/* SPDX-License-Identifier: Apache-2.0 */
/* IncrementalAlterConfigs: each resource changes as a whole or not at all. */
#include "metadata/decide.h"
#include "wire/gen/config_record.h"
#include "wire/gen/incremental_alter_configs.h"

enum operation { OPERATION_SET, OPERATION_DELETE, OPERATION_APPEND, OPERATION_SUBTRACT };

struct alteration {
    struct decider *decider;
    const struct incremental_alter_configs_alter_configs_resource *wish;
    struct incremental_alter_configs_alter_configs_resource_response *result;
};

static enum error refuse(struct alteration *alteration, enum error error, const char *message)
{
    alteration->result->error_code = (int16_t)error;
    alteration->result->error_message = str_from(message);
    return error;
}

static bool list_holds(struct str list, struct str element)
{
    struct str piece;
    while (str_split(&list, ',', &piece))
        if (str_equal(str_trim(piece), element))
            return true;
    return false;
}

/* The list in `now` with the elements of `change` added behind, or taken out. */
static struct str edit_list(struct arena *arena, struct str now, struct str change, bool append)
{
    char *text = arena_take(arena, (size_t)now.size + (size_t)change.size + 2);
    int32_t size = 0;
    struct str rest = str_is_null(now) || now.size == 0 ? (struct str){ 0 } : now, piece;
    while (str_split(&rest, ',', &piece)) {
        if (!append && list_holds(change, str_trim(piece)))
            continue;
        if (size > 0)
            text[size++] = ',';
        memcpy(text + size, piece.data, (size_t)piece.size);
        size += piece.size;
    }
    rest = append ? change : (struct str){ 0 };
    while (str_split(&rest, ',', &piece)) {
        struct str element = str_trim(piece);
        if (list_holds((struct str){ text, size }, element))
            continue;
        if (size > 0)
            text[size++] = ',';
        memcpy(text + size, element.data, (size_t)element.size);
        size += element.size;
    }
    return (struct str){ text, size };
}

static enum error check_resource(struct alteration *alteration)
{
    const struct image *image = alteration->decider->image;
    struct str name = alteration->wish->resource_name;
    int64_t id;
    switch (alteration->wish->resource_type) {
    case SCOPE_TOPIC:
        if (image_topic_by_name(image, name) == NULL)
            return refuse(
                alteration, ERROR_UNKNOWN_TOPIC_OR_PARTITION, "The topic does not exist.");
        return ERROR_NONE;
    case SCOPE_BROKER:
        if (name.size > 0 && (!str_to_int64(name, &id) || id < 0 || id > INT32_MAX))
            return refuse(alteration, ERROR_INVALID_REQUEST, "Broker ids are numbers.");
        if (name.size > 0 && image_broker(image, (int32_t)id) == NULL)
            return refuse(
                alteration, ERROR_BROKER_ID_NOT_REGISTERED, "No such broker is registered.");
        return ERROR_NONE;
    case SCOPE_CLIENT_METRICS:
    case SCOPE_GROUP:
        if (name.size == 0)
            return refuse(
                alteration, ERROR_INVALID_REQUEST, "Default group resources are not allowed.");
        return ERROR_NONE;
    default:
        return refuse(alteration, ERROR_INVALID_REQUEST, "Unexpected resource type.");
    }
}

static enum error alter_one(
    struct alteration *alteration, const struct incremental_alter_configs_alterable_config *wish)
{
    struct decider *decider = alteration->decider;
    const struct controller_hooks *hooks = &decider->settings->hooks;
    enum setting_scope scope = (enum setting_scope)alteration->wish->resource_type;
    struct str name = alteration->wish->resource_name;
    struct str now = image_setting(decider->image, scope, name, wish->name);
    struct str value = wish->value, message = { 0 };
    if (wish->config_operation < OPERATION_SET || wish->config_operation > OPERATION_SUBTRACT)
        return refuse(alteration, ERROR_INVALID_REQUEST, "Unknown operation.");
    if (wish->config_operation == OPERATION_DELETE)
        value = (struct str){ 0 };
    else if (str_is_null(value))
        return refuse(alteration, ERROR_INVALID_REQUEST, "Null value not supported.");
    if (wish->config_operation == OPERATION_APPEND || wish->config_operation == OPERATION_SUBTRACT)
        value = edit_list(decider->arena, now, value, wish->config_operation == OPERATION_APPEND);

    enum error error = hooks->validate_setting == NULL
                           ? ERROR_NONE
                           : hooks->validate_setting(hooks->context, scope, name, wish->name, value,
                                 decider->arena, &message);
    if (error != ERROR_NONE) {
        alteration->result->error_code = (int16_t)error;
        alteration->result->error_message = message;
        return error;
    }
    if (str_equal(now, value))
        return ERROR_NONE;
    struct config_record record = { .resource_type = alteration->wish->resource_type,
        .resource_name = name,
        .name = wish->name,
        .value = value };
    decide_record(decider, &config_record_schema, 0, &record);
    return ERROR_NONE;
}

static void alter_resource(struct alteration *alteration)
{
    struct rsm_decision *decision = alteration->decider->decision;
    struct rsm_decision before = *decision;
    enum error error = check_resource(alteration);
    for (int32_t i = 0; error == ERROR_NONE && i < alteration->wish->configs_count; i++)
        error = alter_one(alteration, &alteration->wish->configs[i]);
    if (error != ERROR_NONE) {
        decision->record_count = before.record_count;
        decision->record_bytes = before.record_bytes;
    }
}

void decide_alter_settings(struct decider *decider,
    const struct incremental_alter_configs_request *request,
    struct incremental_alter_configs_response *response)
{
    struct rsm_decision before = *decider->decision;
    int32_t count = request->resources_count > 0 ? request->resources_count : 0;
    response->responses_count = count;
    response->responses = MESSAGE_TAKE(
        incremental_alter_configs_alter_configs_resource_response, decider->arena, count);
    for (int32_t i = 0; i < count; i++) {
        response->responses[i].resource_type = request->resources[i].resource_type;
        response->responses[i].resource_name = request->resources[i].resource_name;
        alter_resource(
            &(struct alteration){ decider, &request->resources[i], &response->responses[i] });
    }
    if (request->validate_only) {
        decider->decision->record_count = before.record_count;
        decider->decision->record_bytes = before.record_bytes;
    }
}
