/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/group_classic_rebalance.h"

#include <assert.h>

#include "base/broken.h"
#include "base/container.h"
#include "coordinator/group_classic_record.h"
#include "wire/gen/sync_group.h"

/* At least, between two tries of what did not come to anything. */
enum { RETRY_MS = 1000 };

static void begin_joining(struct group_decider *decider, struct classic_group *group);
static void end_joining(struct group_decider *decider, struct classic_group *group);

static struct coordinator *coordinator_of(const struct classic_group *group)
{
    return group->owner->coordinator;
}

static void enter(struct group_decider *decider, struct classic_group *group, enum classic_state to)
{
    group->previous = group->state;
    group->state = to;
    group->state_since_ms = decider->wall_ms;
}

static void arm(struct classic_group *group, int64_t steady_ms,
    void (*passed)(struct group_decider *, struct deadline *))
{
    group->deadline.passed = passed;
    deadline_arm(coordinator_of(group), &group->deadline, steady_ms);
}

static void wait_for(struct group_decider *decider, struct coordinator_request *earlier)
{
    if (earlier != NULL) /* the client asked twice: nobody reads this answer any more */
        rsm_decision_release(decider->decision, &earlier->rsm, ERROR_NONE);
    decider->decision->holds = true;
}

/* The answer is filled. */
static void release(struct group_decider *decider, struct coordinator_request *request)
{
    if (request == decider->request)
        decider->decision->holds = false;
    else
        rsm_decision_release(decider->decision, &request->rsm, ERROR_NONE);
}

static void fail_join(struct coordinator_request *join, enum error error, struct str member_id)
{
    struct join_group_response *response = join->response;
    response->error_code = (int16_t)error;
    response->member_id = str_copy(join->rsm.arena, member_id);
    response->protocol_name = (struct str){ 0 };
}

static void fail_sync(struct coordinator_request *sync, enum error error)
{
    ((struct sync_group_response *)sync->response)->error_code = (int16_t)error;
}

void classic_wait_for_join(struct group_decider *decider, struct classic_member *member)
{
    if (member->join != NULL)
        fail_join(member->join, ERROR_REBALANCE_IN_PROGRESS, member->id);
    wait_for(decider, member->join);
    classic_group_set_join(member, decider->request);
}

void classic_wait_for_sync(struct group_decider *decider, struct classic_member *member)
{
    if (member->sync != NULL)
        fail_sync(member->sync, ERROR_REBALANCE_IN_PROGRESS);
    wait_for(decider, member->sync);
    member->sync = decider->request;
}

static struct bytes copy(struct arena *arena, struct bytes bytes)
{
    return (struct bytes){ arena_copy(arena, bytes.data, bytes.size), bytes.size };
}

void classic_tell_generation(const struct classic_member *member,
    const struct coordinator_request *request, bool with_members)
{
    const struct classic_group *group = member->group;
    struct arena *arena = request->rsm.arena;
    struct join_group_response *response = request->response;
    response->error_code = ERROR_NONE;
    response->member_id = str_copy(arena, member->id);
    response->generation_id = group->generation;
    response->protocol_type = str_copy(arena, group->protocol_type);
    response->protocol_name = str_copy(arena, group->protocol);
    response->leader = str_copy(arena, group->leader->id);
    if (!with_members)
        return;
    response->members = MESSAGE_TAKE(join_group_response_member, arena, classic_group_size(group));
    for (const struct classic_member *at = group->members; at != NULL; at = at->hh.next)
        response->members[response->members_count++] = (struct join_group_response_member){
            .member_id = str_copy(arena, at->id),
            .group_instance_id = str_copy(arena, at->instance_id),
            .metadata = copy(arena, classic_member_metadata(at, group->protocol)),
        };
}

static void answer_join(struct group_decider *decider, struct classic_member *member)
{
    classic_tell_generation(member, member->join, member == member->group->leader);
    release(decider, member->join);
    classic_group_set_join(member, NULL);
}

void classic_answer_sync(struct group_decider *decider, struct classic_member *member,
    enum error error, struct bytes assignment)
{
    struct arena *arena = member->sync->rsm.arena;
    struct sync_group_response *response = member->sync->response;
    response->error_code = (int16_t)error;
    if (error == ERROR_NONE) {
        response->protocol_type = str_copy(arena, member->group->protocol_type);
        response->protocol_name = str_copy(arena, member->group->protocol);
        response->assignment = copy(arena, assignment);
        member->is_told = true;
    }
    release(decider, member->sync);
    member->sync = NULL;
    classic_session_begin(member, decider->steady_ms, member->session_timeout_ms);
}

void classic_member_end(
    struct group_decider *decider, struct classic_member *member, enum error error)
{
    bool is_fenced = error == ERROR_FENCED_INSTANCE_ID;
    if (member->join != NULL) {
        fail_join(member->join, error, is_fenced ? member->id : STR(""));
        release(decider, member->join);
    }
    if (member->sync != NULL) {
        fail_sync(member->sync, error);
        release(decider, member->sync);
    }
    classic_group_take_out(member->group, member);
    classic_member_destroy(member);
}

void classic_interrupt(struct group_decider *decider, struct classic_group *group)
{
    for (struct classic_member *at = group->members; at != NULL; at = at->hh.next) {
        if (at->join != NULL) {
            fail_join(at->join, ERROR_REBALANCE_IN_PROGRESS, at->id);
            release(decider, at->join);
            classic_group_set_join(at, NULL);
        }
        if (at->sync != NULL)
            classic_answer_sync(decider, at, ERROR_REBALANCE_IN_PROGRESS, (struct bytes){ 0 });
    }
}

/* Somebody who was waited for has gone. */
static void go_on_without(struct group_decider *decider, struct classic_group *group)
{
    if (group->state != CLASSIC_PREPARING)
        begin_joining(decider, group);
    else if (classic_group_has_all_joined(group))
        end_joining(decider, group);
}

static void session_passed(struct group_decider *decider, struct deadline *deadline)
{
    struct classic_member *member = container_of(deadline, struct classic_member, session);
    struct classic_group *group = member->group;
    if (member == group->successor) { /* the log did not take it */
        group->successor = NULL;
        classic_member_destroy(member);
        return;
    }
    bool waits = member->join != NULL || member->sync != NULL;
    if (waits && !member->is_new)
        return; /* begins again with the answer */
    classic_member_end(decider, member, ERROR_UNKNOWN_MEMBER_ID);
    go_on_without(decider, group);
}

void classic_session_begin(struct classic_member *member, int64_t steady_ms, int64_t timeout_ms)
{
    member->session.passed = session_passed;
    deadline_arm(coordinator_of(member->group), &member->session, steady_ms + timeout_ms);
}

static void pending_passed(struct group_decider *decider, struct deadline *deadline)
{
    struct classic_pending *pending = container_of(deadline, struct classic_pending, session);
    struct classic_group *group = pending->group;
    classic_pending_remove(pending);
    if (group->state == CLASSIC_PREPARING)
        go_on_without(decider, group);
    classic_group_drop_if_unused(group);
}

void classic_pending_begin(struct classic_pending *pending, int64_t steady_ms, int64_t timeout_ms)
{
    pending->session.passed = pending_passed;
    deadline_arm(coordinator_of(pending->group), &pending->session, steady_ms + timeout_ms);
}

/* In CompletingRebalance nobody but who waits has synced: the leader does not wait. */
static bool has_synced(const struct classic_member *member)
{
    return member->group->state == CLASSIC_STABLE ? member->is_told : member->sync != NULL;
}

static void sync_phase_passed(struct group_decider *decider, struct deadline *deadline)
{
    struct classic_group *group = container_of(deadline, struct classic_group, deadline);
    struct classic_member *member, *next;
    assert(group->state == CLASSIC_COMPLETING || group->state == CLASSIC_STABLE);
    HASH_ITER(hh, group->members, member, next)
    if (!has_synced(member))
        classic_member_end(decider, member, ERROR_UNKNOWN_MEMBER_ID);
    begin_joining(decider, group);
}

void classic_sync_phase(struct classic_group *group, int64_t steady_ms)
{
    arm(group, steady_ms + classic_group_rebalance_timeout(group), sync_phase_passed);
}

void classic_sync_phase_end(struct classic_group *group)
{
    for (const struct classic_member *at = group->members; at != NULL; at = at->hh.next)
        if (!has_synced(at))
            return;
    deadline_cancel(coordinator_of(group), &group->deadline);
}

static bool elect_leader(struct classic_group *group)
{
    struct classic_member *leader = group->leader;
    if (leader == NULL || leader->join == NULL)
        for (leader = group->members; leader != NULL && leader->join == NULL;)
            leader = leader->hh.next;
    if (leader != NULL)
        group->leader = leader;
    return leader != NULL;
}

static void empty_passed(struct group_decider *decider, struct deadline *deadline);

/* Said again until the log has taken it: else it would bring back members that are long gone. */
static void record_empty(struct group_decider *decider, struct classic_group *group)
{
    arm(group, decider->steady_ms + RETRY_MS, empty_passed);
    classic_group_record(decider, group, NULL, NULL);
}

static void empty_passed(struct group_decider *decider, struct deadline *deadline)
{
    record_empty(decider, container_of(deadline, struct classic_group, deadline));
}

static void become_empty(struct group_decider *decider, struct classic_group *group)
{
    enter(decider, group, CLASSIC_EMPTY);
    classic_group_set_text(&group->protocol, STR(""));
    record_empty(decider, group);
}

static void begin_generation(struct group_decider *decider, struct classic_group *group)
{
    group->generation = group->generation == INT32_MAX ? 0 : group->generation + 1;
    if (group->members == NULL) {
        become_empty(decider, group);
        classic_topics_take(group);
        return;
    }
    classic_group_set_text(&group->protocol, classic_group_select_protocol(group));
    classic_topics_take(group);
    enter(decider, group, CLASSIC_COMPLETING);
    for (struct classic_member *at = group->members; at != NULL; at = at->hh.next) {
        if (at->join != NULL)
            answer_join(decider, at);
        at->is_new = at->is_told = false;
        classic_session_begin(at, decider->steady_ms, at->session_timeout_ms);
    }
    classic_sync_phase(group, decider->steady_ms);
}

static void join_phase_passed(struct group_decider *decider, struct deadline *deadline)
{
    end_joining(decider, container_of(deadline, struct classic_group, deadline));
}

/* Static members are let stay until their session ends: they come back. If only such are left, and
 * none has, it is tried again, whatever time the clients have chosen for it. */
static void end_joining(struct group_decider *decider, struct classic_group *group)
{
    struct classic_member *member, *next;
    assert(group->state == CLASSIC_PREPARING);
    deadline_cancel(coordinator_of(group), &group->deadline);
    HASH_ITER(hh, group->members, member, next)
    if (member->join == NULL && str_is_null(member->instance_id))
        classic_member_end(decider, member, ERROR_UNKNOWN_MEMBER_ID);
    if (elect_leader(group) || group->members == NULL) {
        begin_generation(decider, group);
        return;
    }
    int64_t timeout_ms = classic_group_rebalance_timeout(group);
    arm(group, decider->steady_ms + (timeout_ms < RETRY_MS ? RETRY_MS : timeout_ms),
        join_phase_passed);
}

static void initial_delay_passed(struct group_decider *decider, struct deadline *deadline)
{
    struct classic_group *group = container_of(deadline, struct classic_group, deadline);
    int32_t full_ms = coordinator_of(group)->settings.classic_initial_delay_ms;
    if (!group->has_new_member || group->delay_left_ms == 0) {
        end_joining(decider, group);
        return;
    }
    int32_t left_ms = group->delay_left_ms, spent_ms = group->delay_ms;
    group->has_new_member = false;
    group->delay_ms = left_ms < full_ms ? left_ms : full_ms;
    group->delay_left_ms = left_ms > spent_ms ? left_ms - spent_ms : 0;
    arm(group, decider->steady_ms + group->delay_ms, initial_delay_passed);
}

/* A group that is new gives its members time to come; as long as some come, more of it, up to the
 * rebalance timeout (KIP-134). */
static void begin_initial(struct group_decider *decider, struct classic_group *group)
{
    int32_t timeout_ms = classic_group_rebalance_timeout(group);
    group->has_new_member = false;
    group->delay_ms = coordinator_of(group)->settings.classic_initial_delay_ms;
    group->delay_left_ms = timeout_ms > group->delay_ms ? timeout_ms - group->delay_ms : 0;
    enter(decider, group, CLASSIC_PREPARING);
    arm(group, decider->steady_ms + group->delay_ms, initial_delay_passed);
}

/* What the leader may just be assigning is of no use any more. */
static void drop_assignments(struct group_decider *decider, struct classic_group *group)
{
    for (struct classic_member *at = group->members; at != NULL; at = at->hh.next) {
        classic_member_set_assignment(at, (struct bytes){ 0 });
        if (at->sync != NULL)
            classic_answer_sync(decider, at, ERROR_REBALANCE_IN_PROGRESS, (struct bytes){ 0 });
    }
}

static void begin_joining(struct group_decider *decider, struct classic_group *group)
{
    if (group->state == CLASSIC_EMPTY) {
        begin_initial(decider, group);
        return;
    }
    if (group->state == CLASSIC_COMPLETING)
        drop_assignments(decider, group);
    enter(decider, group, CLASSIC_PREPARING);
    if (classic_group_has_all_joined(group) || broken(joiners_not_awaited))
        end_joining(decider, group);
    else
        arm(group, decider->steady_ms + classic_group_rebalance_timeout(group), join_phase_passed);
}

void classic_rebalance(struct group_decider *decider, struct classic_group *group)
{
    bool is_initial = group->previous == CLASSIC_EMPTY;
    if (group->state != CLASSIC_PREPARING)
        begin_joining(decider, group);
    else if (!is_initial && classic_group_has_all_joined(group))
        end_joining(decider, group);
}

void classic_rebalance_anew(struct classic_group *group, int64_t steady_ms)
{
    group->previous = group->state;
    group->state = CLASSIC_PREPARING;
    arm(group, steady_ms + classic_group_rebalance_timeout(group), join_phase_passed);
}
