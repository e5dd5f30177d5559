/* SPDX-License-Identifier: Apache-2.0 */
#include "base/container.h"
#include "coordinator/group_consumer_plan.h"

enum {
    LEAVING_PER_DECISION = 500, /* so that the records fit one batch */
    AGAIN_MS = 1000             /* the log may refuse to let them go */
};

void decide_members_leave(struct group_decider *decider, const struct group *group,
    struct consumer_member *const *members, int32_t count)
{
    struct rsm_decision *out = decider->decision;
    struct consumer_plan plan = { .decider = decider, .group = group, .group_id = group_id(group) };
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
    return member->current.state == MEMBER_UNREVOKED &&
           member->current.epoch == member->rebalance_epoch &&
           member->rebalance.entry.key <= steady_ms;
}

/* All that are due go in one decision, which must know of each other: records apply after it. */
static void fence_due(struct group_decider *decider, const struct group *group)
{
    struct coordinator *coordinator = decider->coordinator;
    int64_t now = decider->steady_ms;
    struct consumer_member **due =
        arena_take_array(decider->arena, LEAVING_PER_DECISION, sizeof(struct consumer_member *));
    int32_t count = 0;
    for (struct consumer_member *member = group->consumer->members; member != NULL;
         member = member->hh.next) {
        bool is_over = member->session.entry.key <= now;
        if (!is_over && !is_late(member, now))
            continue;
        bool fits = count < LEAVING_PER_DECISION;
        deadline_arm(coordinator, is_over ? &member->session : &member->rebalance,
            now + (fits ? AGAIN_MS : 1));
        if (fits)
            due[count++] = member;
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
