/* SPDX-License-Identifier: Apache-2.0 */
/* Every request in every state: which error it gets. */
#include "classic.h"

enum place { NONE, SIMPLE, EMPTY, PREPARING, COMPLETING, STABLE, PLACES };
static const char *const place_names[PLACES] = { "none", "simple", "empty", "preparing",
    "completing", "stable" };

static struct office office;

/* The group "g" has a dynamic member, which leads, and a static one, "one". */
static struct scene {
    struct str member, fixed;
    int32_t generation;
} scene;

static void form(enum place place)
{
    scene.member = ask_id(&office, "g", (struct wish){ 0 });
    struct question *dynamic = join(&office, "g", scene.member, (struct wish){ 0 });
    struct question *fixed =
        place == EMPTY ? NULL : join(&office, "g", STR(""), (struct wish){ .instance = "one" });
    office_pass_time(&office, 6000);
    scene.generation = joined(dynamic)->generation_id;
    if (place == EMPTY) {
        assert_int_equal(leave(&office, "g", scene.member, NULL), ERROR_NONE);
        return;
    }
    scene.fixed = joined(fixed)->member_id;
    if (place == COMPLETING)
        return;
    assert_int_equal(sync_error(sync_as_leader(&office, "g", joined(dynamic), 1)), ERROR_NONE);
    if (place == PREPARING)
        join(&office, "g", STR(""), (struct wish){ .version = 3 });
}

static void arrange(enum place place)
{
    static const char *const states[PLACES] = { "Dead", "Empty", "Empty", "PreparingRebalance",
        "CompletingRebalance", "Stable" };
    office_init(&office);
    office_add_topic(&office, "orders", 3);
    scene = (struct scene){
        .member = STR("client-of-old"), .fixed = STR("one-of-old"), .generation = 1
    };
    if (place == SIMPLE)
        assert_int_equal(commit(&office, "g", STR(""), -1, NULL), ERROR_NONE);
    if (place >= EMPTY)
        form(place);
    assert_true(is_state(&office, "g", states[place]));
}

static enum error join_as(struct str id, struct wish wish)
{
    return join_error(join(&office, "g", id, wish));
}
static enum error join_new(void)
{
    return join_as(STR(""), (struct wish){ 0 });
}
static enum error join_stranger(void)
{
    return join_as(STR("stranger"), (struct wish){ 0 });
}
static enum error join_other_type(void)
{
    return join_as(STR(""), (struct wish){ .type = "connect" });
}
static enum error join_other_type_as_member(void)
{
    return join_as(scene.member, (struct wish){ .type = "connect" });
}
static enum error join_other_protocol(void)
{
    return join_as(STR(""), (struct wish){ .protocols = { "sticky" } });
}
static enum error join_no_protocol(void)
{
    return join_as(STR(""), (struct wish){ .no_protocols = true });
}
static enum error join_no_type(void)
{
    return join_as(STR(""), (struct wish){ .type = "" });
}
static enum error join_fenced(void)
{
    return join_as(scene.member, (struct wish){ .instance = "one" });
}
static enum error join_unknown_instance(void)
{
    return join_as(scene.member, (struct wish){ .instance = "two" });
}
static enum error join_short_session(void)
{
    return join_as(STR(""), (struct wish){ .session_ms = 5999 });
}
static enum error join_long_session(void)
{
    return join_as(STR(""), (struct wish){ .session_ms = 1800001 });
}
static enum error join_no_group(void)
{
    return join_error(join(&office, "", STR(""), (struct wish){ 0 }));
}

static enum error sync_as(
    struct str id, int32_t generation, const char *protocol, const char *instance)
{
    return sync_error(sync_with(&office, "g", id, generation, NULL, 0, protocol, instance));
}
static enum error sync_member(void)
{
    return sync_as(scene.member, scene.generation, "range", NULL);
}
static enum error sync_old_generation(void)
{
    return sync_as(scene.member, scene.generation - 1, "range", NULL);
}
static enum error sync_stranger(void)
{
    return sync_as(STR("stranger"), scene.generation, "range", NULL);
}
static enum error sync_other_protocol(void)
{
    return sync_as(scene.member, scene.generation, "sticky", NULL);
}
static enum error sync_no_protocol(void)
{
    return sync_as(scene.member, scene.generation, NULL, NULL);
}
static enum error sync_fenced(void)
{
    return sync_as(scene.member, scene.generation, "range", "one");
}
static enum error sync_no_group(void)
{
    return sync_error(sync_with(&office, "", scene.member, 1, NULL, 0, "range", NULL));
}

static enum error heartbeat_as(struct str id, int32_t generation, const char *instance)
{
    return heartbeat(&office, "g", id, generation, instance);
}
static enum error heartbeat_member(void)
{
    return heartbeat_as(scene.member, scene.generation, NULL);
}
static enum error heartbeat_static(void)
{
    return heartbeat_as(scene.fixed, scene.generation, "one");
}
static enum error heartbeat_old_generation(void)
{
    return heartbeat_as(scene.member, scene.generation - 1, NULL);
}
static enum error heartbeat_stranger(void)
{
    return heartbeat_as(STR("stranger"), scene.generation, NULL);
}
static enum error heartbeat_fenced(void)
{
    return heartbeat_as(scene.member, scene.generation, "one");
}
static enum error heartbeat_no_group(void)
{
    return heartbeat(&office, "", scene.member, 1, NULL);
}

static enum error leave_member(void)
{
    return leave(&office, "g", scene.member, NULL);
}
static enum error leave_static(void)
{
    return leave(&office, "g", STR(""), "one");
}
static enum error leave_stranger(void)
{
    return leave(&office, "g", STR("stranger"), NULL);
}
static enum error leave_nobody(void)
{
    return leave(&office, "g", STR(""), NULL);
}
static enum error leave_fenced(void)
{
    return leave(&office, "g", scene.member, "one");
}

static enum error commit_member(void)
{
    return commit(&office, "g", scene.member, scene.generation, NULL);
}
static enum error commit_old_generation(void)
{
    return commit(&office, "g", scene.member, scene.generation - 1, NULL);
}
static enum error commit_stranger(void)
{
    return commit(&office, "g", STR("stranger"), scene.generation, NULL);
}
static enum error commit_fenced(void)
{
    return commit(&office, "g", scene.member, scene.generation, "one");
}
static enum error commit_admin(void)
{
    return commit(&office, "g", STR(""), -1, NULL);
}
static enum error commit_without_generation(void)
{
    return commit(&office, "g", scene.member, -1, NULL);
}

static enum error fetch_offsets(void)
{
    struct offset_fetch_request_group request = {
        .group_id = STR("g"), .member_epoch = -1, .topics_count = -1
    };
    struct offset_fetch_response_group response = { 0 };
    office_ask(&office, COORDINATOR_OFFSET_FETCH, 8, &request, &response);
    return (enum error)response.error_code;
}
static enum error delete_offsets(void)
{
    struct offset_delete_request request = { .group_id = STR("g") };
    struct offset_delete_response response = { 0 };
    office_ask(&office, COORDINATOR_OFFSET_DELETE, 0, &request, &response);
    return (enum error)response.error_code;
}
static enum error delete_whole(void)
{
    return delete_group(&office, "g");
}
static enum error describe_it(void)
{
    return (enum error)describe(&office, "g", 6).error_code;
}
static enum error describe_as_before(void)
{
    return (enum error)describe(&office, "g", 5).error_code;
}

#define ALL(error)                                                                                 \
    {                                                                                              \
        error, error, error, error, error, error                                                   \
    }
#define UNKNOWN ERROR_UNKNOWN_MEMBER_ID
/* Without members; with some. */
#define SPLIT(without, with)                                                                       \
    {                                                                                              \
        without, without, without, with, with, with                                                \
    }

static const struct row {
    const char *name;
    enum error (*ask)(void);
    enum error expected[PLACES];
} rows[] = {
    { "join: new", join_new, ALL(ERROR_MEMBER_ID_REQUIRED) },
    { "join: stranger", join_stranger, ALL(UNKNOWN) },
    { "join: other type", join_other_type,
        SPLIT(ERROR_MEMBER_ID_REQUIRED, ERROR_INCONSISTENT_GROUP_PROTOCOL) },
    { "join: member of another type", join_other_type_as_member,
        SPLIT(UNKNOWN, ERROR_INCONSISTENT_GROUP_PROTOCOL) },
    { "join: other protocol", join_other_protocol,
        SPLIT(ERROR_MEMBER_ID_REQUIRED, ERROR_INCONSISTENT_GROUP_PROTOCOL) },
    { "join: no protocol", join_no_protocol, ALL(ERROR_INCONSISTENT_GROUP_PROTOCOL) },
    { "join: no type", join_no_type, ALL(ERROR_INCONSISTENT_GROUP_PROTOCOL) },
    { "join: fenced", join_fenced, SPLIT(UNKNOWN, ERROR_FENCED_INSTANCE_ID) },
    { "join: unknown instance", join_unknown_instance, ALL(UNKNOWN) },
    { "join: short session", join_short_session, ALL(ERROR_INVALID_SESSION_TIMEOUT) },
    { "join: long session", join_long_session, ALL(ERROR_INVALID_SESSION_TIMEOUT) },
    { "join: no group", join_no_group, ALL(ERROR_INVALID_GROUP_ID) },
    { "sync: member", sync_member,
        { UNKNOWN, UNKNOWN, UNKNOWN, ERROR_REBALANCE_IN_PROGRESS, ERROR_NONE, ERROR_NONE } },
    { "sync: old generation", sync_old_generation, SPLIT(UNKNOWN, ERROR_ILLEGAL_GENERATION) },
    { "sync: stranger", sync_stranger, ALL(UNKNOWN) },
    { "sync: other protocol", sync_other_protocol,
        SPLIT(UNKNOWN, ERROR_INCONSISTENT_GROUP_PROTOCOL) },
    { "sync: no protocol", sync_no_protocol, ALL(ERROR_INCONSISTENT_GROUP_PROTOCOL) },
    { "sync: fenced", sync_fenced, SPLIT(UNKNOWN, ERROR_FENCED_INSTANCE_ID) },
    { "sync: no group", sync_no_group, ALL(ERROR_INVALID_GROUP_ID) },
    { "heartbeat: member", heartbeat_member,
        { UNKNOWN, UNKNOWN, UNKNOWN, ERROR_REBALANCE_IN_PROGRESS, ERROR_NONE, ERROR_NONE } },
    { "heartbeat: static", heartbeat_static,
        { UNKNOWN, UNKNOWN, UNKNOWN, ERROR_REBALANCE_IN_PROGRESS, ERROR_NONE, ERROR_NONE } },
    { "heartbeat: old generation", heartbeat_old_generation,
        SPLIT(UNKNOWN, ERROR_ILLEGAL_GENERATION) },
    { "heartbeat: stranger", heartbeat_stranger, ALL(UNKNOWN) },
    { "heartbeat: fenced", heartbeat_fenced, SPLIT(UNKNOWN, ERROR_FENCED_INSTANCE_ID) },
    { "heartbeat: no group", heartbeat_no_group, ALL(ERROR_INVALID_GROUP_ID) },
    { "leave: member", leave_member, SPLIT(UNKNOWN, ERROR_NONE) },
    { "leave: static", leave_static, SPLIT(UNKNOWN, ERROR_NONE) },
    { "leave: stranger", leave_stranger, ALL(UNKNOWN) },
    { "leave: nobody", leave_nobody, ALL(UNKNOWN) },
    { "leave: fenced", leave_fenced, SPLIT(UNKNOWN, ERROR_FENCED_INSTANCE_ID) },
    { "commit: member", commit_member,
        { ERROR_GROUP_ID_NOT_FOUND, UNKNOWN, UNKNOWN, ERROR_NONE, ERROR_REBALANCE_IN_PROGRESS,
            ERROR_NONE } },
    { "commit: old generation", commit_old_generation,
        { ERROR_GROUP_ID_NOT_FOUND, UNKNOWN, UNKNOWN, ERROR_ILLEGAL_GENERATION,
            ERROR_ILLEGAL_GENERATION, ERROR_ILLEGAL_GENERATION } },
    { "commit: stranger", commit_stranger,
        { ERROR_GROUP_ID_NOT_FOUND, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN } },
    { "commit: fenced", commit_fenced,
        { ERROR_GROUP_ID_NOT_FOUND, UNKNOWN, UNKNOWN, ERROR_FENCED_INSTANCE_ID,
            ERROR_FENCED_INSTANCE_ID, ERROR_FENCED_INSTANCE_ID } },
    { "commit: administrator", commit_admin, SPLIT(ERROR_NONE, UNKNOWN) },
    { "commit: without generation", commit_without_generation,
        SPLIT(ERROR_NONE, ERROR_ILLEGAL_GENERATION) },
    { "fetch", fetch_offsets, ALL(ERROR_NONE) },
    { "delete offsets", delete_offsets,
        { ERROR_GROUP_ID_NOT_FOUND, ERROR_NONE, ERROR_NONE, ERROR_NONE, ERROR_NONE, ERROR_NONE } },
    { "delete", delete_whole,
        { ERROR_GROUP_ID_NOT_FOUND, ERROR_NONE, ERROR_NONE, ERROR_NON_EMPTY_GROUP,
            ERROR_NON_EMPTY_GROUP, ERROR_NON_EMPTY_GROUP } },
    { "describe", describe_it,
        { ERROR_GROUP_ID_NOT_FOUND, ERROR_NONE, ERROR_NONE, ERROR_NONE, ERROR_NONE, ERROR_NONE } },
    { "describe, before version 6", describe_as_before, ALL(ERROR_NONE) },
};

void test_classic_table__every_request_in_every_state(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (enum place place = NONE; place < PLACES; place++) {
            arrange(place);
            enum error error = rows[i].ask();
            if (error != rows[i].expected[place])
                fail_msg("%s in %s: %d, not %d", rows[i].name, place_names[place], (int)error,
                    (int)rows[i].expected[place]);
            office_check_replay(&office);
            office_deinit(&office);
        }
}

/* Offsets of groups that do not say what they subscribe to. */
void test_classic_table__offsets_of_other_types_are_kept_while_there_are_members(void)
{
    office_init(&office);
    struct wish wish = { .type = "connect", .version = 3 };
    struct question *question = join(&office, "g", STR(""), wish);
    assert_int_equal(delete_offsets(), ERROR_NON_EMPTY_GROUP);
    office_pass_time(&office, 3000);
    assert_int_equal(leave(&office, "g", joined(question)->member_id, NULL), ERROR_NONE);
    assert_int_equal(delete_offsets(), ERROR_NONE);
    office_deinit(&office);
}

/* What a client is told besides the error. */
void test_classic_table__a_refused_join_tells_no_generation(void)
{
    arrange(STABLE);
    const struct join_group_response *told =
        joined(join(&office, "g", STR("stranger"), (struct wish){ 0 }));
    assert_int_equal(told->generation_id, -1);
    assert_true(str_is(told->member_id, "stranger"));
    assert_true(str_is_null(told->protocol_name) && str_is_null(told->protocol_type));
    assert_int_equal(told->members_count, 0);
    struct describe_groups_described_group dead = describe(&office, "nothing", 6);
    assert_true(str_is(dead.group_state, "Dead"));
    assert_true(str_is(dead.error_message, "Group nothing not found."));
    assert_true(str_is_null(describe(&office, "nothing", 5).error_message));
    office_deinit(&office);
}
