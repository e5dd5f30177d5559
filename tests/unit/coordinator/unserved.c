/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/group_unserved.h"

#include "base/prng.h"
#include "coordinator/record.h"
#include "office.h"
#include "wire/gen/list_groups.h"
#include "wire/gen/offset_commit.h"
#include "wire/gen/offset_commit_record.h"
#include "wire/gen/offset_delete.h"
#include "wire/gen/offset_fetch.h"
#include "wire/gen/share_group_current_member_assignment_record.h"
#include "wire/gen/share_group_member_metadata_record.h"
#include "wire/gen/share_group_metadata_record.h"
#include "wire/gen/share_group_state_partition_metadata_record.h"
#include "wire/gen/share_group_target_assignment_metadata_record.h"
#include "wire/gen/streams_group_current_member_assignment_record.h"
#include "wire/gen/streams_group_member_metadata_record.h"
#include "wire/gen/streams_group_metadata_record.h"
#include "wire/gen/streams_group_target_assignment_metadata_record.h"
#include "wire/gen/streams_group_topology_record.h"

static struct office office;

static void begin(void)
{
    office_init(&office);
    office_add_topic(&office, "in", 2);
    office_add_topic(&office, "out", 1);
}

/* What Kafka wrote into the log before. */
static bool take(struct rsm_record record)
{
    int32_t at = office.count++;
    office.records[at] = record;
    return coordinator_replay(&office.coordinator, at, record, -1);
}

/* member NULL: the key names none. value NULL: a tombstone. */
static bool stands(const char *schema_name, const char *group, const char *member, void *value)
{
    struct share_group_member_metadata_record_key key = { str_from(group),
        str_from(member == NULL ? "" : member), { 0 } };
    const struct record_schema *schema = record_schema_named(schema_name);
    return take(coordinator_record_encode(&office.arena, schema, &key, 0, value));
}

static void share_member(const char *group, const char *member)
{
    struct share_group_member_metadata_record value = { .client_id = STR("c"),
        .client_host = STR("/127.0.0.1"),
        .subscribed_topic_names = (struct str[]){ STR("in") },
        .subscribed_topic_names_count = 1 };
    assert_true(stands("share_group_member_metadata", group, member, &value));
}

static void streams_member(const char *group, const char *member)
{
    struct streams_group_member_metadata_record value = {
        .client_id = STR("c"), .client_host = STR("/127.0.0.1"), .process_id = STR("p")
    };
    assert_true(stands("streams_group_member_metadata", group, member, &value));
}

static void streams_epochs(const char *group, int32_t epoch, int32_t validated_topology)
{
    struct streams_group_metadata_record value;
    message_defaults(&streams_group_metadata_record_schema, &value);
    value.epoch = epoch;
    value.validated_topology_epoch = validated_topology;
    assert_true(stands("streams_group_metadata", group, NULL, &value));
}

static void streams_topology(const char *group, int32_t epoch)
{
    struct str source = STR("in");
    struct streams_group_topology_record_topic_info again = { .name = STR("out") };
    struct streams_group_topology_record_subtopology part = { .subtopology_id = STR("0"),
        .source_topics = &source,
        .source_topics_count = 1,
        .repartition_source_topics = &again,
        .repartition_source_topics_count = 1 };
    struct streams_group_topology_record value = {
        .epoch = epoch, .subtopologies = &part, .subtopologies_count = 1
    };
    assert_true(stands("streams_group_topology", group, NULL, &value));
}

static void streams_target(const char *group, int32_t epoch)
{
    struct streams_group_target_assignment_metadata_record value = { .assignment_epoch = epoch };
    assert_true(stands("streams_group_target_assignment_metadata", group, NULL, &value));
}

static void streams_current(const char *group, const char *member, int32_t epoch, int8_t state)
{
    struct streams_group_current_member_assignment_record value = {
        .member_epoch = epoch, .previous_member_epoch = epoch - 1, .state = state
    };
    assert_true(stands("streams_group_current_member_assignment", group, member, &value));
}

/* Type and state as ListGroups tells them: "share Empty"; NULL: there is no such group. */
static const char *listed(const char *group)
{
    struct list_groups_request request;
    struct list_groups_response response;
    message_defaults(&list_groups_request_schema, &request);
    message_defaults(&list_groups_response_schema, &response);
    office_ask(&office, COORDINATOR_LIST_GROUPS, 5, &request, &response);
    for (int32_t i = 0; i < response.groups_count; i++) {
        const struct list_groups_listed_group *at = &response.groups[i];
        if (!str_is(at->group_id, group))
            continue;
        if (!str_is(at->group_type, "classic"))
            assert_true(
                str_is(at->protocol_type, str_is(at->group_type, "share") ? "share" : "streams"));
        return arena_format(&office.arena, "%s %s", at->group_type.data, at->group_state.data);
    }
    return NULL;
}

static enum error commit(
    const char *group, struct str member_id, int32_t epoch, int16_t version, int64_t offset)
{
    struct offset_commit_request_partition asked = { .committed_offset = offset };
    struct offset_commit_request_topic of = {
        .name = STR("in"), .partitions = &asked, .partitions_count = 1
    };
    struct offset_commit_request request = { .group_id = str_from(group),
        .generation_id_or_member_epoch = epoch,
        .member_id = member_id,
        .retention_time_ms = -1,
        .topics = &of,
        .topics_count = 1 };
    struct offset_commit_response response = { 0 };
    office_ask(&office, COORDINATOR_OFFSET_COMMIT, version, &request, &response);
    return (enum error)response.topics[0].partitions[0].error_code;
}

/* *out_offset -1: none is told. */
static enum error fetch(const char *group, struct str member_id, int32_t epoch, int64_t *out_offset)
{
    int32_t index = 0;
    struct offset_fetch_request_topics of = {
        .name = STR("in"), .partition_indexes = &index, .partition_indexes_count = 1
    };
    struct offset_fetch_request_group request = { .group_id = str_from(group),
        .member_id = member_id,
        .member_epoch = epoch,
        .topics = &of,
        .topics_count = 1 };
    struct offset_fetch_response_group response = { 0 };
    office_ask(&office, COORDINATOR_OFFSET_FETCH, 9, &request, &response);
    *out_offset =
        response.error_code == ERROR_NONE ? response.topics[0].partitions[0].committed_offset : -1;
    return (enum error)response.error_code;
}

/* Of the whole answer, or else of its one partition. */
static enum error delete_offset(const char *group, const char *topic)
{
    struct offset_delete_request_partition asked = { 0 };
    struct offset_delete_request_topic of = {
        .name = str_from(topic), .partitions = &asked, .partitions_count = 1
    };
    struct offset_delete_request request = {
        .group_id = str_from(group), .topics = &of, .topics_count = 1
    };
    struct offset_delete_response response = { 0 };
    office_ask(&office, COORDINATOR_OFFSET_DELETE, 0, &request, &response);
    return (enum error)(response.error_code != ERROR_NONE
                            ? response.error_code
                            : response.topics[0].partitions[0].error_code);
}

static enum error delete_group(const char *group)
{
    struct str id = str_from(group);
    enum error error;
    office_ask(&office, COORDINATOR_DELETE_GROUP, 2, &id, &error);
    return error;
}

static const struct str nobody = { NULL, 0 };

void test_unserved__a_share_group_is_listed_while_a_record_of_it_stands(void)
{
    begin();
    struct share_group_metadata_record value = { .epoch = 3 };
    assert_true(stands("share_group_metadata", "s", NULL, &value));
    assert_string_equal(listed("s"), "share Empty");
    share_member("s", "m");
    assert_string_equal(listed("s"), "share Stable");
    assert_true(stands("share_group_member_metadata", "s", "m", NULL));
    assert_string_equal(listed("s"), "share Empty");
    assert_true(stands("share_group_member_metadata", "s", "never there", NULL));
    assert_true(stands("share_group_metadata", "other", NULL, NULL));
    office_check_replay(&office);
    assert_true(stands("share_group_metadata", "s", NULL, NULL));
    assert_null(listed("s"));
    assert_null(listed("other"));
    office_check_replay(&office);
    office_deinit(&office);
}

/* The states of Kafka's own, in the order in which it asks. */
void test_unserved__a_streams_group_has_the_state_that_its_records_tell(void)
{
    begin();
    streams_epochs("g", 1, -1);
    assert_string_equal(listed("g"), "streams Empty");
    streams_member("g", "m");
    assert_string_equal(listed("g"), "streams NotReady");
    streams_topology("g", 2);
    assert_string_equal(listed("g"), "streams NotReady");
    streams_epochs("g", 4, 2);
    assert_string_equal(listed("g"), "streams Assigning");
    streams_target("g", 4);
    assert_string_equal(listed("g"), "streams Reconciling");
    streams_current("g", "m", 4, 2);
    assert_string_equal(listed("g"), "streams Reconciling");
    streams_current("g", "m", 3, 1);
    assert_string_equal(listed("g"), "streams Reconciling");
    streams_current("g", "m", 4, 1);
    assert_string_equal(listed("g"), "streams Stable");
    streams_member("g", "another");
    assert_string_equal(listed("g"), "streams Reconciling");
    office_check_replay(&office);
    office_deinit(&office);
}

/* Bytes, not what this release reads in them: fields of a later one are kept. */
void test_unserved__records_are_kept_as_they_stand(void)
{
    static const uint8_t later[] = { 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 9, 1, 40, 2, 7, 7 };
    begin();
    share_member("s", "m");
    struct share_group_metadata_record_key key = { .group_id = STR("s") };
    struct rsm_record record = coordinator_record_encode(
        &office.arena, record_schema_named("share_group_metadata"), &key, 0, NULL);
    record.value = (struct bytes){ later, sizeof(later) };
    assert_true(take(record));
    struct rsm_decision dumped = { .arena = &office.arena }, written = {
        .arena = &office.arena, .records = office.records, .record_count = office.count
    };
    coordinator_dump(&office.coordinator, &dumped);
    office_same_records(&dumped, &written);
    office_deinit(&office);
}

void test_unserved__a_share_group_takes_and_tells_no_offsets(void)
{
    int64_t offset;
    begin();
    share_member("s", "m");
    assert_int_equal(commit("s", STR(""), -1, 9, 5), ERROR_GROUP_ID_NOT_FOUND);
    assert_int_equal(commit("s", STR("m"), 1, 9, 5), ERROR_GROUP_ID_NOT_FOUND);
    assert_int_equal(fetch("s", nobody, -1, &offset), ERROR_NONE);
    assert_int_equal(offset, -1);
    assert_int_equal(delete_offset("s", "in"), ERROR_GROUP_ID_NOT_FOUND);
    assert_string_equal(listed("s"), "share Stable");
    office_deinit(&office);
}

void test_unserved__members_alone_commit_for_a_streams_group_that_has_some(void)
{
    int64_t offset;
    begin();
    streams_epochs("g", 1, -1);
    assert_int_equal(commit("g", STR(""), -1, 9, 4), ERROR_NONE);
    streams_member("g", "m");
    streams_current("g", "m", 3, 1);
    assert_int_equal(commit("g", STR(""), -1, 9, 5), ERROR_UNKNOWN_MEMBER_ID);
    assert_int_equal(commit("g", STR("x"), 3, 9, 5), ERROR_UNKNOWN_MEMBER_ID);
    assert_int_equal(commit("g", STR("m"), 2, 9, 5), ERROR_STALE_MEMBER_EPOCH);
    assert_int_equal(commit("g", STR("m"), 4, 9, 5), ERROR_STALE_MEMBER_EPOCH);
    assert_int_equal(commit("g", STR("m"), 3, 8, 5), ERROR_UNSUPPORTED_VERSION);
    assert_int_equal(fetch("g", nobody, -1, &offset), ERROR_NONE);
    assert_int_equal(offset, 4);
    assert_int_equal(commit("g", STR("m"), 3, 9, 5), ERROR_NONE);
    assert_int_equal(fetch("g", STR("m"), 3, &offset), ERROR_NONE);
    assert_int_equal(offset, 5);
    assert_int_equal(fetch("g", STR("m"), 2, &offset), ERROR_STALE_MEMBER_EPOCH);
    assert_int_equal(fetch("g", STR("x"), 3, &offset), ERROR_UNKNOWN_MEMBER_ID);
    office_check_replay(&office);
    office_deinit(&office);
}

/* Sources, and what the streams themselves partition again. */
void test_unserved__offsets_of_topics_that_streams_read_are_not_deleted(void)
{
    begin();
    streams_epochs("g", 1, -1);
    streams_topology("g", 0);
    assert_int_equal(commit("g", STR(""), -1, 9, 4), ERROR_NONE);
    streams_member("g", "m");
    assert_int_equal(delete_offset("g", "in"), ERROR_GROUP_SUBSCRIBED_TO_TOPIC);
    assert_int_equal(delete_offset("g", "out"), ERROR_GROUP_SUBSCRIBED_TO_TOPIC);
    assert_true(stands("streams_group_member_metadata", "g", "m", NULL));
    assert_int_equal(delete_offset("g", "in"), ERROR_NONE);
    int64_t offset;
    assert_int_equal(fetch("g", nobody, -1, &offset), ERROR_NONE);
    assert_int_equal(offset, -1);
    assert_string_equal(listed("g"), "streams Empty");
    office_check_replay(&office);
    office_deinit(&office);
}

void test_unserved__neither_groups_nor_their_offsets_age(void)
{
    int64_t offset;
    begin();
    streams_epochs("g", 1, -1);
    struct share_group_metadata_record value = { .epoch = 3 };
    assert_true(stands("share_group_metadata", "s", NULL, &value));
    assert_int_equal(commit("g", STR(""), -1, 9, 4), ERROR_NONE);
    int32_t before = office.count;
    office_pass_time(&office, 2 * 60000 * (int64_t)office.coordinator.settings.offsets_retention_minutes);
    office_ask(&office, COORDINATOR_EXPIRE, 0, NULL, NULL);
    assert_int_equal(office.count, before);
    assert_int_equal(fetch("g", nobody, -1, &offset), ERROR_NONE);
    assert_int_equal(offset, 4);
    office_deinit(&office);
}

static void tombstones_are(int32_t from, const int16_t *types, int32_t count)
{
    assert_int_equal(office.count - from, count);
    for (int32_t i = 0; i < count; i++) {
        assert_int_equal(load_i16(office.records[from + i].key.data), types[i]);
        assert_null(office.records[from + i].value.data);
    }
}

void test_unserved__a_streams_group_is_deleted_when_its_members_are_gone(void)
{
    static const int16_t in_order[] = { OFFSET_COMMIT_RECORD_TYPE,
        STREAMS_GROUP_CURRENT_MEMBER_ASSIGNMENT_RECORD_TYPE,
        STREAMS_GROUP_TARGET_ASSIGNMENT_METADATA_RECORD_TYPE, STREAMS_GROUP_METADATA_RECORD_TYPE,
        STREAMS_GROUP_TOPOLOGY_RECORD_TYPE };
    begin();
    streams_topology("g", 2);
    streams_epochs("g", 1, 2);
    assert_int_equal(commit("g", STR(""), -1, 9, 4), ERROR_NONE);
    streams_target("g", 1);
    streams_member("g", "m");
    streams_current("g", "m", 1, 1);
    assert_int_equal(delete_group("g"), ERROR_NON_EMPTY_GROUP);
    assert_true(stands("streams_group_member_metadata", "g", "m", NULL));
    int32_t from = office.count;
    assert_int_equal(delete_group("g"), ERROR_NONE);
    tombstones_are(from, in_order, 5);
    assert_null(listed("g"));
    assert_int_equal(delete_group("g"), ERROR_GROUP_ID_NOT_FOUND);
    office_check_replay(&office);
    office_deinit(&office);
}

/* Whoever took the id then would go on where the deleted group was. */
void test_unserved__a_share_group_is_deleted_when_nothing_of_it_lies_elsewhere(void)
{
    static const int16_t in_order[] = { SHARE_GROUP_CURRENT_MEMBER_ASSIGNMENT_RECORD_TYPE,
        SHARE_GROUP_TARGET_ASSIGNMENT_METADATA_RECORD_TYPE, SHARE_GROUP_METADATA_RECORD_TYPE };
    begin();
    struct share_group_metadata_record value = { .epoch = 3 };
    struct share_group_state_partition_metadata_record state = { 0 };
    struct share_group_target_assignment_metadata_record target = { .assignment_epoch = 3 };
    struct share_group_current_member_assignment_record current = { .member_epoch = 3 };
    assert_true(stands("share_group_metadata", "s", NULL, &value));
    assert_true(stands("share_group_target_assignment_metadata", "s", NULL, &target));
    assert_true(stands("share_group_current_member_assignment", "s", "m", &current));
    share_member("s", "m");
    assert_int_equal(delete_group("s"), ERROR_NON_EMPTY_GROUP);
    assert_true(stands("share_group_member_metadata", "s", "m", NULL));
    assert_true(stands("share_group_state_partition_metadata", "s", NULL, &state));
    assert_int_equal(delete_group("s"), ERROR_UNSUPPORTED_VERSION);
    assert_true(stands("share_group_state_partition_metadata", "s", NULL, NULL));
    int32_t from = office.count;
    assert_int_equal(delete_group("s"), ERROR_NONE);
    tombstones_are(from, in_order, 3);
    assert_null(listed("s"));
    office_check_replay(&office);
    office_deinit(&office);
}

/* Kafka writes no such log, and loads none: who owned the id would be gone without a word. */
void test_unserved__an_id_that_another_kind_has_stays_taken(void)
{
    begin();
    share_member("s", "m");
    struct streams_group_member_metadata_record value = {
        .client_id = STR("c"), .client_host = STR("h"), .process_id = STR("p")
    };
    assert_false(stands("streams_group_member_metadata", "s", "m", &value));
    assert_true(stands("streams_group_member_metadata", "s", "m", NULL)); /* says nothing new */
    assert_string_equal(listed("s"), "share Stable");
    assert_true(stands("share_group_member_metadata", "s", "m", NULL));
    assert_true(stands("streams_group_member_metadata", "s", "m", &value));
    assert_string_equal(listed("s"), "streams NotReady");
    office_deinit(&office);
}

void test_unserved__a_simple_group_becomes_one_and_keeps_its_offsets(void)
{
    int64_t offset;
    begin();
    assert_int_equal(commit("g", STR(""), -1, 9, 4), ERROR_NONE);
    assert_string_equal(listed("g"), "classic Empty");
    streams_epochs("g", 1, -1);
    assert_string_equal(listed("g"), "streams Empty");
    assert_true(stands("streams_group_metadata", "g", NULL, NULL));
    assert_string_equal(listed("g"), "classic Empty");
    assert_int_equal(fetch("g", nobody, -1, &offset), ERROR_NONE);
    assert_int_equal(offset, 4);
    office_check_replay(&office);
    office_deinit(&office);
}

static void random_step(struct prng *prng)
{
    static const char *const groups[] = { "a", "b", "c" }, *const members[] = { "m", "n", "o" };
    const char *group = groups[prng_below(prng, 3)], *member = members[prng_below(prng, 3)];
    struct share_group_metadata_record epoch = { .epoch = (int32_t)prng_below(prng, 9) };
    bool is_share = group[0] == 'a';
    switch (prng_below(prng, 8)) {
    case 0:
        if (is_share)
            share_member(group, member);
        else
            streams_member(group, member);
        return;
    case 1:
        if (is_share)
            stands("share_group_metadata", group, NULL, &epoch);
        else
            streams_epochs(group, epoch.epoch, (int32_t)prng_below(prng, 2));
        return;
    case 2:
        if (!is_share)
            streams_topology(group, (int32_t)prng_below(prng, 2));
        return;
    case 3:
        if (!is_share)
            streams_current(group, member, (int32_t)prng_below(prng, 3), 1);
        return;
    case 4:
        commit(group, STR(""), -1, 9, (int64_t)prng_below(prng, 100));
        return;
    case 5:
        delete_group(group);
        return;
    case 6:
        delete_offset(group, "in");
        return;
    default:
        stands(is_share ? "share_group_member_metadata" : "streams_group_member_metadata", group,
            member, NULL);
    }
}

/* Histories of all that can be written and asked: live state is what a replay gives, and a dump
 * gives itself. */
void test_unserved__random_histories_come_out_the_same(void)
{
    struct prng prng;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        prng_init(&prng, seed);
        begin();
        for (int step = 0; step < 200; step++) {
            random_step(&prng);
            if (step % 20 == 0)
                office_check_replay(&office);
        }
        office_check_replay(&office);
        struct rsm_decision dumped = { .arena = &office.arena };
        coordinator_dump(&office.coordinator, &dumped);
        office.count = dumped.record_count;
        memcpy(office.records, dumped.records, (size_t)office.count * sizeof(*office.records));
        office_check_replay(&office);
        office_deinit(&office);
    }
}
