/* SPDX-License-Identifier: Apache-2.0 */
/* DescribeGroups: classic groups, each by its coordinator. */
#include "broker/apis.h"
#include "broker/group_ask.h"
#include "wire/gen/describe_groups.h"
#include "wire/schema.h"

static void start(struct request *request)
{
    const struct describe_groups_request *in = request->in.describe_groups;
    struct describe_groups_response *out = request->out.describe_groups;
    struct group_asks *asks = group_asks_make(request);
    out->groups_count = in->groups_count;
    out->groups = MESSAGE_TAKE(describe_groups_described_group, &request->arena, in->groups_count);
    for (int32_t i = 0; i < in->groups_count; i++) {
        out->groups[i].group_id = in->groups[i];
        group_ask_add(
            asks, in->groups[i], COORDINATOR_DESCRIBE_GROUP, &in->groups[i], &out->groups[i]);
    }
    group_asks_send(asks);
}

enum step handle_describe_groups(struct request *request)
{
    struct describe_groups_response *out = request->out.describe_groups;
    if (request->work.group_asks == NULL)
        start(request);
    if (request->errands_out > 0)
        return STEP_PARK;
    const struct group_ask *ask = request->work.group_asks->list;
    for (int32_t i = 0; i < out->groups_count; i++, ask = ask->next) {
        if (ask->error != ERROR_NONE) {
            shape_set_defaults(&describe_groups_described_group_shape, &out->groups[i]);
            out->groups[i].group_id = request->in.describe_groups->groups[i];
            out->groups[i].error_code = (int16_t)ask->error;
        }
        if (request->in.describe_groups->include_authorized_operations &&
            out->groups[i].error_code == ERROR_NONE)
            out->groups[i].authorized_operations = ALL_GROUP_OPERATIONS;
    }
    return STEP_ANSWER;
}
