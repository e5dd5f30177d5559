/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "coordinator/assign.h"
#include "coordinator/group_consumer_plan.h"

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

static int by_number(const void *a, const void *b)
{
    int32_t one = *(const int32_t *)a, other = *(const int32_t *)b;
    return one < other ? -1 : one > other;
}

static void add_indexes(const struct consumer_plan *plan, const struct str *names, int32_t count,
    int32_t *indexes, int32_t *index_count)
{
    for (int32_t i = 0; i < count; i++) {
        int32_t index = plan_topic_index(plan, names[i]);
        if (index >= 0)
            indexes[(*index_count)++] = index;
    }
}

/* Ascending, each once; a topic may be named and match an expression as well. */
static void find_topics(const struct consumer_plan *plan, const struct entrant *entrant,
    struct assign_member *out_member)
{
    const struct str *names, *matched = NULL;
    int32_t name_count, matched_count, count = 0, unique = 0;
    struct str regex;
    if (entrant->is_planned) {
        names = plan->metadata.subscribed_topic_names;
        name_count = plan->metadata.subscribed_topic_names_count;
        regex = plan->metadata.subscribed_topic_regex;
    } else {
        names = entrant->member->topics;
        name_count = entrant->member->topic_count;
        regex = entrant->member->regex;
    }
    plan_regex_topics(plan, regex, &matched, &matched_count);
    int32_t *indexes = arena_take_array(
        plan->decider->arena, (size_t)name_count + (size_t)matched_count, sizeof(*indexes));
    add_indexes(plan, names, name_count, indexes, &count);
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

static struct partition_set set_of(
    const struct consumer_plan *plan, const struct assign_share *share)
{
    struct arena *arena = plan->decider->arena;
    struct partition_set set = partition_set_take(arena, share->part_count);
    for (int32_t i = 0; i < share->part_count; i++) {
        const struct assign_part *part = &share->parts[i];
        struct partition_set_topic *topic = partition_set_add_topic(
            &set, arena, plan->topics.list[part->topic]->id, part->partition_count);
        for (int32_t k = 0; k < part->partition_count; k++)
            partition_set_add(topic, part->partitions[k], 0);
    }
    return set;
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

/* Members whose share is another than their present target get a record, new ones in any case. */
static void assign(struct consumer_plan *plan, struct entrant *members, int32_t member_count)
{
    struct group_decider *decider = plan->decider;
    struct arena *arena = decider->arena;
    const struct consumer_topics *topics = &plan->topics;
    struct assign_member *list = arena_take_array(arena, (size_t)member_count, sizeof(*list));
    int32_t *counts = arena_take_array(arena, (size_t)topics->count, sizeof(*counts));
    for (int32_t i = 0; i < topics->count; i++)
        counts[i] = topics->list[i]->partition_count;
    for (int32_t i = 0; i < member_count; i++) {
        const struct consumer_member *member = members[i].member;
        list[i].id = members[i].id;
        list[i].instance_id =
            members[i].is_planned ? plan->metadata.instance_id : member->instance_id;
        find_topics(plan, &members[i], &list[i]);
        if (member != NULL)
            list[i].owned = share_of(plan, &member->target);
    }
    struct assign_input input = { list, member_count, counts, topics->count };
    struct assign_share *shares = assignor_find(plan_assignor(plan))->assign(&input, arena);
    for (int32_t i = 0; i < member_count; i++) {
        const struct consumer_member *member = members[i].member;
        struct partition_set set = set_of(plan, &shares[i]);
        if (members[i].is_planned)
            plan->target = set;
        if (member == NULL || !member->has_target ||
            !partition_set_equal(&set, &member->target, false))
            add_target(
                decider->decision, (struct consumer_names){ plan->group_id, members[i].id }, &set);
    }
    plan->assignment_epoch = plan->epoch;
    add_assignment_epoch(decider->decision, plan->group_id, plan->epoch, decider->wall_ms);
}

/* A long computation is not begun again at once: what came meanwhile waits for the next one. */
static bool may_assign_now(const struct consumer_plan *plan, int32_t member_count)
{
    const struct coordinator_settings *settings = &plan->decider->coordinator->settings;
    int64_t partitions = 0;
    for (int32_t i = 0; i < plan->topics.count; i++)
        partitions += plan->topics.list[i]->partition_count;
    if (plan->group == NULL || partitions * member_count <= settings->consumer_assign_at_once)
        return true;
    int64_t since = plan->decider->wall_ms - plan->group->consumer->assignment_ms;
    return since < 0 || since >= consumer_assignment_interval_ms(plan->decider, plan->group_id);
}

void plan_target(struct consumer_plan *plan)
{
    if (plan->before != NULL)
        plan->target = plan->before->target;
    if (plan->epoch <= plan->assignment_epoch)
        return;
    int32_t member_count;
    struct entrant *members = list_members(plan, &member_count);
    plan_topics(plan);
    if (may_assign_now(plan, member_count))
        assign(plan, members, member_count);
}
