/* SPDX-License-Identifier: Apache-2.0 */
/* ConsumerGroupDescribe (KIP-848): groups of the consumer protocol, each by its coordinator. */
#include "broker/apis.h"
#include "broker/group_ask.h"
#include "wire/gen/consumer_group_describe.h"
#include "wire/schema.h"

static void start(struct request *request)
{
    const struct consumer_group_describe_request *in = request->in.consumer_group_describe;
    struct consumer_group_describe_response *out = request->out.consumer_group_describe;
    struct group_asks *asks = group_asks_make(request);
    out->groups_count = in->group_ids_count;
    out->groups =
        MESSAGE_TAKE(consumer_group_describe_described_group, &request->arena, in->group_ids_count);
    for (int32_t i = 0; i < in->group_ids_count; i++) {
        out->groups[i].group_id = in->group_ids[i];
        group_ask_add(asks, in->group_ids[i], COORDINATOR_CONSUMER_GROUP_DESCRIBE,
            &in->group_ids[i], &out->groups[i]);
    }
    group_asks_send(asks);
}

static void fail(
    struct consumer_group_describe_described_group *told, struct str id, enum error error)
{
    shape_set_defaults(&consumer_group_describe_described_group_shape, told);
    told->group_id = id;
    told->error_code = (int16_t)error;
}

static void refuse_all(struct request *request)
{
    const struct consumer_group_describe_request *in = request->in.consumer_group_describe;
    struct consumer_group_describe_response *out = request->out.consumer_group_describe;
    out->groups_count = in->group_ids_count;
    out->groups =
        MESSAGE_TAKE(consumer_group_describe_described_group, &request->arena, in->group_ids_count);
    for (int32_t i = 0; i < in->group_ids_count; i++)
        fail(&out->groups[i], in->group_ids[i], ERROR_UNSUPPORTED_VERSION);
}

enum step handle_consumer_group_describe(struct request *request)
{
    const struct consumer_group_describe_request *in = request->in.consumer_group_describe;
    struct consumer_group_describe_response *out = request->out.consumer_group_describe;
    if (!group_ask_is_enabled(request)) {
        refuse_all(request);
        return STEP_ANSWER;
    }
    if (request->work.group_asks == NULL)
        start(request);
    if (request->errands_out > 0)
        return STEP_PARK;
    const struct group_ask *ask = request->work.group_asks->list;
    for (int32_t i = 0; i < out->groups_count; i++, ask = ask->next) {
        if (in->group_ids[i].size == 0)
            fail(&out->groups[i], in->group_ids[i], ERROR_INVALID_GROUP_ID);
        else if (ask->error != ERROR_NONE)
            fail(&out->groups[i], in->group_ids[i], ask->error);
        if (in->include_authorized_operations && out->groups[i].error_code == ERROR_NONE)
            out->groups[i].authorized_operations = ALL_GROUP_OPERATIONS;
    }
    return STEP_ANSWER;
}
