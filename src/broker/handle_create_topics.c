/* SPDX-License-Identifier: Apache-2.0 */
/* CreateTopics: the controller decides; the answer leaves when its records are committed and every shard knows. */
#include "base/container.h"
#include "broker/apis.h"
#include "broker/control.h"
#include "wire/gen/create_topics.h"

struct create_topics_work {
    struct control_errand errand;
    struct request *request;
    bool answered;
};

static void creation_decided(struct control_errand *errand)
{
    struct create_topics_work *work = container_of(errand, struct create_topics_work, errand);
    work->answered = true;
    request_resume(work->request);
}

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
    struct create_topics_work *work = request->work.create_topics;
    if (work == NULL) {
        work = request->work.create_topics = arena_take(&request->arena, sizeof(*work));
        work->request = request;
        work->errand.wish.type = CONTROLLER_CREATE_TOPICS;
        work->errand.wish.request = request->in.create_topics;
        work->errand.wish.response = request->out.create_topics;
        work->errand.wish.rsm.arena = &request->arena;
        work->errand.done = creation_decided;
        control_send(request->shard->control, request->shard->loop, &work->errand);
    }
    if (!work->answered)
        return STEP_PARK;
    if (work->errand.error != ERROR_NONE)
        refuse_all(request, work->errand.error);
    return STEP_ANSWER;
}
