/* SPDX-License-Identifier: Apache-2.0 */
/* Members of a classic group that speak to an office. Each wishes what `struct wish` says; what it
 * subscribes to with a protocol is "protocol of id", what it is assigned is up to the leader. */
#pragma once
#include "coordinator/group.h"
#include "office.h"
#include "wire/encode.h"
#include "wire/gen/consumer_protocol_subscription_record.h"
#include "wire/gen/describe_groups.h"
#include "wire/gen/heartbeat.h"
#include "wire/gen/join_group.h"
#include "wire/gen/leave_group.h"
#include "wire/gen/list_groups.h"
#include "wire/gen/offset_commit.h"
#include "wire/gen/offset_delete.h"
#include "wire/gen/offset_fetch.h"
#include "wire/gen/sync_group.h"

/* What is left out is as most clients have it. */
struct wish {
    const char *instance;     /* NULL: dynamic */
    const char *type;         /* NULL: consumer */
    const char *protocols[3]; /* none: range */
    const char *subscription; /* NULL: "all" */
    const char *topics[3];    /* what a consumer would say in the place of that */
    int32_t own_protocols;    /* so many before those, that nobody else has */
    bool no_protocols;
    int32_t session_ms, rebalance_ms; /* 0: 10 s, 60 s */
    int16_t version;                  /* 0: 9; -1: 0 */
};

/* As consumers put it, in version 1. */
static inline struct bytes subscription_blob(struct office *office, const char *const topics[3])
{
    struct str names[3];
    struct consumer_protocol_subscription_record record = { .topics = names };
    const struct message_schema *schema = &consumer_protocol_subscription_record_schema;
    while (record.topics_count < 3 && topics[record.topics_count] != NULL) {
        names[record.topics_count] = str_from(topics[record.topics_count]);
        record.topics_count++;
    }
    size_t size = message_size(schema, 1, &record);
    uint8_t *blob = arena_take(&office->arena, 2 + size);
    store_i16(blob, 1);
    message_encode(schema, 1, &record, blob + 2, size, NULL);
    return (struct bytes){ blob, 2 + size };
}

static inline struct question *join(
    struct office *office, const char *group, struct str member_id, struct wish wish)
{
    struct join_group_request *request = arena_take(&office->arena, sizeof(*request));
    struct join_group_response *response = arena_take(&office->arena, sizeof(*response));
    int16_t version = wish.version == 0 ? 9 : wish.version < 0 ? 0 : wish.version;
    message_defaults(&join_group_request_schema, request);
    message_defaults(&join_group_response_schema, response);
    *request = (struct join_group_request){
        .requires_member_id = version >= 4,
        .skips_assignment = version >= 9,
        .group_id = str_from(group),
        .member_id = member_id,
        .group_instance_id = str_from(wish.instance),
        .protocol_type = wish.type == NULL ? STR("consumer") : str_from(wish.type),
        .session_timeout_ms = wish.session_ms == 0 ? 10000 : wish.session_ms,
        .rebalance_timeout_ms = version == 0             ? -1
                                : wish.rebalance_ms == 0 ? 60000
                                                         : wish.rebalance_ms,
        .protocols =
            MESSAGE_TAKE(join_group_request_protocol, &office->arena, 3 + wish.own_protocols),
    };
    if (wish.protocols[0] == NULL)
        wish.protocols[0] = "range";
    const char *subscription = wish.subscription == NULL ? "all" : wish.subscription;
    struct bytes metadata = wish.topics[0] != NULL ? subscription_blob(office, wish.topics)
                                                   : (struct bytes){ (const uint8_t *)subscription,
                                                         strlen(subscription) };
    for (int32_t i = 0; i < wish.own_protocols; i++)
        request->protocols[request->protocols_count++] = (struct join_group_request_protocol){
            str_from(arena_format(&office->arena, "%s %d", wish.instance, i)), metadata
        };
    for (int i = 0; i < 3 && wish.protocols[i] != NULL && !wish.no_protocols; i++)
        request->protocols[request->protocols_count++] =
            (struct join_group_request_protocol){ str_from(wish.protocols[i]), metadata };
    return office_submit(office, COORDINATOR_JOIN_GROUP, version, request, response);
}

/* Of a question that is answered. */
static inline const struct join_group_response *joined(const struct question *question)
{
    assert_true(question->is_done);
    return question->request.response;
}

static inline enum error join_error(const struct question *question)
{
    return (enum error)joined(question)->error_code;
}

/* The id that a new dynamic member is told, and joins with then. */
static inline struct str ask_id(struct office *office, const char *group, struct wish wish)
{
    struct question *question = join(office, group, STR(""), wish);
    assert_int_equal(join_error(question), ERROR_MEMBER_ID_REQUIRED);
    return joined(question)->member_id;
}

/* assignments: for `count` members; count -1: none given. */
static inline struct question *sync_with(struct office *office, const char *group,
    struct str member_id, int32_t generation, struct sync_group_request_assignment *assignments,
    int32_t count, const char *protocol, const char *instance)
{
    struct sync_group_request *request = arena_take(&office->arena, sizeof(*request));
    struct sync_group_response *response = arena_take(&office->arena, sizeof(*response));
    message_defaults(&sync_group_response_schema, response);
    *request = (struct sync_group_request){
        .names_protocol = true,
        .group_id = str_from(group),
        .generation_id = generation,
        .member_id = member_id,
        .group_instance_id = str_from(instance),
        .protocol_type = STR("consumer"),
        .protocol_name = str_from(protocol),
        .assignments = assignments,
        .assignments_count = count,
    };
    return office_submit(office, COORDINATOR_SYNC_GROUP, 5, request, response);
}

static inline struct question *sync_as_follower(
    struct office *office, const char *group, struct str member_id, int32_t generation)
{
    return sync_with(office, group, member_id, generation, NULL, 0, "range", NULL);
}

/* Each member of the answer gets "share N of ID". */
static inline struct question *sync_as_leader(
    struct office *office, const char *group, const struct join_group_response *told, int nonce)
{
    struct sync_group_request_assignment *assignments =
        MESSAGE_TAKE(sync_group_request_assignment, &office->arena, told->members_count);
    for (int32_t i = 0; i < told->members_count; i++) {
        struct str id = told->members[i].member_id;
        const char *share = arena_format(&office->arena, "share %d of %.*s", nonce, STR_PRINT(id));
        assignments[i].member_id = id;
        assignments[i].assignment = (struct bytes){ (const uint8_t *)share, strlen(share) };
    }
    return sync_with(office, group, told->member_id, told->generation_id, assignments,
        told->members_count, "range", NULL);
}

static inline const struct sync_group_response *synced(const struct question *question)
{
    assert_true(question->is_done);
    return question->request.response;
}

static inline enum error sync_error(const struct question *question)
{
    return (enum error)synced(question)->error_code;
}

static inline void check_share(
    struct office *office, const struct question *question, struct str member_id, int nonce)
{
    const char *share =
        arena_format(&office->arena, "share %d of %.*s", nonce, STR_PRINT(member_id));
    struct bytes got = synced(question)->assignment;
    assert_int_equal(sync_error(question), ERROR_NONE);
    assert_int_equal(got.size, strlen(share));
    assert_memory_equal(got.data, share, got.size);
}

/* What the log says, else ERROR_NONE: the answer counts. */
static inline enum error office_try(struct office *office, enum coordinator_request_type type,
    int16_t version, const void *request, void *response)
{
    const struct question *question = office_submit(office, type, version, request, response);
    assert_true(question->is_done);
    return coordinator_error(question->error);
}

static inline enum error heartbeat(struct office *office, const char *group, struct str member_id,
    int32_t generation, const char *instance)
{
    struct heartbeat_request request = { .group_id = str_from(group),
        .generation_id = generation,
        .member_id = member_id,
        .group_instance_id = str_from(instance) };
    struct heartbeat_response response = { 0 };
    office_ask(office, COORDINATOR_HEARTBEAT, 4, &request, &response);
    return (enum error)response.error_code;
}

/* Of the member, not of the whole. */
static inline enum error leave(
    struct office *office, const char *group, struct str member_id, const char *instance)
{
    struct leave_group_member_identity who = { .member_id = member_id,
        .group_instance_id = str_from(instance) };
    struct leave_group_request request = {
        .group_id = str_from(group), .members = &who, .members_count = 1
    };
    struct leave_group_response response = { 0 };
    enum error error = office_try(office, COORDINATOR_LEAVE_GROUP, 5, &request, &response);
    if (error != ERROR_NONE)
        return error;
    assert_int_equal(response.error_code, ERROR_NONE);
    assert_int_equal(response.members_count, 1);
    assert_true(str_equal(response.members[0].member_id, member_id));
    return (enum error)response.members[0].error_code;
}

static inline enum error commit(struct office *office, const char *group, struct str member_id,
    int32_t generation, const char *instance)
{
    struct offset_commit_request_partition asked = { .committed_offset = 7 };
    struct offset_commit_request_topic of = {
        .name = STR("orders"), .partitions = &asked, .partitions_count = 1
    };
    struct offset_commit_request request = { .group_id = str_from(group),
        .generation_id_or_member_epoch = generation,
        .member_id = member_id,
        .group_instance_id = str_from(instance),
        .retention_time_ms = -1,
        .topics = &of,
        .topics_count = 1 };
    struct offset_commit_response response = { 0 };
    enum error error = office_try(office, COORDINATOR_OFFSET_COMMIT, 9, &request, &response);
    if (error != ERROR_NONE)
        return error;
    return (enum error)response.topics[0].partitions[0].error_code;
}

static inline struct describe_groups_described_group describe(
    struct office *office, const char *group, int16_t version)
{
    struct str id = str_from(group);
    struct describe_groups_described_group told = { 0 };
    office_ask(office, COORDINATOR_DESCRIBE_GROUP, version, &id, &told);
    return told;
}

static inline enum error delete_group(struct office *office, const char *group)
{
    struct str id = str_from(group);
    enum error error;
    office_ask(office, COORDINATOR_DELETE_GROUP, 2, &id, &error);
    return error;
}

static inline bool is_state(struct office *office, const char *group, const char *state)
{
    return str_is(describe(office, group, 6).group_state, state);
}
