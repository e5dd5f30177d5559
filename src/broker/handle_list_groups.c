/* SPDX-License-Identifier: Apache-2.0 */
/* ListGroups: what all coordinators of this node know. */
#include <string.h>

#include "broker/apis.h"
#include "broker/group_ask.h"
#include "coordinator/groups.h"
#include "wire/gen/list_groups.h"
#include "wire/schema.h"

/* The array that they are put into has room for a power of two, the first one that suffices. */
static int64_t room_for(int32_t count)
{
    int64_t room = 16;
    while (room < count)
        room *= 2;
    return room;
}

static void append(struct request *request, const struct list_groups_response *part)
{
    struct list_groups_response *out = request->out.list_groups;
    int32_t count = out->groups_count + part->groups_count;
    if (out->groups == NULL || room_for(count) > room_for(out->groups_count)) {
        struct list_groups_listed_group *grown =
            arena_take_array(&request->arena, (size_t)room_for(count), sizeof(*grown));
        if (out->groups_count > 0)
            memcpy(grown, out->groups, (size_t)out->groups_count * sizeof(*grown));
        out->groups = grown;
    }
    if (part->groups_count > 0)
        memcpy(out->groups + out->groups_count, part->groups,
            (size_t)part->groups_count * sizeof(*out->groups));
    out->groups_count = count;
}

static void ask(struct request *request, int32_t number, struct group_ask *ask)
{
    group_ask_home(ask, number, COORDINATOR_LIST_GROUPS, request->in.list_groups,
        MESSAGE_TAKE(list_groups_response, &request->arena, 1));
}

/* One that is led elsewhere has nothing to tell; one that loads does not know yet. */
static void tell(struct request *request, int32_t number, const struct group_ask *ask)
{
    (void)number;
    if (ask->error == ERROR_NONE)
        append(request, ask->ask.response);
    else if (ask->error != ERROR_NOT_COORDINATOR)
        request->out.list_groups->error_code = (int16_t)ask->error;
}

enum step handle_list_groups(struct request *request)
{
    static const struct group_asker asker = { ask, tell };
    struct list_groups_response *out = request->out.list_groups;
    struct list_groups_request *in = request->in.list_groups;
    groups_narrow(in->states_filter, &in->states_filter_count);
    groups_narrow(in->types_filter, &in->types_filter_count);
    enum step step = group_ask_many(request, &asker, group_ask_home_count(request));
    if (out->error_code != ERROR_NONE)
        out->groups_count = 0;
    return step;
}
