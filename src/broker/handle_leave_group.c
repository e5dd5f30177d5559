/* SPDX-License-Identifier: Apache-2.0 */
/* LeaveGroup: of one member up to version 2, of several after that (KIP-345). */
#include "broker/apis.h"
#include "broker/group_ask.h"
#include "broker/group_reports.h"
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

/* The answer has the members in the order of the request. */
static void report_left(struct request *request, const struct leave_group_request *in)
{
    const struct leave_group_response *out = request->out.leave_group;
    for (int32_t i = 0; i < out->members_count && i < in->members_count; i++) {
        if (out->members[i].error_code == ERROR_NONE)
            group_report_left(
                request, &(struct group_member_told){ in->group_id, out->members[i].member_id,
                             in->members[i].group_instance_id, in->members[i].reason });
    }
}

enum step handle_leave_group(struct request *request)
{
    struct leave_group_response *out = request->out.leave_group;
    const struct leave_group_request *in = with_members(request);
    enum error error = ERROR_INVALID_GROUP_ID;
    if (in->group_id.size > 0 &&
        !group_ask_one(request, in->group_id, COORDINATOR_LEAVE_GROUP, in, &error))
        return STEP_PARK;
    report_left(request, in);
    if (error != ERROR_NONE)
        out->error_code = (int16_t)error;
    else if (request->version < MEMBERS_SINCE && out->error_code == ERROR_NONE &&
             out->members_count == 1)
        out->error_code = out->members[0].error_code;
    return STEP_ANSWER;
}
