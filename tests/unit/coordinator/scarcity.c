/* SPDX-License-Identifier: Apache-2.0 */
/* What goes on and what waits while the node has no memory for more groups. */
#include "coordinator/scarcity.h"

#include <stdio.h>

#include "classic.h"
#include "consumer_client.h"
#include "coordinator/offsets.h"

static struct office office;

static void begin(void)
{
    office_init(&office);
    office_add_topic(&office, "orders", 3);
    for (int i = 0; i < CLIENT_TOPICS; i++)
        office_add_topic(&office, topic_names[i], 4);
}

/* A group of one, which is stable; its id. */
static struct str make_group(const char *group, struct wish wish)
{
    wish.version = 3;
    struct question *question = join(&office, group, STR(""), wish);
    office_pass_time(&office, 3000);
    const struct join_group_response *told = joined(question);
    assert_int_equal(told->error_code, ERROR_NONE);
    check_share(&office, sync_as_leader(&office, group, told, 1), told->member_id, 1);
    return told->member_id;
}

static bool exists(const char *group)
{
    return group_find(&office.coordinator, str_from(group)) != NULL;
}

/* Somebody new is told to come later, and nothing is kept of him; who is there goes on. */
void test_scarcity__nobody_new_joins_a_classic_group(void)
{
    begin();
    struct str id = make_group("g", (struct wish){ 0 });
    struct str told_id = ask_id(&office, "g", (struct wish){ 0 });
    office.memory = MEMORY_SHORT;
    struct question *question = join(&office, "new", STR(""), (struct wish){ 0 });
    assert_int_equal(join_error(question), ERROR_COORDINATOR_LOAD_IN_PROGRESS);
    assert_false(exists("new"));
    question = join(&office, "g", STR(""), (struct wish){ .version = 3 });
    assert_int_equal(join_error(question), ERROR_COORDINATOR_LOAD_IN_PROGRESS);
    question = join(&office, "g", told_id, (struct wish){ 0 });
    assert_int_equal(join_error(question), ERROR_COORDINATOR_LOAD_IN_PROGRESS);
    assert_true(str_equal(joined(question)->member_id, told_id));
    assert_int_equal(heartbeat(&office, "g", id, 1, NULL), ERROR_NONE);
    office.memory = MEMORY_AMPLE;
    question = join(&office, "g", told_id, (struct wish){ 0 });
    assert_false(question->is_done);
    office.memory = MEMORY_OUT;
    assert_int_equal(leave(&office, "g", id, NULL), ERROR_NONE);
    assert_int_equal(join_error(question), ERROR_NONE);
    office_deinit(&office);
}

/* While there is some memory left a member may want more than before, and then no more. */
void test_scarcity__a_classic_member_joins_again(void)
{
    begin();
    struct wish wish = { .subscription = "some" }, more = { .subscription = "some more" };
    struct str id = make_group("g", wish);
    office.memory = MEMORY_OUT;
    struct question *question = join(&office, "g", id, more);
    assert_int_equal(join_error(question), ERROR_COORDINATOR_LOAD_IN_PROGRESS);
    assert_int_equal(heartbeat(&office, "g", id, 1, NULL), ERROR_NONE);
    question = join(&office, "g", id, wish);
    assert_int_equal(joined(question)->generation_id, 2);
    assert_int_equal(sync_error(sync_as_leader(&office, "g", joined(question), 1000000)),
        ERROR_COORDINATOR_NOT_AVAILABLE);
    check_share(&office, sync_as_leader(&office, "g", joined(question), 2), id, 2);
    office.memory = MEMORY_SHORT;
    question = join(&office, "g", id, more);
    assert_int_equal(joined(question)->generation_id, 3);
    check_share(&office, sync_as_leader(&office, "g", joined(question), 1000000), id, 1000000);
    office_check_replay(&office);
    office_deinit(&office);
}

/* It is no new member, though it comes without an id. */
void test_scarcity__a_static_member_comes_back(void)
{
    begin();
    struct wish wish = { .instance = "one", .version = 5 };
    make_group("g", wish);
    office.memory = MEMORY_OUT;
    assert_int_equal(join_error(join(&office, "g", STR(""), wish)), ERROR_NONE);
    wish.instance = "two";
    assert_int_equal(
        join_error(join(&office, "g", STR(""), wish)), ERROR_COORDINATOR_LOAD_IN_PROGRESS);
    office_deinit(&office);
}

/* The same for the newer protocol; leaving is always possible. */
void test_scarcity__nobody_new_joins_a_consumer_group(void)
{
    struct client one = { .group = "g", .id = "one", .subscription = "a" };
    struct client other = { .group = "g", .id = "other", .subscription = "a" };
    struct client returning = {
        .group = "g", .id = "third", .instance = "here", .subscription = "a"
    };
    begin();
    client_join(&office, &one);
    client_join(&office, &returning);
    settle(&office, (struct client *[]){ &one, &returning }, 2);
    office.memory = MEMORY_SHORT;
    assert_int_equal(client_say(&office, &other, full_request(&office, &other)),
        ERROR_COORDINATOR_LOAD_IN_PROGRESS);
    other.group = "new";
    assert_int_equal(client_say(&office, &other, full_request(&office, &other)),
        ERROR_COORDINATOR_LOAD_IN_PROGRESS);
    assert_false(exists("new"));
    client_beat(&office, &one);
    office.memory = MEMORY_OUT;
    client_beat(&office, &one);
    assert_int_equal(client_say(&office, &one, full_request(&office, &one)), ERROR_NONE);
    assert_int_equal(client_leave(&office, &returning, LEFT_STATICALLY), ERROR_NONE);
    returning.id = "fourth";
    client_join(&office, &returning);
    assert_int_equal(client_leave(&office, &one, LEFT), ERROR_NONE);
    office_check_replay(&office);
    office_deinit(&office);
}

/* A member that is known may subscribe to more while an eighth is left. */
void test_scarcity__a_consumer_subscribes_to_more(void)
{
    char expression[600];
    struct client one = { .group = "g", .id = "one", .subscription = "a" };
    memset(expression, 'a', sizeof(expression) - 1);
    expression[sizeof(expression) - 1] = 0;
    begin();
    client_join(&office, &one);
    one.regex = expression;
    office.memory = MEMORY_OUT;
    assert_int_equal(
        client_say(&office, &one, full_request(&office, &one)), ERROR_COORDINATOR_LOAD_IN_PROGRESS);
    office.memory = MEMORY_SHORT;
    assert_int_equal(client_say(&office, &one, full_request(&office, &one)), ERROR_NONE);
    office_deinit(&office);
}

static enum error commit_note(const char *group, int32_t partition, const char *note)
{
    struct offset_commit_request_partition asked = {
        .partition_index = partition, .committed_offset = 7, .committed_metadata = str_from(note)
    };
    struct offset_commit_request_topic of = {
        .name = STR("orders"), .partitions = &asked, .partitions_count = 1
    };
    struct offset_commit_request request = { .group_id = str_from(group),
        .generation_id_or_member_epoch = -1,
        .member_id = STR(""),
        .retention_time_ms = -1,
        .topics = &of,
        .topics_count = 1 };
    struct offset_commit_response response = { 0 };
    office_ask(&office, COORDINATOR_OFFSET_COMMIT, 9, &request, &response);
    return (enum error)response.topics[0].partitions[0].error_code;
}

/* What is committed already is committed again, with no longer a note when there is nothing left;
 * the first offset of a partition waits. */
void test_scarcity__offsets_that_are_there_are_committed(void)
{
    begin();
    assert_int_equal(commit_note("g", 0, "note"), ERROR_NONE);
    office.memory = MEMORY_SHORT;
    assert_int_equal(commit_note("g", 0, "a longer note"), ERROR_NONE);
    assert_int_equal(commit_note("g", 1, ""), ERROR_COORDINATOR_LOAD_IN_PROGRESS);
    assert_int_equal(commit_note("new", 0, ""), ERROR_COORDINATOR_LOAD_IN_PROGRESS);
    assert_false(exists("new"));
    office.memory = MEMORY_OUT;
    assert_int_equal(commit_note("g", 0, "a longer nose"), ERROR_NONE);
    assert_int_equal(commit_note("g", 0, "a longer note!"), ERROR_COORDINATOR_LOAD_IN_PROGRESS);
    assert_int_equal(commit_note("g", 0, ""), ERROR_NONE);
    int64_t before = office.coordinator.memory;
    assert_int_equal(delete_group(&office, "g"), ERROR_NONE);
    assert_true(office.coordinator.memory < before);
    office_check_replay(&office);
    office_deinit(&office);
}

/* However much there is: what the log says is believed, and counted. */
void test_scarcity__a_load_is_counted_and_never_refused(void)
{
    begin();
    for (int i = 0; i < 100; i++)
        assert_int_equal(
            commit_note(arena_format(&office.arena, "group-%d", i), i % 3, "note"), ERROR_NONE);
    make_group("g", (struct wish){ 0 });
    int64_t before = office.coordinator.memory;
    assert_true(before > 100 * (int64_t)sizeof(struct group));
    office.memory = MEMORY_OUT;
    office_load_again(&office);
    assert_int_equal(HASH_COUNT(office.coordinator.groups), 101);
    assert_in_range(office.coordinator.memory, before * 9 / 10, before * 11 / 10);
    office_deinit(&office);
}
