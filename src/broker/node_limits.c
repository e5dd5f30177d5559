/* SPDX-License-Identifier: Apache-2.0 */
/* The limits of connections, from what a node was started with and from each image after. A name among the overrides is
 * looked up when they change. */
#include <stdio.h>

#include "base/container.h"
#include "base/memory.h"
#include "base/report.h"
#include "broker/connection_limits.h"
#include "broker/node_parts.h"
#include "broker/settings.h"
#include "io/socket.h"
#include "net/listener.h"

/* The overrides with their addresses; whoever is not found has none. */
static int read_overrides(struct str list, struct arena *arena, struct limits_override **out)
{
    struct str host;
    int32_t count;
    int found = 0;

    *out = arena_take_array(arena, (size_t)list.size / 3 + 1, sizeof(**out));
    while (connection_override_next(&list, &host, &count)) {
        struct limits_override *override = &(*out)[found];
        const char *name = arena_format(arena, "%.*s", STR_PRINT(host));
        override->connections_max = count;
        if (socket_resolve(name, override->address, sizeof(override->address)) == 0)
            found++;
        else
            report_warn("override_refused", "setting=max.connections.per.ip.overrides host=%s "
                "reason=\"no address is known\" consequence=\"max.connections.per.ip holds\"", name);
    }
    return found;
}

static void take_overrides(struct node_limits *mine, const struct connection_limits *said, struct limits_settings *settings,
    struct arena *arena)
{
    struct limits_override *overrides;

    settings->overrides = mine->limits.overrides;
    settings->override_count = mine->limits.override_count;
    if (str_equal(mine->overrides, said->overrides))
        return;
    settings->override_count = read_overrides(said->overrides, arena, &overrides);
    settings->overrides = overrides;
    memory_give((char *)(uintptr_t)mine->overrides.data);
    mine->overrides = (struct str){ memory_copy_text(arena_format(arena, "%.*s", STR_PRINT(said->overrides))),
        said->overrides.size };
}

static void set_listeners(const struct node_limits *mine, const struct image *image, struct arena *arena)
{
    const struct node *node = mine->node;
    struct connection_limits said;

    for (int i = 0; node->listening != NULL && i < node->settings->listener_count; i++) {
        const struct node_listener *listener = &node->settings->listeners[i];
        if (listener->is_controller != mine->of_controllers || node->listening[i].listener == NULL)
            continue;
        connection_limits_resolve_listener(node->settings, image, listener->name, arena, &said);
        listener_set_limits(node->listening[i].listener, said.connections_max, said.creation_rate);
    }
}

static void set_limits(struct node_limits *mine, const struct image *image)
{
    struct connection_limits said;
    struct arena arena;

    arena_init(&arena);
    connection_limits_resolve(mine->node->settings, image, &arena, &said);
    struct limits_settings settings = {
        .connections_max = said.connections_max,
        .connections_per_ip_max = said.per_ip_max,
        .creation_rate = said.creation_rate,
    };
    take_overrides(mine, &said, &settings, &arena);
    limits_set(&mine->limits, &settings);
    set_listeners(mine, image, &arena);
    listeners_close_excess(&mine->limits);
    arena_deinit(&arena);
}

static void image_taken(struct shard_watch *watch, const struct image *image)
{
    set_limits(container_of(watch, struct node_limits, watch), image);
}

static void init(struct node *node, struct node_limits *mine, bool of_controllers)
{
    struct limits_settings nothing = { .connections_max = INT32_MAX, .creation_rate = INT32_MAX };

    mine->node = node;
    mine->of_controllers = of_controllers;
    mine->watch.image_taken = image_taken;
    limits_init(&mine->limits, &nothing);
    set_limits(mine, NULL);
}

void node_limits_init(struct node *node)
{
    init(node, &node->broker_limits, false);
    init(node, &node->controller_limits, true);
}

void node_limits_deinit(struct node *node)
{
    struct node_limits *all[] = { &node->broker_limits, &node->controller_limits };

    for (int i = 0; i < 2; i++) {
        limits_deinit(&all[i]->limits);
        memory_give((char *)(uintptr_t)all[i]->overrides.data);
    }
}

/* Kafka protects the brokers' own listener when it stands beside others. */
static bool is_protected(const struct node_settings *settings, const struct node_listener *listener)
{
    int count = 0;

    for (int i = 0; i < settings->listener_count; i++)
        count += !settings->listeners[i].is_controller;
    return count > 1 && str_equal(listener->name, settings->inter_broker_listener);
}

void node_limit_listener(struct node *node, int index, struct listener_options *options)
{
    const struct node_listener *listener = &node->settings->listeners[index];
    struct node_limits *limits = listener->is_controller ? &node->controller_limits : &node->broker_limits;
    struct shard *shard = listener->is_controller ? node->control_shard : node->shards.list[0];
    struct connection_limits said;
    struct arena arena;

    arena_init(&arena);
    connection_limits_resolve_listener(node->settings, NULL, listener->name, &arena, &said);
    arena_deinit(&arena);
    options->limits = &limits->limits;
    options->connections_max = said.connections_max;
    options->creation_rate = said.creation_rate;
    options->is_protected = is_protected(node->settings, listener);
    shard->watch = &limits->watch;
}
