/* SPDX-License-Identifier: Apache-2.0 */
/* ConsumerGroupHeartbeat (KIP-848). */
#include "broker/apis.h"
#include "broker/group_ask.h"
#include "wire/gen/consumer_group_heartbeat.h"

enum step handle_consumer_group_heartbeat(struct request *request)
{
    const struct consumer_group_heartbeat_request *in = request->in.consumer_group_heartbeat;
    enum error error = ERROR_UNSUPPORTED_VERSION;
    if (group_ask_is_enabled(request) &&
        !group_ask_one(request, in->group_id, COORDINATOR_CONSUMER_GROUP_HEARTBEAT, in, &error))
        return STEP_PARK;
    if (error != ERROR_NONE)
        request->out.consumer_group_heartbeat->error_code = (int16_t)error;
    return STEP_ANSWER;
}
