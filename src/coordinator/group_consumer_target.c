/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "coordinator/assign.h"
#include "coordinator/group_consumer_plan.h"

/* What becomes an assignment in the decision that needs it is smaller than what
 * strom.group.assign.at.once allows; the rest is a job, see assignment.h. */
enum { LOOK_AGAIN_MS = 100 }; /* whether the next one is due: a heartbeat is to cost little */

/* A member as it will be: one of the group, or the planned one, in whose place the one before it
 * (or that it replaces) stands no more. */
struct entrant {
    struct str id;
    const struct consumer_member *member; /* whose target is the present one; NULL: new */
    bool is_planned;
};

static int by_id(const void *a, const void *b)
{
    const struct entrant *one = a, *other = b;
    return str_compare(one->id, other->id);
}

/* In the order of ids, so that it is the same whatever the log went through. */
static struct entrant *list_members(const struct consumer_plan *plan, int32_t *out_count)
{
    const struct group *group = plan->group;
    size_t most = (size_t)(group == NULL ? 0 : consumer_group_size(group)) + 1;
    struct entrant *list = arena_take_array(plan->decider->arena, most, sizeof(*list));
    int32_t count = 0;
    if (plan->request != NULL)
        list[count++] = (struct entrant){ plan->member_id, plan->before, true };
    if (group != NULL)
        for (const struct consumer_member *member = group->consumer->members; member != NULL;
             member = member->hh.next)
            if (member != plan->before)
                list[count++] = (struct entrant){ member_id(member), member, false };
    qsort(list, (size_t)count, sizeof(*list), by_id);
    *out_count = count;
    return list;
}

/* ---- What the assignors read. ---- */

static int by_number(const void *a, const void *b)
{
    int32_t one = *(const int32_t *)a, other = *(const int32_t *)b;
    return one < other ? -1 : one > other;
}

/* Names ascend, as topics do: each is looked for behind the one before, in steps that grow. */
static void add_indexes(const struct consumer_plan *plan, const struct str *names, int32_t count,
    int32_t *indexes, int32_t *index_count)
{
    const struct consumer_topics *topics = &plan->topics;
    int32_t low = 0;
    for (int32_t i = 0; i < count; i++) {
        int32_t high = low;
        for (int32_t by = 1;
             high < topics->count && str_compare(topics->list[high]->name, names[i]) < 0; by *= 2) {
            low = high + 1;
            high = topics->count - high > by ? high + by : topics->count;
        }
        while (low < high) {
            int32_t middle = low + (high - low) / 2;
            if (str_compare(topics->list[middle]->name, names[i]) < 0)
                low = middle + 1;
            else
                high = middle;
        }
        if (low < topics->count && str_equal(topics->list[low]->name, names[i]))
            indexes[(*index_count)++] = low;
    }
}

/* What a member, as it will be, says of topics. */
struct subscription {
    const struct str *names; /* ascending */
    int32_t name_count;
    bool is_in_a_row; /* the names, in the record that they were read from */
    struct str regex;
};

static struct subscription subscription_of(
    const struct consumer_plan *plan, const struct entrant *entrant)
{
    const struct consumer_member *member = entrant->member;
    if (!entrant->is_planned)
        return (struct subscription){ member->topics, member->topic_count, member->topics_in_a_row,
            member->regex };
    return (struct subscription){ plan->metadata.subscribed_topic_names,
        plan->metadata.subscribed_topic_names_count, false, plan->metadata.subscribed_topic_regex };
}

/* From the first name to the end of the last. */
static struct str row_of(const struct subscription *subscription)
{
    const struct str *first = &subscription->names[0];
    const struct str *last = &subscription->names[subscription->name_count - 1];
    return (struct str){ first->data, (int32_t)(last->data + last->size - first->data) };
}

static bool is_same(const struct subscription *one, const struct subscription *other)
{
    if (one->name_count != other->name_count || !str_equal(one->regex, other->regex))
        return false;
    if (one->name_count > 0 && one->is_in_a_row && other->is_in_a_row)
        return one->names[0].size == other->names[0].size &&
               str_equal(row_of(one), row_of(other)); /* with the sizes of the others between */
    for (int32_t i = 0; i < one->name_count; i++)
        if (!str_equal(one->names[i], other->names[i]))
            return false;
    return true;
}

/* Ascending, each once; a topic may be named and match an expression as well. */
static void find_topics(const struct consumer_plan *plan, const struct subscription *subscription,
    struct assign_member *out_member)
{
    const struct str *matched = NULL;
    int32_t matched_count, count = 0, unique = 0;
    plan_regex_topics(plan, subscription->regex, &matched, &matched_count);
    int32_t *indexes = arena_take_array(plan->decider->arena,
        (size_t)subscription->name_count + (size_t)matched_count, sizeof(*indexes));
    add_indexes(plan, subscription->names, subscription->name_count, indexes, &count);
    add_indexes(plan, matched, matched_count, indexes, &count);
    if (count > 1)
        qsort(indexes, (size_t)count, sizeof(*indexes), by_number);
    for (int32_t i = 0; i < count; i++)
        if (unique == 0 || indexes[unique - 1] != indexes[i])
            indexes[unique++] = indexes[i];
    out_member->topics = indexes;
    out_member->topic_count = unique;
}

/* The present target, as far as its topics are still there. */
static struct assign_share share_of(
    const struct consumer_plan *plan, const struct partition_set *target)
{
    const struct image *image = plan->decider->request->image;
    struct assign_part *parts =
        arena_take_array(plan->decider->arena, (size_t)target->topic_count, sizeof(*parts));
    struct assign_share share = { .parts = parts };
    for (int32_t i = 0; i < target->topic_count; i++) {
        const struct image_topic *topic = image_topic_by_id(image, target->topics[i].id);
        int32_t index = topic == NULL ? -1 : plan_topic_index(plan, topic->name);
        if (index >= 0)
            parts[share.part_count++] = (struct assign_part){ index, target->topics[i].count,
                target->topics[i].partitions };
    }
    return share;
}

struct str plan_assignor(const struct consumer_plan *plan)
{
    int32_t best = 0;
    struct str name = str_from(assignors[0].name);
    for (int i = 0; i < ASSIGNOR_COUNT; i++) {
        int32_t votes = str_is(plan->metadata.server_assignor, assignors[i].name) ? 1 : 0;
        if (plan->group != NULL)
            for (const struct consumer_member *member = plan->group->consumer->members;
                 member != NULL; member = member->hh.next)
                votes += member != plan->before && member->written.data != NULL &&
                         str_is(member->assignor, assignors[i].name);
        if (votes > best) {
            best = votes;
            name = str_from(assignors[i].name);
        }
    }
    return name;
}

/* Most members of a group subscribe like the one before them: that is looked up once. */
static struct assign_member *describe(
    const struct consumer_plan *plan, const struct entrant *entrants, int32_t count)
{
    struct assign_member *list =
        arena_take_array(plan->decider->arena, (size_t)count, sizeof(*list));
    struct subscription last = { 0 }, now;
    for (int32_t i = 0; i < count; i++) {
        const struct consumer_member *member = entrants[i].member;
        list[i].id = entrants[i].id;
        list[i].instance_id =
            entrants[i].is_planned ? plan->metadata.instance_id : member->instance_id;
        now = subscription_of(plan, &entrants[i]);
        if (i > 0 && is_same(&last, &now)) {
            list[i].topics = list[i - 1].topics;
            list[i].topic_count = list[i - 1].topic_count;
        } else {
            find_topics(plan, &now, &list[i]);
        }
        last = now;
        if (member != NULL)
            list[i].owned = share_of(plan, &member->target);
    }
    return list;
}

static void make_input(struct consumer_plan *plan, const struct entrant *entrants, int32_t count,
    struct target_input *out_input)
{
    struct arena *arena = plan->decider->arena;
    const struct consumer_topics *topics = plan_topics(plan);
    struct uuid *ids = arena_take_array(arena, (size_t)topics->count, sizeof(*ids));
    int32_t *counts = arena_take_array(arena, (size_t)topics->count, sizeof(*counts));
    for (int32_t i = 0; i < topics->count; i++) {
        ids[i] = topics->list[i]->id;
        counts[i] = topics->list[i]->partition_count;
    }
    out_input->assignor = assignor_find(plan_assignor(plan));
    out_input->topic_ids = ids;
    out_input->members = describe(plan, entrants, count);
    out_input->assign = (struct assign_input){ .members = out_input->members,
        .member_count = count,
        .partition_counts = counts,
        .topic_count = topics->count };
}

void plan_input(struct consumer_plan *plan, struct target_input *out_input)
{
    int32_t count;
    struct entrant *entrants = list_members(plan, &count);
    make_input(plan, entrants, count, out_input);
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
    return set;
}

/* A record where the share is another than the present target, of new members in any case. */
static void add_share(struct consumer_plan *plan, const struct entrant *entrant,
    const struct target_input *input, const struct assign_share *share)
{
    const struct consumer_member *member = entrant->member;
    struct partition_set set = set_of(plan, input, share);
    if (entrant->is_planned)
        plan->target = set;
    if (member == NULL || !member->has_target || !partition_set_equal(&set, &member->target, false))
        add_target(
            plan->decider->decision, (struct consumer_names){ plan->group_id, entrant->id }, &set);
}

static void add_epoch(struct consumer_plan *plan, int32_t epoch)
{
    plan->assignment_epoch = epoch;
    add_assignment_epoch(plan->decider->decision, plan->group_id, epoch, plan->decider->wall_ms);
}

static void assign_at_once(struct consumer_plan *plan)
{
    int32_t count;
    struct target_input input;
    struct entrant *entrants = list_members(plan, &count);
    make_input(plan, entrants, count, &input);
    struct assign_share *shares = input.assignor->assign(&input.assign, plan->decider->arena);
    for (int32_t i = 0; i < count; i++)
        add_share(plan, &entrants[i], &input, &shares[i]);
    add_epoch(plan, plan->epoch);
}

/* Which of the input's members it was; a static one that was replaced has another id since. -1: it
 * came later. */
static int32_t find_member(const struct target_input *input, const struct entrant *entrant)
{
    struct str instance_id = entrant->member->instance_id;
    int32_t low = 0, high = input->assign.member_count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        int order = str_compare(input->members[middle].id, entrant->id);
        if (order == 0)
            return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (int32_t i = 0; !str_is_null(instance_id) && i < input->assign.member_count; i++)
        if (str_equal(input->members[i].instance_id, instance_id))
            return i;
    return -1;
}

void plan_shares(struct consumer_plan *plan, const struct target_input *input,
    const struct assign_share *shares, int32_t epoch)
{
    static const struct assign_share nothing;
    int32_t count;
    struct entrant *entrants = list_members(plan, &count);
    for (int32_t i = 0; i < count; i++) {
        int32_t place = find_member(input, &entrants[i]);
        if (place >= 0 || entrants[i].member->has_target)
            add_share(plan, &entrants[i], input, place < 0 ? &nothing : &shares[place]);
    }
    add_epoch(plan, epoch);
}

/* ---- When. ---- */

static bool is_small(struct consumer_plan *plan)
{
    const struct consumer_topics *topics = plan_topics(plan);
    int64_t partitions = 0, members;
    for (int32_t i = 0; i < topics->count; i++)
        partitions += topics->list[i]->partition_count;
    members = consumer_group_size(plan->group) + (plan->before == NULL);
    return partitions * members <= plan->decider->coordinator->settings.consumer_assign_at_once;
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
    if (group->consumer->assigning != 0 ||
        plan->decider->steady_ms < group->consumer->assign_after_ms)
        return;
    if (is_small(plan))
        assign_at_once(plan);
    else
        want_job(plan);
}
