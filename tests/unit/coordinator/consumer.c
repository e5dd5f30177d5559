/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/group_consumer.h"

#include <stdio.h>

#include "consumer_client.h"
#include "wire/gen/leave_group.h"
#include "wire/gen/config_record.h"
#include "wire/gen/consumer_group_metadata_record.h"
#include "wire/gen/consumer_group_target_assignment_member_record.h"
#include "wire/gen/consumer_group_target_assignment_metadata_record.h"
#include "wire/gen/remove_topic_record.h"

static struct office office;
static struct client one, two;

static struct client client(const char *id)
{
    return (struct client){ .group = "g", .id = id, .subscription = "ab" };
}

static void begin(void)
{
    office_init(&office);
    office_add_topic(&office, "apples", 4);
    office_add_topic(&office, "bananas", 2);
    one = client("one");
    two = client("two");
}

static void end(void)
{
    office_check_replay(&office);
    office_deinit(&office);
}

static const struct consumer_group *kept(void)
{
    return office_group(&office, "g")->consumer;
}

static void begin_settled(void)
{
    begin();
    client_join(&office, &one);
    client_join(&office, &two);
    settle(&office, (struct client *[]){ &one, &two }, 2);
}

static void remove_topic(int topic)
{
    struct remove_topic_record record = { .topic_id = topic_id(topic) };
    cluster_apply(&office.cluster, &remove_topic_record_schema, 0, &record);
}

/* As the first batch of a new group in Kafka's own log: the group's epochs begin at 1, so the first
 * bump gives 2. */
void test_consumer__the_first_member_has_everything_at_once(void)
{
    begin();
    client_join(&office, &one);
    assert_int_equal(client_count(&one), 6);
    assert_int_equal(one.epoch, 2);
    assert_string_equal(types_since(&office, 0), "5 3 7 6 8");
    const struct consumer_group_member_metadata_record *metadata = record_at(&office, 0).value;
    assert_true(str_is(metadata->subscribed_topic_regex, ""));
    assert_true(str_is_null(metadata->instance_id) && str_is_null(metadata->rack_id));
    assert_true(str_is_null(metadata->server_assignor));
    assert_null(metadata->classic_member_metadata);
    assert_true(str_is(metadata->client_id, "client"));
    assert_true(str_is(metadata->client_host, "/127.0.0.1"));
    assert_int_equal(metadata->rebalance_timeout_ms, 30000);
    const struct consumer_group_metadata_record *epoch = record_at(&office, 1).value;
    assert_int_equal(epoch->epoch, 2);
    assert_true(epoch->metadata_hash != 0);
    const struct consumer_group_target_assignment_metadata_record *assigned =
        record_at(&office, 3).value;
    assert_int_equal(assigned->assignment_epoch, 2);
    assert_int_equal(assigned->assignment_timestamp, office.wall_ms);
    const struct consumer_group_current_member_assignment_record *current =
        record_at(&office, 4).value;
    assert_int_equal(current->member_epoch, 2);
    assert_int_equal(current->previous_member_epoch, 0);
    assert_int_equal(current->state, MEMBER_STABLE);
    assert_int_equal(current->assigned_partitions_count, 2);
    assert_int_equal(current->assigned_partitions[0].assignment_epochs[3], 2);
    assert_string_equal(state_of(&office, "g"), "Stable");
    end();
}

/* Kafka's log of the same: the new one waits unreleased, the old one is asked to revoke at its old
 * epoch, then moves on, and the new one gets what was released. */
void test_consumer__a_partition_is_revoked_before_it_is_given(void)
{
    begin();
    client_join(&office, &one);
    int32_t first = office.count;
    client_join(&office, &two);
    assert_string_equal(types_since(&office, first), "5 3 7 7 6 8");
    assert_int_equal(client_count(&two), 0);
    assert_int_equal(two.epoch, 3);
    assert_int_equal(two.answer.heartbeat_interval_ms, 100);
    assert_string_equal(state_of(&office, "g"), "Reconciling");

    first = office.count;
    client_beat(&office, &one);
    assert_string_equal(types_since(&office, first), "8");
    assert_int_equal(one.epoch, 2);
    assert_int_equal(client_count(&one), 3);
    const struct consumer_group_current_member_assignment_record *current =
        record_at(&office, first).value;
    assert_int_equal(current->state, MEMBER_UNREVOKED);
    assert_int_equal(current->previous_member_epoch, 2);
    client_beat(&office, &two);
    assert_int_equal(client_count(&two), 0);

    client_beat(&office, &one); /* it says that it has given them up */
    assert_int_equal(one.epoch, 3);
    assert_null(one.answer.assignment);
    first = office.count;
    client_beat(&office, &two);
    assert_string_equal(types_since(&office, first), "8");
    assert_int_equal(client_count(&two), 3);
    assert_string_equal(state_of(&office, "g"), "Stable");
    assert_int_equal(two.answer.heartbeat_interval_ms, 500);
    end();
}

void test_consumer__what_a_member_gave_up_itself_is_free_for_it(void)
{
    begin();
    client_join(&office, &one);
    client_join(&office, &two);
    client_beat(&office, &one);
    assert_int_equal(client_count(&one), 3);
    assert_int_equal(client_leave(&office, &two, -1), ERROR_NONE);
    client_beat(&office, &one); /* it says that it has given them up, and has them back */
    assert_int_equal(client_count(&one), 6);
    assert_string_equal(state_of(&office, "g"), "Stable");
    end();
}

void test_consumer__a_settled_member_writes_nothing(void)
{
    begin_settled();
    int32_t first = office.count;
    client_beat(&office, &one);
    assert_null(one.answer.assignment);
    assert_int_equal(client_say(&office, &one, full_request(&office, &one)), ERROR_NONE);
    assert_non_null(one.answer.assignment); /* it may not know what it has */
    assert_int_equal(client_count(&one), 3);
    assert_int_equal(office.count, first);
    end();
}

/* The epoch moves at once, the target with the next heartbeat, as in Kafka. */
void test_consumer__what_a_leaving_member_had_goes_to_the_others(void)
{
    begin_settled();
    int32_t first = office.count;
    assert_int_equal(client_leave(&office, &two, LEFT), ERROR_NONE);
    assert_string_equal(types_since(&office, first), "-8 -7 -5 3");
    assert_string_equal(state_of(&office, "g"), "Assigning");
    first = office.count;
    client_beat(&office, &one);
    assert_string_equal(types_since(&office, first), "7 6 8");
    assert_int_equal(client_count(&one), 6);
    first = office.count;
    assert_int_equal(client_leave(&office, &one, LEFT), ERROR_NONE);
    assert_string_equal(types_since(&office, first), "-8 -7 -5 3 6");
    const struct consumer_group_metadata_record *epoch = record_at(&office, first + 3).value;
    const struct consumer_group_target_assignment_metadata_record *assigned =
        record_at(&office, first + 4).value;
    assert_int_equal(epoch->metadata_hash, 0);
    assert_int_equal(assigned->assignment_epoch, epoch->epoch);
    assert_int_equal(assigned->assignment_timestamp, 0);
    assert_string_equal(state_of(&office, "g"), "Empty");
    end();
}

void test_consumer__a_silent_member_is_fenced(void)
{
    begin_settled();
    office_pass_time(&office, 30000);
    client_beat(&office, &one);
    office_pass_time(&office, 15001);
    assert_int_equal(HASH_COUNT(kept()->members), 1);
    assert_int_equal(
        client_say(&office, &two, short_request(&office, &two)), ERROR_UNKNOWN_MEMBER_ID);
    client_beat(&office, &one);
    assert_int_equal(client_count(&one), 6);
    office_pass_time(&office, 45001);
    assert_string_equal(state_of(&office, "g"), "Empty");
    end();
}

/* They go in one decision, which must not take one for a member that the other leaves behind. */
void test_consumer__members_that_die_together_leave_an_empty_group(void)
{
    begin_settled();
    int32_t first = office.count;
    office_pass_time(&office, 45001);
    assert_string_equal(types_since(&office, first), "-8 -7 -5 -8 -7 -5 3 6");
    assert_string_equal(state_of(&office, "g"), "Empty");
    end();
}

void test_consumer__who_does_not_revoke_in_time_is_fenced(void)
{
    begin();
    client_join(&office, &one);
    client_join(&office, &two);
    client_beat(&office, &one);
    for (int i = 0; i < 29; i++) { /* alive, but it never says that it gave them up */
        office_pass_time(&office, 1000);
        assert_int_equal(client_say(&office, &one, short_request(&office, &one)), ERROR_NONE);
        client_beat(&office, &two);
    }
    assert_int_equal(HASH_COUNT(kept()->members), 2);
    office_pass_time(&office, 1001);
    assert_int_equal(HASH_COUNT(kept()->members), 1);
    client_beat(&office, &two);
    assert_int_equal(client_count(&two), 6);
    end();
}

void test_consumer__a_topic_that_grows_is_seen_by_the_next_heartbeat(void)
{
    begin_settled();
    int32_t epoch = kept()->epoch;
    office_add_topic(&office, "cherries", 3); /* none of theirs */
    client_beat(&office, &one);
    assert_int_equal(kept()->epoch, epoch);
    office_add_topic(&office, "apples", 2);
    client_beat(&office, &one);
    assert_int_equal(kept()->epoch, epoch + 1);
    settle(&office, (struct client *[]){ &one, &two }, 2);
    assert_int_equal(client_count(&one) + client_count(&two), 8);
    remove_topic(1);
    client_beat(&office, &two);
    settle(&office, (struct client *[]){ &one, &two }, 2);
    assert_int_equal(kept()->epoch, epoch + 2);
    assert_int_equal(client_count(&one), 3);
    assert_int_equal(client_count(&two), 3);
    end();
}

void test_consumer__a_new_subscription_moves_the_group(void)
{
    begin_settled();
    struct client *reader = one.has[1][0] ? &one : &two;
    struct client *other = reader == &one ? &two : &one;
    reader->subscription = "a";
    int32_t first = office.count;
    assert_int_equal(client_say(&office, reader, full_request(&office, reader)), ERROR_NONE);
    assert_string_equal(types_since(&office, first), "5 3 7 7 6 8");
    settle(&office, (struct client *[]){ reader, other }, 2);
    assert_true(other->has[1][0] && other->has[1][1]);
    assert_int_equal(client_count(reader), 3);
    end();
}

void test_consumer__the_assignor_is_the_one_that_most_prefer(void)
{
    begin();
    one.assignor = "range";
    client_join(&office, &one);
    client_join(&office, &two);
    settle(&office, (struct client *[]){ &one, &two }, 2);
    assert_true(one.has[0][0] && one.has[0][1] && one.has[1][0]); /* a run of each topic */
    assert_true(two.has[0][2] && two.has[0][3] && two.has[1][1]);
    int32_t epoch = kept()->epoch;
    one.assignor = "uniform";
    assert_int_equal(client_say(&office, &one, full_request(&office, &one)), ERROR_NONE);
    assert_int_equal(kept()->epoch, epoch + 1);
    one.assignor = "sticky";
    assert_int_equal(
        client_say(&office, &one, full_request(&office, &one)), ERROR_UNSUPPORTED_ASSIGNOR);
    end();
}

/* group.consumer.assignors: what is not in it nobody may ask for, and no vote for it counts that an
 * earlier life of the node took. */
void test_consumer__a_node_offers_fewer_assignors(void)
{
    begin();
    one.assignor = "range";
    client_join(&office, &one);
    client_join(&office, &two);
    assignor_list_read(STR("uniform"), &office.coordinator.assignors);
    assert_int_equal(
        client_say(&office, &one, full_request(&office, &one)), ERROR_UNSUPPORTED_ASSIGNOR);
    struct group_decider decider = { .coordinator = &office.coordinator };
    assert_ptr_equal(consumer_group_assignor(
                         &decider, office_group(&office, "g"), NULL, (struct str){ 0 }),
        &assignors[0]);
    end();
}

/* Kafka's log: the one that went keeps its partitions, with their assignment epochs at 0; who comes
 * back under its instance takes its place, and nobody else hears of it. */
void test_consumer__a_static_member_comes_back_to_what_it_had(void)
{
    begin();
    one.instance = "i";
    client_join(&office, &one);
    client_join(&office, &two);
    settle(&office, (struct client *[]){ &one, &two }, 2);
    int32_t epoch = kept()->epoch, first = office.count;
    assert_int_equal(client_leave(&office, &one, LEFT_STATICALLY), ERROR_NONE);
    assert_string_equal(types_since(&office, first), "8");
    const struct consumer_group_current_member_assignment_record *current =
        record_at(&office, first).value;
    assert_int_equal(current->member_epoch, LEFT_STATICALLY);
    assert_int_equal(current->assigned_partitions[0].assignment_epochs[0], 0);
    assert_string_equal(state_of(&office, "g"), "Reconciling");
    client_beat(&office, &two);
    assert_int_equal(two.answer.heartbeat_interval_ms, 500); /* there is nothing to hurry for */

    struct client again = client("again");
    again.instance = "i";
    first = office.count;
    client_join(&office, &again);
    assert_string_equal(types_since(&office, first), "-8 -7 -5 5 7 8 8");
    assert_int_equal(client_count(&again), 3);
    assert_int_equal(kept()->epoch, epoch);
    assert_string_equal(state_of(&office, "g"), "Stable");
    assert_int_equal(
        client_say(&office, &one, short_request(&office, &one)), ERROR_FENCED_INSTANCE_ID);
    office_pass_time(&office, 44000); /* the session of the new one is its own */
    client_beat(&office, &again);
    office_pass_time(&office, 2000);
    assert_non_null(consumer_member_find(office_group(&office, "g"), STR("again")));
    end();
}

void test_consumer__a_static_member_that_stays_away_is_fenced(void)
{
    begin();
    one.instance = "i";
    client_join(&office, &one);
    office_pass_time(&office, 20000);
    assert_int_equal(client_leave(&office, &one, LEFT_STATICALLY), ERROR_NONE);
    office_pass_time(&office, 24000);
    assert_string_equal(state_of(&office, "g"), "Reconciling");
    office_pass_time(&office, 1001);
    assert_string_equal(state_of(&office, "g"), "Empty");
    end();
}

/* The answer with the new epoch may be lost: then the one before is right, too. */
/* A static one by its instance alone, also while it is away. */
void test_consumer__an_administrator_takes_members_out(void)
{
    begin();
    one.instance = "i";
    client_join(&office, &one);
    client_join(&office, &two);
    settle(&office, (struct client *[]){ &one, &two }, 2);
    assert_int_equal(client_leave(&office, &one, LEFT_STATICALLY), ERROR_NONE);
    struct leave_group_member_identity who[] = { { .member_id = STR("nobody") },
        { .member_id = STR("two"), .group_instance_id = STR("i") },
        { .member_id = STR(""), .group_instance_id = STR("i") },
        { .member_id = STR(""), .group_instance_id = STR("i") } };
    static const enum error expected[] = { ERROR_UNKNOWN_MEMBER_ID, ERROR_FENCED_INSTANCE_ID,
        ERROR_NONE, ERROR_NONE };
    struct leave_group_request request = {
        .group_id = STR("g"), .members = who, .members_count = 4
    };
    struct leave_group_response response;
    message_defaults(&leave_group_response_schema, &response);
    office_ask(&office, COORDINATOR_LEAVE_GROUP, 5, &request, &response);
    for (int i = 0; i < 4; i++)
        assert_int_equal(response.members[i].error_code, expected[i]);
    settle(&office, (struct client *[]){ &two }, 1);
    assert_int_equal(client_count(&two), 6);

    who[0].member_id = STR("two");
    request.members_count = 1;
    message_defaults(&leave_group_response_schema, &response);
    office_ask(&office, COORDINATOR_LEAVE_GROUP, 5, &request, &response);
    assert_int_equal(response.members[0].error_code, ERROR_NONE);
    assert_string_equal(state_of(&office, "g"), "Empty");
    end();
}

void test_consumer__a_lost_answer_does_not_fence(void)
{
    begin();
    client_join(&office, &one);
    client_join(&office, &two);
    client_beat(&office, &one);
    struct client lost = one;
    client_beat(&office, &lost);
    assert_int_equal(lost.epoch, 3);
    assert_int_equal(one.epoch, 2);
    client_beat(&office, &one);
    assert_int_equal(one.epoch, 3);
    one.epoch = 2;
    one.has[0][0] = one.has[0][1] = one.has[0][2] = one.has[0][3] = true;
    assert_int_equal(
        client_say(&office, &one, full_request(&office, &one)), ERROR_FENCED_MEMBER_EPOCH);
    end();
}

void test_consumer__a_log_that_refuses_leaves_the_group_right(void)
{
    begin_settled();
    struct question *question;
    struct consumer_group_heartbeat_response response;
    struct client three = client("three");
    office.refuses = true;
    message_defaults(&consumer_group_heartbeat_response_schema, &response);
    question = office_submit(
        &office, COORDINATOR_CONSUMER_GROUP_HEARTBEAT, 1, full_request(&office, &three), &response);
    assert_true(question->is_done && question->error == ERROR_NOT_ENOUGH_REPLICAS);
    office_pass_time(&office, 46000); /* nor can it let them go */
    assert_int_equal(HASH_COUNT(kept()->members), 2);
    client_beat(&office, &two);
    office.refuses = false;
    office_pass_time(&office, 1000);
    assert_int_equal(HASH_COUNT(kept()->members), 1);
    client_beat(&office, &two);
    assert_int_equal(client_count(&two), 6);
    end();
}

/* After a load everybody has a whole session to come back. */
void test_consumer__sessions_begin_with_the_load(void)
{
    begin_settled();
    client_join(&office, &(struct client){ .group = "g", .id = "new", .subscription = "ab" });
    client_beat(&office, &one);
    struct coordinator loaded;
    coordinator_init(&loaded, &office.coordinator.settings);
    for (int32_t i = 0; i < office.count; i++)
        assert_true(coordinator_replay(&loaded, i, office.records[i], -1));
    assert_true(coordinator_begin(&loaded, 7000, cluster_image(&office.cluster)));
    const struct group *group = group_find(&loaded, STR("g"));
    const struct consumer_member *late = consumer_member_find(group, STR("one"));
    assert_int_equal(late->current.state, MEMBER_UNREVOKED);
    assert_int_equal(late->session.entry.key, 52000);
    assert_int_equal(late->rebalance.entry.key, 37000);
    assert_int_equal(late->rebalance_epoch, late->current.epoch);
    coordinator_deinit(&loaded);
    end();
}

static void set_of_group(const char *key, const char *value)
{
    struct config_record record = { .resource_type = SCOPE_GROUP,
        .resource_name = STR("g"),
        .name = str_from(key),
        .value = str_from(value) };
    cluster_apply(&office.cluster, &config_record_schema, 0, &record);
}

/* Not the node's, where the group has a setting of its own. */
void test_consumer__a_session_after_a_load_is_as_the_group_says(void)
{
    begin_settled();
    set_of_group("consumer.session.timeout.ms", "50000");
    office_forget(&office);
    for (int32_t i = 0; i < office.count; i++)
        assert_true(coordinator_replay(&office.coordinator, i, office.records[i], -1));
    office.steady_ms = 7000;
    office_begin(&office);
    const struct consumer_member *member =
        consumer_member_find(office_group(&office, "g"), STR("one"));
    assert_int_equal(member->session.entry.key, 57000);
    end();
}

void test_consumer__settings_of_the_group_count(void)
{
    begin();
    set_of_group("consumer.session.timeout.ms", "50000");
    set_of_group("consumer.heartbeat.interval.ms", "300");
    client_join(&office, &one);
    assert_int_equal(one.answer.heartbeat_interval_ms, 300);
    office_pass_time(&office, 49000);
    assert_string_equal(state_of(&office, "g"), "Stable");
    office_pass_time(&office, 1001);
    assert_string_equal(state_of(&office, "g"), "Empty");
    end();
}

/* Between 1,000 and 10,000 members of the node it grows from 500 ms to what is configured. */
void test_consumer__heartbeats_are_rarer_on_a_full_node(void)
{
    static const int32_t expected[][2] = { { 0, 500 }, { 1000, 500 }, { 5500, 2750 },
        { 10000, 5000 }, { 1000000, 5000 } };
    begin();
    client_join(&office, &one);
    for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++) {
        office.member_total = expected[i][0];
        client_beat(&office, &one);
        assert_int_equal(one.answer.heartbeat_interval_ms, expected[i][1]);
    }
    end();
}

/* On a full node, so that one wake-up serves many. */
void test_consumer__heartbeats_of_a_full_node_come_together(void)
{
    begin_settled();
    office.member_total = 10000;
    office_pass_time(&office, 3);
    client_beat(&office, &one);
    assert_int_equal(one.answer.heartbeat_interval_ms, 4997);
    office_pass_time(&office, 6);
    client_beat(&office, &two);
    assert_int_equal(two.answer.heartbeat_interval_ms, 4991);
    office.member_total = 1000;
    client_beat(&office, &two);
    assert_int_equal(two.answer.heartbeat_interval_ms, 500);
    end();
}

/* A large group is not assigned anew by each that joins; they wait at the epoch of the last
 * target. */
void test_consumer__large_assignments_are_spaced(void)
{
    begin();
    office.coordinator.settings.consumer_assign_at_once = 10;
    client_join(&office, &one);
    client_join(&office, &two);
    assert_int_equal(two.epoch, 2);
    assert_int_equal(client_count(&two), 0);
    assert_string_equal(state_of(&office, "g"), "Assigning");
    office_pass_time(&office, 1000);
    settle(&office, (struct client *[]){ &one, &two }, 2);
    assert_int_equal(client_count(&two), 3);
    end();
}

void test_consumer__the_first_version_gets_its_id_from_the_coordinator(void)
{
    begin();
    struct consumer_group_heartbeat_response response;
    one.id = "";
    assert_int_equal(ask_heartbeat(&office, 0, full_request(&office, &one), &response), ERROR_NONE);
    assert_int_equal(response.member_id.size, UUID_TEXT_SIZE);
    assert_non_null(consumer_member_find(office_group(&office, "g"), response.member_id));
    end();
}

void test_consumer__members_of_all_groups_are_counted(void)
{
    struct client other = client("one");
    other.group = "h";
    begin_settled();
    client_join(&office, &other);
    assert_int_equal(office.coordinator.consumer_members, 3);
    client_leave(&office, &two, LEFT);
    assert_int_equal(office.coordinator.consumer_members, 2);
    office_check_replay(&office);
    office_pass_time(&office, 45001);
    assert_int_equal(office.coordinator.consumer_members, 0);
    end();
}

/* A change while the group lives counts as of the next heartbeat; bounds hold whatever is stored.
 */
void test_consumer__settings_of_the_group_change_while_it_lives(void)
{
    begin_settled();
    office.member_total = 10000; /* so that it is told what is configured */
    client_beat(&office, &one);
    assert_int_equal(one.answer.heartbeat_interval_ms, 5000);
    set_of_group("consumer.heartbeat.interval.ms", "7000");
    set_of_group("consumer.session.timeout.ms", "9000");
    client_beat(&office, &one);
    assert_int_equal(one.answer.heartbeat_interval_ms, 7000);
    office_pass_time(&office, 9001);
    assert_int_equal(
        consumer_group_size(office_group(&office, "g")), 1); /* two has not come since */

    set_of_group("consumer.heartbeat.interval.ms", "16000");
    client_beat(&office, &two);
    assert_int_equal(
        consumer_heartbeat_ms(
            &(struct group_decider){ .coordinator = &office.coordinator,
                .request = &(struct coordinator_request){ .image = cluster_image(&office.cluster),
                    .member_total = 10000 } },
            STR("g"), true),
        15000);
    end();
}

void test_consumer__a_group_may_space_its_assignments_otherwise(void)
{
    begin();
    office.coordinator.settings.consumer_assign_at_once = 10;
    set_of_group("consumer.assignment.interval.ms", "5000");
    client_join(&office, &one);
    client_join(&office, &two);
    office_pass_time(&office, 4899);
    client_beat(&office, &two);
    assert_string_equal(state_of(&office, "g"), "Assigning");
    set_of_group("consumer.assignment.interval.ms", "0");
    office_pass_time(&office, 100); /* it is not looked at by every heartbeat */
    client_beat(&office, &two);
    assert_string_equal(state_of(&office, "g"), "Reconciling");
    end();
}
