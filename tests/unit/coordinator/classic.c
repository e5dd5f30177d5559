/* SPDX-License-Identifier: Apache-2.0 */
#include "classic.h"

#include "coordinator/offsets.h"
#include "coordinator/record.h"
#include "wire/gen/group_metadata_record.h"

static struct office office;

static void begin(void)
{
    office_init(&office);
    office_add_topic(&office, "orders", 3);
}

static void end(void)
{
    office_check_replay(&office);
    office_deinit(&office);
}

/* A group of `count` dynamic members that is stable; the first one leads. */
enum { MOST = 8 };
struct team {
    int count;
    int32_t generation;
    struct str ids[MOST];
    struct question *joins[MOST];
};

static void team_sync(struct team *team, int nonce)
{
    const struct join_group_response *told = joined(team->joins[0]);
    struct question *syncs[MOST];
    assert_true(str_equal(told->leader, team->ids[0]));
    assert_int_equal(told->members_count, team->count);
    for (int i = 1; i < team->count; i++) {
        syncs[i] = sync_as_follower(&office, "g", team->ids[i], told->generation_id);
        assert_false(syncs[i]->is_done);
    }
    syncs[0] = sync_as_leader(&office, "g", told, nonce);
    for (int i = 0; i < team->count; i++)
        check_share(&office, syncs[i], team->ids[i], nonce);
    team->generation = told->generation_id;
}

static void team_join(struct team *team, struct wish wish)
{
    for (int i = 0; i < team->count; i++)
        team->joins[i] = join(&office, "g", team->ids[i], wish);
}

static struct team team_form(int count, struct wish wish)
{
    struct team team = { .count = count };
    for (int i = 0; i < count; i++)
        team.ids[i] = ask_id(&office, "g", wish);
    team_join(&team, wish);
    office_pass_time(&office, 3000);
    for (int64_t more = 0; !team.joins[0]->is_done && more < 20; more++)
        office_pass_time(&office, 3000);
    team_sync(&team, 1);
    return team;
}

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
    assert_true(is_state(&office, "g", "CompletingRebalance"));
    check_share(&office, sync_as_leader(&office, "g", told, 5), id, 5);
    struct describe_groups_described_group group = describe(&office, "g", 6);
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
void test_classic__records_are_those_of_kafka(void)
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

static struct question *join_static(struct str id, const char *instance, int16_t version)
{
    return join(&office, "g", id,
        (struct wish){ .instance = instance, .version = version, .session_ms = 30000 });
}

/* Two static members, the first of which leads, in a stable group. */
static void form_statics(struct str ids[2])
{
    struct question *joins[2] = { join_static(STR(""), "one", 9), join_static(STR(""), "two", 9) };
    office_pass_time(&office, 6000);
    for (int i = 0; i < 2; i++)
        ids[i] = joined(joins[i])->member_id;
    sync_as_leader(&office, "g", joined(joins[0]), 1);
    check_share(&office, sync_as_follower(&office, "g", ids[1], 1), ids[1], 1);
}

void test_classic__a_static_member_comes_back_without_a_rebalance(void)
{
    struct str ids[2];
    begin();
    form_statics(ids);
    int32_t before = office.count;
    struct question *back = join_static(STR(""), "two", 9);
    struct str id = joined(back)->member_id;
    assert_int_equal(join_error(back), ERROR_NONE);
    assert_int_equal(joined(back)->generation_id, 1);
    assert_false(joined(back)->skip_assignment);
    assert_true(str_equal(joined(back)->leader, ids[0]));
    assert_false(str_equal(id, ids[1]));
    assert_int_equal(office.count, before + 1);
    check_share(&office, sync_as_follower(&office, "g", id, 1), ids[1], 1); /* it has that one's */
    assert_int_equal(heartbeat(&office, "g", ids[1], 1, "two"), ERROR_FENCED_INSTANCE_ID);
    assert_int_equal(heartbeat(&office, "g", ids[1], 1, NULL), ERROR_UNKNOWN_MEMBER_ID);
    assert_int_equal(heartbeat(&office, "g", id, 1, "two"), ERROR_NONE);
    office_check_replay(&office);
    move(&office);
    assert_int_equal(heartbeat(&office, "g", id, 1, "two"), ERROR_NONE);
    end();
}

void test_classic__a_static_leader_that_comes_back_need_not_assign(void)
{
    struct str ids[2];
    begin();
    form_statics(ids);
    struct question *back = join_static(STR(""), "one", 9);
    const struct join_group_response *told = joined(back);
    assert_true(told->skip_assignment);
    assert_true(str_equal(told->leader, told->member_id));
    assert_int_equal(told->members_count, 2);
    for (int i = 0; i < 2; i++)
        assert_false(str_equal(told->members[i].member_id, ids[0]));
    struct question *older = join_static(STR(""), "one", 8);
    assert_false(joined(older)->skip_assignment);
    assert_true(str_equal(joined(older)->leader, told->member_id)); /* not itself */
    assert_int_equal(joined(older)->members_count, 0);
    end();
}

void test_classic__a_static_member_that_wants_another_protocol_makes_a_rebalance(void)
{
    begin();
    struct wish both = { .instance = "one", .protocols = { "range", "sticky" } };
    struct wish sticky = { .instance = "one", .protocols = { "sticky", "range" } };
    struct question *question = join(&office, "g", STR(""), both);
    office_pass_time(&office, 3000);
    assert_true(str_is(joined(question)->protocol_name, "range"));
    sync_as_leader(&office, "g", joined(question), 1);
    struct question *back = join(&office, "g", STR(""), sticky);
    assert_int_equal(joined(back)->generation_id, 2);
    assert_true(str_is(joined(back)->protocol_name, "sticky"));
    assert_true(str_equal(joined(back)->leader, joined(back)->member_id));
    end();
}

/* The older self may still wait somewhere. */
void test_classic__a_static_member_fences_its_older_self(void)
{
    struct str ids[2];
    begin();
    form_statics(ids);
    struct question *old_join = join_static(ids[0], "one", 9); /* leads: a rebalance begins */
    struct question *new_join = join_static(STR(""), "one", 9);
    assert_int_equal(join_error(old_join), ERROR_FENCED_INSTANCE_ID);
    assert_true(str_equal(joined(old_join)->member_id, ids[0]));
    struct question *two = join_static(ids[1], "two", 9);
    assert_true(str_equal(joined(two)->leader, joined(new_join)->member_id));
    struct question *old_sync = sync_as_follower(&office, "g", ids[1], 2);
    struct question *newer = join_static(STR(""), "two", 9);
    assert_int_equal(sync_error(old_sync), ERROR_FENCED_INSTANCE_ID);
    assert_false(newer->is_done);
    assert_int_equal(join_error(join_static(ids[1], "two", 9)), ERROR_FENCED_INSTANCE_ID);
    end();
}

/* Static members are not put out by a rebalance, only when their session ends. */
void test_classic__an_absent_static_member_is_kept_for_its_session(void)
{
    struct str ids[2];
    begin();
    form_statics(ids);
    struct question *again =
        join(&office, "g", ids[0], (struct wish){ .instance = "one", .rebalance_ms = 8000 });
    office_pass_time(&office, 20000);
    assert_false(again->is_done); /* the other one allows a minute */
    assert_int_equal(leave(&office, "g", STR(""), "two"), ERROR_NONE);
    assert_int_equal(joined(again)->members_count, 1);
    assert_int_equal(leave(&office, "g", STR(""), "two"), ERROR_UNKNOWN_MEMBER_ID);
    end();
}

/* Nobody rejoins, and all are static: the sessions end it. */
void test_classic__a_rebalance_without_anybody_ends_with_the_sessions(void)
{
    struct str ids[2];
    begin();
    form_statics(ids);
    struct str id = ask_id(&office, "g", (struct wish){ 0 });
    struct question *third =
        join(&office, "g", id, (struct wish){ .session_ms = 6000, .rebalance_ms = 6000 });
    leave(&office, "g", id, NULL);
    assert_int_equal(join_error(third), ERROR_UNKNOWN_MEMBER_ID);
    office_pass_time(&office, 100000);
    assert_true(is_state(&office, "g", "Empty"));
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
    move(&office);
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

/* The log does not take what the leader says: nobody has it, all hear, and it can say so again. */
void test_classic__a_log_that_refuses_leaves_the_generation_to_sync(void)
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
void test_classic__a_sync_that_was_refused_is_waited_for_again(void)
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

void test_classic__a_static_member_that_the_log_refuses_is_not_there(void)
{
    struct str ids[2];
    begin();
    form_statics(ids);
    office.refuses = true;
    struct question *refused = join_static(STR(""), "two", 9);
    assert_int_equal(refused->error, ERROR_NOT_ENOUGH_REPLICAS);
    office.refuses = false;
    assert_int_equal(heartbeat(&office, "g", ids[1], 1, "two"), ERROR_NONE);
    office_pass_time(&office, 29000);
    assert_int_equal(heartbeat(&office, "g", ids[0], 1, "one"), ERROR_NONE);
    assert_int_equal(heartbeat(&office, "g", ids[1], 1, "two"), ERROR_NONE);
    office_pass_time(&office, 29000); /* beyond what the refused one would have had */
    assert_int_equal(heartbeat(&office, "g", ids[1], 1, "two"), ERROR_NONE);
    assert_true(is_state(&office, "g", "Stable"));
    end();
}

/* Nobody may act on what a crash could still take back. */
void test_classic__an_assignment_is_told_when_it_is_committed(void)
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
void test_classic__a_stable_group_outlives_its_coordinator(void)
{
    begin();
    struct team team = team_form(2, (struct wish){ 0 });
    office_pass_time(&office, 9000);
    move(&office);
    office_pass_time(&office, 9000);
    assert_int_equal(heartbeat(&office, "g", team.ids[0], 1, NULL), ERROR_NONE);
    office_pass_time(&office, 9000);
    assert_int_equal(heartbeat(&office, "g", team.ids[1], 1, NULL), ERROR_UNKNOWN_MEMBER_ID);
    struct question *waits = join(&office, "g", team.ids[0], (struct wish){ 0 });
    assert_int_equal(joined(waits)->generation_id, 2);
    end();
}

void test_classic__who_waits_hears_when_the_coordinator_goes(void)
{
    begin();
    struct team team = team_form(2, (struct wish){ 0 });
    struct question *waits = join(&office, "g", team.ids[0], (struct wish){ 0 });
    move(&office);
    assert_true(waits->is_done);
    assert_int_equal(waits->error, ERROR_NOT_COORDINATOR);
    assert_true(is_state(&office, "g", "Stable")); /* as the log says */
    team_join(&team, (struct wish){ 0 });
    team_sync(&team, 2);
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

/* Retention begins when the last member has gone, not with the commit. */
void test_classic__offsets_age_from_when_the_group_became_empty(void)
{
    bool more;
    begin();
    struct team team = team_form(1, (struct wish){ .session_ms = 1800000 });
    assert_int_equal(commit(&office, "g", team.ids[0], 1, NULL), ERROR_NONE);
    for (int i = 0; i < 700; i++) {
        office_pass_time(&office, 1000000);
        assert_int_equal(heartbeat(&office, "g", team.ids[0], 1, NULL), ERROR_NONE);
    }
    office_ask(&office, COORDINATOR_EXPIRE, 0, NULL, &more);
    leave(&office, "g", team.ids[0], NULL);
    office_pass_time(&office, 604799999);
    office_ask(&office, COORDINATOR_EXPIRE, 0, NULL, &more);
    assert_non_null(group_find(&office.coordinator, STR("g"))->offsets);
    office_pass_time(&office, 1);
    office_ask(&office, COORDINATOR_EXPIRE, 0, NULL, &more);
    assert_null(group_find(&office.coordinator, STR("g")));
    end();
}

/* Its id is free, then; so is what was never written. */
void test_classic__an_empty_group_is_deleted(void)
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
    office.refuses = true;
    join(&office, "g", STR(""), (struct wish){ 0 });
    office.refuses = false;
    assert_non_null(group_find(&office.coordinator, STR("g")));
    office_pass_time(&office, 10000);
    assert_null(group_find(&office.coordinator, STR("g")));
    end();
}

/* Such offsets have no record of the group, but Kafka deletes one all the same. */
void test_classic__a_simple_group_becomes_one_with_members(void)
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
void test_classic__offsets_of_subscribed_topics_are_kept(void)
{
    bool more;
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
    office_ask(&office, COORDINATOR_EXPIRE, 0, NULL, &more);
    assert_non_null(offset_find(group_find(&office.coordinator, STR("g")), STR("orders"), 0));
    wish.topics[1] = NULL;
    team_join(&team, wish);
    team_sync(&team, 3);
    office_ask(&office, COORDINATOR_EXPIRE, 0, NULL, &more);
    assert_null(offset_find(group_find(&office.coordinator, STR("g")), STR("orders"), 0));
    move(&office);
    assert_int_equal(delete_offset("bills"), ERROR_GROUP_SUBSCRIBED_TO_TOPIC);
    assert_int_equal(leave(&office, "g", team.ids[0], NULL), ERROR_NONE);
    assert_int_equal(delete_offset("bills"), ERROR_NONE);
    end();
}

/* One that cannot be read may be of anything. */
void test_classic__an_unreadable_subscription_keeps_all_offsets(void)
{
    begin();
    struct team team = team_form(1, (struct wish){ 0 });
    assert_int_equal(delete_offset("orders"), ERROR_GROUP_SUBSCRIBED_TO_TOPIC);
    leave(&office, "g", team.ids[0], NULL);
    end();
}
