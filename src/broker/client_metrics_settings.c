/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/group_settings.h"
#include "broker/settings_rows.h"
#include "metadata/settings_change.h"

enum { INTERVAL_LEAST_MS = 100, INTERVAL_MOST_MS = 3600000 };

const struct setting *client_metrics_setting_find(struct str key)
{
    return setting_find(kafka_client_metrics_settings, kafka_client_metrics_settings_count, key);
}

/* Java's patterns are matched by Java; here only what no pattern can be is refused: brackets that
 * do not close, a repetition of nothing, a backslash at the end. */
static bool may_be_pattern(struct str text)
{
    int depth = 0;
    bool in_class = false, can_repeat = false;
    for (int32_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c == '\\') {
            if (++i == text.size)
                return false;
            can_repeat = true;
        } else if (in_class) {
            in_class = c != ']';
            can_repeat = !in_class;
        } else if (c == '*' || c == '+' || c == '?') {
            if (!can_repeat && !(c == '?' && i > 0 && text.data[i - 1] == '('))
                return false;
        } else {
            in_class = c == '[';
            depth += c == '(' ? 1 : c == ')' ? -1 : 0;
            if (depth < 0)
                return false;
            can_repeat = c != '(' && c != '|' && c != '[';
        }
    }
    return depth == 0 && !in_class;
}

static bool is_match(struct str piece)
{
    static const char *const labels[] = { "client_instance_id", "client_id", "client_software_name",
        "client_software_version", "client_source_address", "client_source_port" };
    struct str pattern = piece, label;
    str_split(&pattern, '=', &label);
    label = str_trim(label);
    pattern = str_trim(pattern);
    bool is_known = false;
    for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
        is_known |= str_is(label, labels[i]);
    return is_known && pattern.size > 0 &&
           memchr(pattern.data, '=', (size_t)pattern.size) == NULL && may_be_pattern(pattern);
}

static enum error check_one(
    const struct setting_view *view, const struct setting_pair *pair, struct str *out_message)
{
    const struct setting *row = client_metrics_setting_find(pair->key);
    struct str value = str_trim(pair->value), piece;
    int64_t interval;
    *out_message = setting_list_fault(row, value, true, view->arena);
    if (!str_is_null(*out_message) || !setting_parse(row, value, view->arena, NULL, out_message))
        return ERROR_INVALID_CONFIG;
    if (row->type == SETTING_INT32 && str_to_int64(value, &interval) &&
        (interval < INTERVAL_LEAST_MS || interval > INTERVAL_MOST_MS)) {
        *out_message = str_from(arena_format(view->arena,
            "Invalid value %lld for interval.ms, interval must be between 100 and 3600000 (1 hour)",
            (long long)interval));
        return ERROR_INVALID_REQUEST;
    }
    while (str_is(pair->key, "match") && value.size > 0 && str_split(&value, ',', &piece)) {
        if (is_match(str_trim(piece)))
            continue;
        *out_message = str_from(arena_format(
            view->arena, "Illegal client matching pattern: %.*s", STR_PRINT(str_trim(piece))));
        return ERROR_INVALID_CONFIG;
    }
    return ERROR_NONE;
}

enum error client_metrics_settings_check(const struct setting_view *view,
    const struct setting_pair *pairs, int32_t count, struct str *out_message)
{
    for (int32_t i = 0; i < count; i++) {
        if (client_metrics_setting_find(pairs[i].key) != NULL)
            continue;
        *out_message = str_from(arena_format(
            view->arena, "Unknown client metrics configuration: %.*s", STR_PRINT(pairs[i].key)));
        return ERROR_INVALID_REQUEST;
    }
    for (int32_t i = 0; i < count; i++) {
        enum error error = check_one(view, &pairs[i], out_message);
        if (error != ERROR_NONE)
            return error;
    }
    return ERROR_NONE;
}
