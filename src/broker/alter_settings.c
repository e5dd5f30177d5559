/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/alter_settings.h"

#include "broker/broker_change.h"
#include "broker/forward.h"
#include "broker/logger.h"
#include "broker/request.h"
#include "broker/settings.h"
#include "broker/shard.h"
#include "broker/unserved.h"
#include "metadata/decide.h"
#include "metadata/image.h"

static enum error settle(struct resource_change *resource, enum error error, const char *message)
{
    resource->settled = true;
    resource->error = error;
    resource->message = str_from(message);
    return error;
}

static bool is_known(int8_t type)
{
    return type == SCOPE_TOPIC || type == SCOPE_BROKER || type == SCOPE_BROKER_LOGGER ||
           type == SCOPE_CLIENT_METRICS || type == SCOPE_GROUP;
}

static enum error change_logger(
    struct request *request, struct resource_change *resource, bool validate_only)
{
    resource->settled = true;
    resource->error = logger_change(
        request->shard->settings, resource, validate_only, &request->arena, &resource->message);
    return resource->error;
}

static enum error check_keys(struct request *request, struct resource_change *resource)
{
    struct arena *arena = &request->arena;
    struct str *keys = arena_take_array(arena, (size_t)resource->wish_count, sizeof(*keys));
    const char *nulls = "";
    for (int32_t i = 0; i < resource->wish_count; i++)
        keys[i] = resource->wishes[i].key;
    const int32_t *first = decide_first_of_name(arena, keys, resource->wish_count);
    for (int32_t i = 0; i < resource->wish_count; i++) {
        if (first[i] >= 0)
            return settle(resource, ERROR_INVALID_REQUEST, "Error due to duplicate config keys");
    }
    for (int32_t i = 0; i < resource->wish_count; i++) {
        const struct setting_wish *wish = &resource->wishes[i];
        if (wish->operation != OPERATION_DELETE && str_is_null(wish->value))
            nulls = arena_format(
                arena, "%s%s%.*s", nulls, nulls[0] == 0 ? "" : ", ", STR_PRINT(wish->key));
    }
    return nulls[0] == 0 ? ERROR_NONE
                         : settle(resource, ERROR_INVALID_REQUEST,
                               arena_format(arena, "Null value not supported for : %s", nulls));
}

static enum error check_broker(
    struct request *request, struct resource_change *resource, bool replaces)
{
    const struct node_settings *node = request->shard->settings;
    struct setting_view view;
    int64_t id = node->node_id;
    if (resource->name.size > 0 && !str_to_int64(resource->name, &id))
        return settle(resource, ERROR_INVALID_REQUEST,
            arena_format(&request->arena, "Node id must be an integer, but it is: %.*s",
                STR_PRINT(resource->name)));
    if (id != node->node_id)
        return settle(resource, ERROR_INVALID_REQUEST,
            arena_format(&request->arena, "Unexpected broker id, expected %d, but received %.*s",
                node->node_id, STR_PRINT(resource->name)));
    setting_view_init(&view, node, request->shard->image, &request->arena);
    resource->error = broker_change_check(&view, resource, replaces, &resource->message);
    resource->settled = resource->error != ERROR_NONE;
    return resource->error;
}

static enum error check_operations(struct request *request, struct resource_change *resource)
{
    for (int32_t i = 0; i < resource->wish_count; i++) {
        int8_t operation = resource->wishes[i].operation;
        if (operation < OPERATION_SET || operation > OPERATION_SUBTRACT)
            return settle(resource, ERROR_INVALID_REQUEST,
                arena_format(&request->arena, "Unknown operations type %d", operation));
    }
    return ERROR_NONE;
}

static void look_as_broker(
    struct request *request, const struct settings_change *change, struct resource_change *resource)
{
    if (check_keys(request, resource) != ERROR_NONE)
        return;
    if (resource->type == SCOPE_BROKER_LOGGER && !change->replaces)
        change_logger(request, resource, change->validate_only);
    else if (resource->type == SCOPE_BROKER)
        check_broker(request, resource, change->replaces);
    else if (!is_known(resource->type) || resource->type == SCOPE_BROKER_LOGGER)
        settle(resource, ERROR_INVALID_REQUEST,
            arena_format(&request->arena, "Unknown resource type %d", resource->type));
    else
        check_operations(request, resource);
}

/* Of a key that stands twice the last counts. */
static void drop_earlier(struct request *request, struct resource_change *resource)
{
    int32_t kept = 0, count = resource->wish_count;
    struct str *keys = arena_take_array(&request->arena, (size_t)count, sizeof(*keys));
    int32_t *last = arena_take_array(&request->arena, (size_t)count, sizeof(*last));
    for (int32_t i = 0; i < count; i++)
        keys[i] = resource->wishes[i].key;
    const int32_t *first = decide_first_of_name(&request->arena, keys, count);
    for (int32_t i = 0; i < count; i++)
        last[first[i] < 0 ? i : first[i]] = i;
    for (int32_t i = 0; i < count; i++) {
        if (last[first[i] < 0 ? i : first[i]] == i)
            resource->wishes[kept++] = resource->wishes[i];
    }
    resource->wish_count = kept;
}

static bool is_among(struct str list, struct str item)
{
    struct str piece;
    while (list.size > 0 && str_split(&list, ',', &piece)) {
        if (str_equal(str_trim(piece), item))
            return true;
    }
    return false;
}

/* Which directories there are only the broker knows: through a controller some may be let go. */
static void check_cordons(struct request *request, struct resource_change *resource)
{
    struct str key = STR("cordoned.log.dirs"), piece;
    const struct image *image = request->shard->image;
    for (int32_t i = 0; i < resource->wish_count; i++) {
        const struct setting_wish *wish = &resource->wishes[i];
        bool adds = wish->operation == OPERATION_SET || wish->operation == OPERATION_APPEND;
        struct str list = wish->value, now = { 0 };
        if (!adds || str_is_null(list) || !str_equal(wish->key, key))
            continue;
        if (image != NULL)
            now = image_setting(image, SCOPE_BROKER, resource->name, key);
        while (list.size > 0 && str_split(&list, ',', &piece)) {
            if (!is_among(now, str_trim(piece)))
                settle(resource, ERROR_INVALID_CONFIG,
                    "When updating cordoned.log.dirs via controllers,  the new value must be a subset "
                    "of the current configuration value.");
        }
    }
}

static void look_as_controller(
    struct request *request, const struct settings_change *change, struct resource_change *resource)
{
    if (!is_known(resource->type))
        settle(resource, ERROR_UNSUPPORTED_VERSION,
            arena_format(&request->arena, "Unknown resource type %d.", resource->type));
    else if (resource->type != SCOPE_BROKER_LOGGER)
        check_operations(request, resource);
    else if (change->replaces)
        settle(resource, ERROR_INVALID_REQUEST, "Unexpected resource type BROKER_LOGGER.");
    else
        change_logger(request, resource, change->validate_only);
    if (resource->type == SCOPE_BROKER && !resource->settled)
        check_cordons(request, resource);
    drop_earlier(request, resource);
}

/* A resource that stands twice is refused: at a broker each time, at a controller once. */
static void refuse_twice(struct request *request, struct settings_change *change, bool is_broker)
{
    int32_t kept = 0;
    struct arena *arena = &request->arena;
    struct str *names = arena_take_array(arena, (size_t)change->count, sizeof(*names));
    for (int32_t i = 0; i < change->count; i++)
        names[i] = str_from(arena_format(
            arena, "%d %.*s", change->resources[i].type, STR_PRINT(change->resources[i].name)));
    const int32_t *first = decide_first_of_name(arena, names, change->count);
    for (int32_t i = 0; i < change->count; i++) {
        struct resource_change *resource = &change->resources[i];
        if (first[i] >= 0)
            settle(resource, ERROR_INVALID_REQUEST,
                is_broker ? "Each resource must appear at most once." : "Duplicate resource.");
        if (is_broker || first[i] < 0 || first[i] == i)
            change->resources[kept++] = *resource;
    }
    change->count = kept;
}

static bool is_too_large(const struct settings_change *change)
{
    int64_t wishes = change->count;
    for (int32_t i = 0; i < change->count; i++)
        wishes += change->resources[i].wish_count;
    return wishes > SETTING_WISHES_MAX;
}

static void look(struct request *request, struct settings_change *change)
{
    bool is_broker = request->shard->index != SHARD_OF_CONTROL;
    bool too_large = is_too_large(change);
    if (!too_large)
        refuse_twice(request, change, is_broker);
    for (int32_t i = 0; i < change->count; i++) {
        struct resource_change *resource = &change->resources[i];
        if (too_large)
            settle(resource, ERROR_POLICY_VIOLATION,
                "Unable to perform excessively large batch operation.");
        if (resource->settled)
            continue;
        if (is_broker)
            look_as_broker(request, change, resource);
        else
            look_as_controller(request, change, resource);
    }
}

static bool is_all_settled(const struct settings_change *change)
{
    for (int32_t i = 0; i < change->count; i++) {
        if (!change->resources[i].settled)
            return false;
    }
    return true;
}

bool alter_settings(struct request *request, struct alter_settings_work *work)
{
    struct settings_change *change = &work->change;
    enum error error;
    if (work->forwarded == NULL) {
        look(request, change);
        if (is_all_settled(change))
            return true;
    }
    if (!forward_message(
            request, &work->forwarded, CONTROLLER_ALTER_SETTINGS, change, change, &error))
        return false;
    for (int32_t i = 0; error != ERROR_NONE && i < change->count; i++) {
        if (!change->resources[i].settled)
            settle(&change->resources[i], error, NULL);
    }
    unserved_report_change(change);
    return true;
}
