/* SPDX-License-Identifier: Apache-2.0 */
/* FindCoordinator: the broker that leads the group's partition of __consumer_offsets. The topic is
 * made when somebody first asks. Transactions and share groups are not served: INVALID_REQUEST. */
#include "base/report.h"
#include "broker/apis.h"
#include "broker/forward.h"
#include "broker/group_home.h"
#include "broker/settings.h"
#include "broker/shard.h"
#include "broker/topic_view.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/find_coordinator.h"
#include "wire/schema.h"

enum { KEY_OF_GROUP = 0, MANY_SINCE = 4 };

struct find_coordinator_work {
    struct forwarded *creation;
    struct create_topics_request request;
    struct create_topics_response response;
    struct create_topics_creatable_topic topic;
    struct create_topics_creatable_topic_config configs[3];
};

static int32_t broker_count(const struct image *image)
{
    int32_t count = 0;
    for (const struct image_broker *at = image_broker_after(image, -1); at != NULL;
         at = image_broker_after(image, at->id))
        count += !at->fenced;
    return count;
}

/* With fewer brokers than offsets.topic.replication.factor asks for, as many as there are: one node
 * must be of use. */
static void describe_topic(struct request *request, struct find_coordinator_work *work)
{
    const struct node_settings *settings = request->shard->settings;
    int32_t brokers = broker_count(request->shard->image),
            factor = settings->offsets_topic_replication_factor;
    work->configs[0].name = STR("cleanup.policy");
    work->configs[0].value = STR("compact");
    work->configs[1].name = STR("compression.type");
    work->configs[1].value = STR("producer");
    work->configs[2].name = STR("segment.bytes");
    work->configs[2].value =
        str_from(arena_format(&request->arena, "%d", settings->offsets_topic_segment_bytes));
    work->topic.name = STR(GROUP_TOPIC);
    work->topic.num_partitions = settings->offsets_topic_partitions;
    work->topic.replication_factor = (int16_t)(brokers < factor ? brokers : factor);
    work->topic.configs = work->configs;
    work->topic.configs_count = 3;
    work->request.topics = &work->topic;
    work->request.topics_count = 1;
    work->request.timeout_ms = 30000;
}

/* Whoever asks next tries again, so peers set the pace of what is told of failures. */
static void report_end(struct request *request, enum error error)
{
    const struct find_coordinator_work *work = request->work.find_coordinator;
    const struct create_topics_creatable_topic_result *made = work->response.topics;
    int32_t wanted = request->shard->settings->offsets_topic_replication_factor;
    struct str reason = { 0 };
    int64_t left_out;
    if (error == ERROR_NONE && work->response.topics_count > 0) {
        error = (enum error)made->error_code;
        reason = made->error_message;
    }
    if (error == ERROR_NONE && work->topic.replication_factor < wanted)
        report_warn("groups_have_few_replicas",
            "topic=" GROUP_TOPIC " replicas=%d wanted=%d: there are no more brokers; raise them by "
            "AlterPartitionReassignments when there are",
            work->topic.replication_factor, wanted);
    if (error != ERROR_NONE && error != ERROR_TOPIC_ALREADY_EXISTS &&
        shard_may_report(request->shard, &left_out))
        report_error("groups_have_no_topic",
            "topic=" GROUP_TOPIC
            " error=%d reason=\"%.*s\" left_out=%lld: it cannot be made, so no "
            "group has a coordinator; look at the settings offsets.topic.*",
            error, STR_PRINT(reason), (long long)left_out);
}

/* False: park. However it ends, the image says what there is then. */
static bool make_topic(struct request *request)
{
    struct find_coordinator_work *work = request->work.find_coordinator;
    enum error error;
    if (work == NULL) {
        work = request->work.find_coordinator = arena_take(&request->arena, sizeof(*work));
        describe_topic(request, work);
    }
    if (!forward_message(request, &work->creation, CONTROLLER_CREATE_TOPICS, &work->request,
            &work->response, &error))
        return false;
    report_end(request, error);
    return true;
}

static void find_one(struct request *request, struct find_coordinator_coordinator *told)
{
    const struct image_topic *topic = request->shard->group_topic;
    told->node_id = -1;
    told->port = -1;
    told->host = STR("");
    told->error_code = ERROR_COORDINATOR_NOT_AVAILABLE;
    if (request->in.find_coordinator->key_type != KEY_OF_GROUP)
        told->error_code = ERROR_INVALID_REQUEST;
    else if (topic != NULL) {
        const struct image_partition *home =
            image_partition(topic, group_home_index(told->key, topic->partition_count));
        const struct image_broker *leader = image_broker(request->shard->image, home->leader);
        const struct image_endpoint *endpoint =
            broker_view_endpoint(leader, request->desk->listener_name);
        if (endpoint == NULL)
            return;
        told->error_code = ERROR_NONE;
        told->node_id = leader->id;
        told->host = endpoint->host;
        told->port = endpoint->port;
    }
}

enum step handle_find_coordinator(struct request *request)
{
    const struct find_coordinator_request *in = request->in.find_coordinator;
    struct find_coordinator_response *out = request->out.find_coordinator;
    bool is_served = in->key_type == KEY_OF_GROUP && request->shard->image != NULL;
    bool is_making = request->work.find_coordinator != NULL;
    if (is_served && (is_making || request->shard->group_topic == NULL) && !make_topic(request))
        return STEP_PARK;
    if (request->version < MANY_SINCE) {
        struct find_coordinator_coordinator one = { .key = in->key };
        find_one(request, &one);
        out->error_code = one.error_code;
        out->node_id = one.node_id;
        out->host = one.host;
        out->port = one.port;
        return STEP_ANSWER;
    }
    out->coordinators_count = in->coordinator_keys_count;
    out->coordinators =
        MESSAGE_TAKE(find_coordinator_coordinator, &request->arena, in->coordinator_keys_count);
    for (int32_t i = 0; i < in->coordinator_keys_count; i++) {
        out->coordinators[i].key = in->coordinator_keys[i];
        find_one(request, &out->coordinators[i]);
    }
    return STEP_ANSWER;
}
