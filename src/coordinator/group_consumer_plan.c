/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/group_consumer_plan.h"

/* The old one goes, and the new one begins with all that it had. */
static void add_replacement(struct consumer_plan *plan)
{
    struct rsm_decision *out = plan->decider->decision;
    struct consumer_names old_names = { plan->group_id, member_id(plan->before) };
    struct consumer_names names = { plan->group_id, plan->member_id };
    struct consumer_group_member_metadata_record metadata = plan->metadata;
    copy_member_metadata(plan->decider->arena, plan->before, &metadata);
    add_member_gone(out, old_names);
    add_member_metadata(out, names, &metadata);
    add_target(out, names, &plan->before->target);
    add_current(out, names, &plan->current);
}

/* A new epoch when the group's subscriptions change, or their topics did. */
void plan_epoch(struct consumer_plan *plan)
{
    const struct group *group = plan->group;
    struct rsm_decision *out = plan->decider->decision;
    int64_t offset = plan->decider->request->image->offset;
    bool bumps = plan->names_changed || plan->regex_changed || plan->regexes_moved ||
                 plan->assignor_changed || plan->upgrade.rebalances;
    if (!bumps && group != NULL && group->consumer->looked_at == offset)
        return;
    int64_t hash = plan_topics(plan)->hash;
    bumps = bumps || hash != (group == NULL ? 0 : group->consumer->metadata_hash);
    if (bumps) {
        plan->epoch++;
        add_group_epoch(out, plan->group_id, plan->epoch, hash);
    } else if (group != NULL && (group->consumer->regexes == NULL || plan->has_all_resolved)) {
        group->consumer->looked_at = offset;
    }
    if (group != NULL && group->consumer->has_partition_metadata)
        add_partition_metadata_gone(out, plan->group_id);
}

/* There is a classic group of that id. */
static void convert(struct consumer_plan *plan, const struct group *classic)
{
    bool has_members = plan->upgrade.from != NULL;
    if (has_members)
        upgrade_carry_out(plan->decider, &plan->upgrade);
    else if (classic->kept != NULL)
        classic->kind->remove(plan->decider, classic);
    decide_conversion(plan->decider, plan->group_id, plan->member_id, &consumer_kind,
        has_members ? "a member of the consumer protocol joined"
                    : "a member of the consumer protocol joined when it was empty");
}

void plan_carry_out(struct consumer_plan *plan)
{
    struct rsm_decision *out = plan->decider->decision;
    struct consumer_names names = { plan->group_id, plan->member_id };
    const struct group *other = group_find(plan->decider->coordinator, plan->group_id);
    if (other != NULL && other != plan->group)
        convert(plan, other);
    if (plan->replaces)
        add_replacement(plan);
    if (plan->is_changed)
        add_member_metadata(out, names, &plan->metadata);
    add_regex_changes(plan);
    plan_epoch(plan);
    int32_t assigned_before = plan->assignment_epoch;
    plan_target(plan);
    plan->has_new_target = plan->assignment_epoch != assigned_before;
    plan->has_moved = plan_reconcile(plan);
    if (plan->has_moved)
        add_current(out, names, &plan->current);
}

struct consumer_member *plan_live_member(const struct consumer_plan *plan)
{
    return plan->group == NULL ? NULL : consumer_member_find(plan->group, plan->member_id);
}

void plan_end(struct consumer_plan *plan)
{
    if (plan->upgrade.to != NULL)
        group_free(plan->upgrade.to);
}
