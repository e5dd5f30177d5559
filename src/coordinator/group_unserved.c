/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/group_unserved.h"

#include <assert.h>

#include "base/memory.h"
#include "coordinator/decide.h"
#include "coordinator/record.h"
#include "wire/gen/share_group_current_member_assignment_record.h"
#include "wire/gen/share_group_member_metadata_record.h"
#include "wire/gen/share_group_metadata_record.h"
#include "wire/gen/share_group_state_partition_metadata_record.h"
#include "wire/gen/share_group_target_assignment_member_record.h"
#include "wire/gen/share_group_target_assignment_metadata_record.h"
#include "wire/gen/streams_group_current_member_assignment_record.h"
#include "wire/gen/streams_group_member_metadata_record.h"
#include "wire/gen/streams_group_metadata_record.h"
#include "wire/gen/streams_group_target_assignment_member_record.h"
#include "wire/gen/streams_group_target_assignment_metadata_record.h"
#include "wire/gen/streams_group_topology_record.h"

enum { MEMBER_STABLE = 1, MEMBER_COMMITS_SINCE = 9 }; /* of OffsetCommit */

struct kept_record {
    uint8_t *key; /* owned; the value lies behind it */
    size_t key_size, value_size;
    UT_hash_handle hh; /* of the group's */
};

struct unserved_group {
    struct kept_record *records; /* map by key */
};

/* In the order in which a group that is deleted writes its tombstones. */
static const int16_t share_types[] = { SHARE_GROUP_CURRENT_MEMBER_ASSIGNMENT_RECORD_TYPE,
    SHARE_GROUP_TARGET_ASSIGNMENT_MEMBER_RECORD_TYPE,
    SHARE_GROUP_TARGET_ASSIGNMENT_METADATA_RECORD_TYPE, SHARE_GROUP_MEMBER_METADATA_RECORD_TYPE,
    SHARE_GROUP_STATE_PARTITION_METADATA_RECORD_TYPE, SHARE_GROUP_METADATA_RECORD_TYPE };
static const int16_t streams_types[] = { STREAMS_GROUP_CURRENT_MEMBER_ASSIGNMENT_RECORD_TYPE,
    STREAMS_GROUP_TARGET_ASSIGNMENT_MEMBER_RECORD_TYPE,
    STREAMS_GROUP_TARGET_ASSIGNMENT_METADATA_RECORD_TYPE, STREAMS_GROUP_MEMBER_METADATA_RECORD_TYPE,
    STREAMS_GROUP_METADATA_RECORD_TYPE, STREAMS_GROUP_TOPOLOGY_RECORD_TYPE };
enum { TYPE_COUNT = 6 };
_Static_assert(sizeof(share_types) == TYPE_COUNT * sizeof(*share_types), "all of them");
_Static_assert(sizeof(streams_types) == TYPE_COUNT * sizeof(*streams_types), "all of them");

static bool has_type(const int16_t *types, int16_t type)
{
    for (int i = 0; i < TYPE_COUNT; i++)
        if (types[i] == type)
            return true;
    return false;
}

bool unserved_group_knows(int16_t type)
{
    return has_type(share_types, type) || has_type(streams_types, type);
}

static int16_t type_of(const struct kept_record *kept)
{
    return load_i16(kept->key);
}

static struct rsm_record bytes_of(const struct kept_record *kept)
{
    return (struct rsm_record){ .key = { kept->key, kept->key_size },
        .value = { kept->key + kept->key_size, kept->value_size } };
}

static struct kept_record *find(const struct group *group, struct bytes key)
{
    struct kept_record *kept;
    HASH_FIND(hh, group->unserved->records, key.data, key.size, kept);
    return kept;
}

static void forget(struct group *group, struct kept_record *kept)
{
    HASH_DEL(group->unserved->records, kept);
    memory_give(kept->key);
    memory_give(kept);
}

static void keep(struct group *group, struct rsm_record record)
{
    struct kept_record *kept = find(group, record.key);
    if (kept != NULL)
        forget(group, kept);
    kept = memory_take(sizeof(*kept));
    kept->key = memory_take_raw(record.key.size + record.value.size);
    kept->key_size = record.key.size;
    kept->value_size = record.value.size;
    memcpy(kept->key, record.key.data, record.key.size);
    memcpy(kept->key + record.key.size, record.value.data, record.value.size);
    HASH_ADD_KEYPTR(hh, group->unserved->records, kept->key, kept->key_size, kept);
}

static void remove_one(struct group *group, struct bytes key)
{
    struct kept_record *kept = find(group, key);
    if (kept != NULL)
        forget(group, kept);
    if (group->unserved->records == NULL)
        group_end(group);
}

/* Every key begins with the group. Offsets alone do not take an id: a simple group becomes what the
 * record says. */
bool unserved_group_apply(struct coordinator *coordinator, const struct coordinator_record *record)
{
    const struct group_kind *kind =
        has_type(share_types, record->schema->type) ? &share_kind : &streams_kind;
    const struct share_group_member_metadata_record_key *key = record->key;
    struct group *group = group_find(coordinator, key->group_id);
    bool is_taken = group != NULL && group->kept != NULL && group->kind != kind;
    if (record->value == NULL) {
        if (group != NULL && group->kept != NULL && !is_taken)
            remove_one(group, record->bytes.key);
        return true;
    }
    if (is_taken)
        return false;
    group = group_make(coordinator, key->group_id);
    if (group->kept == NULL) {
        group->kind = kind;
        group->unserved = memory_take(sizeof(*group->unserved));
    }
    keep(group, record->bytes);
    return true;
}

static struct coordinator_record read(const struct kept_record *kept, struct arena *arena)
{
    struct coordinator_record record;
    enum coordinator_record_kind parsed = coordinator_record_parse(bytes_of(kept), arena, &record);
    assert(parsed == COORDINATOR_RECORD_GOOD); /* as it was when it was kept */
    (void)parsed;
    return record;
}

/* NULL: nothing is kept under the key, which names the group, and the member where keys of the type
 * do. */
static const void *value_of(
    const struct group *group, struct arena *arena, int16_t type, struct str member_id)
{
    struct share_group_member_metadata_record_key key = { group_id(group), member_id };
    const struct record_schema *schema = coordinator_schema(type);
    struct bytes wanted = coordinator_record_encode(arena, schema, &key, 0, NULL).key;
    const struct kept_record *kept = find(group, wanted);
    return kept == NULL ? NULL : read(kept, arena).value;
}

static bool is_member(const struct kept_record *kept)
{
    return type_of(kept) == SHARE_GROUP_MEMBER_METADATA_RECORD_TYPE ||
           type_of(kept) == STREAMS_GROUP_MEMBER_METADATA_RECORD_TYPE;
}

static bool is_empty(const struct group *group)
{
    for (const struct kept_record *kept = group->unserved->records; kept != NULL;
         kept = kept->hh.next)
        if (is_member(kept))
            return false;
    return true;
}

static const char *share_state(const struct group *group)
{
    return is_empty(group) ? "Empty" : "Stable";
}

static bool is_settled(const struct group *group, struct arena *arena,
    const struct kept_record *member, int32_t target_epoch)
{
    const struct share_group_member_metadata_record_key *key = read(member, arena).key;
    const struct streams_group_current_member_assignment_record *current =
        value_of(group, arena, STREAMS_GROUP_CURRENT_MEMBER_ASSIGNMENT_RECORD_TYPE, key->member_id);
    return current != NULL && current->state == MEMBER_STABLE &&
           current->member_epoch == target_epoch;
}

static const char *read_streams_state(const struct group *group, struct arena *arena)
{
    const struct str none = STR("");
    const struct streams_group_metadata_record *said =
        value_of(group, arena, STREAMS_GROUP_METADATA_RECORD_TYPE, none);
    const struct streams_group_topology_record *topology =
        value_of(group, arena, STREAMS_GROUP_TOPOLOGY_RECORD_TYPE, none);
    const struct streams_group_target_assignment_metadata_record *target =
        value_of(group, arena, STREAMS_GROUP_TARGET_ASSIGNMENT_METADATA_RECORD_TYPE, none);
    int32_t target_epoch = target == NULL ? 0 : target->assignment_epoch;
    if (is_empty(group))
        return "Empty";
    if (said == NULL || topology == NULL || topology->epoch != said->validated_topology_epoch)
        return "NotReady";
    if (said->epoch > target_epoch)
        return "Assigning";
    for (const struct kept_record *kept = group->unserved->records; kept != NULL;
         kept = kept->hh.next)
        if (is_member(kept) && !is_settled(group, arena, kept, target_epoch))
            return "Reconciling";
    return "Stable";
}

static const char *streams_state(const struct group *group)
{
    struct arena arena;
    arena_init(&arena);
    const char *state = read_streams_state(group, &arena);
    arena_deinit(&arena);
    return state;
}

static struct str share_protocol(const struct group *group)
{
    (void)group;
    return STR("share");
}

static struct str streams_protocol(const struct group *group)
{
    (void)group;
    return STR("streams");
}

static enum error share_may_commit(
    struct group_decider *decider, struct group *group, const struct group_caller *caller)
{
    (void)decider;
    (void)group;
    (void)caller;
    return ERROR_GROUP_ID_NOT_FOUND;
}

static enum error share_may_fetch(const struct group *group, const struct group_caller *caller)
{
    (void)group;
    (void)caller;
    return ERROR_GROUP_ID_NOT_FOUND;
}

static enum error share_may_delete_offsets(const struct group *group)
{
    (void)group;
    return ERROR_GROUP_ID_NOT_FOUND;
}

/* What its members acknowledged lies in __share_group_state, and must go before the group: without
 * it a later group of the id would go on from there. */
static enum error share_may_delete(const struct group *group)
{
    if (!is_empty(group))
        return ERROR_NON_EMPTY_GROUP;
    for (const struct kept_record *kept = group->unserved->records; kept != NULL;
         kept = kept->hh.next)
        if (type_of(kept) == SHARE_GROUP_STATE_PARTITION_METADATA_RECORD_TYPE)
            return ERROR_UNSUPPORTED_VERSION; /* as where share groups are switched off */
    return ERROR_NONE;
}

static enum error check_streams_member(const struct group *group, const struct group_caller *caller)
{
    struct arena arena;
    arena_init(&arena);
    bool is_known = value_of(group, &arena, STREAMS_GROUP_MEMBER_METADATA_RECORD_TYPE,
                        caller->member_id) != NULL;
    const struct streams_group_current_member_assignment_record *current = value_of(
        group, &arena, STREAMS_GROUP_CURRENT_MEMBER_ASSIGNMENT_RECORD_TYPE, caller->member_id);
    bool is_current = current != NULL && current->member_epoch == caller->epoch;
    arena_deinit(&arena);
    return !is_known ? ERROR_UNKNOWN_MEMBER_ID : is_current ? ERROR_NONE : ERROR_STALE_MEMBER_EPOCH;
}

/* Streams groups have offsets as consumer groups do. Kafka also takes what a member owns since an
 * earlier epoch than its own (KIP-1251); here it must come with its current one. */
static enum error streams_may_commit(
    struct group_decider *decider, struct group *group, const struct group_caller *caller)
{
    (void)decider;
    if (caller->epoch < 0 && is_empty(group))
        return ERROR_NONE;
    enum error error = check_streams_member(group, caller);
    if (error != ERROR_UNKNOWN_MEMBER_ID && caller->version < MEMBER_COMMITS_SINCE)
        return ERROR_UNSUPPORTED_VERSION;
    return error;
}

static enum error streams_may_fetch(const struct group *group, const struct group_caller *caller)
{
    bool is_no_member = caller->member_id.data == NULL && caller->epoch < 0;
    return is_no_member ? ERROR_NONE : check_streams_member(group, caller);
}

static enum error streams_may_delete(const struct group *group)
{
    return is_empty(group) ? ERROR_NONE : ERROR_NON_EMPTY_GROUP;
}

static enum error streams_may_delete_offsets(const struct group *group)
{
    (void)group;
    return ERROR_NONE;
}

static bool share_subscribes(const struct group *group, struct str topic)
{
    (void)group;
    (void)topic;
    return false; /* it has no offsets */
}

static bool reads(const struct streams_group_topology_record *topology, struct str topic)
{
    for (int32_t i = 0; i < topology->subtopologies_count; i++) {
        const struct streams_group_topology_record_subtopology *part = &topology->subtopologies[i];
        for (int32_t k = 0; k < part->source_topics_count; k++)
            if (str_equal(part->source_topics[k], topic))
                return true;
        for (int32_t k = 0; k < part->repartition_source_topics_count; k++)
            if (str_equal(part->repartition_source_topics[k].name, topic))
                return true;
    }
    return false;
}

static bool streams_subscribes(const struct group *group, struct str topic)
{
    if (is_empty(group))
        return false;
    struct arena arena;
    arena_init(&arena);
    const struct streams_group_topology_record *topology =
        value_of(group, &arena, STREAMS_GROUP_TOPOLOGY_RECORD_TYPE, STR(""));
    bool is_read = topology != NULL && reads(topology, topic);
    arena_deinit(&arena);
    return is_read;
}

static int64_t empty_since_ms(const struct group *group)
{
    (void)group;
    return -1;
}

static void remove_records(struct group_decider *decider, const struct group *group)
{
    const int16_t *types = group->kind == &share_kind ? share_types : streams_types;
    for (int i = 0; i < TYPE_COUNT; i++)
        for (const struct kept_record *kept = group->unserved->records; kept != NULL;
             kept = kept->hh.next)
            if (type_of(kept) == types[i])
                rsm_decision_add(decider->decision,
                    (struct rsm_record){
                        .key = { arena_copy(decider->arena, kept->key, kept->key_size),
                            kept->key_size } });
}

static void loaded(struct group *group, int64_t steady_ms, const struct image *image)
{
    (void)image;
    (void)group;
    (void)steady_ms; /* nothing of it lives */
}

static int by_key(struct kept_record *a, struct kept_record *b)
{
    size_t shorter = a->key_size < b->key_size ? a->key_size : b->key_size;
    int order = memcmp(a->key, b->key, shorter);
    return order != 0 ? order : (a->key_size > b->key_size) - (a->key_size < b->key_size);
}

static void dump(const struct group *group, struct rsm_decision *out_records)
{
    HASH_SORT(group->unserved->records, by_key);
    for (const struct kept_record *kept = group->unserved->records; kept != NULL;
         kept = kept->hh.next) {
        const uint8_t *copy =
            arena_copy(out_records->arena, kept->key, kept->key_size + kept->value_size);
        rsm_decision_add(out_records, (struct rsm_record){ .key = { copy, kept->key_size },
                                          .value = { copy + kept->key_size, kept->value_size } });
    }
}

static void free_records(struct group *group)
{
    struct kept_record *kept, *next;
    HASH_ITER(hh, group->unserved->records, kept, next)
    forget(group, kept);
    memory_give(group->unserved);
}

const struct group_kind share_kind = {
    .type = "share",
    .keeps_offsets = true,
    .state = share_state,
    .protocol_type = share_protocol,
    .may_commit = share_may_commit,
    .may_fetch = share_may_fetch,
    .may_delete = share_may_delete,
    .may_delete_offsets = share_may_delete_offsets,
    .subscribes = share_subscribes,
    .is_empty = is_empty,
    .empty_since_ms = empty_since_ms,
    .remove = remove_records,
    .loaded = loaded,
    .dump = dump,
    .free = free_records,
};

const struct group_kind streams_kind = {
    .type = "streams",
    .keeps_offsets = true,
    .state = streams_state,
    .protocol_type = streams_protocol,
    .may_commit = streams_may_commit,
    .may_fetch = streams_may_fetch,
    .may_delete = streams_may_delete,
    .may_delete_offsets = streams_may_delete_offsets,
    .subscribes = streams_subscribes,
    .is_empty = is_empty,
    .empty_since_ms = empty_since_ms,
    .remove = remove_records,
    .loaded = loaded,
    .dump = dump,
    .free = free_records,
};
