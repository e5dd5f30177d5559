/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/group_classic.h"
#include "coordinator/group_classic_rebalance.h"
#include "coordinator/group_classic_record.h"
#include "coordinator/group_consumer.h"
#include "wire/gen/heartbeat.h"
#include "wire/gen/leave_group.h"
#include "wire/gen/sync_group.h"

/* Of a consumer group, with which members speak the classic protocol, too; NULL: it is none. */
static const struct group *find_consumers(const struct group_decider *decider, struct str id)
{
    const struct group *group = group_find(decider->coordinator, id);
    return group != NULL && group->kind == &consumer_kind ? group : NULL;
}

/* NULL: *out_error says why. A group without members knows none. */
static struct classic_group *find_group(
    const struct group_decider *decider, struct str id, enum error *out_error)
{
    struct group *group = group_find(decider->coordinator, id);
    struct classic_group *classic =
        group == NULL || group->kind != &classic_kind ? NULL : group->classic;
    *out_error = id.size == 0      ? ERROR_INVALID_GROUP_ID
                 : classic == NULL ? ERROR_UNKNOWN_MEMBER_ID
                                   : ERROR_NONE;
    return *out_error == ERROR_NONE ? classic : NULL;
}

static bool differs(struct str told, struct str known)
{
    return !str_is_null(told) && !str_is_null(known) && !str_equal(told, known);
}

static enum error check_sync(
    const struct classic_group *group, const struct sync_group_request *request)
{
    enum error error =
        classic_group_check_member(group, request->member_id, request->group_instance_id);
    if (error != ERROR_NONE)
        return error;
    if (request->generation_id != group->generation)
        return ERROR_ILLEGAL_GENERATION;
    if (differs(request->protocol_type, group->protocol_type) ||
        differs(request->protocol_name, group->protocol))
        return ERROR_INCONSISTENT_GROUP_PROTOCOL;
    return group->state == CLASSIC_PREPARING ? ERROR_REBALANCE_IN_PROGRESS : ERROR_NONE;
}

/* Everybody who waits hears what the leader says, once it is in the log. If the log does not take
 * it, they hear that, and the phase goes on: it begins again here, and ends in apply. */
static void assign(struct group_decider *decider, struct classic_group *group)
{
    const struct sync_group_request *request = decider->request->request;
    for (struct classic_member *at = group->members; at != NULL; at = at->hh.next) {
        at->proposed = (struct bytes){ 0 };
        at->is_told = false;
    }
    for (int32_t i = 0; i < request->assignments_count; i++) {
        const struct sync_group_request_assignment *one = &request->assignments[i];
        struct classic_member *member = classic_group_find(group, one->member_id);
        if (member != NULL)
            member->proposed = one->assignment;
    }
    classic_sync_phase(group, decider->steady_ms);
    for (struct classic_member *at = group->members; at != NULL; at = at->hh.next)
        if (at->sync != NULL)
            classic_answer_sync(decider, at, ERROR_NONE, at->proposed);
    classic_group_record(decider, group, NULL, NULL);
}

void decide_sync_group(struct group_decider *decider)
{
    const struct sync_group_request *request = decider->request->request;
    struct sync_group_response *response = decider->request->response;
    enum error error;
    struct classic_group *group = find_group(decider, request->group_id, &error);
    const struct group *consumers = find_consumers(decider, request->group_id);
    bool is_unnamed = request->names_protocol &&
                      (str_is_null(request->protocol_type) || str_is_null(request->protocol_name));
    if (is_unnamed)
        error = ERROR_INCONSISTENT_GROUP_PROTOCOL;
    else if (consumers != NULL) {
        decide_consumer_sync_group(decider, consumers);
        return;
    } else if (error == ERROR_NONE)
        error = check_sync(group, request);
    response->error_code = (int16_t)error;
    if (error != ERROR_NONE)
        return;
    struct classic_member *member = classic_group_find(group, request->member_id);
    classic_wait_for_sync(decider, member);
    if (group->state == CLASSIC_STABLE) {
        classic_answer_sync(decider, member, ERROR_NONE, classic_member_assignment(member));
        classic_sync_phase_end(group);
    } else if (group->leader == member)
        assign(decider, group);
}

void decide_classic_heartbeat(struct group_decider *decider)
{
    const struct heartbeat_request *request = decider->request->request;
    struct heartbeat_response *response = decider->request->response;
    enum error error;
    struct classic_group *group = find_group(decider, request->group_id, &error);
    const struct group *consumers = find_consumers(decider, request->group_id);
    if (consumers != NULL) {
        decide_consumer_classic_heartbeat(decider, consumers);
        return;
    }
    if (error == ERROR_NONE)
        error = classic_group_check_member(group, request->member_id, request->group_instance_id);
    if (error == ERROR_NONE && request->generation_id != group->generation)
        error = ERROR_ILLEGAL_GENERATION;
    if (error == ERROR_NONE) {
        struct classic_member *member = classic_group_find(group, request->member_id);
        classic_session_begin(member, decider->steady_ms, member->session_timeout_ms);
        if (group->state == CLASSIC_PREPARING)
            error = ERROR_REBALANCE_IN_PROGRESS;
    }
    response->error_code = (int16_t)error;
}

/* An administrator names a static member by its instance alone. */
static enum error leave(struct group_decider *decider, struct classic_group *group,
    const struct leave_group_member_identity *who)
{
    struct str id = who->member_id;
    if (id.size == 0) {
        if (str_is_null(who->group_instance_id))
            return ERROR_UNKNOWN_MEMBER_ID;
        const struct classic_member *meant =
            classic_group_find_static(group, who->group_instance_id);
        if (meant == NULL)
            return ERROR_UNKNOWN_MEMBER_ID;
        id = meant->id;
    }
    struct classic_pending *pending = classic_pending_find(group, id);
    if (pending != NULL) {
        classic_pending_remove(pending);
        return ERROR_NONE;
    }
    enum error error = classic_group_check_member(group, id, who->group_instance_id);
    if (error == ERROR_NONE)
        classic_member_end(decider, classic_group_find(group, id), ERROR_UNKNOWN_MEMBER_ID);
    return error;
}

void decide_leave_group(struct group_decider *decider)
{
    const struct leave_group_request *request = decider->request->request;
    struct leave_group_response *response = decider->request->response;
    const struct group *consumers = find_consumers(decider, request->group_id);
    if (response->members == NULL) /* else it is to go on, see group_consumer_leave.c */
        response->members =
            MESSAGE_TAKE(leave_group_member_response, decider->arena, request->members_count);
    if (consumers != NULL) {
        decide_consumer_leave_group(decider, consumers);
        return;
    }
    enum error missing;
    struct classic_group *group = find_group(decider, request->group_id, &missing);
    if (missing == ERROR_INVALID_GROUP_ID) {
        response->error_code = (int16_t)missing;
        return;
    }
    bool has_left = false;
    while (response->members_count < request->members_count) {
        const struct leave_group_member_identity *who =
            &request->members[response->members_count];
        enum error error = group == NULL ? missing : leave(decider, group, who);
        has_left |= error == ERROR_NONE;
        response->members[response->members_count++] = (struct leave_group_member_response){
            .member_id = who->member_id,
            .group_instance_id = who->group_instance_id,
            .error_code = (int16_t)error,
        };
    }
    if (!has_left)
        return;
    if (group->state != CLASSIC_EMPTY)
        classic_rebalance(decider, group);
    classic_group_drop_if_unused(group);
}
