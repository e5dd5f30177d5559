/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/group_consumer_roster.h"

#include <stdlib.h>

/* ---- Taking it. ---- */

static struct roster_member member_of(const struct consumer_member *member)
{
    return (struct roster_member){ .id = member_id(member),
        .instance_id = member->instance_id,
        .names = member->topics,
        .name_count = member->topic_count,
        .is_in_a_row = member->topics_in_a_row,
        .regex = member->regex,
        .target = member->target,
        .has_target = member->has_target };
}

static struct roster_member planned_member(const struct consumer_plan *plan)
{
    struct roster_member planned = { .id = plan->member_id,
        .instance_id = plan->metadata.instance_id,
        .names = plan->metadata.subscribed_topic_names,
        .name_count = plan->metadata.subscribed_topic_names_count,
        .regex = plan->metadata.subscribed_topic_regex };
    if (plan->before != NULL) {
        planned.target = plan->before->target;
        planned.has_target = plan->before->has_target;
    }
    return planned;
}

static void take_members(const struct consumer_plan *plan, struct roster *roster)
{
    const struct group *group = plan->group;
    size_t most = (size_t)(group == NULL ? 0 : consumer_group_size(group)) + 1;
    roster->members = arena_take_array(plan->decider->arena, most, sizeof(*roster->members));
    if (plan->request != NULL)
        roster->members[roster->member_count++] = planned_member(plan);
    if (group != NULL)
        for (const struct consumer_member *member = group->consumer->members; member != NULL;
             member = member->hh.next)
            if (member != plan->before)
                roster->members[roster->member_count++] = member_of(member);
}

void roster_take(struct consumer_plan *plan, struct roster *out_roster)
{
    const struct consumer_topics *topics = plan_topics(plan);
    *out_roster = (struct roster){ .image = plan->decider->request->image,
        .assignor = plan_assignor(plan),
        .topics = topics->list,
        .topic_count = topics->count };
    out_roster->regexes = plan_regex_list(plan, &out_roster->regex_count);
    take_members(plan, out_roster);
}

/* ---- Whether two subscribe alike, as most members of a group do. ---- */

/* From the first name to the end of the last. */
static struct str row_of(const struct roster_member *member)
{
    const struct str *first = &member->names[0], *last = &member->names[member->name_count - 1];
    return (struct str){ first->data, (int32_t)(last->data + last->size - first->data) };
}

static bool subscribe_alike(const struct roster_member *one, const struct roster_member *other)
{
    if (one->name_count != other->name_count || !str_equal(one->regex, other->regex))
        return false;
    if (one->names == other->names)
        return true;
    if (one->name_count > 0 && one->is_in_a_row && other->is_in_a_row)
        return one->names[0].size == other->names[0].size &&
               str_equal(row_of(one), row_of(other)); /* with the sizes of the others between */
    for (int32_t i = 0; i < one->name_count; i++)
        if (!str_equal(one->names[i], other->names[i]))
            return false;
    return true;
}

/* ---- Owning it. ---- */

static const struct str *copy_names(struct arena *arena, const struct str *names, int32_t count)
{
    struct str *copies = arena_take_array(arena, (size_t)count, sizeof(*copies));
    for (int32_t i = 0; i < count; i++)
        copies[i] = str_copy(arena, names[i]);
    return copies;
}

/* Names that stand in a row are copied in one piece. */
static const struct str *copy_subscription(struct arena *arena, const struct roster_member *member)
{
    if (!member->is_in_a_row || member->name_count == 0)
        return copy_names(arena, member->names, member->name_count);
    struct str row = row_of(member);
    const char *to = arena_copy(arena, row.data, (size_t)row.size);
    struct str *names = arena_take_array(arena, (size_t)member->name_count, sizeof(*names));
    for (int32_t i = 0; i < member->name_count; i++)
        names[i] = (struct str){ to + (member->names[i].data - row.data), member->names[i].size };
    return names;
}

void roster_own(struct roster *roster, struct arena *arena)
{
    struct roster_member last = { 0 };
    struct roster_regex *regexes =
        arena_take_array(arena, (size_t)roster->regex_count, sizeof(*regexes));
    for (int32_t i = 0; i < roster->regex_count; i++) {
        const struct roster_regex *from = &roster->regexes[i];
        regexes[i] = (struct roster_regex){ .text = str_copy(arena, from->text),
            .topics = copy_names(arena, from->topics, from->topic_count),
            .topic_count = from->topic_count };
    }
    roster->regexes = regexes;
    for (int32_t i = 0; i < roster->member_count; i++) {
        struct roster_member *member = &roster->members[i], as_it_is = *member;
        bool is_alike = i > 0 && subscribe_alike(&last, member);
        member->id = str_copy(arena, member->id);
        member->instance_id = str_copy(arena, member->instance_id);
        member->regex = is_alike ? member[-1].regex : str_copy(arena, member->regex);
        if (is_alike) {
            member->names = member[-1].names;
            member->is_in_a_row = member[-1].is_in_a_row;
        } else {
            member->names = copy_subscription(arena, &as_it_is);
        }
        member->target = partition_set_copy(&member->target, arena);
        last = as_it_is;
    }
}

/* ---- What the assignors read. ---- */

static int by_id(const void *a, const void *b)
{
    const struct roster_member *one = a, *other = b;
    return str_compare(one->id, other->id);
}

static int by_number(const void *a, const void *b)
{
    int32_t one = *(const int32_t *)a, other = *(const int32_t *)b;
    return one < other ? -1 : one > other;
}

/* Where it stands or would stand, from low on: looked for in steps that grow. */
static int32_t place_of(const struct roster *roster, struct str name, int32_t low)
{
    int32_t high = low;
    for (int32_t by = 1;
         high < roster->topic_count && str_compare(roster->topics[high]->name, name) < 0; by *= 2) {
        low = high + 1;
        high = roster->topic_count - high > by ? high + by : roster->topic_count;
    }
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (str_compare(roster->topics[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const struct roster *roster, struct str name, int32_t place)
{
    return place < roster->topic_count && str_equal(roster->topics[place]->name, name);
}

/* Names ascend, as topics do: each is looked for behind the one before. */
static void add_indexes(const struct roster *roster, const struct str *names, int32_t count,
    int32_t *indexes, int32_t *index_count)
{
    for (int32_t i = 0, place = 0; i < count; i++) {
        place = place_of(roster, names[i], place);
        if (is_at(roster, names[i], place))
            indexes[(*index_count)++] = place;
    }
}

static const struct roster_regex *regex_of(const struct roster *roster, struct str text)
{
    static const struct roster_regex none;
    for (int32_t i = 0; i < roster->regex_count && text.size > 0; i++)
        if (str_equal(roster->regexes[i].text, text))
            return &roster->regexes[i];
    return &none;
}

/* Ascending, each once; a topic may be named and match an expression as well. */
static void find_topics(const struct roster *roster, struct arena *arena,
    const struct roster_member *member, struct assign_member *out_member)
{
    const struct roster_regex *regex = regex_of(roster, member->regex);
    int32_t count = 0, unique = 0;
    int32_t *indexes = arena_take_array(
        arena, (size_t)member->name_count + (size_t)regex->topic_count, sizeof(*indexes));
    add_indexes(roster, member->names, member->name_count, indexes, &count);
    add_indexes(roster, regex->topics, regex->topic_count, indexes, &count);
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
    const struct roster *roster, struct arena *arena, const struct partition_set *target)
{
    struct assign_part *parts =
        arena_take_array(arena, (size_t)target->topic_count, sizeof(*parts));
    struct assign_share share = { .parts = parts };
    for (int32_t i = 0; i < target->topic_count; i++) {
        const struct image_topic *topic = image_topic_by_id(roster->image, target->topics[i].id);
        int32_t place = topic == NULL ? 0 : place_of(roster, topic->name, 0);
        if (topic != NULL && is_at(roster, topic->name, place))
            parts[share.part_count++] = (struct assign_part){ place, target->topics[i].count,
                target->topics[i].partitions };
    }
    return share;
}

void roster_input(struct roster *roster, struct arena *arena, struct target_input *out_input)
{
    size_t topic_count = (size_t)roster->topic_count, count = (size_t)roster->member_count;
    struct uuid *ids = arena_take_array(arena, topic_count, sizeof(*ids));
    int32_t *counts = arena_take_array(arena, topic_count, sizeof(*counts));
    struct assign_member *list = arena_take_array(arena, count, sizeof(*list));
    for (int32_t i = 0; i < roster->topic_count; i++) {
        ids[i] = roster->topics[i]->id;
        counts[i] = roster->topics[i]->partition_count;
    }
    qsort(roster->members, count, sizeof(*roster->members), by_id);
    for (int32_t i = 0; i < roster->member_count; i++) {
        const struct roster_member *member = &roster->members[i];
        list[i].id = member->id;
        list[i].instance_id = member->instance_id;
        list[i].owned = share_of(roster, arena, &member->target);
        if (i == 0 || !subscribe_alike(&member[-1], member)) {
            find_topics(roster, arena, member, &list[i]);
            continue;
        }
        list[i].topics = list[i - 1].topics;
        list[i].topic_count = list[i - 1].topic_count;
    }
    *out_input = (struct target_input){ .topic_ids = ids,
        .members = list,
        .assign = { .members = list,
            .member_count = roster->member_count,
            .partition_counts = counts,
            .topic_count = roster->topic_count } };
}

size_t roster_bytes(const struct roster *roster)
{
    enum { ROUNDED_UP = 1024, EACH_ROUNDED_UP = 32 }; /* of arrays */
    size_t own = ROUNDED_UP, parts = 0, most_matched = 0;
    struct assign_size size = { .members = (size_t)roster->member_count,
        .topics = (size_t)roster->topic_count };
    for (int32_t i = 0; i < roster->regex_count; i++)
        if ((size_t)roster->regexes[i].topic_count > most_matched)
            most_matched = (size_t)roster->regexes[i].topic_count;
    for (int32_t i = 0; i < roster->member_count; i++) {
        const struct roster_member *member = &roster->members[i];
        size.links += (size_t)member->name_count + (member->regex.size > 0 ? most_matched : 0);
        parts += (size_t)member->target.topic_count;
    }
    for (int32_t i = 0; i < roster->topic_count; i++)
        size.partitions += (size_t)roster->topics[i]->partition_count;
    own += size.members * (sizeof(struct assign_member) + EACH_ROUNDED_UP) +
           size.topics * (sizeof(struct uuid) + sizeof(int32_t)) + size.links * sizeof(int32_t) +
           parts * sizeof(struct assign_part);
    return own + assign_bytes(&size);
}
