/* SPDX-License-Identifier: Apache-2.0 */
#include "base/container.h"
#include "coordinator/group_consumer.h"
#include "coordinator/group_consumer_plan.h"
#include "coordinator/group_downgrade.h"
#include "wire/gen/leave_group.h"

enum {
    LEAVING_PER_DECISION = 500, /* so that the records fit one batch */
    WORK_PER_DECISION = 5000,   /* and a pass is short: topics of theirs, and for each... */
    MEMBER_WORK = 10,           /* ...so many */
    AGAIN_MS = 1000             /* the log may refuse to let them go */
};

void decide_members_leave(struct group_decider *decider, const struct group *group,
    struct consumer_member *const *members, int32_t count)
{
    struct rsm_decision *out = decider->decision;
    struct consumer_plan plan = { .decider = decider, .group = group, .group_id = group_id(group) };
    struct group_downgrade downgrade = {
        .from = group, .leaving = members, .leaving_count = count, .rebalances = true
    };
    if (decide_downgrade(decider, &downgrade))
        return;
    for (int32_t i = 0; i < count; i++) {
        plan_source(&plan, members[i]->topics, members[i]->topic_count, -1);
        add_member_gone(out, (struct consumer_names){ plan.group_id, member_id(members[i]) });
    }
    plan_regexes_without(&plan, members, count);
    add_regex_changes(&plan);
    int32_t epoch = group->consumer->epoch + 1;
    add_group_epoch(out, plan.group_id, epoch, plan_topics(&plan)->hash);
    if (count == consumer_group_size(group))
        add_assignment_epoch(out, plan.group_id, epoch, 0);
}

/* A member that was told to give partitions up, and has not, by the time it said it needs. */
static bool is_late(const struct consumer_member *member, int64_t steady_ms)
{
    return member->classic == NULL && member->current.state == MEMBER_UNREVOKED &&
           member->current.epoch == member->rebalance_epoch &&
           member->rebalance.entry.key <= steady_ms;
}

static bool is_over(const struct deadline *deadline, int64_t steady_ms)
{
    return heap_has(&deadline->entry) && deadline->entry.key <= steady_ms;
}

static bool is_due(const struct consumer_member *member, int64_t steady_ms)
{
    const struct consumer_classic *classic = member->classic;
    return member->session.entry.key <= steady_ms || is_late(member, steady_ms) ||
           (classic != NULL &&
               (is_over(&classic->join, steady_ms) || is_over(&classic->sync, steady_ms)));
}

static void put_off(struct consumer_member *member, int64_t steady_ms, int64_t by_ms)
{
    struct coordinator *coordinator = member->group->coordinator;
    struct consumer_classic *classic = member->classic;
    if (member->session.entry.key <= steady_ms)
        deadline_arm(coordinator, &member->session, steady_ms + by_ms);
    if (is_late(member, steady_ms))
        deadline_arm(coordinator, &member->rebalance, steady_ms + by_ms);
    if (classic != NULL && is_over(&classic->join, steady_ms))
        deadline_arm(coordinator, &classic->join, steady_ms + by_ms);
    if (classic != NULL && is_over(&classic->sync, steady_ms))
        deadline_arm(coordinator, &classic->sync, steady_ms + by_ms);
}

static bool leaving_fits(int32_t count, int64_t work)
{
    return count < LEAVING_PER_DECISION && work < WORK_PER_DECISION;
}

/* All that are due go in one decision, which must know of each other: records apply after it. */
static void fence_due(struct group_decider *decider, const struct group *group)
{
    int64_t now = decider->steady_ms;
    struct consumer_member **due =
        arena_take_array(decider->arena, LEAVING_PER_DECISION, sizeof(struct consumer_member *));
    int32_t count = 0;
    int64_t work = 0;
    for (struct consumer_member *member = group->consumer->members; member != NULL;
         member = member->hh.next) {
        if (!is_due(member, now))
            continue;
        bool fits = leaving_fits(count, work);
        put_off(member, now, fits ? AGAIN_MS : 1);
        if (fits)
            due[count++] = member;
        work += MEMBER_WORK + member->topic_count;
    }
    if (count > 0)
        decide_members_leave(decider, group, due, count);
}

void consumer_session_passed(struct group_decider *decider, struct deadline *deadline)
{
    struct consumer_member *member = container_of(deadline, struct consumer_member, session);
    fence_due(decider, member->group);
}

void consumer_rebalance_passed(struct group_decider *decider, struct deadline *deadline)
{
    struct consumer_member *member = container_of(deadline, struct consumer_member, rebalance);
    if (is_late(member, decider->steady_ms))
        fence_due(decider, member->group);
}

/* Of a member of the classic protocol: due until it is put off. */
void consumer_join_passed(struct group_decider *decider, struct deadline *deadline)
{
    struct consumer_classic *classic = container_of(deadline, struct consumer_classic, join);
    deadline_arm(decider->coordinator, deadline, decider->steady_ms);
    fence_due(decider, classic->member->group);
}

void consumer_sync_passed(struct group_decider *decider, struct deadline *deadline)
{
    struct consumer_classic *classic = container_of(deadline, struct consumer_classic, sync);
    deadline_arm(decider->coordinator, deadline, decider->steady_ms);
    fence_due(decider, classic->member->group);
}

/* By its instance alone, or by both, which must agree; a dynamic one by its id. */
static enum error find_leaving(const struct group *group,
    const struct leave_group_member_identity *who, struct consumer_member **out_member)
{
    bool is_static = !str_is_null(who->group_instance_id);
    struct consumer_member *member =
        is_static ? consumer_member_static(group, who->member_id, who->group_instance_id)
                  : consumer_member_find(group, who->member_id);
    if (member == NULL)
        return ERROR_UNKNOWN_MEMBER_ID;
    if (is_static && who->member_id.size > 0 && !str_equal(who->member_id, member_id(member)))
        return ERROR_FENCED_INSTANCE_ID;
    *out_member = member;
    return ERROR_NONE;
}

/* As many of them as suit a pass; those before were answered by earlier decisions. One that is named
 * twice is none any more where another decision comes to it again. */
void decide_consumer_leave_group(struct group_decider *decider, const struct group *group)
{
    const struct leave_group_request *request = decider->request->request;
    struct leave_group_response *response = decider->request->response;
    int32_t count = 0, next = response->members_count;
    int64_t work = 0;
    struct consumer_member **leaving =
        arena_take_array(decider->arena, LEAVING_PER_DECISION, sizeof(struct consumer_member *));
    for (; next < request->members_count && leaving_fits(count, work); next++) {
        struct consumer_member *member = NULL;
        enum error error = find_leaving(group, &request->members[next], &member);
        if (error == ERROR_NONE && !member->is_leaving) {
            member->is_leaving = true;
            leaving[count++] = member;
            work += MEMBER_WORK + member->topic_count;
        }
        response->members[next].member_id = request->members[next].member_id;
        response->members[next].group_instance_id = request->members[next].group_instance_id;
        response->members[next].error_code = (int16_t)error;
    }
    response->members_count = next;
    decider->request->has_more = next < request->members_count;
    for (int32_t i = 0; i < count; i++)
        leaving[i]->is_leaving = false;
    if (count > 0)
        decide_members_leave(decider, group, leaving, count);
}
