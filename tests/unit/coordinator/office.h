/* SPDX-License-Identifier: Apache-2.0 */
/* A coordinator on a log in memory, with topics to speak of, and a clock that a test turns. What
 * was appended can be replayed into a second coordinator, which must come out the same. */
#pragma once
#include "base/budget.h"
#include "base/container.h"
#include "coordinator/assignment.h"
#include "coordinator/coordinator.h"
#include "coordinator/resolution.h"
#include "unit/metadata/cluster.h"

enum { OFFICE_RECORDS = 10000 };

struct office {
    struct coordinator coordinator;
    struct rsm rsm;
    struct rsm_log log;
    struct cluster cluster;
    struct arena arena; /* of all that is asked */
    struct rsm_record records[OFFICE_RECORDS];
    int32_t count;
    int64_t steady_ms, wall_ms;
    uint32_t last_id;     /* of the ids that are given to new members */
    int32_t member_total; /* of the node, as it says */
    enum coordinator_memory memory;
    size_t record_most;                  /* that the log takes, as the node says */
    bool refuses, commits_late;          /* the log: every append; until office_commit() */
    const struct group_conversion *told; /* the last one */
    int32_t conversions;
    struct budget budget;
    struct assignment *assignment; /* that a worker computes; NULL: none */
    bool assigns_late;             /* until office_assign() */
    struct resolution *resolution; /* the same */
    bool resolves_late;            /* until office_resolve() */
};

/* One request to it. */
struct question {
    struct coordinator_request request;
    bool is_done;
    enum error error;
};

static inline enum error office_append(
    struct rsm_log *log, const struct rsm_decision *decision, int64_t *out_base_offset)
{
    struct office *office = container_of(log, struct office, log);
    if (office->refuses)
        return ERROR_NOT_ENOUGH_REPLICAS;
    *out_base_offset = office->count;
    for (int32_t i = 0; i < decision->record_count; i++) {
        struct rsm_record record = decision->records[i];
        assert_true(office->count < OFFICE_RECORDS);
        record.key.data = arena_copy(&office->arena, record.key.data, record.key.size);
        if (record.value.data != NULL)
            record.value.data = arena_copy(&office->arena, record.value.data, record.value.size);
        office->records[office->count++] = record;
    }
    return ERROR_NONE;
}

static inline int64_t office_end(struct rsm_log *log)
{
    return container_of(log, struct office, log)->count;
}

static const struct rsm_log_type office_log_type = { office_append, office_end };

static inline void office_init(struct office *office)
{
    static const struct coordinator_settings settings = { .classic_min_session_ms = 6000,
        .classic_max_session_ms = 1800000,
        .classic_initial_delay_ms = 3000,
        .classic_max_size = INT32_MAX,
        .consumer_max_size = INT32_MAX,
        .consumer_heartbeat_ms = 5000,
        .consumer_session_ms = 45000,
        .consumer_heartbeat_bounds = { 1, 15000 },
        .consumer_session_bounds = { 1, 60000 },
        .consumer_assignment_bounds = { 0, 15000 },
        .consumer_moving_heartbeat_ms = 100,
        .consumer_assignment_interval_ms = 1000,
        .consumer_assign_at_once = 1000000,
        .migration_policy = MIGRATION_BIDIRECTIONAL,
        .offset_metadata_max_bytes = 4096,
        .offsets_retention_minutes = 10080 };
    *office = (struct office){
        .log.type = &office_log_type, .steady_ms = 1000, .wall_ms = 1700000000000
    };
    coordinator_init(&office->coordinator, &settings);
    rsm_init(&office->rsm, &office->coordinator.machine, ERROR_NOT_COORDINATOR);
    rsm_gain(&office->rsm, &office->log, 0);
    arena_init(&office->arena);
    budget_init(&office->budget, INT64_MAX);
    cluster_init(&office->cluster);
}

/* As after a loss of the log. What it said that its state takes is what that gives back. */
static inline void office_forget(struct office *office)
{
    struct coordinator *all = coordinator_detach(&office->coordinator);
    int64_t memory = all->memory;
    int64_t *outer = memory_count_in(&memory);
    while (!coordinator_free_some(all))
        continue;
    memory_count_in(outer);
    assert_int_equal(memory, 0);
}

static inline void office_deinit(struct office *office)
{
    rsm_lose(&office->rsm);
    assignment_destroy(office->assignment);
    resolution_destroy(office->resolution);
    assert_int_equal(budget_used(&office->budget), 0);
    office_forget(office);
    cluster_deinit(&office->cluster);
    arena_deinit(&office->arena);
}

/* All is told that was in the log. */
static inline void office_begin(struct office *office)
{
    while (!coordinator_begin(
        &office->coordinator, office->steady_ms, cluster_image(&office->cluster)))
        continue;
}

/* The log was lost, and is there again: whoever waits hears of it; a worker that computes does not.
 */
static inline void office_load_again(struct office *office)
{
    rsm_lose(&office->rsm);
    office_forget(office);
    for (int32_t i = 0; i < office->count; i++)
        assert_true(coordinator_replay(&office->coordinator, i, office->records[i], -1));
    office_begin(office);
    rsm_gain(&office->rsm, &office->log, office->count);
}

/* Topics are told apart by their first two letters. */
static inline void office_add_topic(struct office *office, const char *name, int partition_count)
{
    static const int32_t replica = 1;
    for (int i = 0; i < partition_count; i++)
        cluster_add_partition(&office->cluster, name, &replica, 1);
}

static inline void office_note_done(struct rsm_request *request, enum error error)
{
    struct coordinator_request *asked = container_of(request, struct coordinator_request, rsm);
    struct question *question = container_of(asked, struct question, request);
    question->is_done = true;
    question->error = error;
}

static inline void office_commit(struct office *office)
{
    rsm_commit(&office->rsm, office->count);
}

/* A group that is told to have changed its protocol has, unless the log refused. */
static inline void office_note_conversions(struct office *office, const struct question *question)
{
    const struct group_conversion *told = question->request.conversions;
    for (; question->error == ERROR_NONE && told != NULL; told = told->next) {
        const struct group *group = group_find(&office->coordinator, told->group_id);
        assert_string_equal(group == NULL ? classic_kind.type : group->kind->type, told->to);
        office->told = told;
        office->conversions++;
    }
}

/* What the last conversion was, in words; each is told once. */
static inline const char *office_told(struct office *office)
{
    const struct group_conversion *told = office->told;
    office->told = NULL;
    return told == NULL
               ? "nothing"
               : arena_format(&office->arena, "%.*s is %s by %.*s: %s", STR_PRINT(told->group_id),
                     told->to, STR_PRINT(told->member_id), told->reason);
}

static inline struct question *office_tell(struct office *office,
    enum coordinator_request_type type, int16_t version, const void *request, void *response)
{
    struct question *question = arena_take(&office->arena, sizeof(*question));
    struct uuid fresh_id = { 0 };
    store_u32(&fresh_id.bytes[12], ++office->last_id);
    question->request = (struct coordinator_request){ .type = type,
        .version = version,
        .request = request,
        .response = response,
        .steady_ms = office->steady_ms,
        .wall_ms = office->wall_ms,
        .fresh_id = fresh_id,
        .member_total = office->member_total,
        .memory = office->memory,
        .record_most = office->record_most,
        .client_id = STR("client"),
        .client_host = STR("/127.0.0.1"),
        .image = cluster_image(&office->cluster),
        .rsm = { .arena = &office->arena, .done = office_note_done } };
    rsm_submit(&office->rsm, &question->request.rsm);
    if (!office->commits_late)
        office_commit(office);
    office_note_conversions(office, question);
    return question;
}

/* The worker is done, and some of what it found is written. */
static inline bool office_assign_some(struct office *office)
{
    struct question *question =
        office_tell(office, COORDINATOR_ASSIGNED, 0, office->assignment, NULL);
    return question->error == ERROR_NONE && question->request.has_more;
}

static inline void office_assign(struct office *office)
{
    assignment_run(office->assignment);
    while (office_assign_some(office))
        continue;
    assignment_destroy(office->assignment);
    office->assignment = NULL;
}

/* Behind a request; the image goes on changing, and what was taken of it does not. */
static inline void office_take_assignment(struct office *office)
{
    int64_t missing;
    struct image *image = image_share(office->cluster.controller.working);
    office->assignment = coordinator_take_assignment(
        &office->coordinator, image, &office->budget, office->steady_ms, &missing);
    image_unref(image);
}

static inline void office_resolve(struct office *office)
{
    while (!resolution_step(office->resolution))
        continue;
    office_tell(office, COORDINATOR_RESOLVED, 0, office->resolution, NULL);
    resolution_destroy(office->resolution);
    office->resolution = NULL;
}

static inline void office_take_resolution(struct office *office)
{
    struct image *image = image_share(office->cluster.controller.working);
    office->resolution =
        coordinator_take_resolution(&office->coordinator, image, office->steady_ms);
    image_unref(image);
}

/* response: with the schema's defaults. It is answered then, unless it is held, or the log commits
 * late. */
static inline struct question *office_submit(struct office *office,
    enum coordinator_request_type type, int16_t version, const void *request, void *response)
{
    struct question *question = office_tell(office, type, version, request, response);
    if (office->assignment == NULL && office->coordinator.to_assign != NULL)
        office_take_assignment(office);
    if (office->assignment != NULL && !office->assigns_late)
        office_assign(office);
    if (office->resolution == NULL && office->coordinator.to_resolve != NULL)
        office_take_resolution(office);
    if (office->resolution != NULL && !office->resolves_late)
        office_resolve(office);
    return question;
}

static inline void office_ask(struct office *office, enum coordinator_request_type type,
    int16_t version, const void *request, void *response)
{
    struct question *question = office_submit(office, type, version, request, response);
    assert_true(question->is_done);
    assert_int_equal(question->error, ERROR_NONE);
}

/* Time goes by; what is due happens when it is due. */
static inline void office_pass_time(struct office *office, int64_t milliseconds)
{
    int64_t end = office->steady_ms + milliseconds;
    for (int64_t due; (due = coordinator_deadline(&office->coordinator)) <= end;) {
        if (due > office->steady_ms) {
            office->wall_ms += due - office->steady_ms;
            office->steady_ms = due;
        }
        office_submit(office, COORDINATOR_TICK, 0, NULL, NULL);
    }
    office->wall_ms += end - office->steady_ms;
    office->steady_ms = end;
}

static inline void office_same_records(
    const struct rsm_decision *one, const struct rsm_decision *other)
{
    assert_int_equal(one->record_count, other->record_count);
    for (int32_t i = 0; i < one->record_count; i++) {
        assert_true(bytes_equal(one->records[i].key, other->records[i].key));
        assert_true(bytes_equal(one->records[i].value, other->records[i].value));
    }
}

/* The law of every decide/apply machine: what lives is what a replay gives. */
static inline void office_check_replay(struct office *office)
{
    struct coordinator replayed;
    coordinator_init(&replayed, &office->coordinator.settings);
    for (int32_t i = 0; i < office->count; i++)
        assert_true(coordinator_replay(&replayed, i, office->records[i], -1));
    struct rsm_decision lives = { .arena = &office->arena }, is_told = { .arena = &office->arena };
    coordinator_dump(&office->coordinator, &lives);
    coordinator_dump(&replayed, &is_told);
    office_same_records(&lives, &is_told);
    assert_int_equal(office->coordinator.consumer_members, replayed.consumer_members);
    coordinator_deinit(&replayed);
}
