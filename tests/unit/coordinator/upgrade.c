/* SPDX-License-Identifier: Apache-2.0 */
/* Classic groups that become consumer groups, and what their members ask of those. */
#include "coordinator/group_upgrade.h"

#include <stdio.h>

#include "mixed.h"
#include "wire/gen/consumer_group_describe.h"
#include "wire/gen/consumer_group_metadata_record.h"
#include "wire/gen/consumer_group_target_assignment_metadata_record.h"

static struct office office;
static struct elder old_one, old_two;
static struct client new_one;

static void begin(void)
{
    office_init(&office);
    office_add_topic(&office, "apples", 4);
    office_add_topic(&office, "bananas", 2);
    old_one = make_elder("ab");
    old_two = make_elder("ab");
    new_one = (struct client){ .group = "g", .id = "new", .subscription = "ab" };
}

static void end(void)
{
    office_check_replay(&office);
    office_deinit(&office);
}

/* The initial delay goes by. */
static void form(void)
{
    for (int i = 0; i < 4; i++) {
        elder_turns(&office, &old_one);
        elder_turns(&office, &old_two);
        office_pass_time(&office, 3000);
    }
    assert_string_equal(state_of(&office, "g"), "Stable");
    assert_int_equal(elder_count(&old_one) + elder_count(&old_two), 6);
}

static void begin_upgraded(void)
{
    begin();
    form();
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
    assert_int_equal(old_one.heard, ERROR_NONE);
}

static void check_each_has_one_owner(void)
{
    for (int topic = 0; topic < 2; topic++)
        for (int k = 0; k < (topic == 0 ? 4 : 2); k++)
            assert_int_equal(
                old_one.has[topic][k] + old_two.has[topic][k] + new_one.has[topic][k], 1);
}

static const struct consumer_group *kept(void)
{
    const struct group *group = office_group(&office, "g");
    assert_true(consumer_group_is(group));
    return group->consumer;
}

static struct consumer_member *member(struct str id)
{
    return consumer_member_find(office_group(&office, "g"), id);
}

static enum error try_to_upgrade(void)
{
    struct consumer_group_heartbeat_response response;
    return ask_heartbeat(&office, 1, full_request(&office, &new_one), &response);
}

/* As Kafka's convertToConsumerGroup() and the heartbeat after it: the end of the classic group, who
 * is there, the epoch, what each is to have, the assignment's epoch, what each has; then the new
 * one, the next epoch, and the targets that change. */
void test_upgrade__writes_what_the_classic_group_was(void)
{
    begin();
    form();
    int32_t generation = old_one.generation, first = office.count;
    client_join(&office, &new_one);
    assert_string_equal(types_since(&office, first), "-2 5 5 3 7 7 6 8 8 5 3 7 7 7 6 8");
    const struct consumer_group_member_metadata_record *metadata =
        record_at(&office, first + 1).value;
    assert_non_null(metadata->classic_member_metadata);
    assert_int_equal(metadata->classic_member_metadata->session_timeout_ms, 10000);
    assert_int_equal(metadata->classic_member_metadata->supported_protocols_count, 1);
    assert_true(str_is(metadata->classic_member_metadata->supported_protocols[0].name, "range"));
    assert_true(
        subscription_parse(metadata->classic_member_metadata->supported_protocols[0].metadata,
            &office.arena, &(struct consumer_protocol_subscription_record){ 0 }, NULL));
    assert_true(str_is(metadata->subscribed_topic_regex, ""));
    assert_int_equal(metadata->subscribed_topic_names_count, 2);
    assert_true(str_is(metadata->subscribed_topic_names[0], "apples"));
    assert_true(str_is_null(metadata->server_assignor) && str_is_null(metadata->rack_id));
    assert_int_equal(metadata->rebalance_timeout_ms, 60000);
    const struct consumer_group_metadata_record *epoch = record_at(&office, first + 3).value;
    const struct consumer_group_metadata_record *next = record_at(&office, first + 10).value;
    assert_int_equal(epoch->epoch, generation);
    assert_int_equal(next->epoch, generation + 1);
    assert_true(epoch->metadata_hash != 0 && epoch->metadata_hash == next->metadata_hash);
    const struct consumer_group_target_assignment_metadata_record *assigned =
        record_at(&office, first + 6).value;
    assert_int_equal(assigned->assignment_epoch, generation);
    assert_int_equal(assigned->assignment_timestamp, 0);
    const struct consumer_group_current_member_assignment_record *current =
        record_at(&office, first + 7).value;
    assert_int_equal(current->member_epoch, generation);
    assert_int_equal(current->previous_member_epoch, generation);
    assert_int_equal(current->state, MEMBER_STABLE);
    assert_int_equal(current->assigned_partitions[0].assignment_epochs[0], generation);
    assert_int_equal(kept()->classic_count, 2);
    end();
}

/* The members go on with what they have, are told to join again, give up what is the new one's, and
 * everything has one owner at any time. */
void test_upgrade__members_are_led_to_their_targets(void)
{
    begin_upgraded();
    assert_int_equal(client_count(&new_one), 0);
    elder_turn(&office, &old_one);
    assert_int_equal(old_one.heard, ERROR_REBALANCE_IN_PROGRESS);
    settle_all();
    check_each_has_one_owner();
    assert_int_equal(client_count(&new_one), 2);
    assert_int_equal(elder_count(&old_one), 2);
    assert_int_equal(old_one.generation, new_one.epoch);
    end();
}

void test_upgrade__cooperative_members_keep_what_stays_theirs(void)
{
    begin();
    old_one.is_cooperative = old_two.is_cooperative = true;
    form();
    bool had[CLIENT_TOPICS][CLIENT_PARTITIONS];
    memcpy(had, old_one.has, sizeof(had));
    client_join(&office, &new_one);
    elder_turn(&office, &old_one); /* is told */
    elder_turn(&office, &old_one); /* joins, and says what it has */
    elder_turn(&office, &old_one);
    assert_int_equal(member(old_one.id)->current.state, MEMBER_UNREVOKED);
    elder_turn(&office, &old_one); /* has synced */
    assert_true(old_one.must_join);
    assert_int_equal(elder_count(&old_one), 2);
    for (int topic = 0; topic < 2; topic++)
        for (int k = 0; k < 4; k++)
            assert_true(had[topic][k] || !old_one.has[topic][k]);
    client_beat(&office, &new_one); /* not before the other has said so */
    assert_int_equal(client_count(&new_one), 0);
    settle_all();
    check_each_has_one_owner();
    end();
}

void test_upgrade__a_group_that_is_joining_becomes_one(void)
{
    begin();
    elder_turn(&office, &old_one);
    elder_turn(&office, &old_one);
    elder_turn(&office, &old_one); /* waits for the initial delay */
    assert_false(old_one.joining->is_done);
    assert_string_equal(state_of(&office, "g"), "PreparingRebalance");
    client_join(&office, &new_one);
    assert_int_equal(client_count(&new_one), 3); /* of what nobody had yet */
    elder_turn(&office, &old_one);
    assert_int_equal(old_one.heard, ERROR_REBALANCE_IN_PROGRESS);
    for (int i = 0; i < 4; i++) {
        elder_turns(&office, &old_one);
        client_beat(&office, &new_one);
    }
    assert_int_equal(elder_count(&old_one), 3);
    assert_int_equal(client_count(&new_one), 3);
    end();
}

/* The leader has not assigned yet: the one that waits in SyncGroup is told, and what each had
 * before is what it has. */
void test_upgrade__a_group_that_is_completing_becomes_one(void)
{
    begin();
    old_one.is_cooperative = old_two.is_cooperative = true;
    form();
    old_one.subscription = old_two.subscription = "a"; /* so that it joins anew */
    elder_join(&office, &old_one);
    elder_join(&office, &old_two);
    struct elder *follower =
        str_equal(joined(old_one.joining)->leader, old_one.id) ? &old_two : &old_one;
    elder_turn(&office, follower);
    assert_false(follower->syncing->is_done);
    assert_string_equal(state_of(&office, "g"), "CompletingRebalance");
    new_one.subscription = "a";
    client_join(&office, &new_one);
    assert_int_equal(client_count(&new_one), 0);
    elder_turn(&office, follower);
    assert_int_equal(follower->heard, ERROR_REBALANCE_IN_PROGRESS);
    settle_all();
    assert_int_equal(elder_count(&old_one) + elder_count(&old_two) + client_count(&new_one), 4);
    end();
}

/* A rebalance that began anew has dropped the assignments: what the cooperative ones have is what
 * they said when they joined. */
void test_upgrade__what_members_own_is_not_given_away_while_they_join(void)
{
    begin();
    old_one.is_cooperative = old_two.is_cooperative = true;
    form();
    old_one.subscription = old_two.subscription = "a";
    elder_join(&office, &old_one);
    elder_join(&office, &old_two); /* completing */
    struct elder third = make_elder("a");
    elder_turn(&office, &third);
    elder_turn(&office, &third);
    elder_turn(&office, &third);
    assert_string_equal(state_of(&office, "g"), "PreparingRebalance");
    new_one.subscription = "a";
    client_join(&office, &new_one);
    assert_int_equal(client_count(&new_one), 0);
    assert_int_equal(elder_count(&old_one) + elder_count(&old_two), 6);
    end();
}

/* Its session has ended, and it does not know: what it had is another's. */
void test_upgrade__who_was_put_out_begins_anew(void)
{
    begin();
    old_one.is_cooperative = true;
    form();
    client_join(&office, &new_one);
    settle_all();
    assert_int_equal(leave(&office, "g", old_one.id, NULL), ERROR_NONE);
    assert_true(elder_count(&old_one) > 0);
    elder_join(&office, &old_one);
    elder_turn(&office, &old_one);
    assert_int_equal(old_one.heard, ERROR_UNKNOWN_MEMBER_ID);
    assert_int_equal(elder_count(&old_one), 0);
    settle_all();
    check_each_has_one_owner();
    end();
}

/* The answer that would tell it has not been read: a partition that nobody else was assigned is its
 * own until it joins without it. */
void test_upgrade__what_a_member_has_not_heard_of_it_still_has(void)
{
    begin();
    old_one.is_cooperative = old_two.is_cooperative = true;
    form();
    bool had[CLIENT_TOPICS][CLIENT_PARTITIONS];
    memcpy(had, old_one.has, sizeof(had));
    old_two.subscription = "a"; /* so that what is whose changes */
    elder_join(&office, &old_two);
    elder_join(&office, &old_one);
    for (int i = 0; i < 2; i++) { /* both sync, and old_one does not look at the answer */
        if (old_one.syncing == NULL)
            elder_turn(&office, &old_one);
        elder_turn(&office, &old_two);
    }
    assert_true(old_one.syncing->is_done);
    client_join(&office, &new_one);
    for (int topic = 0; topic < 2; topic++)
        for (int k = 0; k < 4; k++)
            assert_false(had[topic][k] && new_one.has[topic][k]);
    settle_all();
    end();
}

static void check_refused(void)
{
    int32_t first = office.count;
    assert_int_equal(try_to_upgrade(), ERROR_GROUP_ID_NOT_FOUND);
    assert_int_equal(office.count, first);
    assert_string_equal(office_group(&office, "g")->kind->type, "classic");
}

void test_upgrade__the_policy_may_forbid_it(void)
{
    begin();
    form();
    office.coordinator.settings.migration_policy = MIGRATION_DISABLED;
    check_refused();
    office.coordinator.settings.migration_policy = MIGRATION_DOWNGRADE;
    check_refused();
    office.coordinator.settings.migration_policy = MIGRATION_UPGRADE;
    assert_int_equal(try_to_upgrade(), ERROR_NONE);
    end();
}

void test_upgrade__only_members_join_a_group_that_is_there(void)
{
    begin();
    form();
    new_one.epoch = 3;
    check_refused();
    end();
}

void test_upgrade__a_group_may_be_too_large(void)
{
    begin();
    form();
    office.coordinator.settings.consumer_max_size = 1;
    check_refused();
    office.coordinator.settings.consumer_max_size = 2; /* no room for the new one */
    int32_t first = office.count;
    assert_int_equal(try_to_upgrade(), ERROR_GROUP_MAX_SIZE_REACHED);
    assert_int_equal(office.count, first);
    office.coordinator.settings.consumer_max_size = 3;
    assert_int_equal(try_to_upgrade(), ERROR_NONE);
    end();
}

/* A group of one, whose assignment is what the test says. */
static void form_one(struct wish wish, struct bytes assignment)
{
    struct str id = ask_id(&office, "g", wish);
    struct question *joins = join(&office, "g", id, wish);
    office_pass_time(&office, 3000);
    struct sync_group_request_assignment given = { .member_id = id, .assignment = assignment };
    struct question *syncs =
        sync_with(&office, "g", id, joined(joins)->generation_id, &given, 1, "range", NULL);
    assert_true(syncs->is_done);
}

static struct bytes assignment_blob(struct consumer_protocol_assignment_record assignment)
{
    return subscription_encode_assignment(3, &assignment, &office.arena);
}

/* A subscription, an assignment, or what an assignor gives besides. */
void test_upgrade__blobs_must_be_consumers(void)
{
    static uint8_t data[] = { 1, 2, 3 };
    static const struct wish reads = { .topics = { "apples" } }, unread = { .subscription = "?" };
    for (int i = 0; i < 3; i++) {
        begin();
        struct consumer_protocol_assignment_record empty = { 0 },
                                                   with_data = { .user_data = { data, 3 } };
        form_one(i == 0 ? unread : reads,
            i == 1 ? (struct bytes){ data, 3 } : assignment_blob(i == 2 ? with_data : empty));
        check_refused();
        end();
    }
}

void test_upgrade__other_protocol_types_stay_what_they_are(void)
{
    begin();
    struct wish wish = { .type = "connect", .topics = { "apples" } };
    struct str id = ask_id(&office, "g", wish);
    join(&office, "g", id, wish);
    office_pass_time(&office, 3000);
    check_refused();
    end();
}

/* What the leader assigned may name what is not there, and things twice. */
void test_upgrade__takes_what_there_is_of_an_assignment(void)
{
    begin();
    int32_t partitions[] = { 2, 0, 2, 9, -1 };
    struct consumer_protocol_assignment_record_topic_partition topics[] = {
        { .topic = STR("apples"), .partitions = partitions, .partitions_count = 5 },
        { .topic = STR("apples"), .partitions = partitions, .partitions_count = 1 },
        { .topic = STR("nowhere"), .partitions = partitions, .partitions_count = 1 },
        { .topic = STR("bananas"), .partitions = &partitions[3], .partitions_count = 1 },
    };
    form_one((struct wish){ .topics = { "apples" } },
        assignment_blob((struct consumer_protocol_assignment_record){
            .assigned_partitions = topics, .assigned_partitions_count = 4 }));
    client_join(&office, &new_one);
    const struct consumer_member *old = kept()->members;
    assert_non_null(old->classic);
    assert_int_equal(old->current.assigned.topic_count, 1);
    assert_int_equal(old->current.assigned.topics[0].count, 2);
    assert_int_equal(old->current.assigned.topics[0].partitions[0], 0);
    assert_int_equal(old->current.assigned.topics[0].partitions[1], 2);
    end();
}

void test_upgrade__nothing_has_two_owners(void)
{
    begin();
    const struct wish wish = { .topics = { "apples" } };
    struct str ids[2] = { ask_id(&office, "g", wish), ask_id(&office, "g", wish) };
    struct question *joins[2];
    for (int i = 0; i < 2; i++)
        joins[i] = join(&office, "g", ids[i], wish);
    office_pass_time(&office, 9000);
    int32_t partition = 1;
    struct consumer_protocol_assignment_record_topic_partition topic = {
        .topic = STR("apples"), .partitions = &partition, .partitions_count = 1
    };
    struct bytes both = assignment_blob((struct consumer_protocol_assignment_record){
        .assigned_partitions = &topic, .assigned_partitions_count = 1 });
    struct sync_group_request_assignment given[2] = { { .member_id = ids[0], .assignment = both },
        { .member_id = ids[1], .assignment = both } };
    sync_with(&office, "g", joined(joins[0])->leader, joined(joins[0])->generation_id, given, 2,
        "range", NULL);
    assert_string_equal(state_of(&office, "g"), "Stable");
    check_refused();
    end();
}

/* With the member that it is due to, and not as long as the log refuses it. */
void test_upgrade__is_told(void)
{
    begin();
    form();
    struct consumer_group_heartbeat_response response;
    office.refuses = true;
    message_defaults(&consumer_group_heartbeat_response_schema, &response);
    office_submit(&office, COORDINATOR_CONSUMER_GROUP_HEARTBEAT, 1, full_request(&office, &new_one),
        &response);
    office.refuses = false;
    assert_string_equal(office_told(&office), "nothing");
    client_join(&office, &new_one);
    assert_string_equal(
        office_told(&office), "g is consumer by new: a member of the consumer protocol joined");
    settle_all();
    assert_string_equal(office_told(&office), "nothing");
    end();
}

/* The classic group is as it was, and those that waited have heard of it. */
void test_upgrade__the_log_may_refuse_it(void)
{
    begin();
    form();
    elder_join(&office, &old_one);
    office.refuses = true;
    struct consumer_group_heartbeat_response response;
    message_defaults(&consumer_group_heartbeat_response_schema, &response);
    struct question *question = office_submit(&office, COORDINATOR_CONSUMER_GROUP_HEARTBEAT, 1,
        full_request(&office, &new_one), &response);
    assert_int_equal(question->error, ERROR_NOT_ENOUGH_REPLICAS);
    assert_string_equal(office_group(&office, "g")->kind->type, "classic");
    office.refuses = false;
    client_join(&office, &new_one);
    settle_all();
    check_each_has_one_owner();
    end();
}

void test_upgrade__an_empty_group_becomes_one_whatever_the_policy(void)
{
    begin();
    office.coordinator.settings.migration_policy = MIGRATION_DISABLED;
    struct str id = ask_id(&office, "g", (struct wish){ 0 });
    assert_int_equal(leave(&office, "g", id, NULL), ERROR_NONE);
    client_join(&office, &new_one);
    assert_int_equal(client_count(&new_one), 6);
    assert_string_equal(office_told(&office),
        "g is consumer by new: a member of the consumer protocol joined when it was empty");
    end();
}

static struct consumer_group_describe_described_group describe_consumers(void)
{
    struct str id = STR("g");
    struct consumer_group_describe_described_group told = { 0 };
    office_ask(&office, COORDINATOR_CONSUMER_GROUP_DESCRIBE, 1, &id, &told);
    return told;
}

void test_upgrade__a_mixed_group_is_described_as_such(void)
{
    begin_upgraded();
    settle_all();
    struct consumer_group_describe_described_group told = describe_consumers();
    int classic = 0;
    assert_int_equal(told.members_count, 3);
    for (int i = 0; i < 3; i++) {
        bool is_new = str_is(told.members[i].member_id, "new");
        assert_int_equal(told.members[i].member_type, is_new ? 1 : 0);
        classic += told.members[i].member_type == 0;
    }
    assert_int_equal(classic, 2);
    assert_true(is_state(&office, "g", "Dead"));
    end();
}

/* After a failover: by the classic session of each, and with what they have. */
void test_upgrade__a_mixed_group_is_loaded(void)
{
    begin();
    old_one.session_ms = 6000;
    form();
    client_join(&office, &new_one);
    settle_all();
    office_load_again(&office);
    client_beat(&office, &new_one);
    elder_turn(&office, &old_one);
    assert_int_equal(old_one.heard, ERROR_NONE);
    elder_turn(&office, &old_two);
    office_pass_time(&office, 6001);
    assert_null(member(old_one.id));
    assert_non_null(member(old_two.id));
    end();
}

/* By a coordinator that has decided nothing yet, or whose last decision was a JoinGroup. */
void test_upgrade__a_load_puts_nobody_out(void)
{
    for (int i = 0; i < 2; i++) {
        begin_upgraded();
        settle_all();
        rsm_lose(&office.rsm);
        office_forget(&office);
        if (i == 1)
            office.coordinator.new_sync_end_ms = office.steady_ms;
        rsm_gain(&office.rsm, &office.log, office.count);
        for (int32_t k = 0; k < office.count; k++)
            assert_true(coordinator_replay(&office.coordinator, k, office.records[k], -1));
        office_begin(&office);
        office_pass_time(&office, 9999);
        assert_int_equal(kept()->classic_count, 2);
        end();
    }
}

/* By an instance of the consumer protocol, which has another id. */
void test_upgrade__a_static_member_comes_back_with_the_new_protocol(void)
{
    begin();
    old_one.instance = "i";
    form();
    bool had[CLIENT_TOPICS][CLIENT_PARTITIONS];
    memcpy(had, old_one.has, sizeof(had));
    new_one.instance = "i";
    int32_t first = office.count;
    client_join(&office, &new_one);
    assert_string_equal(types_since(&office, first), "-2 5 5 3 7 7 6 8 8 -8 -7 -5 5 7 8 5 8");
    const struct consumer_group_member_metadata_record *copied =
        record_at(&office, first + 12).value;
    assert_non_null(copied->classic_member_metadata);
    assert_memory_equal(had, new_one.has, sizeof(had));
    assert_int_equal(kept()->classic_count, 1);
    struct str id = old_one.id;
    assert_int_equal(
        heartbeat(&office, "g", id, old_one.generation, "i"), ERROR_FENCED_INSTANCE_ID);
    elder_turn(&office, &old_two);
    assert_int_equal(old_two.heard, ERROR_NONE);
    end();
}

/* It says nothing new, but the leader has not seen that a topic grew, or others were joining. */
void test_upgrade__a_static_member_does_not_hide_what_nobody_has(void)
{
    for (int i = 0; i < 2; i++) {
        begin();
        old_one.instance = new_one.instance = "i";
        form();
        if (i == 0)
            office_add_topic(&office, "apples", 1);
        else
            elder_join(&office, &old_two);
        client_join(&office, &new_one);
        for (int round = 0; round < 6; round++) {
            client_beat(&office, &new_one);
            elder_turns(&office, &old_two);
        }
        assert_int_equal(client_count(&new_one) + elder_count(&old_two), i == 0 ? 7 : 6);
        end();
    }
}

/* Of a group of both, for the tests of errors. */
struct asking {
    struct str id;
    int32_t generation;
    const char *instance;
    enum error heartbeat, sync;
};

void test_upgrade__every_wrong_question_is_refused(void)
{
    begin();
    old_one.instance = "i";
    form();
    client_join(&office, &new_one);
    settle_all();
    int32_t now = old_one.generation;
    const struct asking asked[] = {
        { old_two.id, now, NULL, ERROR_NONE, ERROR_NONE },
        { old_one.id, now, "i", ERROR_NONE, ERROR_NONE },
        { old_one.id, now, NULL, ERROR_NONE, ERROR_NONE },
        { old_two.id, now - 1, NULL, ERROR_ILLEGAL_GENERATION, ERROR_ILLEGAL_GENERATION },
        { old_two.id, now + 1, NULL, ERROR_ILLEGAL_GENERATION, ERROR_ILLEGAL_GENERATION },
        { old_two.id, -1, NULL, ERROR_ILLEGAL_GENERATION, ERROR_ILLEGAL_GENERATION },
        { STR("nobody"), now, NULL, ERROR_UNKNOWN_MEMBER_ID, ERROR_UNKNOWN_MEMBER_ID },
        { STR(""), now, NULL, ERROR_UNKNOWN_MEMBER_ID, ERROR_UNKNOWN_MEMBER_ID },
        { STR("new"), now, NULL, ERROR_UNKNOWN_MEMBER_ID, ERROR_UNKNOWN_MEMBER_ID },
        { old_two.id, now, "i", ERROR_FENCED_INSTANCE_ID, ERROR_FENCED_INSTANCE_ID },
        { old_one.id, now, "k", ERROR_UNKNOWN_MEMBER_ID, ERROR_UNKNOWN_MEMBER_ID },
    };
    for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++) {
        const struct asking *ask = &asked[i];
        assert_int_equal(
            heartbeat(&office, "g", ask->id, ask->generation, ask->instance), ask->heartbeat);
        assert_int_equal(sync_error(sync_with(&office, "g", ask->id, ask->generation, NULL, 0,
                             "range", ask->instance)),
            ask->sync);
    }
    assert_int_equal(sync_error(sync_with(&office, "g", old_two.id, now, NULL, 0, "sticky", NULL)),
        ERROR_INCONSISTENT_GROUP_PROTOCOL);
    end();
}

static enum error join_as(struct wish wish, struct str id)
{
    return join_error(join(&office, "g", id, wish));
}

void test_upgrade__every_wrong_join_is_refused(void)
{
    begin();
    old_one.instance = "i";
    form();
    client_join(&office, &new_one);
    settle_all();
    const struct wish reads = { .topics = { "apples" } };
    struct wish other = reads, unread = { .subscription = "?" }, typed = reads, named = reads;
    other.protocols[0] = "sticky";
    typed.type = "connect";
    assert_int_equal(join_as(other, STR("x")), ERROR_INCONSISTENT_GROUP_PROTOCOL);
    assert_int_equal(join_as(typed, STR("x")), ERROR_INCONSISTENT_GROUP_PROTOCOL);
    assert_int_equal(join_as(unread, STR("x")), ERROR_INCONSISTENT_GROUP_PROTOCOL);
    assert_int_equal(join_as(reads, STR("")), ERROR_MEMBER_ID_REQUIRED);
    named.instance = "k";
    assert_int_equal(join_as(named, STR("x")), ERROR_UNKNOWN_MEMBER_ID);
    named.instance = "i";
    assert_int_equal(join_as(named, STR("x")), ERROR_FENCED_INSTANCE_ID);
    office.coordinator.settings.consumer_max_size = 3;
    assert_int_equal(join_as(reads, STR("x")), ERROR_GROUP_MAX_SIZE_REACHED);
    office.coordinator.settings.migration_policy = MIGRATION_DISABLED;
    assert_int_equal(join_as(reads, STR("x")), ERROR_INCONSISTENT_GROUP_PROTOCOL);
    assert_int_equal(consumer_group_size(office_group(&office, "g")), 3);
    end();
}

/* Whatever protocols it has: nobody else has any. */
void test_upgrade__a_classic_member_joins_a_consumer_group(void)
{
    begin();
    client_join(&office, &new_one);
    int32_t first = office.count;
    elder_turn(&office, &old_one);
    assert_int_equal(joined(old_one.joining)->error_code, ERROR_MEMBER_ID_REQUIRED);
    assert_int_equal(office.count, first);
    elder_turn(&office, &old_one);
    elder_turn(&office, &old_one);
    assert_string_equal(types_since(&office, first), "5 3 7 7 6 8");
    const struct join_group_response *told = joined(old_one.joining);
    assert_int_equal(told->generation_id, new_one.epoch + 1);
    assert_true(str_is(told->protocol_name, "range") && str_is(told->leader, ""));
    assert_int_equal(told->members_count, 0);
    for (int i = 0; i < 4; i++) {
        client_beat(&office, &new_one);
        elder_turns(&office, &old_one);
    }
    assert_int_equal(elder_count(&old_one), 3);
    end();
}

/* However many protocols they name, of which only the last is another's. */
void test_upgrade__many_protocols_take_a_moment(void)
{
    struct wish wish = { .topics = { "apples" }, .own_protocols = 200000 };
    begin();
    client_join(&office, &new_one);
    for (int i = 0; i < 3; i++) {
        wish.instance = arena_format(&office.arena, "%d", i);
        assert_int_equal(join_as(wish, STR("")), ERROR_NONE);
    }
    wish.instance = "stranger";
    wish.no_protocols = true;
    assert_int_equal(join_as(wish, STR("")), ERROR_INCONSISTENT_GROUP_PROTOCOL);
    assert_int_equal(consumer_group_size(office_group(&office, "g")), 4);
    end();
}

void test_upgrade__earlier_versions_join_at_once(void)
{
    begin();
    client_join(&office, &new_one);
    struct question *question =
        join(&office, "g", STR(""), (struct wish){ .topics = { "apples" }, .version = -1 });
    assert_int_equal(join_error(question), ERROR_NONE);
    const struct consumer_member *old = member(joined(question)->member_id);
    assert_non_null(old->classic);
    assert_int_equal(old->rebalance_timeout_ms, 10000); /* version 0 knows the session's alone */
    end();
}

/* A member that was told to has its rebalance timeout to join, from the first time. */
void test_upgrade__who_does_not_join_again_is_put_out(void)
{
    begin();
    old_one.rebalance_ms = 20000;
    form();
    client_join(&office, &new_one);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(heartbeat(&office, "g", old_one.id, old_one.generation, NULL),
            ERROR_REBALANCE_IN_PROGRESS);
        elder_turns(&office, &old_two);
        client_beat(&office, &new_one);
        office_pass_time(&office, 999);
    }
    assert_non_null(member(old_one.id));
    office_pass_time(&office, 20);
    assert_null(member(old_one.id));
    assert_non_null(member(old_two.id));
    end();
}

void test_upgrade__who_does_not_sync_is_put_out(void)
{
    begin();
    old_one.rebalance_ms = 8000;
    form();
    client_join(&office, &new_one);
    elder_join(&office, &old_one);
    assert_int_equal(joined(old_one.joining)->error_code, ERROR_NONE);
    office_pass_time(&office, 7999);
    assert_non_null(member(old_one.id));
    office_pass_time(&office, 1);
    assert_null(member(old_one.id));
    end();
}

/* A member that is new has no record to hang its deadlines on until it is in the log. */
void test_upgrade__a_new_one_must_sync_too(void)
{
    begin();
    client_join(&office, &new_one);
    old_one.rebalance_ms = 8000;
    elder_turn(&office, &old_one);
    elder_turn(&office, &old_one);
    elder_turn(&office, &old_one);
    struct str id = joined(old_one.joining)->member_id;
    assert_non_null(member(id));
    office_pass_time(&office, 8000);
    assert_null(member(id));
    end();
}

void test_upgrade__sessions_are_the_members_own(void)
{
    begin();
    old_one.session_ms = 6000;
    form();
    elder_turn(&office, &old_one);
    elder_turn(&office, &old_two);
    client_join(&office, &new_one);
    office_pass_time(&office, 5999);
    assert_non_null(member(old_one.id));
    office_pass_time(&office, 1);
    assert_null(member(old_one.id));
    assert_non_null(member(old_two.id));
    office_pass_time(&office, 4000);
    assert_null(member(old_two.id));
    end();
}

void test_upgrade__offsets_are_committed_with_a_generation(void)
{
    begin_upgraded();
    office_add_topic(&office, "orders", 1);
    settle_all();
    int32_t now = old_one.generation;
    assert_int_equal(commit(&office, "g", old_one.id, now, NULL), ERROR_NONE);
    assert_int_equal(commit(&office, "g", old_one.id, now + 1, NULL), ERROR_ILLEGAL_GENERATION);
    assert_int_equal(commit(&office, "g", old_one.id, now - 1, NULL), ERROR_ILLEGAL_GENERATION);
    assert_int_equal(commit(&office, "g", STR("nobody"), now, NULL), ERROR_UNKNOWN_MEMBER_ID);
    end();
}

/* Nobody of the consumer protocol is left, but the group may not go back: its members see to it. */
void test_upgrade__classic_members_alone_rebalance(void)
{
    begin();
    office.coordinator.settings.migration_policy = MIGRATION_UPGRADE;
    form();
    client_join(&office, &new_one);
    settle_all();
    assert_int_equal(client_leave(&office, &new_one, LEFT), ERROR_NONE);
    assert_string_equal(state_of(&office, "g"), "Assigning");
    for (int i = 0; i < 3; i++) {
        elder_turns(&office, &old_one);
        elder_turns(&office, &old_two);
    }
    assert_int_equal(elder_count(&old_one) + elder_count(&old_two), 6);
    office_add_topic(&office, "apples", 1);
    for (int i = 0; i < 3; i++) {
        elder_turns(&office, &old_one);
        elder_turns(&office, &old_two);
    }
    assert_int_equal(elder_count(&old_one) + elder_count(&old_two), 7);
    assert_int_equal(leave(&office, "g", old_one.id, NULL), ERROR_NONE);
    elder_turns(&office, &old_two);
    assert_int_equal(elder_count(&old_two), 7);
    end();
}

/* The same id, another protocol. */
void test_upgrade__a_member_may_change_its_protocol(void)
{
    begin_upgraded();
    settle_all();
    const char *id = arena_format(&office.arena, "%.*s", STR_PRINT(old_one.id));
    struct client changed = { .group = "g", .id = id, .subscription = "ab" };
    client_join(&office, &changed);
    assert_null(member(old_one.id)->classic);
    assert_int_equal(kept()->classic_count, 1);
    assert_int_equal(
        join_as((struct wish){ .topics = { "apples", "bananas" } }, old_one.id), ERROR_NONE);
    assert_non_null(member(old_one.id)->classic);
    assert_true(heap_has(&member(old_one.id)->classic->sync.entry));
    end();
}
