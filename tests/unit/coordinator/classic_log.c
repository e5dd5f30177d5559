/* SPDX-License-Identifier: Apache-2.0 */
/* What a group is in the log, what becomes of it when the log refuses or the coordinator moves, and
 * its offsets. */
#include "classic_team.h"

#include "coordinator/offsets.h"
#include "coordinator/record.h"
#include "wire/gen/consumer_group_metadata_record.h"
#include "wire/gen/group_metadata_record.h"
#include "wire/gen/share_group_metadata_record.h"

static const struct group_metadata_record *last_record(void)
{
    struct coordinator_record record;
    assert_int_equal(
        coordinator_record_parse(office.records[office.count - 1], &office.arena, &record),
        COORDINATOR_RECORD_GOOD);
    assert_int_equal(record.version, 3);
    return record.value;
}

/* As Kafka's own logs have them. */
void test_classic_log__records_are_those_of_kafka(void)
{
    begin();
    struct str id = ask_id(&office, "g", (struct wish){ 0 });
    const struct group_metadata_record *record = last_record();
    assert_int_equal(record->generation, 0);
    assert_true(str_is(record->protocol_type, "") && str_is_null(record->protocol));
    assert_true(str_is_null(record->leader));
    assert_int_equal(record->current_state_timestamp, office.wall_ms);
    struct question *question = join(&office, "g", id, (struct wish){ 0 });
    office_pass_time(&office, 3000);
    int64_t since_ms = office.wall_ms;
    office_pass_time(&office, 100);
    sync_as_leader(&office, "g", joined(question), 1);
    record = last_record();
    assert_int_equal(record->generation, 1);
    assert_true(str_is(record->protocol, "range") && str_equal(record->leader, id));
    assert_int_equal(record->current_state_timestamp, since_ms);
    assert_int_equal(record->members_count, 1);
    assert_int_equal(record->members[0].session_timeout, 10000);
    assert_int_equal(record->members[0].rebalance_timeout, 60000);
    assert_true(str_is_null(record->members[0].group_instance_id));
    assert_true(str_is(record->members[0].client_id, "client"));
    leave(&office, "g", id, NULL);
    record = last_record();
    assert_int_equal(record->generation, 2);
    assert_true(str_is(record->protocol_type, "consumer") && str_is_null(record->protocol));
    assert_true(str_is_null(record->leader));
    assert_int_equal(record->members_count, 0);
    assert_int_equal(record->current_state_timestamp, office.wall_ms);
    end();
}

/* Whoever tries to join it first: a node that ends then lists it as empty, as Kafka does. */
void test_classic_log__a_group_is_there_from_the_first_try_to_join_it(void)
{
    static const struct wish wishes[] = { { .version = 3 }, { .version = 5 }, { .version = 9 },
        { .version = 5, .instance = "one" }, { .version = 9, .instance = "one" } };
    begin();
    for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++) {
        const char *id = arena_format(&office.arena, "group %zu", i);
        join(&office, id, STR(""), wishes[i]);
        assert_int_equal(office.count, i + 1);
        const struct group_metadata_record *record = last_record();
        assert_true(str_is(record->protocol_type, "") && record->generation == 0);
        assert_int_equal(record->members_count, 0);
    }
    assert_true(is_state(&office, "group 0", "PreparingRebalance"));
    office_load_again(&office);
    for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++)
        assert_true(is_state(&office, arena_format(&office.arena, "group %zu", i), "Empty"));
    end();
}

void test_classic_log__a_log_that_refuses_has_no_new_group(void)
{
    static const struct wish wishes[] = { { .version = 3 }, { .version = 9 },
        { .version = 9, .instance = "one" } };
    begin();
    office.refuses = true;
    for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++) {
        struct question *question = join(&office, "g", STR(""), wishes[i]);
        assert_true(question->is_done);
        assert_int_equal(question->error, ERROR_NOT_ENOUGH_REPLICAS);
        assert_null(group_find(&office.coordinator, STR("g")));
    }
    office_pass_time(&office, 100000);
    assert_null(group_find(&office.coordinator, STR("g")));
    office.refuses = false;
    team_form(2, (struct wish){ 0 });
    end();
}

/* The log does not take what the leader says: nobody has it, all hear, and it can say so again. */
void test_classic_log__a_log_that_refuses_leaves_the_generation_to_sync(void)
{
    begin();
    struct team team = team_form(2, (struct wish){ 0 });
    team_join(&team, (struct wish){ 0 });
    const struct join_group_response *told = joined(team.joins[0]);
    struct question *waits = sync_as_follower(&office, "g", team.ids[1], 2);
    office.refuses = true;
    struct question *refused = sync_as_leader(&office, "g", told, 7);
    assert_int_equal(refused->error, ERROR_NOT_ENOUGH_REPLICAS);
    assert_int_equal(waits->error, ERROR_NOT_ENOUGH_REPLICAS);
    assert_true(is_state(&office, "g", "CompletingRebalance"));
    office_check_replay(&office);
    office.refuses = false;
    waits = sync_as_follower(&office, "g", team.ids[1], 2);
    assert_false(waits->is_done);
    check_share(&office, sync_as_leader(&office, "g", told, 8), team.ids[0], 8);
    check_share(&office, waits, team.ids[1], 8);
    end();
}

/* ... and when they do not, their time ends. */
void test_classic_log__a_sync_that_was_refused_is_waited_for_again(void)
{
    begin();
    struct team team = team_form(1, (struct wish){ .session_ms = 100000 });
    team_join(&team, (struct wish){ .session_ms = 100000 });
    office_pass_time(&office, 50000);
    office.refuses = true;
    sync_as_leader(&office, "g", joined(team.joins[0]), 7);
    office.refuses = false;
    office_pass_time(&office, 59999);
    assert_true(is_state(&office, "g", "CompletingRebalance"));
    office_pass_time(&office, 1);
    assert_true(is_state(&office, "g", "Empty"));
    end();
}

/* A log that did not hear that the last member left would bring it back. */
void test_classic_log__a_group_that_became_empty_is_recorded_in_the_end(void)
{
    begin();
    struct team team = team_form(1, (struct wish){ 0 });
    office.refuses = true;
    assert_int_equal(leave(&office, "g", team.ids[0], NULL), ERROR_COORDINATOR_NOT_AVAILABLE);
    office_pass_time(&office, 5000);
    assert_true(is_state(&office, "g", "Empty"));
    assert_int_equal(last_record()->members_count, 1);
    office.refuses = false;
    office_pass_time(&office, 1000);
    assert_int_equal(last_record()->members_count, 0);
    assert_int_equal(last_record()->generation, 2);
    assert_true(coordinator_deadline(&office.coordinator) == INT64_MAX);
    office_load_again(&office);
    assert_true(is_state(&office, "g", "Empty"));
    end();
}

/* Not even if the log has no more of it than that it is there. */
void test_classic_log__a_generation_is_not_given_twice(void)
{
    begin();
    struct question *first = join(&office, "g", STR(""), (struct wish){ .version = 3 });
    office_pass_time(&office, 3000);
    assert_int_equal(joined(first)->generation_id, 1);
    office.refuses = true;
    leave(&office, "g", joined(first)->member_id, NULL);
    office.refuses = false;
    assert_int_equal(office.count, 1);
    struct question *second = join(&office, "g", STR(""), (struct wish){ .version = 3 });
    office_pass_time(&office, 3000);
    assert_int_equal(joined(second)->generation_id, 3);
    end();
}

/* Nobody may act on what a crash could still take back. */
void test_classic_log__an_assignment_is_told_when_it_is_committed(void)
{
    begin();
    struct team team = team_form(2, (struct wish){ 0 });
    team_join(&team, (struct wish){ 0 });
    office.commits_late = true;
    struct question *waits = sync_as_follower(&office, "g", team.ids[1], 2);
    struct question *leads = sync_as_leader(&office, "g", joined(team.joins[0]), 3);
    struct question *late = sync_as_follower(&office, "g", team.ids[1], 2);
    assert_false(waits->is_done || leads->is_done || late->is_done);
    office_commit(&office);
    check_share(&office, leads, team.ids[0], 3);
    check_share(&office, waits, team.ids[1], 3);
    check_share(&office, late, team.ids[1], 3);
    end();
}

/* Members do not notice, as long as they say something before their session ends. */
void test_classic_log__a_stable_group_outlives_its_coordinator(void)
{
    begin();
    struct team team = team_form(2, (struct wish){ 0 });
    office_pass_time(&office, 9000);
    office_load_again(&office);
    office_pass_time(&office, 9000);
    assert_int_equal(heartbeat(&office, "g", team.ids[0], 1, NULL), ERROR_NONE);
    office_pass_time(&office, 9000);
    assert_int_equal(heartbeat(&office, "g", team.ids[1], 1, NULL), ERROR_UNKNOWN_MEMBER_ID);
    struct question *waits = join(&office, "g", team.ids[0], (struct wish){ 0 });
    assert_int_equal(joined(waits)->generation_id, 2);
    end();
}

void test_classic_log__who_waits_hears_when_the_coordinator_goes(void)
{
    begin();
    struct team team = team_form(2, (struct wish){ 0 });
    struct question *waits = join(&office, "g", team.ids[0], (struct wish){ 0 });
    office_load_again(&office);
    assert_true(waits->is_done);
    assert_int_equal(waits->error, ERROR_NOT_COORDINATOR);
    assert_true(is_state(&office, "g", "Stable")); /* as the log says */
    team_join(&team, (struct wish){ 0 });
    team_sync(&team, 2);
    end();
}

/* Retention begins when the last member has gone, not with the commit. */
void test_classic_log__offsets_age_from_when_the_group_became_empty(void)
{
    begin();
    struct team team = team_form(1, (struct wish){ .session_ms = 1800000 });
    assert_int_equal(commit(&office, "g", team.ids[0], 1, NULL), ERROR_NONE);
    for (int i = 0; i < 700; i++) {
        office_pass_time(&office, 1000000);
        assert_int_equal(heartbeat(&office, "g", team.ids[0], 1, NULL), ERROR_NONE);
    }
    office_ask(&office, COORDINATOR_EXPIRE, 0, NULL, NULL);
    leave(&office, "g", team.ids[0], NULL);
    office_pass_time(&office, 604799999);
    office_ask(&office, COORDINATOR_EXPIRE, 0, NULL, NULL);
    assert_non_null(group_find(&office.coordinator, STR("g"))->offsets);
    office_pass_time(&office, 1);
    office_ask(&office, COORDINATOR_EXPIRE, 0, NULL, NULL);
    assert_null(group_find(&office.coordinator, STR("g")));
    end();
}

/* Its id is free, then; and who is refused makes none. */
void test_classic_log__an_empty_group_is_deleted(void)
{
    begin();
    struct team team = team_form(1, (struct wish){ 0 });
    assert_int_equal(delete_group(&office, "g"), ERROR_NON_EMPTY_GROUP);
    leave(&office, "g", team.ids[0], NULL);
    struct str id = ask_id(&office, "g", (struct wish){ 0 });
    assert_int_equal(delete_group(&office, "g"), ERROR_NONE);
    assert_null(group_find(&office.coordinator, STR("g")));
    assert_int_equal(
        join_error(join(&office, "g", id, (struct wish){ 0 })), ERROR_UNKNOWN_MEMBER_ID);
    assert_null(group_find(&office.coordinator, STR("g")));
    assert_int_equal(join_error(join(&office, "g", STR(""), (struct wish){ .no_protocols = true })),
        ERROR_INCONSISTENT_GROUP_PROTOCOL);
    assert_null(group_find(&office.coordinator, STR("g")));
    end();
}

/* Such offsets have no record of the group, but Kafka deletes one all the same. */
void test_classic_log__a_simple_group_becomes_one_with_members(void)
{
    begin();
    assert_int_equal(commit(&office, "g", STR(""), -1, NULL), ERROR_NONE);
    struct team team = team_form(1, (struct wish){ 0 });
    assert_int_equal(commit(&office, "g", STR(""), -1, NULL), ERROR_UNKNOWN_MEMBER_ID);
    assert_int_equal(commit(&office, "g", team.ids[0], 1, NULL), ERROR_NONE);
    leave(&office, "g", team.ids[0], NULL);
    assert_int_equal(commit(&office, "g", STR(""), -1, NULL), ERROR_NONE);
    assert_int_equal(delete_group(&office, "g"), ERROR_NONE);
    assert_null(group_find(&office.coordinator, STR("g")));
    assert_int_equal(commit(&office, "s", STR(""), -1, NULL), ERROR_NONE);
    int32_t before = office.count;
    assert_int_equal(delete_group(&office, "s"), ERROR_NONE);
    assert_int_equal(office.count, before + 2);
    assert_null(group_find(&office.coordinator, STR("s")));
    end();
}

static enum error delete_offset(const char *topic)
{
    struct offset_delete_request_partition asked = { 0 };
    struct offset_delete_request_topic of = {
        .name = str_from(topic), .partitions = &asked, .partitions_count = 1
    };
    struct offset_delete_request request = {
        .group_id = STR("g"), .topics = &of, .topics_count = 1
    };
    struct offset_delete_response response = { 0 };
    office_ask(&office, COORDINATOR_OFFSET_DELETE, 0, &request, &response);
    assert_int_equal(response.error_code, ERROR_NONE);
    return (enum error)response.topics[0].partitions[0].error_code;
}

/* What members read must not go, by an administrator or by age. */
void test_classic_log__offsets_of_subscribed_topics_are_kept(void)
{
    begin();
    office_add_topic(&office, "bills", 1);
    struct wish wish = { .topics = { "bills", "cards" }, .session_ms = 1800000 };
    struct team team = team_form(1, wish);
    assert_int_equal(commit(&office, "g", team.ids[0], 1, NULL), ERROR_NONE); /* of orders */
    assert_int_equal(delete_offset("bills"), ERROR_GROUP_SUBSCRIBED_TO_TOPIC);
    assert_int_equal(delete_offset("orders"), ERROR_NONE);
    assert_null(group_find(&office.coordinator, STR("g"))->offsets);
    assert_int_equal(commit(&office, "g", team.ids[0], 1, NULL), ERROR_NONE);
    wish.topics[1] = "orders";
    team_join(&team, wish);
    team_sync(&team, 2);
    for (int i = 0; i < 700; i++) {
        office_pass_time(&office, 1000000);
        assert_int_equal(heartbeat(&office, "g", team.ids[0], 2, NULL), ERROR_NONE);
    }
    office_ask(&office, COORDINATOR_EXPIRE, 0, NULL, NULL);
    assert_non_null(offset_find(group_find(&office.coordinator, STR("g")), STR("orders"), 0));
    wish.topics[1] = NULL;
    team_join(&team, wish);
    team_sync(&team, 3);
    office_ask(&office, COORDINATOR_EXPIRE, 0, NULL, NULL);
    assert_null(offset_find(group_find(&office.coordinator, STR("g")), STR("orders"), 0));
    office_load_again(&office);
    assert_int_equal(delete_offset("bills"), ERROR_GROUP_SUBSCRIBED_TO_TOPIC);
    assert_int_equal(leave(&office, "g", team.ids[0], NULL), ERROR_NONE);
    assert_int_equal(delete_offset("bills"), ERROR_NONE);
    end();
}

/* Who reads a topic may not have come back yet. */
void test_classic_log__no_offset_ages_while_the_group_rebalances(void)
{
    begin();
    office_add_topic(&office, "bills", 1);
    struct wish wish = { .topics = { "bills" }, .session_ms = 1800000 };
    struct team team = team_form(1, wish);
    assert_int_equal(commit(&office, "g", team.ids[0], 1, NULL), ERROR_NONE); /* of orders */
    for (int i = 0; i < 700; i++) {
        office_pass_time(&office, 1000000);
        assert_int_equal(heartbeat(&office, "g", team.ids[0], 1, NULL), ERROR_NONE);
    }
    team.ids[1] = ask_id(&office, "g", wish);
    team.joins[1] = join(&office, "g", team.ids[1], wish);
    assert_true(is_state(&office, "g", "PreparingRebalance"));
    office_ask(&office, COORDINATOR_EXPIRE, 0, NULL, NULL);
    assert_non_null(offset_find(group_find(&office.coordinator, STR("g")), STR("orders"), 0));
    team.joins[0] = join(&office, "g", team.ids[0], wish);
    assert_true(is_state(&office, "g", "CompletingRebalance"));
    office_ask(&office, COORDINATOR_EXPIRE, 0, NULL, NULL);
    assert_non_null(offset_find(group_find(&office.coordinator, STR("g")), STR("orders"), 0));
    team.count = 2;
    team_sync(&team, 2);
    office_ask(&office, COORDINATOR_EXPIRE, 0, NULL, NULL);
    assert_null(offset_find(group_find(&office.coordinator, STR("g")), STR("orders"), 0));
    end();
}

/* And not what those who are joining will read. */
void test_classic_log__what_a_generation_reads_is_kept_until_the_next(void)
{
    begin();
    office_add_topic(&office, "bills", 1);
    struct wish wish = { .topics = { "bills" } }, other = { .topics = { "orders" } };
    struct team team = team_form(2, wish);
    team.joins[0] = join(&office, "g", team.ids[0], other);
    team.ids[2] = ask_id(&office, "g", other);
    team.joins[2] = join(&office, "g", team.ids[2], other);
    assert_int_equal(delete_offset("bills"), ERROR_GROUP_SUBSCRIBED_TO_TOPIC);
    assert_int_equal(delete_offset("orders"), ERROR_NONE);
    team.joins[1] = join(&office, "g", team.ids[1], other);
    assert_int_equal(delete_offset("bills"), ERROR_NONE);
    assert_int_equal(delete_offset("orders"), ERROR_GROUP_SUBSCRIBED_TO_TOPIC);
    end();
}

void test_classic_log__a_first_generation_may_read_anything(void)
{
    begin();
    struct wish wish = { .topics = { "orders" } };
    struct str id = ask_id(&office, "g", wish);
    assert_int_equal(delete_offset("orders"), ERROR_NONE); /* nobody is in it yet */
    struct question *waits = join(&office, "g", id, wish);
    assert_true(is_state(&office, "g", "PreparingRebalance"));
    assert_int_equal(delete_offset("orders"), ERROR_GROUP_SUBSCRIBED_TO_TOPIC);
    office_pass_time(&office, 3000);
    assert_int_equal(joined(waits)->generation_id, 1);
    assert_int_equal(delete_offset("orders"), ERROR_GROUP_SUBSCRIBED_TO_TOPIC);
    end();
}

/* One that cannot be read may be of anything. */
void test_classic_log__an_unreadable_subscription_keeps_all_offsets(void)
{
    begin();
    struct team team = team_form(1, (struct wish){ 0 });
    assert_int_equal(delete_offset("orders"), ERROR_GROUP_SUBSCRIBED_TO_TOPIC);
    leave(&office, "g", team.ids[0], NULL);
    end();
}

static void replay(const char *schema_name, const void *key, int16_t version, const void *value)
{
    struct rsm_record record = coordinator_record_encode(
        &office.arena, record_schema_named(schema_name), key, version, value);
    assert_true(coordinator_replay(&office.coordinator, 0, record, -1));
}

/* An id belongs to one kind at a time. */
void test_classic_log__a_group_of_another_kind_has_no_such_members(void)
{
    struct share_group_metadata_record_key share_key = { .group_id = STR("g") };
    struct share_group_metadata_record share = { .epoch = 1 };
    struct group_metadata_record_key key = { .group = STR("g") };
    struct group_metadata_record value = { .protocol_type = STR("consumer"), .generation = 4 };
    begin();
    replay("share_group_metadata", &share_key, 0, &share);
    assert_int_equal(join_error(join(&office, "g", STR(""), (struct wish){ 0 })),
        ERROR_INCONSISTENT_GROUP_PROTOCOL);
    assert_int_equal(heartbeat(&office, "g", STR("m"), 1, NULL), ERROR_UNKNOWN_MEMBER_ID);
    assert_int_equal(
        sync_error(sync_as_follower(&office, "g", STR("m"), 1)), ERROR_UNKNOWN_MEMBER_ID);
    assert_int_equal(leave(&office, "g", STR("m"), NULL), ERROR_UNKNOWN_MEMBER_ID);
    struct describe_groups_described_group told = describe(&office, "g", 6);
    assert_int_equal(told.error_code, ERROR_GROUP_ID_NOT_FOUND);
    assert_true(str_is(told.error_message, "Group g is not a classic group."));
    replay("group_metadata", &key, 3, &value); /* the newer record counts */
    assert_true(is_state(&office, "g", "Empty"));
    replay("group_metadata", &key, 3, NULL);
    assert_true(is_state(&office, "g", "Dead"));
    office_deinit(&office);
}

/* Else an application could not go back to the classic protocol. */
void test_classic_log__an_empty_group_of_consumers_makes_room(void)
{
    struct consumer_group_metadata_record_key key = { .group_id = STR("g") };
    struct consumer_group_metadata_record value = { .epoch = 3 };
    begin();
    replay("consumer_group_metadata", &key, 0, &value);
    assert_int_equal(commit(&office, "g", STR(""), -1, NULL), ERROR_NONE);
    assert_true(is_state(&office, "g", "Dead")); /* no classic one */
    ask_id(&office, "g", (struct wish){ 0 });
    assert_true(is_state(&office, "g", "Empty"));
    team_form(1, (struct wish){ 0 });
    assert_non_null(offset_find(group_find(&office.coordinator, STR("g")), STR("orders"), 0));
    office_deinit(&office);
}

/* No record of a sane broker does; the last one counts. */
void test_classic_log__a_record_that_names_an_instance_twice_is_survived(void)
{
    struct group_metadata_record_key key = { .group = STR("g") };
    struct group_metadata_record_member_metadata members[3];
    struct group_metadata_record value = { .protocol_type = STR("consumer"),
        .generation = 4,
        .leader = STR("nobody"),
        .members = members,
        .members_count = 3 };
    static const char *const ids[] = { "a", "b", "a" };
    begin();
    for (int i = 0; i < 3; i++)
        members[i] = (struct group_metadata_record_member_metadata){ .member_id = str_from(ids[i]),
            .group_instance_id = STR("one"),
            .session_timeout = 10000,
            .rebalance_timeout = -1 };
    replay("group_metadata", &key, 3, &value);
    office_begin(&office);
    assert_int_equal(describe(&office, "g", 6).members_count, 1);
    assert_int_equal(heartbeat(&office, "g", STR("a"), 4, "one"), ERROR_NONE);
    assert_int_equal(heartbeat(&office, "g", STR("b"), 4, "one"), ERROR_FENCED_INSTANCE_ID);
    office_deinit(&office);
}
