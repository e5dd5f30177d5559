/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/group_settings.h"

#include <ctype.h>

#include "broker/settings.h"
#include "broker/settings_rows.h"
#include "metadata/image.h"
#include "metadata/settings_change.h"

const struct setting *group_setting_find(struct str key)
{
    return setting_find(kafka_group_settings, kafka_group_settings_count, key);
}

/* The broker's key that speaks where the group is silent; null: none does. */
static struct str fallback_of(const struct setting_view *view, const struct setting *row)
{
    if (strcmp(row->name, "streams.assignor.name") == 0)
        return STR("group.streams.assignors");
    struct str key = str_from(arena_format(view->arena, "group.%s", row->name));
    return node_setting_find(key) == NULL ? (struct str){ 0 } : key;
}

static struct str inherited(const struct setting_view *view, const struct setting *row)
{
    struct str key = fallback_of(view, row), first;
    if (str_is_null(key))
        return row->unset == NULL ? (struct str){ 0 } : str_from(row->unset);
    struct str value = broker_setting_value(view, key);
    if (strcmp(row->name, "streams.assignor.name") != 0)
        return value;
    return str_split(&value, ',', &first) ? first : (struct str){ 0 };
}

struct str group_setting_value(
    const struct setting_view *view, struct str group, const struct setting *row)
{
    struct str own = resource_setting_value(view, SCOPE_GROUP, group, row);
    return str_is_null(own) ? inherited(view, row) : own;
}

struct setting_voices group_setting_voices(
    const struct setting_view *view, struct str group, const struct setting *row)
{
    struct str own = resource_setting_value(view, SCOPE_GROUP, group, row);
    struct str key = fallback_of(view, row);
    struct setting_voices rest = { 0 };
    if (!str_is_null(key)) {
        rest = broker_setting_voices(view, key);
    } else if (row->unset != NULL) {
        struct setting_voice unset = { str_from(row->name), str_from(row->unset), SOURCE_DEFAULT };
        rest = setting_voices_behind(view, unset, rest);
    }
    struct setting_voice first = { str_from(row->name), own, SOURCE_GROUP };
    return str_is_null(own) ? rest : setting_voices_behind(view, first, rest);
}

/* The bounds that the broker's settings put to a group's; names without "group." NULL: none. */
static const struct {
    const char *key, *least, *most;
} bounds[] = {
    { "consumer.heartbeat.interval.ms", "consumer.min.heartbeat.interval.ms",
        "consumer.max.heartbeat.interval.ms" },
    { "consumer.session.timeout.ms", "consumer.min.session.timeout.ms",
        "consumer.max.session.timeout.ms" },
    { "consumer.assignment.interval.ms", "consumer.min.assignment.interval.ms",
        "consumer.max.assignment.interval.ms" },
    { "share.heartbeat.interval.ms", "share.min.heartbeat.interval.ms",
        "share.max.heartbeat.interval.ms" },
    { "share.session.timeout.ms", "share.min.session.timeout.ms", "share.max.session.timeout.ms" },
    { "share.record.lock.duration.ms", "share.min.record.lock.duration.ms",
        "share.max.record.lock.duration.ms" },
    { "share.delivery.count.limit", "share.min.delivery.count.limit",
        "share.max.delivery.count.limit" },
    { "share.partition.max.record.locks", "share.min.partition.max.record.locks",
        "share.max.partition.max.record.locks" },
    { "share.assignment.interval.ms", "share.min.assignment.interval.ms",
        "share.max.assignment.interval.ms" },
    { "streams.heartbeat.interval.ms", "streams.min.heartbeat.interval.ms",
        "streams.max.heartbeat.interval.ms" },
    { "streams.session.timeout.ms", "streams.min.session.timeout.ms",
        "streams.max.session.timeout.ms" },
    { "streams.assignment.interval.ms", "streams.min.assignment.interval.ms",
        "streams.max.assignment.interval.ms" },
    { "streams.num.standby.replicas", NULL, "streams.max.standby.replicas" },
    { "streams.num.warmup.replicas", NULL, "streams.max.warmup.replicas" },
    { "streams.task.offset.interval.ms", "streams.min.task.offset.interval.ms", NULL },
};

static int64_t broker_number(const struct setting_view *view, const char *name, int64_t otherwise)
{
    int64_t value = otherwise;
    if (name != NULL)
        str_to_int64(
            broker_setting_value(view, str_from(arena_format(view->arena, "group.%s", name))),
            &value);
    return value;
}

static enum error refuse(struct str *out_message, const char *message)
{
    *out_message = str_from(message);
    return ERROR_INVALID_CONFIG;
}

static enum error check_bounds(
    const struct setting_view *view, const struct setting_pair *pair, struct str *out_message)
{
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        int64_t value;
        if (!str_is(pair->key, bounds[i].key) || !str_to_int64(str_trim(pair->value), &value))
            continue;
        int64_t least = broker_number(view, bounds[i].least, INT64_MIN);
        int64_t most = broker_number(view, bounds[i].most, INT64_MAX);
        if (value >= least && value <= most)
            return ERROR_NONE;
        if (bounds[i].least == NULL)
            return refuse(
                out_message, arena_format(view->arena, "%s must be less than or equal to %lld",
                                 bounds[i].key, (long long)most));
        if (bounds[i].most == NULL)
            return refuse(
                out_message, arena_format(view->arena, "%s must be greater than or equal to %lld",
                                 bounds[i].key, (long long)least));
        return refuse(out_message,
            arena_format(view->arena, "%s must be in the range %lld to %lld inclusive.",
                bounds[i].key, (long long)least, (long long)most));
    }
    return ERROR_NONE;
}

static bool take_number(const char **at, const char *end, bool *out_has_fraction)
{
    if (*at < end && **at == '+')
        (*at)++;
    const char *digits = *at;
    while (*at < end && isdigit((unsigned char)**at))
        (*at)++;
    bool is_number = *at > digits;
    *out_has_fraction = is_number && *at < end && (**at == '.' || **at == ',');
    if (*out_has_fraction)
        (*at)++;
    while (*out_has_fraction && *at < end && isdigit((unsigned char)**at))
        (*at)++;
    return is_number;
}

/* PnDTnHnMn.nS of ISO 8601, as Java reads it: the parts in this order, at least one, none negative.
 */
static bool is_duration(struct str text)
{
    const char *at = text.data, *end = at + text.size, *units = "HMS", *unit;
    bool has_fraction;
    if (text.size > 0 && *at == '+')
        at++;
    if (end - at < 3 || toupper((unsigned char)*at++) != 'P')
        return false;
    if (take_number(&at, end, &has_fraction)) {
        if (has_fraction || at == end || toupper((unsigned char)*at++) != 'D')
            return false;
        if (at == end)
            return true;
    }
    if (toupper((unsigned char)*at++) != 'T' || at == end)
        return false;
    for (; at < end; at++, units = unit + 1) {
        if (!take_number(&at, end, &has_fraction) || at == end)
            return false;
        unit = strchr(units, toupper((unsigned char)*at));
        if (unit == NULL || *unit == 0 || (has_fraction && *unit != 'S'))
            return false;
    }
    return true;
}

static bool begins_somewhere(struct str value)
{
    struct str by_duration = STR("by_duration:");
    if (str_is(value, "earliest") || str_is(value, "latest"))
        return true;
    return str_starts(value, by_duration) &&
           is_duration(
               (struct str){ value.data + by_duration.size, value.size - by_duration.size });
}

static bool has_twice(struct str list)
{
    struct str piece, rest;
    while (str_split(&list, ',', &piece)) {
        struct str other;
        for (rest = list; str_split(&rest, ',', &other);) {
            if (str_equal(str_trim(piece), str_trim(other)))
                return true;
        }
    }
    return false;
}

/* The values that no bounds describe. */
static enum error check_form(
    const struct setting_view *view, const struct setting_pair *pair, struct str *out_message)
{
    struct str value = str_trim(pair->value), list, assignor;
    if (str_is(pair->key, "share.auto.offset.reset") && !begins_somewhere(value))
        return refuse(out_message, arena_format(view->arena,
                                       "Invalid value %.*s for configuration "
                                       "share.auto.offset.reset: Invalid value `%.*s` for "
                                       "configuration share.auto.offset.reset. The value must be "
                                       "either 'earliest', 'latest' or of "
                                       "the format 'by_duration:<PnDTnHnMn.nS>'.",
                                       STR_PRINT(value), STR_PRINT(value)));
    if (str_is(pair->key, "errors.deadletterqueue.topic.name") && str_starts(value, STR("__")))
        return refuse(out_message,
            "errors.deadletterqueue.topic.name: DLQ topic name must not start with '__'");
    if (str_is(pair->key, "streams.rack.aware.assignment.tags") && value.size > 0 &&
        has_twice(value))
        return refuse(
            out_message, "streams.rack.aware.assignment.tags must not contain duplicate tag keys.");
    if (!str_is(pair->key, "streams.assignor.name"))
        return ERROR_NONE;
    list = broker_setting_value(view, STR("group.streams.assignors"));
    for (struct str rest = list; str_split(&rest, ',', &assignor);) {
        if (str_equal(assignor, value))
            return ERROR_NONE;
    }
    return refuse(out_message, arena_format(view->arena,
                                   "streams.assignor.name '%.*s' is not a registered task "
                                   "assignor. Registered assignors are: "
                                   "[%.*s].",
                                   STR_PRINT(value), STR_PRINT(list)));
}

/* Numbers that must be apart: key above, key below. What the group does not say is the broker's. */
static enum error check_sessions(const struct setting_view *view, const struct setting_pair *pairs,
    int32_t count, struct str *out_message)
{
    static const char *const kinds[] = { "consumer", "share", "streams" };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const char *session = arena_format(view->arena, "%s.session.timeout.ms", kinds[i]);
        const char *heartbeat = arena_format(view->arena, "%s.heartbeat.interval.ms", kinds[i]);
        int64_t longer = broker_number(view, session, INT64_MAX);
        int64_t shorter = broker_number(view, heartbeat, 0);
        for (int32_t k = 0; k < count; k++) {
            if (str_is(pairs[k].key, session))
                str_to_int64(str_trim(pairs[k].value), &longer);
            if (str_is(pairs[k].key, heartbeat))
                str_to_int64(str_trim(pairs[k].value), &shorter);
        }
        if (longer <= shorter)
            return refuse(out_message,
                arena_format(view->arena, "%s must be greater than %s", session, heartbeat));
    }
    return ERROR_NONE;
}

enum error group_settings_check(const struct setting_view *view, const struct setting_pair *pairs,
    int32_t count, struct str *out_message)
{
    for (int32_t i = 0; i < count; i++) {
        if (group_setting_find(pairs[i].key) == NULL)
            return refuse(out_message, arena_format(view->arena, "Unknown group config name: %.*s",
                                           STR_PRINT(pairs[i].key)));
    }
    for (int32_t i = 0; i < count; i++) {
        const struct setting *row = group_setting_find(pairs[i].key);
        if (!setting_parse(row, pairs[i].value, view->arena, NULL, out_message))
            return ERROR_INVALID_CONFIG;
        enum error error = check_form(view, &pairs[i], out_message);
        if (error != ERROR_NONE)
            return error;
    }
    for (int32_t i = 0; i < count; i++) {
        enum error error = check_bounds(view, &pairs[i], out_message);
        if (error != ERROR_NONE)
            return error;
    }
    return check_sessions(view, pairs, count, out_message);
}
