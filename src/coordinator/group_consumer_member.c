/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "coordinator/assign.h"
#include "coordinator/group_consumer_plan.h"

/* A group that has offsets only, or a classic one, may become one. */
enum error plan_group(struct consumer_plan *plan)
{
    const struct group *group = group_find(plan->decider->coordinator, plan->group_id);
    bool joins = plan->request->member_epoch == JOINING;
    if (consumer_group_is(group)) {
        plan->group = group;
        plan->epoch = group->consumer->epoch;
        plan->assignment_epoch = group->consumer->assignment_epoch;
        return ERROR_NONE;
    }
    plan->epoch = plan->assignment_epoch = FIRST_GROUP_EPOCH;
    if (!joins || (group != NULL && group->kind != &classic_kind))
        return ERROR_GROUP_ID_NOT_FOUND;
    if (group == NULL || group->kind->is_empty(group))
        return ERROR_NONE;
    plan->refusal = upgrade_prepare(plan->decider, group, &plan->upgrade);
    if (plan->refusal != NULL)
        return ERROR_GROUP_ID_NOT_FOUND;
    plan->group = plan->upgrade.to;
    plan->epoch = plan->assignment_epoch = plan->group->consumer->epoch;
    return ERROR_NONE;
}

enum error plan_room(const struct consumer_plan *plan)
{
    const struct consumer_group_heartbeat_request *request = plan->request;
    int32_t most = plan->decider->coordinator->settings.consumer_max_size;
    if (plan->group == NULL)
        return most > 0 ? ERROR_NONE : ERROR_GROUP_MAX_SIZE_REACHED;
    if (consumer_group_size(plan->group) < most ||
        consumer_member_find(plan->group, request->member_id) != NULL)
        return ERROR_NONE;
    if (!str_is_null(request->instance_id) &&
        consumer_member_static(plan->group, request->member_id, request->instance_id) != NULL)
        return ERROR_NONE;
    return ERROR_GROUP_MAX_SIZE_REACHED;
}

/* The answer that brought the present epoch may be lost: then the member comes with the one before,
 * and has nothing that it should not have. */
static enum error check_epoch(const struct consumer_plan *plan)
{
    const struct consumer_current *current = &plan->before->current;
    int32_t epoch = plan->request->member_epoch;
    if (epoch == JOINING || epoch == current->epoch)
        return ERROR_NONE;
    return epoch < current->epoch && epoch == current->previous_epoch &&
                   plan_owned_is_within(plan->request, &current->assigned)
               ? ERROR_NONE
               : ERROR_FENCED_MEMBER_EPOCH;
}

static enum error find_static(struct consumer_plan *plan)
{
    const struct consumer_group_heartbeat_request *request = plan->request;
    bool joins = request->member_epoch == JOINING;
    plan->before = plan->group == NULL
                       ? NULL
                       : consumer_member_static(plan->group, plan->member_id, request->instance_id);
    if (plan->before == NULL) {
        if (joins && plan->group != NULL)
            plan->before = consumer_member_find(plan->group, plan->member_id);
        return joins ? ERROR_NONE : ERROR_UNKNOWN_MEMBER_ID;
    }
    if (joins) {
        plan->replaces = true;
        return plan->before->classic != NULL || plan->before->current.epoch == LEFT_STATICALLY
                   ? ERROR_NONE
                   : ERROR_UNRELEASED_INSTANCE_ID;
    }
    return str_equal(member_id(plan->before), plan->member_id) ? check_epoch(plan)
                                                               : ERROR_FENCED_INSTANCE_ID;
}

enum error plan_member(struct consumer_plan *plan)
{
    enum error error = ERROR_NONE;
    if (!str_is_null(plan->request->instance_id)) {
        error = find_static(plan);
    } else {
        plan->before =
            plan->group == NULL ? NULL : consumer_member_find(plan->group, plan->member_id);
        if (plan->before != NULL)
            error = check_epoch(plan);
        else if (plan->request->member_epoch != JOINING)
            error = ERROR_UNKNOWN_MEMBER_ID;
    }
    return error == ERROR_NONE ? plan_current(plan) : error;
}

enum error plan_current(struct consumer_plan *plan)
{
    if (plan->before == NULL)
        return ERROR_NONE;
    plan->current = plan->before->current;
    if (plan->replaces)
        plan->current.epoch = plan->current.previous_epoch = 0;
    return plan->current.state == MEMBER_UNKNOWN && plan->request->topic_partitions_count != 0
               ? ERROR_FENCED_MEMBER_EPOCH
               : ERROR_NONE;
}

static struct consumer_group_member_metadata_record_classic_member_metadata *copy_classic(
    struct arena *arena, const struct consumer_classic *classic)
{
    if (classic == NULL)
        return NULL;
    struct consumer_group_member_metadata_record_classic_member_metadata *copy =
        MESSAGE_TAKE(consumer_group_member_metadata_record_classic_member_metadata, arena, 1);
    copy->session_timeout_ms = classic->session_ms;
    copy->supported_protocols = MESSAGE_TAKE(
        consumer_group_member_metadata_record_classic_protocol, arena, classic->protocol_count);
    copy->supported_protocols_count = classic->protocol_count;
    for (int32_t i = 0; i < classic->protocol_count; i++) {
        copy->supported_protocols[i].name = classic->protocols[i].name;
        copy->supported_protocols[i].metadata = classic->protocols[i].metadata;
    }
    return copy;
}

void copy_member_metadata(struct arena *arena, const struct consumer_member *member,
    struct consumer_group_member_metadata_record *metadata)
{
    metadata->instance_id = member->instance_id;
    metadata->rack_id = member->rack_id;
    metadata->client_id = member->client_id;
    metadata->client_host = member->client_host;
    metadata->subscribed_topic_names = member->topics;
    metadata->subscribed_topic_names_count = member->topic_count;
    metadata->subscribed_topic_regex = member->regex;
    metadata->rebalance_timeout_ms = member->rebalance_timeout_ms;
    metadata->server_assignor = member->assignor;
    metadata->classic_member_metadata = copy_classic(arena, member->classic);
}

/* What only a member of the classic protocol says. */
static bool classic_differs(
    const struct consumer_group_member_metadata_record_classic_member_metadata *one,
    const struct consumer_group_member_metadata_record_classic_member_metadata *other)
{
    if (one == NULL || other == NULL)
        return one != other;
    bool differs = one->session_timeout_ms != other->session_timeout_ms ||
                   one->supported_protocols_count != other->supported_protocols_count;
    for (int32_t i = 0; !differs && i < one->supported_protocols_count; i++)
        differs =
            !str_equal(one->supported_protocols[i].name, other->supported_protocols[i].name) ||
            !bytes_equal(
                one->supported_protocols[i].metadata, other->supported_protocols[i].metadata);
    return differs;
}

static bool set_text(struct str *text, struct str new_one)
{
    bool changes = !str_equal(*text, new_one);
    *text = new_one;
    return changes;
}

static int by_name(const void *a, const void *b)
{
    return str_compare(*(const struct str *)a, *(const struct str *)b);
}

struct str *sort_names(
    struct arena *arena, const struct str *names, int32_t count, int32_t *out_count)
{
    int32_t kept = 0;
    struct str *sorted = arena_take_array(arena, (size_t)count, sizeof(*sorted));
    if (count > 0)
        memcpy(sorted, names, (size_t)count * sizeof(*sorted));
    if (count > 1)
        qsort(sorted, (size_t)count, sizeof(*sorted), by_name);
    for (int32_t i = 0; i < count; i++)
        if (kept == 0 || !str_equal(sorted[kept - 1], sorted[i]))
            sorted[kept++] = sorted[i];
    *out_count = kept;
    return sorted;
}

/* The log would refuse it, but to sort so much is too long for a pass. A name that is repeated
 * counts as often. */
static bool is_too_long(const struct consumer_plan *plan)
{
    const struct consumer_group_heartbeat_request *request = plan->request;
    size_t most = plan->decider->request->record_most, size = 0;
    for (int32_t i = 0; i < request->subscribed_topic_names_count; i++)
        size += 1 + (size_t)request->subscribed_topic_names[i].size;
    return most > 0 && size > most;
}

static void set_names(struct consumer_plan *plan)
{
    const struct consumer_group_heartbeat_request *request = plan->request;
    struct consumer_group_member_metadata_record *metadata = &plan->metadata;
    int32_t count;
    struct str *names = sort_names(plan->decider->arena, request->subscribed_topic_names,
        request->subscribed_topic_names_count, &count);
    plan->names_changed = count != metadata->subscribed_topic_names_count;
    for (int32_t i = 0; i < count && !plan->names_changed; i++)
        plan->names_changed = !str_equal(names[i], metadata->subscribed_topic_names[i]);
    if (!plan->names_changed)
        return;
    plan_source(plan, metadata->subscribed_topic_names, metadata->subscribed_topic_names_count, -1);
    plan_source(plan, names, count, 1);
    metadata->subscribed_topic_names = names;
    metadata->subscribed_topic_names_count = count;
}

enum error plan_metadata(struct consumer_plan *plan)
{
    const struct consumer_group_heartbeat_request *request = plan->request;
    struct consumer_group_member_metadata_record *metadata = &plan->metadata;
    message_defaults(&consumer_group_member_metadata_record_schema, metadata);
    metadata->classic_member_metadata = NULL;
    metadata->instance_id = metadata->rack_id = metadata->server_assignor = (struct str){ 0 };
    metadata->subscribed_topic_regex = STR("");
    bool changes = plan->before == NULL;
    if (is_too_long(plan)) {
        plan->refusal = "The subscription is longer than a record may be.";
        return coordinator_error(ERROR_MESSAGE_TOO_LARGE);
    }
    if (plan->before != NULL)
        copy_member_metadata(plan->decider->arena, plan->before, metadata);
    changes |= classic_differs(metadata->classic_member_metadata, plan->classic);
    metadata->classic_member_metadata = plan->classic;
    if (!str_is_null(request->instance_id))
        changes |= set_text(&metadata->instance_id, request->instance_id);
    if (!str_is_null(request->rack_id))
        changes |= set_text(&metadata->rack_id, request->rack_id);
    if (!str_is_null(request->subscribed_topic_regex))
        changes |= set_text(&metadata->subscribed_topic_regex, request->subscribed_topic_regex);
    if (!str_is_null(request->server_assignor))
        plan->assignor_changed = set_text(&metadata->server_assignor, request->server_assignor);
    changes |= set_text(&metadata->client_id, plan->decider->request->client_id);
    changes |= set_text(&metadata->client_host, plan->decider->request->client_host);
    if (request->rebalance_timeout_ms != -1) {
        changes |= metadata->rebalance_timeout_ms != request->rebalance_timeout_ms;
        metadata->rebalance_timeout_ms = request->rebalance_timeout_ms;
    }
    if (request->subscribed_topic_names_count >= 0)
        set_names(plan);
    enum error error = plan_regexes(plan);
    plan->is_changed = changes || plan->names_changed || plan->assignor_changed;
    const struct str none = { 0 };
    if (plan->assignor_changed)
        plan->assignor_changed =
            plan_assignor(plan) != consumer_group_assignor(plan->decider, plan->group, NULL, none);
    return error;
}
