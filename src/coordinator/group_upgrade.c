/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/group_upgrade.h"

#include <stdlib.h>

#include "coordinator/group_classic_rebalance.h"
#include "coordinator/group_classic_record.h"
#include "coordinator/group_consumer_plan.h"
#include "coordinator/subscription.h"

/* What its blobs say. */
struct entrant {
    const struct classic_member *member;
    struct consumer_protocol_subscription_record subscription;
    struct partition_set assigned;
};

static int by_number(const void *a, const void *b)
{
    int32_t one = *(const int32_t *)a, other = *(const int32_t *)b;
    return one < other ? -1 : one > other;
}

/* Each partition that there is once, whatever was written. */
static void add_partitions(const struct group_decider *decider, struct partition_set *set,
    struct str name, const int32_t *partitions, int32_t count, int32_t epoch)
{
    struct arena *arena = decider->arena;
    const struct image_topic *topic = image_topic_by_name(decider->request->image, name);
    if (topic == NULL || count <= 0 || partition_set_topic(set, topic->id) != NULL)
        return;
    int32_t *sorted = arena_copy(arena, partitions, (size_t)count * sizeof(*sorted));
    qsort(sorted, (size_t)count, sizeof(*sorted), by_number);
    struct partition_set_topic *to = partition_set_add_topic(set, arena, topic->id, count);
    for (int32_t i = 0; i < count; i++) {
        bool is_there = sorted[i] >= 0 && sorted[i] < topic->partition_count;
        if (is_there && (i == 0 || sorted[i] != sorted[i - 1]))
            partition_set_add(to, sorted[i], epoch);
    }
    set->topic_count -= to->count == 0;
}

/* One whose assignment was dropped because a rebalance began anew has what it said when it joined,
 * if it is a cooperative one. */
static void take_owned(struct group_decider *decider, int32_t epoch, struct entrant *entrant)
{
    const struct consumer_protocol_subscription_record *said = &entrant->subscription;
    entrant->assigned = partition_set_take(decider->arena, said->owned_partitions_count);
    for (int32_t i = 0; i < said->owned_partitions_count; i++)
        add_partitions(decider, &entrant->assigned, said->owned_partitions[i].topic,
            said->owned_partitions[i].partitions, said->owned_partitions[i].partitions_count,
            epoch);
}

/* NULL, or what is wrong with it. */
static const char *read_assignment(
    struct group_decider *decider, int32_t epoch, bool trusts_owned, struct entrant *entrant)
{
    struct consumer_protocol_assignment_record told;
    struct bytes blob = classic_member_assignment(entrant->member);
    if (blob.size == 0 && trusts_owned)
        take_owned(decider, epoch, entrant);
    if (blob.size == 0)
        return NULL;
    if (!subscription_parse_assignment(blob, decider->arena, &told))
        return "an assignment of it cannot be read";
    if (told.user_data.size > 0)
        return "its assignor gives members data of its own, which would be lost";
    entrant->assigned = partition_set_take(decider->arena, told.assigned_partitions_count);
    for (int32_t i = 0; i < told.assigned_partitions_count; i++)
        add_partitions(decider, &entrant->assigned, told.assigned_partitions[i].topic,
            told.assigned_partitions[i].partitions, told.assigned_partitions[i].partitions_count,
            epoch);
    return NULL;
}

static void add_metadata(
    struct rsm_decision *out, struct consumer_names names, const struct entrant *entrant)
{
    const struct classic_member *member = entrant->member;
    const struct consumer_protocol_subscription_record *subscription = &entrant->subscription;
    struct consumer_group_member_metadata_record_classic_member_metadata classic = {
        .session_timeout_ms = member->session_timeout_ms,
        .supported_protocols = MESSAGE_TAKE(consumer_group_member_metadata_record_classic_protocol,
            out->arena, member->protocol_count),
        .supported_protocols_count = member->protocol_count
    };
    for (int32_t i = 0; i < member->protocol_count; i++) {
        classic.supported_protocols[i].name = member->protocols[i].name;
        classic.supported_protocols[i].metadata = member->protocols[i].metadata;
    }
    struct consumer_group_member_metadata_record metadata = { .instance_id = member->instance_id,
        .rack_id = subscription->rack_id.size == 0 ? (struct str){ 0 } : subscription->rack_id,
        .client_id = member->client_id,
        .client_host = member->client_host,
        .subscribed_topic_regex = STR(""),
        .rebalance_timeout_ms = member->rebalance_timeout_ms,
        .classic_member_metadata = &classic };
    metadata.subscribed_topic_names = sort_names(out->arena, subscription->topics,
        subscription->topics_count, &metadata.subscribed_topic_names_count);
    add_member_metadata(out, names, &metadata);
}

/* In the order of Kafka's: who is there, the epoch, what each is to have, and has. */
static void make(struct group_decider *decider, struct group_upgrade *upgrade,
    const struct entrant *entrants, int32_t count, int32_t epoch)
{
    struct rsm_decision *out = &upgrade->records;
    struct str id = group_id(upgrade->from);
    for (int32_t i = 0; i < count; i++)
        add_metadata(out, (struct consumer_names){ id, entrants[i].member->id }, &entrants[i]);
    consumer_apply_apart(upgrade->to, out, 0, decider->arena);
    int32_t since = out->record_count;
    struct consumer_plan plan = { .decider = decider, .group = upgrade->to, .group_id = id };
    add_group_epoch(out, id, epoch, plan_topics(&plan)->hash);
    for (int32_t i = 0; i < count; i++)
        add_target(
            out, (struct consumer_names){ id, entrants[i].member->id }, &entrants[i].assigned);
    add_assignment_epoch(out, id, epoch, 0);
    for (int32_t i = 0; i < count; i++) {
        struct consumer_current current = { .epoch = epoch,
            .previous_epoch = epoch,
            .state = MEMBER_STABLE,
            .assigned = entrants[i].assigned };
        add_current(out, (struct consumer_names){ id, entrants[i].member->id }, &current);
    }
    consumer_apply_apart(upgrade->to, out, since, decider->arena);
}

static bool has_two_owners(const struct consumer_group *group)
{
    for (const struct held_topic *held = group->held; held != NULL; held = held->hh.next)
        for (int32_t i = 0; i < held->count; i++)
            if (held->holders[i] > 1)
                return true;
    return false;
}

static const char *check(const struct group_decider *decider, const struct classic_group *group)
{
    const struct coordinator_settings *settings = &decider->coordinator->settings;
    if (settings->migration_policy != MIGRATION_UPGRADE &&
        settings->migration_policy != MIGRATION_BIDIRECTIONAL)
        return "group.consumer.migration.policy does not allow it";
    if (!str_is(group->protocol_type, "consumer"))
        return "its members are no consumers";
    return classic_group_size(group) > settings->consumer_max_size
               ? "it has more members than a consumer group may"
               : NULL;
}

/* A group that has not had a generation has no protocol and no epoch yet. */
static const char *try(
    struct group_decider *decider, bool trusts_owned, struct group_upgrade *upgrade)
{
    const struct classic_group *group = upgrade->from->classic;
    struct str protocol = str_is_null(group->protocol)
                              ? classic_group_select_protocol(group, NULL, NULL)
                              : group->protocol;
    bool has_epoch = group->generation > 0 && group->generation < INT32_MAX;
    int32_t epoch = has_epoch ? group->generation : FIRST_GROUP_EPOCH;
    int32_t count = 0;
    struct entrant *entrants =
        arena_take_array(decider->arena, (size_t)classic_group_size(group), sizeof(*entrants));
    for (const struct classic_member *at = group->members; at != NULL; at = at->hh.next) {
        struct entrant *entrant = &entrants[count++];
        *entrant = (struct entrant){ .member = at };
        if (!subscription_parse(classic_member_metadata(at, protocol), decider->arena,
                &entrant->subscription, NULL))
            return "a subscription of it cannot be read";
        const char *fault = read_assignment(decider, epoch, trusts_owned, entrant);
        if (fault != NULL)
            return fault;
    }
    upgrade->records = (struct rsm_decision){ .arena = decider->arena };
    upgrade->to = group_make_apart(decider->coordinator, group_id(upgrade->from));
    make(decider, upgrade, entrants, count, epoch);
    return NULL;
}

const char *upgrade_prepare(
    struct group_decider *decider, const struct group *from, struct group_upgrade *out_upgrade)
{
    *out_upgrade = (struct group_upgrade){ .from = from };
    const char *fault = check(decider, from->classic);
    if (fault == NULL)
        fault = try(decider, true, out_upgrade);
    if (fault == NULL && has_two_owners(out_upgrade->to->consumer)) {
        group_free(out_upgrade->to); /* somebody speaks of long ago */
        out_upgrade->to = NULL;
        fault = try(decider, false, out_upgrade);
    }
    if (fault == NULL && has_two_owners(out_upgrade->to->consumer))
        fault = "a partition is assigned to two members";
    return fault == NULL
               ? NULL
               : arena_format(decider->arena,
                     "The group speaks the classic protocol and cannot change: %s.", fault);
}

void upgrade_carry_out(struct group_decider *decider, const struct group_upgrade *upgrade)
{
    classic_interrupt(decider, upgrade->from->classic);
    classic_group_record_gone(decider, group_id(upgrade->from));
    for (int32_t i = 0; i < upgrade->records.record_count; i++)
        rsm_decision_add(decider->decision, upgrade->records.records[i]);
}
