/* SPDX-License-Identifier: Apache-2.0 */
/* ConsumerGroupDescribe (KIP-848): groups of the consumer protocol, each by its coordinator. */
#include "broker/apis.h"
#include "broker/group_ask.h"
#include "wire/gen/consumer_group_describe.h"
#include "wire/schema.h"

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

static void ask(struct request *request, int32_t number, struct group_ask *ask)
{
    const struct str *id = &request->in.consumer_group_describe->group_ids[number];
    struct consumer_group_describe_described_group *told =
        &request->out.consumer_group_describe->groups[number];
    told->group_id = *id;
    group_ask_group(ask, *id, COORDINATOR_CONSUMER_GROUP_DESCRIBE, id, told);
}

static void tell(struct request *request, int32_t number, const struct group_ask *ask)
{
    const struct consumer_group_describe_request *in = request->in.consumer_group_describe;
    struct consumer_group_describe_described_group *told =
        &request->out.consumer_group_describe->groups[number];
    if (in->group_ids[number].size == 0)
        fail(told, in->group_ids[number], ERROR_INVALID_GROUP_ID);
    else if (ask->error != ERROR_NONE)
        fail(told, in->group_ids[number], ask->error);
    if (in->include_authorized_operations && told->error_code == ERROR_NONE)
        told->authorized_operations = ALL_GROUP_OPERATIONS;
}

enum step handle_consumer_group_describe(struct request *request)
{
    static const struct group_asker asker = { ask, tell };
    const struct consumer_group_describe_request *in = request->in.consumer_group_describe;
    struct consumer_group_describe_response *out = request->out.consumer_group_describe;
    if (!group_ask_is_enabled(request)) {
        refuse_all(request);
        return STEP_ANSWER;
    }
    if (request->work.group_asks == NULL) {
        out->groups_count = in->group_ids_count;
        out->groups = MESSAGE_TAKE(
            consumer_group_describe_described_group, &request->arena, in->group_ids_count);
    }
    return group_ask_many(request, &asker, in->group_ids_count);
}
