/* SPDX-License-Identifier: Apache-2.0 */
/* The limits of connections, as they are said now: by the metadata log for this node, else for all nodes, else by what the
 * node was started with; for all listeners, and for one behind `listener.name.NAME.`. */
#pragma once
#include "base/arena.h"
#include "base/str.h"

struct image;
struct node_settings;

struct connection_limits {
    int32_t connections_max, per_ip_max, creation_rate;
    struct str overrides; /* host:count, with commas */
};

/* image NULL: nothing is said there. */
void connection_limits_resolve(const struct node_settings *node, const struct image *image, struct arena *arena,
    struct connection_limits *out);
/* Of one listener: connections_max and creation_rate only; INT32_MAX when nobody says anything. */
void connection_limits_resolve_listener(const struct node_settings *node, const struct image *image, struct str listener,
    struct arena *arena, struct connection_limits *out);
