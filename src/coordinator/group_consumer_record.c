/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "coordinator/group_consumer_state.h"
#include "coordinator/record.h"
#include "wire/gen/consumer_group_metadata_record.h"
#include "wire/gen/consumer_group_partition_metadata_record.h"
#include "wire/gen/consumer_group_target_assignment_member_record.h"
#include "wire/gen/consumer_group_target_assignment_metadata_record.h"

/* value NULL: a tombstone. All are written in version 0, the only one. */
static void add(struct rsm_decision *out_records, int16_t type, const void *key, const void *value)
{
    rsm_decision_add(out_records,
        coordinator_record_encode(out_records->arena, coordinator_schema(type), key, 0, value));
}

void add_member_metadata(struct rsm_decision *out_records, struct consumer_names names,
    const struct consumer_group_member_metadata_record *metadata)
{
    struct consumer_group_member_metadata_record_key key = { .group_id = names.group,
        .member_id = names.member };
    add(out_records, CONSUMER_GROUP_MEMBER_METADATA_RECORD_TYPE, &key, metadata);
}

static void add_epoch(struct rsm_decision *out_records, struct str group,
    const struct consumer_group_metadata_record *value)
{
    struct consumer_group_metadata_record_key key = { .group_id = group };
    add(out_records, CONSUMER_GROUP_METADATA_RECORD_TYPE, &key, value);
}

void add_group_epoch(
    struct rsm_decision *out_records, struct str group, int32_t epoch, int64_t metadata_hash)
{
    struct consumer_group_metadata_record value = { .epoch = epoch,
        .metadata_hash = metadata_hash };
    add_epoch(out_records, group, &value);
}

static void add_target_value(struct rsm_decision *out_records, struct consumer_names names,
    const struct consumer_group_target_assignment_member_record *value)
{
    struct consumer_group_target_assignment_member_record_key key = { .group_id = names.group,
        .member_id = names.member };
    add(out_records, CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_RECORD_TYPE, &key, value);
}

void add_target(struct rsm_decision *out_records, struct consumer_names names,
    const struct partition_set *target)
{
    struct consumer_group_target_assignment_member_record value = {
        .topic_partitions =
            MESSAGE_TAKE(consumer_group_target_assignment_member_record_topic_partition,
                out_records->arena, target->topic_count),
        .topic_partitions_count = target->topic_count
    };
    for (int32_t i = 0; i < target->topic_count; i++) {
        value.topic_partitions[i].topic_id = target->topics[i].id;
        value.topic_partitions[i].partitions = target->topics[i].partitions;
        value.topic_partitions[i].partitions_count = target->topics[i].count;
    }
    add_target_value(out_records, names, &value);
}

static void add_assignment_metadata(struct rsm_decision *out_records, struct str group,
    const struct consumer_group_target_assignment_metadata_record *value)
{
    struct consumer_group_target_assignment_metadata_record_key key = { .group_id = group };
    add(out_records, CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_RECORD_TYPE, &key, value);
}

void add_assignment_epoch(
    struct rsm_decision *out_records, struct str group, int32_t epoch, int64_t wall_ms)
{
    struct consumer_group_target_assignment_metadata_record value = { .assignment_epoch = epoch,
        .assignment_timestamp = wall_ms };
    add_assignment_metadata(out_records, group, &value);
}

static struct consumer_group_current_member_assignment_record_topic_partitions *partitions(
    struct arena *arena, const struct partition_set *set)
{
    struct consumer_group_current_member_assignment_record_topic_partitions *told = MESSAGE_TAKE(
        consumer_group_current_member_assignment_record_topic_partitions, arena, set->topic_count);
    for (int32_t i = 0; i < set->topic_count; i++) {
        told[i].topic_id = set->topics[i].id;
        told[i].partitions = set->topics[i].partitions;
        told[i].assignment_epochs = set->topics[i].epochs;
        told[i].partitions_count = told[i].assignment_epochs_count = set->topics[i].count;
    }
    return told;
}

static void add_current_value(struct rsm_decision *out_records, struct consumer_names names,
    const struct consumer_group_current_member_assignment_record *value)
{
    struct consumer_group_current_member_assignment_record_key key = { .group_id = names.group,
        .member_id = names.member };
    add(out_records, CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_RECORD_TYPE, &key, value);
}

void add_current(struct rsm_decision *out_records, struct consumer_names names,
    const struct consumer_current *current)
{
    struct consumer_group_current_member_assignment_record value = { .member_epoch = current->epoch,
        .previous_member_epoch = current->previous_epoch,
        .state = (int8_t)current->state,
        .assigned_partitions = partitions(out_records->arena, &current->assigned),
        .assigned_partitions_count = current->assigned.topic_count,
        .partitions_pending_revocation = partitions(out_records->arena, &current->revoking),
        .partitions_pending_revocation_count = current->revoking.topic_count };
    add_current_value(out_records, names, &value);
}

void add_regex(struct rsm_decision *out_records, struct str group, struct str regex,
    const struct consumer_group_regular_expression_record *resolved)
{
    struct consumer_group_regular_expression_record_key key = { .group_id = group,
        .regular_expression = regex };
    add(out_records, CONSUMER_GROUP_REGULAR_EXPRESSION_RECORD_TYPE, &key, resolved);
}

void add_regex_gone(struct rsm_decision *out_records, struct str group, struct str regex)
{
    add_regex(out_records, group, regex, NULL);
}

void add_partition_metadata_gone(struct rsm_decision *out_records, struct str group)
{
    struct consumer_group_partition_metadata_record_key key = { .group_id = group };
    add(out_records, CONSUMER_GROUP_PARTITION_METADATA_RECORD_TYPE, &key, NULL);
}

void add_member_gone(struct rsm_decision *out_records, struct consumer_names names)
{
    add_current_value(out_records, names, NULL);
    add_target_value(out_records, names, NULL);
    add_member_metadata(out_records, names, NULL);
}

void consumer_group_remove(struct group_decider *decider, const struct group *group)
{
    struct rsm_decision *out = decider->decision;
    const struct consumer_group *kept = group->consumer;
    const struct consumer_member *member;
    struct str id = group_id(group);
    for (member = kept->members; member != NULL; member = member->hh.next)
        add_current_value(out, (struct consumer_names){ id, member_id(member) }, NULL);
    for (member = kept->members; member != NULL; member = member->hh.next)
        add_target_value(out, (struct consumer_names){ id, member_id(member) }, NULL);
    add_assignment_metadata(out, id, NULL);
    for (member = kept->members; member != NULL; member = member->hh.next)
        add_member_metadata(out, (struct consumer_names){ id, member_id(member) }, NULL);
    for (const struct subscribed_regex *regex = kept->regexes; regex != NULL;
         regex = regex->hh.next)
        if (regex->is_resolved)
            add_regex_gone(out, id, (struct str){ regex->text, regex->text_size });
    add_partition_metadata_gone(out, id);
    add_epoch(out, id, NULL);
}

static int by_member_id(struct consumer_member *a, struct consumer_member *b)
{
    return str_compare(member_id(a), member_id(b));
}

static int by_text(struct subscribed_regex *a, struct subscribed_regex *b)
{
    return str_compare(
        (struct str){ a->text, a->text_size }, (struct str){ b->text, b->text_size });
}

static void dump_regex(
    const struct group *group, const struct subscribed_regex *regex, struct rsm_decision *out)
{
    struct consumer_group_regular_expression_record value = {
        .topics = arena_take_array(out->arena, (size_t)regex->topic_count, sizeof(struct str)),
        .topics_count = regex->topic_count,
        .version = regex->version,
        .timestamp = regex->resolved_ms
    };
    for (int32_t i = 0; i < regex->topic_count; i++)
        value.topics[i] = str_from(regex->topics[i]);
    add_regex(out, group_id(group), (struct str){ regex->text, regex->text_size }, &value);
}

/* The record itself, as it was written. */
static void dump_metadata(
    const struct group *group, const struct consumer_member *member, struct rsm_decision *out)
{
    struct consumer_group_member_metadata_record_key key = { .group_id = group_id(group),
        .member_id = member_id(member) };
    struct rsm_record record = coordinator_record_encode(
        out->arena, coordinator_schema(CONSUMER_GROUP_MEMBER_METADATA_RECORD_TYPE), &key, 0, NULL);
    record.value = member->written;
    rsm_decision_add(out, record);
}

void consumer_group_dump(const struct group *group, struct rsm_decision *out)
{
    struct consumer_group *kept = group->consumer;
    const struct consumer_member *member;
    struct str id = group_id(group);
    HASH_SORT(kept->members, by_member_id);
    HASH_SORT(kept->regexes, by_text);
    for (member = kept->members; member != NULL; member = member->hh.next)
        if (member->written.data != NULL)
            dump_metadata(group, member, out);
    for (const struct subscribed_regex *regex = kept->regexes; regex != NULL;
         regex = regex->hh.next)
        if (regex->is_resolved)
            dump_regex(group, regex, out);
    if (kept->has_partition_metadata) {
        struct consumer_group_partition_metadata_record_key key = { .group_id = id };
        struct consumer_group_partition_metadata_record value = { 0 };
        add(out, CONSUMER_GROUP_PARTITION_METADATA_RECORD_TYPE, &key, &value);
    }
    if (kept->has_epoch)
        add_group_epoch(out, id, kept->epoch, kept->metadata_hash);
    for (member = kept->members; member != NULL; member = member->hh.next)
        if (member->has_target)
            add_target(out, (struct consumer_names){ id, member_id(member) }, &member->target);
    if (kept->has_assignment_epoch)
        add_assignment_epoch(out, id, kept->assignment_epoch, kept->assignment_ms);
    for (member = kept->members; member != NULL; member = member->hh.next)
        if (member->has_current)
            add_current(out, (struct consumer_names){ id, member_id(member) }, &member->current);
}
