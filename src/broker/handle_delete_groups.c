/* SPDX-License-Identifier: Apache-2.0 */
/* DeleteGroups: each one by its coordinator; one that is named twice is found once. */
#include "broker/apis.h"
#include "broker/group_ask.h"
#include "wire/gen/delete_groups.h"
#include "wire/schema.h"

static void ask(struct request *request, int32_t number, struct group_ask *ask)
{
    const struct str *id = &request->in.delete_groups->groups_names[number];
    struct delete_groups_deletable_group_result *told =
        &request->out.delete_groups->results[number];
    told->group_id = *id;
    group_ask_group(
        ask, *id, COORDINATOR_DELETE_GROUP, id, arena_take(&request->arena, sizeof(enum error)));
}

static void tell(struct request *request, int32_t number, const struct group_ask *ask)
{
    const enum error *decided = ask->ask.response;
    request->out.delete_groups->results[number].error_code =
        (int16_t)(ask->error != ERROR_NONE ? ask->error : *decided);
}

enum step handle_delete_groups(struct request *request)
{
    static const struct group_asker asker = { ask, tell };
    const struct delete_groups_request *in = request->in.delete_groups;
    struct delete_groups_response *out = request->out.delete_groups;
    if (request->work.group_asks == NULL) {
        out->results_count = in->groups_names_count;
        out->results = MESSAGE_TAKE(
            delete_groups_deletable_group_result, &request->arena, in->groups_names_count);
    }
    return group_ask_many(request, &asker, in->groups_names_count);
}
