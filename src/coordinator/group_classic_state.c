/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/group_classic_state.h"

#include <assert.h>

#include "base/memory.h"

struct classic_group *classic_group_make(struct group *group)
{
    assert(group->kind == &classic_kind);
    if (group->classic == NULL) {
        group->classic = memory_take(sizeof(*group->classic));
        group->classic->owner = group;
        group->classic->state_since_ms = -1;
    }
    return group->classic;
}

void classic_group_free(struct group *owner)
{
    struct classic_group *group = owner->classic;
    struct classic_member *member, *next;
    HASH_ITER(hh, group->members, member, next)
    {
        classic_group_take_out(group, member);
        classic_member_destroy(member);
    }
    if (group->successor != NULL)
        classic_member_destroy(group->successor);
    while (group->pending != NULL)
        classic_pending_remove(group->pending);
    assert(group->supports == NULL && group->leader == NULL);
    deadline_cancel(owner->coordinator, &group->deadline);
    classic_topics_forget(group);
    memory_give(group->written);
    classic_group_set_text(&group->protocol_type, STR(""));
    classic_group_set_text(&group->protocol, STR(""));
    memory_give(group);
}

void classic_group_drop_if_unused(struct classic_group *group)
{
    bool is_used = group->state != CLASSIC_EMPTY || group->written != NULL ||
                   group->generation > 0 || group->pending != NULL;
    if (!is_used)
        group_end(group->owner);
}

int32_t classic_group_rebalance_timeout(const struct classic_group *group)
{
    int32_t longest = 0;
    for (const struct classic_member *at = group->members; at != NULL; at = at->hh.next)
        if (at->rebalance_timeout_ms > longest)
            longest = at->rebalance_timeout_ms;
    return longest;
}

void classic_group_set_text(struct str *text, struct str value)
{
    struct str copy = { value.size == 0 ? NULL : str_copy_owned(value), value.size };
    memory_give((char *)text->data);
    *text = copy;
}

static struct str put_text(char **at, struct str text)
{
    if (str_is_null(text))
        return text;
    if (text.size > 0)
        memcpy(*at, text.data, (size_t)text.size);
    struct str copy = { *at, text.size };
    *at += text.size;
    return copy;
}

struct classic_member *classic_member_create(struct classic_group *group, struct str id,
    struct str instance_id, struct str client_id, struct str client_host)
{
    struct classic_member *member = memory_take(sizeof(*member));
    size_t size = (size_t)id.size + (size_t)instance_id.size + (size_t)client_id.size +
                  (size_t)client_host.size;
    char *at = member->texts = memory_take_raw(size);
    member->group = group;
    member->id = put_text(&at, id);
    member->instance_id = put_text(&at, instance_id);
    member->client_id = put_text(&at, client_id);
    member->client_host = put_text(&at, client_host);
    return member;
}

void classic_member_destroy(struct classic_member *member)
{
    deadline_cancel(member->group->owner->coordinator, &member->session);
    memory_give(member->texts);
    memory_give(member->protocols);
    memory_give(member->assignment);
    memory_give(member);
}

void classic_member_set_assignment(struct classic_member *member, struct bytes assignment)
{
    memory_give(member->assignment);
    member->assignment = NULL;
    member->assignment_size = assignment.size;
    if (assignment.size > 0) {
        member->assignment = memory_take_raw(assignment.size);
        memcpy(member->assignment, assignment.data, assignment.size);
    }
}

struct bytes classic_member_metadata(const struct classic_member *member, struct str protocol)
{
    for (int32_t i = 0; i < member->protocol_count; i++)
        if (str_equal(member->protocols[i].name, protocol))
            return member->protocols[i].metadata;
    return (struct bytes){ 0 };
}

static struct classic_support *support_find(const struct classic_group *group, struct str name)
{
    struct classic_support *support;
    HASH_FIND(hh, group->supports, name.data, (size_t)name.size, support);
    return support;
}

static struct classic_support *support_make(struct classic_group *group, struct str name)
{
    struct classic_support *support = support_find(group, name);
    if (support != NULL)
        return support;
    support = memory_take(sizeof(*support));
    support->name = str_copy_owned(name);
    support->name_size = name.size;
    HASH_ADD_KEYPTR(hh, group->supports, support->name, (size_t)name.size, support);
    return support;
}

/* by: 1 or -1. */
static void count_protocols(struct classic_member *member, int32_t by)
{
    struct classic_group *group = member->group;
    uint64_t this_count = ++group->counts;
    for (int32_t i = 0; i < member->protocol_count; i++) {
        struct classic_support *support = support_make(group, member->protocols[i].name);
        if (support->counted == this_count)
            continue;
        support->counted = this_count;
        support->count += by;
    }
    if (by > 0)
        return;
    for (int32_t i = 0; i < member->protocol_count; i++) {
        struct classic_support *support = support_find(group, member->protocols[i].name);
        if (support == NULL || support->count > 0)
            continue;
        HASH_DEL(group->supports, support);
        memory_give(support->name);
        memory_give(support);
    }
}

static bool is_in_group(const struct classic_member *member)
{
    return classic_group_find(member->group, member->id) == member;
}

void classic_member_set_protocols(struct classic_member *member,
    const struct join_group_request_protocol *protocols, int32_t count)
{
    bool is_counted = is_in_group(member);
    count = count < 0 ? 0 : count;
    if (is_counted)
        count_protocols(member, -1);
    memory_give(member->protocols);
    size_t size = (size_t)count * sizeof(*protocols);
    for (int32_t i = 0; i < count; i++)
        size += (size_t)protocols[i].name.size + protocols[i].metadata.size;
    member->protocols = memory_take(size);
    member->protocol_count = count;
    char *at = (char *)&member->protocols[count];
    for (int32_t i = 0; i < count; i++) {
        struct bytes metadata = protocols[i].metadata;
        member->protocols[i].name = put_text(&at, protocols[i].name);
        member->protocols[i].metadata = (struct bytes){ (uint8_t *)at, metadata.size };
        if (metadata.size > 0)
            memcpy(at, metadata.data, metadata.size);
        at += metadata.size;
    }
    if (is_counted)
        count_protocols(member, 1);
}

void classic_group_add(struct classic_group *group, struct classic_member *member)
{
    assert(member->join == NULL && classic_group_find(group, member->id) == NULL);
    HASH_ADD_KEYPTR(hh, group->members, member->id.data, (size_t)member->id.size, member);
    if (!str_is_null(member->instance_id)) {
        assert(classic_group_find_static(group, member->instance_id) == NULL);
        HASH_ADD_KEYPTR(hh_instance, group->statics, member->instance_id.data,
            (size_t)member->instance_id.size, member);
    }
    count_protocols(member, 1);
    group->owner->coordinator->classic_members++;
    if (group->leader == NULL)
        group->leader = member;
}

void classic_group_take_out(struct classic_group *group, struct classic_member *member)
{
    classic_group_set_join(member, NULL);
    count_protocols(member, -1);
    group->owner->coordinator->classic_members--;
    HASH_DELETE(hh, group->members, member);
    if (!str_is_null(member->instance_id))
        HASH_DELETE(hh_instance, group->statics, member);
    if (group->leader == member)
        group->leader = group->members;
}

void classic_group_set_join(struct classic_member *member, struct coordinator_request *join)
{
    member->group->joining += (join != NULL) - (member->join != NULL);
    member->join = join;
}

struct classic_member *classic_group_find(const struct classic_group *group, struct str id)
{
    struct classic_member *member;
    HASH_FIND(hh, group->members, id.data, (size_t)id.size, member);
    return member;
}

struct classic_member *classic_group_find_static(
    const struct classic_group *group, struct str instance_id)
{
    struct classic_member *member;
    HASH_FIND(hh_instance, group->statics, instance_id.data, (size_t)instance_id.size, member);
    return member;
}

enum error classic_group_check_member(
    const struct classic_group *group, struct str id, struct str instance_id)
{
    if (!str_is_null(instance_id)) {
        const struct classic_member *newest = classic_group_find_static(group, instance_id);
        if (newest == NULL)
            return ERROR_UNKNOWN_MEMBER_ID;
        if (!str_equal(newest->id, id))
            return ERROR_FENCED_INSTANCE_ID;
    }
    return classic_group_find(group, id) == NULL ? ERROR_UNKNOWN_MEMBER_ID : ERROR_NONE;
}

struct classic_pending *classic_pending_find(const struct classic_group *group, struct str id)
{
    struct classic_pending *pending;
    HASH_FIND(hh, group->pending, id.data, (size_t)id.size, pending);
    return pending;
}

struct classic_pending *classic_pending_add(struct classic_group *group, struct str id)
{
    struct classic_pending *pending = memory_take(sizeof(*pending));
    pending->group = group;
    pending->id = str_copy_owned(id);
    pending->id_size = id.size;
    HASH_ADD_KEYPTR(hh, group->pending, pending->id, (size_t)id.size, pending);
    return pending;
}

void classic_pending_remove(struct classic_pending *pending)
{
    struct classic_group *group = pending->group;
    deadline_cancel(group->owner->coordinator, &pending->session);
    HASH_DEL(group->pending, pending);
    memory_give(pending->id);
    memory_give(pending);
}

bool classic_group_supports(
    const struct classic_group *group, const struct join_group_request *request)
{
    if (group->state == CLASSIC_EMPTY)
        return request->protocol_type.size > 0 && request->protocols_count > 0;
    if (!str_equal(request->protocol_type, group->protocol_type))
        return false;
    for (int32_t i = 0; i < request->protocols_count; i++) {
        const struct classic_support *support = support_find(group, request->protocols[i].name);
        if ((support == NULL ? 0 : support->count) == classic_group_size(group))
            return true;
    }
    return false;
}

/* NULL: none of them is supported by all; cannot be while joins are checked. */
static const struct str *vote(const struct classic_group *group, const struct classic_member *voter)
{
    for (int32_t i = 0; i < voter->protocol_count; i++) {
        const struct str *name = &voter->protocols[i].name;
        const struct classic_support *support = support_find(group, *name);
        if (support != NULL && support->count == classic_group_size(group))
            return name;
    }
    return NULL;
}

static struct str select_protocol(const struct classic_group *group,
    const struct classic_member *out, const struct classic_member *in)
{
    struct candidate {
        struct str name;
        int32_t votes;
        UT_hash_handle hh;
    } *candidates = NULL, *at, *next;
    struct str chosen = STR("");
    int32_t most = 0;
    for (const struct classic_member *member = group->members; member != NULL;
         member = member->hh.next) {
        const struct str *name = vote(group, member == out ? in : member);
        if (name == NULL)
            continue;
        HASH_FIND(hh, candidates, name->data, (size_t)name->size, at);
        if (at == NULL) {
            at = memory_take(sizeof(*at));
            at->name = *name;
            HASH_ADD_KEYPTR(hh, candidates, at->name.data, (size_t)at->name.size, at);
        }
        at->votes++;
    }
    HASH_ITER(hh, candidates, at, next)
    {
        if (at->votes > most) {
            most = at->votes;
            chosen = at->name;
        }
        HASH_DEL(candidates, at);
        memory_give(at);
    }
    return chosen;
}

struct str classic_group_select_protocol(const struct classic_group *group)
{
    return select_protocol(group, NULL, NULL);
}

struct str classic_group_select_protocol_with(
    struct classic_group *group, struct classic_member *out, struct classic_member *in)
{
    count_protocols(out, -1);
    count_protocols(in, 1);
    struct str selected = select_protocol(group, out, in);
    count_protocols(in, -1);
    count_protocols(out, 1);
    return selected;
}
