/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/group_classic.h"

#include "base/broken.h"
#include "coordinator/group_classic_rebalance.h"
#include "coordinator/group_classic_record.h"
#include "wire/gen/describe_groups.h"

enum { NOT_FOUND_SINCE = 6 }; /* of DescribeGroups; before, such a group is Dead (KIP-1043) */

/* One that keeps nothing has offsets only, and no members. */
static enum classic_state state_of(const struct group *group)
{
    return group->classic == NULL ? CLASSIC_EMPTY : group->classic->state;
}

static const char *state(const struct group *group)
{
    static const char *const names[] = {
        [CLASSIC_EMPTY] = "Empty",
        [CLASSIC_PREPARING] = "PreparingRebalance",
        [CLASSIC_COMPLETING] = "CompletingRebalance",
        [CLASSIC_STABLE] = "Stable",
    };
    return names[state_of(group)];
}

static struct str protocol_type(const struct group *group)
{
    bool is_known = group->classic != NULL && !str_is_null(group->classic->protocol_type);
    return is_known ? group->classic->protocol_type : STR("");
}

static bool is_of_consumers(const struct group *group)
{
    return str_is(protocol_type(group), "consumer");
}

/* A member that commits lives; who is none may commit while nobody else can. */
static enum error may_commit(
    struct group_decider *decider, struct group *group, const struct group_caller *caller)
{
    struct classic_group *classic = group->classic;
    bool is_empty = state_of(group) == CLASSIC_EMPTY;
    if (is_empty)
        return caller->epoch < 0 ? ERROR_NONE : ERROR_UNKNOWN_MEMBER_ID;
    if (caller->epoch < 0 && caller->member_id.size == 0 && str_is_null(caller->instance_id))
        return ERROR_UNKNOWN_MEMBER_ID;
    enum error error = classic_group_check_member(classic, caller->member_id, caller->instance_id);
    if (error != ERROR_NONE)
        return error;
    if (caller->epoch != classic->generation && !broken(commit_epoch_unchecked))
        return ERROR_ILLEGAL_GENERATION;
    if (classic->state == CLASSIC_COMPLETING)
        return ERROR_REBALANCE_IN_PROGRESS;
    struct classic_member *member = classic_group_find(classic, caller->member_id);
    classic_session_begin(member, decider->steady_ms, member->session_timeout_ms);
    return ERROR_NONE;
}

static enum error may_fetch(const struct group *group, const struct group_caller *caller)
{
    (void)group;
    (void)caller;
    return ERROR_NONE;
}

static enum error may_delete(const struct group *group)
{
    return state_of(group) == CLASSIC_EMPTY ? ERROR_NONE : ERROR_NON_EMPTY_GROUP;
}

static enum error may_delete_offsets(const struct group *group)
{
    return is_of_consumers(group) ? ERROR_NONE : may_delete(group);
}

/* What members of other protocols read is not known: it may be anything. */
static bool subscribes(const struct group *group, struct str topic)
{
    if (state_of(group) == CLASSIC_EMPTY)
        return false;
    return !is_of_consumers(group) || classic_group_subscribes(group->classic, topic);
}

static bool is_empty(const struct group *group)
{
    return state_of(group) == CLASSIC_EMPTY;
}

/* Who rebalances may have readers that have not come back yet. */
static bool is_rebalancing(const struct group *group)
{
    return state_of(group) != CLASSIC_EMPTY && state_of(group) != CLASSIC_STABLE;
}

static int64_t empty_since_ms(const struct group *group)
{
    bool had_members = is_empty(group) && protocol_type(group).size > 0;
    return had_members ? group->classic->state_since_ms : -1;
}

static void remove_records(struct group_decider *decider, const struct group *group)
{
    classic_group_record_gone(decider, group_id(group));
}

static void loaded(struct group *group, int64_t steady_ms, const struct image *image)
{
    (void)image;
    struct classic_group *classic = group->classic;
    for (struct classic_member *at = classic->members; at != NULL; at = at->hh.next)
        classic_session_begin(at, steady_ms, at->session_timeout_ms);
    classic_topics_take(classic);
    if (classic->is_unled ||
        classic_group_size(classic) > group->coordinator->settings.classic_max_size)
        classic_rebalance_anew(classic, steady_ms);
}

const struct group_kind classic_kind = {
    .type = "classic",
    .state = state,
    .protocol_type = protocol_type,
    .may_commit = may_commit,
    .may_fetch = may_fetch,
    .may_delete = may_delete,
    .may_delete_offsets = may_delete_offsets,
    .subscribes = subscribes,
    .is_empty = is_empty,
    .is_rebalancing = is_rebalancing,
    .empty_since_ms = empty_since_ms,
    .remove = remove_records,
    .loaded = loaded,
    .dump = classic_group_dump,
    .free = classic_group_free,
};

static struct bytes copy(struct arena *arena, struct bytes bytes)
{
    return (struct bytes){ arena_copy(arena, bytes.data, bytes.size), bytes.size };
}

/* Metadata is told of a stable group only: in others members may speak different protocols. */
static void describe_members(struct arena *arena, const struct classic_group *group,
    struct describe_groups_described_group *told)
{
    bool is_stable = group->state == CLASSIC_STABLE;
    told->members =
        MESSAGE_TAKE(describe_groups_described_group_member, arena, classic_group_size(group));
    for (const struct classic_member *at = group->members; at != NULL; at = at->hh.next) {
        struct describe_groups_described_group_member *member =
            &told->members[told->members_count++];
        member->member_id = str_copy(arena, at->id);
        member->group_instance_id = str_copy(arena, at->instance_id);
        member->client_id = str_copy(arena, at->client_id);
        member->client_host = str_copy(arena, at->client_host);
        member->member_assignment = copy(arena, classic_member_assignment(at));
        if (is_stable)
            member->member_metadata = copy(arena, classic_member_metadata(at, group->protocol));
    }
}

void decide_describe_group(struct group_decider *decider)
{
    const struct str *id = decider->request->request;
    struct describe_groups_described_group *told = decider->request->response;
    const struct group *group = group_find(decider->coordinator, *id);
    told->group_id = *id;
    if (group == NULL || group->kind != &classic_kind) {
        told->group_state = STR("Dead");
        if (decider->request->version < NOT_FOUND_SINCE)
            return;
        told->error_code = ERROR_GROUP_ID_NOT_FOUND;
        told->error_message = str_from(arena_format(decider->arena,
            group == NULL ? "Group %.*s not found." : "Group %.*s is not a classic group.",
            STR_PRINT(*id)));
        return;
    }
    told->group_state = str_from(state(group));
    told->protocol_type = str_copy(decider->arena, protocol_type(group));
    if (group->classic == NULL)
        return;
    if (group->classic->state == CLASSIC_STABLE)
        told->protocol_data = str_copy(decider->arena, group->classic->protocol);
    describe_members(decider->arena, group->classic, told);
}
