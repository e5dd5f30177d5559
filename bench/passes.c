/* SPDX-License-Identifier: Apache-2.0 */
/* usage: passes [MEMBERS [TOPICS [PARTITIONS [SUBSCRIBED [OFFSETS]]]]]     (2000 10 1000 10
 * 1000000) What a coordinator holds a shard's pass for, without a node around it: each decision is
 * timed with the building of its batches and its apply, in processor time. A group of the consumer
 * protocol, whose MEMBERS read SUBSCRIBED of the TOPICS each, is filled, assigned, settled,
 * assigned once more, loses half of its members to an administrator, and is left silent until all
 * its sessions have ended; one member says more than it should. Then OFFSETS committed ones, first
 * of as many groups and then of one, are listed, looked through, and deleted; and expressions of
 * topics are matched with 10,000 names of 249 letters. A row tells how many decisions (or copies, or
 * runs of an assignor) there were, the longest, and all together. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/arena.h"
#include "base/budget.h"
#include "base/buffer.h"
#include "base/container.h"
#include "base/memory.h"
#include "base/prng.h"
#include "coordinator/assignment.h"
#include "coordinator/coordinator.h"
#include "coordinator/group_consumer_state.h"
#include "coordinator/offsets.h"
#include "coordinator/record.h"
#include "coordinator/resolution.h"
#include "metadata/controller.h"
#include "metadata/feature.h"
#include "metadata/record.h"
#include "wire/encode.h"
#include "wire/gen/consumer_group_describe.h"
#include "wire/gen/consumer_group_heartbeat.h"
#include "wire/gen/feature_level_record.h"
#include "wire/gen/group_metadata_record.h"
#include "wire/gen/leave_group.h"
#include "wire/gen/list_groups.h"
#include "wire/gen/offset_fetch.h"
#include "wire/gen/partition_record.h"
#include "wire/gen/topic_record.h"
#include "wire/record.h"
#include "wire/schema.h"

enum { BATCH_BYTES = 1 << 20, SESSION_MS = 45000, SETTLE_ROUNDS = 6, TEXT_SIZE = 32 };

struct passes {
    struct controller controller; /* for its image */
    struct coordinator coordinator;
    struct rsm rsm;
    struct rsm_log log;
    int64_t end_offset, steady_ms, wall_ms;
    struct arena arena; /* of a request */
    struct budget budget;
    struct str *topics;
    int32_t topic_count, member_count, subscribed_count;
    int32_t *epochs; /* of each member */
};

struct row {
    int64_t count, total_ns, longest_ns;
};

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void row_add(struct row *row, int64_t began_ns)
{
    int64_t took_ns = now_ns() - began_ns;
    row->count++;
    row->total_ns += took_ns;
    if (took_ns > row->longest_ns)
        row->longest_ns = took_ns;
}

static void row_print(const char *name, const struct row *row)
{
    printf("%-28s count=%-8lld longest_ms=%-8.2f total_ms=%.0f\n", name, (long long)row->count,
        (double)row->longest_ns / 1e6, (double)row->total_ns / 1e6);
    fflush(stdout);
}

/* ---- A log that builds its batches, as a partition's machine does, and keeps none. ---- */

static enum error append(
    struct rsm_log *log, const struct rsm_decision *decision, int64_t *out_base_offset)
{
    struct passes *passes = container_of(log, struct passes, log);
    struct batch_options options = batch_options_plain();
    struct record *records =
        arena_take_array(decision->arena, (size_t)decision->record_count, sizeof(*records));
    *out_base_offset = passes->end_offset;
    for (int32_t first = 0, count; first < decision->record_count; first += count) {
        size_t size = 0;
        for (count = 0; first + count < decision->record_count && size < BATCH_BYTES; count++) {
            const struct rsm_record *record = &decision->records[first + count];
            records[count] = (struct record){
                .timestamp = passes->wall_ms, .key = record->key, .value = record->value
            };
            size += record->key.size + record->value.size;
        }
        buffer_unref(batch_build(&options, records, count));
    }
    passes->end_offset += decision->record_count;
    return ERROR_NONE;
}

static int64_t end_offset(struct rsm_log *log)
{
    return container_of(log, struct passes, log)->end_offset;
}

static const struct rsm_log_type log_type = { append, end_offset };

/* ---- Topics. ---- */

static void apply_metadata(struct passes *passes, const struct message_schema *schema,
    int16_t version, const void *message)
{
    struct controller *controller = &passes->controller;
    controller_apply(controller, controller->working->offset,
        metadata_record_encode(&passes->arena, schema, version, message));
    assert(controller->failure == NULL);
    controller->working->offset++;
}

static void add_named_topic(
    struct passes *passes, struct str name, int32_t number, int32_t partitions)
{
    static int32_t replica = 1;
    static struct uuid directory = { { 9 } };
    struct topic_record topic = { .name = name };
    store_u32(&topic.topic_id.bytes[4], (uint32_t)number * 2654435769U); /* in no order */
    store_u32(&topic.topic_id.bytes[8], (uint32_t)number + 1);
    apply_metadata(passes, &topic_record_schema, 0, &topic);
    struct partition_record partition;
    message_defaults(&partition_record_schema, &partition);
    partition.topic_id = topic.topic_id;
    partition.leader = replica;
    partition.leader_epoch = partition.partition_epoch = 0;
    partition.replicas = partition.isr = &replica;
    partition.directories = &directory;
    partition.replicas_count = partition.isr_count = partition.directories_count = 1;
    for (int32_t i = 0; i < partitions; i++) {
        partition.partition_id = i;
        apply_metadata(passes, &partition_record_schema, 2, &partition);
    }
    arena_reset(&passes->arena);
}

static void add_topic(struct passes *passes, int32_t number, int32_t partitions)
{
    char *name = memory_take(TEXT_SIZE);
    snprintf(name, TEXT_SIZE, "topic-%05d", number);
    passes->topics[number] = str_from(name);
    add_named_topic(passes, passes->topics[number], number, partitions);
}

static void begin(struct passes *passes, int32_t partitions)
{
    static const struct controller_settings settings = {
        .default_partition_count = 1, .default_replication_factor = 1, .min_insync_replicas = 1
    };
    static const struct coordinator_settings groups = { .classic_max_session_ms = 1800000,
        .consumer_max_size = INT32_MAX,
        .consumer_heartbeat_ms = 5000,
        .consumer_session_ms = SESSION_MS,
        .consumer_heartbeat_bounds = { 1, 15000 },
        .consumer_session_bounds = { 1, 60000 },
        .consumer_assignment_bounds = { 0, 15000 },
        .consumer_moving_heartbeat_ms = 100,
        .consumer_assign_at_once = 1000000,
        .offset_metadata_max_bytes = 4096,
        .offsets_retention_minutes = 10080 };
    struct feature_level_record feature = { .name = STR("metadata.version"),
        .feature_level = METADATA_VERSION_NEWEST };
    passes->log.type = &log_type;
    passes->steady_ms = 1000;
    passes->wall_ms = 1700000000000;
    arena_init(&passes->arena);
    budget_init(&passes->budget, INT64_MAX);
    controller_init(&passes->controller, &settings, 3);
    apply_metadata(passes, &feature_level_record_schema, 0, &feature);
    passes->topics = memory_take((size_t)passes->topic_count * sizeof(*passes->topics));
    for (int32_t i = 0; i < passes->topic_count; i++)
        add_topic(passes, i, partitions);
    coordinator_init(&passes->coordinator, &groups);
    rsm_init(&passes->rsm, &passes->coordinator.machine, ERROR_NOT_COORDINATOR);
    rsm_gain(&passes->rsm, &passes->log, 0);
}

/* ---- What is asked. ---- */

static void is_done(struct rsm_request *request, enum error error)
{
    (void)request;
    assert(error == ERROR_NONE);
}

/* While the request has more it is submitted again, as a shard does in its next pass. */
static void ask(struct passes *passes, struct row *row, enum coordinator_request_type type,
    const void *in, void *out)
{
    struct coordinator_request request = { .type = type,
        .version = 1,
        .request = in,
        .response = out,
        .steady_ms = passes->steady_ms,
        .wall_ms = passes->wall_ms,
        .client_id = STR("client"),
        .client_host = STR("/127.0.0.1"),
        .image = passes->controller.working,
        .record_most = BATCH_BYTES,
        .rsm = { .arena = &passes->arena, .done = is_done } };
    do {
        int64_t began_ns = now_ns();
        rsm_submit(&passes->rsm, &request.rsm);
        rsm_commit(&passes->rsm, passes->end_offset);
        row_add(row, began_ns);
    } while (request.has_more);
}

static struct str *topics_of(struct passes *passes, int32_t member)
{
    struct str *list =
        arena_take_array(&passes->arena, (size_t)passes->subscribed_count, sizeof(*list));
    for (int32_t i = 0; i < passes->subscribed_count; i++)
        list[i] = passes->topics[(member + i) % passes->topic_count];
    return list;
}

static struct str member_id_of(struct passes *passes, int32_t member)
{
    return str_from(arena_format(&passes->arena, "member-%06d", member));
}

/* It gives up at once whatever it is to. */
static void beat(struct passes *passes, struct row *row, int32_t member)
{
    struct consumer_group_heartbeat_request request;
    struct consumer_group_heartbeat_response response;
    message_defaults(&consumer_group_heartbeat_request_schema, &request);
    message_defaults(&consumer_group_heartbeat_response_schema, &response);
    request.group_id = STR("large");
    request.member_id = member_id_of(passes, member);
    request.member_epoch = passes->epochs[member];
    request.topic_partitions_count = 0;
    if (request.member_epoch == JOINING) {
        request.rebalance_timeout_ms = 300000;
        request.subscribed_topic_names = topics_of(passes, member);
        request.subscribed_topic_names_count = passes->subscribed_count;
    }
    ask(passes, row, COORDINATOR_CONSUMER_GROUP_HEARTBEAT, &request, &response);
    assert(response.error_code == ERROR_NONE);
    passes->epochs[member] = response.member_epoch;
    arena_reset(&passes->arena);
}

/* Of the first member, which names all that it has, and that several times, the last topics first:
 * each is looked up where it comes with the epoch before. */
static void say_all(struct passes *passes, struct consumer_group_heartbeat_request *request)
{
    enum { TIMES = 10 };
    const struct group *group = group_find(&passes->coordinator, STR("large"));
    const struct consumer_current *current =
        &consumer_member_find(group, STR("member-000000"))->current;
    int32_t topics = current->assigned.topic_count, count = TIMES * topics;
    if (current->previous_epoch > 0)
        request->member_epoch = current->previous_epoch;
    request->topic_partitions =
        MESSAGE_TAKE(consumer_group_heartbeat_request_topic_partitions, &passes->arena, count);
    request->topic_partitions_count = count;
    for (int32_t i = 0; i < count; i++) {
        const struct partition_set_topic *topic =
            &current->assigned.topics[topics - 1 - i % topics];
        request->topic_partitions[i].topic_id = topic->id;
        request->topic_partitions[i].partitions = topic->partitions;
        request->topic_partitions[i].partitions_count = topic->count;
    }
}

/* More than fits into a record. */
static void name_too_many(struct passes *passes, struct consumer_group_heartbeat_request *request)
{
    enum { NAMES = 500000 };
    request->subscribed_topic_names = arena_take_array(&passes->arena, NAMES, sizeof(struct str));
    request->subscribed_topic_names_count = NAMES;
    for (uint32_t i = 0; i < NAMES; i++)
        request->subscribed_topic_names[i] =
            str_from(arena_format(&passes->arena, "topic-%u", i * 2654435769U));
}

static void say_much(struct passes *passes, const char *name,
    void (*fill)(struct passes *, struct consumer_group_heartbeat_request *))
{
    struct row row = { 0 };
    struct consumer_group_heartbeat_request request;
    struct consumer_group_heartbeat_response response;
    message_defaults(&consumer_group_heartbeat_request_schema, &request);
    message_defaults(&consumer_group_heartbeat_response_schema, &response);
    request.group_id = STR("large");
    request.member_id = STR("member-000000");
    request.member_epoch = passes->epochs[0];
    fill(passes, &request);
    ask(passes, &row, COORDINATOR_CONSUMER_GROUP_HEARTBEAT, &request, &response);
    row_print(name, &row);
    arena_reset(&passes->arena);
}

/* As behind a request of a shard; then what a worker does, and what it brings back. */
static void assign(struct passes *passes, const char *name)
{
    struct row copied = { 0 }, ran = { 0 }, told = { 0 };
    char text[3][TEXT_SIZE];
    if (passes->coordinator.to_assign == NULL)
        return; /* it was done at once */
    int64_t missing, began_ns = now_ns();
    struct assignment *assignment = coordinator_take_assignment(&passes->coordinator,
        passes->controller.working, &passes->budget, passes->steady_ms, &missing);
    row_add(&copied, began_ns);
    began_ns = now_ns();
    assignment_run(assignment);
    row_add(&ran, began_ns);
    ask(passes, &told, COORDINATOR_ASSIGNED, assignment, NULL);
    snprintf(text[0], TEXT_SIZE, "%s: copy", name);
    snprintf(text[1], TEXT_SIZE, "%s: run, beside", name);
    snprintf(text[2], TEXT_SIZE, "%s: written", name);
    row_print(text[0], &copied);
    row_print(text[1], &ran);
    row_print(text[2], &told);
    assignment_destroy(assignment);
    arena_reset(&passes->arena);
}

/* As the pass does that answers. */
static void encode(struct passes *passes, const struct message_schema *schema, int16_t version,
    const void *message)
{
    struct row row = { 0 };
    int64_t began_ns = now_ns();
    size_t size = message_size(schema, version, message);
    message_encode(schema, version, message, arena_take(&passes->arena, size), size, NULL);
    row_add(&row, began_ns);
    row_print("  the answer, encoded", &row);
    arena_reset(&passes->arena);
}

static void describe(struct passes *passes)
{
    struct row row = { 0 };
    struct str id = STR("large");
    struct consumer_group_describe_described_group group = { 0 };
    struct consumer_group_describe_response response = { .groups = &group, .groups_count = 1 };
    ask(passes, &row, COORDINATOR_CONSUMER_GROUP_DESCRIBE, &id, &group);
    row_print("described", &row);
    encode(passes, &consumer_group_describe_response_schema, 1, &response);
}

/* Whoever is silent. */
static void let_sessions_end(struct passes *passes, const char *name)
{
    struct row ended = { 0 };
    passes->steady_ms += SESSION_MS;
    while (coordinator_deadline(&passes->coordinator) < INT64_MAX) {
        if (coordinator_deadline(&passes->coordinator) > passes->steady_ms)
            passes->steady_ms = coordinator_deadline(&passes->coordinator);
        ask(passes, &ended, COORDINATOR_TICK, NULL, NULL);
        arena_reset(&passes->arena);
    }
    row_print(name, &ended);
}

/* Half of the members are named by an administrator. */
static void take_members_out(struct passes *passes)
{
    struct row row = { 0 };
    struct leave_group_response response = { 0 };
    struct leave_group_request request = { .group_id = STR("large"),
        .members_count = passes->member_count / 2 };
    request.members =
        MESSAGE_TAKE(leave_group_member_identity, &passes->arena, request.members_count);
    for (int32_t i = 0; i < request.members_count; i++)
        request.members[i].member_id = member_id_of(passes, i);
    ask(passes, &row, COORDINATOR_LEAVE_GROUP, &request, &response);
    assert(response.members_count == request.members_count);
    row_print("half are named to leave", &row);
    arena_reset(&passes->arena);
}

/* A classic group of as many members as suit a record of 1 MB, as it is after a load. */
static void measure_classic(struct passes *passes)
{
    enum { MOST = 5000 };
    int32_t count = passes->member_count < MOST ? passes->member_count : MOST;
    struct group_metadata_record_member_metadata *members =
        MESSAGE_TAKE(group_metadata_record_member_metadata, &passes->arena, count);
    for (int32_t i = 0; i < count; i++)
        members[i] = (struct group_metadata_record_member_metadata){
            .member_id = str_from(arena_format(&passes->arena, "member-%06d", i)),
            .client_id = STR("client"),
            .client_host = STR("/127.0.0.1"),
            .rebalance_timeout = 300000,
            .session_timeout = SESSION_MS
        };
    struct group_metadata_record_key key = { .group = STR("classic") };
    struct group_metadata_record value = { .protocol_type = STR("consumer"),
        .generation = 1,
        .protocol = STR("range"),
        .leader = members->member_id,
        .current_state_timestamp = passes->wall_ms,
        .members = members,
        .members_count = count };
    const struct record_schema *schema =
        record_schema_find(RECORDS_CONSUMER_OFFSETS, GROUP_METADATA_RECORD_TYPE);
    coordinator_replay(&passes->coordinator, passes->end_offset++,
        coordinator_record_encode(&passes->arena, schema, &key, 3, &value), -1);
    while (!coordinator_begin(&passes->coordinator, passes->steady_ms, passes->controller.working))
        continue;
    arena_reset(&passes->arena);
    let_sessions_end(passes, "classic: all sessions end");
}

static void measure_members(struct passes *passes)
{
    struct row joined = { 0 }, settled = { 0 };
    passes->epochs = memory_take((size_t)passes->member_count * sizeof(*passes->epochs));
    for (int32_t i = 0; i < passes->member_count; i++)
        beat(passes, &joined, i);
    row_print("joins", &joined);
    assign(passes, "first");
    for (int32_t round = 0; round < SETTLE_ROUNDS; round++)
        for (int32_t i = 0; i < passes->member_count; i++)
            beat(passes, &settled, i);
    row_print("heartbeats that move", &settled);
    say_much(passes, "ten times what it has is said", say_all);
    passes->epochs[0] = JOINING;
    passes->subscribed_count--;
    beat(passes, &joined, 0);
    assign(passes, "again");
    describe(passes);
    say_much(passes, "500,000 topics are named", name_too_many);
    take_members_out(passes);
    let_sessions_end(passes, "all sessions end");
    memory_give(passes->epochs);
}

/* ---- Offsets. ---- */

static void commit(struct passes *passes, int32_t number, bool is_one_group)
{
    struct rsm_decision record = { .arena = &passes->arena };
    struct committed_offset offset = {
        .partition = number % 1000, .offset = number, .commit_ms = passes->wall_ms, .expire_ms = -1
    };
    struct str group =
        is_one_group ? STR("one") : str_from(arena_format(&passes->arena, "group-%d", number));
    offset_record(&record, group,
        str_from(arena_format(&passes->arena, "of-%d", is_one_group ? number / 1000 : 0)), &offset);
    coordinator_replay(&passes->coordinator, 0, record.records[0], -1);
    arena_reset(&passes->arena);
}

static void look_through(
    struct passes *passes, const char *name, enum coordinator_request_type type)
{
    struct row row = { 0 };
    ask(passes, &row, type, NULL, NULL);
    arena_reset(&passes->arena);
    row_print(name, &row);
}

static void list_groups(struct passes *passes)
{
    struct row row = { 0 };
    struct list_groups_request request;
    struct list_groups_response response;
    message_defaults(&list_groups_request_schema, &request);
    message_defaults(&list_groups_response_schema, &response);
    ask(passes, &row, COORDINATOR_LIST_GROUPS, &request, &response);
    row_print("groups listed", &row);
    encode(passes, &list_groups_response_schema, 5, &response);
}

static void fetch_offsets(struct passes *passes)
{
    struct row row = { 0 };
    struct offset_fetch_response_group group;
    struct offset_fetch_request_group request = {
        .group_id = STR("one"), .topics_count = -1, .member_epoch = -1
    };
    struct offset_fetch_response response = { .groups = &group, .groups_count = 1 };
    memset(&group, 0, sizeof(group));
    ask(passes, &row, COORDINATOR_OFFSET_FETCH, &request, &group);
    row_print("all of its offsets fetched", &row);
    encode(passes, &offset_fetch_response_schema, 9, &response);
}

static void measure_offsets(struct passes *passes, int32_t offsets)
{
    struct row deleted = { 0 };
    struct str one = STR("one");
    enum error error;
    for (int32_t i = 0; i < offsets; i++)
        commit(passes, i, false);
    list_groups(passes);
    look_through(passes, "none is old", COORDINATOR_EXPIRE);
    passes->wall_ms += (int64_t)8 * 24 * 3600 * 1000;
    look_through(passes, "all are old", COORDINATOR_EXPIRE);
    for (int32_t i = 0; i < offsets; i++)
        commit(passes, i, true);
    look_through(passes, "of one group, none is old", COORDINATOR_EXPIRE);
    fetch_offsets(passes);
    ask(passes, &deleted, COORDINATOR_DELETE_GROUP, &one, &error);
    row_print("the group is deleted", &deleted);
}

/* ---- Expressions. ---- */

/* Of a member that is alone in its group, until it has its topics or is refused. */
static void measure_expression(struct passes *passes, const char *expression)
{
    struct row beats = { 0 }, steps = { 0 }, told = { 0 };
    struct consumer_group_heartbeat_request request;
    struct consumer_group_heartbeat_response response;
    message_defaults(&consumer_group_heartbeat_request_schema, &request);
    request.group_id = request.member_id = str_from(expression);
    request.rebalance_timeout_ms = 300000;
    request.subscribed_topic_names_count = request.topic_partitions_count = 0;
    request.subscribed_topic_regex = str_from(expression);
    for (int i = 0; i < 3; i++) {
        message_defaults(&consumer_group_heartbeat_response_schema, &response);
        ask(passes, &beats, COORDINATOR_CONSUMER_GROUP_HEARTBEAT, &request, &response);
        request.member_epoch = response.member_epoch;
        struct resolution *resolution = coordinator_take_resolution(
            &passes->coordinator, passes->controller.working, passes->steady_ms);
        if (resolution == NULL)
            continue;
        for (bool is_done = false; !is_done;) {
            int64_t began_ns = now_ns();
            is_done = resolution_step(resolution);
            row_add(&steps, began_ns);
        }
        ask(passes, &told, COORDINATOR_RESOLVED, resolution, NULL);
        resolution_destroy(resolution);
    }
    printf("%s%s\n", expression, response.error_code == ERROR_NONE ? "" : ": refused");
    row_print("  heartbeats", &beats);
    row_print("  matched, beside", &steps);
    row_print("  what it matches is written", &told);
    arena_reset(&passes->arena);
}

static void measure_expressions(struct passes *passes)
{
    enum { NAMES = 10000, LETTERS = 249 };
    static const char *const expressions[] = { "orders-.*", "aaa[ab]*", ".*",
        "[ab]*a[ab]{200}[ab0-9]*", "(.*a.{400}b.*)|(.*b.{300}.*)", "([ab]?){1000}z",
        "\\p{L}*a\\p{L}{10}[ab]*" };
    char name[LETTERS + 1] = { 0 };
    struct prng prng;
    prng_init(&prng, 1);
    for (int32_t i = 0; i < NAMES; i++) {
        for (int k = 0; k < LETTERS; k++)
            name[k] = (char)('a' + prng_below(&prng, 2));
        add_named_topic(passes, str_from(name), passes->topic_count + i, 1);
    }
    for (size_t i = 0; i < sizeof(expressions) / sizeof(*expressions); i++)
        measure_expression(passes, expressions[i]);
}

int main(int argc, char **argv)
{
    int32_t numbers[] = { 2000, 10, 1000, 10, 1000000 };
    for (int i = 1; i < argc; i++)
        if (i > 5 || (numbers[i - 1] = atoi(argv[i])) <= 0) {
            fputs("usage: passes [MEMBERS [TOPICS [PARTITIONS [SUBSCRIBED [OFFSETS]]]]]\n", stderr);
            return 2;
        }
    struct passes passes = {
        .member_count = numbers[0], .topic_count = numbers[1], .subscribed_count = numbers[3]
    };
    begin(&passes, numbers[2]);
    measure_members(&passes);
    measure_classic(&passes);
    measure_offsets(&passes, numbers[4]);
    measure_expressions(&passes);
    rsm_lose(&passes.rsm);
    coordinator_deinit(&passes.coordinator);
    controller_deinit(&passes.controller);
    arena_deinit(&passes.arena);
    return 0;
}
