/* SPDX-License-Identifier: Apache-2.0 */
/* DescribeCluster: on a broker's listener the brokers, on a controller's the controllers (KIP-919). */
#include "broker/apis.h"
#include "broker/control.h"
#include "broker/settings.h"
#include "broker/topic_view.h"
#include "storage/log_dir.h"
#include "wire/gen/describe_cluster.h"

enum endpoint_type { ENDPOINT_BROKER = 1, ENDPOINT_CONTROLLER = 2 };

static const char *endpoint_type_name(int type)
{
    return type == ENDPOINT_BROKER ? "BROKER" : "CONTROLLER";
}

static bool refuse_endpoint_type(struct request *request, int served)
{
    const struct describe_cluster_request *in = request->in.describe_cluster;
    struct describe_cluster_response *out = request->out.describe_cluster;
    int wanted = in->endpoint_type;
    if (wanted == served)
        return false;
    bool is_known = wanted == ENDPOINT_BROKER || wanted == ENDPOINT_CONTROLLER;
    if (!in->names_endpoint_type)
        out->error_code = ERROR_INVALID_REQUEST;
    else
        out->error_code = is_known ? ERROR_MISMATCHED_ENDPOINT_TYPE : ERROR_UNSUPPORTED_ENDPOINT_TYPE;
    out->error_message = str_from(
        is_known ? arena_format(&request->arena,
                       "The request was sent to an endpoint of type %s, but we wanted an endpoint of type %s",
                       endpoint_type_name(served), endpoint_type_name(wanted))
                 : arena_format(&request->arena, "Unsupported endpoint type %d", wanted));
    out->cluster_id = STR("");
    return true;
}

static void fill_brokers(struct request *request, struct str listener)
{
    const struct image *image = request->shard->image;
    struct describe_cluster_response *out = request->out.describe_cluster;
    bool fenced_too = request->in.describe_cluster->include_fenced_brokers;
    int32_t count = 0;
    const struct image_broker *broker;
    for (broker = image_broker_after(image, -1); broker != NULL; broker = image_broker_after(image, broker->id))
        count++;
    out->brokers = arena_take_array(&request->arena, (size_t)count, sizeof(*out->brokers));
    out->brokers_count = 0;
    for (broker = image_broker_after(image, -1); broker != NULL; broker = image_broker_after(image, broker->id)) {
        const struct image_endpoint *endpoint = image_broker_endpoint(broker, listener);
        if (endpoint == NULL || (broker->fenced && !fenced_too))
            continue;
        if (out->controller_id < 0 && !broker->fenced)
            out->controller_id = broker->id; /* as in Kafka: any live broker, it forwards to the controller */
        out->brokers[out->brokers_count++] = (struct describe_cluster_broker){ .broker_id = broker->id,
            .host = endpoint->host, .port = endpoint->port, .rack = broker->rack, .is_fenced = broker->fenced };
    }
}

static void fill_controllers(struct request *request, struct str listener)
{
    const struct control *control = request->shard->control;
    struct describe_cluster_response *out = request->out.describe_cluster;
    out->controller_id = quorum_leader(control->quorum);
    out->brokers = arena_take_array(&request->arena, 1, sizeof(*out->brokers));
    for (int32_t i = 0; i < control->identity.controller_endpoint_count; i++) {
        const struct image_endpoint *endpoint = &control->identity.controller_endpoints[i];
        if (!str_equal(endpoint->name, listener))
            continue;
        out->brokers[0] = (struct describe_cluster_broker){ .broker_id = request->shard->settings->node_id,
            .host = endpoint->host, .port = endpoint->port };
        out->brokers_count = 1;
        return;
    }
}

enum step handle_describe_cluster(struct request *request)
{
    struct describe_cluster_response *out = request->out.describe_cluster;
    struct shard *shard = request->shard;
    const struct shard_desk *desk = request->desk;
    bool on_controller = shard->index == SHARD_OF_CONTROL;
    out->brokers_count = 0;
    if (refuse_endpoint_type(request, on_controller ? ENDPOINT_CONTROLLER : ENDPOINT_BROKER))
        return STEP_ANSWER;
    out->endpoint_type = on_controller ? ENDPOINT_CONTROLLER : ENDPOINT_BROKER;
    if (request->in.describe_cluster->include_cluster_authorized_operations)
        out->cluster_authorized_operations = ALL_CLUSTER_OPERATIONS;
    out->cluster_id = str_from(shard->cluster_id);
    if (on_controller)
        fill_controllers(request, desk->listener_name);
    else if (shard->image != NULL)
        fill_brokers(request, desk->listener_name);
    return STEP_ANSWER;
}
