/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/own_voter.h"

#include "base/arena.h"
#include "broker/settings.h"

struct quorum_voter own_voter(
    const struct node_settings *settings, struct uuid directory_id, struct arena *arena)
{
    struct quorum_endpoint *endpoints =
        arena_take_array(arena, (size_t)settings->listener_count, sizeof(*endpoints));
    struct quorum_voter self = {
        .id = settings->node_id, .directory_id = directory_id, .endpoints = endpoints
    };
    for (int i = 0; i < settings->listener_count; i++) {
        const struct node_listener *listener = &settings->listeners[i];
        if (listener->is_controller)
            endpoints[self.endpoint_count++] = (struct quorum_endpoint){
                .name = listener->name.data,
                .host = listener->advertised_host.data,
                .port = (uint16_t)listener->advertised_port,
            };
    }
    return self;
}
