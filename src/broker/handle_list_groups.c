/* SPDX-License-Identifier: Apache-2.0 */
/* ListGroups: what all coordinators of this node know. */
#include <string.h>

#include "broker/apis.h"
#include "broker/group_ask.h"
#include "wire/gen/list_groups.h"
#include "wire/schema.h"

static void *make_part(struct request *request)
{
    return MESSAGE_TAKE(list_groups_response, &request->arena, 1);
}

/* One that is led elsewhere has nothing to tell; one that loads does not know yet. */
static void gather(struct request *request)
{
    struct list_groups_response *out = request->out.list_groups;
    int64_t count = 0;
    const struct group_ask *ask;
    for (ask = request->work.group_asks->list; ask != NULL; ask = ask->next) {
        const struct list_groups_response *part = ask->ask.response;
        if (ask->error != ERROR_NONE && ask->error != ERROR_NOT_COORDINATOR)
            out->error_code = (int16_t)ask->error;
        count += ask->error == ERROR_NONE ? part->groups_count : 0;
    }
    if (out->error_code != ERROR_NONE)
        return;
    out->groups = arena_take_array(&request->arena, (size_t)count, sizeof(*out->groups));
    for (ask = request->work.group_asks->list; ask != NULL; ask = ask->next) {
        const struct list_groups_response *part = ask->ask.response;
        if (ask->error != ERROR_NONE || part->groups_count == 0)
            continue;
        memcpy(out->groups + out->groups_count, part->groups,
            (size_t)part->groups_count * sizeof(*out->groups));
        out->groups_count += part->groups_count;
    }
}

enum step handle_list_groups(struct request *request)
{
    if (request->work.group_asks == NULL) {
        struct group_asks *asks = group_asks_make(request);
        group_ask_add_all(asks, COORDINATOR_LIST_GROUPS, request->in.list_groups, make_part);
        group_asks_send(asks);
    }
    if (request->errands_out > 0)
        return STEP_PARK;
    gather(request);
    return STEP_ANSWER;
}
