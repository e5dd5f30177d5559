/* SPDX-License-Identifier: Apache-2.0 */
/* SyncGroup: answered when the leader has assigned. */
#include "broker/apis.h"
#include "broker/group_ask.h"
#include "wire/gen/sync_group.h"

enum step handle_sync_group(struct request *request)
{
    const struct sync_group_request *in = request->in.sync_group;
    enum error error = ERROR_INVALID_GROUP_ID;
    if (in->group_id.size > 0 &&
        !group_ask_one(request, in->group_id, COORDINATOR_SYNC_GROUP, in, &error))
        return STEP_PARK;
    if (error != ERROR_NONE)
        request->out.sync_group->error_code = (int16_t)error;
    return STEP_ANSWER;
}
