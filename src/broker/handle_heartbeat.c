/* SPDX-License-Identifier: Apache-2.0 */
/* Heartbeat, of members of classic groups. */
#include "broker/apis.h"
#include "broker/group_ask.h"
#include "wire/gen/heartbeat.h"

enum step handle_heartbeat(struct request *request)
{
    const struct heartbeat_request *in = request->in.heartbeat;
    enum error error = ERROR_INVALID_GROUP_ID;
    if (in->group_id.size > 0 &&
        !group_ask_one(request, in->group_id, COORDINATOR_HEARTBEAT, in, &error))
        return STEP_PARK;
    /* While the group is loaded nobody knows better; the member is told all is well, as by Kafka.
     */
    if (error != ERROR_NONE && error != ERROR_COORDINATOR_LOAD_IN_PROGRESS)
        request->out.heartbeat->error_code = (int16_t)error;
    return STEP_ANSWER;
}
