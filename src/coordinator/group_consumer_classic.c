/* SPDX-License-Identifier: Apache-2.0 */
/* Members of a consumer group that speak the classic protocol. To them an epoch is a generation and
 * the coordinator the leader: JoinGroup (group_consumer_join.c) is their heartbeat that says what
 * they have, SyncGroup brings what they may have now, and Heartbeat tells when to join again. */
#include "coordinator/group_consumer.h"
#include "coordinator/group_consumer_plan.h"
#include "coordinator/subscription.h"
#include "wire/gen/heartbeat.h"
#include "wire/gen/sync_group.h"

/* Who asks: in *out_member, unless it is refused. */
static enum error find_member(const struct group *group, struct str id, struct str instance_id,
    int32_t generation, struct consumer_member **out_member)
{
    bool is_static = !str_is_null(instance_id);
    struct consumer_member *member = is_static ? consumer_member_static(group, id, instance_id)
                                               : consumer_member_find(group, id);
    if (member == NULL)
        return ERROR_UNKNOWN_MEMBER_ID;
    if (is_static && !str_equal(member_id(member), id))
        return ERROR_FENCED_INSTANCE_ID;
    if (member->classic == NULL)
        return ERROR_UNKNOWN_MEMBER_ID;
    *out_member = member;
    return generation == member->current.epoch ? ERROR_NONE : ERROR_ILLEGAL_GENERATION;
}

static void keep_session(const struct group_decider *decider, struct consumer_member *member)
{
    deadline_arm(
        decider->coordinator, &member->session, decider->steady_ms + member->classic->session_ms);
}

/* It has the time of a rebalance for that, from the first time that it is told. */
static enum error tell_to_join(const struct group_decider *decider, struct consumer_member *member)
{
    struct deadline *join = &member->classic->join;
    if (!heap_has(&join->entry))
        deadline_arm(decider->coordinator, join, decider->steady_ms + member->rebalance_timeout_ms);
    return ERROR_REBALANCE_IN_PROGRESS;
}

static bool waits_for_others(const struct consumer_member *member)
{
    const struct partition_set *target = &member->target;
    for (int32_t i = 0; i < target->topic_count; i++)
        for (int32_t k = 0; k < target->topics[i].count; k++) {
            struct uuid topic = target->topics[i].id;
            int32_t partition = target->topics[i].partitions[k];
            if (!partition_set_has(&member->current.assigned, topic, partition) &&
                consumer_partition_is_held(member->group, topic, partition))
                return true;
        }
    return false;
}

/* The member says nothing new, but it may be the one that finds that the group needs a target: in
 * a group of such members only there is nobody else. */
static int32_t assignment_epoch_now(
    struct group_decider *decider, const struct consumer_member *member)
{
    struct consumer_group_heartbeat_request request;
    message_defaults(&consumer_group_heartbeat_request_schema, &request);
    struct consumer_plan plan = { .decider = decider,
        .request = &request,
        .group = member->group,
        .group_id = group_id(member->group),
        .member_id = member_id(member),
        .before = member,
        .epoch = member->group->consumer->epoch,
        .assignment_epoch = member->group->consumer->assignment_epoch };
    message_defaults(&consumer_group_member_metadata_record_schema, &plan.metadata);
    copy_member_metadata(decider->arena, member, &plan.metadata);
    if (plan_regexes(&plan) != ERROR_NONE)
        return plan.assignment_epoch;
    add_regex_changes(&plan);
    plan_epoch(&plan);
    plan_target(&plan);
    return plan.assignment_epoch;
}

void decide_consumer_classic_heartbeat(struct group_decider *decider, const struct group *group)
{
    const struct heartbeat_request *request = decider->request->request;
    struct heartbeat_response *response = decider->request->response;
    struct consumer_member *member;
    enum error error = find_member(
        group, request->member_id, request->group_instance_id, request->generation_id, &member);
    if (error == ERROR_NONE) {
        const struct consumer_current *current = &member->current;
        keep_session(decider, member);
        if (current->epoch < assignment_epoch_now(decider, member) ||
            current->state == MEMBER_UNREVOKED ||
            (current->state == MEMBER_UNRELEASED && !waits_for_others(member)))
            error = tell_to_join(decider, member);
    }
    response->error_code = (int16_t)error;
}

struct bytes consumer_encode_assignment(
    const struct group_decider *decider, const struct partition_set *set, int16_t version)
{
    struct consumer_protocol_assignment_record told = {
        .assigned_partitions = MESSAGE_TAKE(
            consumer_protocol_assignment_record_topic_partition, decider->arena, set->topic_count)
    };
    for (int32_t i = 0; i < set->topic_count; i++) {
        const struct image_topic *topic =
            image_topic_by_id(decider->request->image, set->topics[i].id);
        if (topic == NULL)
            continue;
        struct consumer_protocol_assignment_record_topic_partition *to =
            &told.assigned_partitions[told.assigned_partitions_count++];
        to->topic = topic->name;
        to->partitions = set->topics[i].partitions;
        to->partitions_count = set->topics[i].count;
    }
    return subscription_encode_assignment(version, &told, decider->arena);
}

/* In the version that its subscription has. */
static struct bytes assignment_of(
    const struct group_decider *decider, const struct consumer_member *member)
{
    struct consumer_protocol_subscription_record subscription;
    int16_t version = 0;
    if (member->classic->protocol_count > 0)
        subscription_parse(
            member->classic->protocols[0].metadata, decider->arena, &subscription, &version);
    return consumer_encode_assignment(decider, &member->current.assigned, version);
}

static enum error check_sync(struct group_decider *decider, struct consumer_member *member)
{
    const struct sync_group_request *request = decider->request->request;
    const struct consumer_classic *classic = member->classic;
    bool is_of_consumers =
        str_is_null(request->protocol_type) || str_is(request->protocol_type, "consumer");
    bool is_named = str_is_null(request->protocol_name) ||
                    (classic->protocol_count > 0 &&
                        str_equal(request->protocol_name, classic->protocols[0].name));
    if (!is_of_consumers || !is_named)
        return ERROR_INCONSISTENT_GROUP_PROTOCOL;
    /* One that gives something up has joined: it syncs, and joins again when it is done. */
    bool is_behind = member->current.epoch < member->group->consumer->assignment_epoch &&
                     member->current.state != MEMBER_UNREVOKED;
    return is_behind ? tell_to_join(decider, member) : ERROR_NONE;
}

void decide_consumer_sync_group(struct group_decider *decider, const struct group *group)
{
    const struct sync_group_request *request = decider->request->request;
    struct sync_group_response *response = decider->request->response;
    struct consumer_member *member;
    enum error error = find_member(
        group, request->member_id, request->group_instance_id, request->generation_id, &member);
    if (error == ERROR_NONE)
        error = check_sync(decider, member);
    response->error_code = (int16_t)error;
    if (error != ERROR_NONE)
        return;
    deadline_cancel(decider->coordinator, &member->classic->sync);
    keep_session(decider, member);
    response->protocol_type = request->protocol_type;
    response->protocol_name = request->protocol_name;
    response->assignment = assignment_of(decider, member);
}
