/* SPDX-License-Identifier: Apache-2.0 */
/* DeleteTopics: the controller decides; the answer leaves when its records are committed and every shard knows. */
#include "base/container.h"
#include "broker/apis.h"
#include "broker/control.h"
#include "wire/gen/delete_topics.h"

struct delete_topics_work {
    struct control_errand errand;
    struct request *request;
    bool answered;
};

static void deletion_decided(struct control_errand *errand)
{
    struct delete_topics_work *work = container_of(errand, struct delete_topics_work, errand);
    work->answered = true;
    request_resume(work->request);
}

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
    const struct delete_topics_request *in = request->in.delete_topics;
    struct delete_topics_work *work = request->work.delete_topics;
    if (work == NULL) {
        work = request->work.delete_topics = arena_take(&request->arena, sizeof(*work));
        work->request = request;
        work->errand.wish.type = CONTROLLER_DELETE_TOPICS;
        work->errand.wish.request = in;
        work->errand.wish.response = request->out.delete_topics;
        work->errand.wish.rsm.arena = &request->arena;
        work->errand.done = deletion_decided;
        control_send(request->shard->control, request->shard->loop, &work->errand);
    }
    if (!work->answered)
        return STEP_PARK;
    if (work->errand.error != ERROR_NONE)
        refuse_all(request, work->errand.error);
    return STEP_ANSWER;
}
