/* SPDX-License-Identifier: Apache-2.0 */
/* A member moves from what it has to its target in steps, each told by one of its heartbeats:
 *
 *   STABLE      what it has is its target, at the target's epoch
 *   UNREVOKED   it must first give up what the target does not have: it stays at its epoch until
 *               its heartbeat names none of that
 *   UNRELEASED  at the target's epoch, but some of the target is still held by others
 *
 * So a partition is given to a member only after the one before gave it up, or left. */
#include "base/broken.h"
#include "coordinator/group_consumer_plan.h"

bool plan_owned_is_within(
    const struct consumer_group_heartbeat_request *request, const struct partition_set *set)
{
    for (int32_t i = 0; i < request->topic_partitions_count; i++) {
        const struct consumer_group_heartbeat_request_topic_partitions *owned =
            &request->topic_partitions[i];
        const struct partition_set_topic *topic = partition_set_topic(set, owned->topic_id);
        if (topic == NULL)
            return false;
        for (int32_t k = 0; k < owned->partitions_count; k++)
            if (partition_set_epoch(topic, owned->partitions[k]) == NULL)
                return false;
    }
    return request->topic_partitions_count >= 0;
}

/* A heartbeat that does not say what the member has is none that gives anything up. */
static bool owns_any(const struct consumer_plan *plan, const struct partition_set *set)
{
    const struct consumer_group_heartbeat_request *request = plan->request;
    for (int32_t i = 0; i < request->topic_partitions_count; i++) {
        const struct consumer_group_heartbeat_request_topic_partitions *owned =
            &request->topic_partitions[i];
        const struct partition_set_topic *topic = partition_set_topic(set, owned->topic_id);
        for (int32_t k = 0; topic != NULL && k < owned->partitions_count; k++)
            if (partition_set_epoch(topic, owned->partitions[k]) != NULL)
                return true;
    }
    return request->topic_partitions_count < 0;
}

static bool has_name(const struct str *names, int32_t count, struct str name)
{
    int32_t low = 0, high = count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2, order = str_compare(names[middle], name);
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* By what it says in this heartbeat; a topic that the image does not have is none. */
static bool subscribes(const struct consumer_plan *plan, struct uuid topic_id)
{
    const struct consumer_group_member_metadata_record *metadata = &plan->metadata;
    const struct image_topic *topic = image_topic_by_id(plan->decider->request->image, topic_id);
    return topic != NULL && (has_name(metadata->subscribed_topic_names,
                                 metadata->subscribed_topic_names_count, topic->name) ||
                                has_name(plan->matched, plan->matched_count, topic->name));
}

static void step_epoch(struct consumer_current *current, int32_t epoch)
{
    current->previous_epoch = current->epoch;
    current->epoch = epoch;
}

struct next {
    struct partition_set kept, gained, revoked; /* gained: kept, and what is free of the target */
    bool has_gained, has_unreleased;
};

/* One topic of the target: ascending in, ascending out. What the member itself was to give up, and
 * has, nobody else can hold. */
static void split_target(struct consumer_plan *plan, const struct partition_set_topic *target,
    const struct partition_set_topic *has, struct next *next)
{
    struct arena *arena = plan->decider->arena;
    struct partition_set_topic *kept =
        partition_set_add_topic(&next->kept, arena, target->id, target->count);
    struct partition_set_topic *gained =
        partition_set_add_topic(&next->gained, arena, target->id, target->count);
    for (int32_t i = 0; i < target->count; i++) {
        int32_t partition = target->partitions[i];
        const int32_t *epoch = has == NULL ? NULL : partition_set_epoch(has, partition);
        if (epoch != NULL) {
            partition_set_add(kept, partition, *epoch);
            partition_set_add(gained, partition, *epoch);
        } else if (plan->group != NULL && !broken(revocation_not_awaited) &&
                   consumer_partition_is_held(plan->group, target->id, partition) &&
                   !partition_set_has(&plan->current.revoking, target->id, partition)) {
            next->has_unreleased = true;
        } else {
            partition_set_add(gained, partition, plan->assignment_epoch);
            next->has_gained = true;
        }
    }
    next->kept.topic_count -= kept->count == 0;
    next->gained.topic_count -= gained->count == 0;
}

static void split_revoked(struct consumer_plan *plan, const struct partition_set_topic *has,
    const struct partition_set_topic *target, struct next *next)
{
    struct partition_set_topic *revoked =
        partition_set_add_topic(&next->revoked, plan->decider->arena, has->id, has->count);
    for (int32_t i = 0; i < has->count; i++)
        if (target == NULL || partition_set_epoch(target, has->partitions[i]) == NULL)
            partition_set_add(revoked, has->partitions[i], has->epochs[i]);
    next->revoked.topic_count -= revoked->count == 0;
}

static void compute_next(struct consumer_plan *plan, int32_t member_epoch)
{
    struct consumer_current *current = &plan->current;
    struct arena *arena = plan->decider->arena;
    const struct partition_set *target = &plan->target, has = current->assigned;
    struct next next = { .kept = partition_set_take(arena, target->topic_count),
        .gained = partition_set_take(arena, target->topic_count),
        .revoked = partition_set_take(arena, has.topic_count) };
    for (int32_t i = 0; i < target->topic_count; i++)
        if (subscribes(plan, target->topics[i].id))
            split_target(
                plan, &target->topics[i], partition_set_topic(&has, target->topics[i].id), &next);
    for (int32_t i = 0; i < has.topic_count; i++)
        split_revoked(plan, &has.topics[i],
            subscribes(plan, has.topics[i].id) ? partition_set_topic(target, has.topics[i].id)
                                               : NULL,
            &next);
    if (!partition_set_is_empty(&next.revoked) && owns_any(plan, &next.revoked)) {
        current->state = MEMBER_UNREVOKED;
        current->assigned = next.kept;
        current->revoking = next.revoked;
        step_epoch(current, member_epoch);
        return;
    }
    current->state = next.has_unreleased ? MEMBER_UNRELEASED : MEMBER_STABLE;
    current->assigned = next.gained;
    current->revoking = (struct partition_set){ 0 };
    step_epoch(current, plan->assignment_epoch);
}

/* All of a topic that it gave up by name goes, before there is a new target. */
static void drop_unsubscribed(struct consumer_plan *plan)
{
    struct consumer_current *current = &plan->current;
    struct arena *arena = plan->decider->arena;
    const struct partition_set has = current->assigned;
    struct partition_set kept = partition_set_take(arena, has.topic_count);
    struct partition_set dropped = partition_set_take(arena, has.topic_count);
    for (int32_t i = 0; i < has.topic_count; i++) {
        struct partition_set *to = subscribes(plan, has.topics[i].id) ? &kept : &dropped;
        to->topics[to->topic_count++] = has.topics[i];
    }
    if (partition_set_is_empty(&dropped))
        return;
    struct partition_set revoked = partition_set_union(&dropped, &current->revoking, arena);
    current->assigned = kept;
    if (owns_any(plan, &revoked)) {
        current->state = MEMBER_UNREVOKED;
        current->revoking = revoked;
    }
    step_epoch(current, current->epoch);
}

bool plan_reconcile(struct consumer_plan *plan)
{
    struct consumer_current *current = &plan->current;
    const struct consumer_current before = *current;
    bool has_changed_topics = plan->names_changed || plan->regex_changed;
    if (before.state == MEMBER_STABLE && before.epoch == plan->assignment_epoch &&
        !has_changed_topics)
        return false;
    plan_regex_topics(
        plan, plan->metadata.subscribed_topic_regex, &plan->matched, &plan->matched_count);
    switch (before.state) {
    case MEMBER_STABLE:
        if (before.epoch != plan->assignment_epoch)
            compute_next(plan, before.epoch);
        else
            drop_unsubscribed(plan);
        break;
    case MEMBER_UNREVOKED:
        if (!owns_any(plan, &before.revoking))
            compute_next(plan, before.epoch);
        else if (has_changed_topics)
            drop_unsubscribed(plan);
        break;
    case MEMBER_UNRELEASED:
        compute_next(plan, before.epoch);
        break;
    case MEMBER_UNKNOWN: /* with nothing left, see check_member() */
        compute_next(plan, plan->assignment_epoch);
        break;
    }
    return before.epoch != current->epoch || before.previous_epoch != current->previous_epoch ||
           before.state != current->state ||
           !partition_set_equal(&before.assigned, &current->assigned, true) ||
           !partition_set_equal(&before.revoking, &current->revoking, true);
}
