/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>

#include "base/container.h"
#include "base/memory.h"
#include "coordinator/group_consumer.h"
#include "coordinator/group_consumer_state.h"
#include "coordinator/record.h"
#include "wire/gen/consumer_group_metadata_record.h"
#include "wire/gen/consumer_group_partition_metadata_record.h"
#include "wire/gen/consumer_group_target_assignment_member_record.h"
#include "wire/gen/consumer_group_target_assignment_metadata_record.h"

/* More than any topic has: what a broken record claims must not size memory. */
enum { PARTITION_LIMIT = 1000000 };

static bool is_partition(int32_t partition)
{
    return partition >= 0 && partition < PARTITION_LIMIT;
}

/* Members. */

static void forget_metadata(struct consumer_member *member)
{
    consumer_count_subscription(member, -1);
    memory_give(member->topics);
    memory_give((void *)(uintptr_t)member->written.data);
    member->topics = NULL;
    member->topic_count = 0;
    member->regex = STR("");
    member->written = (struct bytes){ 0 };
}

static void drop_classic(struct consumer_member *member)
{
    struct consumer_classic *classic = member->classic;
    if (classic == NULL)
        return;
    deadline_cancel(member->group->coordinator, &classic->join);
    deadline_cancel(member->group->coordinator, &classic->sync);
    member->group->consumer->classic_count--;
    memory_give(classic->protocols);
    memory_give(classic);
    member->classic = NULL;
}

static struct consumer_classic *make_classic(struct consumer_member *member)
{
    struct consumer_classic *classic = memory_take(sizeof(*classic));
    classic->member = member;
    classic->join.passed = consumer_join_passed;
    classic->sync.passed = consumer_sync_passed;
    member->group->consumer->classic_count++;
    return classic;
}

static void forget_current(struct consumer_member *member)
{
    consumer_count_current(member, -1);
    partition_set_give(&member->current.assigned);
    partition_set_give(&member->current.revoking);
    member->has_current = false;
    member->current = (struct consumer_current){ .epoch = LEFT, .previous_epoch = LEFT };
}

static void forget_target(struct consumer_member *member)
{
    partition_set_give(&member->target);
    member->has_target = false;
}

void consumer_member_free(struct consumer_member *member)
{
    struct coordinator *coordinator = member->group->coordinator;
    deadline_cancel(coordinator, &member->session);
    deadline_cancel(coordinator, &member->rebalance);
    forget_metadata(member);
    drop_classic(member);
    forget_current(member);
    forget_target(member);
    HASH_DEL(member->group->consumer->members, member);
    coordinator->consumer_members--;
    memory_give(member->id);
    memory_give(member);
}

/* Compaction may leave a record of a member's assignment before the one that says who it is. */
static struct consumer_member *make_member(struct group *group, struct str id)
{
    struct consumer_member *member = memory_take(sizeof(*member));
    member->group = group;
    member->id = str_copy_owned(id);
    member->id_size = id.size;
    member->regex = STR("");
    member->rebalance_timeout_ms = -1;
    member->session.passed = consumer_session_passed;
    member->rebalance.passed = consumer_rebalance_passed;
    HASH_ADD_KEYPTR(hh, group->consumer->members, member->id, (size_t)member->id_size, member);
    deadline_arm(group->coordinator, &member->session, group->coordinator->new_session_end_ms);
    group->coordinator->consumer_members++;
    return member;
}

/* Groups. */

void consumer_group_free(struct group *group)
{
    struct consumer_group *kept = group->consumer;
    struct consumer_member *member, *next;
    HASH_ITER(hh, kept->members, member, next)
    consumer_member_free(member);
    struct subscribed_regex *regex, *next_regex;
    HASH_ITER(hh, kept->regexes, regex, next_regex)
    {
        consumer_forget_topics(kept, regex);
        consumer_drop_regex_if_unused(kept, regex);
    }
    assert(kept->topics == NULL && kept->held == NULL && kept->regexes == NULL);
    memory_give(kept);
}

static void begin_group(struct group *group)
{
    group->kind = &consumer_kind;
    group->consumer = memory_take(sizeof(*group->consumer));
    group->consumer->epoch = group->consumer->assignment_epoch = FIRST_GROUP_EPOCH;
    group->consumer->looked_at = -1;
}

/* NULL: the id belongs to a group of another kind that is there. */
static struct group *make_group(struct coordinator *coordinator, struct str id)
{
    struct group *group = group_make(coordinator, id);
    if (group->kept == NULL)
        begin_group(group);
    return consumer_group_is(group) ? group : NULL;
}

static int by_name(const void *a, const void *b)
{
    return str_compare(*(const struct str *)a, *(const struct str *)b);
}

/* One function a record type; each hears of tombstones, too. The key of every type begins with the
 * group's id. */

/* Its deadlines go on; those of a new one begin. */
static void keep_classic(struct consumer_member *member,
    const struct consumer_group_member_metadata_record_classic_member_metadata *told)
{
    const struct coordinator *coordinator = member->group->coordinator;
    if (told == NULL) {
        drop_classic(member);
        return;
    }
    if (member->classic == NULL) {
        member->classic = make_classic(member);
        deadline_arm(member->group->coordinator, &member->session,
            coordinator->decided_ms + told->session_timeout_ms);
        if (coordinator->new_sync_end_ms < INT64_MAX)
            deadline_arm(
                member->group->coordinator, &member->classic->sync, coordinator->new_sync_end_ms);
    }
    struct consumer_classic *classic = member->classic;
    memory_give(classic->protocols);
    classic->session_ms = told->session_timeout_ms;
    classic->protocol_count =
        told->supported_protocols_count < 0 ? 0 : told->supported_protocols_count;
    classic->protocols = memory_take((size_t)classic->protocol_count * sizeof(*classic->protocols));
    for (int32_t i = 0; i < classic->protocol_count; i++) {
        classic->protocols[i].name = told->supported_protocols[i].name;
        classic->protocols[i].metadata = told->supported_protocols[i].metadata;
    }
}

/* Keeps the bytes, and what is read of them again and again. */
static void keep_metadata(struct consumer_member *member, const struct coordinator_record *record)
{
    struct arena *scratch = &member->group->coordinator->scratch;
    size_t size = record->bytes.value.size;
    uint8_t *data = memory_take_raw(size);
    memcpy(data, record->bytes.value.data, size);
    struct rsm_record bytes = { .key = record->bytes.key, .value = { data, size } };
    struct coordinator_record kept;
    coordinator_record_parse(bytes, scratch, &kept);
    const struct consumer_group_member_metadata_record *value = kept.value;
    member->written = bytes.value;
    member->instance_id = value->instance_id;
    member->rack_id = value->rack_id;
    member->client_id = value->client_id;
    member->client_host = value->client_host;
    member->regex =
        str_is_null(value->subscribed_topic_regex) ? STR("") : value->subscribed_topic_regex;
    member->assignor = value->server_assignor;
    member->rebalance_timeout_ms = value->rebalance_timeout_ms;
    keep_classic(member, value->classic_member_metadata);
    member->topic_count = value->subscribed_topic_names_count;
    member->topics = memory_take((size_t)member->topic_count * sizeof(*member->topics));
    member->topics_in_a_row = true;
    for (int32_t i = 0; i < member->topic_count; i++) {
        member->topics[i] = value->subscribed_topic_names[i];
        member->topics_in_a_row =
            member->topics_in_a_row &&
            (i == 0 || str_compare(member->topics[i - 1], member->topics[i]) <= 0);
    }
    if (!member->topics_in_a_row)
        qsort(member->topics, (size_t)member->topic_count, sizeof(*member->topics), by_name);
    consumer_count_subscription(member, 1);
}

static void apply_metadata(struct group *group, const struct coordinator_record *record)
{
    const struct consumer_group_member_metadata_record_key *key = record->key;
    struct consumer_member *member = consumer_member_find(group, key->member_id);
    if (record->value == NULL) {
        if (member != NULL)
            consumer_member_free(member);
        return;
    }
    if (member == NULL)
        member = make_member(group, key->member_id);
    forget_metadata(member);
    keep_metadata(member, record);
}

static void apply_epoch(struct group *group, const struct coordinator_record *record)
{
    const struct consumer_group_metadata_record *value = record->value;
    if (value == NULL) {
        group_end(group);
        return;
    }
    group->consumer->has_epoch = true;
    group->consumer->epoch = value->epoch;
    group->consumer->metadata_hash = value->metadata_hash;
}

static void apply_target(struct group *group, const struct coordinator_record *record)
{
    const struct consumer_group_target_assignment_member_record_key *key = record->key;
    const struct consumer_group_target_assignment_member_record *value = record->value;
    struct consumer_member *member = consumer_member_find(group, key->member_id);
    if (member != NULL)
        forget_target(member);
    if (value == NULL)
        return;
    if (member == NULL)
        member = make_member(group, key->member_id);
    struct arena *scratch = &group->coordinator->scratch;
    struct partition_set set = partition_set_take(scratch, value->topic_partitions_count);
    for (int32_t i = 0; i < value->topic_partitions_count; i++) {
        const struct consumer_group_target_assignment_member_record_topic_partition *from =
            &value->topic_partitions[i];
        struct partition_set_topic *topic =
            partition_set_add_topic(&set, scratch, from->topic_id, from->partitions_count);
        for (int32_t k = 0; k < from->partitions_count; k++)
            if (is_partition(from->partitions[k]))
                partition_set_add(topic, from->partitions[k], 0);
    }
    partition_set_sort(&set);
    member->target = partition_set_own(&set);
    member->has_target = true;
}

static void apply_assignment_epoch(struct group *group, const struct coordinator_record *record)
{
    const struct consumer_group_target_assignment_metadata_record *value = record->value;
    struct consumer_group *kept = group->consumer;
    kept->has_assignment_epoch = value != NULL;
    kept->assignment_epoch = value == NULL ? LEFT : value->assignment_epoch;
    kept->assignment_ms = value == NULL ? 0 : value->assignment_timestamp;
    kept->assign_after_ms = 0;
    kept->settled_count = 0;
    for (const struct consumer_member *member = kept->members; member != NULL;
         member = member->hh.next)
        kept->settled_count += member->has_current &&
                               consumer_member_is_settled(&member->current, kept->assignment_epoch);
}

/* Assignment epochs came with Kafka 4.2; where they are missing the member's own stands for them.
 */
static struct partition_set read_set(struct arena *arena,
    const struct consumer_group_current_member_assignment_record_topic_partitions *told,
    int32_t count, int32_t member_epoch)
{
    struct partition_set set = partition_set_take(arena, count);
    int32_t without = member_epoch < 0 ? 0 : member_epoch;
    for (int32_t i = 0; i < count; i++) {
        struct partition_set_topic *topic =
            partition_set_add_topic(&set, arena, told[i].topic_id, told[i].partitions_count);
        bool has_epochs = told[i].assignment_epochs_count == told[i].partitions_count;
        for (int32_t k = 0; k < told[i].partitions_count; k++)
            if (is_partition(told[i].partitions[k]))
                partition_set_add(topic, told[i].partitions[k],
                    has_epochs ? told[i].assignment_epochs[k] : without);
    }
    partition_set_sort(&set);
    return partition_set_own(&set);
}

static void apply_current(struct group *group, const struct coordinator_record *record)
{
    const struct consumer_group_current_member_assignment_record_key *key = record->key;
    const struct consumer_group_current_member_assignment_record *value = record->value;
    struct consumer_member *member = consumer_member_find(group, key->member_id);
    if (member != NULL)
        forget_current(member);
    if (value == NULL)
        return;
    if (member == NULL)
        member = make_member(group, key->member_id);
    struct arena *scratch = &group->coordinator->scratch;
    member->current = (struct consumer_current){ .epoch = value->member_epoch,
        .previous_epoch = value->previous_member_epoch,
        .state = (enum consumer_member_state)value->state,
        .assigned = read_set(scratch, value->assigned_partitions, value->assigned_partitions_count,
            value->member_epoch),
        .revoking = read_set(scratch, value->partitions_pending_revocation,
            value->partitions_pending_revocation_count, value->member_epoch) };
    member->has_current = true;
    consumer_count_current(member, 1);
    if (member->current.state != MEMBER_UNREVOKED)
        deadline_cancel(group->coordinator, &member->rebalance);
}

static void apply_regex(struct group *group, const struct coordinator_record *record)
{
    const struct consumer_group_regular_expression_record_key *key = record->key;
    const struct consumer_group_regular_expression_record *value = record->value;
    struct consumer_group *kept = group->consumer;
    struct subscribed_regex *regex = consumer_find_regex(kept, key->regular_expression);
    consumer_forget_topics(kept, regex);
    if (value != NULL) {
        regex->is_resolved = true;
        regex->version = regex->looked_at = value->version;
        regex->resolved_ms = value->timestamp;
        regex->topic_count = value->topics_count;
        regex->topics = memory_take((size_t)value->topics_count * sizeof(*regex->topics));
        if (value->topics_count > 1)
            qsort(value->topics, (size_t)value->topics_count, sizeof(*value->topics), by_name);
        for (int32_t i = 0; i < value->topics_count; i++) {
            regex->topics[i] = str_copy_owned(value->topics[i]);
            consumer_count_topic(kept, str_from(regex->topics[i]), 1); /* as it is forgotten */
        }
    }
    consumer_drop_regex_if_unused(kept, regex);
}

bool consumer_group_knows(int16_t type)
{
    return (type >= CONSUMER_GROUP_METADATA_RECORD_TYPE &&
               type <= CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_RECORD_TYPE) ||
           type == CONSUMER_GROUP_REGULAR_EXPRESSION_RECORD_TYPE;
}

static void apply_to(struct group *group, const struct coordinator_record *record)
{
    switch (record->schema->type) {
    case CONSUMER_GROUP_METADATA_RECORD_TYPE:
        apply_epoch(group, record);
        break;
    case CONSUMER_GROUP_PARTITION_METADATA_RECORD_TYPE:
        group->consumer->has_partition_metadata = record->value != NULL;
        break;
    case CONSUMER_GROUP_MEMBER_METADATA_RECORD_TYPE:
        apply_metadata(group, record);
        break;
    case CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_RECORD_TYPE:
        apply_assignment_epoch(group, record);
        break;
    case CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_RECORD_TYPE:
        apply_target(group, record);
        break;
    case CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_RECORD_TYPE:
        apply_current(group, record);
        break;
    default:
        apply_regex(group, record);
        break;
    }
}

bool consumer_group_apply(struct coordinator *coordinator, const struct coordinator_record *record)
{
    const struct consumer_group_metadata_record_key *key = record->key;
    struct group *group = record->value != NULL ? make_group(coordinator, key->group_id)
                                                : group_find(coordinator, key->group_id);
    if (!consumer_group_is(group))
        return record->value == NULL;
    apply_to(group, record);
    return true;
}

void consumer_apply_apart(
    struct group *apart, const struct rsm_decision *records, int32_t since, struct arena *arena)
{
    if (apart->kept == NULL)
        begin_group(apart);
    for (int32_t i = since; i < records->record_count; i++) {
        struct coordinator_record record;
        coordinator_record_parse(records->records[i], arena, &record);
        apply_to(apart, &record);
    }
    arena_reset(&apart->coordinator->scratch);
}
