/* SPDX-License-Identifier: Apache-2.0 */
/* DescribeGroups: classic groups, each by its coordinator. */
#include "broker/apis.h"
#include "broker/group_ask.h"
#include "wire/gen/describe_groups.h"
#include "wire/schema.h"

static void ask(struct request *request, int32_t number, struct group_ask *ask)
{
    const struct str *id = &request->in.describe_groups->groups[number];
    struct describe_groups_described_group *told = &request->out.describe_groups->groups[number];
    told->group_id = *id;
    group_ask_group(ask, *id, COORDINATOR_DESCRIBE_GROUP, id, told);
}

static void tell(struct request *request, int32_t number, const struct group_ask *ask)
{
    struct describe_groups_described_group *told = &request->out.describe_groups->groups[number];
    if (ask->error != ERROR_NONE) {
        shape_set_defaults(&describe_groups_described_group_shape, told);
        told->group_id = request->in.describe_groups->groups[number];
        told->error_code = (int16_t)ask->error;
    }
    if (request->in.describe_groups->include_authorized_operations &&
        told->error_code == ERROR_NONE)
        told->authorized_operations = ALL_GROUP_OPERATIONS;
}

enum step handle_describe_groups(struct request *request)
{
    static const struct group_asker asker = { ask, tell };
    const struct describe_groups_request *in = request->in.describe_groups;
    struct describe_groups_response *out = request->out.describe_groups;
    if (request->work.group_asks == NULL) {
        out->groups_count = in->groups_count;
        out->groups =
            MESSAGE_TAKE(describe_groups_described_group, &request->arena, in->groups_count);
    }
    return group_ask_many(request, &asker, in->groups_count);
}
