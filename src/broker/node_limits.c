/* SPDX-License-Identifier: Apache-2.0 */
/* The limits of connections, from what a node was started with and from each image after. Of the overrides, addresses count
 * at once; names are looked up by a worker when they change, for a name server may be slow, and count from then on. */
#include <stdio.h>

#include "base/container.h"
#include "base/memory.h"
#include "base/report.h"
#include "broker/connection_limits.h"
#include "broker/node_parts.h"
#include "broker/settings.h"
#include "io/socket.h"
#include "io/worker.h"
#include "net/listener.h"

struct override_lookup {
    struct job job;
    struct node_limits *mine;
    struct arena arena;
    struct str list, rest; /* what is looked up, and what is left of it */
    struct limits_override *found;
    int count;
};

static struct limits_override *take_places(struct arena *arena, struct str list)
{
    return arena_take_array(arena, (size_t)list.size / 3 + 1, sizeof(struct limits_override));
}

/* Those that are said by address. */
static int read_addresses(struct str list, struct arena *arena, struct limits_override **out, bool *out_has_names)
{
    struct str host;
    int32_t count;
    int found = 0;

    *out = take_places(arena, list);
    *out_has_names = false;
    while (connection_override_next(&list, &host, &count)) {
        const char *name = arena_format(arena, "%.*s", STR_PRINT(host));
        (*out)[found].connections_max = count;
        if (socket_print_address(name, (*out)[found].address, sizeof((*out)[found].address)) == 0)
            found++;
        else
            *out_has_names = true;
    }
    return found;
}

static enum job_progress look_up(struct job *job)
{
    struct override_lookup *lookup = container_of(job, struct override_lookup, job);
    struct limits_override *override = &lookup->found[lookup->count];
    struct str host;

    if (!connection_override_next(&lookup->rest, &host, &override->connections_max))
        return JOB_DONE;
    const char *name = arena_format(&lookup->arena, "%.*s", STR_PRINT(host));
    if (socket_resolve(name, override->address, sizeof(override->address)) == 0)
        lookup->count++;
    else
        report_warn("override_refused", "setting=max.connections.per.ip.overrides host=%s "
            "reason=\"no address is known\" consequence=\"max.connections.per.ip holds\"", name);
    return JOB_AGAIN;
}

static void start_lookup(struct node_limits *mine);

static void looked_up(struct job *job)
{
    struct override_lookup *lookup = container_of(job, struct override_lookup, job);
    struct node_limits *mine = lookup->mine;

    mine->lookup = NULL;
    if (str_equal(lookup->list, mine->overrides)) {
        limits_set_overrides(&mine->limits, lookup->found, lookup->count);
        mine->has_names = false;
        listeners_close_excess(&mine->limits);
    }
    arena_deinit(&lookup->arena);
    memory_give(lookup);
    start_lookup(mine); /* they may have changed meanwhile */
}

static void start_lookup(struct node_limits *mine)
{
    struct node *node = mine->node;

    if (!mine->has_names || mine->lookup != NULL)
        return;
    struct override_lookup *lookup = mine->lookup = memory_take(sizeof(*lookup));
    *lookup = (struct override_lookup){ .job = { .step = look_up, .done = looked_up }, .mine = mine };
    arena_init(&lookup->arena);
    lookup->list = lookup->rest = str_copy(&lookup->arena, mine->overrides);
    lookup->found = take_places(&lookup->arena, lookup->list);
    worker_submit(node->io, mine->of_controllers ? node->control_shard->loop : node->shards.list[0]->loop, &lookup->job);
}

static void take_overrides(struct node_limits *mine, struct str said, struct arena *arena)
{
    struct limits_override *overrides;

    if (str_equal(mine->overrides, said))
        return;
    int count = read_addresses(said, arena, &overrides, &mine->has_names);
    limits_set_overrides(&mine->limits, overrides, count);
    memory_give((char *)(uintptr_t)mine->overrides.data);
    mine->overrides = (struct str){ str_copy_owned(said), said.size };
}

static void set_listeners(const struct node_limits *mine, const struct image *image, struct arena *arena)
{
    const struct node *node = mine->node;
    struct connection_limits said;

    for (int i = 0; node->listening != NULL && i < node->settings->listener_count; i++) {
        const struct node_listener *listener = &node->settings->listeners[i];
        if (listener->is_controller != mine->of_controllers || node->listening[i].listener == NULL)
            continue;
        connection_limits_resolve_listener(node->settings, listener->is_controller ? NULL : image, listener->name, arena, &said);
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
    limits_set(&mine->limits, &settings);
    take_overrides(mine, said.overrides, &arena);
    set_listeners(mine, image, &arena);
    listeners_close_excess(&mine->limits);
    arena_deinit(&arena);
}

static void image_taken(struct shard_watch *watch, const struct image *image)
{
    struct node_limits *mine = container_of(watch, struct node_limits, watch);

    set_limits(mine, image);
    start_lookup(mine);
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
