/* SPDX-License-Identifier: Apache-2.0 */
/* CreateTopics: the controller decides; the answer leaves when its records are committed and every shard knows. */
#include "broker/apis.h"
#include "broker/forward.h"
#include "broker/request.h"
#include "wire/gen/create_topics.h"

/* The answer has no error of its own: every topic carries it. */
static void refuse_all(struct request *request, enum error error)
{
    const struct create_topics_request *in = request->in.create_topics;
    struct create_topics_response *out = request->out.create_topics;
    out->topics = arena_take_array(&request->arena, (size_t)in->topics_count, sizeof(*out->topics));
    out->topics_count = in->topics_count;
    for (int32_t i = 0; i < in->topics_count; i++) {
        out->topics[i].name = in->topics[i].name;
        out->topics[i].error_code = (int16_t)error;
        out->topics[i].num_partitions = -1;
        out->topics[i].replication_factor = -1;
        out->topics[i].configs_count = 0;
    }
}

enum step handle_create_topics(struct request *request)
{
    enum error error;
    if (!forward(request, &request->work.forwarded, CONTROLLER_CREATE_TOPICS, &error))
        return STEP_PARK;
    if (error != ERROR_NONE)
        refuse_all(request, error);
    return STEP_ANSWER;
}
