/* SPDX-License-Identifier: Apache-2.0 */
/* What a rebalance of one group of the classic protocol costs: when all members join, when one
 * more does, when one leaves, and when one falls silent. Each member rejoins when a heartbeat tells
 * it to, every HEARTBEAT_MS as stock clients do; of that wait each figure has a second one without
 * it: from when the last member that goes on has sent its JoinGroup. Milliseconds in one line of
 * JSON. */
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/arena.h"
#include "base/container.h"
#include "base/heap.h"
#include "base/memory.h"
#include "coordinator/subscription.h"
#include "error.h"
#include "link.h"
#include "wire/encode.h"
#include "wire/gen/heartbeat.h"
#include "wire/gen/join_group.h"
#include "wire/gen/leave_group.h"
#include "wire/gen/sync_group.h"
#include "workload.h"

enum {
    JOIN_VERSION = 9,
    SYNC_VERSION = 5,
    HEARTBEAT_VERSION = 4,
    LEAVE_VERSION = 5,
    BLOB_VERSION = 3,
    HEARTBEAT_MS = 3000,
    SESSION_MS = 6000,
    RETRY_MS = 20,
    REST_MS = 4000,
    PATIENCE_MS = 120000,
    EVENTS_A_PASS = 64,
    ID_SIZE = 80,
};

enum state { OUTSIDE, JOINING, SYNCING, STABLE, LEAVING, SILENT };

struct classic_member {
    struct asker asker;    /* first */
    struct heap_entry due; /* its next heartbeat, or another try; key: ns */
    struct classic *group;
    struct link link;
    enum state state;
    char id[ID_SIZE];
    int32_t generation;
    int64_t rejoined_at;
    int assigned; /* partitions */
};

struct classic {
    const struct options *options;
    struct classic_member *members;
    int count;
    int poll;
    struct heap due;
    struct arena arena;
};

static const char group_id[] = "bench-classic";
static const struct str protocol_type = STR("consumer"), protocol_name = STR("range");

static void again_in(struct classic_member *member, int64_t ms)
{
    heap_insert(&member->group->due, &member->due, now_ns() + ms * 1000000);
}

static void join(struct classic_member *member)
{
    struct arena *arena = &member->group->arena;
    struct str topic = str_from(member->group->options->topic);
    struct consumer_protocol_subscription_record subscription;
    struct join_group_request request;
    struct join_group_request_protocol protocol = { .name = protocol_name };
    message_defaults(&consumer_protocol_subscription_record_schema, &subscription);
    subscription.topics = &topic;
    subscription.topics_count = 1;
    size_t size =
        message_size(&consumer_protocol_subscription_record_schema, BLOB_VERSION, &subscription);
    uint8_t *blob = arena_take(arena, 2 + size);
    store_i16(blob, BLOB_VERSION);
    message_encode(&consumer_protocol_subscription_record_schema, BLOB_VERSION, &subscription,
        blob + 2, size, NULL);
    protocol.metadata = (struct bytes){ blob, 2 + size };
    message_defaults(&join_group_request_schema, &request);
    request.group_id = str_from(group_id);
    request.session_timeout_ms = SESSION_MS;
    request.rebalance_timeout_ms = 60000;
    request.member_id = str_from(member->id);
    request.protocol_type = protocol_type;
    request.protocols = &protocol;
    request.protocols_count = 1;
    member->state = JOINING;
    member->rejoined_at = now_ns();
    link_ask(&member->link, &member->asker, API_JOIN_GROUP, JOIN_VERSION, &request);
}

/* The leader's: as the range assignor does with one topic. */
static void assign(struct classic_member *leader, const struct join_group_response *response,
    struct sync_group_request *request)
{
    const struct options *options = leader->group->options;
    struct arena *arena = &leader->group->arena;
    int32_t count = response->members_count, next = 0;
    request->assignments = arena_take_array(arena, (size_t)count, sizeof(*request->assignments));
    request->assignments_count = count;
    for (int32_t i = 0; i < count; i++) {
        struct consumer_protocol_assignment_record_topic_partition topic = { .topic = str_from(
                                                                                 options->topic) };
        struct consumer_protocol_assignment_record assignment;
        topic.partitions_count = options->partitions / count + (i < options->partitions % count);
        topic.partitions =
            arena_take_array(arena, (size_t)topic.partitions_count, sizeof(*topic.partitions));
        for (int32_t k = 0; k < topic.partitions_count; k++)
            topic.partitions[k] = next++;
        message_defaults(&consumer_protocol_assignment_record_schema, &assignment);
        assignment.assigned_partitions = &topic;
        assignment.assigned_partitions_count = 1;
        request->assignments[i] =
            (struct sync_group_request_assignment){ .member_id = response->members[i].member_id,
                .assignment = subscription_encode_assignment(BLOB_VERSION, &assignment, arena) };
    }
}

static void take_join(struct classic_member *member, struct bytes answer)
{
    struct join_group_response response;
    struct sync_group_request request;
    answer_decode(API_JOIN_GROUP, JOIN_VERSION, answer, &member->group->arena, &response);
    enum error error = (enum error)response.error_code;
    if (error == ERROR_MEMBER_ID_REQUIRED) {
        snprintf(member->id, ID_SIZE, "%.*s", STR_PRINT(response.member_id));
        join(member);
        return;
    }
    if (error == ERROR_COORDINATOR_LOAD_IN_PROGRESS || error == ERROR_NOT_COORDINATOR) {
        again_in(member, RETRY_MS);
        return;
    }
    if (error != ERROR_NONE)
        bench_fail("JoinGroup: error %d", error);
    member->generation = response.generation_id;
    message_defaults(&sync_group_request_schema, &request);
    request.group_id = str_from(group_id);
    request.generation_id = member->generation;
    request.member_id = str_from(member->id);
    request.protocol_type = protocol_type;
    request.protocol_name = protocol_name;
    if (str_is(response.leader, member->id))
        assign(member, &response, &request);
    member->state = SYNCING;
    link_ask(&member->link, &member->asker, API_SYNC_GROUP, SYNC_VERSION, &request);
}

static void take_sync(struct classic_member *member, struct bytes answer)
{
    struct sync_group_response response;
    struct consumer_protocol_assignment_record assignment;
    answer_decode(API_SYNC_GROUP, SYNC_VERSION, answer, &member->group->arena, &response);
    if (response.error_code == ERROR_REBALANCE_IN_PROGRESS) {
        join(member);
        return;
    }
    if (response.error_code != ERROR_NONE ||
        !subscription_parse_assignment(response.assignment, &member->group->arena, &assignment) ||
        assignment.assigned_partitions_count != 1)
        bench_fail("SyncGroup: error %d, or no assignment", response.error_code);
    member->assigned = assignment.assigned_partitions[0].partitions_count;
    member->state = STABLE;
    again_in(member, HEARTBEAT_MS);
}

static void take_heartbeat(struct classic_member *member, struct bytes answer)
{
    struct heartbeat_response response;
    answer_decode(API_HEARTBEAT, HEARTBEAT_VERSION, answer, &member->group->arena, &response);
    if (response.error_code == ERROR_REBALANCE_IN_PROGRESS)
        join(member);
    else if (response.error_code == ERROR_NONE)
        again_in(member, HEARTBEAT_MS);
    else
        bench_fail("Heartbeat: error %d", response.error_code);
}

static void answered(struct asker *asker, struct bytes answer)
{
    struct classic_member *member = container_of(asker, struct classic_member, asker);
    arena_reset(&member->group->arena);
    switch (member->state) {
    case JOINING:
        take_join(member, answer);
        break;
    case SYNCING:
        take_sync(member, answer);
        break;
    case STABLE:
        take_heartbeat(member, answer);
        break;
    case LEAVING:
    case SILENT:
    case OUTSIDE:
        break;
    }
}

static void heartbeat(struct classic_member *member)
{
    struct heartbeat_request request;
    if (member->state == JOINING) {
        join(member);
        return;
    }
    message_defaults(&heartbeat_request_schema, &request);
    request.group_id = str_from(group_id);
    request.generation_id = member->generation;
    request.member_id = str_from(member->id);
    link_ask(&member->link, &member->asker, API_HEARTBEAT, HEARTBEAT_VERSION, &request);
}

static void leave(struct classic_member *member)
{
    struct leave_group_request request;
    struct leave_group_member_identity identity = { .member_id = str_from(member->id) };
    message_defaults(&leave_group_request_schema, &request);
    request.group_id = str_from(group_id);
    request.members = &identity;
    request.members_count = 1;
    member->state = LEAVING;
    heap_remove(&member->group->due, &member->due);
    link_ask(&member->link, &member->asker, API_LEAVE_GROUP, LEAVE_VERSION, &request);
}

static void turn(struct classic *group)
{
    struct epoll_event events[EVENTS_A_PASS];
    int count = epoll_wait(group->poll, events, EVENTS_A_PASS, 1);
    for (int i = 0; i < count; i++)
        link_receive(events[i].data.ptr);
    int64_t now = now_ns();
    for (struct heap_entry *first;
         (first = heap_first(&group->due)) != NULL && first->key <= now;) {
        heap_remove(&group->due, first);
        heartbeat(container_of(first, struct classic_member, due));
    }
}

/* All that take part are stable in one generation, later than that one, and share the partitions.
 */
static bool is_settled(const struct classic *group, int32_t generation)
{
    int assigned = 0;
    int32_t now = 0;
    for (int i = 0; i < group->count; i++) {
        const struct classic_member *member = &group->members[i];
        if (member->state == JOINING || member->state == SYNCING)
            return false;
        if (member->state != STABLE)
            continue;
        if (now != 0 && member->generation != now)
            return false;
        now = member->generation;
        assigned += member->assigned;
    }
    return now > generation && assigned == group->options->partitions;
}

static int32_t generation_of(const struct classic *group)
{
    int32_t generation = 0;
    for (int i = 0; i < group->count; i++)
        if (group->members[i].generation > generation)
            generation = group->members[i].generation;
    return generation;
}

struct cost {
    double whole_ms, beyond_ms;
};

static struct cost settle(struct classic *group, int64_t began, int32_t generation)
{
    while (!is_settled(group, generation)) {
        if (now_ns() > began + PATIENCE_MS * 1000000ll)
            bench_fail("the group does not settle");
        turn(group);
    }
    int64_t now = now_ns(), last = began;
    for (int i = 0; i < group->count; i++)
        if (group->members[i].state == STABLE && group->members[i].rejoined_at > last)
            last = group->members[i].rejoined_at;
    return (struct cost){ (double)(now - began) / 1e6, (double)(now - last) / 1e6 };
}

static void rest(struct classic *group)
{
    for (int64_t began = now_ns(); now_ns() - began < REST_MS * 1000000ll;)
        turn(group);
}

static void classic_init(struct classic *group, const struct options *options)
{
    *group = (struct classic){ .options = options, .count = options->members + 1 };
    topic_prepare(options);
    group_topic_prepare(options);
    group->poll = epoll_create1(EPOLL_CLOEXEC);
    group->members = memory_take((size_t)group->count * sizeof(*group->members));
    heap_init(&group->due);
    arena_init(&group->arena);
    for (int i = 0; i < group->count; i++) {
        struct classic_member *member = &group->members[i];
        member->asker.answered = answered;
        member->group = group;
        link_open(&member->link, options, group->poll);
    }
}

void run_classic(const struct options *options)
{
    struct classic group;
    classic_init(&group, options);
    int64_t began = now_ns();
    for (int i = 0; i < options->members; i++)
        join(&group.members[i]);
    struct cost joined = settle(&group, began, 0);
    rest(&group);
    began = now_ns();
    int32_t generation = generation_of(&group);
    join(&group.members[options->members]);
    struct cost grown = settle(&group, began, generation);
    rest(&group);
    while (!heap_has(&group.members[0].due)) /* one request at a time */
        turn(&group);
    began = now_ns();
    generation = generation_of(&group);
    leave(&group.members[0]);
    struct cost left = settle(&group, began, generation);
    rest(&group);
    began = now_ns();
    generation = generation_of(&group);
    group.members[1].state = SILENT;
    heap_remove(&group.due, &group.members[1].due);
    struct cost died = settle(&group, began, generation);
    printf("{\"workload\": \"classic\", \"joined_ms\": %.0f, \"one_more_ms\": %.0f, "
           "\"one_more_beyond_ms\": %.0f, \"left_ms\": %.0f, \"left_beyond_ms\": %.0f, "
           "\"died_ms\": %.0f, \"died_beyond_ms\": %.0f}\n",
        joined.whole_ms, grown.whole_ms, grown.beyond_ms, left.whole_ms, left.beyond_ms,
        died.whole_ms, died.beyond_ms);
}
