/* SPDX-License-Identifier: Apache-2.0 */
/* OffsetDelete (KIP-496). */
#include "broker/apis.h"
#include "broker/group_ask.h"
#include "wire/gen/offset_delete.h"

enum step handle_offset_delete(struct request *request)
{
    const struct offset_delete_request *in = request->in.offset_delete;
    enum error error = ERROR_INVALID_GROUP_ID;
    if (in->group_id.size > 0 &&
        !group_ask_one(request, in->group_id, COORDINATOR_OFFSET_DELETE, in, &error))
        return STEP_PARK;
    if (error != ERROR_NONE)
        request->out.offset_delete->error_code = (int16_t)error;
    return STEP_ANSWER;
}
