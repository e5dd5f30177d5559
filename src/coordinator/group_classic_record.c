/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/group_classic_record.h"

#include <assert.h>

#include "base/memory.h"
#include "coordinator/group_classic.h"
#include "coordinator/group_classic_rebalance.h"
#include "coordinator/group_downgrade.h"
#include "coordinator/record.h"
#include "wire/gen/group_metadata_record.h"

static void put_record(
    struct group_decider *decider, struct str group_id, const struct group_metadata_record *value)
{
    struct group_metadata_record_key key = { .group = group_id };
    decide_group_record(decider, coordinator_schema(GROUP_METADATA_RECORD_TYPE), &key,
        GROUP_METADATA_VERSION, value);
}

void classic_group_record(struct group_decider *decider, const struct classic_group *group,
    const struct classic_member *out, const struct classic_member *in)
{
    const struct classic_member *leader = group->leader == out ? in : group->leader;
    struct group_metadata_record value = {
        .protocol_type = group->protocol_type,
        .generation = group->generation,
        .protocol = group->protocol,
        .leader = leader == NULL ? (struct str){ 0 } : leader->id,
        .current_state_timestamp = group->state_since_ms,
        .members = MESSAGE_TAKE(
            group_metadata_record_member_metadata, decider->arena, classic_group_size(group)),
    };
    for (const struct classic_member *at = group->members; at != NULL; at = at->hh.next) {
        const struct classic_member *member = at == out ? in : at;
        value.members[value.members_count++] = (struct group_metadata_record_member_metadata){
            .member_id = member->id,
            .group_instance_id = member->instance_id,
            .client_id = member->client_id,
            .client_host = member->client_host,
            .rebalance_timeout = member->rebalance_timeout_ms,
            .session_timeout = member->session_timeout_ms,
            .subscription = classic_member_metadata(member, value.protocol),
            .assignment = member->proposed,
        };
    }
    put_record(decider, group_id(group->owner), &value);
}

void classic_group_record_new(struct group_decider *decider, struct str group_id)
{
    struct group_metadata_record value = { .protocol_type = STR(""),
        .current_state_timestamp = decider->wall_ms };
    put_record(decider, group_id, &value);
}

void classic_group_record_gone(struct group_decider *decider, struct str group_id)
{
    put_record(decider, group_id, NULL);
}

void classic_group_dump(const struct group *group, struct rsm_decision *out_records)
{
    const struct classic_group *classic = group->classic;
    if (classic->written == NULL)
        return;
    struct group_metadata_record_key key = { .group = group_id(group) };
    struct rsm_record record = coordinator_record_encode(
        out_records->arena, coordinator_schema(GROUP_METADATA_RECORD_TYPE), &key, 0, NULL);
    record.value = (struct bytes){
        arena_copy(out_records->arena, classic->written, classic->written_size),
        classic->written_size,
    };
    rsm_decision_add(out_records, record);
}

static void keep_written(struct classic_group *group, struct bytes value)
{
    memory_give(group->written);
    group->written = memory_take_raw(value.size);
    group->written_size = value.size;
    memcpy(group->written, value.data, value.size);
}

static void take_out_unnamed(struct classic_group *group, const struct group_metadata_record *value)
{
    struct classic_member *member, *next;
    for (member = group->members; member != NULL; member = member->hh.next)
        member->is_named = false;
    for (int32_t i = 0; i < value->members_count; i++) {
        member = classic_group_find(group, value->members[i].member_id);
        if (member != NULL)
            member->is_named = true;
    }
    HASH_ITER(hh, group->members, member, next)
    if (!member->is_named) {
        assert(member->join == NULL && member->sync == NULL);
        classic_group_take_out(group, member);
        classic_member_destroy(member);
    }
}

/* A static member that takes over, or one that only the log knows. */
static struct classic_member *new_member(
    struct classic_group *group, const struct group_metadata_record_member_metadata *told)
{
    struct classic_member *member = group->successor;
    if (member != NULL && str_equal(member->id, told->member_id))
        group->successor = NULL;
    else
        member = classic_member_create(
            group, told->member_id, told->group_instance_id, told->client_id, told->client_host);
    if (!str_is_null(told->group_instance_id)) {
        struct classic_member *older = classic_group_find_static(group, told->group_instance_id);
        if (older != NULL) { /* no record of a sane broker names an instance twice */
            classic_group_take_out(group, older);
            classic_member_destroy(older);
        }
    }
    classic_group_add(group, member);
    member->is_told = true;
    return member;
}

static void member_apply(struct classic_group *group, struct str protocol,
    const struct group_metadata_record_member_metadata *told)
{
    struct classic_member *member = classic_group_find(group, told->member_id);
    if (member == NULL)
        member = new_member(group, told);
    struct bytes known = classic_member_metadata(member, protocol);
    if (known.data == NULL || !bytes_equal(known, told->subscription)) {
        struct join_group_request_protocol only = { .name = protocol,
            .metadata = told->subscription };
        classic_member_set_protocols(member, &only, 1);
    }
    member->session_timeout_ms = told->session_timeout;
    member->rebalance_timeout_ms =
        told->rebalance_timeout == -1 ? told->session_timeout : told->rebalance_timeout;
    classic_member_set_assignment(member, told->assignment);
}

/* Of a live group this changes what the decision left to the log: Stable with the leader's
 * assignments, or a static member's new self. Of a replayed one, everything. */
static void group_apply(struct classic_group *group, const struct group_metadata_record *value)
{
    struct str protocol = str_is_null(value->protocol) ? STR("") : value->protocol;
    take_out_unnamed(group, value);
    for (int32_t i = 0; i < value->members_count; i++)
        member_apply(group, protocol, &value->members[i]);
    group->is_unled = str_is_null(value->leader) && value->members_count > 0;
    if (!str_is_null(value->leader)) {
        struct classic_member *leader = classic_group_find(group, value->leader);
        group->leader = leader == NULL ? group->leader : leader;
    }
    classic_group_set_text(&group->protocol_type, value->protocol_type);
    classic_group_set_text(&group->protocol, protocol);
    group->generation = value->generation;
    group->state = group->members == NULL ? CLASSIC_EMPTY : CLASSIC_STABLE;
    group->state_since_ms = value->current_state_timestamp;
    classic_sync_phase_end(group);
}

void group_metadata_apply(struct coordinator *coordinator, const struct coordinator_record *record)
{
    const struct group_metadata_record_key *key = record->key;
    struct group *group = group_find(coordinator, key->group);
    if (record->value == NULL) {
        if (group != NULL && group->kind == &classic_kind)
            group_end(group);
        return;
    }
    if (group != NULL && group->kind != &classic_kind)
        group_end(group); /* the newer record counts */
    group = group_make(coordinator, key->group);
    bool is_live = downgrade_take(coordinator, group);
    struct classic_group *classic = classic_group_make(group);
    keep_written(classic, record->bytes.value);
    if (is_live && classic->state == CLASSIC_PREPARING)
        return; /* it is new; who joins is not in the log */
    group_apply(classic, record->value);
    if (is_live && classic->is_unled) {
        classic_topics_take(classic);
        classic_rebalance_anew(classic, coordinator->decided_ms);
    }
}
