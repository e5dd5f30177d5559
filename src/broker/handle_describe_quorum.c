/* SPDX-License-Identifier: Apache-2.0 */
/* DescribeQuorum: what the leader knows of the voters of the metadata log. Told by the control loop, which owns the
 * quorum; the only question with an answer names that one partition and nothing else, as in Kafka. */
#include "base/container.h"
#include "broker/apis.h"
#include "broker/control.h"
#include "broker/request.h"
#include "broker/settings.h"
#include "wire/gen/describe_quorum.h"

static bool asks_for_metadata_only(const struct describe_quorum_request *in)
{
    return in->topics_count == 1 && str_is(in->topics[0].topic_name, "__cluster_metadata") &&
           in->topics[0].partitions_count == 1 && in->topics[0].partitions[0].partition_index == 0;
}

/* Every partition that was asked for, as one that is not there. */
static void list_unknown(struct request *request)
{
    const struct describe_quorum_request *in = request->in.describe_quorum;
    struct describe_quorum_response *out = request->out.describe_quorum;
    out->topics = MESSAGE_TAKE(describe_quorum_response_topic_data, &request->arena, in->topics_count);
    out->topics_count = in->topics_count;
    for (int32_t i = 0; i < in->topics_count; i++) {
        struct describe_quorum_response_topic_data *topic = &out->topics[i];
        topic->topic_name = in->topics[i].topic_name;
        topic->partitions_count = in->topics[i].partitions_count;
        topic->partitions =
            MESSAGE_TAKE(describe_quorum_response_partition_data, &request->arena, topic->partitions_count);
        for (int32_t j = 0; j < topic->partitions_count; j++) {
            topic->partitions[j].partition_index = in->topics[i].partitions[j].partition_index;
            topic->partitions[j].error_code = ERROR_UNKNOWN_TOPIC_OR_PARTITION;
            topic->partitions[j].error_message = STR("This server does not host this topic-partition.");
        }
    }
}

/* Static voters are where the configuration says that they are. */
static void list_static_voter(struct request *request)
{
    const struct node_settings *settings = request->shard->settings;
    struct describe_quorum_listener *listener = &request->out.describe_quorum->nodes[0].listeners[0];
    request->out.describe_quorum->nodes[0].listeners_count = 1;
    listener->host = settings->quorum_voters[0].host;
    listener->port = (uint16_t)settings->quorum_voters[0].port;
}

static void list_nodes(struct request *request, const struct control *control)
{
    struct describe_quorum_response *out = request->out.describe_quorum;
    const struct control_identity *identity = &control->identity;
    int32_t count = identity->controller_endpoint_count;
    out->nodes = MESSAGE_TAKE(describe_quorum_node, &request->arena, 1);
    out->nodes_count = 1;
    out->nodes[0].node_id = request->shard->settings->node_id;
    out->nodes[0].listeners = MESSAGE_TAKE(describe_quorum_listener, &request->arena, count);
    out->nodes[0].listeners_count = count;
    for (int32_t i = 0; i < count; i++) {
        const struct image_endpoint *endpoint = &identity->controller_endpoints[i];
        out->nodes[0].listeners[i].name = endpoint->name;
        out->nodes[0].listeners[i].host = endpoint->host;
        out->nodes[0].listeners[i].port = endpoint->port;
    }
    if (quorum_kraft_version(control->quorum) == 0)
        list_static_voter(request);
}

static void fill_partition(struct request *request, const struct control *control)
{
    struct describe_quorum_response_partition_data *partition =
        &request->out.describe_quorum->topics[0].partitions[0];
    struct quorum_replica *voters;
    int32_t count = quorum_list_voters(control->quorum, &request->arena, &voters);
    partition->error_code = ERROR_NONE;
    partition->error_message = STR("");
    partition->leader_id = quorum_leader(control->quorum);
    partition->leader_epoch = quorum_epoch(control->quorum);
    partition->high_watermark = quorum_high_watermark(control->quorum);
    partition->current_voters = MESSAGE_TAKE(describe_quorum_replica_state, &request->arena, count);
    partition->current_voters_count = count;
    for (int32_t i = 0; i < count; i++) {
        struct describe_quorum_replica_state *state = &partition->current_voters[i];
        state->replica_id = voters[i].id;
        state->replica_directory_id = voters[i].directory_id;
        state->log_end_offset = voters[i].end_offset;
        if (voters[i].id == partition->leader_id)
            state->last_fetch_timestamp = state->last_caught_up_timestamp = loop_wall_ms(control->loop);
    }
}

/* On the control loop. */
static void look(struct errand *errand)
{
    struct request *request = errand->request;
    const struct control *control = request->shard->control;
    struct describe_quorum_response *out = request->out.describe_quorum;
    if (control->quorum == NULL || !quorum_leads(control->quorum)) {
        out->topics_count = 0;
        out->error_code = ERROR_NOT_LEADER_OR_FOLLOWER;
        out->error_message = STR("This node does not lead the metadata quorum.");
    } else {
        fill_partition(request, control);
        list_nodes(request, control);
    }
    errand_finish(errand);
}

enum step handle_describe_quorum(struct request *request)
{
    struct describe_quorum_response *out = request->out.describe_quorum;
    if (request->work.asked)
        return STEP_ANSWER;
    request->work.asked = true;
    out->error_message = STR("");
    list_unknown(request);
    if (!asks_for_metadata_only(request->in.describe_quorum))
        return STEP_ANSWER;
    struct errand *errand = arena_take(&request->arena, sizeof(*errand));
    errand->run = look;
    request_send(request, errand, request->shard->control->desk);
    return request->errands_out > 0 ? STEP_PARK : STEP_ANSWER;
}
