/* SPDX-License-Identifier: Apache-2.0 */
/* A client for verbs: asks a cluster one thing after the other, each call waiting for its answer.
 * It speaks the highest version that both sides know, and connects to other nodes of the cluster
 * when they lead a partition. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "error.h"

struct arguments;
struct client;
struct io;
struct loop;
struct message_schema;
struct metadata_response;
struct metadata_response_topic;

#define BOOTSTRAP_OPTION                                                                           \
    { "bootstrap-server", 'b', "HOST:PORT", "A node of the cluster. Default: localhost:9092." },   \
    {                                                                                              \
        "timeout", 0, "SECONDS", "Give up when no answer comes for so long. Default: 30."          \
    }

/* As --bootstrap-server and --timeout say. NULL after a complaint; *out_code is then the exit code.
 */
struct client *client_create(const struct arguments *arguments, int *out_code);
void client_destroy(struct client *client); /* NULL does nothing */
struct io *client_io(struct client *client);
struct loop *client_loop(struct client *client); /* turns in calls and pauses only */

/* Asks a node; -1: the first. api is a key of the protocol. The answer is decoded into out_response
 * and points into the arena. 0 or -errno, after a complaint: -EPROTONOSUPPORT when the node does
 * not know the API. */
int client_call(struct client *client, int32_t node_id, int16_t api, const void *request,
    struct arena *arena, void *out_response);
/* The same for a request without an answer (Produce with acks=0). */
int client_send(struct client *client, int32_t node_id, int16_t api, const void *request);
void client_pause(struct client *client, int64_t milliseconds); /* before trying again */
void client_turn(
    struct client *client, int64_t milliseconds); /* until anything happens; -1: no bound */
/* What was spoken with that API in the last call to it. */
int16_t client_version(const struct client *client, int16_t api);

/* A node that an answer told of, so that it can be asked. */
void client_learn_node(struct client *client, int32_t node_id, struct str host, int port);

/* Metadata of one topic (NULL: of all) without creating it; also learns the nodes' addresses. */
int client_metadata(struct client *client, const char *topic, struct arena *arena,
    struct metadata_response *out_metadata);
/* One topic that must be there: waits for leaders of its partitions while a new topic comes up.
 * EXIT_DONE, or the exit code after a complaint. */
int client_topic(struct client *client, const char *topic, struct arena *arena,
    struct metadata_response_topic *out_topic);

/* The whole of a verb that shows something: --output and the client are read first. The exit code.
 */
int client_run_table(const struct arguments *arguments,
    int (*show)(struct client *client, const struct arguments *arguments, bool as_json));

/* "NAME: message", for complaints about an error of an answer. The exit code that fits. */
int client_complain(const char *what, int16_t error_code, struct str message);
