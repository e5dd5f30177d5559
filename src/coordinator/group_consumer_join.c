/* SPDX-License-Identifier: Apache-2.0 */
/* JoinGroup to a consumer group: a heartbeat in other words. */
#include <stdlib.h>

#include "coordinator/group_consumer.h"
#include "coordinator/group_consumer_plan.h"
#include "coordinator/group_downgrade.h"
#include "coordinator/subscription.h"

static void refuse(struct group_decider *decider, enum error error, struct str member_id)
{
    struct join_group_response *response = decider->request->response;
    response->error_code = (int16_t)error;
    response->member_id = member_id;
    response->protocol_name = (struct str){ 0 };
}

static int by_name(const void *a, const void *b)
{
    return str_compare(*(const struct str *)a, *(const struct str *)b);
}

/* All that speak the classic protocol support one of those that are proposed; members of the newer
 * one do not care. */
static bool supports(const struct group_decider *decider, const struct group *group)
{
    const struct join_group_request *request = decider->request->request;
    if (!str_is(request->protocol_type, "consumer") || request->protocols_count <= 0)
        return false;
    size_t proposed = (size_t)request->protocols_count;
    struct str *names = arena_take_array(decider->arena, proposed, sizeof(*names));
    for (size_t i = 0; i < proposed; i++)
        names[i] = request->protocols[i].name;
    qsort(names, proposed, sizeof(*names), by_name);
    /* How many members in a row support it, from the first on. */
    int32_t *supporters = arena_take_array(decider->arena, proposed, sizeof(*supporters)),
            asked = 0;
    for (const struct consumer_member *at = group->consumer->members; at != NULL;
         at = at->hh.next) {
        asked += at->classic != NULL;
        for (int32_t i = 0; at->classic != NULL && i < at->classic->protocol_count; i++) {
            const struct str *found =
                bsearch(&at->classic->protocols[i].name, names, proposed, sizeof(*names), by_name);
            if (found != NULL && supporters[found - names] == asked - 1)
                supporters[found - names] = asked;
        }
    }
    for (size_t i = 0; i < proposed; i++)
        if (supporters[i] == asked)
            return true;
    return false;
}

static void set_owned(const struct group_decider *decider,
    const struct consumer_protocol_subscription_record *subscription,
    struct consumer_group_heartbeat_request *request)
{
    request->topic_partitions = MESSAGE_TAKE(consumer_group_heartbeat_request_topic_partitions,
        decider->arena, subscription->owned_partitions_count);
    request->topic_partitions_count = 0;
    for (int32_t i = 0; i < subscription->owned_partitions_count; i++) {
        const struct consumer_protocol_subscription_record_topic_partition *owned =
            &subscription->owned_partitions[i];
        const struct image_topic *topic =
            image_topic_by_name(decider->request->image, owned->topic);
        if (topic == NULL || owned->partitions_count == 0)
            continue;
        struct consumer_group_heartbeat_request_topic_partitions *to =
            &request->topic_partitions[request->topic_partitions_count++];
        to->topic_id = topic->id;
        to->partitions = owned->partitions;
        to->partitions_count = owned->partitions_count;
    }
}

/* What it would say in a heartbeat. Every protocol of a consumer comes with the same subscription.
 * False: it cannot be read. */
static bool make_request(const struct group_decider *decider, struct str member_id,
    struct consumer_group_heartbeat_request *request)
{
    const struct join_group_request *join = decider->request->request;
    struct consumer_protocol_subscription_record subscription;
    if (!subscription_parse(join->protocols[0].metadata, decider->arena, &subscription, NULL))
        return false;
    message_defaults(&consumer_group_heartbeat_request_schema, request);
    request->group_id = join->group_id;
    request->member_id = member_id;
    request->member_epoch = JOINING;
    request->instance_id = join->group_instance_id;
    request->rack_id = subscription.rack_id.size == 0 ? (struct str){ 0 } : subscription.rack_id;
    request->rebalance_timeout_ms =
        join->rebalance_timeout_ms == -1 ? join->session_timeout_ms : join->rebalance_timeout_ms;
    request->subscribed_topic_names = subscription.topics;
    request->subscribed_topic_names_count = subscription.topics_count;
    request->subscribed_topic_regex = STR("");
    set_owned(decider, &subscription, request);
    return true;
}

static struct consumer_group_member_metadata_record_classic_member_metadata *make_classic(
    const struct group_decider *decider)
{
    const struct join_group_request *join = decider->request->request;
    struct consumer_group_member_metadata_record_classic_member_metadata *classic = MESSAGE_TAKE(
        consumer_group_member_metadata_record_classic_member_metadata, decider->arena, 1);
    classic->session_timeout_ms = join->session_timeout_ms;
    classic->supported_protocols =
        MESSAGE_TAKE(consumer_group_member_metadata_record_classic_protocol, decider->arena,
            join->protocols_count);
    classic->supported_protocols_count = join->protocols_count;
    for (int32_t i = 0; i < join->protocols_count; i++) {
        classic->supported_protocols[i].name = join->protocols[i].name;
        classic->supported_protocols[i].metadata = join->protocols[i].metadata;
    }
    return classic;
}

/* A static member that does not know its id takes the place of its older self, whichever protocol
 * that speaks. */
static enum error find_static(struct consumer_plan *plan, bool is_unknown)
{
    plan->before = consumer_member_static(plan->group, plan->member_id, plan->request->instance_id);
    plan->replaces = is_unknown && plan->before != NULL;
    if (is_unknown)
        return ERROR_NONE;
    if (plan->before == NULL)
        return ERROR_UNKNOWN_MEMBER_ID;
    return str_equal(member_id(plan->before), plan->member_id) ? ERROR_NONE
                                                               : ERROR_FENCED_INSTANCE_ID;
}

/* Its session has ended, and it does not know: what it owns is another's by now. */
static bool is_of_the_past(const struct consumer_plan *plan)
{
    return plan->before == NULL && plan->request->topic_partitions_count > 0;
}

static enum error plan_joining(struct consumer_plan *plan, bool is_unknown)
{
    enum error error = ERROR_NONE;
    if (str_is_null(plan->request->instance_id))
        plan->before = consumer_member_find(plan->group, plan->member_id);
    else
        error = find_static(plan, is_unknown);
    if (error == ERROR_NONE && is_of_the_past(plan))
        error = ERROR_UNKNOWN_MEMBER_ID;
    if (error == ERROR_NONE)
        error = plan_current(plan);
    return error == ERROR_NONE ? plan_metadata(plan) : error;
}

static void arm_deadlines(const struct consumer_plan *plan)
{
    struct coordinator *coordinator = plan->decider->coordinator;
    struct consumer_member *member = plan_live_member(plan);
    int64_t now = plan->decider->steady_ms;
    coordinator->new_sync_end_ms = now + plan->metadata.rebalance_timeout_ms;
    coordinator->new_session_end_ms = now + plan->classic->session_timeout_ms;
    if (member == NULL || member->classic == NULL)
        return; /* with the record that says so */
    deadline_arm(coordinator, &member->session, coordinator->new_session_end_ms);
    deadline_arm(coordinator, &member->classic->sync, coordinator->new_sync_end_ms);
    deadline_cancel(coordinator, &member->classic->join);
}

static void answer(const struct consumer_plan *plan)
{
    struct join_group_response *response = plan->decider->request->response;
    response->member_id = plan->member_id;
    response->generation_id = plan->current.epoch;
    response->protocol_type = STR("consumer");
    response->protocol_name = plan->classic->supported_protocols[0].name;
}

/* The last member of the consumer protocol comes back as one of the classic: the group is a classic
 * one then, and goes on as it is when it is settled. */
static bool downgrades(const struct consumer_plan *plan)
{
    const struct consumer_member *before = plan->before;
    if (!plan->replaces || before->classic != NULL)
        return false;
    const struct consumer_group *kept = plan->group->consumer;
    bool was_settled = consumer_member_is_settled(&before->current, kept->assignment_epoch);
    bool is_settled = plan->epoch == plan->assignment_epoch && !plan->names_changed &&
                      !plan->regex_changed &&
                      kept->settled_count - was_settled == consumer_group_size(plan->group) - 1;
    struct consumer_member *leaving = consumer_member_find(plan->group, member_id(before));
    struct group_downgrade wish = { .from = plan->group,
        .leaving = &leaving,
        .leaving_count = 1,
        .joining = plan,
        .rebalances = !is_settled };
    return decide_downgrade(plan->decider, &wish);
}

static void join(struct group_decider *decider, const struct group *group, struct str id)
{
    const struct join_group_request *wish = decider->request->request;
    struct consumer_group_heartbeat_request request;
    struct consumer_plan plan = { .decider = decider,
        .request = &request,
        .group = group,
        .group_id = wish->group_id,
        .member_id = id,
        .epoch = group->consumer->epoch,
        .assignment_epoch = group->consumer->assignment_epoch };
    if (!make_request(decider, id, &request)) {
        refuse(decider, ERROR_INCONSISTENT_GROUP_PROTOCOL, STR(""));
        return;
    }
    plan.classic = make_classic(decider);
    enum error error = plan_joining(&plan, wish->member_id.size == 0);
    if (error != ERROR_NONE) {
        refuse(decider, error, STR(""));
        return;
    }
    if (downgrades(&plan)) {
        plan.current.epoch = plan.epoch;
    } else {
        plan_carry_out(&plan);
        arm_deadlines(&plan);
    }
    answer(&plan);
}

static bool has_room(struct group_decider *decider, const struct group *group)
{
    const struct join_group_request *wish = decider->request->request;
    struct consumer_group_heartbeat_request request = { .member_id = wish->member_id,
        .instance_id = wish->group_instance_id };
    struct consumer_plan plan = { .decider = decider, .request = &request, .group = group };
    return plan_room(&plan) == ERROR_NONE;
}

void decide_consumer_join_group(struct group_decider *decider, const struct group *group)
{
    const struct join_group_request *wish = decider->request->request;
    bool is_unknown = wish->member_id.size == 0;
    struct str id = wish->member_id;
    if (is_unknown) {
        char text[UUID_TEXT_SIZE + 1];
        uuid_print(decider->request->fresh_id, text);
        id = str_copy(decider->arena, str_from(text));
    }
    if (decider->coordinator->settings.migration_policy == MIGRATION_DISABLED)
        refuse(decider, ERROR_INCONSISTENT_GROUP_PROTOCOL, STR(""));
    else if (!has_room(decider, group))
        refuse(decider, ERROR_GROUP_MAX_SIZE_REACHED, STR(""));
    else if (!supports(decider, group))
        refuse(decider, ERROR_INCONSISTENT_GROUP_PROTOCOL, STR(""));
    else if (is_unknown && wish->requires_member_id && str_is_null(wish->group_instance_id))
        refuse(decider, ERROR_MEMBER_ID_REQUIRED, id);
    else
        join(decider, group, id);
}
