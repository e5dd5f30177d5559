/* SPDX-License-Identifier: Apache-2.0 */
/* Subscriptions by expression. */
#include "coordinator/group_consumer.h"

#include <stdio.h>

#include "consumer_client.h"
#include "wire/gen/remove_topic_record.h"

static struct office office;
static struct client one, two;

static struct client client(const char *id, const char *regex)
{
    return (struct client){ .group = "g", .id = id, .subscription = "", .regex = regex };
}

static void begin(void)
{
    office_init(&office);
    office_add_topic(&office, "apples", 2);
    office_add_topic(&office, "bananas", 2);
    one = client("one", "a.*");
    two = client("two", "a.*");
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

void test_consumer_regex__what_matches_is_subscribed_to(void)
{
    begin();
    client_join(&office, &one);
    assert_string_equal(types_since(&office, 0), "5 16 3 7 6 8");
    assert_int_equal(client_count(&one), 2);
    assert_true(one.has[0][0] && one.has[0][1]);
    const struct consumer_group_regular_expression_record *resolved = record_at(&office, 1).value;
    assert_int_equal(resolved->topics_count, 1);
    assert_int_equal(resolved->timestamp, office.wall_ms);
    assert_int_equal(resolved->version, cluster_image(&office.cluster)->offset);
    int32_t first = office.count;
    client_join(&office, &two); /* the same expression is not resolved twice */
    assert_string_equal(types_since(&office, first), "5 3 7 7 6 8");
    settle(&office, (struct client *[]){ &one, &two }, 2);
    assert_int_equal(client_count(&one), 1);
    assert_true(
        office_group(&office, "g")->kind->subscribes(office_group(&office, "g"), STR("apples")));
    end();
}

void test_consumer_regex__a_bad_expression_is_refused(void)
{
    begin();
    one.regex = "a(b";
    assert_int_equal(
        client_say(&office, &one, full_request(&office, &one)), ERROR_INVALID_REGULAR_EXPRESSION);
    assert_true(str_is(one.answer.error_message,
        "The expression of topics is none that is understood: missing ): a(b"));
    assert_string_equal(state_of(&office, "g"), "none");
    assert_int_equal(office.count, 0);

    one.regex = "a.*";
    client_join(&office, &one);
    int32_t before = office.count;
    one.regex = "a(b";
    assert_int_equal(
        client_say(&office, &one, full_request(&office, &one)), ERROR_INVALID_REGULAR_EXPRESSION);
    assert_int_equal(office.count, before);
    assert_string_equal(state_of(&office, "g"), "Stable");
    end();
}

/* 400 topics, 100,000 letters in all. */
static void add_long_topics(void)
{
    for (int i = 0; i < 400; i++) {
        char name[250];
        memset(name, i % 3 == 0 ? 'b' : 'a', 249);
        name[0] = (char)('C' + i / 26);
        name[1] = (char)('a' + i % 26);
        name[249] = 0;
        office_add_topic(&office, name, 1);
    }
}

/* Its DFA grows with every name: over these it would hold the shard for seconds. */
void test_consumer_regex__what_takes_long_is_found_out_beside(void)
{
    begin();
    add_long_topics();
    office.resolves_late = true;
    one.regex = "(.*a.{400}b.*)|(.*b.{300}.*)|app.*";
    client_join(&office, &one);
    assert_string_equal(types_since(&office, 0), "5 3 7 6 8");
    assert_int_equal(client_count(&one), 0);
    client_beat(&office, &one); /* it is asked for when its group is there */
    assert_non_null(office.resolution);
    assert_int_equal(
        one.answer.heartbeat_interval_ms, office.coordinator.settings.consumer_moving_heartbeat_ms);
    int32_t first = office.count, steps = 1;
    while (!resolution_step(office.resolution))
        steps++;
    assert_true(steps > 100); /* with something else between any two of them */
    office_resolve(&office);
    assert_string_equal(types_since(&office, first), "16 3");
    const struct consumer_group_regular_expression_record *resolved =
        record_at(&office, first).value;
    assert_int_equal(resolved->topics_count, 1);
    assert_int_equal(resolved->version, cluster_image(&office.cluster)->offset);
    settle(&office, (struct client *[]){ &one }, 1);
    assert_int_equal(client_count(&one), 2);
    assert_null(office.resolution);
    client_join(&office, &two); /* what one has found out is known to all */
    end();
}

/* It is told with the heartbeat behind: to read it takes too long for the first one. */
void test_consumer_regex__what_is_bad_may_be_found_out_beside(void)
{
    char text[200];
    begin();
    memset(text, '(', sizeof(text) - 1);
    text[sizeof(text) - 1] = 0;
    one.regex = text;
    client_join(&office, &one);
    client_beat(&office, &one);
    assert_int_equal(
        client_say(&office, &one, short_request(&office, &one)), ERROR_INVALID_REGULAR_EXPRESSION);
    assert_true(str_starts(one.answer.error_message,
        STR("The expression of topics is none that is understood: missing ): (")));
    client_join(&office, &two); /* nobody else minds */
    assert_int_equal(client_count(&two), 2);
    one.regex = "b.*"; /* and who changes it goes on */
    assert_int_equal(client_say(&office, &one, full_request(&office, &one)), ERROR_NONE);
    settle(&office, (struct client *[]){ &one, &two }, 2);
    assert_true(one.has[1][0] && one.has[1][1]);
    end();
}

/* By the bound of what it may take, which others would wait for. */
void test_consumer_regex__what_would_take_too_long_is_refused(void)
{
    begin();
    add_long_topics();
    one.regex = ".*a\\p{L}{12}.*";
    client_join(&office, &one);
    client_beat(&office, &one);
    assert_int_equal(
        client_say(&office, &one, short_request(&office, &one)), ERROR_INVALID_REGULAR_EXPRESSION);
    assert_true(str_is(one.answer.error_message,
        "The expression of topics is none that is understood: it is too complex to be matched with "
        "as many topics as there are"));
    end();
}

/* A group that is gone, or whose member wants something else by now. */
void test_consumer_regex__what_was_found_out_too_late_is_forgotten(void)
{
    begin();
    add_long_topics();
    office.resolves_late = true;
    one.regex = "(.*a.{400}b.*)|app.*";
    client_join(&office, &one);
    client_beat(&office, &one);
    one.regex = "b.*";
    assert_int_equal(client_say(&office, &one, full_request(&office, &one)), ERROR_NONE);
    int32_t first = office.count;
    office_resolve(&office);
    assert_int_equal(office.count, first);
    office_add_topic(&office, "cherries", 1);
    office_pass_time(&office, 1000);
    client_beat(&office, &one);
    assert_non_null(office.resolution);
    assert_int_equal(client_leave(&office, &one, LEFT), ERROR_NONE);
    first = office.count;
    office_resolve(&office);
    assert_int_equal(office.count, first);
    end();
}

/* By an older image than what the log says by now: the group was made anew meanwhile. */
void test_consumer_regex__what_was_found_out_before_does_not_undo_what_is_known(void)
{
    begin();
    one.regex = "(apple|cherrie)s";
    client_join(&office, &one);
    office_add_topic(&office, "grapes", 1);
    office.resolves_late = true;
    client_beat(&office, &one);
    assert_non_null(office.resolution);
    assert_int_equal(client_leave(&office, &one, LEFT), ERROR_NONE);
    office_add_topic(&office, "cherries", 3);
    client_join(&office, &one);
    assert_int_equal(client_count(&one), 5);
    int32_t first = office.count;
    office_resolve(&office);
    assert_int_equal(office.count, first);
    settle(&office, (struct client *[]){ &one }, 1);
    assert_int_equal(client_count(&one), 5);
    end();
}

/* Each has its turn: however many there are, a decision writes what one matches. */
void test_consumer_regex__many_are_not_resolved_in_one_pass(void)
{
    enum { EXPRESSIONS = 12 };
    struct client clients[EXPRESSIONS];
    begin();
    for (int i = 0; i < EXPRESSIONS; i++) {
        clients[i] = client(arena_format(&office.arena, "member-%02d", i),
            arena_format(&office.arena, "x{%d}|che.*", 300 + i));
        client_join(&office, &clients[i]);
    }
    client_beat(&office, &clients[0]);
    office_pass_time(&office, 1000);
    office_add_topic(&office, "cherries", EXPRESSIONS);
    int32_t first = office.count;
    for (int beat = 0; beat < EXPRESSIONS; beat++)
        client_beat(&office, &clients[0]);
    int32_t resolved = 0;
    for (int32_t i = first; i < office.count; i++)
        resolved +=
            record_at(&office, i).schema->type == CONSUMER_GROUP_REGULAR_EXPRESSION_RECORD_TYPE;
    assert_int_equal(resolved, EXPRESSIONS);
    end();
}

/* Not more often than once a second, for it looks at all topics. */
void test_consumer_regex__new_topics_are_found(void)
{
    begin();
    one.regex = "";
    one.subscription = NULL;
    one.regex = "b.*";
    client_join(&office, &one);
    client_beat(&office, &one);
    int32_t epoch = kept()->epoch;
    struct remove_topic_record record = { .topic_id = topic_id(1) };
    cluster_apply(&office.cluster, &remove_topic_record_schema, 0, &record);
    client_beat(&office, &one); /* its partitions are gone in any case */
    assert_int_equal(client_count(&one), 0);
    assert_int_equal(kept()->epoch, epoch + 2); /* and behind that it matches no more */
    office_add_topic(&office, "bananas", 3);
    office_pass_time(&office, 1000);
    client_beat(&office, &one);
    client_beat(&office, &one);
    assert_int_equal(client_count(&one), 3);
    end();
}

void test_consumer_regex__an_expression_goes_with_its_last_member(void)
{
    begin();
    client_join(&office, &one);
    client_join(&office, &two);
    settle(&office, (struct client *[]){ &one, &two }, 2);
    assert_int_equal(client_leave(&office, &two, LEFT), ERROR_NONE);
    assert_int_equal(HASH_COUNT(kept()->regexes), 1);
    client_beat(&office, &one);
    one.regex = "b.*"; /* changes its mind */
    int32_t first = office.count;
    assert_int_equal(client_say(&office, &one, full_request(&office, &one)), ERROR_NONE);
    assert_string_equal(types_since(&office, first), "5 -16 16 3 7 6 8");
    client_beat(&office, &one);
    client_beat(&office, &one);
    assert_true(one.has[1][0] && one.has[1][1] && !one.has[0][0]);
    first = office.count;
    assert_int_equal(client_leave(&office, &one, LEFT), ERROR_NONE);
    assert_string_equal(types_since(&office, first), "-8 -7 -5 -16 3 6"); /* as in Kafka's log */
    assert_null(kept()->regexes);
    assert_null(kept()->topics);
    end();
}

void test_consumer_regex__names_and_an_expression_add_up(void)
{
    begin();
    one.subscription = "b";
    client_join(&office, &one);
    client_join(&office, &two);
    settle(&office, (struct client *[]){ &one, &two }, 2);
    assert_true(one.has[1][0] && one.has[1][1]);
    assert_int_equal(client_count(&two), 2);
    assert_true(two.has[0][0] && two.has[0][1]);
    end();
}

/* Two images, and two heartbeats, in one millisecond: the second is looked at later, not never. */
void test_consumer_regex__an_image_that_comes_at_once_is_not_passed_over(void)
{
    begin();
    one.regex = "c.*";
    client_join(&office, &one);
    client_beat(&office, &one);
    office_add_topic(&office, "cherries", 2);
    client_beat(&office, &one);
    assert_int_equal(client_count(&one), 0);
    office_pass_time(&office, 1000);
    client_beat(&office, &one);
    assert_int_equal(client_count(&one), 2);
    end();
}

/* As much as one heartbeat after the topic came or went, or a second after the last look. */
void test_consumer_regex__follows_the_topics(void)
{
    begin();
    one.subscription = NULL;
    one.regex = "(apple|cherrie)s";
    client_join(&office, &one);
    assert_int_equal(client_count(&one), 2);
    office_add_topic(&office, "cherries", 3);
    client_beat(&office, &one); /* looked a moment ago */
    office_pass_time(&office, 1000);
    settle(&office, (struct client *[]){ &one }, 1);
    assert_int_equal(client_count(&one), 5);
    struct remove_topic_record record = { .topic_id = topic_id(0) };
    cluster_apply(&office.cluster, &remove_topic_record_schema, 0, &record);
    office_pass_time(&office, 1000);
    settle(&office, (struct client *[]){ &one }, 1);
    assert_int_equal(client_count(&one), 3);

    int32_t before = office.count;
    office_add_topic(&office, "dates", 1); /* that it does not match */
    office_pass_time(&office, 1000);
    client_beat(&office, &one);
    assert_int_equal(office.count, before);
    end();
}
