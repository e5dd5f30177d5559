/* SPDX-License-Identifier: Apache-2.0 */
/* What a coordinator of very many groups does in pieces, so that no pass is long. */
#include "coordinator/group_consumer_state.h"
#include "coordinator/offsets.h"
#include "coordinator/record.h"
#include "office.h"
#include "wire/gen/group_metadata_record.h"
#include "wire/gen/leave_group.h"
#include "wire/gen/remove_topic_record.h"

static struct office office;

static struct str name_of(int32_t number)
{
    return str_from(arena_format(&office.arena, "group-%d", number));
}

static void replay(const struct rsm_decision *records)
{
    for (int32_t i = 0; i < records->record_count; i++)
        assert_true(coordinator_replay(&office.coordinator, i, records->records[i], -1));
}

static void commit(int32_t group, const char *topic, int32_t partitions)
{
    struct rsm_decision records = { .arena = &office.arena };
    for (int32_t i = 0; i < partitions; i++) {
        struct committed_offset offset = {
            .partition = i, .offset = 7 * i, .commit_ms = office.wall_ms, .expire_ms = -1
        };
        offset_record(&records, name_of(group), str_from(topic), &offset);
    }
    replay(&records);
}

/* Each with so many committed offsets. */
static void make_simple_groups(int32_t first, int32_t count, int32_t offsets)
{
    for (int32_t i = first; i < first + count; i++)
        commit(i, "orders", offsets);
}

/* Each with so many classic members, one or none. */
static void make_classic_groups(int32_t first, int32_t count, int32_t members)
{
    struct rsm_decision records = { .arena = &office.arena };
    for (int32_t i = first; i < first + count; i++) {
        struct group_metadata_record_member_metadata member = { .member_id = STR("m"),
            .client_id = STR("c"),
            .client_host = STR("/h"),
            .rebalance_timeout = 30000,
            .session_timeout = 10000 };
        struct group_metadata_record_key key = { .group = name_of(i) };
        struct group_metadata_record value = { .protocol_type = STR("consumer"),
            .generation = 1,
            .protocol = STR("range"),
            .leader = members == 0 ? (struct str){ 0 } : STR("m"),
            .current_state_timestamp = office.wall_ms,
            .members = &member,
            .members_count = members };
        const struct record_schema *schema =
            record_schema_find(RECORDS_CONSUMER_OFFSETS, GROUP_METADATA_RECORD_TYPE);
        rsm_decision_add(
            &records, coordinator_record_encode(&office.arena, schema, &key, 3, &value));
    }
    replay(&records);
}

/* What it had is gone for it at once, however much that is, and it can be filled again while the
 * rest of that is still being freed. */
void test_scale__a_coordinator_forgets_at_once(void)
{
    office_init(&office);
    make_simple_groups(0, 1500, 2);
    make_classic_groups(1500, 1000, 1);
    struct coordinator *all = coordinator_detach(&office.coordinator);
    assert_null(group_find(&office.coordinator, name_of(0)));
    assert_int_equal(coordinator_deadline(&office.coordinator), INT64_MAX);
    make_simple_groups(0, 1000, 1);
    assert_false(coordinator_free_some(all));
    assert_false(coordinator_free_some(all));
    assert_non_null(group_find(&office.coordinator, name_of(999)));
    make_classic_groups(500, 1000, 1);
    assert_true(coordinator_free_some(all));
    office_begin(&office);
    assert_int_equal(HASH_COUNT(office.coordinator.groups), 1500);
    assert_int_equal(office.coordinator.deadlines.count, 1000);
    office_deinit(&office);
}

/* Each member's session begins when all is loaded, those of some groups with each call. */
void test_scale__sessions_begin_in_pieces(void)
{
    int32_t calls = 0;
    office_init(&office);
    make_classic_groups(0, 1000, 1);
    make_simple_groups(1000, 500, 1);
    while (!coordinator_begin(&office.coordinator, office.steady_ms, NULL)) {
        calls++;
        office.steady_ms += 3;
    }
    assert_in_range(calls, 1, 10);
    assert_int_equal(office.coordinator.deadlines.count, 1000);
    assert_int_equal(coordinator_deadline(&office.coordinator), 1000 + 10000);
    office_pass_time(&office, 10000);
    assert_int_equal(office.coordinator.deadlines.count, 0);
    office_deinit(&office);
}

static bool ask_of_itself(enum coordinator_request_type type)
{
    int32_t before = office.count;
    struct question *question = office_submit(&office, type, 0, NULL, NULL);
    assert_in_range(office.count - before, 0, 1999);
    return question->request.has_more;
}

static int32_t ask_until_no_more(enum coordinator_request_type type)
{
    int32_t calls = 1;
    while (ask_of_itself(type))
        calls++;
    return calls;
}

static void begin_long_ago(void)
{
    office_init(&office);
    office.wall_ms -= (int64_t)8 * 24 * 3600 * 1000;
}

static void come_to_now(void)
{
    office.wall_ms += (int64_t)8 * 24 * 3600 * 1000;
}

/* Each call looks at some, and goes on where the last one stopped: behind many groups that stay are
 * some that go, and what is freed where a call stopped is no hindrance. */
void test_scale__old_offsets_are_looked_for_in_pieces(void)
{
    begin_long_ago();
    come_to_now();
    make_simple_groups(0, 4000, 2);
    office.wall_ms -= (int64_t)8 * 24 * 3600 * 1000;
    make_simple_groups(4000, 10, 2);
    come_to_now();
    assert_true(ask_of_itself(COORDINATOR_EXPIRE));
    struct group *next = office.coordinator.expiry.group;
    assert_non_null(next);
    int64_t *outer = memory_count_in(&office.coordinator.memory);
    group_free(next);
    memory_count_in(outer);
    assert_int_equal(HASH_COUNT(office.coordinator.groups), 4009);
    assert_in_range(ask_until_no_more(COORDINATOR_EXPIRE), 1, 10);
    assert_int_equal(HASH_COUNT(office.coordinator.groups), 3999);
    office_deinit(&office);
}

/* One group is looked at in pieces as well, and goes with the last of its offsets, of which no call
 * removes very many. */
void test_scale__a_large_group_ages_in_pieces(void)
{
    begin_long_ago();
    make_classic_groups(0, 1, 0);
    for (int i = 0; i < 6; i++)
        commit(0, arena_format(&office.arena, "topic-%d", i), 900);
    come_to_now();
    commit(1, "orders", 3);
    for (int i = 0; i < 30; i++)
        commit(1, arena_format(&office.arena, "topic-%d", i), 900);
    assert_in_range(ask_until_no_more(COORDINATOR_EXPIRE), 4, 10);
    assert_null(group_find(&office.coordinator, name_of(0)));
    assert_non_null(group_find(&office.coordinator, name_of(1)));
    office_deinit(&office);
}

static void delete_topic(const char *name)
{
    struct remove_topic_record record = {
        .topic_id = image_topic_by_name(cluster_image(&office.cluster), str_from(name))->id
    };
    cluster_apply(&office.cluster, &remove_topic_record_schema, 0, &record);
}

/* A topic that goes while offsets of others are looked for is looked for in all groups, also those
 * that were seen already. */
void test_scale__offsets_of_lost_topics_are_looked_for_in_pieces(void)
{
    office_init(&office);
    office_add_topic(&office, "orders", 3);
    office_add_topic(&office, "bills", 3);
    for (int32_t i = 0; i < 2000; i++) {
        commit(i, "orders", 2);
        commit(i, "bills", 1);
    }
    assert_true(ask_of_itself(COORDINATOR_TOPICS_DELETED));
    assert_int_equal(office.count, 0);
    delete_topic("orders");
    office.coordinator.has_lost_more = true;
    ask_until_no_more(COORDINATOR_TOPICS_DELETED);
    assert_int_equal(office.count, 4000);
    for (int32_t i = 0; i < 2000; i++) {
        const struct group *group = group_find(&office.coordinator, name_of(i));
        assert_null(offset_find(group, STR("orders"), 0));
        assert_non_null(offset_find(group, STR("bills"), 0));
    }
    office_deinit(&office);
}

/* Members of a consumer group, of which the log has no more than who they are. */
static void make_members(int32_t count, int32_t topics)
{
    struct rsm_decision records = { .arena = &office.arena };
    struct str *names = arena_take_array(&office.arena, (size_t)topics, sizeof(*names));
    for (int32_t i = 0; i < topics; i++)
        names[i] = str_from(arena_format(&office.arena, "topic-%d", i));
    for (int32_t i = 0; i < count; i++) {
        struct consumer_group_member_metadata_record metadata = { .client_id = STR("c"),
            .client_host = STR("/h"),
            .subscribed_topic_names = names,
            .subscribed_topic_names_count = topics,
            .subscribed_topic_regex = STR("x.*"),
            .rebalance_timeout_ms = 30000 };
        add_member_metadata(
            &records, (struct consumer_names){ STR("large"), name_of(i) }, &metadata);
    }
    add_group_epoch(&records, STR("large"), 7, 0);
    replay(&records);
}

/* Nor do all that are due leave in one decision, and the fewer the more topics they name; in the
 * end nobody is there. */
void test_scale__a_large_group_ends_in_pieces(void)
{
    office_init(&office);
    make_members(400, 90);
    office_begin(&office);
    office.steady_ms = coordinator_deadline(&office.coordinator);
    int32_t ticks = 0;
    while (coordinator_deadline(&office.coordinator) <= office.steady_ms + 5) {
        int32_t before = office.count;
        office_submit(&office, COORDINATOR_TICK, 0, NULL, NULL);
        assert_in_range(office.count - before, 0, 3 * 51 + 3);
        office.steady_ms++;
        ticks++;
    }
    assert_in_range(ticks, 8, 20);
    assert_int_equal(office.coordinator.consumer_members, 0);
    office_deinit(&office);
}

static struct question *delete_group(enum error *error)
{
    struct str id = name_of(0);
    return office_tell(
        &office, COORDINATOR_DELETE_GROUP, 2, arena_copy(&office.arena, &id, sizeof(id)), error);
}

static void go_on(struct question *question)
{
    int32_t before = office.count;
    rsm_submit(&office.rsm, &question->request.rsm);
    office_commit(&office);
    assert_in_range(office.count - before, 0, 1001);
}

/* Each is answered by the decision that came to it: also when all leave, and when the group is
 * another's by then. */
static void check_leaving(int32_t count, int32_t naming, bool is_deleted)
{
    struct leave_group_request request = { .group_id = STR("large"), .members_count = naming };
    struct leave_group_response response = { 0 };
    office_init(&office);
    make_members(count, 90);
    office_begin(&office);
    request.members = MESSAGE_TAKE(leave_group_member_identity, &office.arena, naming);
    for (int32_t i = 0; i < naming; i++)
        request.members[i].member_id = name_of(i);
    struct question *question =
        office_tell(&office, COORDINATOR_LEAVE_GROUP, 5, &request, &response);
    int32_t calls = 1, first = response.members_count;
    assert_in_range(first, 40, 60);
    assert_int_equal(office.coordinator.consumer_members, count - first);
    if (is_deleted) {
        int64_t *outer = memory_count_in(&office.coordinator.memory);
        group_end(group_find(&office.coordinator, STR("large")));
        memory_count_in(outer);
    }
    for (; question->request.has_more; calls++)
        go_on(question);
    assert_int_equal(response.members_count, naming);
    assert_in_range(calls, is_deleted ? 2 : naming / 60, naming / 40);
    for (int32_t i = 0; i < naming; i++) {
        bool is_found = i < (is_deleted ? first : count);
        assert_true(str_equal(response.members[i].member_id, name_of(i)));
        assert_int_equal(response.members[i].error_code,
            is_found ? ERROR_NONE : ERROR_UNKNOWN_MEMBER_ID);
    }
    assert_int_equal(
        office.coordinator.consumer_members, is_deleted || naming > count ? 0 : count - naming);
    office_deinit(&office);
}

void test_scale__members_are_put_out_in_pieces(void)
{
    check_leaving(400, 390, false);
    check_leaving(400, 403, false);
    check_leaving(400, 390, true);
}

/* It is gone at once for who joins it, and offsets that are committed while the old ones go, stay.
 */
void test_scale__a_large_group_is_deleted_in_pieces(void)
{
    enum error error = ERROR_UNKNOWN_SERVER_ERROR;
    int32_t calls = 1;
    office_init(&office);
    make_classic_groups(0, 1, 0);
    for (int i = 0; i < 4; i++)
        commit(0, arena_format(&office.arena, "topic-%d", i), 900);
    office.count = 3601; /* as the log of that */
    struct question *question = delete_group(&error);
    assert_int_equal(error, ERROR_NONE);
    assert_in_range(office.count, 3601 + 1000, 3601 + 1001);
    assert_true(question->request.has_more);
    assert_null(group_find(&office.coordinator, name_of(0))->kept);
    struct rsm_decision committed = { .arena = &office.arena };
    struct committed_offset offset = { .partition = 5, .offset = 1, .expire_ms = -1 };
    offset_record(&committed, name_of(0), STR("topic-0"), &offset);
    assert_true(coordinator_replay(&office.coordinator, office.count++, committed.records[0], -1));
    for (; question->request.has_more; calls++)
        go_on(question);
    assert_int_equal(calls, 4);
    assert_int_equal(error, ERROR_NONE);
    const struct group *group = group_find(&office.coordinator, name_of(0));
    assert_int_equal(HASH_COUNT(group->offsets), 1);
    assert_int_equal(group->offsets->count, 1);
    assert_int_equal(offset_find(group, STR("topic-0"), 5)->offset, 1);
    office_deinit(&office);
}

/* One that is small, and one that is gone by then. */
void test_scale__a_group_that_is_gone_is_deleted(void)
{
    enum error error = ERROR_NONE;
    office_init(&office);
    assert_false(delete_group(&error)->request.has_more);
    assert_int_equal(error, ERROR_GROUP_ID_NOT_FOUND);
    commit(0, "topic", 1000);
    office.count = 1000;
    struct question *question = delete_group(&error);
    assert_int_equal(error, ERROR_NONE);
    assert_null(group_find(&office.coordinator, name_of(0)));
    assert_false(question->request.has_more);
    office_deinit(&office);
}
