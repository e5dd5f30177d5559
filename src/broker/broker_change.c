/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/broker_change.h"

#include "broker/broker_together.h"
#include "broker/settings.h"
#include "broker/stored_setting.h"
#include "metadata/image.h"
#include "metadata/settings_change.h"

static enum error refuse(struct str *out_message, const char *message)
{
    *out_message = str_from(message);
    return ERROR_INVALID_REQUEST;
}

static void put(struct broker_wishes *wishes, struct str key, struct str value)
{
    int32_t at = 0;
    while (at < wishes->count && !str_equal(wishes->pairs[at].key, key))
        at++;
    if (!str_is_null(value)) {
        wishes->pairs[at] = (struct setting_pair){ key, value };
        wishes->count += at == wishes->count;
    } else if (at < wishes->count) {
        wishes->count--;
        memmove(&wishes->pairs[at], &wishes->pairs[at + 1],
            (size_t)(wishes->count - at) * sizeof(*wishes->pairs));
    }
}

static void load(struct broker_wishes *wishes, struct str name, int32_t wish_count, bool replaces)
{
    const struct image *image = wishes->view->image;
    struct str key = { 0 }, value;
    int32_t count = 0;
    while (!replaces && image != NULL &&
           image_setting_after(image, SCOPE_BROKER, name, key, &key, &value))
        count++;
    wishes->pairs = arena_take_array(
        wishes->view->arena, (size_t)count + (size_t)wish_count + 1, sizeof(*wishes->pairs));
    key = (struct str){ 0 };
    for (int32_t i = 0; i < count; i++) {
        image_setting_after(image, SCOPE_BROKER, name, key, &key, &value);
        wishes->pairs[wishes->count++] = (struct setting_pair){ key, value };
    }
}

/* Lists are only looked at here; the controller makes the new one. */
static enum error take(
    struct broker_wishes *wishes, const struct setting_wish *wish, struct str *out_message)
{
    struct arena *arena = wishes->view->arena;
    const struct setting *row = broker_setting_row(wish->key);
    bool is_append = wish->operation == OPERATION_APPEND;
    switch (wish->operation) {
    case OPERATION_SET:
        put(wishes, wish->key, wish->value);
        return ERROR_NONE;
    case OPERATION_DELETE:
        put(wishes, wish->key, (struct str){ 0 });
        return ERROR_NONE;
    case OPERATION_APPEND:
    case OPERATION_SUBTRACT:
        break;
    default:
        return refuse(
            out_message, arena_format(arena, "Unknown operations type %d", wish->operation));
    }
    if (row != NULL && (row->type == SETTING_LIST || row->type == SETTING_CHOICES)) {
        if (is_append)
            put(wishes, wish->key, wish->value);
        return ERROR_NONE;
    }
    refuse(out_message,
        row == NULL ? arena_format(arena, "Unknown config name: %.*s", STR_PRINT(wish->key))
                    : arena_format(arena, "Config value %s is not allowed for config key: %.*s",
                          is_append ? "append" : "subtract", STR_PRINT(wish->key)));
    return ERROR_INVALID_CONFIG;
}

/* Names all keys that a rule is about. */
static enum error refuse_keys(const struct broker_wishes *wishes, bool (*is_meant)(struct str key),
    const char *message, struct str *out_message)
{
    struct arena *arena = wishes->view->arena;
    const char *keys = "";
    for (int32_t i = 0; i < wishes->count; i++) {
        if (is_meant(wishes->pairs[i].key))
            keys = arena_format(
                arena, "%s%s%.*s", keys, keys[0] == 0 ? "" : ", ", STR_PRINT(wishes->pairs[i].key));
    }
    return keys[0] == 0 ? ERROR_NONE
                        : refuse(out_message, arena_format(arena, "%s: [%s]", message, keys));
}

/* No class can be loaded but the one that stands for none. */
static const char *check_class(const struct setting *row, struct str value, struct arena *arena)
{
    bool is_default = row->unset != NULL && str_is(value, row->unset);
    if (value.size == 0 || is_default)
        return NULL;
    if (strcmp(row->name, "metric.reporters") == 0)
        return "Invalid value org.apache.kafka.common.config.ConfigException: Validation of "
               "dynamic "
               "config update of Set(metric.reporters) failed with class class "
               "kafka.server.DynamicMetricsReporters for configuration Invalid dynamic "
               "configuration";
    return row->type != SETTING_CLASS
               ? NULL
               : arena_format(arena,
                     "Invalid value %.*s for configuration %s: Class %.*s could not be found.",
                     STR_PRINT(value), row->name, STR_PRINT(value));
}

static enum error check_values(const struct broker_wishes *wishes, struct str *out_message)
{
    struct arena *arena = wishes->view->arena;
    for (int32_t i = 0; i < wishes->count; i++) {
        const struct setting *row = broker_setting_row(wishes->pairs[i].key);
        struct str value = wishes->pairs[i].value;
        if (row == NULL)
            continue;
        *out_message = setting_list_fault(row, value, false, arena);
        if (!str_is_null(*out_message) || !setting_parse(row, value, arena, NULL, out_message))
            return ERROR_INVALID_REQUEST;
        const char *fault = check_class(row, str_trim(value), arena);
        if (fault != NULL)
            return refuse(out_message, fault);
    }
    return ERROR_NONE;
}

enum error broker_change_check(const struct setting_view *view,
    const struct resource_change *resource, bool replaces, struct str *out_message)
{
    struct broker_wishes wishes = { .view = view, .is_default = resource->name.size == 0 };
    enum error error = ERROR_NONE;
    load(&wishes, resource->name, resource->wish_count, replaces);
    for (int32_t i = 0; error == ERROR_NONE && i < resource->wish_count; i++)
        error = take(&wishes, &resource->wishes[i], out_message);
    if (error == ERROR_NONE)
        error =
            refuse_keys(&wishes, broker_key_is_fixed, "Cannot update these configs dynamically", out_message);
    if (error == ERROR_NONE)
        error = refuse_keys(&wishes, broker_key_belongs_to_listener,
            "These security configs can be dynamically updated only per-listener using the "
            "listener prefix",
            out_message);
    if (error == ERROR_NONE)
        error = check_values(&wishes, out_message);
    if (error == ERROR_NONE && wishes.is_default)
        error = refuse_keys(&wishes, broker_key_belongs_to_broker,
            "Cannot update these configs at default cluster level, broker id must be specified",
            out_message);
    return error == ERROR_NONE ? broker_together_check(&wishes, out_message) : error;
}
