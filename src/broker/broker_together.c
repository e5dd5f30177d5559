/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/broker_together.h"

#include <inttypes.h>

#include "broker/settings.h"
#include "metadata/image.h"

static struct str wished(const struct broker_wishes *wishes, const char *key)
{
    for (int32_t i = 0; i < wishes->count; i++) {
        if (str_is(wishes->pairs[i].key, key))
            return wishes->pairs[i].value;
    }
    return (struct str){ 0 };
}

/* What would hold for the key; null: nothing. */
static struct str would_be(const struct broker_wishes *wishes, const char *key)
{
    const struct setting_view *view = wishes->view;
    struct str name = str_from(key), value = { 0 };
    if (wishes->is_default && view->image != NULL)
        value = image_setting(view->image, SCOPE_BROKER, view->own, name);
    if (str_is_null(value))
        value = wished(wishes, key);
    if (str_is_null(value) && !wishes->is_default && view->image != NULL)
        value = image_setting(view->image, SCOPE_BROKER, STR(""), name);
    if (!str_is_null(value))
        return str_trim(value);
    struct setting_view started = *view; /* neither this broker nor the default says it */
    started.image = NULL;
    return broker_setting_value(&started, name);
}

static int64_t number(const struct broker_wishes *wishes, const char *key, int64_t otherwise)
{
    int64_t value = otherwise;
    str_to_int64(would_be(wishes, key), &value);
    return value;
}

static enum error refuse(struct str *out_message, const char *message)
{
    *out_message = str_from(message);
    return ERROR_INVALID_REQUEST;
}

/* How Kafka words what one of its parts refuses. */
static enum error refuse_inside(
    const struct broker_wishes *wishes, struct str *out_message, const char *message)
{
    return refuse(out_message,
        arena_format(wishes->view->arena,
            "Invalid value org.apache.kafka.common.config.ConfigException: %s for configuration "
            "Invalid dynamic configuration",
            message));
}

/* A row says what a key may be by itself, but the broker's rule is narrower. */
static enum error check_times(const struct broker_wishes *wishes, struct str *out_message)
{
    if (number(wishes, "log.retention.ms", -1) == 0)
        return refuse(out_message,
            "requirement failed: log.retention.ms must be unlimited (-1) or, "
            "greater than or equal to 1");
    if (number(wishes, "log.roll.ms", 1) < 1)
        return refuse(
            out_message, "requirement failed: log.roll.ms must be greater than or equal to 1");
    if (number(wishes, "log.roll.jitter.ms", 0) < 0)
        return refuse(out_message,
            "requirement failed: log.roll.jitter.ms must be greater than or equal to 0");
    return ERROR_NONE;
}

static enum error check_intervals(const struct broker_wishes *wishes, struct str *out_message)
{
    static const char *const kinds[] = { "consumer", "share", "streams" };
    struct arena *arena = wishes->view->arena;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const char *key = arena_format(arena, "group.%s.assignment.interval.ms", kinds[i]);
        const char *least = arena_format(arena, "group.%s.min.assignment.interval.ms", kinds[i]);
        const char *most = arena_format(arena, "group.%s.max.assignment.interval.ms", kinds[i]);
        int64_t value = number(wishes, key, 0);
        if (value < number(wishes, least, 0))
            return refuse(out_message,
                arena_format(arena, "%s must be greater than or equal to %s", key, least));
        if (value > number(wishes, most, INT64_MAX))
            return refuse(
                out_message, arena_format(arena, "%s must be less than or equal to %s", key, most));
    }
    return ERROR_NONE;
}

static enum error check_overrides(const struct broker_wishes *wishes, struct str *out_message)
{
    struct arena *arena = wishes->view->arena;
    struct str list = would_be(wishes, "max.connections.per.ip.overrides"), piece;
    bool is_empty = list.size == 0;
    while (list.size > 0 && str_split(&list, ',', &piece)) {
        int32_t colon = piece.size - 1;
        int64_t limit;
        piece = str_trim(piece);
        while (colon >= 0 && piece.data[colon] != ':')
            colon--;
        if (piece.size == 0)
            continue;
        if (colon < 0)
            return refuse(out_message, arena_format(arena,
                                           "Error parsing configuration property "
                                           "'max.connections.per.ip.overrides': begin 0, "
                                           "end -1, length %d",
                                           piece.size));
        struct str count = str_trim((struct str){ piece.data + colon + 1, piece.size - colon - 1 });
        if (!str_to_int64(count, &limit) || limit > INT32_MAX || limit < INT32_MIN)
            return refuse(
                out_message, arena_format(arena, "For input string: \"%.*s\"", STR_PRINT(count)));
        if (limit >= 0 && !connection_overrides_are_understood(piece))
            return refuse(out_message,
                arena_format(arena,
                    "requirement failed: max.connections.per.ip.overrides contains invalid "
                    "addresses : %.*s",
                    STR_PRINT(((struct str){ piece.data, colon }))));
    }
    if (is_empty && number(wishes, "max.connections.per.ip", 1) == 0)
        return refuse(out_message,
            "requirement failed: max.connections.per.ip can be set to zero only if "
            "max.connections.per.ip.overrides property is set.");
    return ERROR_NONE;
}

/* A pool grows at most to double its size at once, and shrinks at most to half. Strom has no such
 * pools, but what Kafka refuses must not be stored. */
static enum error check_pools(const struct broker_wishes *wishes, struct str *out_message)
{
    static const char *const keys[] = { "num.io.threads", "num.network.threads",
        "num.replica.fetchers", "num.recovery.threads.per.data.dir", "background.threads",
        "remote.log.reader.threads", "remote.log.manager.copier.thread.pool.size",
        "remote.log.manager.expiration.thread.pool.size",
        "remote.log.manager.follower.thread.pool.size" };
    struct arena *arena = wishes->view->arena;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        int64_t now = 0, value = number(wishes, keys[i], 0);
        str_to_int64(broker_setting_value(wishes->view, str_from(keys[i])), &now);
        bool is_too_large = value > now * 2;
        if (!is_too_large && value >= now / 2)
            continue;
        return refuse_inside(wishes, out_message,
            arena_format(arena,
                "Dynamic thread count update validation failed for %s=%" PRId64
                ", value should %s the "
                "current value %" PRId64,
                keys[i], value, is_too_large ? "not be greater than double" : "be at least half",
                now));
    }
    return ERROR_NONE;
}

static enum error check_cleaner(const struct broker_wishes *wishes, struct str *out_message)
{
    int64_t now = 1, threads = number(wishes, "log.cleaner.threads", 1);
    str_to_int64(broker_setting_value(wishes->view, STR("log.cleaner.threads")), &now);
    if (threads < 1)
        return refuse(out_message, "/ by zero");
    if (number(wishes, "log.cleaner.dedupe.buffer.size", INT64_MAX) / threads <=
        CLEANER_BUFFER_LEAST)
        return refuse(out_message,
            "requirement failed: log.cleaner.dedupe.buffer.size must be at least "
            "1MB per cleaner thread.");
    if (threads < now / 2)
        return refuse_inside(wishes, out_message,
            arena_format(wishes->view->arena,
                "Log cleaner threads cannot be reduced to less than half the current value "
                "%" PRId64,
                now));
    if (threads > now * 2)
        return refuse_inside(wishes, out_message,
            arena_format(wishes->view->arena,
                "Log cleaner threads cannot be increased to more than double the current value "
                "%" PRId64,
                now));
    return ERROR_NONE;
}

/* What stays on this disk of a tiered topic is a part of what stays at all. unit: "ms" or "bytes".
 */
static enum error check_local(const struct broker_wishes *wishes, const char *unit,
    int64_t retention, struct str *out_message)
{
    struct arena *arena = wishes->view->arena;
    const char *local_key = arena_format(arena, "log.local.retention.%s", unit);
    const char *lag_key = arena_format(arena, "log.remote.copy.lag.%s", unit);
    int64_t local = number(wishes, local_key, -2), lag = number(wishes, lag_key, 0);
    if (retention != -1 && local == -1)
        return refuse_inside(wishes, out_message,
            arena_format(arena,
                "Invalid value -1 for configuration %s: Value must not be -1 as log.retention.%s "
                "value is "
                "set as %" PRId64 ".",
                local_key, unit, retention));
    if (retention != -1 && local != -2 && local > retention)
        return refuse_inside(wishes, out_message,
            arena_format(arena,
                "Invalid value %" PRId64 " for configuration %s: Value must not be more than "
                "log.retention.%s property value: %" PRId64,
                local, local_key, unit, retention));
    int64_t effective = local == -2 ? retention : local;
    if (lag > 0 && effective != -1 && lag > effective)
        return refuse_inside(wishes, out_message,
            arena_format(arena,
                "Invalid value %" PRId64
                " for configuration %s: Value must not exceed %s (effective value: "
                "%" PRId64 ")",
                lag, lag_key, local_key, effective));
    return ERROR_NONE;
}

static int64_t retention_ms(const struct broker_wishes *wishes)
{
    enum { MINUTE_MS = 60000, HOUR_MS = 60 * MINUTE_MS };
    struct str text = would_be(wishes, "log.retention.ms");
    int64_t value = 0, factor = 1;
    if (str_is_null(text)) {
        text = would_be(wishes, "log.retention.minutes");
        factor = MINUTE_MS;
    }
    if (str_is_null(text)) {
        text = would_be(wishes, "log.retention.hours");
        factor = HOUR_MS;
    }
    str_to_int64(text, &value);
    if (value < 0)
        return -1;
    return __builtin_mul_overflow(value, factor, &value) ? INT64_MAX : value;
}

static enum error check_directories(const struct broker_wishes *wishes, struct str *out_message)
{
    struct str list = would_be(wishes, "cordoned.log.dirs"), piece;
    const struct node_settings *node = wishes->view->node;
    if (str_is(list, "*"))
        return ERROR_NONE;
    while (list.size > 0 && str_split(&list, ',', &piece)) {
        bool is_there = false;
        piece = str_trim(piece);
        for (int i = 0; i < node->log_dir_count; i++)
            is_there |= str_equal(node->log_dirs[i], piece);
        if (!is_there)
            return refuse(out_message, arena_format(wishes->view->arena,
                                           "requirement failed: All entries in cordoned.log.dirs "
                                           "must be present in log.dirs or "
                                           "log.dir. Missing entries : %.*s",
                                           STR_PRINT(piece)));
    }
    return ERROR_NONE;
}

/* Kafka opens and closes listeners while it runs; here they stay as they were at the start. What is
 * stored already, on a disk of Kafka's, is no reason to refuse another change. */
static enum error check_listeners(const struct broker_wishes *wishes, struct str *out_message)
{
    static const char *const keys[] = { "listeners", "listener.security.protocol.map" };
    const struct setting_view *view = wishes->view;
    struct setting_view started = *view;
    started.image = NULL;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        struct str key = str_from(keys[i]), value = wished(wishes, keys[i]);
        bool is_stored = view->image != NULL &&
                         str_equal(value, image_setting(view->image, SCOPE_BROKER, view->own, key));
        if (str_is_null(value) || is_stored ||
            str_equal(str_trim(value), broker_setting_value(&started, key)))
            continue;
        return refuse(out_message,
            arena_format(view->arena,
                "%s cannot change while the broker runs: write %s=%.*s into its configuration file "
                "and start it again.",
                keys[i], keys[i], STR_PRINT(value)));
    }
    return ERROR_NONE;
}

/* Of a controller's listener nothing is looked at: its limits are said at the start. */
static bool is_of_controller(const struct broker_wishes *wishes, struct str key)
{
    const struct node_settings *node = wishes->view->node;
    for (int i = 0; i < node->listener_count; i++) {
        struct str name = node->listeners[i].name;
        bool is_its = key.size > 14 + name.size && str_starts(key, STR("listener.name.")) &&
                      strncasecmp(key.data + 14, name.data, (size_t)name.size) == 0 &&
                      key.data[14 + name.size] == '.';
        if (is_its)
            return node->listeners[i].is_controller;
    }
    return false;
}

static enum error check_connections(const struct broker_wishes *wishes, struct str *out_message)
{
    for (int32_t i = 0; i < wishes->count; i++) {
        const struct setting_pair *pair = &wishes->pairs[i];
        if (!broker_limit_locks_out(pair->key, pair->value) || is_of_controller(wishes, pair->key))
            continue;
        return refuse_inside(wishes, out_message,
            arena_format(wishes->view->arena, "Invalid %.*s %.*s",
                STR_PRINT(broker_setting_base(pair->key)), STR_PRINT(str_trim(pair->value))));
    }
    return ERROR_NONE;
}

enum error broker_together_check(const struct broker_wishes *wishes, struct str *out_message)
{
    enum error (*const checks[])(const struct broker_wishes *, struct str *) = { check_times,
        check_intervals, check_overrides, check_cleaner, check_directories, check_listeners,
        check_pools, check_connections };
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        enum error error = checks[i](wishes, out_message);
        if (error != ERROR_NONE)
            return error;
    }
    enum error error = check_local(wishes, "ms", retention_ms(wishes), out_message);
    if (error != ERROR_NONE)
        return error;
    return check_local(wishes, "bytes", number(wishes, "log.retention.bytes", -1), out_message);
}
