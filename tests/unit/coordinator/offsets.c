/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/offsets.h"

#include "coordinator/record.h"
#include "office.h"
#include "wire/gen/legacy_offset_commit_record.h"
#include "wire/gen/list_groups.h"
#include "wire/gen/offset_commit.h"
#include "wire/gen/offset_commit_record.h"
#include "wire/gen/offset_delete.h"
#include "wire/gen/offset_fetch.h"
#include "wire/gen/remove_topic_record.h"
#include "wire/gen/topic_record.h"

static struct office office;
static int64_t retention_ms; /* that commits ask for; -1: none */

static void begin(void)
{
    retention_ms = -1;
    office_init(&office);
    office_add_topic(&office, "orders", 3);
    office_add_topic(&office, "bills", 1);
}

/* Of a consumer without a group; version 9 names topics. The error of the partition. */
static enum error commit_as(int32_t epoch, const char *group, const char *topic, int32_t partition,
    int64_t offset, const char *metadata)
{
    struct offset_commit_request_partition asked = { .partition_index = partition,
        .committed_offset = offset,
        .committed_leader_epoch = 7,
        .committed_metadata = str_from(metadata) };
    struct offset_commit_request_topic of = {
        .name = str_from(topic), .partitions = &asked, .partitions_count = 1
    };
    struct offset_commit_request request = { .group_id = str_from(group),
        .generation_id_or_member_epoch = epoch,
        .member_id = STR(""),
        .retention_time_ms = retention_ms,
        .topics = &of,
        .topics_count = 1 };
    struct offset_commit_response response;
    message_defaults(&offset_commit_response_schema, &response);
    office_ask(&office, COORDINATOR_OFFSET_COMMIT, 9, &request, &response);
    assert_int_equal(response.topics_count, 1);
    return (enum error)response.topics[0].partitions[0].error_code;
}

static enum error commit(const char *group, const char *topic, int32_t partition, int64_t offset)
{
    return commit_as(-1, group, topic, partition, offset, "note");
}

static struct offset_fetch_response_partitions fetch(
    const char *group, const char *topic, int32_t partition)
{
    struct offset_fetch_request_topics of = {
        .name = str_from(topic), .partition_indexes = &partition, .partition_indexes_count = 1
    };
    struct offset_fetch_request_group request = {
        .group_id = str_from(group), .member_epoch = -1, .topics = &of, .topics_count = 1
    };
    struct offset_fetch_response_group response = { 0 };
    office_ask(&office, COORDINATOR_OFFSET_FETCH, 8, &request, &response);
    assert_int_equal(response.error_code, ERROR_NONE);
    return response.topics[0].partitions[0];
}

static int32_t group_count(void)
{
    struct list_groups_request request;
    struct list_groups_response response;
    message_defaults(&list_groups_request_schema, &request);
    message_defaults(&list_groups_response_schema, &response);
    office_ask(&office, COORDINATOR_LIST_GROUPS, 5, &request, &response);
    return response.groups_count;
}

void test_offsets__a_simple_group_commits_and_fetches(void)
{
    begin();
    assert_int_equal(fetch("g", "orders", 1).committed_offset, -1);
    assert_int_equal(commit("g", "orders", 1, 42), ERROR_NONE);
    struct offset_fetch_response_partitions told = fetch("g", "orders", 1);
    assert_int_equal(told.committed_offset, 42);
    assert_int_equal(told.committed_leader_epoch, 7);
    assert_true(str_is(told.metadata, "note"));
    assert_int_equal(fetch("g", "orders", 2).committed_offset, -1);
    assert_int_equal(fetch("other", "orders", 1).committed_offset, -1);
    assert_int_equal(group_count(), 1);
    assert_int_equal(commit("g", "orders", 1, 43), ERROR_NONE);
    assert_int_equal(fetch("g", "orders", 1).committed_offset, 43);
    office_check_replay(&office);
    office_deinit(&office);
}

void test_offsets__what_cannot_be_committed_is_refused_one_by_one(void)
{
    static char long_note[4098];
    begin();
    memset(long_note, 'x', 4097);
    assert_int_equal(commit("g", "nothing", 0, 1), ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(commit("g", "orders", 3, 1), ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(
        commit_as(-1, "g", "orders", 0, 1, long_note), ERROR_OFFSET_METADATA_TOO_LARGE);
    assert_int_equal(commit_as(5, "g", "orders", 0, 1, ""), ERROR_GROUP_ID_NOT_FOUND);
    assert_int_equal(group_count(), 0);
    assert_int_equal(commit("g", "orders", 0, 1), ERROR_NONE);
    assert_int_equal(commit_as(5, "g", "orders", 0, 1, ""), ERROR_UNKNOWN_MEMBER_ID);
    office_deinit(&office);
}

/* Nobody may hear of an offset that a crash could still take back. */
void test_offsets__a_fetch_waits_for_the_commit_that_it_saw(void)
{
    begin();
    office.commits_late = true;
    int32_t index = 0;
    struct offset_commit_request_partition asked = { .committed_offset = 5 };
    struct offset_commit_request_topic of = {
        .name = STR("bills"), .partitions = &asked, .partitions_count = 1
    };
    struct offset_commit_request request = { .group_id = STR("g"),
        .generation_id_or_member_epoch = -1,
        .retention_time_ms = -1,
        .topics = &of,
        .topics_count = 1 };
    struct offset_commit_response response = { 0 };
    struct question *commit =
        office_submit(&office, COORDINATOR_OFFSET_COMMIT, 9, &request, &response);
    struct offset_fetch_request_topics where = {
        .name = STR("bills"), .partition_indexes = &index, .partition_indexes_count = 1
    };
    struct offset_fetch_request_group fetch_request = {
        .group_id = STR("g"), .member_epoch = -1, .topics = &where, .topics_count = 1
    };
    struct offset_fetch_response_group fetched = { 0 };
    struct question *read =
        office_submit(&office, COORDINATOR_OFFSET_FETCH, 8, &fetch_request, &fetched);
    assert_false(commit->is_done);
    assert_false(read->is_done);
    office_commit(&office);
    assert_true(commit->is_done && read->is_done);
    assert_int_equal(fetched.topics[0].partitions[0].committed_offset, 5);
    office_deinit(&office);
}

/* What the log refuses is not committed, and the client hears what is worth a retry. */
void test_offsets__a_log_that_refuses_changes_nothing(void)
{
    begin();
    assert_int_equal(commit("g", "bills", 0, 5), ERROR_NONE);
    office.refuses = true;
    struct offset_commit_request_partition asked = { .committed_offset = 6 };
    struct offset_commit_request_topic of = {
        .name = STR("bills"), .partitions = &asked, .partitions_count = 1
    };
    struct offset_commit_request request = { .group_id = STR("g"),
        .generation_id_or_member_epoch = -1,
        .retention_time_ms = -1,
        .topics = &of,
        .topics_count = 1 };
    struct offset_commit_response response = { 0 };
    struct question *question =
        office_submit(&office, COORDINATOR_OFFSET_COMMIT, 9, &request, &response);
    assert_true(question->is_done);
    assert_int_equal(coordinator_error(question->error), ERROR_COORDINATOR_NOT_AVAILABLE);
    assert_int_equal(fetch("g", "bills", 0).committed_offset, 5);
    office_deinit(&office);
}

void test_offsets__are_deleted_one_by_one_and_with_their_group(void)
{
    begin();
    for (int32_t i = 2; i >= 0; i--)
        assert_int_equal(commit("g", "orders", i, i), ERROR_NONE);
    struct offset_delete_request_partition asked[] = { { 1 }, { 7 } };
    struct offset_delete_request_topic of[] = {
        { .name = STR("orders"), .partitions = asked, .partitions_count = 2 },
        { .name = STR("bills") }, /* left out of the answer */
        { .name = STR("nothing"), .partitions = asked, .partitions_count = 1 }
    };
    struct offset_delete_request request = {
        .group_id = STR("g"), .topics = of, .topics_count = 3
    };
    struct offset_delete_response response = { 0 };
    office_ask(&office, COORDINATOR_OFFSET_DELETE, 0, &request, &response);
    assert_int_equal(response.topics_count, 2);
    assert_int_equal(response.topics[0].partitions[0].error_code, ERROR_NONE);
    assert_int_equal(response.topics[0].partitions[1].error_code, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(response.topics[1].partitions[0].error_code, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(fetch("g", "orders", 1).committed_offset, -1);
    assert_int_equal(fetch("g", "orders", 2).committed_offset, 2);
    office_check_replay(&office);
    struct str id = STR("g");
    enum error error;
    office_ask(&office, COORDINATOR_DELETE_GROUP, 2, &id, &error);
    assert_int_equal(error, ERROR_NONE);
    assert_int_equal(group_count(), 0);
    office_ask(&office, COORDINATOR_DELETE_GROUP, 2, &id, &error);
    assert_int_equal(error, ERROR_GROUP_ID_NOT_FOUND);
    office_check_replay(&office);
    office_deinit(&office);
}

/* As Kafka does it, whatever the setting's name says. */
void test_offsets__have_room_for_characters_of_metadata(void)
{
    begin();
    office.coordinator.settings.offset_metadata_max_bytes = 4;
    assert_int_equal(commit_as(-1, "g", "orders", 0, 1, "\u00e4\u00f6\u00fc\u20ac"), ERROR_NONE);
    assert_int_equal(commit_as(-1, "g", "orders", 0, 1, "ab\U0001f600"), ERROR_NONE);
    assert_int_equal(
        commit_as(-1, "g", "orders", 0, 1, "abc\U0001f600"), ERROR_OFFSET_METADATA_TOO_LARGE);
    assert_int_equal(commit_as(-1, "g", "orders", 0, 1, "abcde"), ERROR_OFFSET_METADATA_TOO_LARGE);
    office_check_replay(&office);
    office_deinit(&office);
}

void test_offsets__age_from_their_commit(void)
{
    begin();
    assert_int_equal(commit("g", "orders", 0, 1), ERROR_NONE);
    office_pass_time(&office, 300000000);
    assert_int_equal(commit("g", "orders", 1, 2), ERROR_NONE);
    office_pass_time(&office, 304800000);
    office_ask(&office, COORDINATOR_EXPIRE, 0, NULL, NULL);
    assert_int_equal(fetch("g", "orders", 0).committed_offset, -1);
    assert_int_equal(fetch("g", "orders", 1).committed_offset, 2);
    office_pass_time(&office, 300000000);
    office_ask(&office, COORDINATOR_EXPIRE, 0, NULL, NULL);
    assert_int_equal(group_count(), 0);
    office_check_replay(&office);
    office_deinit(&office);
}

/* Until version 4 a client may say how long its offset is to stay, up to for ever. */
void test_offsets__stay_as_long_as_the_client_says(void)
{
    begin();
    retention_ms = 1000;
    assert_int_equal(commit("g", "orders", 0, 1), ERROR_NONE);
    retention_ms = INT64_MAX;
    assert_int_equal(commit("g", "orders", 1, 2), ERROR_NONE);
    office_pass_time(&office, 999);
    office_ask(&office, COORDINATOR_EXPIRE, 0, NULL, NULL);
    assert_int_equal(fetch("g", "orders", 0).committed_offset, 1);
    office_pass_time(&office, 1);
    office_ask(&office, COORDINATOR_EXPIRE, 0, NULL, NULL);
    assert_int_equal(fetch("g", "orders", 0).committed_offset, -1);
    office_pass_time(&office, 700000000);
    office_ask(&office, COORDINATOR_EXPIRE, 0, NULL, NULL);
    assert_int_equal(fetch("g", "orders", 1).committed_offset, 2);
    office_check_replay(&office);
    office_deinit(&office);
}

void test_offsets__of_a_deleted_topic_go(void)
{
    begin();
    assert_int_equal(commit("g", "orders", 0, 1), ERROR_NONE);
    assert_int_equal(commit("g", "bills", 0, 1), ERROR_NONE);
    struct uuid old_id = image_topic_by_name(cluster_image(&office.cluster), STR("bills"))->id;
    struct remove_topic_record removed = { .topic_id = old_id };
    cluster_apply(&office.cluster, &remove_topic_record_schema, 0, &removed);
    office_ask(&office, COORDINATOR_TOPICS_DELETED, 0, NULL, NULL);
    assert_int_equal(fetch("g", "bills", 0).committed_offset, -1);
    assert_int_equal(fetch("g", "orders", 0).committed_offset, 1);
    office_check_replay(&office);
    office_deinit(&office);
}

/* Until the coordinator has heard that the topic went, and has dropped it. */
void test_offsets__of_an_earlier_topic_of_the_name_are_not_told(void)
{
    begin();
    assert_int_equal(commit("g", "bills", 0, 1), ERROR_NONE);
    struct uuid old_id = image_topic_by_name(cluster_image(&office.cluster), STR("bills"))->id;
    struct remove_topic_record removed = { .topic_id = old_id };
    struct topic_record again = { .name = STR("bills"), .topic_id = { { 7 } } };
    cluster_apply(&office.cluster, &remove_topic_record_schema, 0, &removed);
    cluster_apply(&office.cluster, &topic_record_schema, 0, &again);
    assert_int_equal(fetch("g", "bills", 0).committed_offset, -1);
    office_deinit(&office);
}

static void replay(struct coordinator *coordinator, int64_t at, int64_t offset, int64_t producer_id)
{
    struct offset_commit_record_key key = { .group = STR("g"), .topic = STR("orders") };
    struct offset_commit_record value = {
        .offset = offset, .metadata = STR(""), .expire_timestamp = -1
    };
    const struct record_schema *schema = record_schema_named("offset_commit");
    assert_true(coordinator_replay(coordinator, at,
        coordinator_record_encode(&office.arena, schema, &key, 3, offset < 0 ? NULL : &value),
        producer_id));
}

/* Who keeps the log alone says when; 2^63 milliseconds before the epoch is not in the future. */
void test_offsets__of_any_time_in_the_log_age(void)
{
    begin();
    struct offset_commit_record_key key = { .group = STR("g"), .topic = STR("orders") };
    struct offset_commit_record value = { .offset = 5,
        .metadata = STR(""),
        .commit_timestamp = INT64_MIN,
        .expire_timestamp = -1 };
    const struct record_schema *schema = record_schema_named("offset_commit");
    assert_true(coordinator_replay(&office.coordinator, 0,
        coordinator_record_encode(&office.arena, schema, &key, 3, &value), -1));
    assert_int_equal(group_count(), 1);
    office_ask(&office, COORDINATOR_EXPIRE, 0, NULL, NULL);
    assert_int_equal(group_count(), 0);
    office_deinit(&office);
}

/* In the order of the log, whatever the order in which they become valid. */
void test_offsets__of_a_transaction_count_with_its_marker(void)
{
    begin();
    struct coordinator *coordinator = &office.coordinator;
    replay(coordinator, 0, 10, -1);
    replay(coordinator, 1, 20, 5);
    replay(coordinator, 2, 30, 6);
    assert_int_equal(fetch("g", "orders", 0).committed_offset, 10);
    coordinator_replay_marker(coordinator, 6, false);
    assert_int_equal(fetch("g", "orders", 0).committed_offset, 10);
    coordinator_replay_marker(coordinator, 5, true);
    assert_int_equal(fetch("g", "orders", 0).committed_offset, 20);
    replay(coordinator, 5, 40, 7);
    replay(coordinator, 6, 50, -1);
    coordinator_replay_marker(coordinator, 7, true);
    assert_int_equal(fetch("g", "orders", 0).committed_offset, 50); /* it came later */
    replay(coordinator, 8, 60, 8);
    replay(coordinator, 9, -1, -1); /* takes pending ones, too */
    coordinator_replay_marker(coordinator, 8, true);
    assert_int_equal(fetch("g", "orders", 0).committed_offset, -1);
    assert_int_equal(group_count(), 0);
    office_deinit(&office);
}

/* What comes behind the marker may be the only one there is. */
void test_offsets__do_not_age_while_a_transaction_is_open(void)
{
    begin();
    replay(&office.coordinator, 0, 10, -1); /* committed in 1970 */
    replay(&office.coordinator, 1, 20, 5);
    office_ask(&office, COORDINATOR_EXPIRE, 0, NULL, NULL);
    assert_int_equal(fetch("g", "orders", 0).committed_offset, 10);
    coordinator_replay_marker(&office.coordinator, 5, false);
    office_ask(&office, COORDINATOR_EXPIRE, 0, NULL, NULL);
    assert_int_equal(fetch("g", "orders", 0).committed_offset, -1);
    office_deinit(&office);
}

void test_offsets__an_open_transaction_is_told_to_who_wants_stable_ones(void)
{
    begin();
    replay(&office.coordinator, 0, 10, -1);
    replay(&office.coordinator, 1, 20, 5);
    int32_t index = 0;
    struct offset_fetch_request_topics of = {
        .name = STR("orders"), .partition_indexes = &index, .partition_indexes_count = 1
    };
    struct offset_fetch_request_group request = {
        .group_id = STR("g"), .member_epoch = -1, .topics = &of, .topics_count = 1
    };
    struct offset_fetch_response_group response = { 0 };
    struct coordinator_request asked = { .type = COORDINATOR_OFFSET_FETCH,
        .version = 8,
        .require_stable = true,
        .request = &request,
        .response = &response,
        .image = cluster_image(&office.cluster),
        .rsm.arena = &office.arena };
    struct rsm_decision decision = { .arena = &office.arena };
    struct rsm_machine *machine = &office.coordinator.machine;
    assert_int_equal(machine->type->decide(machine, &asked.rsm, 0, &decision), ERROR_NONE);
    assert_int_equal(response.topics[0].partitions[0].error_code, ERROR_UNSTABLE_OFFSET_COMMIT);
    assert_int_equal(response.topics[0].partitions[0].committed_offset, -1);
    office_deinit(&office);
}

/* As Kafka wrote them before 0.9. */
void test_offsets__of_the_oldest_records_are_read(void)
{
    begin();
    struct legacy_offset_commit_record_key key = {
        .group = STR("g"), .topic = STR("orders"), .partition = 1
    };
    struct legacy_offset_commit_record value = {
        .offset = 12, .metadata = STR("old"), .commit_timestamp = office.wall_ms
    };
    assert_true(coordinator_replay(&office.coordinator, 0,
        coordinator_record_encode(
            &office.arena, record_schema_named("legacy_offset_commit"), &key, 0, &value),
        -1));
    struct offset_fetch_response_partitions told = fetch("g", "orders", 1);
    assert_int_equal(told.committed_offset, 12);
    assert_int_equal(told.committed_leader_epoch, -1);
    assert_true(str_is(told.metadata, "old"));
    office_pass_time(&office, 604800000);
    office_ask(&office, COORDINATOR_EXPIRE, 0, NULL, NULL);
    assert_int_equal(fetch("g", "orders", 1).committed_offset, -1);
    office_deinit(&office);
}
