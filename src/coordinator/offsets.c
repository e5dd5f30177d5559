/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/offsets.h"

#include "base/memory.h"
#include "coordinator/coordinator.h"
#include "coordinator/record.h"
#include "wire/gen/legacy_offset_commit_record.h"
#include "wire/gen/offset_commit_record.h"

struct pending_offset {
    char *group, *topic; /* owned */
    int32_t group_size, topic_size;
    bool is_gone;                  /* a tombstone came behind it */
    struct committed_offset value; /* owns its metadata */
};

enum { COMMIT_VERSION = 4, COMMIT_VERSION_WITH_EXPIRY = 1 };

static struct topic_offsets *topic_find(const struct group *group, struct str name)
{
    struct topic_offsets *topic;
    HASH_FIND(hh, group->offsets, name.data, (size_t)name.size, topic);
    return topic;
}

static struct topic_offsets *topic_make(struct group *group, struct str name)
{
    struct topic_offsets *topic = topic_find(group, name);
    if (topic != NULL)
        return topic;
    topic = memory_take(sizeof(*topic));
    topic->name = str_copy_owned(name);
    topic->name_size = name.size;
    HASH_ADD_KEYPTR(hh, group->offsets, topic->name, (size_t)topic->name_size, topic);
    return topic;
}

/* Where the partition stands or would stand. */
static int32_t place_of(const struct topic_offsets *topic, int32_t partition)
{
    int32_t low = 0, high = topic->count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (topic->list[middle].partition < partition)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct committed_offset *partition_find(const struct topic_offsets *topic, int32_t partition)
{
    int32_t place = place_of(topic, partition);
    bool is_there = place < topic->count && topic->list[place].partition == partition;
    return is_there ? &topic->list[place] : NULL;
}

static struct committed_offset *partition_make(struct topic_offsets *topic, int32_t partition)
{
    struct committed_offset *found = partition_find(topic, partition);
    if (found != NULL)
        return found;
    if (topic->count == topic->capacity) {
        topic->capacity = topic->capacity == 0 ? 1 : topic->capacity * 2;
        topic->list = memory_resize(topic->list, (size_t)topic->capacity * sizeof(*topic->list));
    }
    int32_t place = place_of(topic, partition);
    memmove(&topic->list[place + 1], &topic->list[place],
        (size_t)(topic->count - place) * sizeof(*topic->list));
    topic->count++;
    topic->list[place] = (struct committed_offset){ .partition = partition };
    return &topic->list[place];
}

static void walk_on(struct group_walk *walk, const struct topic_offsets *gone)
{
    if (walk->topic == gone)
        walk->topic = gone->hh.next;
}

static void topic_free(struct group *group, struct topic_offsets *topic)
{
    walk_on(&group->coordinator->expiry, topic);
    walk_on(&group->coordinator->lost_topics, topic);
    for (int32_t i = 0; i < topic->count; i++)
        memory_give(topic->list[i].metadata);
    HASH_DEL(group->offsets, topic);
    memory_give(topic->list);
    memory_give(topic->name);
    memory_give(topic);
}

/* Nothing is committed and nothing pending: forgotten, and the topic with its last one. */
static void drop_if_unused(
    struct group *group, struct topic_offsets *topic, struct committed_offset *at)
{
    if (at->is_committed || at->pending > 0)
        return;
    memory_give(at->metadata);
    int32_t place = (int32_t)(at - topic->list);
    topic->count--;
    memmove(at, at + 1, (size_t)(topic->count - place) * sizeof(*at));
    if (topic->count == 0)
        topic_free(group, topic);
}

const struct committed_offset *offset_find(
    const struct group *group, struct str topic_name, int32_t partition)
{
    const struct topic_offsets *topic = topic_find(group, topic_name);
    return topic == NULL ? NULL : partition_find(topic, partition);
}

void offsets_free(struct group *group)
{
    struct topic_offsets *topic, *next;
    HASH_ITER(hh, group->offsets, topic, next)
    topic_free(group, topic);
}

/* Keeps what stands there of pending ones. */
static void set(struct committed_offset *at, const struct committed_offset *value)
{
    int32_t pending = at->pending;
    memory_give(at->metadata);
    *at = *value;
    at->pending = pending;
}

static struct committed_offset value_of(const struct coordinator_record *record, int64_t log_offset)
{
    struct committed_offset out = {
        .is_committed = true, .log_offset = log_offset, .leader_epoch = -1, .expire_ms = -1
    };
    struct str metadata;
    if (record->schema->type == LEGACY_OFFSET_COMMIT_RECORD_TYPE) {
        const struct legacy_offset_commit_record *value = record->value;
        out.offset = value->offset;
        out.commit_ms = value->commit_timestamp;
        metadata = value->metadata;
    } else {
        const struct offset_commit_record *value = record->value;
        out.offset = value->offset;
        out.leader_epoch = value->leader_epoch;
        out.commit_ms = value->commit_timestamp;
        out.expire_ms = value->expire_timestamp;
        out.topic_id = value->topic_id;
        metadata = value->metadata;
    }
    out.metadata_size = metadata.size;
    out.metadata = metadata.size == 0 ? NULL : str_copy_owned(metadata);
    return out;
}

static void pend(struct coordinator *coordinator, struct str group, struct str topic,
    const struct committed_offset *value, int64_t producer_id)
{
    struct pending_transaction *transaction;
    HASH_FIND(hh, coordinator->pending, &producer_id, sizeof(producer_id), transaction);
    if (transaction == NULL) {
        transaction = memory_take(sizeof(*transaction));
        transaction->producer_id = producer_id;
        HASH_ADD(hh, coordinator->pending, producer_id, sizeof(producer_id), transaction);
    }
    if (transaction->count == transaction->capacity) {
        transaction->capacity = transaction->capacity == 0 ? 4 : transaction->capacity * 2;
        transaction->list = memory_resize(
            transaction->list, (size_t)transaction->capacity * sizeof(*transaction->list));
    }
    transaction->list[transaction->count++] =
        (struct pending_offset){ .group = str_copy_owned(group),
            .topic = str_copy_owned(topic),
            .group_size = group.size,
            .topic_size = topic.size,
            .value = *value };
}

static void forget_pending(
    struct coordinator *coordinator, const struct group *group, struct str topic, int32_t partition)
{
    for (struct pending_transaction *at = coordinator->pending; at != NULL; at = at->hh.next)
        for (int32_t i = 0; i < at->count; i++) {
            struct pending_offset *offset = &at->list[i];
            if (offset->value.partition == partition &&
                str_equal((struct str){ offset->group, offset->group_size }, group_id(group)) &&
                str_equal((struct str){ offset->topic, offset->topic_size }, topic))
                offset->is_gone = true;
        }
}

static void apply_tombstone(struct coordinator *coordinator, struct str group_name,
    struct str topic_name, int32_t partition)
{
    struct group *group = group_find(coordinator, group_name);
    struct topic_offsets *topic = group == NULL ? NULL : topic_find(group, topic_name);
    struct committed_offset *at = topic == NULL ? NULL : partition_find(topic, partition);
    if (at == NULL)
        return;
    if (at->pending > 0)
        forget_pending(coordinator, group, topic_name, partition);
    at->pending = 0;
    at->is_committed = false;
    drop_if_unused(group, topic, at);
    group_drop_if_unused(group);
}

void offset_apply(struct coordinator *coordinator, int64_t log_offset,
    const struct coordinator_record *record, int64_t producer_id)
{
    /* the keys of both types are the same fields */
    const struct offset_commit_record_key *key = record->key;
    if (record->value == NULL) {
        apply_tombstone(coordinator, key->group, key->topic, key->partition);
        return;
    }
    struct group *group = group_make(coordinator, key->group);
    struct committed_offset *at = partition_make(topic_make(group, key->topic), key->partition);
    struct committed_offset value = value_of(record, log_offset);
    value.partition = key->partition;
    if (producer_id < 0) {
        set(at, &value);
        return;
    }
    at->pending++;
    pend(coordinator, key->group, key->topic, &value, producer_id);
}

/* The newer one of the log stays, whichever became valid first: compaction may have left either. */
static void settle(struct coordinator *coordinator, struct pending_offset *offset, bool committed)
{
    struct str topic_name = { offset->topic, offset->topic_size };
    struct group *group =
        group_find(coordinator, (struct str){ offset->group, offset->group_size });
    struct topic_offsets *topic = topic_find(group, topic_name);
    struct committed_offset *at = partition_find(topic, offset->value.partition);
    at->pending--;
    if (committed && (!at->is_committed || offset->value.log_offset > at->log_offset)) {
        set(at, &offset->value);
        offset->value.metadata = NULL;
    }
    drop_if_unused(group, topic, at);
    group_drop_if_unused(group);
}

static void transaction_free(
    struct coordinator *coordinator, struct pending_transaction *transaction)
{
    for (int32_t i = 0; i < transaction->count; i++) {
        memory_give(transaction->list[i].group);
        memory_give(transaction->list[i].topic);
        memory_give(transaction->list[i].value.metadata);
    }
    HASH_DEL(coordinator->pending, transaction);
    memory_give(transaction->list);
    memory_give(transaction);
}

void offsets_end_transaction(struct coordinator *coordinator, int64_t producer_id, bool committed)
{
    struct pending_transaction *transaction;
    HASH_FIND(hh, coordinator->pending, &producer_id, sizeof(producer_id), transaction);
    if (transaction == NULL)
        return;
    for (int32_t i = 0; i < transaction->count; i++)
        if (!transaction->list[i].is_gone)
            settle(coordinator, &transaction->list[i], committed);
    transaction_free(coordinator, transaction);
}

void offsets_forget_pending(struct coordinator *coordinator)
{
    struct pending_transaction *transaction, *next;
    HASH_ITER(hh, coordinator->pending, transaction, next)
    transaction_free(coordinator, transaction);
}

void offset_record(struct rsm_decision *out_records, struct str group, struct str topic,
    const struct committed_offset *offset)
{
    struct offset_commit_record_key key = {
        .group = group, .topic = topic, .partition = offset->partition
    };
    struct offset_commit_record value = { .offset = offset->offset,
        .leader_epoch = offset->leader_epoch,
        .metadata = { offset->metadata == NULL ? "" : offset->metadata, offset->metadata_size },
        .commit_timestamp = offset->commit_ms,
        .expire_timestamp = offset->expire_ms,
        .topic_id = offset->topic_id };
    int16_t version = offset->expire_ms >= 0 ? COMMIT_VERSION_WITH_EXPIRY : COMMIT_VERSION;
    rsm_decision_add(
        out_records, coordinator_record_encode(out_records->arena,
                         coordinator_schema(OFFSET_COMMIT_RECORD_TYPE), &key, version, &value));
}

static int by_name(struct topic_offsets *a, struct topic_offsets *b)
{
    return str_compare(topic_offsets_name(a), topic_offsets_name(b));
}

void offsets_dump(struct group *group, struct rsm_decision *out_records)
{
    HASH_SORT(group->offsets, by_name);
    for (const struct topic_offsets *topic = group->offsets; topic != NULL; topic = topic->hh.next)
        for (int32_t i = 0; i < topic->count; i++)
            if (topic->list[i].is_committed)
                offset_record(
                    out_records, group_id(group), topic_offsets_name(topic), &topic->list[i]);
}
