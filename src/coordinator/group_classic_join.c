/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/group_classic.h"

#include <stdio.h>

#include "coordinator/group_classic_rebalance.h"
#include "coordinator/group_classic_record.h"
#include "coordinator/group_consumer.h"
#include "coordinator/group_downgrade.h"

/* A new member whose client has gone would be waited for as long as this. */
enum { NEW_MEMBER_TIMEOUT_MS = 300000 };

static void refuse(struct group_decider *decider, enum error error, struct str member_id)
{
    struct join_group_response *response = decider->request->response;
    response->error_code = (int16_t)error;
    response->member_id = member_id;
    response->protocol_name = (struct str){ 0 };
}

/* As Java writes a UUID behind the client's or the instance's name. */
static struct str new_id(const struct group_decider *decider)
{
    const struct join_group_request *request = decider->request->request;
    const uint8_t *b = decider->request->fresh_id.bytes;
    struct str name = str_is_null(request->group_instance_id) ? decider->request->client_id
                                                              : request->group_instance_id;
    enum { UUID_SIZE = 36, ID_MOST = INT16_MAX };
    name = str_cut(name, ID_MOST - 1 - UUID_SIZE);
    char *text = arena_take(decider->arena, (size_t)name.size + 1 + UUID_SIZE + 1);
    if (name.size > 0)
        memcpy(text, name.data, (size_t)name.size);
    snprintf(text + name.size, 1 + UUID_SIZE + 1,
        "-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2],
        b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
    return (struct str){ text, name.size + 1 + UUID_SIZE };
}

/* Version 0 knows one timeout for both. */
static void set_wish(struct classic_member *member, const struct join_group_request *request)
{
    classic_member_set_protocols(member, request->protocols, request->protocols_count);
    member->session_timeout_ms = request->session_timeout_ms;
    member->rebalance_timeout_ms = request->rebalance_timeout_ms == -1
                                       ? request->session_timeout_ms
                                       : request->rebalance_timeout_ms;
}

static void add_member(struct group_decider *decider, struct classic_group *group, struct str id)
{
    const struct join_group_request *request = decider->request->request;
    struct classic_member *member = classic_member_create(group, id, request->group_instance_id,
        decider->request->client_id, decider->request->client_host);
    set_wish(member, request);
    member->is_new = true;
    if (group->state == CLASSIC_PREPARING && group->previous == CLASSIC_EMPTY)
        group->has_new_member = true;
    if (group->members == NULL)
        classic_group_set_text(&group->protocol_type, request->protocol_type);
    classic_group_add(group, member);
    classic_session_begin(member, decider->steady_ms, NEW_MEMBER_TIMEOUT_MS);
    classic_wait_for_join(decider, member);
    classic_rebalance(decider, group);
}

static void update_member(struct group_decider *decider, struct classic_member *member)
{
    set_wish(member, decider->request->request);
    classic_wait_for_join(decider, member);
    classic_rebalance(decider, member->group);
}

/* The client is to come back with the id, so that no member is left over of an answer that it did
 * not get (KIP-394). */
static void require_id(struct group_decider *decider, struct classic_group *group)
{
    const struct join_group_request *request = decider->request->request;
    struct str id = new_id(decider);
    struct classic_pending *pending = classic_pending_add(group, id);
    classic_pending_begin(pending, decider->steady_ms, request->session_timeout_ms);
    refuse(decider, ERROR_MEMBER_ID_REQUIRED, id);
}

static struct classic_member *create_successor(
    struct group_decider *decider, const struct classic_member *old)
{
    struct classic_member *next = classic_member_create(
        old->group, new_id(decider), old->instance_id, old->client_id, old->client_host);
    set_wish(next, decider->request->request);
    classic_member_set_assignment(next, classic_member_assignment(old));
    classic_session_begin(next, decider->steady_ms, next->session_timeout_ms);
    return next;
}

/* Nothing changes for the others: the newer self takes over what the older has, once that is in the
 * log. One that leads is told its members, but not to assign (KIP-814); an older client hears of
 * its older self as the leader, and so does not assign either. */
static void replace_in_stable_group(
    struct group_decider *decider, struct classic_member *old, struct classic_member *next)
{
    struct classic_group *group = old->group;
    const struct join_group_request *request = decider->request->request;
    struct join_group_response *response = decider->request->response;
    for (struct classic_member *at = group->members; at != NULL; at = at->hh.next)
        at->proposed = classic_member_assignment(at);
    next->proposed = classic_member_assignment(next);
    classic_group_record(decider, group, old, next);
    if (group->successor != NULL)
        classic_member_destroy(group->successor);
    group->successor = next;
    bool leads = request->skips_assignment && group->leader == old;
    classic_tell_generation(old, decider->request, leads);
    response->member_id = str_copy(decider->arena, next->id);
    response->skip_assignment = leads;
    if (!leads)
        return;
    response->leader = response->member_id;
    struct bytes metadata = classic_member_metadata(next, group->protocol);
    metadata.data = arena_copy(decider->arena, metadata.data, metadata.size);
    for (int32_t i = 0; i < response->members_count; i++)
        if (str_equal(response->members[i].member_id, old->id)) {
            response->members[i].member_id = response->member_id;
            response->members[i].metadata = metadata;
        }
}

static void replace_static(struct group_decider *decider, struct classic_member *old)
{
    struct classic_group *group = old->group;
    struct classic_member *next = create_successor(decider, old);
    struct str selected = classic_group_select_protocol_with(group, old, next);
    if (group->state == CLASSIC_STABLE && str_equal(selected, group->protocol)) {
        replace_in_stable_group(decider, old, next);
        return;
    }
    bool led = group->leader == old;
    classic_member_end(decider, old, ERROR_FENCED_INSTANCE_ID);
    classic_group_add(group, next);
    if (led)
        group->leader = next;
    classic_wait_for_join(decider, next);
    classic_rebalance(decider, group);
}

static void join_as_new(struct group_decider *decider, struct classic_group *group)
{
    const struct join_group_request *request = decider->request->request;
    bool is_static = !str_is_null(request->group_instance_id);
    struct classic_member *older =
        is_static ? classic_group_find_static(group, request->group_instance_id) : NULL;
    if (older != NULL)
        replace_static(decider, older);
    else if (!is_static && request->requires_member_id)
        require_id(decider, group);
    else
        add_member(decider, group, new_id(decider));
}

static bool wants_as_before(
    const struct classic_member *member, const struct join_group_request *request)
{
    if (member->protocol_count != request->protocols_count)
        return false;
    for (int32_t i = 0; i < member->protocol_count; i++) {
        const struct join_group_request_protocol *had = &member->protocols[i],
                                                 *has = &request->protocols[i];
        if (!str_equal(had->name, has->name) || !bytes_equal(had->metadata, has->metadata))
            return false;
    }
    return true;
}

/* One that asks again, as it did before, hears of the generation that it is in, unless it leads a
 * stable group: then it has a reason to assign anew. */
static void join_again(struct group_decider *decider, struct classic_member *member)
{
    const struct classic_group *group = member->group;
    bool leads = group->leader == member;
    bool is_settled =
        group->state == CLASSIC_COMPLETING || (group->state == CLASSIC_STABLE && !leads);
    if (is_settled && wants_as_before(member, decider->request->request))
        classic_tell_generation(member, decider->request, leads);
    else
        update_member(decider, member);
}

static void join_with_id(struct group_decider *decider, struct classic_group *group)
{
    const struct join_group_request *request = decider->request->request;
    struct classic_pending *pending = classic_pending_find(group, request->member_id);
    if (pending != NULL && !str_is_null(request->group_instance_id)) {
        refuse(decider, ERROR_UNKNOWN_SERVER_ERROR, STR("")); /* static ones never are */
        return;
    }
    if (pending != NULL) {
        classic_pending_remove(pending);
        add_member(decider, group, request->member_id);
        return;
    }
    enum error error =
        classic_group_check_member(group, request->member_id, request->group_instance_id);
    if (error != ERROR_NONE)
        refuse(decider, error, request->member_id);
    else
        join_again(decider, classic_group_find(group, request->member_id));
}

/* While members join, those who wait count: so that too large a group shrinks. */
static bool is_full(const struct classic_group *group, const struct classic_member *member)
{
    int32_t most = group->owner->coordinator->settings.classic_max_size;
    if (group->state == CLASSIC_EMPTY)
        return false;
    if (group->state == CLASSIC_PREPARING)
        return (member == NULL || member->join == NULL) && group->joining >= most;
    return member == NULL && classic_group_size(group) >= most;
}

static void turn_away(
    struct group_decider *decider, struct classic_group *group, struct classic_member *member)
{
    const struct join_group_request *request = decider->request->request;
    struct classic_pending *pending = classic_pending_find(group, request->member_id);
    refuse(decider, ERROR_GROUP_MAX_SIZE_REACHED, STR(""));
    if (pending != NULL)
        classic_pending_remove(pending);
    if (member != NULL)
        classic_member_end(decider, member, ERROR_UNKNOWN_MEMBER_ID);
    if (group->state == CLASSIC_PREPARING)
        classic_rebalance(decider, group);
}

static enum error check_request(const struct group_decider *decider)
{
    const struct join_group_request *request = decider->request->request;
    const struct coordinator_settings *settings = &decider->coordinator->settings;
    if (request->group_id.size == 0)
        return ERROR_INVALID_GROUP_ID;
    bool is_session_valid = request->session_timeout_ms >= settings->classic_min_session_ms &&
                            request->session_timeout_ms <= settings->classic_max_session_ms;
    return is_session_valid ? ERROR_NONE : ERROR_INVALID_SESSION_TIMEOUT;
}

static void join_existing_group(struct group_decider *decider, struct group *owner)
{
    struct classic_group *group = classic_group_make(owner); /* there may be offsets only */
    const struct join_group_request *request = decider->request->request;
    struct classic_member *member = classic_group_find(group, request->member_id);
    if (is_full(group, member))
        turn_away(decider, group, member);
    else if (!classic_group_supports(group, request))
        refuse(decider, ERROR_INCONSISTENT_GROUP_PROTOCOL, request->member_id);
    else if (request->member_id.size == 0)
        join_as_new(decider, group);
    else
        join_with_id(decider, group);
    classic_group_drop_if_unused(group);
}

/* The group is there, in the log as well, from the first try to join it on. A group of consumers of
 * the newer protocol that have all gone makes room. */
static void join_new_group(struct group_decider *decider, const struct group *empty)
{
    const struct join_group_request *request = decider->request->request;
    const struct join_group_response *response = decider->request->response;
    if (request->member_id.size > 0) {
        refuse(decider, ERROR_UNKNOWN_MEMBER_ID, request->member_id);
    } else if (!classic_group_supports(&(struct classic_group){ 0 }, request)) {
        refuse(decider, ERROR_INCONSISTENT_GROUP_PROTOCOL, request->member_id);
    } else if (empty == NULL) {
        join_as_new(decider, classic_group_begin(decider, request->group_id));
    } else {
        join_as_new(decider, downgrade_empty(decider, empty));
        decide_conversion(decider, group_id(empty), response->member_id, &classic_kind,
            "a member of the classic protocol joined when it was empty");
    }
}

static void join_other_kind(struct group_decider *decider, const struct group *group)
{
    if (group->kind != &consumer_kind)
        refuse(decider, ERROR_INCONSISTENT_GROUP_PROTOCOL, STR(""));
    else if (group->kind->is_empty(group))
        join_new_group(decider, group);
    else
        decide_consumer_join_group(decider, group);
}

void decide_join_group(struct group_decider *decider)
{
    const struct join_group_request *request = decider->request->request;
    struct group *group = group_find(decider->coordinator, request->group_id);
    enum error error = check_request(decider);
    if (error != ERROR_NONE)
        refuse(decider, error, request->member_id);
    else if (group == NULL)
        join_new_group(decider, NULL);
    else if (group->kind != &classic_kind)
        join_other_kind(decider, group);
    else
        join_existing_group(decider, group);
}
