/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/forward.h"

#include "base/container.h"
#include "broker/control.h"
#include "broker/request.h"

struct forwarded {
    struct control_errand errand;
    struct request *request;
    bool answered;
};

static void decided(struct control_errand *errand)
{
    struct forwarded *work = container_of(errand, struct forwarded, errand);
    work->answered = true;
    request_resume(work->request);
}

bool forward(struct request *request, struct forwarded **work, enum controller_request_type type, enum error *out_error)
{
    return forward_message(request, work, type, request->in.message, request->out.message, out_error);
}

bool forward_message(struct request *request, struct forwarded **work, enum controller_request_type type, const void *message,
    void *response, enum error *out_error)
{
    struct forwarded *mine = *work;
    if (mine == NULL) {
        mine = *work = arena_take(&request->arena, sizeof(*mine));
        mine->request = request;
        mine->errand.wish.type = type;
        mine->errand.wish.request = message;
        mine->errand.wish.response = response;
        mine->errand.wish.rsm.arena = &request->arena;
        mine->errand.done = decided;
        control_send(request->shard->control, request->shard->loop, &mine->errand);
    }
    if (!mine->answered)
        return false; /* until then the errand is the control loop's */
    *out_error = mine->errand.error;
    return true;
}
