/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/connection_limits.h"

#include "base/setting.h"
#include "broker/settings.h"
#include "broker/settings_input.h"
#include "metadata/image.h"

static const char *const keys[] = { "max.connections", "max.connections.per.ip", "max.connection.creation.rate",
    "max.connections.per.ip.overrides" };
enum { KEY_COUNT = sizeof(keys) / sizeof(keys[0]) };

/* Live, this node's own before that of all. Null: not said. */
static struct str find_live(const struct node_settings *node, const struct image *image, struct str key, struct arena *arena)
{
    if (image == NULL)
        return (struct str){ 0 };
    struct str own = image_setting(image, SCOPE_BROKER, str_from(arena_format(arena, "%d", node->node_id)), key);
    return str_is_null(own) ? image_setting(image, SCOPE_BROKER, STR(""), key) : own;
}

/* What was stored by another version may not parse here: the value below it holds. */
static void take(struct node_settings *now, struct str key, struct str value, struct arena *arena)
{
    struct str message;

    if (!str_is_null(value))
        setting_parse(node_setting_find(key), value, arena, now, &message);
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

    for (int i = 0; i < KEY_COUNT; i++)
        take(&now, str_from(keys[i]), find_live(node, image, str_from(keys[i]), arena), arena);
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

    for (int i = 0; i < KEY_COUNT; i++) {
        struct str key = str_from(arena_format(arena, "listener.name.%.*s.%s", STR_PRINT(name), keys[i]));
        const struct settings_said *said = node->input == NULL ? NULL : settings_input_find(node->input, key);
        if (said != NULL)
            take(&now, str_from(keys[i]), said->value, arena);
        take(&now, str_from(keys[i]), find_live(node, image, key, arena), arena);
    }
    copy(&now, out);
}
