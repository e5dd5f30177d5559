/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/assign.h"
#include "coordinator/group_consumer.h"
#include "coordinator/group_consumer_plan.h"

enum { MEMBER_ID_SINCE = 1 }; /* version as of which a client brings its own id (KIP-1082) */

static bool is_empty(struct str text)
{
    return !str_is_null(text) && text.size == 0;
}

/* Why it is no request at all; NULL: it is one. */
static const char *fault_of(
    const struct group_decider *decider, const struct consumer_group_heartbeat_request *request)
{
    bool brings_id = decider->request->version >= MEMBER_ID_SINCE;
    if (request->member_id.size == 0 && (brings_id || request->member_epoch != JOINING))
        return "The member id is empty.";
    if (request->group_id.size == 0)
        return "The group id is empty.";
    if (is_empty(request->instance_id))
        return "The instance id is empty.";
    if (is_empty(request->rack_id))
        return "The rack id is empty.";
    if (request->member_epoch == JOINING) {
        if (request->rebalance_timeout_ms == -1)
            return "A member that joins tells its rebalance timeout.";
        if (request->topic_partitions_count != 0)
            return "A member that joins has no partitions.";
        if (request->subscribed_topic_names_count < 0 &&
            str_is_null(request->subscribed_topic_regex))
            return "A member that joins tells its subscription.";
    }
    if (request->member_epoch == LEFT_STATICALLY && str_is_null(request->instance_id))
        return "Only a member with an instance id leaves with epoch -2.";
    return request->member_epoch < LEFT_STATICALLY ? "There is no such member epoch." : NULL;
}

static void refuse(struct group_decider *decider, enum error error, const char *why)
{
    struct consumer_group_heartbeat_response *response = decider->request->response;
    response->error_code = (int16_t)error;
    response->error_message = str_from(why);
}

/* Clients log this, often without the group's name. */
static const char *refusal_of(const struct group_decider *decider, enum error error)
{
    const struct consumer_group_heartbeat_request *request = decider->request->request;
    struct str group = request->group_id, member = request->member_id;
    struct arena *arena = decider->arena;
    switch (error) {
    case ERROR_GROUP_ID_NOT_FOUND:
        return arena_format(arena, "There is no consumer group %.*s.", STR_PRINT(group));
    case ERROR_UNKNOWN_MEMBER_ID:
        return arena_format(
            arena, "Group %.*s has no member %.*s.", STR_PRINT(group), STR_PRINT(member));
    case ERROR_FENCED_MEMBER_EPOCH:
        return arena_format(arena,
            "Member %.*s of group %.*s is not at epoch %d; it gives up its partitions and joins "
            "again.",
            STR_PRINT(member), STR_PRINT(group), request->member_epoch);
    case ERROR_UNRELEASED_INSTANCE_ID:
        return arena_format(arena, "Instance id %.*s is in use by another member of group %.*s.",
            STR_PRINT(request->instance_id), STR_PRINT(group));
    case ERROR_FENCED_INSTANCE_ID:
        return arena_format(arena, "Instance id %.*s of group %.*s is another member's by now.",
            STR_PRINT(request->instance_id), STR_PRINT(group));
    case ERROR_GROUP_MAX_SIZE_REACHED:
        return arena_format(arena, "Group %.*s has as many members as it may.", STR_PRINT(group));
    default:
        return NULL;
    }
}

/* What it will be once the records are applied: every member at the target's epoch, and stable. */
static bool will_be_settled(const struct consumer_plan *plan)
{
    bool is_settled = plan->epoch == plan->assignment_epoch && !plan->waits_for_regex &&
                      consumer_member_is_settled(&plan->current, plan->assignment_epoch);
    if (!is_settled || plan->group == NULL)
        return is_settled;
    const struct consumer_group *kept = plan->group->consumer;
    const struct consumer_member *before = plan->before;
    int32_t others = consumer_group_size(plan->group), settled = kept->settled_count;
    if (before != NULL) {
        others--;
        settled -= consumer_member_is_settled(&before->current, kept->assignment_epoch);
    }
    int32_t away =
        kept->away_count - (before != NULL && before->current.epoch == LEFT_STATICALLY ? 1 : 0);
    return others == (plan->has_new_target ? 0 : settled) + away;
}

static void tell_assignment(const struct consumer_plan *plan)
{
    struct consumer_group_heartbeat_response *response = plan->decider->request->response;
    struct arena *arena = plan->decider->arena;
    const struct partition_set *set = &plan->current.assigned;
    response->assignment = MESSAGE_TAKE(consumer_group_heartbeat_assignment, arena, 1);
    response->assignment->topic_partitions =
        MESSAGE_TAKE(consumer_group_heartbeat_response_topic_partitions, arena, set->topic_count);
    response->assignment->topic_partitions_count = set->topic_count;
    for (int32_t i = 0; i < set->topic_count; i++) {
        struct consumer_group_heartbeat_response_topic_partitions *told =
            &response->assignment->topic_partitions[i];
        size_t count = (size_t)set->topics[i].count;
        told->topic_id = set->topics[i].id;
        told->partitions_count = set->topics[i].count;
        told->partitions =
            arena_copy(arena, set->topics[i].partitions, count * sizeof(*told->partitions));
    }
}

/* Only where the member cannot know it: it changed, or the request is a full one. */
static void answer(const struct consumer_plan *plan)
{
    const struct consumer_group_heartbeat_request *request = plan->request;
    struct consumer_group_heartbeat_response *response = plan->decider->request->response;
    response->member_id = plan->member_id;
    response->member_epoch = plan->current.epoch;
    response->heartbeat_interval_ms =
        consumer_heartbeat_ms(plan->decider, plan->group_id, will_be_settled(plan));
    bool is_full = request->rebalance_timeout_ms != -1 && request->topic_partitions_count >= 0 &&
                   (request->subscribed_topic_names_count >= 0 ||
                       !str_is_null(request->subscribed_topic_regex));
    if (request->member_epoch == JOINING || is_full || plan->before == NULL ||
        !partition_set_equal(&plan->before->current.assigned, &plan->current.assigned, true))
        tell_assignment(plan);
}

static void arm_deadlines(const struct consumer_plan *plan)
{
    struct coordinator *coordinator = plan->decider->coordinator;
    struct consumer_member *member = plan_live_member(plan);
    int64_t now = plan->decider->steady_ms;
    coordinator->new_session_end_ms = now + consumer_session_ms(plan->decider, plan->group_id);
    if (member == NULL)
        return;
    deadline_arm(coordinator, &member->session, coordinator->new_session_end_ms);
    if (!plan->has_moved || plan->current.state != MEMBER_UNREVOKED)
        return;
    member->rebalance_epoch = plan->current.epoch;
    deadline_arm(coordinator, &member->rebalance, now + plan->metadata.rebalance_timeout_ms);
}

/* Epoch -2: a static member that comes back within its session. What it has stays its own. */
static void add_leave_for_a_while(
    struct group_decider *decider, const struct consumer_member *member)
{
    struct consumer_current current = member->current;
    current.epoch = LEFT_STATICALLY;
    current.revoking = (struct partition_set){ 0 };
    struct partition_set set = partition_set_take(decider->arena, current.assigned.topic_count);
    for (int32_t i = 0; i < current.assigned.topic_count; i++) {
        const struct partition_set_topic *has = &current.assigned.topics[i];
        struct partition_set_topic *topic =
            partition_set_add_topic(&set, decider->arena, has->id, has->count);
        for (int32_t k = 0; k < has->count; k++)
            partition_set_add(topic, has->partitions[k], 0);
    }
    current.assigned = set;
    add_current(decider->decision,
        (struct consumer_names){ group_id(member->group), member_id(member) }, &current);
}

static enum error leave(
    struct group_decider *decider, const struct consumer_group_heartbeat_request *request)
{
    struct consumer_group_heartbeat_response *response = decider->request->response;
    const struct group *group = group_find(decider->coordinator, request->group_id);
    bool is_static = !str_is_null(request->instance_id);
    if (!consumer_group_is(group))
        return ERROR_GROUP_ID_NOT_FOUND;
    struct consumer_member *member =
        is_static ? consumer_member_static(group, request->member_id, request->instance_id)
                  : consumer_member_find(group, request->member_id);
    if (member == NULL)
        return ERROR_UNKNOWN_MEMBER_ID;
    if (is_static && !str_equal(member_id(member), request->member_id))
        return ERROR_FENCED_INSTANCE_ID;
    response->member_id = request->member_id;
    response->member_epoch = request->member_epoch;
    if (is_static && request->member_epoch == LEFT_STATICALLY)
        add_leave_for_a_while(decider, member);
    else
        decide_members_leave(decider, group, &member, 1);
    return ERROR_NONE;
}

static enum error beat(struct group_decider *decider,
    const struct consumer_group_heartbeat_request *request, const char **out_refusal)
{
    struct consumer_plan plan = { .decider = decider,
        .request = request,
        .group_id = request->group_id,
        .member_id = request->member_id,
        .current = { .epoch = 0, .state = MEMBER_STABLE } };
    enum error error = plan_group(&plan);
    if (error == ERROR_NONE)
        error = plan_room(&plan);
    if (plan.member_id.size == 0) {
        char text[UUID_TEXT_SIZE + 1];
        uuid_print(decider->request->fresh_id, text);
        plan.member_id = str_copy(decider->arena, str_from(text));
    }
    if (error == ERROR_NONE)
        error = plan_member(&plan);
    if (error == ERROR_NONE)
        error = plan_metadata(&plan);
    if (error == ERROR_NONE) {
        plan_carry_out(&plan);
        arm_deadlines(&plan);
        answer(&plan);
    }
    plan_end(&plan);
    *out_refusal = plan.refusal != NULL ? plan.refusal : refusal_of(decider, error);
    return error;
}

void decide_consumer_group_heartbeat(struct group_decider *decider)
{
    const struct consumer_group_heartbeat_request *request = decider->request->request;
    const char *fault = fault_of(decider, request);
    if (fault != NULL) {
        refuse(decider, ERROR_INVALID_REQUEST, fault);
        return;
    }
    if (!str_is_null(request->server_assignor) &&
        assignor_find(&decider->coordinator->assignors, request->server_assignor) == NULL) {
        refuse(decider, ERROR_UNSUPPORTED_ASSIGNOR, "There is no such assignor.");
        return;
    }
    const char *refusal;
    enum error error;
    if (request->member_epoch < JOINING) {
        error = leave(decider, request);
        refusal = refusal_of(decider, error);
    } else {
        error = beat(decider, request, &refusal);
    }
    if (error != ERROR_NONE)
        refuse(decider, error, refusal);
}
