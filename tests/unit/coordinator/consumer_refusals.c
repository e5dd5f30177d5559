/* SPDX-License-Identifier: Apache-2.0 */
/* Who hears what error: each state of a group and its member by each request. */
#include "coordinator/group_consumer.h"

#include <stdio.h>

#include "consumer_client.h"
#include "wire/gen/group_metadata_record.h"
#include "wire/gen/offset_commit.h"
#include "wire/gen/share_group_member_metadata_record.h"

static struct office office;
static struct client one, two;

static struct client client(const char *id, const char *instance)
{
    return (struct client){ .group = "g", .id = id, .instance = instance, .subscription = "ab" };
}

enum situation {
    NO_GROUP,
    SIMPLE,
    EMPTY,
    SHARE,
    CLASSIC,
    CLASSIC_EMPTY,
    STABLE,
    UNREVOKED,
    UNRELEASED,
    STATIC,
    AWAY,
    SITUATIONS
};

static void commit_offset(void)
{
    struct offset_commit_request_partition asked = { .committed_offset = 5,
        .committed_metadata = STR("") };
    struct offset_commit_request_topic of = {
        .name = STR("apples"), .partitions = &asked, .partitions_count = 1
    };
    struct offset_commit_request request = { .group_id = STR("g"),
        .generation_id_or_member_epoch = -1,
        .member_id = STR(""),
        .retention_time_ms = -1,
        .topics = &of,
        .topics_count = 1 };
    struct offset_commit_response response;
    message_defaults(&offset_commit_response_schema, &response);
    office_ask(&office, COORDINATOR_OFFSET_COMMIT, 9, &request, &response);
    assert_int_equal(response.topics[0].partitions[0].error_code, ERROR_NONE);
}

static void add_record(struct rsm_record record)
{
    assert_true(coordinator_replay(&office.coordinator, office.count, record, -1));
    office.records[office.count++] = record;
}

static void add_share_group(void)
{
    struct share_group_member_metadata_record_key key = { STR("g"), STR("m"), { 0 } };
    struct share_group_member_metadata_record value = { .client_id = STR("c"),
        .client_host = STR("h") };
    add_record(coordinator_record_encode(
        &office.arena, record_schema_named("share_group_member_metadata"), &key, 0, &value));
}

static void add_classic_group(bool is_empty)
{
    struct group_metadata_record_key key = { .group = STR("g") };
    struct group_metadata_record_member_metadata member = { .member_id = STR("m"),
        .client_id = STR("c"),
        .client_host = STR("h"),
        .session_timeout = 10000,
        .rebalance_timeout = 10000 };
    struct group_metadata_record value = { .protocol_type = STR("consumer"), .generation = 1 };
    if (!is_empty) {
        value.protocol = STR("range");
        value.leader = member.member_id;
        value.members = &member;
        value.members_count = 1;
    }
    add_record(coordinator_record_encode(
        &office.arena, record_schema_named("group_metadata"), &key, 3, &value));
}

/* Where a member is asked about, it is "one". */
static void begin(enum situation situation)
{
    office_init(&office);
    office_add_topic(&office, "apples", 4);
    office_add_topic(&office, "bananas", 2);
    one = client("one", situation == STATIC || situation == AWAY ? "i" : NULL);
    two = client("two", NULL);
    if (situation == SIMPLE)
        commit_offset();
    if (situation == SHARE)
        add_share_group();
    if (situation == CLASSIC || situation == CLASSIC_EMPTY)
        add_classic_group(situation == CLASSIC_EMPTY);
    if (situation == UNRELEASED)
        client_join(&office, &two);
    if (situation == EMPTY || situation >= STABLE)
        client_join(&office, &one);
    if (situation == EMPTY)
        assert_int_equal(client_leave(&office, &one, LEFT), ERROR_NONE);
    if (situation == UNREVOKED) {
        client_join(&office, &two);
        client_beat(&office, &one);
    }
    if (situation == AWAY)
        assert_int_equal(client_leave(&office, &one, LEFT_STATICALLY), ERROR_NONE);
}

static void end(void)
{
    office_check_replay(&office);
    office_deinit(&office);
}

enum request {
    JOIN,
    JOIN_AS_NEW,
    JOIN_AS_INSTANCE, /* of member one, with another id */
    BEAT,
    BEAT_AS_INSTANCE, /* of member one, with another id */
    BEAT_UNKNOWN,
    BEAT_BEHIND,
    BEAT_AHEAD,
    LEAVE,
    LEAVE_UNKNOWN,
    LEAVE_FOR_A_WHILE,
    LEAVE_AS_INSTANCE,
    REQUESTS
};

static enum error ask(enum request what)
{
    struct consumer_group_heartbeat_response response;
    struct client asks = one;
    bool joins = what <= JOIN_AS_INSTANCE;
    if (what == JOIN_AS_NEW || what == JOIN_AS_INSTANCE || what == BEAT_UNKNOWN ||
        what == BEAT_AS_INSTANCE || what == LEAVE_UNKNOWN || what == LEAVE_AS_INSTANCE)
        asks.id = "other";
    if (what == JOIN_AS_NEW || what == BEAT_UNKNOWN || what == LEAVE_UNKNOWN)
        asks.instance = NULL;
    if (what == JOIN_AS_INSTANCE || what == BEAT_AS_INSTANCE || what == LEAVE_AS_INSTANCE ||
        what == LEAVE_FOR_A_WHILE)
        asks.instance = "i";
    if (joins)
        asks.epoch = JOINING;
    else if (asks.epoch <= 0)
        asks.epoch = 2;
    if (joins)
        memset(asks.has, 0, sizeof(asks.has));
    asks.epoch += (what == BEAT_AHEAD) - (what == BEAT_BEHIND);
    if (what == LEAVE || what == LEAVE_UNKNOWN || what == LEAVE_AS_INSTANCE)
        asks.epoch = LEFT;
    if (what == LEAVE_FOR_A_WHILE)
        asks.epoch = LEFT_STATICALLY;
    return ask_heartbeat(&office, 1,
        joins ? full_request(&office, &asks) : short_request(&office, &asks), &response);
}

#define OK ERROR_NONE
#define NO_SUCH_GROUP ERROR_GROUP_ID_NOT_FOUND
#define NO_MEMBER ERROR_UNKNOWN_MEMBER_ID
#define FENCED ERROR_FENCED_MEMBER_EPOCH
#define IN_USE ERROR_UNRELEASED_INSTANCE_ID
#define TAKEN ERROR_FENCED_INSTANCE_ID

static const enum error expected[SITUATIONS][REQUESTS] = {
    [NO_GROUP] = { OK, OK, OK, NO_SUCH_GROUP, NO_SUCH_GROUP, NO_SUCH_GROUP, NO_SUCH_GROUP,
        NO_SUCH_GROUP, NO_SUCH_GROUP, NO_SUCH_GROUP, NO_SUCH_GROUP, NO_SUCH_GROUP },
    [SIMPLE] = { OK, OK, OK, NO_SUCH_GROUP, NO_SUCH_GROUP, NO_SUCH_GROUP, NO_SUCH_GROUP,
        NO_SUCH_GROUP, NO_SUCH_GROUP, NO_SUCH_GROUP, NO_SUCH_GROUP, NO_SUCH_GROUP },
    [EMPTY] = { OK, OK, OK, NO_MEMBER, NO_MEMBER, NO_MEMBER, NO_MEMBER, NO_MEMBER, NO_MEMBER,
        NO_MEMBER, NO_MEMBER, NO_MEMBER },
    [SHARE] = { NO_SUCH_GROUP, NO_SUCH_GROUP, NO_SUCH_GROUP, NO_SUCH_GROUP, NO_SUCH_GROUP,
        NO_SUCH_GROUP, NO_SUCH_GROUP, NO_SUCH_GROUP, NO_SUCH_GROUP, NO_SUCH_GROUP, NO_SUCH_GROUP,
        NO_SUCH_GROUP },
    [CLASSIC] = { NO_SUCH_GROUP, NO_SUCH_GROUP, NO_SUCH_GROUP, NO_SUCH_GROUP, NO_SUCH_GROUP,
        NO_SUCH_GROUP, NO_SUCH_GROUP, NO_SUCH_GROUP, NO_SUCH_GROUP, NO_SUCH_GROUP, NO_SUCH_GROUP,
        NO_SUCH_GROUP },
    [CLASSIC_EMPTY] = { OK, OK, OK, NO_SUCH_GROUP, NO_SUCH_GROUP, NO_SUCH_GROUP, NO_SUCH_GROUP,
        NO_SUCH_GROUP, NO_SUCH_GROUP, NO_SUCH_GROUP, NO_SUCH_GROUP, NO_SUCH_GROUP },
    [STABLE] = { OK, OK, OK, OK, NO_MEMBER, NO_MEMBER, FENCED, FENCED, OK, NO_MEMBER, NO_MEMBER,
        NO_MEMBER },
    [UNREVOKED] = { OK, OK, OK, OK, NO_MEMBER, NO_MEMBER, FENCED, FENCED, OK, NO_MEMBER, NO_MEMBER,
        NO_MEMBER },
    [UNRELEASED] = { OK, OK, OK, OK, NO_MEMBER, NO_MEMBER, FENCED, FENCED, OK, NO_MEMBER, NO_MEMBER,
        NO_MEMBER },
    [STATIC] = { IN_USE, OK, IN_USE, OK, TAKEN, NO_MEMBER, FENCED, FENCED, OK, NO_MEMBER, OK,
        TAKEN },
    [AWAY] = { OK, OK, OK, FENCED, TAKEN, NO_MEMBER, FENCED, FENCED, OK, NO_MEMBER, OK, TAKEN },
};

void test_consumer_refusals__every_situation_has_its_answer(void)
{
    for (int situation = 0; situation < SITUATIONS; situation++)
        for (int what = 0; what < REQUESTS; what++) {
            begin((enum situation)situation);
            int32_t before = office.count;
            enum error error = ask((enum request)what);
            if (error != expected[situation][what])
                fail_msg("situation %d, request %d: error %d", situation, what, error);
            assert_true(error == ERROR_NONE || office.count == before);
            end();
        }
}

/* Each thing that is wrong with a request, alone. */
static enum error ask_faulty(int16_t version, int fault)
{
    struct consumer_group_heartbeat_response response;
    struct client asks = client("one", NULL);
    asks.epoch = fault >= 10 ? 1 : JOINING;
    struct consumer_group_heartbeat_request *request = full_request(&office, &asks);
    switch (fault) {
    case 0:
        request->group_id = STR("");
        break;
    case 1:
        request->instance_id = STR("");
        break;
    case 2:
        request->rack_id = STR("");
        break;
    case 3:
        request->rebalance_timeout_ms = -1;
        break;
    case 4:
        request->topic_partitions_count = -1;
        break;
    case 5:
        asks.has[0][0] = true;
        set_owned(&office, &asks, request);
        break;
    case 6:
        request->subscribed_topic_names_count = -1;
        break;
    case 7:
        request->member_epoch = -3;
        break;
    case 8:
        request->member_epoch = LEFT_STATICALLY;
        break;
    case 9:
    case 10:
        request->member_id = STR("");
        break;
    }
    return ask_heartbeat(&office, version, request, &response);
}

void test_consumer_refusals__what_is_no_request_is_told_so(void)
{
    begin(NO_GROUP);
    for (int16_t version = 0; version <= 1; version++)
        for (int fault = 0; fault <= 8; fault++)
            assert_int_equal(ask_faulty(version, fault), ERROR_INVALID_REQUEST);
    assert_int_equal(ask_faulty(0, 10), ERROR_INVALID_REQUEST);
    assert_int_equal(ask_faulty(1, 10), ERROR_INVALID_REQUEST);
    assert_int_equal(ask_faulty(1, 9), ERROR_INVALID_REQUEST);
    assert_int_equal(office.count, 0);
    assert_int_equal(ask_faulty(0, 9), ERROR_NONE); /* the first version has no id to bring */
    end();
}

void test_consumer_refusals__a_full_group_takes_nobody_but_its_members(void)
{
    begin(STATIC);
    office.coordinator.settings.consumer_max_size = 1;
    assert_int_equal(ask(JOIN_AS_NEW), ERROR_GROUP_MAX_SIZE_REACHED);
    assert_int_equal(ask(BEAT), ERROR_NONE);
    assert_int_equal(ask(LEAVE_FOR_A_WHILE), ERROR_NONE);
    assert_int_equal(ask(JOIN_AS_INSTANCE), ERROR_NONE);
    end();
}

/* The epoch before the present one is right for who has no more than it should. */
void test_consumer_refusals__the_epoch_before_is_right_for_who_lost_an_answer(void)
{
    begin(UNREVOKED);
    client_beat(&office, &one); /* gives up, and moves on */
    one.epoch = 2;
    assert_int_equal(ask(BEAT), FENCED); /* does not say what it has */
    struct client greedy = one;
    struct consumer_group_heartbeat_response response;
    for (int k = 0; k < 4; k++)
        greedy.has[0][k] = true;
    assert_int_equal(ask_heartbeat(&office, 1, full_request(&office, &greedy), &response), FENCED);
    assert_int_equal(ask_heartbeat(&office, 1, full_request(&office, &one), &response), ERROR_NONE);
    assert_int_equal(response.member_epoch, 3);
    one.epoch = 1; /* less than the one before */
    assert_int_equal(ask_heartbeat(&office, 1, full_request(&office, &one), &response), FENCED);
    end();
}

void test_consumer_refusals__an_empty_expression_is_none_to_refuse(void)
{
    begin(NO_GROUP);
    one.regex = "a(";
    assert_int_equal(ask(JOIN), ERROR_INVALID_REGULAR_EXPRESSION);
    assert_int_equal(office.count, 0);
    one.regex = "";
    assert_int_equal(ask(JOIN), ERROR_NONE);
    end();
}

/* The log would not take it, nor is it worth the time to look at it. */
void test_consumer_refusals__a_subscription_fits_into_a_record(void)
{
    begin(STABLE);
    office.record_most = 50;
    struct consumer_group_heartbeat_request *request = full_request(&office, &one);
    struct consumer_group_heartbeat_response response;
    struct str names[10];
    for (int i = 0; i < 10; i++)
        names[i] = STR("none");
    request->subscribed_topic_names = names;
    request->subscribed_topic_names_count = 10; /* a repeated one counts as often */
    int32_t first = office.count;
    assert_int_equal(
        ask_heartbeat(&office, 1, request, &response), ERROR_NONE); /* 5 bytes each, at least */
    names[9] = STR("names");
    assert_int_equal(ask_heartbeat(&office, 1, request, &response), ERROR_UNKNOWN_SERVER_ERROR);
    assert_true(str_is(response.error_message, "The subscription is longer than a record may be."));
    assert_true(office.count > first);
    end();
}

void test_consumer_refusals__a_simple_group_becomes_one_and_keeps_its_offsets(void)
{
    begin(SIMPLE);
    assert_int_equal(ask(JOIN), ERROR_NONE);
    assert_string_equal(state_of(&office, "g"), "Stable");
    assert_non_null(office_group(&office, "g")->offsets);
    assert_string_equal(office_group(&office, "g")->kind->type, "consumer");
    end();
}

/* Its record goes in the same decision, before those of the new kind. */
void test_consumer_refusals__an_empty_classic_group_becomes_one(void)
{
    begin(CLASSIC_EMPTY);
    int32_t first = office.count;
    assert_int_equal(ask(JOIN), ERROR_NONE);
    assert_string_equal(types_since(&office, first), "-2 5 3 7 6 8");
    assert_string_equal(office_group(&office, "g")->kind->type, "consumer");
    end();
}

/* A session and the time to revoke that end together: the member leaves once, with one epoch. */
void test_consumer_refusals__two_deadlines_in_one_tick_put_a_member_out_once(void)
{
    office_init(&office);
    office.coordinator.settings.consumer_session_ms = 30000;
    office_add_topic(&office, "apples", 4);
    one = client("one", NULL);
    two = client("two", NULL);
    client_join(&office, &one);
    client_join(&office, &two);
    client_beat(&office, &one); /* is told to give up, and is never heard again */
    office_pass_time(&office, 15000);
    client_beat(&office, &two);
    int32_t first = office.count;
    office_pass_time(&office, 15000);
    assert_string_equal(types_since(&office, first), "-8 -7 -5 3");
    office_check_replay(&office);
    office_deinit(&office);
}

void test_consumer_refusals__name_the_group_and_the_member(void)
{
    office_init(&office);
    office_add_topic(&office, "apples", 4);
    office_add_topic(&office, "bananas", 2);
    one = client("one", NULL);
    two = client("two", NULL);
    two.epoch = 5;
    assert_int_equal(
        client_say(&office, &two, short_request(&office, &two)), ERROR_GROUP_ID_NOT_FOUND);
    assert_true(str_is(two.answer.error_message, "There is no consumer group g."));
    client_join(&office, &one);
    assert_int_equal(
        client_say(&office, &two, short_request(&office, &two)), ERROR_UNKNOWN_MEMBER_ID);
    assert_true(str_is(two.answer.error_message, "Group g has no member two."));
    one.epoch = 9;
    assert_int_equal(
        client_say(&office, &one, short_request(&office, &one)), ERROR_FENCED_MEMBER_EPOCH);
    assert_true(str_is(one.answer.error_message,
        "Member one of group g is not at epoch 9; it gives up its partitions and joins again."));
    office_deinit(&office);
}
