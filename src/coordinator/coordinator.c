/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/coordinator.h"

#include <assert.h>
#include <utlist.h>

#include "base/container.h"
#include "base/memory.h"
#include "coordinator/decide.h"
#include "coordinator/group_classic.h"
#include "coordinator/group_consumer.h"
#include "coordinator/group_downgrade.h"
#include "coordinator/group_unserved.h"
#include "coordinator/groups.h"
#include "coordinator/offsets.h"
#include "coordinator/record.h"
#include "coordinator/scarcity.h"
#include "wire/gen/group_metadata_record.h"
#include "wire/gen/legacy_offset_commit_record.h"
#include "wire/gen/offset_commit_record.h"

/* A tick that finds more goes on with the next one, so that a decision stays short. */
enum { DEADLINES_PER_TICK = 100 };
/* What one call does of a long walk over groups, so that a pass stays short. */
enum { GROUPS_BEGUN_AT_ONCE = 10000, KEPT_GROUP_WORK = 20, GROUPS_FREED_AT_ONCE = 1000 };

static struct coordinator *coordinator_of(struct rsm_machine *machine)
{
    return container_of(machine, struct coordinator, machine);
}

void decide_group_record(struct group_decider *decider, const struct record_schema *schema,
    const void *key, int16_t version, const void *value)
{
    rsm_decision_add(
        decider->decision, coordinator_record_encode(decider->arena, schema, key, version, value));
}

void decide_conversion(struct group_decider *decider, struct str group_id, struct str member_id,
    const struct group_kind *to, const char *reason)
{
    struct group_conversion *told = arena_take(decider->arena, sizeof(*told));
    *told = (struct group_conversion){ .group_id = str_copy(decider->arena, group_id),
        .member_id = str_copy(decider->arena, member_id),
        .to = to->type,
        .reason = reason };
    LL_APPEND(decider->request->conversions, told);
}

void deadline_arm(struct coordinator *coordinator, struct deadline *deadline, int64_t steady_ms)
{
    heap_remove(&coordinator->deadlines, &deadline->entry);
    heap_insert(&coordinator->deadlines, &deadline->entry, steady_ms);
}

void deadline_cancel(struct coordinator *coordinator, struct deadline *deadline)
{
    heap_remove(&coordinator->deadlines, &deadline->entry);
}

int64_t coordinator_deadline(const struct coordinator *coordinator)
{
    const struct heap_entry *first = heap_first(&coordinator->deadlines);
    return first == NULL ? INT64_MAX : first->key;
}

static void decide_tick(struct group_decider *decider)
{
    struct coordinator *coordinator = decider->coordinator;
    for (int i = 0; i < DEADLINES_PER_TICK; i++) {
        struct heap_entry *first = heap_first(&coordinator->deadlines);
        if (first == NULL || first->key > decider->steady_ms)
            return;
        struct deadline *deadline = container_of(first, struct deadline, entry);
        heap_remove(&coordinator->deadlines, first);
        deadline->passed(decider, deadline);
    }
}

static void (*const deciders[])(struct group_decider *) = {
    [COORDINATOR_JOIN_GROUP] = decide_join_group,
    [COORDINATOR_SYNC_GROUP] = decide_sync_group,
    [COORDINATOR_HEARTBEAT] = decide_classic_heartbeat,
    [COORDINATOR_LEAVE_GROUP] = decide_leave_group,
    [COORDINATOR_CONSUMER_GROUP_HEARTBEAT] = decide_consumer_group_heartbeat,
    [COORDINATOR_OFFSET_COMMIT] = decide_offset_commit,
    [COORDINATOR_OFFSET_FETCH] = decide_offset_fetch,
    [COORDINATOR_OFFSET_DELETE] = decide_offset_delete,
    [COORDINATOR_DELETE_GROUP] = decide_delete_group,
    [COORDINATOR_DESCRIBE_GROUP] = decide_describe_group,
    [COORDINATOR_CONSUMER_GROUP_DESCRIBE] = decide_consumer_group_describe,
    [COORDINATOR_LIST_GROUPS] = decide_list_groups,
    [COORDINATOR_TICK] = decide_tick,
    [COORDINATOR_EXPIRE] = decide_expire,
    [COORDINATOR_TOPICS_DELETED] = decide_topics_deleted,
    [COORDINATOR_ASSIGNED] = decide_assigned,
    [COORDINATOR_RESOLVED] = decide_resolved,
};

static enum error decide(struct rsm_machine *machine, struct rsm_request *rsm_request,
    int64_t next_offset, struct rsm_decision *decision)
{
    struct coordinator_request *request =
        container_of(rsm_request, struct coordinator_request, rsm);
    struct group_decider decider = { .coordinator = coordinator_of(machine),
        .request = request,
        .decision = decision,
        .arena = rsm_request->arena,
        .steady_ms = request->steady_ms,
        .wall_ms = request->wall_ms,
        .next_offset = next_offset };
    int64_t *outer = memory_count_in(&decider.coordinator->memory);
    request->conversions = NULL;
    request->has_more = false;
    downgrade_forget(decider.coordinator);
    decider.coordinator->decided_ms = decider.steady_ms;
    decider.coordinator->new_sync_end_ms = INT64_MAX;
    decider.coordinator->to_assign = decider.coordinator->to_resolve = NULL;
    if (!scarcity_refuses(&decider))
        deciders[request->type](&decider);
    memory_count_in(outer);
    return ERROR_NONE;
}

/* False: it contradicts what the log said before. */
static bool apply_record(struct coordinator *coordinator, int64_t offset,
    const struct coordinator_record *record, int64_t producer_id)
{
    int16_t type = record->schema->type;
    if (type == OFFSET_COMMIT_RECORD_TYPE || type == LEGACY_OFFSET_COMMIT_RECORD_TYPE)
        offset_apply(coordinator, offset, record, producer_id);
    else if (type == GROUP_METADATA_RECORD_TYPE)
        group_metadata_apply(coordinator, record);
    else if (consumer_group_knows(type))
        return consumer_group_apply(coordinator, record);
    else if (unserved_group_knows(type))
        return unserved_group_apply(coordinator, record);
    return true;
}

bool coordinator_replay(
    struct coordinator *coordinator, int64_t offset, struct rsm_record bytes, int64_t producer_id)
{
    struct coordinator_record record;
    int64_t *outer = memory_count_in(&coordinator->memory);
    enum coordinator_record_kind kind =
        coordinator_record_parse(bytes, &coordinator->scratch, &record);
    bool is_good = kind != COORDINATOR_RECORD_DAMAGED;
    if (kind == COORDINATOR_RECORD_GOOD)
        is_good = apply_record(coordinator, offset, &record, producer_id);
    coordinator->skipped += kind == COORDINATOR_RECORD_UNKNOWN;
    arena_reset(&coordinator->scratch);
    memory_count_in(outer);
    return is_good;
}

void coordinator_replay_marker(struct coordinator *coordinator, int64_t producer_id, bool committed)
{
    int64_t *outer = memory_count_in(&coordinator->memory);
    offsets_end_transaction(coordinator, producer_id, committed);
    memory_count_in(outer);
}

static void apply(struct rsm_machine *machine, int64_t offset, struct rsm_record record)
{
    bool is_good = coordinator_replay(coordinator_of(machine), offset, record, -1);
    assert(is_good);
    (void)is_good;
}

static void applied(struct rsm_machine *machine, int64_t end_offset)
{
    (void)machine;
    (void)end_offset;
}

static const struct rsm_machine_type coordinator_type = { decide, apply, applied };

void coordinator_init(struct coordinator *coordinator, const struct coordinator_settings *settings)
{
    *coordinator = (struct coordinator){
        .machine.type = &coordinator_type, .settings = *settings, .new_sync_end_ms = INT64_MAX
    };
    assignor_list_read(settings->consumer_assignors, &coordinator->assignors);
    heap_init(&coordinator->deadlines);
    arena_init(&coordinator->scratch);
}

void coordinator_deinit(struct coordinator *coordinator)
{
    struct coordinator *all = coordinator_detach(coordinator);
    while (!coordinator_free_some(all))
        continue;
}

struct coordinator *coordinator_detach(struct coordinator *coordinator)
{
    int64_t own_size = 0, *outer = memory_count_in(&coordinator->memory);
    downgrade_forget(coordinator);
    memory_count_in(&own_size);
    struct coordinator *detached = memory_take_raw(sizeof(*detached));
    memory_count_in(outer);
    struct coordinator_settings settings = coordinator->settings;
    *detached = *coordinator;
    detached->memory += own_size;
    coordinator_init(coordinator, &settings);
    coordinator->last_assignment = detached->last_assignment;
    return detached;
}

bool coordinator_free_some(struct coordinator *detached)
{
    offsets_forget_pending(detached);
    for (int i = 0; i < GROUPS_FREED_AT_ONCE && detached->groups != NULL; i++) {
        detached->groups->coordinator = detached;
        group_free(detached->groups);
    }
    if (detached->groups != NULL)
        return false;
    assert(detached->consumer_members == 0 && detached->classic_members == 0);
    heap_deinit(&detached->deadlines);
    arena_deinit(&detached->scratch);
    memory_give(detached);
    return true;
}

bool coordinator_begin(
    struct coordinator *coordinator, int64_t steady_ms, const struct image *image)
{
    struct group *group = coordinator->next_to_begin;
    int64_t *outer = memory_count_in(&coordinator->memory);
    if (group == NULL)
        group = coordinator->groups;
    for (int work = 0; group != NULL && work < GROUPS_BEGUN_AT_ONCE; work++) {
        if (group->kept != NULL) {
            group->kind->loaded(group, steady_ms, image);
            work += KEPT_GROUP_WORK;
        }
        group = group->hh.next;
    }
    memory_count_in(outer);
    coordinator->next_to_begin = group;
    return group == NULL;
}

/* As Kafka's coordinators translate: what passes is worth a retry. */
enum error coordinator_error(enum error of_the_log)
{
    switch (of_the_log) {
    case ERROR_UNKNOWN_TOPIC_OR_PARTITION:
    case ERROR_NOT_ENOUGH_REPLICAS:
    case ERROR_REQUEST_TIMED_OUT:
        return ERROR_COORDINATOR_NOT_AVAILABLE;
    case ERROR_NOT_LEADER_OR_FOLLOWER:
    case ERROR_KAFKA_STORAGE_ERROR:
        return ERROR_NOT_COORDINATOR;
    case ERROR_MESSAGE_TOO_LARGE:
    case ERROR_RECORD_LIST_TOO_LARGE:
    case ERROR_INVALID_FETCH_SIZE:
        return ERROR_UNKNOWN_SERVER_ERROR;
    default:
        return of_the_log;
    }
}

static int by_id(struct group *a, struct group *b)
{
    return str_compare(group_id(a), group_id(b));
}

void coordinator_dump(struct coordinator *coordinator, struct rsm_decision *out_records)
{
    HASH_SORT(coordinator->groups, by_id);
    for (struct group *group = coordinator->groups; group != NULL; group = group->hh.next) {
        if (group->kept != NULL)
            group->kind->dump(group, out_records);
        offsets_dump(group, out_records);
    }
}
