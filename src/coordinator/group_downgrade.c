/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/group_downgrade.h"

#include <utlist.h>

#include "coordinator/group_classic_rebalance.h"
#include "coordinator/group_classic_record.h"
#include "coordinator/group_consumer_plan.h"
#include "coordinator/subscription.h"

static bool is_leaving(const struct group_downgrade *wish, const struct consumer_member *member)
{
    for (int32_t i = 0; i < wish->leaving_count; i++)
        if (wish->leaving[i] == member)
            return true;
    return false;
}

/* Whoever stays speaks the classic protocol, and is not too many for a classic group. */
static bool is_allowed(const struct group_decider *decider, const struct group_downgrade *wish)
{
    const struct coordinator_settings *settings = &decider->coordinator->settings;
    const struct consumer_group *kept = wish->from->consumer;
    int32_t staying = consumer_group_size(wish->from) - wish->leaving_count;
    int32_t classic = kept->classic_count, size = staying + (wish->joining != NULL);
    for (int32_t i = 0; i < wish->leaving_count; i++)
        classic -= wish->leaving[i]->classic != NULL;
    bool is_policy = settings->migration_policy == MIGRATION_DOWNGRADE ||
                     settings->migration_policy == MIGRATION_BIDIRECTIONAL;
    return is_policy && classic == staying && size > 0 && size <= settings->classic_max_size;
}

static struct classic_member *add_member(struct group_decider *decider, struct classic_group *group,
    struct str id, const struct consumer_group_member_metadata_record *metadata)
{
    const struct consumer_group_member_metadata_record_classic_member_metadata *classic =
        metadata->classic_member_metadata;
    struct join_group_request_protocol *protocols = MESSAGE_TAKE(
        join_group_request_protocol, decider->arena, classic->supported_protocols_count);
    for (int32_t i = 0; i < classic->supported_protocols_count; i++) {
        protocols[i].name = classic->supported_protocols[i].name;
        protocols[i].metadata = classic->supported_protocols[i].metadata;
    }
    struct classic_member *member = classic_member_create(
        group, id, metadata->instance_id, metadata->client_id, metadata->client_host);
    classic_member_set_protocols(member, protocols, classic->supported_protocols_count);
    member->rebalance_timeout_ms = metadata->rebalance_timeout_ms;
    member->session_timeout_ms = classic->session_timeout_ms;
    member->is_told = true;
    classic_group_add(group, member);
    classic_session_begin(member, decider->steady_ms, member->session_timeout_ms);
    return member;
}

static void add_members(
    struct group_decider *decider, const struct group_downgrade *wish, struct classic_group *group)
{
    for (const struct consumer_member *at = wish->from->consumer->members; at != NULL;
         at = at->hh.next) {
        struct consumer_group_member_metadata_record metadata;
        if (is_leaving(wish, at))
            continue;
        copy_member_metadata(decider->arena, at, &metadata);
        add_member(decider, group, member_id(at), &metadata);
    }
    if (wish->joining != NULL)
        add_member(decider, group, wish->joining->member_id, &wish->joining->metadata);
}

/* What each has is its assignment, also what it is about to give up: a settled member has its
 * target, and what others have yet is not told to be another's. False: what one subscribes to
 * cannot be read. */
static bool propose(struct group_decider *decider, const struct group_downgrade *wish,
    const struct classic_group *group)
{
    for (struct classic_member *at = group->members; at != NULL; at = at->hh.next) {
        const struct consumer_member *before = consumer_member_find(wish->from, at->id);
        struct consumer_protocol_subscription_record subscription;
        struct bytes blob = classic_member_metadata(at, group->protocol);
        int16_t version;
        if (!subscription_parse(blob, decider->arena, &subscription, &version))
            return false;
        if (before == NULL)
            before = wish->joining->before;
        struct partition_set has = partition_set_union(
            &before->current.assigned, &before->current.revoking, decider->arena);
        at->proposed = consumer_encode_assignment(decider, &has, version);
    }
    return true;
}

static bool make(
    struct group_decider *decider, const struct group_downgrade *wish, struct classic_group *group)
{
    add_members(decider, wish, group);
    classic_group_set_text(&group->protocol_type, STR("consumer"));
    classic_group_set_text(&group->protocol, classic_group_select_protocol(group));
    group->generation = wish->from->consumer->epoch;
    group->state = CLASSIC_STABLE;
    group->state_since_ms = decider->wall_ms;
    return !str_is_null(group->protocol) && propose(decider, wish, group);
}

static void tell(struct group_decider *decider, const struct group_downgrade *wish)
{
    const struct consumer_member *last = wish->leaving[0];
    for (int32_t i = 1; i < wish->leaving_count && last->classic != NULL; i++)
        last = wish->leaving[i];
    const char *reason = "the last member of the consumer protocol left";
    if (wish->joining != NULL)
        reason = "the last member of the consumer protocol came back with the classic one";
    else if (decider->request->type == COORDINATOR_TICK)
        reason = "the last member of the consumer protocol was put out";
    decide_conversion(decider, group_id(wish->from), member_id(last), &classic_kind, reason);
}

bool decide_downgrade(struct group_decider *decider, const struct group_downgrade *wish)
{
    if (!is_allowed(decider, wish))
        return false;
    struct coordinator *coordinator = decider->coordinator;
    struct group *apart = group_make_apart(coordinator, group_id(wish->from));
    struct classic_group *group = classic_group_make(apart);
    if (!make(decider, wish, group)) {
        group_free(apart);
        return false;
    }
    LL_PREPEND(coordinator->becoming, apart);
    consumer_group_remove(decider, wish->from);
    struct classic_member *leader = group->leader;
    if (wish->rebalances)
        group->leader = NULL; /* so that a load knows it */
    classic_group_record(decider, group, NULL, NULL);
    group->leader = leader;
    tell(decider, wish);
    return true;
}

struct classic_group *downgrade_empty(struct group_decider *decider, const struct group *from)
{
    consumer_group_remove(decider, from);
    return classic_group_begin(decider, group_id(from));
}

struct classic_group *classic_group_begin(struct group_decider *decider, struct str id)
{
    struct coordinator *coordinator = decider->coordinator;
    struct group *apart = group_make_apart(coordinator, id);
    struct classic_group *group = classic_group_make(apart);
    LL_PREPEND(coordinator->becoming, apart);
    classic_group_record_new(decider, id);
    return group;
}

bool downgrade_take(struct coordinator *coordinator, struct group *group)
{
    struct group *apart = coordinator->becoming;
    while (apart != NULL && !str_equal(group_id(apart), group_id(group)))
        apart = apart->next;
    if (apart == NULL)
        return false;
    LL_DELETE(coordinator->becoming, apart);
    group->classic = apart->classic;
    group->classic->owner = group;
    apart->kept = NULL;
    group_free(apart);
    return true;
}

void downgrade_forget(struct coordinator *coordinator)
{
    struct group *apart, *next;
    LL_FOREACH_SAFE(coordinator->becoming, apart, next)
    group_free(apart);
    coordinator->becoming = NULL;
}
