/* SPDX-License-Identifier: Apache-2.0 */
/* Any records of a partition of __consumer_offsets, markers, and questions between them: what cannot be read is refused, what
 * nobody knows is counted, every answer encodes, what lives is what a replay of the log gives, and what is dumped comes back. */
#include "coordinator/coordinator.h"

#include <assert.h>

#include "base/budget.h"
#include "base/container.h"
#include "coordinator/assignment.h"
#include "coordinator/record.h"
#include "coordinator/resolution.h"
#include "fuzz/draw.h"
#include "metadata/controller.h"
#include "metadata/record.h"
#include "wire/encode.h"
#include "wire/gen/consumer_group_describe.h"
#include "wire/gen/consumer_group_heartbeat.h"
#include "wire/gen/heartbeat.h"
#include "wire/gen/join_group.h"
#include "wire/gen/leave_group.h"
#include "wire/gen/list_groups.h"
#include "wire/gen/offset_commit.h"
#include "wire/gen/offset_delete.h"
#include "wire/gen/offset_fetch.h"
#include "wire/gen/partition_record.h"
#include "wire/gen/sync_group.h"
#include "wire/gen/topic_record.h"

enum { MOST_ENTRIES = 1000, MOST_STEPS = 200, PRODUCERS = 3, GROUPS_SINCE = 8 };

/* What stands in the log: a record, or the end of a producer's transaction. */
struct entry {
    struct rsm_record record;
    int64_t producer_id;
    bool is_marker, commits;
};

struct run {
    struct coordinator coordinator;
    struct rsm rsm;
    struct rsm_log log;
    struct assignment *assignment; /* that a worker computes; NULL: none */
    struct resolution *resolution; /* the same */
    struct entry entries[MOST_ENTRIES];
    int32_t count;
    int64_t now_ms;
    struct arena arena;
};

static const char *const texts[] = { "g", "h", "i", "m", "n", "in", "consumer", "range" };
static const struct draw_words words = { .texts = texts, .text_count = sizeof(texts) / sizeof(*texts) };

static const struct coordinator_settings settings = { .classic_min_session_ms = 6000,
    .classic_max_session_ms = 1800000,
    .classic_initial_delay_ms = 3000,
    .classic_max_size = 5,
    .consumer_max_size = 5,
    .consumer_heartbeat_ms = 5000,
    .consumer_session_ms = 45000,
    .consumer_moving_heartbeat_ms = 100,
    .consumer_assignment_interval_ms = 1000,
    .consumer_assign_at_once = 4,
    .migration_policy = MIGRATION_BIDIRECTIONAL,
    .offset_metadata_max_bytes = 64,
    .offsets_retention_minutes = 10 };

/* One topic of two partitions, for all runs. */
static const struct image *cluster(void)
{
    static struct controller controller;
    static struct arena arena;
    static const struct controller_settings plain = { .default_partition_count = 1, .default_replication_factor = 1 };
    if (controller.working != NULL)
        return controller.working;
    controller_init(&controller, &plain, 3);
    struct topic_record topic = { .name = STR("in"), .topic_id = { { 1 } } };
    controller_apply(&controller, 0, metadata_record_encode(&arena, &topic_record_schema, 0, &topic));
    for (int32_t i = 0; i < 2; i++) {
        struct partition_record partition;
        message_defaults(&partition_record_schema, &partition);
        partition.partition_id = i;
        partition.topic_id = topic.topic_id;
        controller_apply(&controller, 1 + i, metadata_record_encode(&arena, &partition_record_schema, 0, &partition));
    }
    return controller.working;
}

static void take(struct run *run, const struct entry *entry)
{
    run->entries[run->count++] = *entry;
    if (entry->is_marker) {
        coordinator_replay_marker(&run->coordinator, entry->producer_id, entry->commits);
        return;
    }
    struct coordinator_record parsed;
    enum coordinator_record_kind kind = coordinator_record_parse(entry->record, &run->arena, &parsed);
    int64_t skipped = run->coordinator.skipped + (kind == COORDINATOR_RECORD_UNKNOWN);
    bool is_good = coordinator_replay(&run->coordinator, run->count - 1, entry->record, entry->producer_id);
    assert(kind == COORDINATOR_RECORD_GOOD || is_good == (kind == COORDINATOR_RECORD_UNKNOWN));
    assert(run->coordinator.skipped == skipped);
}

static struct rsm_record draw_record(struct run *run, struct input *input)
{
    const struct record_schema *schema = NULL;
    for (int16_t type = (int16_t)(input_byte(input) % 24); schema == NULL; type = (int16_t)((type + 1) % 24))
        schema = record_schema_find(RECORDS_CONSUMER_OFFSETS, type);
    const void *key = message_draw(schema->key, 0, input, &words, &run->arena);
    uint8_t choice = input_byte(input);
    int versions = schema->value->max_version - schema->value->min_version + 1;
    int16_t version = (int16_t)(schema->value->min_version + choice / 4 % versions);
    const void *value = choice % 4 == 3 ? NULL : message_draw(schema->value, version, input, &words, &run->arena);
    return coordinator_record_encode(&run->arena, schema, key, version, value);
}

static struct rsm_record rot(struct input *input)
{
    struct rsm_record record = { .key = input_take(input, input_byte(input)) };
    if (input_bit(input))
        record.value = input_take(input, input_byte(input));
    return record;
}

static enum error append(struct rsm_log *log, const struct rsm_decision *decision, int64_t *out_base_offset)
{
    struct run *run = container_of(log, struct run, log);
    *out_base_offset = run->count;
    if (decision->record_count > MOST_ENTRIES - run->count)
        return ERROR_NOT_ENOUGH_REPLICAS;
    for (int32_t i = 0; i < decision->record_count; i++)
        run->entries[run->count++] = (struct entry){ .record = decision->records[i], .producer_id = -1 };
    return ERROR_NONE;
}

static int64_t end_offset(struct rsm_log *log)
{
    return container_of(log, struct run, log)->count;
}

static const struct rsm_log_type log_type = { append, end_offset };

static void note_done(struct rsm_request *request, enum error error)
{
    (void)request;
    (void)error;
}

static struct budget memory = { .limit = 100000 };

static struct coordinator_request *submit(
    struct run *run, enum coordinator_request_type type, int16_t version, const void *request, void *response)
{
    int64_t missing;
    struct coordinator_request *asked = arena_take(&run->arena, sizeof(*asked));
    *asked = (struct coordinator_request){ .type = type,
        .version = version,
        .request = request,
        .response = response,
        .steady_ms = run->now_ms,
        .wall_ms = run->now_ms,
        .fresh_id = { { (uint8_t)run->count } },
        .client_id = STR("client"),
        .client_host = STR("/127.0.0.1"),
        .image = cluster(),
        .rsm = { .arena = &run->arena, .done = note_done } };
    rsm_submit(&run->rsm, &asked->rsm);
    rsm_commit(&run->rsm, run->count);
    if (run->assignment == NULL && run->coordinator.to_assign != NULL)
        run->assignment = coordinator_take_assignment(&run->coordinator, cluster(), &memory, run->now_ms, &missing);
    if (run->resolution == NULL && run->coordinator.to_resolve != NULL)
        run->resolution = coordinator_take_resolution(&run->coordinator, cluster(), run->now_ms);
    return asked;
}

/* The worker is done. */
static void assign(struct run *run)
{
    struct assignment *assignment = run->assignment;
    if (assignment == NULL)
        return;
    assignment_run(assignment);
    while (submit(run, COORDINATOR_ASSIGNED, 0, assignment, NULL)->has_more)
        continue;
    assignment_destroy(assignment);
    run->assignment = NULL;
}

/* The same. */
static void resolve(struct run *run)
{
    if (run->resolution == NULL)
        return;
    while (!resolution_step(run->resolution))
        continue;
    submit(run, COORDINATOR_RESOLVED, 0, run->resolution, NULL);
    resolution_destroy(run->resolution);
    run->resolution = NULL;
}

/* Requests whose messages are the protocol's own. */
static void ask_message(struct run *run, struct input *input)
{
    static const struct {
        enum coordinator_request_type type;
        const struct message_schema *request, *response;
        int16_t since; /* the version that the coordinator is asked in at least */
    } questions[] = {
        { COORDINATOR_JOIN_GROUP, &join_group_request_schema, &join_group_response_schema },
        { COORDINATOR_SYNC_GROUP, &sync_group_request_schema, &sync_group_response_schema },
        { COORDINATOR_HEARTBEAT, &heartbeat_request_schema, &heartbeat_response_schema },
        { COORDINATOR_LEAVE_GROUP, &leave_group_request_schema, &leave_group_response_schema, 3 },
        { COORDINATOR_CONSUMER_GROUP_HEARTBEAT, &consumer_group_heartbeat_request_schema,
            &consumer_group_heartbeat_response_schema },
        { COORDINATOR_OFFSET_COMMIT, &offset_commit_request_schema, &offset_commit_response_schema },
        { COORDINATOR_OFFSET_DELETE, &offset_delete_request_schema, &offset_delete_response_schema },
        { COORDINATOR_LIST_GROUPS, &list_groups_request_schema, &list_groups_response_schema },
    };
    int which = input_byte(input) % (int)(sizeof(questions) / sizeof(*questions));
    const struct message_schema *schema = questions[which].request, *answer = questions[which].response;
    int16_t first = questions[which].since > schema->min_version ? questions[which].since : schema->min_version;
    int16_t version = (int16_t)(first + input_byte(input) % (schema->max_version - first + 1));
    void *response = arena_take(&run->arena, answer->shape->size);
    message_defaults(answer, response);
    submit(run, questions[which].type, version, message_draw(schema, version, input, &words, &run->arena), response);
    message_bytes(answer, version, response, &run->arena);
}

static void ask_fetch(struct run *run, struct input *input)
{
    const struct message_schema *schema = &offset_fetch_request_schema;
    int16_t version = (int16_t)(GROUPS_SINCE + input_byte(input) % (schema->max_version - GROUPS_SINCE + 1));
    const struct offset_fetch_request *request = message_draw(schema, version, input, &words, &run->arena);
    struct offset_fetch_response response;
    message_defaults(&offset_fetch_response_schema, &response);
    response.groups_count = request->groups_count;
    response.groups = MESSAGE_TAKE(offset_fetch_response_group, &run->arena, request->groups_count);
    for (int32_t i = 0; i < request->groups_count; i++)
        submit(run, COORDINATOR_OFFSET_FETCH, version, &request->groups[i], &response.groups[i]);
    message_bytes(&offset_fetch_response_schema, version, &response, &run->arena);
}

static void ask_describe(struct run *run, struct str id)
{
    struct consumer_group_describe_described_group group = { .group_id = id };
    struct consumer_group_describe_response response = { .groups = &group, .groups_count = 1 };
    submit(run, COORDINATOR_CONSUMER_GROUP_DESCRIBE, consumer_group_describe_response_schema.max_version, &id, &group);
    message_bytes(&consumer_group_describe_response_schema, consumer_group_describe_response_schema.max_version, &response,
        &run->arena);
}

static void ask_plain(struct run *run, struct input *input)
{
    enum error error;
    struct str id = str_from(texts[input_byte(input) % words.text_count]);
    switch (input_byte(input) % 5) {
    case 0: submit(run, COORDINATOR_DELETE_GROUP, 2, &id, &error); return;
    case 1: submit(run, COORDINATOR_EXPIRE, 0, NULL, NULL); return;
    case 2: submit(run, COORDINATOR_TOPICS_DELETED, 0, NULL, NULL); return;
    case 3: ask_describe(run, id); return;
    default:
        submit(run, COORDINATOR_TICK, 0, NULL, NULL);
        assign(run);
        resolve(run);
    }
}

static void step(struct run *run, struct input *input)
{
    uint8_t choice = input_byte(input);
    struct entry entry = { .producer_id = choice / 16 % (PRODUCERS + 1) - 1 };
    switch (choice % 8) {
    case 0:
    case 1:
    case 2: entry.record = draw_record(run, input); break;
    case 3: entry.record = rot(input); break;
    case 4:
        entry.is_marker = true;
        entry.commits = input_bit(input);
        break;
    case 5: ask_message(run, input); return;
    case 6: ask_fetch(run, input); return;
    default:
        run->now_ms += (int64_t)input_number(input, 3);
        ask_plain(run, input);
        return;
    }
    take(run, &entry);
}

static void check_same(struct coordinator *one, struct coordinator *other, struct arena *arena)
{
    struct rsm_decision first = { .arena = arena }, second = { .arena = arena };
    coordinator_dump(one, &first);
    coordinator_dump(other, &second);
    assert(first.record_count == second.record_count);
    for (int32_t i = 0; i < first.record_count; i++) {
        assert(bytes_equal(first.records[i].key, second.records[i].key));
        assert(bytes_equal(first.records[i].value, second.records[i].value));
    }
}

/* By the log, and by its own dump. */
static void check_replays(struct run *run)
{
    struct coordinator replayed, again;
    struct rsm_decision dumped = { .arena = &run->arena };
    coordinator_init(&replayed, &settings);
    coordinator_init(&again, &settings);
    for (int32_t i = 0; i < run->count; i++) {
        const struct entry *entry = &run->entries[i];
        if (entry->is_marker)
            coordinator_replay_marker(&replayed, entry->producer_id, entry->commits);
        else
            coordinator_replay(&replayed, i, entry->record, entry->producer_id);
    }
    while (!coordinator_begin(&replayed, run->now_ms, cluster()))
        continue;
    check_same(&run->coordinator, &replayed, &run->arena);
    coordinator_dump(&replayed, &dumped);
    for (int32_t i = 0; i < dumped.record_count; i++) {
        bool is_good = coordinator_replay(&again, i, dumped.records[i], -1);
        assert(is_good);
    }
    check_same(&run->coordinator, &again, &run->arena);
    coordinator_deinit(&again);
    coordinator_deinit(&replayed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct run run;
    struct input input = input_of(data, size);
    run.count = 0;
    run.now_ms = INT64_C(1760000000000);
    run.log.type = &log_type;
    arena_init(&run.arena);
    coordinator_init(&run.coordinator, &settings);
    rsm_init(&run.rsm, &run.coordinator.machine, ERROR_NOT_COORDINATOR);
    rsm_gain(&run.rsm, &run.log, 0);
    for (int i = 0; i < MOST_STEPS && input_left(&input) > 0 && run.count < MOST_ENTRIES; i++)
        step(&run, &input);
    check_replays(&run);
    rsm_lose(&run.rsm);
    assignment_destroy(run.assignment);
    run.assignment = NULL;
    resolution_destroy(run.resolution);
    run.resolution = NULL;
    assert(budget_used(&memory) == 0);
    coordinator_deinit(&run.coordinator);
    arena_deinit(&run.arena);
    return 0;
}
