/* SPDX-License-Identifier: Apache-2.0 */
/* JoinGroup: answered when the group's members are known, which may take minutes. */
#include "broker/apis.h"
#include "broker/group_ask.h"
#include "broker/group_reports.h"
#include "wire/gen/join_group.h"

enum step handle_join_group(struct request *request)
{
    const struct join_group_request *in = request->in.join_group;
    struct join_group_response *out = request->out.join_group;
    enum error error = ERROR_INVALID_GROUP_ID;
    if (in->group_id.size > 0 &&
        !group_ask_one(request, in->group_id, COORDINATOR_JOIN_GROUP, in, &error))
        return STEP_PARK;
    if (error != ERROR_NONE) {
        out->error_code = (int16_t)error;
        out->member_id = in->member_id;
        out->protocol_name = (struct str){ 0 };
    }
    if (out->error_code == ERROR_NONE && in->reason.size > 0)
        group_report_joined(request,
            &(struct group_member_told){
                in->group_id, out->member_id, in->group_instance_id, in->reason },
            out->generation_id);
    return STEP_ANSWER;
}
