/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/logger.h"

#include "base/report.h"
#include "base/setting.h"
#include "broker/settings.h"
#include "metadata/settings_change.h"

/* Of two names for one level the first is told: DEBUG, not TRACE; ERROR, not FATAL. */
static const struct {
    const char *name;
    enum report_level level;
} levels[] = {
    { "DEBUG", REPORT_DEBUG },
    { "ERROR", REPORT_ERROR },
    { "FATAL", REPORT_ERROR },
    { "INFO", REPORT_INFO },
    { "TRACE", REPORT_DEBUG },
    { "WARN", REPORT_WARN },
};

const char *logger_level(void)
{
    enum report_level level = report_get_level();
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (levels[i].level == level)
            return levels[i].name;
    }
    return "INFO";
}

struct str logger_report_level(void)
{
    static const char *const names[] = { "debug", "info", "warn", "error" };
    return str_from(names[report_get_level()]);
}

static bool find_level(struct str name, enum report_level *out_level)
{
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (!str_is(name, levels[i].name))
            continue;
        *out_level = levels[i].level;
        return true;
    }
    return false;
}

static enum error refuse(struct str *out_message, enum error error, const char *message)
{
    *out_message = str_from(message);
    return error;
}

static enum error check_node(
    const struct node_settings *node, struct str name, struct arena *arena, struct str *out_message)
{
    int64_t id;
    if (!str_to_int64(name, &id) || id < INT32_MIN || id > INT32_MAX)
        return refuse(out_message, ERROR_INVALID_REQUEST,
            arena_format(arena, "Node id must be an integer, but it is: %.*s", STR_PRINT(name)));
    if (id != node->node_id)
        return refuse(out_message, ERROR_INVALID_REQUEST,
            arena_format(arena, "Unexpected node id. Expected %d, but received %.*s", node->node_id,
                STR_PRINT(name)));
    return ERROR_NONE;
}

static enum error check_wish(
    const struct setting_wish *wish, struct arena *arena, struct str *out_message)
{
    enum report_level level;
    bool is_root = str_is(wish->key, "root");
    switch (wish->operation) {
    case OPERATION_SET:
        if (!find_level(wish->value, &level))
            return refuse(out_message, ERROR_INVALID_CONFIG,
                arena_format(arena,
                    "Cannot set the log level of %.*s to %.*s as it is not a supported log level. "
                    "Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN",
                    STR_PRINT(wish->key), STR_PRINT(wish->value)));
        break;
    case OPERATION_DELETE:
        if (is_root)
            return refuse(out_message, ERROR_INVALID_REQUEST,
                "Removing the log level of the root logger is not allowed");
        break;
    case OPERATION_APPEND:
    case OPERATION_SUBTRACT:
        return refuse(out_message, ERROR_INVALID_REQUEST,
            arena_format(arena, "%s operation is not allowed for the BROKER_LOGGER resource",
                wish->operation == OPERATION_APPEND ? "APPEND" : "SUBTRACT"));
    default:
        return refuse(out_message, ERROR_INVALID_REQUEST,
            arena_format(arena,
                "Unknown operation type %d is not allowed for the BROKER_LOGGER resource",
                wish->operation));
    }
    return is_root ? ERROR_NONE
                   : refuse(out_message, ERROR_INVALID_CONFIG,
                         arena_format(arena, "Logger %.*s does not exist!", STR_PRINT(wish->key)));
}

enum error logger_change(const struct node_settings *node, const struct resource_change *resource,
    bool validate_only, struct arena *arena, struct str *out_message)
{
    enum report_level level;
    enum error error = check_node(node, resource->name, arena, out_message);
    for (int32_t i = 0; error == ERROR_NONE && i < resource->wish_count; i++)
        error = check_wish(&resource->wishes[i], arena, out_message);
    for (int32_t i = 0; error == ERROR_NONE && !validate_only && i < resource->wish_count; i++) {
        if (find_level(resource->wishes[i].value, &level))
            report_set_level(level);
    }
    return error;
}
