/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/group_consumer_roster.h"

/* What becomes an assignment in the decision that needs it is smaller than what
 * strom.group.assign.at.once allows; the rest is a job, see assignment.h. */
enum { LOOK_AGAIN_MS = 100 }; /* whether the next one is due: a heartbeat is to cost little */
/* What a decision writes of the target that a job found: so much, in partitions and, as a member
 * costs more than one, members. */
enum { WORK_PER_DECISION = 3000, MEMBER_WORK = 4 };
enum { MEMBERS_AT_ONCE = 1000 }; /* however few partitions they read */

const struct assignor *plan_assignor(const struct consumer_plan *plan)
{
    return consumer_group_assignor(
        plan->decider, plan->group, plan->before, plan->metadata.server_assignor);
}

/* ---- What they say. ---- */

static struct partition_set set_of(const struct consumer_plan *plan,
    const struct target_input *input, const struct assign_share *share)
{
    struct arena *arena = plan->decider->arena;
    struct partition_set set = partition_set_take(arena, share->part_count);
    for (int32_t i = 0; i < share->part_count; i++) {
        const struct assign_part *part = &share->parts[i];
        struct partition_set_topic *topic = partition_set_add_topic(
            &set, arena, input->topic_ids[part->topic], part->partition_count);
        for (int32_t k = 0; k < part->partition_count; k++)
            partition_set_add(topic, part->partitions[k], 0);
    }
    partition_set_sort(&set);
    return set;
}

/* A record where the share is another than the present target, of new members in any case. */
static void add_share(struct consumer_plan *plan, const struct roster_member *member,
    const struct target_input *input, const struct assign_share *share)
{
    struct partition_set set = set_of(plan, input, share);
    if (plan->request != NULL && str_equal(member->id, plan->member_id))
        plan->target = set;
    if (!member->has_target || !partition_set_equal(&set, &member->target, false))
        add_target(
            plan->decider->decision, (struct consumer_names){ plan->group_id, member->id }, &set);
}

static void add_epoch(struct consumer_plan *plan, int32_t epoch)
{
    plan->assignment_epoch = epoch;
    add_assignment_epoch(plan->decider->decision, plan->group_id, epoch, plan->decider->wall_ms);
}

static void assign_at_once(struct consumer_plan *plan)
{
    struct roster roster;
    struct target_input input;
    roster_take(plan, &roster);
    roster_input(&roster, plan->decider->arena, &input);
    struct assign_share *shares = roster.assignor->assign(&input.assign, plan->decider->arena);
    for (int32_t i = 0; i < roster.member_count; i++)
        add_share(plan, &roster.members[i], &input, &shares[i]);
    add_epoch(plan, plan->epoch);
}

/* Who has the place of one of the input's members by now: itself, or whoever replaced it as a
 * static member. NULL: it has left. */
static const struct consumer_member *find_member(
    const struct consumer_plan *plan, const struct assign_member *member)
{
    const struct consumer_member *found = consumer_member_find(plan->group, member->id);
    if (found == NULL && !str_is_null(member->instance_id))
        found = consumer_member_static(plan->group, member->id, member->instance_id);
    return found;
}

static int64_t work_of(const struct assign_share *share)
{
    int64_t work = MEMBER_WORK;
    for (int32_t i = 0; i < share->part_count; i++)
        work += share->parts[i].partition_count;
    return work;
}

/* Those who came since have no target, or an empty one. Until all of them are written each member
 * has its old target or its new one, at the epoch of the old: it may get what is free of that, and
 * has the rest to do when the epoch follows. If the log ends in between, the next target is
 * computed from what is there. */
bool plan_shares(struct consumer_plan *plan, const struct target_input *input,
    const struct assign_share *shares, int32_t epoch, int32_t *next)
{
    int64_t work = 0, most = plan->decider->coordinator->settings.consumer_write_at_once;
    if (most == 0)
        most = WORK_PER_DECISION;
    for (; *next < input->assign.member_count && work < most; ++*next) {
        const struct consumer_member *member = find_member(plan, &input->members[*next]);
        work += work_of(&shares[*next]);
        if (member == NULL)
            continue;
        struct roster_member now = {
            .id = member_id(member), .target = member->target, .has_target = member->has_target
        };
        add_share(plan, &now, input, &shares[*next]);
    }
    if (*next < input->assign.member_count)
        return false;
    add_epoch(plan, epoch);
    return true;
}

/* ---- When. ---- */

static bool is_small(struct consumer_plan *plan)
{
    const struct consumer_topics *topics = plan_topics(plan);
    int64_t partitions = 0, members;
    for (int32_t i = 0; i < topics->count; i++)
        partitions += topics->list[i]->partition_count;
    members = consumer_group_size(plan->group) + (plan->before == NULL);
    return members <= MEMBERS_AT_ONCE &&
           partitions * members <= plan->decider->coordinator->settings.consumer_assign_at_once;
}

/* A long computation is not begun again at once: what came meanwhile waits for the next one. */
static void want_job(struct consumer_plan *plan)
{
    struct coordinator *coordinator = plan->decider->coordinator;
    struct group *group = group_find(coordinator, plan->group_id);
    if (group != plan->group)
        return; /* it is not there before the records of this decision */
    int64_t since = plan->decider->wall_ms - group->consumer->assignment_ms;
    if (since < 0 || since >= consumer_assignment_interval_ms(plan->decider, plan->group_id))
        coordinator->to_assign = group;
    else
        group->consumer->assign_after_ms = plan->decider->steady_ms + LOOK_AGAIN_MS;
}

void plan_target(struct consumer_plan *plan)
{
    const struct group *group = plan->group;
    if (plan->before != NULL)
        plan->target = plan->before->target;
    if (plan->epoch <= plan->assignment_epoch)
        return;
    if (group == NULL) {
        assign_at_once(plan);
        return;
    }
    if (plan->decider->steady_ms < group->consumer->assign_after_ms)
        return;
    if (is_small(plan))
        assign_at_once(plan);
    else
        want_job(plan);
}
