/* SPDX-License-Identifier: Apache-2.0 */
/* Consumer groups that become classic groups, because the last of the consumer protocol has gone.
 */
#include "coordinator/group_downgrade.h"

#include <stdio.h>

#include "mixed.h"
#include "wire/gen/group_metadata_record.h"

static struct office office;
static struct elder old_one, old_two;
static struct client new_one;

static void begin_with(const char *instance)
{
    office_init(&office);
    office_add_topic(&office, "apples", 4);
    office_add_topic(&office, "bananas", 2);
    old_one = make_elder("ab");
    old_two = make_elder("ab");
    new_one =
        (struct client){ .group = "g", .id = "new", .instance = instance, .subscription = "ab" };
    client_join(&office, &new_one);
}

static void settle_all(void)
{
    for (int i = 0; i < 6; i++) {
        client_beat(&office, &new_one);
        elder_turns(&office, &old_one);
        elder_turns(&office, &old_two);
    }
    client_beat(&office, &new_one);
    assert_string_equal(state_of(&office, "g"), "Stable");
}

static void begin(void)
{
    begin_with(NULL);
    settle_all();
    assert_int_equal(elder_count(&old_one), 2);
}

static void end(void)
{
    office_check_replay(&office);
    office_deinit(&office);
}

static const char *type(void)
{
    return office_group(&office, "g")->kind->type;
}

static const struct classic_group *classic(void)
{
    assert_string_equal(type(), "classic");
    return office_group(&office, "g")->classic;
}

static void check_consumers(void)
{
    assert_string_equal(type(), "consumer");
}

static void settle_classic(void)
{
    for (int i = 0; i < 4; i++) {
        elder_turns(&office, &old_one);
        elder_turns(&office, &old_two);
    }
    assert_string_equal(state_of(&office, "g"), "Stable");
    assert_int_equal(old_one.heard, ERROR_NONE);
    assert_int_equal(elder_count(&old_one) + elder_count(&old_two), 6);
}

/* As Kafka's convertToClassicGroup(): the ends of all that the consumer group was, then the classic
 * group, as if it were stable; what it makes of that is not in the log. */
void test_downgrade__the_last_of_the_consumer_protocol_leaves(void)
{
    begin();
    int32_t first = office.count, epoch = new_one.epoch;
    assert_int_equal(client_leave(&office, &new_one, LEFT), ERROR_NONE);
    assert_string_equal(types_since(&office, first), "-8 -8 -8 -7 -7 -7 -6 -5 -5 -5 -4 -3 2");
    assert_string_equal(
        office_told(&office), "g is classic by new: the last member of the consumer protocol left");
    const struct group_metadata_record *record = record_at(&office, office.count - 1).value;
    assert_true(str_is(record->protocol_type, "consumer") && str_is(record->protocol, "range"));
    assert_int_equal(record->generation, epoch);
    assert_int_equal(record->members_count, 2);
    assert_true(str_is_null(record->leader));
    assert_int_equal(record->current_state_timestamp, office.wall_ms);
    struct consumer_protocol_assignment_record gets;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(record->members[i].session_timeout, 10000);
        assert_int_equal(record->members[i].rebalance_timeout, 60000);
        assert_int_equal(load_i16(record->members[i].assignment.data), 3);
        assert_true(
            subscription_parse_assignment(record->members[i].assignment, &office.arena, &gets));
        assert_int_equal(gets.assigned_partitions_count, 2);
    }
    assert_string_equal(state_of(&office, "g"), "PreparingRebalance");
    elder_turn(&office, &old_one);
    assert_int_equal(old_one.heard, ERROR_REBALANCE_IN_PROGRESS);
    settle_classic();
    assert_int_equal(old_one.generation, epoch + 1);
    end();
}

void test_downgrade__cooperative_members_keep_what_they_have(void)
{
    begin_with(NULL);
    old_one.is_cooperative = old_two.is_cooperative = true;
    settle_all();
    assert_int_equal(client_leave(&office, &new_one, LEFT), ERROR_NONE);
    elder_turn(&office, &old_one);
    elder_turn(&office, &old_one);
    assert_int_equal(elder_count(&old_one), 2);
    settle_classic();
    end();
}

void test_downgrade__the_last_of_the_consumer_protocol_is_silent(void)
{
    begin();
    for (int i = 0; i < 9; i++) {
        office_pass_time(&office, 5000);
        elder_turns(&office, &old_one);
        elder_turns(&office, &old_two);
    }
    assert_string_equal(type(), "classic");
    assert_string_equal(office_told(&office),
        "g is classic by new: the last member of the consumer protocol was put out");
    settle_classic();
    end();
}

/* Those who do not come back in time are put out, and those who are silent too. */
void test_downgrade__its_deadlines_go_on(void)
{
    begin();
    client_leave(&office, &new_one, LEFT);
    elder_turn(&office, &old_one);
    elder_turn(&office, &old_one);
    assert_int_equal(old_one.heard, ERROR_REBALANCE_IN_PROGRESS);
    office_pass_time(&office, 9999);
    assert_int_equal(classic_group_size(classic()), 2);
    office_pass_time(&office, 1); /* the session of the other */
    assert_int_equal(classic_group_size(classic()), 1);
    elder_turn(&office, &old_one);
    elder_turns(&office, &old_one);
    assert_int_equal(elder_count(&old_one), 6);
    end();
}

void test_downgrade__waits_no_longer_than_a_rebalance_timeout(void)
{
    begin_with(NULL);
    old_one.rebalance_ms = old_two.rebalance_ms = 5000;
    settle_all();
    client_leave(&office, &new_one, LEFT);
    elder_turn(&office, &old_one);
    elder_turn(&office, &old_one);
    office_pass_time(&office, 5000);
    elder_turns(&office, &old_one);
    assert_int_equal(elder_count(&old_one), 6);
    end();
}

/* What the members can do besides counts when they join again, though the log does not say it. */
void test_downgrade__members_have_all_their_protocols(void)
{
    begin_with(NULL);
    old_one.protocols[0] = old_two.protocols[0] = "range";
    old_one.protocols[1] = old_two.protocols[1] = "sticky";
    settle_all();
    client_leave(&office, &new_one, LEFT);
    assert_true(str_is(classic()->protocol, "range"));
    old_one.protocols[0] = old_two.protocols[0] = "sticky";
    old_one.protocols[1] = old_two.protocols[1] = NULL;
    settle_classic();
    assert_true(str_is(classic()->protocol, "sticky"));
    end();
}

static void check_stays(int policy, int32_t classic_most)
{
    begin();
    office.coordinator.settings.migration_policy = policy;
    office.coordinator.settings.classic_max_size = classic_most;
    client_leave(&office, &new_one, LEFT);
    check_consumers();
    end();
}

void test_downgrade__the_policy_and_the_size_may_forbid_it(void)
{
    check_stays(MIGRATION_DISABLED, 10);
    check_stays(MIGRATION_UPGRADE, 10);
    check_stays(MIGRATION_DOWNGRADE, 1);
    begin();
    office.coordinator.settings.migration_policy = MIGRATION_DOWNGRADE;
    office.coordinator.settings.classic_max_size = 2;
    client_leave(&office, &new_one, LEFT);
    assert_string_equal(type(), "classic");
    end();
}

void test_downgrade__not_while_another_speaks_the_consumer_protocol(void)
{
    begin();
    struct client other = { .group = "g", .id = "other", .subscription = "ab" };
    client_join(&office, &other);
    client_leave(&office, &new_one, LEFT);
    check_consumers();
    assert_int_equal(leave(&office, "g", old_one.id, NULL), ERROR_NONE);
    check_consumers();
    client_leave(&office, &other, LEFT);
    assert_string_equal(type(), "classic");
    assert_int_equal(classic_group_size(classic()), 1);
    end();
}

void test_downgrade__not_without_members(void)
{
    begin_with(NULL);
    client_leave(&office, &new_one, LEFT);
    check_consumers();
    assert_string_equal(state_of(&office, "g"), "Empty");
    end();
}

static void begin_empty(void)
{
    begin_with(NULL);
    client_leave(&office, &new_one, LEFT);
    check_consumers();
}

/* As Kafka: the end of what the consumer group was, then a classic group that is new. */
void test_downgrade__an_empty_group_makes_room(void)
{
    begin_empty();
    int32_t first = office.count;
    struct str id = ask_id(&office, "g", (struct wish){ 0 });
    assert_string_equal(types_since(&office, first), "-6 -4 -3 2");
    assert_string_equal(
        office_told(&office), arena_format(&office.arena,
                                  "g is classic by %.*s: a member of the classic protocol joined "
                                  "when it was empty",
                                  STR_PRINT(id)));
    assert_string_equal(state_of(&office, "g"), "Empty");
    office_check_replay(&office);
    struct question *question = join(&office, "g", id, (struct wish){ 0 });
    office_pass_time(&office, 3000);
    assert_int_equal(join_error(question), ERROR_NONE);
    assert_int_equal(joined(question)->generation_id, 1);
    end();
}

/* One that needs no id of its own waits for the others there and then. */
void test_downgrade__in_the_room_of_an_empty_group_members_wait(void)
{
    begin_empty();
    struct question *one = join(&office, "g", STR(""), (struct wish){ .version = 3 });
    assert_false(one->is_done);
    assert_string_equal(state_of(&office, "g"), "PreparingRebalance");
    office_check_replay(&office);
    struct question *other = join(&office, "g", STR(""), (struct wish){ .instance = "i" });
    office_pass_time(&office, 6000);
    assert_int_equal(join_error(one), ERROR_NONE);
    assert_int_equal(join_error(other), ERROR_NONE);
    assert_int_equal(joined(one)->generation_id, 1);
    assert_int_equal(classic_group_size(classic()), 2);
    end();
}

/* Who brings an id is nobody's member, and who brings no protocol is no member at all. */
void test_downgrade__an_empty_group_makes_no_room_for_nothing(void)
{
    begin_empty();
    int32_t first = office.count;
    struct question *question = join(&office, "g", STR("some"), (struct wish){ 0 });
    assert_int_equal(join_error(question), ERROR_UNKNOWN_MEMBER_ID);
    question = join(&office, "g", STR(""), (struct wish){ .no_protocols = true });
    assert_int_equal(join_error(question), ERROR_INCONSISTENT_GROUP_PROTOCOL);
    question = join(&office, "g", STR(""), (struct wish){ .type = "" });
    assert_int_equal(join_error(question), ERROR_INCONSISTENT_GROUP_PROTOCOL);
    assert_int_equal(office.count, first);
    check_consumers();
    end();
}

/* Nobody waits in a group that is not there. */
void test_downgrade__the_log_may_refuse_the_room(void)
{
    begin_empty();
    office.refuses = true;
    struct question *question = join(&office, "g", STR(""), (struct wish){ .version = 3 });
    assert_true(question->is_done);
    assert_int_equal(question->error, ERROR_NOT_ENOUGH_REPLICAS);
    check_consumers();
    office_pass_time(&office, 10000);
    office.refuses = false;
    office_pass_time(&office, 10000);
    check_consumers();
    question = join(&office, "g", STR(""), (struct wish){ .version = 3 });
    office_pass_time(&office, 3000);
    assert_int_equal(join_error(question), ERROR_NONE);
    end();
}

/* An administrator takes it out, and one of the others. */
void test_downgrade__members_may_be_taken_out_together(void)
{
    begin();
    struct leave_group_member_identity who[] = { { .member_id = STR("new") },
        { .member_id = old_two.id } };
    struct leave_group_request request = {
        .group_id = STR("g"), .members = who, .members_count = 2
    };
    struct leave_group_response response = { 0 };
    office_ask(&office, COORDINATOR_LEAVE_GROUP, 5, &request, &response);
    assert_int_equal(response.members[0].error_code, ERROR_NONE);
    assert_int_equal(response.members[1].error_code, ERROR_NONE);
    assert_string_equal(
        office_told(&office), "g is classic by new: the last member of the consumer protocol left");
    assert_int_equal(classic_group_size(classic()), 1);
    end();
}

/* The consumer group is as it was; a tick tries again. */
void test_downgrade__the_log_may_refuse_it(void)
{
    begin();
    office.refuses = true;
    for (int i = 0; i < 9; i++) {
        office_pass_time(&office, 5000);
        assert_int_equal(heartbeat(&office, "g", old_one.id, old_one.generation, NULL), ERROR_NONE);
        assert_int_equal(heartbeat(&office, "g", old_two.id, old_two.generation, NULL), ERROR_NONE);
    }
    check_consumers();
    assert_int_equal(consumer_group_size(office_group(&office, "g")), 3);
    office.refuses = false;
    office_pass_time(&office, 1000);
    assert_string_equal(type(), "classic");
    settle_classic();
    end();
}

/* The next coordinator sees that nobody leads it, and waits for all to join; one that has been led
 * is stable. */
void test_downgrade__goes_on_after_a_load(void)
{
    begin();
    client_leave(&office, &new_one, LEFT);
    office_load_again(&office);
    assert_string_equal(state_of(&office, "g"), "PreparingRebalance");
    settle_classic();
    office_load_again(&office);
    assert_string_equal(state_of(&office, "g"), "Stable");
    end();
}

/* Not what another has yet: the next upgrade, or a load, would give it away. */
void test_downgrade__tells_what_members_have(void)
{
    begin_with(NULL);
    old_one.is_cooperative = true;
    for (int i = 0; i < 4; i++)
        elder_turn(&office, &old_one);
    client_beat(&office, &new_one); /* is told to give up, and has not yet */
    client_leave(&office, &new_one, LEFT);
    const struct group_metadata_record *record = record_at(&office, office.count - 1).value;
    struct consumer_protocol_assignment_record gets;
    assert_true(str_is_null(record->leader));
    assert_true(subscription_parse_assignment(record->members[0].assignment, &office.arena, &gets));
    assert_int_equal(gets.assigned_partitions_count, 0);
    elder_turns(&office, &old_one);
    assert_int_equal(elder_count(&old_one), 6);
    end();
}

void test_downgrade__tells_what_members_are_giving_up(void)
{
    begin_with(NULL);
    old_one.is_cooperative = true;
    for (int i = 0; i < 4; i++) {
        client_beat(&office, &new_one);
        elder_turns(&office, &old_one);
    }
    assert_int_equal(elder_count(&old_one), 3);
    struct client other = { .group = "g", .id = "other", .subscription = "ab" };
    client_join(&office, &other);
    elder_turn(&office, &old_one);
    elder_turn(&office, &old_one); /* has joined: it is to give up one */
    client_leave(&office, &other, LEFT);
    client_leave(&office, &new_one, LEFT);
    const struct group_metadata_record *record = record_at(&office, office.count - 1).value;
    struct consumer_protocol_assignment_record gets;
    int32_t count = 0;
    assert_true(subscription_parse_assignment(record->members[0].assignment, &office.arena, &gets));
    for (int32_t i = 0; i < gets.assigned_partitions_count; i++)
        count += gets.assigned_partitions[i].partitions_count;
    assert_int_equal(count, 3);
    end();
}

/* A static one comes back with the classic protocol: nobody else hears of it. */
void test_downgrade__a_static_member_comes_back_with_the_classic_protocol(void)
{
    begin_with("i");
    old_two.instance = "i";
    for (int i = 0; i < 4; i++) {
        client_beat(&office, &new_one);
        elder_turns(&office, &old_one);
    }
    assert_int_equal(elder_count(&old_one), 3);
    int32_t epoch = new_one.epoch, first = office.count;
    elder_join(&office, &old_two);
    assert_int_equal(joined(old_two.joining)->error_code, ERROR_NONE);
    assert_string_equal(types_since(&office, first), "-8 -8 -7 -7 -6 -5 -5 -4 -3 2");
    assert_int_equal(joined(old_two.joining)->generation_id, epoch);
    assert_string_equal(office_told(&office), "g is classic by new: the last member of the "
                                              "consumer protocol came back with the classic one");
    const struct group_metadata_record *record = record_at(&office, office.count - 1).value;
    assert_true(str_equal(record->leader, old_one.id));
    assert_string_equal(state_of(&office, "g"), "Stable");
    elder_turn(&office, &old_two);
    elder_turn(&office, &old_two);
    assert_int_equal(old_two.heard, ERROR_NONE);
    assert_memory_equal(old_two.has, new_one.has, sizeof(new_one.has));
    elder_turn(&office, &old_one);
    assert_int_equal(old_one.heard, ERROR_NONE);
    struct consumer_group_heartbeat_response response;
    assert_int_equal(ask_heartbeat(&office, 1, short_request(&office, &new_one), &response),
        ERROR_GROUP_ID_NOT_FOUND);
    end();
}

/* Somebody still has what the one that comes back is to have: all join again. */
void test_downgrade__a_group_that_is_not_settled_rebalances(void)
{
    begin_with("i");
    old_two.instance = "i";
    old_one.is_cooperative = true;
    for (int i = 0; i < 4; i++)
        elder_turn(&office, &old_one);
    client_beat(&office, &new_one); /* is told to give up, and has not yet */
    assert_string_equal(state_of(&office, "g"), "Reconciling");
    elder_join(&office, &old_two);
    assert_string_equal(state_of(&office, "g"), "PreparingRebalance");
    elder_turn(&office, &old_two);
    elder_turn(&office, &old_two);
    assert_int_equal(old_two.heard, ERROR_REBALANCE_IN_PROGRESS);
    settle_classic();
    end();
}

void test_downgrade__a_static_member_replaces_another_in_a_group_that_stays(void)
{
    begin_with("i");
    office.coordinator.settings.migration_policy = MIGRATION_UPGRADE;
    old_two.instance = "i";
    int32_t first = office.count;
    elder_join(&office, &old_two);
    assert_int_equal(joined(old_two.joining)->error_code, ERROR_NONE);
    assert_string_equal(types_since(&office, first), "-8 -7 -5 5 7 8 5 8");
    check_consumers();
    elder_turns(&office, &old_two);
    assert_int_equal(elder_count(&old_two), 6);
    assert_int_equal(old_two.heard, ERROR_NONE);
    end();
}

/* There and back, and there again. */
void test_downgrade__groups_go_to_and_fro(void)
{
    begin();
    for (int i = 0; i < 3; i++) {
        client_leave(&office, &new_one, LEFT);
        settle_classic();
        client_join(&office, &new_one);
        settle_all();
        assert_int_equal(client_count(&new_one), 2);
    }
    end();
}
