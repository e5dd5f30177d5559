/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/connection_limits.h"

#include "base/setting.h"
#include "broker/setting_source.h"
#include "broker/settings.h"

static const char *const keys[] = { "max.connections", "max.connections.per.ip", "max.connection.creation.rate",
    "max.connections.per.ip.overrides" };
enum { KEY_COUNT = sizeof(keys) / sizeof(keys[0]) };

static void take(struct node_settings *now, const struct setting_view *view, const char *key, struct str value)
{
    struct str message;

    if (!str_is_null(value))
        setting_parse(node_setting_find(str_from(key)), value, view->arena, now, &message);
}

static void copy(const struct node_settings *now, struct connection_limits *out)
{
    *out = (struct connection_limits){
        .connections_max = now->max_connections,
        .per_ip_max = now->max_connections_per_ip,
        .creation_rate = now->max_connection_creation_rate,
        .overrides = now->max_connections_per_ip_overrides,
    };
}

void connection_limits_resolve(const struct node_settings *node, const struct image *image, struct arena *arena,
    struct connection_limits *out)
{
    struct node_settings now = *node;
    struct setting_view view;

    setting_view_init(&view, node, image, arena);
    for (int i = 0; i < KEY_COUNT; i++)
        take(&now, &view, keys[i], broker_setting_value(&view, str_from(keys[i])));
    copy(&now, out);
}

static struct str lower_case(struct arena *arena, struct str text)
{
    char *copied = arena_copy(arena, text.data, (size_t)text.size);

    for (int32_t i = 0; i < text.size; i++)
        copied[i] = (char)(copied[i] >= 'A' && copied[i] <= 'Z' ? copied[i] + 'a' - 'A' : copied[i]);
    return (struct str){ copied, text.size };
}

void connection_limits_resolve_listener(const struct node_settings *node, const struct image *image, struct str listener,
    struct arena *arena, struct connection_limits *out)
{
    struct node_settings now = { .max_connections = INT32_MAX, .max_connection_creation_rate = INT32_MAX };
    struct str name = lower_case(arena, listener);
    struct setting_view view;

    setting_view_init(&view, node, image, arena);
    for (int i = 0; i < KEY_COUNT; i++) {
        const char *key = arena_format(arena, "listener.name.%.*s.%s", STR_PRINT(name), keys[i]);
        take(&now, &view, keys[i], broker_setting_value(&view, str_from(key)));
    }
    copy(&now, out);
}
