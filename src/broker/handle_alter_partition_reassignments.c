/* SPDX-License-Identifier: Apache-2.0 */
/* AlterPartitionReassignments: the controller decides; the answer leaves when its records are committed and every shard
 * knows. */
#include "broker/apis.h"
#include "broker/forward.h"
#include "broker/request.h"
#include "wire/gen/alter_partition_reassignments.h"

enum step handle_alter_partition_reassignments(struct request *request)
{
    struct alter_partition_reassignments_response *out = request->out.alter_partition_reassignments;
    enum error error;
    if (!forward(request, &request->work.forwarded, CONTROLLER_ALTER_REASSIGNMENTS, &error))
        return STEP_PARK;
    if (error != ERROR_NONE) {
        out->error_code = (int16_t)error;
        out->responses_count = 0;
    }
    return STEP_ANSWER;
}
