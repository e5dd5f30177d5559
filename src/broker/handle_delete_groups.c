/* SPDX-License-Identifier: Apache-2.0 */
/* DeleteGroups: each one by its coordinator; one that is named twice is found once. */
#include "broker/apis.h"
#include "broker/group_ask.h"
#include "wire/gen/delete_groups.h"
#include "wire/schema.h"

static void start(struct request *request)
{
    const struct delete_groups_request *in = request->in.delete_groups;
    struct delete_groups_response *out = request->out.delete_groups;
    struct group_asks *asks = group_asks_make(request);
    enum error *errors =
        arena_take_array(&request->arena, (size_t)in->groups_names_count, sizeof(*errors));
    out->results_count = in->groups_names_count;
    out->results =
        MESSAGE_TAKE(delete_groups_deletable_group_result, &request->arena, in->groups_names_count);
    for (int32_t i = 0; i < in->groups_names_count; i++) {
        out->results[i].group_id = in->groups_names[i];
        group_ask_add(
            asks, in->groups_names[i], COORDINATOR_DELETE_GROUP, &in->groups_names[i], &errors[i]);
    }
    group_asks_send(asks);
}

enum step handle_delete_groups(struct request *request)
{
    struct delete_groups_response *out = request->out.delete_groups;
    if (request->work.group_asks == NULL)
        start(request);
    if (request->errands_out > 0)
        return STEP_PARK;
    const struct group_ask *ask = request->work.group_asks->list;
    for (int32_t i = 0; i < out->results_count; i++, ask = ask->next) {
        const enum error *decided = ask->ask.response;
        out->results[i].error_code = (int16_t)(ask->error != ERROR_NONE ? ask->error : *decided);
    }
    return STEP_ANSWER;
}
