/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/assignment.h"

#include <stdio.h>

#include "consumer_client.h"
#include "wire/gen/consumer_group_target_assignment_metadata_record.h"
#include "wire/gen/remove_topic_record.h"

static struct office office;
static struct client one, two, three;

static struct client client(const char *id)
{
    return (struct client){ .group = "g", .id = id, .subscription = "a" };
}

static const struct consumer_group *kept(void)
{
    return office_group(&office, "g")->consumer;
}

static int32_t target_size(const char *id)
{
    const struct consumer_member *member =
        consumer_member_find(office_group(&office, "g"), str_from(id));
    int32_t size = 0;
    for (int32_t i = 0; i < member->target.topic_count; i++)
        size += member->target.topics[i].count;
    return size;
}

/* Every group that is not new is large; nothing has to wait for its turn. */
static void begin(void)
{
    office_init(&office);
    office_add_topic(&office, "apples", 6);
    office.coordinator.settings.consumer_assign_at_once = 0;
    office.coordinator.settings.consumer_assignment_interval_ms = 0;
    one = client("one");
    two = client("two");
    three = client("three");
    client_join(&office, &one);
    office.assigns_late = true;
}

static void end(void)
{
    office_check_replay(&office);
    office_deinit(&office);
}

void test_assignment__members_keep_what_they_have_while_a_worker_computes(void)
{
    begin();
    client_join(&office, &two);
    assert_non_null(office.assignment);
    assert_string_equal(state_of(&office, "g"), "Assigning");
    assert_int_equal(two.epoch, 2);
    client_beat(&office, &one);
    client_beat(&office, &two);
    assert_int_equal(client_count(&one), 6);
    assert_int_equal(client_count(&two), 0);
    assert_int_equal(two.answer.heartbeat_interval_ms, 100);

    int32_t first = office.count;
    office_assign(&office);
    assert_string_equal(types_since(&office, first), "7 7 6");
    assert_int_equal(kept()->assignment_epoch, 3);
    assert_int_equal(budget_used(&office.budget), 0);
    settle(&office, (struct client *[]){ &one, &two }, 2);
    assert_int_equal(client_count(&one), 3);
    assert_int_equal(client_count(&two), 3);
    assert_int_equal(two.epoch, 3);
    end();
}

void test_assignment__one_is_under_way_and_the_next_one_has_what_came_meanwhile(void)
{
    begin();
    client_join(&office, &two);
    const struct assignment *first = office.assignment;
    int32_t before = office.count;
    client_join(&office, &three);
    client_beat(&office, &two);
    assert_ptr_equal(office.assignment, first);
    assert_null(office.coordinator.to_assign);
    assert_string_equal(types_since(&office, before), "5 3 8");

    office_assign(&office);
    assert_int_equal(kept()->assignment_epoch, 3); /* the one that it was computed for */
    assert_int_equal(kept()->epoch, 4);
    assert_int_equal(target_size("two"), 3);
    assert_int_equal(target_size("three"), 0);
    assert_string_equal(state_of(&office, "g"), "Assigning");

    client_beat(&office, &one);
    assert_non_null(office.assignment);
    office_assign(&office);
    settle(&office, (struct client *[]){ &one, &two, &three }, 3);
    assert_int_equal(client_count(&three), 2);
    end();
}

void test_assignment__who_left_meanwhile_gets_no_record(void)
{
    begin();
    client_join(&office, &two);
    client_leave(&office, &two, LEFT);
    int32_t first = office.count;
    office_assign(&office);
    assert_string_equal(types_since(&office, first), "7 6");
    assert_int_equal(consumer_group_size(office_group(&office, "g")), 1);
    assert_int_equal(target_size("one"), 3);
    client_beat(&office, &one);
    office_assign(&office);
    settle(&office, (struct client *[]){ &one }, 1);
    assert_int_equal(client_count(&one), 6);
    end();
}

void test_assignment__who_takes_the_place_of_a_static_member_gets_its_share(void)
{
    begin();
    two.instance = "i";
    client_join(&office, &two);
    client_leave(&office, &two, LEFT_STATICALLY);
    three.instance = "i";
    client_join(&office, &three);
    office_assign(&office);
    assert_int_equal(target_size("three"), 3);
    settle(&office, (struct client *[]){ &one, &three }, 2);
    assert_int_equal(client_count(&three), 3);
    end();
}

/* Its epoch is the last one's target, so there is nothing that the result could be for. */
void test_assignment__a_group_that_is_empty_by_now_takes_no_result(void)
{
    begin();
    client_join(&office, &two);
    client_leave(&office, &two, LEFT);
    client_leave(&office, &one, LEFT);
    int32_t first = office.count;
    office_assign(&office);
    assert_int_equal(office.count, first);
    assert_string_equal(state_of(&office, "g"), "Empty");
    end();
}

static void delete_group(void)
{
    struct str id = STR("g");
    enum error error = ERROR_NONE;
    client_leave(&office, &two, LEFT);
    client_leave(&office, &one, LEFT);
    office_ask(&office, COORDINATOR_DELETE_GROUP, 0, &id, &error);
    assert_int_equal(error, ERROR_NONE);
    assert_null(office_group(&office, "g"));
}

void test_assignment__a_group_that_is_gone_takes_no_result(void)
{
    begin();
    client_join(&office, &two);
    delete_group();
    int32_t first = office.count;
    office_assign(&office);
    assert_int_equal(office.count, first);
    end();
}

/* Its epochs may come to be the same as those of the group before it. */
void test_assignment__a_group_that_was_made_again_takes_no_result_of_the_old_one(void)
{
    begin();
    client_join(&office, &two);
    delete_group();
    struct assignment *old = office.assignment;
    office.assignment = NULL;
    client_join(&office, &one);
    client_join(&office, &three);
    assert_int_equal(kept()->epoch, 3);
    struct assignment *new = office.assignment;
    office.assignment = old;
    int32_t first = office.count;
    office_assign(&office);
    assert_int_equal(office.count, first);
    office.assignment = new;
    office_assign(&office);
    assert_int_equal(target_size("three"), 3);
    end();
}

void test_assignment__a_group_that_was_loaded_again_takes_no_result_and_asks_anew(void)
{
    begin();
    client_join(&office, &two);
    office_load_again(&office);
    int32_t first = office.count;
    office_assign(&office);
    assert_int_equal(office.count, first);
    client_beat(&office, &one);
    assert_non_null(office.assignment);
    office_assign(&office);
    assert_int_equal(target_size("two"), 3);
    end();
}

/* The owner has lost the log, and drops the result. */
void test_assignment__what_nobody_waits_for_any_more_is_destroyed(void)
{
    begin();
    client_join(&office, &two);
    assert_true(budget_used(&office.budget) > 0);
    rsm_lose(&office.rsm);
    assignment_run(office.assignment);
    office_deinit(&office); /* looks at the budget */
}

void test_assignment__without_room_it_is_tried_again_later(void)
{
    begin();
    office.budget.limit = 100;
    client_join(&office, &two);
    assert_null(office.assignment);
    assert_int_equal(budget_used(&office.budget), 0);
    office.budget.limit = INT64_MAX;
    office_pass_time(&office, 999);
    client_beat(&office, &one);
    assert_null(office.assignment);
    office_pass_time(&office, 1);
    client_beat(&office, &one);
    assert_non_null(office.assignment);
    office_assign(&office);
    assert_int_equal(target_size("two"), 3);
    end();
}

void test_assignment__a_result_that_the_log_refuses_is_computed_again(void)
{
    begin();
    client_join(&office, &two);
    office.refuses = true;
    office_assign(&office);
    office.refuses = false;
    assert_int_equal(kept()->assignment_epoch, 2);
    client_beat(&office, &one);
    assert_null(office.assignment); /* not at once */
    office_pass_time(&office, 1000);
    client_beat(&office, &one);
    office_assign(&office);
    assert_int_equal(kept()->assignment_epoch, 3);
    end();
}

/* The decision that asked for it was not written: there is nothing to assign yet. */
void test_assignment__none_is_taken_for_a_decision_that_the_log_refuses(void)
{
    begin();
    struct consumer_group_heartbeat_response lost;
    message_defaults(&consumer_group_heartbeat_response_schema, &lost);
    office.refuses = true;
    office_submit(
        &office, COORDINATOR_CONSUMER_GROUP_HEARTBEAT, 1, full_request(&office, &two), &lost);
    office.refuses = false;
    assert_null(office.assignment);
    end();
}

/* Each joins, and all that join while one is assigned are for the next one. */
void test_assignment__many_that_join_are_assigned_a_few_times(void)
{
    enum { MANY = 16 };
    static struct client many[MANY];
    static char ids[MANY][8];
    struct client *all[MANY];
    begin();
    office_add_topic(&office, "bananas", 16);
    int jobs = 0;
    for (int i = 0; i < MANY; i++) {
        snprintf(ids[i], sizeof(ids[i]), "m%d", i);
        many[i] = client(ids[i]);
        many[i].subscription = i % 2 == 0 ? "ab" : "b";
        all[i] = &many[i];
        client_join(&office, &many[i]);
        if (i % 8 == 7) {
            office_assign(&office);
            jobs++;
        }
    }
    client_leave(&office, &one, LEFT);
    client_beat(&office, &many[0]);
    office_assign(&office);
    assert_int_equal(jobs, 2);
    settle(&office, all, MANY);
    int total = 0;
    for (int i = 0; i < MANY; i++)
        total += client_count(&many[i]);
    assert_int_equal(total, 22);
    end();
}

/* ---- One that is too large for a decision. ---- */

enum { TEAM = 1500, WRITTEN_MOST = 1000 };
static struct client team[TEAM];

static void begin_with_team(void)
{
    static char ids[TEAM][8];
    begin();
    for (int i = 0; i < TEAM; i++) {
        snprintf(ids[i], sizeof(ids[i]), "t%d", i);
        team[i] = client(ids[i]);
        client_join(&office, &team[i]);
    }
    office_assign(&office); /* of one and the first of them */
    for (int i = 0; i < 3; i++)
        client_beat(&office, &one);
    assert_int_equal(client_count(&one), 3);
    assert_non_null(office.assignment);
}

static int32_t members_with_target(void)
{
    int32_t count = 0;
    for (const struct consumer_member *at = kept()->members; at != NULL; at = at->hh.next)
        count += at->has_target;
    return count;
}

/* No decision writes very much, and nobody is led to it before the epoch says that it is whole. */
void test_assignment__a_large_target_is_written_in_pieces(void)
{
    begin_with_team();
    int32_t epoch = kept()->assignment_epoch, pieces = 1;
    assignment_run(office.assignment);
    for (int32_t before = office.count; office_assign_some(&office); before = office.count) {
        assert_in_range(office.count - before, 1, WRITTEN_MOST);
        assert_int_equal(kept()->assignment_epoch, epoch);
        assert_string_equal(state_of(&office, "g"), "Assigning");
        client_beat(&office, &one);
        assert_int_equal(client_count(&one), 3);
        assert_int_equal(one.epoch, epoch);
        pieces++;
    }
    assert_in_range(pieces, 2, 10);
    assert_int_equal(members_with_target(), TEAM + 1);
    assert_true(kept()->assignment_epoch > epoch);
    assignment_destroy(office.assignment);
    office.assignment = NULL;
    end();
}

/* Who leaves or comes while it is written, and a static member that is replaced. */
void test_assignment__a_group_changes_while_its_target_is_written(void)
{
    begin();
    office.coordinator.settings.consumer_write_at_once = 1;
    two.instance = "i";
    client_join(&office, &two);
    struct client four = client("four");
    client_join(&office, &four);
    client_beat(&office, &two);
    office_assign(&office); /* for two alone */
    client_beat(&office, &two);
    int32_t computed_for = kept()->epoch;
    assignment_run(office.assignment); /* four, one, two */
    assert_true(office_assign_some(&office));
    assert_int_equal(target_size("four"), 2);
    client_leave(&office, &two, LEFT_STATICALLY);
    three.instance = "i";
    client_join(&office, &three);
    client_leave(&office, &one, LEFT);
    assert_true(office_assign_some(&office));
    assert_false(office_assign_some(&office));
    assert_int_equal(target_size("three"), 2);
    assert_int_equal(kept()->assignment_epoch, computed_for);
    assignment_destroy(office.assignment);
    office.assignment = NULL;
    client_beat(&office, &four);
    office_assign(&office);
    settle(&office, (struct client *[]){ &three, &four }, 2);
    assert_int_equal(client_count(&three) + client_count(&four), 6);
    end();
}

/* Members have their old targets and new ones, at the epoch of the old: the next target is whole.
 */
void test_assignment__a_log_that_ends_within_a_target_is_assigned_anew(void)
{
    begin();
    office.coordinator.settings.consumer_write_at_once = 1;
    client_join(&office, &two);
    assignment_run(office.assignment);
    assert_true(office_assign_some(&office));
    office_load_again(&office);
    assert_int_equal(target_size("one"), 3);
    assert_int_equal(target_size("two"), 0);
    assert_string_equal(state_of(&office, "g"), "Assigning");
    assert_false(office_assign_some(&office)); /* nobody waits for the rest */
    assert_int_equal(target_size("two"), 0);
    assignment_destroy(office.assignment);
    office.assignment = NULL;
    client_beat(&office, &one);
    office_assign(&office);
    settle(&office, (struct client *[]){ &one, &two }, 2);
    assert_int_equal(client_count(&one), 3);
    assert_int_equal(client_count(&two), 3);
    end();
}

void test_assignment__a_piece_that_the_log_refuses_ends_it_and_all_is_computed_again(void)
{
    begin();
    office.coordinator.settings.consumer_write_at_once = 1;
    client_join(&office, &two);
    assignment_run(office.assignment);
    assert_true(office_assign_some(&office));
    office.refuses = true;
    assert_false(office_assign_some(&office));
    office.refuses = false;
    assignment_destroy(office.assignment);
    office.assignment = NULL;
    client_beat(&office, &one);
    assert_null(office.assignment);
    office_pass_time(&office, 1000);
    client_beat(&office, &one);
    office_assign(&office);
    settle(&office, (struct client *[]){ &one, &two }, 2);
    end();
}

/* What is long in making an assignor's input, orders and names that are looked up, is the worker's:
 * the copy owns what it points to, so that what the group and the image become is nothing to it. */
void test_assignment__a_copy_stands_on_its_own(void)
{
    begin();
    office_add_topic(&office, "bananas", 6);
    two.subscription = "ba";
    two.regex = "c.*";
    office_add_topic(&office, "cherries", 3);
    client_join(&office, &two);
    client_leave(&office, &one, LEFT);
    client_leave(&office, &two, LEFT);
    for (int i = 0; i < 3; i++) {
        struct remove_topic_record record = { .topic_id = topic_id(i) };
        cluster_apply(&office.cluster, &remove_topic_record_schema, 0, &record);
    }
    office_assign(&office);
    end();
}
