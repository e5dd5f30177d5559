/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/group_upgrade.h"

#include <stdlib.h>

#include "base/broken.h"
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

/* A partition that a member has, because the leader assigned it, or as it said when it joined. */
struct claim {
    struct uuid topic;
    int32_t partition, entrant;
    bool is_assigned;
};
struct claims {
    struct claim *list;
    int32_t count, capacity;
};

static int by_partition(const void *a, const void *b)
{
    const struct claim *one = a, *other = b;
    int order = memcmp(&one->topic, &other->topic, sizeof(one->topic));
    if (order != 0)
        return order;
    if (one->partition != other->partition)
        return one->partition < other->partition ? -1 : 1;
    if (one->is_assigned != other->is_assigned)
        return one->is_assigned ? -1 : 1;
    return one->entrant < other->entrant ? -1 : one->entrant > other->entrant;
}

static int by_entrant(const void *a, const void *b)
{
    const struct claim *one = a, *other = b;
    if (one->entrant != other->entrant)
        return one->entrant < other->entrant ? -1 : 1;
    return by_partition(a, b);
}

/* What there is not, is left out. */
static void add_claims(struct group_decider *decider, struct claims *claims, struct claim like,
    struct str topic_name, const int32_t *partitions, int32_t count)
{
    const struct image_topic *topic = image_topic_by_name(decider->request->image, topic_name);
    if (topic == NULL)
        return;
    if (claims->count + count > claims->capacity) {
        claims->capacity = 2 * (claims->count + count);
        struct claim *list =
            arena_take_array(decider->arena, (size_t)claims->capacity, sizeof(*list));
        if (claims->count > 0)
            memcpy(list, claims->list, (size_t)claims->count * sizeof(*list));
        claims->list = list;
    }
    like.topic = topic->id;
    for (int32_t i = 0; i < count; i++) {
        like.partition = partitions[i];
        if (partitions[i] >= 0 && partitions[i] < topic->partition_count)
            claims->list[claims->count++] = like;
    }
}

/* NULL, or what is wrong with it. A cooperative member that is joining, or has not heard of its
 * assignment yet, goes on with what it had: that it owns it stands in its subscription. */
static const char *read_member(struct group_decider *decider, struct str protocol,
    struct entrant *entrant, int32_t number, struct claims *claims)
{
    struct consumer_protocol_assignment_record told = { 0 };
    struct consumer_protocol_subscription_record *said = &entrant->subscription;
    struct bytes assignment = classic_member_assignment(entrant->member);
    if (!subscription_parse(
            classic_member_metadata(entrant->member, protocol), decider->arena, said, NULL))
        return "a subscription of it cannot be read";
    if (assignment.size > 0 && !subscription_parse_assignment(assignment, decider->arena, &told))
        return "an assignment of it cannot be read";
    if (told.user_data.size > 0)
        return "its assignor gives members data of its own, which would be lost";
    for (int32_t i = 0; i < told.assigned_partitions_count; i++)
        add_claims(decider, claims, (struct claim){ .entrant = number, .is_assigned = true },
            told.assigned_partitions[i].topic, told.assigned_partitions[i].partitions,
            told.assigned_partitions[i].partitions_count);
    for (int32_t i = 0; i < said->owned_partitions_count; i++)
        add_claims(decider, claims, (struct claim){ .entrant = number },
            said->owned_partitions[i].topic, said->owned_partitions[i].partitions,
            said->owned_partitions[i].partitions_count);
    return NULL;
}

static bool is_same_partition(const struct claim *one, const struct claim *other)
{
    return uuid_equal(one->topic, other->topic) && one->partition == other->partition;
}

/* Who was assigned it has it, else who says so. False: two were assigned it. */
static bool settle_claims(struct claims *claims)
{
    int32_t kept = 0;
    if (claims->count > 1)
        qsort(claims->list, (size_t)claims->count, sizeof(*claims->list), by_partition);
    for (int32_t i = 0; i < claims->count; i++) {
        const struct claim *last = kept == 0 ? NULL : &claims->list[kept - 1];
        const struct claim *claim = &claims->list[i];
        if (last == NULL || !is_same_partition(last, claim))
            claims->list[kept++] = *claim;
        else if (claim->is_assigned && claim->entrant != last->entrant)
            return false;
    }
    claims->count = kept;
    if (kept > 1)
        qsort(claims->list, (size_t)kept, sizeof(*claims->list), by_entrant);
    return true;
}

/* How many from there on are of the same member, or of the same topic of it. */
static int32_t run_of(const struct claims *claims, int32_t from, bool of_topic)
{
    const struct claim *first = &claims->list[from];
    int32_t to = from + 1;
    while (to < claims->count && claims->list[to].entrant == first->entrant &&
           (!of_topic || uuid_equal(claims->list[to].topic, first->topic)))
        to++;
    return to - from;
}

static void give(
    struct arena *arena, const struct claims *claims, struct entrant *entrants, int32_t epoch)
{
    for (int32_t at = 0; at < claims->count;) {
        struct partition_set *set = &entrants[claims->list[at].entrant].assigned;
        int32_t end = at + run_of(claims, at, false), topics = 0;
        for (int32_t i = at; i < end; i += run_of(claims, i, true))
            topics++;
        *set = partition_set_take(arena, topics);
        while (at < end) {
            int32_t count = run_of(claims, at, true);
            struct partition_set_topic *topic =
                partition_set_add_topic(set, arena, claims->list[at].topic, count);
            for (int32_t i = 0; i < count; i++)
                partition_set_add(topic, claims->list[at++].partition, epoch);
        }
    }
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

/* Each partition that they read is somebody's. */
static bool is_whole(
    const struct consumer_topics *topics, const struct entrant *entrants, int32_t count)
{
    int64_t missing = 0;
    for (int32_t i = 0; i < topics->count; i++) {
        missing += topics->list[i]->partition_count;
        for (int32_t k = 0; k < count; k++) {
            const struct partition_set_topic *has =
                partition_set_topic(&entrants[k].assigned, topics->list[i]->id);
            missing -= has == NULL ? 0 : has->count;
        }
    }
    return missing == 0;
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
    const struct consumer_topics *topics = plan_topics(&plan);
    upgrade->rebalances =
        upgrade->from->classic->state != CLASSIC_STABLE || !is_whole(topics, entrants, count);
    add_group_epoch(out, id, epoch, topics->hash);
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
static const char *convert(struct group_decider *decider, struct group_upgrade *upgrade)
{
    const struct classic_group *group = upgrade->from->classic;
    struct str protocol = str_is_null(group->protocol)
                              ? classic_group_select_protocol(group)
                              : group->protocol;
    bool has_epoch = group->generation > 0 && group->generation < INT32_MAX;
    int32_t epoch = has_epoch ? group->generation : FIRST_GROUP_EPOCH, count = 0;
    struct claims claims = { 0 };
    struct entrant *entrants =
        arena_take_array(decider->arena, (size_t)classic_group_size(group), sizeof(*entrants));
    for (const struct classic_member *at = group->members; at != NULL; at = at->hh.next) {
        entrants[count] = (struct entrant){ .member = at };
        const char *fault = read_member(decider, protocol, &entrants[count], count, &claims);
        if (fault != NULL)
            return fault;
        count++;
    }
    if (!settle_claims(&claims))
        return "a partition is assigned to two members";
    if (!broken(owners_forgotten))
        give(decider->arena, &claims, entrants, epoch);
    upgrade->to = group_make_apart(decider->coordinator, group_id(upgrade->from));
    make(decider, upgrade, entrants, count, epoch);
    return NULL;
}

const char *upgrade_prepare(
    struct group_decider *decider, const struct group *from, struct group_upgrade *out_upgrade)
{
    *out_upgrade = (struct group_upgrade){ .from = from, .records = { .arena = decider->arena } };
    const char *fault = check(decider, from->classic);
    if (fault == NULL)
        fault = convert(decider, out_upgrade);
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
