/* SPDX-License-Identifier: Apache-2.0 */
/* LeaveGroup: of one member up to version 2, of several after that (KIP-345). */
#include "broker/apis.h"
#include "broker/group_ask.h"
#include "wire/gen/leave_group.h"
#include "wire/schema.h"

enum { MEMBERS_SINCE = 3 };

static const struct leave_group_request *with_members(struct request *request)
{
    const struct leave_group_request *in = request->in.leave_group;
    if (request->version >= MEMBERS_SINCE)
        return in;
    struct leave_group_request *several = MESSAGE_TAKE(leave_group_request, &request->arena, 1);
    several->group_id = in->group_id;
    several->members = MESSAGE_TAKE(leave_group_member_identity, &request->arena, 1);
    several->members[0].member_id = in->member_id;
    several->members_count = 1;
    return several;
}

enum step handle_leave_group(struct request *request)
{
    struct leave_group_response *out = request->out.leave_group;
    enum error error = ERROR_INVALID_GROUP_ID;
    struct str group_id = request->in.leave_group->group_id;
    if (group_id.size > 0 &&
        !group_ask_one(request, group_id, COORDINATOR_LEAVE_GROUP, with_members(request), &error))
        return STEP_PARK;
    if (error != ERROR_NONE)
        out->error_code = (int16_t)error;
    else if (request->version < MEMBERS_SINCE && out->error_code == ERROR_NONE &&
             out->members_count == 1)
        out->error_code = out->members[0].error_code;
    return STEP_ANSWER;
}
