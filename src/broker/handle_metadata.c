/* SPDX-License-Identifier: Apache-2.0 */
/* Metadata: brokers, topics, leaders, as the image has them. A topic that is asked for by name and does not exist may
 * be created (auto.create.topics.enable); as in Kafka the answer does not wait for it, the client asks again. */
#include <stdlib.h>

#include "base/container.h"
#include "base/memory.h"
#include "broker/apis.h"
#include "broker/control.h"
#include "broker/settings.h"
#include "broker/topic_view.h"
#include "metadata/topic_name.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/metadata.h"

struct auto_creation {
    struct control_errand errand;
    struct arena arena;
    struct create_topics_request request;
    struct create_topics_response response;
    int32_t capacity;
};

static bool wants_all(const struct metadata_request *in)
{
    return in->topics_count < 0 || (in->topics_count == 0 && in->empty_means_all);
}

static struct str listener_of(const struct request *request)
{
    return (request->desk)->listener_name;
}

static void creation_ended(struct control_errand *errand)
{
    struct auto_creation *creation = container_of(errand, struct auto_creation, errand);
    arena_deinit(&creation->arena);
    memory_give(creation);
}

static void add_creation(struct auto_creation **creation, struct str name, int32_t most)
{
    if (*creation == NULL) {
        *creation = memory_take(sizeof(**creation));
        arena_init(&(*creation)->arena);
        (*creation)->capacity = most;
        (*creation)->request.topics = arena_take_array(&(*creation)->arena, (size_t)most, sizeof(struct create_topics_creatable_topic));
        (*creation)->request.timeout_ms = 30000;
    }
    struct create_topics_creatable_topic *topic = &(*creation)->request.topics[(*creation)->request.topics_count++];
    topic->name = str_copy(&(*creation)->arena, name);
    topic->num_partitions = -1; /* num.partitions and default.replication.factor */
    topic->replication_factor = -1;
}

static void send_creation(struct shard *shard, struct auto_creation *creation)
{
    struct control_errand *errand = &creation->errand;
    errand->wish.type = CONTROLLER_CREATE_TOPICS;
    errand->wish.request = &creation->request;
    errand->wish.response = &creation->response;
    errand->wish.rsm.arena = &creation->arena;
    errand->done = creation_ended;
    control_send(shard->control, shard->loop, errand);
}

/* Version 0 leaves replicas out that cannot be reached, and says so in the error. */
static struct node_list reachable(struct request *request, struct node_list nodes)
{
    if (!request->in.metadata->tells_missing_replicas)
        return nodes;
    int32_t *ids = arena_take_array(&request->arena, (size_t)nodes.count, sizeof(*ids));
    int32_t count = 0;
    for (int32_t i = 0; i < nodes.count; i++) {
        if (broker_view_endpoint(image_broker(request->shard->image, nodes.ids[i]), listener_of(request)) != NULL)
            ids[count++] = nodes.ids[i];
    }
    return (struct node_list){ ids, count };
}

static void fill_partition(struct request *request, const struct image_partition *partition, int32_t index,
    struct metadata_response_partition *out)
{
    struct partition_view view;
    partition_view_fill(request->shard->image, partition, listener_of(request), &request->arena, &view);
    struct node_list replicas = reachable(request, partition->replicas);
    struct node_list isr = reachable(request, partition->isr);
    enum error error = view.error;
    if (error == ERROR_LISTENER_NOT_FOUND && !request->in.metadata->knows_listener_not_found)
        error = ERROR_LEADER_NOT_AVAILABLE;
    if (error == ERROR_NONE && (replicas.count < partition->replicas.count || isr.count < partition->isr.count))
        error = ERROR_REPLICA_NOT_AVAILABLE;
    out->error_code = (int16_t)error;
    out->partition_index = index;
    out->leader_id = view.leader;
    out->leader_epoch = partition->leader_epoch;
    out->replica_nodes = node_list_ids(replicas);
    out->replica_nodes_count = replicas.count;
    out->isr_nodes = node_list_ids(isr);
    out->isr_nodes_count = isr.count;
    out->offline_replicas = node_list_ids(view.offline);
    out->offline_replicas_count = view.offline.count;
}

static struct metadata_response_topic *add_topic(struct request *request, enum error error, struct str name)
{
    struct metadata_response *out = request->out.metadata;
    struct metadata_response_topic *topic = &out->topics[out->topics_count++];
    topic->error_code = (int16_t)error;
    topic->name = name;
    topic->is_internal = topic_is_internal(name);
    topic->topic_authorized_operations = NO_OPERATIONS_ASKED;
    return topic;
}

static void describe(struct request *request, const struct image_topic *topic)
{
    struct metadata_response_topic *out = add_topic(request, ERROR_NONE, topic->name);
    out->topic_id = topic->id;
    out->partitions_count = topic->partition_count;
    out->partitions = arena_take_array(&request->arena, (size_t)topic->partition_count, sizeof(*out->partitions));
    for (int32_t i = 0; i < topic->partition_count; i++)
        fill_partition(request, topic->partitions[i], i, &out->partitions[i]);
    if (request->in.metadata->include_topic_authorized_operations)
        out->topic_authorized_operations = ALL_TOPIC_OPERATIONS;
}

static void describe_all(struct request *request)
{
    const struct image *image = request->shard->image;
    struct metadata_response *out = request->out.metadata;
    out->topics = arena_take_array(&request->arena, (size_t)image_topic_count(image), sizeof(*out->topics));
    const struct str first = { 0 };
    const struct image_topic *topic;
    for (topic = image_topic_after(image, first); topic != NULL; topic = image_topic_after(image, topic->name))
        describe(request, topic);
}

/* Before version 12 a topic has a name and no id, later one of both. What breaks that is told at every topic, and nothing of the
 * cluster is. */
static bool refuse_ids(struct request *request)
{
    const struct metadata_request *in = request->in.metadata;
    struct metadata_response *out = request->out.metadata;
    bool is_bad = false;
    for (int32_t i = 0; i < in->topics_count; i++) {
        bool has_name = !str_is_null(in->topics[i].name), has_id = !uuid_is_zero(in->topics[i].topic_id);
        is_bad |= in->by_topic_id ? !has_name && !has_id : !has_name || has_id;
    }
    if (!is_bad)
        return false;
    out->topics = arena_take_array(&request->arena, (size_t)in->topics_count, sizeof(*out->topics));
    for (int32_t i = 0; i < in->topics_count; i++) {
        struct str name = in->topics[i].name;
        struct metadata_response_topic *topic = add_topic(request, ERROR_INVALID_REQUEST, str_is_null(name) ? STR("") : name);
        topic->is_internal = false;
        topic->topic_id = in->topics[i].topic_id;
    }
    out->error_code = ERROR_INVALID_REQUEST;
    return true;
}

static int compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct uuid));
}

/* A name beside ids is not looked at. */
static void describe_by_id(struct request *request)
{
    const struct metadata_request *in = request->in.metadata;
    struct uuid *ids = arena_take_array(&request->arena, (size_t)in->topics_count, sizeof(*ids));
    for (int32_t i = 0; i < in->topics_count; i++)
        ids[i] = in->topics[i].topic_id;
    qsort(ids, (size_t)in->topics_count, sizeof(*ids), compare_ids);
    for (int32_t i = 0; i < in->topics_count; i++) {
        if (uuid_is_zero(ids[i]) || (i > 0 && uuid_equal(ids[i], ids[i - 1])))
            continue;
        const struct image_topic *topic = image_topic_by_id(request->shard->image, ids[i]);
        if (topic != NULL)
            describe(request, topic);
        else
            add_topic(request, ERROR_UNKNOWN_TOPIC_ID, (struct str){ 0 })->topic_id = ids[i];
    }
}

static int compare_names(const void *a, const void *b)
{
    return str_compare(*(const struct str *)a, *(const struct str *)b);
}

static void describe_by_name(struct request *request)
{
    const struct metadata_request *in = request->in.metadata;
    struct shard *shard = request->shard;
    bool may_create = in->allow_auto_topic_creation && shard->settings->auto_create_topics;
    struct auto_creation *creation = NULL;
    struct str *names = arena_take_array(&request->arena, (size_t)in->topics_count, sizeof(*names));
    for (int32_t i = 0; i < in->topics_count; i++)
        names[i] = in->topics[i].name;
    qsort(names, (size_t)in->topics_count, sizeof(*names), compare_names);
    for (int32_t i = 0; i < in->topics_count; i++) {
        if (i > 0 && str_equal(names[i], names[i - 1]))
            continue;
        const struct image_topic *topic = image_topic_by_name(shard->image, names[i]);
        if (topic != NULL) {
            describe(request, topic);
            continue;
        }
        bool is_name = topic_name_fault(&request->arena, names[i]) == NULL;
        enum error error = is_name ? ERROR_UNKNOWN_TOPIC_OR_PARTITION : ERROR_INVALID_TOPIC_EXCEPTION;
        struct metadata_response_topic *out = add_topic(request, error, names[i]);
        if (in->include_topic_authorized_operations)
            out->topic_authorized_operations = ALL_TOPIC_OPERATIONS;
        if (may_create && is_name && !topic_is_internal(names[i]))
            add_creation(&creation, names[i], in->topics_count);
    }
    if (creation != NULL)
        send_creation(shard, creation);
}

static void describe_topics(struct request *request)
{
    const struct metadata_request *in = request->in.metadata;
    struct metadata_response *out = request->out.metadata;
    if (wants_all(in)) {
        describe_all(request);
        return;
    }
    out->topics = arena_take_array(&request->arena, (size_t)in->topics_count, sizeof(*out->topics));
    bool has_ids = false;
    for (int32_t i = 0; i < in->topics_count; i++)
        has_ids |= !uuid_is_zero(in->topics[i].topic_id);
    if (has_ids)
        describe_by_id(request);
    else
        describe_by_name(request);
}

static void fill_brokers(struct request *request)
{
    const struct image *image = request->shard->image;
    struct metadata_response *out = request->out.metadata;
    int32_t count = 0;
    const struct image_broker *broker;
    for (broker = image_broker_after(image, -1); broker != NULL; broker = image_broker_after(image, broker->id))
        count++;
    out->brokers = arena_take_array(&request->arena, (size_t)count, sizeof(*out->brokers));
    for (broker = image_broker_after(image, -1); broker != NULL; broker = image_broker_after(image, broker->id)) {
        const struct image_endpoint *endpoint = broker_view_endpoint(broker, listener_of(request));
        if (endpoint == NULL)
            continue;
        if (out->controller_id < 0)
            out->controller_id = broker->id; /* as in Kafka: any live broker, it forwards to the controller */
        out->brokers[out->brokers_count++] = (struct metadata_response_broker){ .node_id = broker->id,
            .host = endpoint->host, .port = endpoint->port, .rack = broker->rack };
    }
}

/* The controller has let this node go, which ends in a moment. A client that hears of no broker at all may forget its coordinator for
 * good; one that loses its connection comes back. */
static bool is_leaving(const struct request *request)
{
    const struct image_broker *own = image_broker(request->shard->image, request->shard->settings->node_id);
    return own != NULL && own->fenced && own->in_controlled_shutdown;
}

enum step handle_metadata(struct request *request)
{
    struct metadata_response *out = request->out.metadata;
    out->brokers_count = out->topics_count = 0;
    if (refuse_ids(request))
        return STEP_ANSWER;
    out->cluster_id = str_from(request->shard->cluster_id);
    if (request->shard->image == NULL)
        return STEP_ANSWER;
    fill_brokers(request);
    if (out->brokers_count == 0 && is_leaving(request))
        return STEP_CLOSE;
    if (request->in.metadata->include_cluster_authorized_operations)
        out->cluster_authorized_operations = ALL_CLUSTER_OPERATIONS;
    describe_topics(request);
    return STEP_ANSWER;
}
