/* SPDX-License-Identifier: Apache-2.0 */
/* CreatePartitions: the controller decides; the answer leaves when its records are committed and every shard has opened
 * the new logs. */
#include "broker/apis.h"
#include "broker/forward.h"
#include "broker/request.h"
#include "wire/gen/create_partitions.h"

/* The answer has no error of its own: every topic carries it. */
static void refuse_all(struct request *request, enum error error)
{
    const struct create_partitions_request *in = request->in.create_partitions;
    struct create_partitions_response *out = request->out.create_partitions;
    out->results_count = in->topics_count > 0 ? in->topics_count : 0;
    out->results = MESSAGE_TAKE(create_partitions_topic_result, &request->arena, out->results_count);
    for (int32_t i = 0; i < out->results_count; i++) {
        out->results[i].name = in->topics[i].name;
        out->results[i].error_code = (int16_t)error;
    }
}

enum step handle_create_partitions(struct request *request)
{
    enum error error;
    if (!forward(request, &request->work.forwarded, CONTROLLER_CREATE_PARTITIONS, &error))
        return STEP_PARK;
    if (error != ERROR_NONE)
        refuse_all(request, error);
    return STEP_ANSWER;
}
