/* SPDX-License-Identifier: Apache-2.0 */
/* Static members (KIP-345, KIP-814), who come back as somebody else. */
#include "classic_team.h"

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

void test_classic_static__a_static_member_comes_back_without_a_rebalance(void)
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
    office_load_again(&office);
    assert_int_equal(heartbeat(&office, "g", id, 1, "two"), ERROR_NONE);
    end();
}

void test_classic_static__a_static_leader_that_comes_back_need_not_assign(void)
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

void test_classic_static__a_static_member_that_wants_another_protocol_makes_a_rebalance(void)
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
/* However many protocols members name, of which none but the last is another's: no pass compares
 * each with each, which would take minutes. */
void test_classic_static__many_protocols_take_a_moment(void)
{
    enum { MANY = 50000 };
    struct question *joins[2];
    begin();
    const struct wish one = { .instance = "one", .own_protocols = MANY },
                      two = { .instance = "two", .own_protocols = MANY };
    joins[0] = join(&office, "g", STR(""), one);
    joins[1] = join(&office, "g", STR(""), two);
    office_pass_time(&office, 6000);
    assert_true(str_is(joined(joins[0])->protocol_name, "range"));
    sync_as_leader(&office, "g", joined(joins[0]), 1);
    struct question *back = join(&office, "g", STR(""), two);
    assert_int_equal(join_error(back), ERROR_NONE);
    assert_int_equal(joined(back)->generation_id, 1);
    assert_true(str_is(joined(back)->protocol_name, "range"));
    back = join(&office, "g", STR(""),
        (struct wish){ .instance = "two", .own_protocols = MANY, .no_protocols = true });
    assert_int_equal(join_error(back), ERROR_INCONSISTENT_GROUP_PROTOCOL);
    end();
}

void test_classic_static__a_static_member_fences_its_older_self(void)
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
void test_classic_static__an_absent_static_member_is_kept_for_its_session(void)
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
void test_classic_static__a_rebalance_without_anybody_ends_with_the_sessions(void)
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

void test_classic_static__a_static_member_that_the_log_refuses_is_not_there(void)
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
