/* SPDX-License-Identifier: Apache-2.0 */
/* A node is one Kafka process: its directories, the control loop with the metadata quorum, the shards, and the
 * listeners. It is wired here and nowhere else; main and the simulator start it the same way:
 *   node_create, a thread (or a turn of the simulator) for each loop, node_start, ... node_stop, loops end, node_destroy.
 * node_create and node_destroy run while no loop turns; node_start and node_stop may be called from any thread. */
#pragma once
#include <stdbool.h>

struct io;
struct loop;
struct node;
struct node_settings;

/* Opens and locks the directories, replays the metadata and binds the listeners. The settings must outlive the node.
 * 0 or -errno; what is wrong was reported. */
int node_create(struct io *io, const struct node_settings *settings, struct node **out_node);
void node_destroy(struct node *node); /* after every loop's last turn; NULL does nothing */

int node_loop_count(const struct node *node);
struct loop *node_loop(const struct node *node, int index);
const char *node_loop_name(const struct node *node, int index); /* at most 15 bytes */

void node_start(struct node *node);       /* registers the broker, then accepts connections */
void node_stop(struct node *node);        /* a clean stop: every loop stops itself when its part is done */
bool node_failed(const struct node *node); /* after the loops ended: whether it stopped for a fault */
int node_port(const struct node *node, int listener_index); /* in order of the listeners setting; for port 0 */
