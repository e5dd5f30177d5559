/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/groups.h"

#include <strings.h>

#include "coordinator/decide.h"
#include "coordinator/offsets.h"
#include "wire/gen/list_groups.h"

enum { GROUP_WORK = 5 }; /* of a walk over offsets, beside them */

/* With the first decision it is a simple group, and those that follow take what was committed
 * before: whoever joins or commits meanwhile does so after the group was deleted. */
void decide_delete_group(struct group_decider *decider)
{
    struct coordinator_request *request = decider->request;
    const struct str *id = request->request;
    enum error *out_error = request->response;
    const struct group *group = group_find(decider->coordinator, *id);
    bool begins = request->began_at == 0;
    if (begins)
        *out_error = group == NULL ? ERROR_GROUP_ID_NOT_FOUND : group->kind->may_delete(group);
    if (*out_error != ERROR_NONE || group == NULL)
        return;
    if (begins)
        request->began_at = decider->next_offset;
    request->has_more = !decide_offsets_gone(decider, group, request->began_at);
    if (begins)
        group->kind->remove(decider, group);
}

/* Without regard to case, and to blanks around it. */
static bool names(struct str wanted, const char *text)
{
    struct str own = str_from(text), one = str_trim(wanted);
    return one.size == own.size && strncasecmp(one.data, own.data, (size_t)one.size) == 0;
}

static bool passes(const struct str *filter, int32_t count, const char *text)
{
    for (int32_t i = 0; i < count; i++)
        if (names(filter[i], text))
            return true;
    return count <= 0;
}

void groups_narrow(struct str *filter, int32_t *in_out_count)
{
    /* every state and every type of some kind of group */
    static const char *const words[] = { "Empty", "PreparingRebalance", "CompletingRebalance",
        "Stable", "Assigning", "Reconciling", "NotReady", "Dead", "classic", "consumer", "share",
        "streams" };
    enum { WORDS = sizeof(words) / sizeof(words[0]) };
    bool has[WORDS] = { false };
    int32_t kept = 0;
    for (int32_t i = 0; i < *in_out_count; i++) {
        int word = 0;
        while (word < WORDS && !names(filter[i], words[word]))
            word++;
        if (word == WORDS || has[word])
            continue;
        has[word] = true;
        filter[kept++] = filter[i];
    }
    if (*in_out_count > 0)
        *in_out_count = kept == 0 ? 1 : kept; /* one that nothing passes */
}

void decide_list_groups(struct group_decider *decider)
{
    const struct list_groups_request *request = decider->request->request;
    struct list_groups_response *response = decider->request->response;
    const struct group *first = decider->coordinator->groups;
    response->groups =
        MESSAGE_TAKE(list_groups_listed_group, decider->arena, (int32_t)HASH_COUNT(first));
    for (const struct group *group = first; group != NULL; group = group->hh.next) {
        const char *state = group->kind->state(group);
        if (!passes(request->states_filter, request->states_filter_count, state) ||
            !passes(request->types_filter, request->types_filter_count, group->kind->type))
            continue;
        response->groups[response->groups_count++] = (struct list_groups_listed_group){
            .group_id = str_copy(decider->arena, group_id(group)),
            .protocol_type = str_copy(decider->arena, group->kind->protocol_type(group)),
            .group_state = str_from(state),
            .group_type = str_from(group->kind->type),
        };
    }
}

/* A group is judged by a decision that saw all of it; one that took several is seen once more. */
void decide_expire(struct group_decider *decider)
{
    struct group_walk *walk = &decider->coordinator->expiry;
    int64_t work = 0;
    if (walk->group == NULL)
        *walk = (struct group_walk){ .group = decider->coordinator->groups };
    while (walk->group != NULL && !decide_walk_is_enough(decider, work)) {
        const struct group *group = walk->group;
        bool is_whole = walk->topic == NULL;
        work += GROUP_WORK;
        if (!group->kind->keeps_offsets) {
            if (!decide_offsets_expire(decider, walk, &work))
                break;
            bool is_over = walk->left == 0 && group->kind->is_empty(group);
            if (is_over && !is_whole)
                break;
            if (is_over)
                group->kind->remove(decider, group);
        }
        *walk = (struct group_walk){ .group = group->hh.next };
    }
    decider->request->has_more = walk->group != NULL;
}

void decide_topics_deleted(struct group_decider *decider)
{
    struct coordinator *coordinator = decider->coordinator;
    struct group_walk *walk = &coordinator->lost_topics;
    int64_t work = 0;
    if (walk->group == NULL) {
        *walk = (struct group_walk){ .group = coordinator->groups };
        coordinator->has_lost_more = false;
    }
    while (walk->group != NULL && !decide_walk_is_enough(decider, work)) {
        work += GROUP_WORK;
        if (!decide_offsets_of_lost_topics(decider, walk, &work))
            break;
        *walk = (struct group_walk){ .group = walk->group->hh.next };
    }
    decider->request->has_more = walk->group != NULL || coordinator->has_lost_more;
}
