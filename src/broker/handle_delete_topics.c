/* SPDX-License-Identifier: Apache-2.0 */
/* DeleteTopics: the controller decides; the answer leaves when its records are committed and every shard knows. */
#include "broker/apis.h"
#include "broker/forward.h"
#include "broker/request.h"
#include "wire/gen/delete_topics.h"

/* The answer has no error of its own: every topic carries it. */
static void refuse_all(struct request *request, enum error error)
{
    const struct delete_topics_request *in = request->in.delete_topics;
    struct delete_topics_response *out = request->out.delete_topics;
    int32_t count = in->by_topic_struct ? in->topics_count : in->topic_names_count;
    out->responses = arena_take_array(&request->arena, (size_t)count, sizeof(*out->responses));
    out->responses_count = count;
    for (int32_t i = 0; i < count; i++) {
        out->responses[i].name = in->by_topic_struct ? in->topics[i].name : in->topic_names[i];
        out->responses[i].topic_id = in->by_topic_struct ? in->topics[i].topic_id : UUID_ZERO;
        out->responses[i].error_code = (int16_t)error;
    }
}

enum step handle_delete_topics(struct request *request)
{
    enum error error;
    if (!forward(request, &request->work.forwarded, CONTROLLER_DELETE_TOPICS, &error))
        return STEP_PARK;
    if (error != ERROR_NONE)
        refuse_all(request, error);
    return STEP_ANSWER;
}
