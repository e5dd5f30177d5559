/* SPDX-License-Identifier: Apache-2.0 */
/* Offsets of a group of the consumer protocol, and what is asked of groups of every kind. */
#include "coordinator/group_consumer.h"

#include <stdio.h>

#include "consumer_client.h"
#include "wire/gen/consumer_group_describe.h"
#include "wire/gen/offset_commit.h"
#include "wire/gen/offset_delete.h"
#include "wire/gen/offset_fetch.h"

static struct office office;
static struct client one, two;

static void begin_settled(void)
{
    office_init(&office);
    office_add_topic(&office, "apples", 4);
    one = (struct client){ .group = "g", .id = "one", .subscription = "a", .rack = "r1" };
    two = (struct client){ .group = "g", .id = "two", .subscription = "a", .instance = "i" };
    client_join(&office, &one);
    client_join(&office, &two);
    settle(&office, (struct client *[]){ &one, &two }, 2);
}

static void end(void)
{
    office_check_replay(&office);
    office_deinit(&office);
}

/* Of as many partitions; in their place, what each is told. */
static void commit_all(const char *member, int32_t epoch, const int32_t *partitions, int32_t count,
    int16_t version, enum error *out_errors)
{
    struct offset_commit_request_partition *asked =
        MESSAGE_TAKE(offset_commit_request_partition, &office.arena, count);
    for (int32_t i = 0; i < count; i++)
        asked[i] = (struct offset_commit_request_partition){
            .partition_index = partitions[i], .committed_offset = 5, .committed_metadata = STR("")
        };
    struct offset_commit_request_topic of = {
        .name = STR("apples"), .partitions = asked, .partitions_count = count
    };
    struct offset_commit_request request = { .group_id = STR("g"),
        .generation_id_or_member_epoch = epoch,
        .member_id = str_from(member),
        .retention_time_ms = -1,
        .topics = &of,
        .topics_count = 1 };
    struct offset_commit_response response;
    message_defaults(&offset_commit_response_schema, &response);
    office_ask(&office, COORDINATOR_OFFSET_COMMIT, version, &request, &response);
    for (int32_t i = 0; i < count; i++)
        out_errors[i] = (enum error)response.topics[0].partitions[i].error_code;
}

static enum error commit(const char *member, int32_t epoch, int32_t partition, int16_t version)
{
    enum error error;
    commit_all(member, epoch, &partition, 1, version, &error);
    return error;
}

static enum error fetch(const char *member, int32_t epoch)
{
    int32_t partition = 0;
    struct offset_fetch_request_topics of = {
        .name = STR("apples"), .partition_indexes = &partition, .partition_indexes_count = 1
    };
    struct offset_fetch_request_group request = { .group_id = STR("g"),
        .member_id = str_from(member),
        .member_epoch = epoch,
        .topics = &of,
        .topics_count = 1 };
    struct offset_fetch_response_group response = { 0 };
    office_ask(&office, COORDINATOR_OFFSET_FETCH, 9, &request, &response);
    return (enum error)response.error_code;
}

static int32_t partition_of(const struct client *client)
{
    int32_t partition = 0;
    while (!client->has[0][partition])
        partition++;
    return partition;
}

void test_consumer_offsets__a_member_commits_at_its_epoch(void)
{
    begin_settled();
    assert_int_equal(commit("one", one.epoch, 0, 9), ERROR_NONE);
    assert_int_equal(commit("one", one.epoch, partition_of(&two), 9), ERROR_NONE); /* as Kafka */
    assert_int_equal(commit("one", one.epoch + 1, 0, 9), ERROR_STALE_MEMBER_EPOCH);
    assert_int_equal(commit("other", one.epoch, 0, 9), ERROR_UNKNOWN_MEMBER_ID);
    assert_int_equal(commit("", -1, 0, 9), ERROR_UNKNOWN_MEMBER_ID);
    assert_int_equal(commit("one", one.epoch, 0, 8), ERROR_UNSUPPORTED_VERSION);
    assert_int_equal(fetch("one", one.epoch), ERROR_NONE);
    assert_int_equal(fetch("one", one.epoch - 1), ERROR_STALE_MEMBER_EPOCH);
    assert_int_equal(fetch("other", one.epoch), ERROR_UNKNOWN_MEMBER_ID);
    assert_int_equal(fetch(NULL, -1), ERROR_NONE);
    end();
}

/* KIP-1251: what it had already then, it may commit with the epoch of then. */
void test_consumer_offsets__an_earlier_epoch_counts_for_what_the_member_had_then(void)
{
    begin_settled();
    int32_t kept = partition_of(&one), epoch = one.epoch;
    assert_int_equal(client_leave(&office, &two, LEFT), ERROR_NONE);
    struct client before = one;
    client_beat(&office, &one);
    assert_int_equal(client_count(&one), 4);
    assert_true(one.epoch > epoch);
    int32_t gained = 0;
    while (before.has[0][gained])
        gained++;
    assert_int_equal(commit("one", epoch, kept, 9), ERROR_NONE);
    assert_int_equal(commit("one", epoch, gained, 9), ERROR_STALE_MEMBER_EPOCH);
    enum error errors[2];
    commit_all("one", epoch, (int32_t[]){ kept, gained }, 2, 9, errors); /* one refuses all */
    assert_int_equal(errors[0], ERROR_STALE_MEMBER_EPOCH);
    assert_int_equal(errors[1], ERROR_STALE_MEMBER_EPOCH);
    assert_int_equal(commit("one", one.epoch, gained, 9), ERROR_NONE);
    assert_int_equal(commit("one", 1, kept, 9), ERROR_STALE_MEMBER_EPOCH);
    struct client three = { .group = "g", .id = "three", .subscription = "a" };
    client_join(&office, &three);
    client_beat(&office, &one); /* is asked to give some up, and may still commit them */
    for (int32_t i = 0; i < 4; i++)
        assert_int_equal(commit("one", one.epoch, i, 9), ERROR_NONE);
    client_beat(&office, &one);
    int32_t lost = 0;
    while (one.has[0][lost])
        lost++;
    assert_int_equal(commit("one", one.epoch - 1, lost, 9), ERROR_STALE_MEMBER_EPOCH);
    end();
}

static enum error delete_group(void)
{
    struct str id = STR("g");
    enum error error;
    office_ask(&office, COORDINATOR_DELETE_GROUP, 2, &id, &error);
    return error;
}

static enum error delete_offset(void)
{
    struct offset_delete_request_partition asked = { .partition_index = 0 };
    struct offset_delete_request_topic of = {
        .name = STR("apples"), .partitions = &asked, .partitions_count = 1
    };
    struct offset_delete_request request = {
        .group_id = STR("g"), .topics = &of, .topics_count = 1
    };
    struct offset_delete_response response;
    message_defaults(&offset_delete_response_schema, &response);
    office_ask(&office, COORDINATOR_OFFSET_DELETE, 0, &request, &response);
    assert_int_equal(response.error_code, ERROR_NONE);
    return (enum error)response.topics[0].partitions[0].error_code;
}

void test_consumer_offsets__a_group_goes_when_it_is_empty(void)
{
    begin_settled();
    assert_int_equal(commit("one", one.epoch, 0, 9), ERROR_NONE);
    assert_int_equal(delete_group(), ERROR_NON_EMPTY_GROUP);
    assert_int_equal(delete_offset(), ERROR_GROUP_SUBSCRIBED_TO_TOPIC);
    assert_int_equal(client_leave(&office, &one, LEFT), ERROR_NONE);
    assert_int_equal(client_leave(&office, &two, LEFT), ERROR_NONE);
    assert_int_equal(commit("", -1, 1, 9), ERROR_NONE); /* an administrator resets it */
    assert_int_equal(delete_offset(), ERROR_NONE);
    int32_t first = office.count;
    assert_int_equal(delete_group(), ERROR_NONE);
    assert_string_equal(types_since(&office, first), "-1 -6 -4 -3");
    assert_null(office_group(&office, "g"));
    end();
}

/* With its last offset, and not while it has members. */
void test_consumer_offsets__an_empty_group_goes_with_its_last_offset(void)
{
    begin_settled();
    assert_int_equal(commit("one", one.epoch, 0, 9), ERROR_NONE);
    office.wall_ms += 60000 * (int64_t)office.coordinator.settings.offsets_retention_minutes;
    office_ask(&office, COORDINATOR_EXPIRE, 0, NULL, NULL);
    assert_non_null(office_group(&office, "g")->offsets);
    assert_int_equal(client_leave(&office, &one, LEFT), ERROR_NONE);
    assert_int_equal(client_leave(&office, &two, LEFT), ERROR_NONE);
    office_ask(&office, COORDINATOR_EXPIRE, 0, NULL, NULL);
    office_ask(&office, COORDINATOR_EXPIRE, 0, NULL, NULL);
    assert_null(office_group(&office, "g"));
    end();
}

static struct consumer_group_describe_described_group describe(const char *group)
{
    struct consumer_group_describe_described_group told;
    struct str *id = arena_take(&office.arena, sizeof(*id));
    *id = str_from(group);
    shape_set_defaults(&consumer_group_describe_described_group_shape, &told);
    office_ask(&office, COORDINATOR_CONSUMER_GROUP_DESCRIBE, 1, id, &told);
    return told;
}

void test_consumer_offsets__a_group_is_described(void)
{
    begin_settled();
    struct consumer_group_describe_described_group told = describe("g");
    assert_int_equal(told.error_code, ERROR_NONE);
    assert_true(str_is(told.group_state, "Stable") && str_is(told.assignor_name, "uniform"));
    assert_int_equal(told.group_epoch, 3);
    assert_int_equal(told.assignment_epoch, 3);
    assert_int_equal(told.members_count, 2);
    for (int i = 0; i < 2; i++) {
        const struct consumer_group_describe_member *member = &told.members[i];
        const struct client *client = str_is(member->member_id, "one") ? &one : &two;
        assert_true(str_equal(member->rack_id, str_from(client->rack)));
        assert_true(str_equal(member->instance_id, str_from(client->instance)));
        assert_true(str_is(member->client_id, "client"));
        assert_int_equal(member->member_epoch, 3);
        assert_int_equal(member->member_type, 1);
        assert_true(str_is(member->subscribed_topic_names[0], "apples"));
        assert_int_equal(member->assignment.topic_partitions_count, 1);
        assert_int_equal(member->target_assignment.topic_partitions_count, 1);
        const struct consumer_group_describe_topic_partitions *has =
            &member->assignment.topic_partitions[0];
        assert_true(str_is(has->topic_name, "apples"));
        assert_int_equal(has->partitions_count, 2);
        assert_true(client->has[0][has->partitions[0]] && client->has[0][has->partitions[1]]);
    }
    assert_int_equal(client_leave(&office, &two, LEFT), ERROR_NONE);
    assert_true(str_is(describe("g").group_state, "Assigning"));
    client_beat(&office, &one);
    struct client three = { .group = "g", .id = "three", .subscription = "a" };
    client_join(&office, &three);
    client_beat(&office, &one);
    told = describe("g"); /* what it has still to give up is its own */
    for (int i = 0; i < 2; i++)
        if (str_is(told.members[i].member_id, "one"))
            assert_int_equal(told.members[i].assignment.topic_partitions[0].partitions_count, 4);
    assert_int_equal(describe("other").error_code, ERROR_GROUP_ID_NOT_FOUND);
    assert_false(str_is_null(describe("other").error_message));
    end();
}
