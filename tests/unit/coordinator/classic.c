/* SPDX-License-Identifier: Apache-2.0 */
/* Members of a group that come, go, hang and repeat themselves. */
#include "classic_team.h"

/* All that it says is what a group of one is about. */
void test_classic__a_member_joins_syncs_and_leaves(void)
{
    begin();
    struct str id = ask_id(&office, "g", (struct wish){ 0 });
    assert_true(str_is(id, "client-00000000-0000-0000-0000-000000000001"));
    assert_true(is_state(&office, "g", "Empty"));
    struct question *question = join(&office, "g", id, (struct wish){ 0 });
    assert_false(question->is_done);
    assert_true(is_state(&office, "g", "PreparingRebalance"));
    office_pass_time(&office, 2999);
    assert_false(question->is_done);
    office_pass_time(&office, 1);
    const struct join_group_response *told = joined(question);
    assert_int_equal(told->error_code, ERROR_NONE);
    assert_int_equal(told->generation_id, 1);
    assert_true(str_equal(told->leader, id) && str_equal(told->member_id, id));
    assert_true(str_is(told->protocol_name, "range") && str_is(told->protocol_type, "consumer"));
    assert_int_equal(told->members_count, 1);
    assert_true(str_equal(told->members[0].member_id, id));
    assert_memory_equal(told->members[0].metadata.data, "all", 3);
    struct describe_groups_described_group group = describe(&office, "g", 6);
    assert_true(str_is(group.group_state, "CompletingRebalance"));
    assert_int_equal(group.members_count, 1);
    assert_true(group.protocol_data.size <= 0); /* members may wish others by now */
    assert_int_equal(group.members[0].member_metadata.size, 0);
    check_share(&office, sync_as_leader(&office, "g", told, 5), id, 5);
    group = describe(&office, "g", 6);
    assert_true(str_is(group.group_state, "Stable") && str_is(group.protocol_data, "range"));
    assert_true(str_is(group.protocol_type, "consumer"));
    assert_int_equal(group.members_count, 1);
    assert_true(str_is(group.members[0].client_host, "/127.0.0.1"));
    assert_int_equal(group.members[0].member_metadata.size, 3);
    assert_int_equal(heartbeat(&office, "g", id, 1, NULL), ERROR_NONE);
    assert_int_equal(leave(&office, "g", id, NULL), ERROR_NONE);
    assert_true(is_state(&office, "g", "Empty"));
    assert_int_equal(office.count, 3); /* it is new; it is stable; it is empty */
    end();
}

/* As long as somebody comes in the delay, it is added again, up to the rebalance timeout. */
void test_classic__the_initial_delay_grows_while_members_come(void)
{
    begin();
    struct wish wish = { .rebalance_ms = 7000, .version = 3 };
    struct question *first = join(&office, "g", STR(""), wish);
    office_pass_time(&office, 2000);
    struct question *second = join(&office, "g", STR(""), wish);
    office_pass_time(&office, 1500); /* the delay is over at 3,000 and goes on to 6,000 */
    assert_false(first->is_done);
    struct question *third = join(&office, "g", STR(""), wish);
    office_pass_time(&office, 2500);
    assert_false(first->is_done); /* one second is left of seven */
    office_pass_time(&office, 1000);
    assert_int_equal(join_error(first), ERROR_NONE);
    assert_int_equal(join_error(second), ERROR_NONE);
    assert_int_equal(joined(third)->generation_id, 1);
    assert_int_equal(joined(first)->members_count, 3);
    assert_int_equal(joined(second)->members_count, 0);
    end();
}

void test_classic__a_group_grows_and_shrinks(void)
{
    begin();
    struct team team = team_form(2, (struct wish){ 0 });
    team.ids[2] = ask_id(&office, "g", (struct wish){ 0 });
    assert_int_equal(heartbeat(&office, "g", team.ids[0], 1, NULL), ERROR_NONE);
    team.joins[2] = join(&office, "g", team.ids[2], (struct wish){ 0 });
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            heartbeat(&office, "g", team.ids[i], 1, NULL), ERROR_REBALANCE_IN_PROGRESS);
    for (int i = 0; i < 2; i++) {
        assert_false(team.joins[2]->is_done);
        team.joins[i] = join(&office, "g", team.ids[i], (struct wish){ 0 });
    }
    team.count = 3;
    team_sync(&team, 2);
    assert_int_equal(team.generation, 2);
    assert_int_equal(leave(&office, "g", team.ids[2], NULL), ERROR_NONE);
    team.count = 2;
    team_join(&team, (struct wish){ 0 });
    team_sync(&team, 3);
    assert_int_equal(team.generation, 3);
    end();
}

/* It is noticed by its session; a member that waits meanwhile needs no heartbeats. */
void test_classic__a_leader_that_dies_is_replaced(void)
{
    begin();
    struct team team = team_form(3, (struct wish){ 0 });
    for (int i = 0; i < 4; i++) {
        office_pass_time(&office, 3000);
        for (int k = 1; k < 3; k++)
            heartbeat(&office, "g", team.ids[k], 1, NULL);
    }
    assert_true(is_state(&office, "g", "PreparingRebalance"));
    struct question *one = join(&office, "g", team.ids[1], (struct wish){ 0 });
    office_pass_time(&office, 9000);
    assert_false(one->is_done); /* beyond the other's session, which ends a little later */
    struct question *two = join(&office, "g", team.ids[2], (struct wish){ 0 });
    assert_true(str_equal(joined(one)->leader, team.ids[1]));
    assert_int_equal(joined(one)->members_count, 2);
    assert_true(str_equal(joined(two)->leader, team.ids[1]));
    end();
}

/* Who does not rejoin in time is out, and hears that it is unknown. */
void test_classic__a_rebalance_does_not_wait_longer_than_its_timeout(void)
{
    begin();
    struct team team = team_form(2, (struct wish){ 0 });
    struct question *again = join(&office, "g", team.ids[0], (struct wish){ 0 });
    for (int i = 0; i < 12; i++) {
        assert_false(again->is_done);
        assert_int_equal(
            heartbeat(&office, "g", team.ids[1], 1, NULL), ERROR_REBALANCE_IN_PROGRESS);
        office_pass_time(&office, 5000);
    }
    assert_int_equal(joined(again)->members_count, 1);
    assert_int_equal(heartbeat(&office, "g", team.ids[1], 1, NULL), ERROR_UNKNOWN_MEMBER_ID);
    end();
}

void test_classic__a_leader_that_never_syncs_is_put_out(void)
{
    begin();
    struct team team = team_form(2, (struct wish){ 0 });
    team_join(&team, (struct wish){ 0 }); /* the leader's join begins a rebalance */
    int32_t generation = joined(team.joins[1])->generation_id;
    struct question *waits = sync_as_follower(&office, "g", team.ids[1], generation);
    for (int i = 0; i < 12; i++) {
        assert_false(waits->is_done);
        heartbeat(&office, "g", team.ids[0], generation, NULL); /* it lives, but hangs */
        office_pass_time(&office, 5000);
    }
    assert_int_equal(sync_error(waits), ERROR_REBALANCE_IN_PROGRESS);
    struct question *again = join(&office, "g", team.ids[1], (struct wish){ 0 });
    assert_true(str_equal(joined(again)->leader, team.ids[1]));
    assert_int_equal(joined(again)->members_count, 1);
    end();
}

/* A follower that never comes for its assignment holds nobody up, but is put out in the end. */
void test_classic__a_follower_that_never_syncs_is_put_out(void)
{
    begin();
    struct team team = team_form(2, (struct wish){ 0 });
    team_join(&team, (struct wish){ 0 });
    check_share(&office, sync_as_leader(&office, "g", joined(team.joins[0]), 4), team.ids[0], 4);
    assert_true(is_state(&office, "g", "Stable"));
    for (int i = 0; i < 12; i++) {
        assert_int_equal(heartbeat(&office, "g", team.ids[1], 2, NULL), ERROR_NONE);
        assert_int_equal(heartbeat(&office, "g", team.ids[0], 2, NULL), ERROR_NONE);
        office_pass_time(&office, 5000);
    }
    assert_int_equal(heartbeat(&office, "g", team.ids[1], 2, NULL), ERROR_UNKNOWN_MEMBER_ID);
    assert_true(is_state(&office, "g", "PreparingRebalance"));
    end();
}

void test_classic__a_join_that_is_sent_again_hears_of_its_generation(void)
{
    begin();
    struct team team = team_form(2, (struct wish){ 0 });
    struct question *again = join(&office, "g", team.ids[1], (struct wish){ 0 });
    assert_int_equal(joined(again)->generation_id, 1);
    assert_int_equal(joined(again)->members_count, 0);
    assert_true(is_state(&office, "g", "Stable"));
    check_share(&office, sync_as_follower(&office, "g", team.ids[1], 1), team.ids[1], 1);
    struct question *other =
        join(&office, "g", team.ids[1], (struct wish){ .subscription = "more" });
    assert_false(other->is_done); /* a new subscription */
    assert_true(is_state(&office, "g", "PreparingRebalance"));
    end();
}

/* Each question has an answer, be it of no use. */
void test_classic__who_asks_twice_is_answered_twice(void)
{
    begin();
    struct str id = ask_id(&office, "g", (struct wish){ 0 });
    struct question *first = join(&office, "g", id, (struct wish){ 0 });
    struct question *second = join(&office, "g", id, (struct wish){ 0 });
    assert_int_equal(join_error(first), ERROR_REBALANCE_IN_PROGRESS);
    office_pass_time(&office, 3000);
    assert_int_equal(join_error(second), ERROR_NONE);
    struct str other = ask_id(&office, "g", (struct wish){ 0 });
    struct question *third = join(&office, "g", other, (struct wish){ 0 });
    struct question *fourth = join(&office, "g", id, (struct wish){ 0 });
    assert_int_equal(joined(third)->generation_id, 2);
    assert_int_equal(joined(fourth)->generation_id, 2);
    struct question *sync = sync_as_follower(&office, "g", other, 2);
    struct question *sync_again = sync_as_follower(&office, "g", other, 2);
    assert_int_equal(sync_error(sync), ERROR_REBALANCE_IN_PROGRESS);
    sync_as_leader(&office, "g", joined(fourth), 1);
    check_share(&office, sync_again, other, 1);
    end();
}

void test_classic__a_group_has_a_largest_size(void)
{
    begin();
    office.coordinator.settings.classic_max_size = 2;
    struct team team = team_form(2, (struct wish){ 0 });
    struct question *third = join(&office, "g", STR(""), (struct wish){ 0 });
    assert_int_equal(join_error(third), ERROR_GROUP_MAX_SIZE_REACHED);
    assert_true(str_is(joined(third)->member_id, ""));
    team_join(&team, (struct wish){ 0 });
    team_sync(&team, 2);
    /* While members join, the first ones stay. */
    struct str id = ask_id(&office, "other", (struct wish){ 0 });
    struct str late = ask_id(&office, "other", (struct wish){ 0 });
    struct question *joins[] = { join(&office, "other", id, (struct wish){ 0 }),
        join(&office, "other", STR(""), (struct wish){ .version = 1 }) };
    assert_int_equal(
        join_error(join(&office, "other", late, (struct wish){ 0 })), ERROR_GROUP_MAX_SIZE_REACHED);
    office_pass_time(&office, 6000);
    assert_int_equal(joined(joins[0])->members_count, 2);
    end();
}

/* The limit was higher before. */
void test_classic__a_group_that_is_too_large_shrinks_after_a_load(void)
{
    begin();
    struct team team = team_form(3, (struct wish){ 0 });
    office.coordinator.settings.classic_max_size = 2;
    office_load_again(&office);
    assert_int_equal(heartbeat(&office, "g", team.ids[0], 1, NULL), ERROR_REBALANCE_IN_PROGRESS);
    team_join(&team, (struct wish){ 0 });
    assert_int_equal(join_error(team.joins[2]), ERROR_GROUP_MAX_SIZE_REACHED);
    team.count = 2;
    team_sync(&team, 2);
    end();
}

void test_classic__the_protocol_that_most_prefer_of_those_that_all_know(void)
{
    begin();
    struct wish wishes[3] = { { .protocols = { "a", "b", "c" }, .version = 2 },
        { .protocols = { "c", "b", "a" }, .version = 2 },
        { .protocols = { "d", "b", "c" }, .version = 2 } };
    struct question *joins[3];
    for (int i = 0; i < 3; i++)
        joins[i] = join(&office, "g", STR(""), wishes[i]);
    struct question *other =
        join(&office, "g", STR(""), (struct wish){ .protocols = { "a", "d" }, .version = 2 });
    assert_int_equal(join_error(other), ERROR_INCONSISTENT_GROUP_PROTOCOL);
    office_pass_time(&office, 9000);
    assert_true(str_is(joined(joins[0])->protocol_name, "b")); /* two votes; c has one */
    assert_true(str_is(joined(joins[2])->protocol_name, "b"));
    end();
}

/* A member may name a protocol twice; that is one vote, and one member less when it goes. */
void test_classic__a_protocol_that_is_named_twice_counts_once(void)
{
    begin();
    struct wish twice = { .protocols = { "a", "a" }, .version = 2 };
    struct question *one = join(&office, "g", STR(""), twice);
    struct question *two = join(&office, "g", STR(""), (struct wish){ .protocols = { "a" } });
    assert_int_equal(join_error(two), ERROR_MEMBER_ID_REQUIRED);
    two = join(&office, "g", joined(two)->member_id, (struct wish){ .protocols = { "a" } });
    office_pass_time(&office, 6000);
    assert_true(str_is(joined(one)->protocol_name, "a"));
    assert_int_equal(leave(&office, "g", joined(one)->member_id, NULL), ERROR_NONE);
    two = join(&office, "g", joined(two)->member_id, (struct wish){ .protocols = { "a" } });
    assert_int_equal(joined(two)->members_count, 1);
    end();
}

/* Who was told an id and never comes back is forgotten; while it may come, a rebalance waits. */
void test_classic__an_id_that_nobody_joins_with_is_forgotten(void)
{
    begin();
    struct team team = team_form(1, (struct wish){ 0 });
    struct str id = ask_id(&office, "g", (struct wish){ .session_ms = 6000 });
    struct question *again = join(&office, "g", team.ids[0], (struct wish){ 0 });
    assert_false(again->is_done);
    office_pass_time(&office, 6000);
    assert_int_equal(joined(again)->generation_id, 2);
    assert_int_equal(
        join_error(join(&office, "g", id, (struct wish){ 0 })), ERROR_UNKNOWN_MEMBER_ID);
    end();
}

void test_classic__a_new_member_that_nobody_hears_of_is_given_up(void)
{
    begin();
    struct team team = team_form(1, (struct wish){ .rebalance_ms = 600000, .session_ms = 400000 });
    struct question *lost = join(&office, "g", STR(""), (struct wish){ .version = 3 });
    for (int i = 0; i < 99; i++) {
        office_pass_time(&office, 3000);
        heartbeat(&office, "g", team.ids[0], 1, NULL);
    }
    assert_false(lost->is_done);
    office_pass_time(&office, 3000); /* five minutes */
    assert_int_equal(join_error(lost), ERROR_UNKNOWN_MEMBER_ID);
    end();
}

/* A commit is a sign of life. */
void test_classic__a_commit_keeps_the_session(void)
{
    begin();
    struct team team = team_form(1, (struct wish){ 0 });
    for (int i = 0; i < 5; i++) {
        office_pass_time(&office, 9000);
        assert_int_equal(commit(&office, "g", team.ids[0], 1, NULL), ERROR_NONE);
    }
    office_pass_time(&office, 10000);
    assert_int_equal(commit(&office, "g", team.ids[0], 1, NULL), ERROR_UNKNOWN_MEMBER_ID);
    end();
}

void test_classic__an_id_that_was_told_to_a_dynamic_member_is_of_no_static_one(void)
{
    begin();
    struct str id = ask_id(&office, "g", (struct wish){ 0 });
    assert_int_equal(join_error(join(&office, "g", id, (struct wish){ .instance = "one" })),
        ERROR_UNKNOWN_SERVER_ERROR);
    assert_false(join(&office, "g", id, (struct wish){ 0 })->is_done);
    end();
}

/* Several go at once, each with an answer of its own. */
void test_classic__leaving_is_answered_member_by_member(void)
{
    begin();
    struct team team = team_form(3, (struct wish){ 0 });
    struct str pending = ask_id(&office, "g", (struct wish){ 0 });
    struct leave_group_member_identity who[] = { { .member_id = team.ids[0] },
        { .member_id = STR("stranger") }, { .member_id = pending }, { .member_id = team.ids[0] } };
    static const enum error expected[] = { ERROR_NONE, ERROR_UNKNOWN_MEMBER_ID, ERROR_NONE,
        ERROR_UNKNOWN_MEMBER_ID };
    struct leave_group_request request = {
        .group_id = STR("g"), .members = who, .members_count = 4
    };
    struct leave_group_response response = { 0 };
    office_ask(&office, COORDINATOR_LEAVE_GROUP, 5, &request, &response);
    assert_int_equal(response.members_count, 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(response.members[i].error_code, expected[i]);
    assert_true(is_state(&office, "g", "PreparingRebalance"));
    request.group_id = STR("");
    response = (struct leave_group_response){ 0 };
    office_ask(&office, COORDINATOR_LEAVE_GROUP, 5, &request, &response);
    assert_int_equal(response.error_code, ERROR_INVALID_GROUP_ID);
    end();
}
