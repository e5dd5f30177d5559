/* SPDX-License-Identifier: Apache-2.0 */
/* One whole node with its main wiring in the simulated world, formatted and started, with two topics: one for whoever comes
 * ("open", two partitions) and one for an honest client ("honest"), which asks as a client would and is answered. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/uuid.h"
#include "broker/settings_input.h"
#include "sim/client.h"
#include "sim/sim.h"

struct node;

enum { NODE_PORT = 9092, CONTROLLER_PORT = 9093 };

struct node_world {
    struct sim *sim;
    struct machine *machine;
    struct settings_input said;
    struct node_settings settings;
    struct io *io, *clients_io;
    struct node *node;
    struct loop *loop; /* of all clients */
    struct client honest;
    struct uuid open_id;
    bool is_answered;
    int64_t next_offset;    /* of the honest topic */
    int64_t metadata_size;  /* of the metadata log when the node was ready */
    int64_t budget_at_rest; /* bytes charged with nobody but the honest client connected */
};

struct node_world *node_world_create(void);
void node_world_destroy(struct node_world *world); /* a clean stop, which must succeed; all memory comes back */

bool node_world_run(struct node_world *world, int64_t limit_us, bool (*is_done)(void *context), void *context);
bool node_world_has_changed(struct node_world *world); /* something was written to the metadata log */
void node_world_ask_honestly(struct node_world *world); /* produces a record and reads it; must be answered, and well if nothing changed */
int64_t node_world_budget(const struct node_world *world); /* bytes charged now */
bool node_world_has_stopped(void *context);              /* of the world: the node stopped itself */
