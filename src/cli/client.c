/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/client.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <utlist.h>

#include "base/memory.h"
#include "cli/link.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "io/io.h"
#include "wire/gen/metadata.h"

struct node_link {
    struct node_link *next;
    int32_t node_id; /* -1: the bootstrap server, whichever node that is */
    char *host;
    int port;
    struct link *link; /* NULL: not connected yet */
};

struct client {
    struct io *io;
    struct loop *loop;
    struct node_link *nodes;
    int64_t timeout_ms;
    int16_t versions[LINK_API_COUNT]; /* last spoken */
};

static struct node_link *find_node(struct client *client, int32_t node_id)
{
    struct node_link *node;
    LL_SEARCH_SCALAR(client->nodes, node, node_id, node_id);
    return node;
}

void client_learn_node(struct client *client, int32_t node_id, struct str host, int port)
{
    struct node_link *node = find_node(client, node_id);
    if (node == NULL) {
        node = memory_take(sizeof(*node));
        node->node_id = node_id;
        LL_APPEND(client->nodes, node);
    } else if (str_is(host, node->host) && port == node->port) {
        return;
    }
    link_close(node->link);
    node->link = NULL;
    memory_give(node->host);
    node->host = str_copy_owned(host);
    node->port = port;
}

static bool parse_bootstrap(const char *text, struct str *out_host, int64_t *out_port)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL) {
        *out_host = str_from(text);
        *out_port = 9092;
        return text[0] != 0;
    }
    *out_host = (struct str){ text, (int32_t)(colon - text) };
    if (out_host->size > 2 && text[0] == '[')
        *out_host = (struct str){ text + 1, out_host->size - 2 };
    return out_host->size > 0 && str_to_int64(str_from(colon + 1), out_port) && *out_port > 0 &&
           *out_port < 65536;
}

static int connect_node(struct client *client, struct node_link *node)
{
    if (node->link != NULL && link_is_open(node->link))
        return 0;
    link_close(node->link);
    node->link = NULL;
    int status = link_open(client->loop, node->host, node->port, client->timeout_ms, &node->link);
    if (status < 0)
        complain("cannot reach %s:%d: %s. Is the node running, and is the address right?",
            node->host, node->port, strerror(-status));
    return status;
}

struct client *client_create(const struct arguments *arguments, int *out_code)
{
    const char *text = argument(arguments, "bootstrap-server");
    int64_t seconds = 30, port;
    struct str host, first = str_from(text == NULL ? "localhost:9092" : text), rest = first;
    *out_code = EXIT_MISUSED;
    str_split(&rest, ',', &first); /* a list is accepted, and its first node used */
    char *address = str_copy_owned(first);
    bool is_right = parse_bootstrap(address, &host, &port);
    if (!is_right)
        complain("--bootstrap-server %s: write HOST:PORT", address);
    if (!is_right || !argument_number(arguments, "timeout", 1, 86400, &seconds)) {
        memory_give(address);
        return NULL;
    }
    struct client *client = memory_take(sizeof(*client));
    client->io = io_create(1);
    client->loop = loop_create(client->io, "client");
    client->timeout_ms = seconds * 1000;
    client_learn_node(client, -1, host, (int)port);
    memory_give(address);
    if (connect_node(client, client->nodes) < 0) {
        *out_code = EXIT_UNREACHABLE;
        client_destroy(client);
        return NULL;
    }
    *out_code = EXIT_DONE;
    return client;
}

void client_destroy(struct client *client)
{
    if (client == NULL)
        return;
    struct node_link *node, *next;
    LL_FOREACH_SAFE(client->nodes, node, next)
    {
        link_close(node->link);
        memory_give(node->host);
        memory_give(node);
    }
    loop_destroy(client->loop);
    io_destroy(client->io);
    memory_give(client);
}

int client_run_table(const struct arguments *arguments,
    int (*show)(struct client *client, const struct arguments *arguments, bool as_json))
{
    bool as_json;
    int code;
    if (!output_wants_json(arguments, &as_json))
        return EXIT_MISUSED;
    struct client *client = client_create(arguments, &code);
    if (client != NULL)
        code = show(client, arguments, as_json);
    client_destroy(client);
    return code;
}

struct io *client_io(struct client *client)
{
    return client->io;
}

/* arena NULL: there will be no answer. */
static int call_node(struct client *client, int32_t node_id, int16_t api, const void *request,
    struct arena *arena, void *out_response)
{
    struct node_link *node = find_node(client, node_id);
    if (node == NULL)
        node = client->nodes;
    int status = connect_node(client, node);
    if (status < 0)
        return status;
    status = link_call(node->link, api, request, arena, out_response, &client->versions[api]);
    if (status == -EPROTONOSUPPORT)
        complain("%s:%d does not speak %s in a version that we know", node->host, node->port,
            api_schema_find(api)->name);
    else if (status == -ETIMEDOUT)
        complain("%s:%d gave no answer in %" PRId64 " seconds (--timeout)", node->host, node->port,
            client->timeout_ms / 1000);
    else if (status < 0)
        complain("%s:%d: %s", node->host, node->port,
            status == -EPROTO ? "its answer cannot be decoded" : strerror(-status));
    return status;
}

int client_call(struct client *client, int32_t node_id, int16_t api, const void *request,
    struct arena *arena, void *out_response)
{
    return call_node(client, node_id, api, request, arena, out_response);
}

int client_send(struct client *client, int32_t node_id, int16_t api, const void *request)
{
    return call_node(client, node_id, api, request, NULL, NULL);
}

struct loop *client_loop(struct client *client)
{
    return client->loop;
}

void client_pause(struct client *client, int64_t milliseconds)
{
    link_wait(client->loop, milliseconds);
}

void client_turn(struct client *client, int64_t milliseconds)
{
    link_turn(client->loop, milliseconds);
}

int16_t client_version(const struct client *client, int16_t api)
{
    return client->versions[api];
}

int client_metadata(struct client *client, const char *topic, struct arena *arena,
    struct metadata_response *out_metadata)
{
    struct metadata_request request;
    message_defaults(&metadata_request_schema, &request);
    request.topics_count = -1; /* all */
    request.allow_auto_topic_creation = false;
    if (topic != NULL) {
        request.topics = MESSAGE_TAKE(metadata_request_topic, arena, 1);
        request.topics[0].name = str_from(topic);
        request.topics_count = 1;
    }
    int status = client_call(client, -1, API_METADATA, &request, arena, out_metadata);
    for (int32_t i = 0; status == 0 && i < out_metadata->brokers_count; i++) {
        const struct metadata_response_broker *broker = &out_metadata->brokers[i];
        client_learn_node(client, broker->node_id, broker->host, broker->port);
    }
    return status;
}

static bool is_coming_up(const struct metadata_response_topic *topic)
{
    if (topic->error_code == ERROR_LEADER_NOT_AVAILABLE)
        return true;
    for (int32_t i = 0; topic->error_code == ERROR_NONE && i < topic->partitions_count; i++) {
        if (topic->partitions[i].leader_id < 0)
            return true;
    }
    return false;
}

int client_topic(struct client *client, const char *topic, struct arena *arena,
    struct metadata_response_topic *out_topic)
{
    enum { ATTEMPTS = 20, WAIT_MS = 100 };
    for (int attempt = 0;; attempt++) {
        struct metadata_response metadata;
        if (client_metadata(client, topic, arena, &metadata) < 0)
            return EXIT_UNREACHABLE;
        if (metadata.topics_count != 1) {
            complain("the answer says nothing about topic %s", topic);
            return EXIT_FAILED;
        }
        *out_topic = metadata.topics[0];
        if (!is_coming_up(out_topic) || attempt == ATTEMPTS)
            break;
        link_wait(client->loop, WAIT_MS);
    }
    if (out_topic->error_code != ERROR_NONE)
        return client_complain(topic, out_topic->error_code, (struct str){ 0 });
    return EXIT_DONE;
}

int client_complain(const char *what, int16_t error_code, struct str message)
{
    enum error error = (enum error)error_code;
    if (message.size > 0)
        complain("%s: %s: %.*s", what, error_name(error), STR_PRINT(message));
    else if (error == ERROR_UNKNOWN_TOPIC_OR_PARTITION)
        complain("%s: there is no such topic", what);
    else
        complain("%s: %s", what, error_name(error));
    return error == ERROR_UNKNOWN_TOPIC_OR_PARTITION || error == ERROR_UNKNOWN_TOPIC_ID
               ? EXIT_ABSENT
               : EXIT_FAILED;
}
