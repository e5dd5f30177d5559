/* SPDX-License-Identifier: Apache-2.0 */
#include "crowd.h"

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/container.h"
#include "base/memory.h"
#include "base/prng.h"
#include "error.h"
#include "wire/gen/consumer_group_heartbeat.h"

enum {
    HEARTBEAT_VERSION = 1,
    REBALANCE_TIMEOUT_MS = 300000,
    LEAVING = -1,
    EVENTS_A_PASS = 256,
    RETRY_MS = 20,
    MOST_PARTITIONS = 2 * MAX_PARTITIONS, /* the topic may grow */
};

static struct str group_name(int group, char name[MEMBER_ID_SIZE])
{
    snprintf(name, MEMBER_ID_SIZE, "bench-crowd-%d", group);
    return str_from(name);
}

static bool has_share(const struct crowd_member *member)
{
    const struct crowd *crowd = member->crowd;
    return !member->is_gone && member->owned_count >= crowd->share_least &&
           member->owned_count <= crowd->share_most;
}

/* Adds what the member owns to the counts, or takes it away. */
static void count_owned(struct crowd_member *member, int step)
{
    struct crowd *crowd = member->crowd;
    int *owners = crowd->owners + (size_t)member->group * MOST_PARTITIONS;
    crowd->balanced += has_share(member) ? step : 0;
    for (int32_t i = 0; i < member->owned_count; i++) {
        int *count = &owners[member->owned[i]];
        crowd->owned_once -= *count == 1;
        *count += step;
        crowd->owned_once += *count == 1;
    }
}

static void ask(struct crowd_member *member, int32_t epoch)
{
    struct crowd *crowd = member->crowd;
    struct consumer_group_heartbeat_request request;
    struct consumer_group_heartbeat_request_topic_partitions owned = { .topic_id = crowd->topic,
        .partitions = member->owned,
        .partitions_count = member->owned_count };
    struct str topic = str_from(crowd->options->topic);
    char name[MEMBER_ID_SIZE];
    message_defaults(&consumer_group_heartbeat_request_schema, &request);
    request.group_id = group_name(member->group, name);
    request.member_id = str_from(member->id);
    request.member_epoch = epoch;
    if (epoch == 0) {
        request.rebalance_timeout_ms = REBALANCE_TIMEOUT_MS;
        request.subscribed_topic_names = &topic;
        request.subscribed_topic_names_count = 1;
    }
    if (epoch == 0 || member->has_changed) {
        request.topic_partitions = &owned;
        request.topic_partitions_count = member->owned_count > 0 ? 1 : 0;
    }
    member->has_changed = false;
    link_ask(
        member->link, &member->asker, API_CONSUMER_GROUP_HEARTBEAT, HEARTBEAT_VERSION, &request);
}

static void take_assignment(
    struct crowd_member *member, const struct consumer_group_heartbeat_assignment *assignment)
{
    count_owned(member, -1);
    member->owned_count = 0;
    if (assignment->topic_partitions_count > 0) {
        const struct consumer_group_heartbeat_response_topic_partitions *topic =
            &assignment->topic_partitions[0];
        size_t size = (size_t)topic->partitions_count * sizeof(*member->owned);
        member->owned = memory_resize(member->owned, size);
        memcpy(member->owned, topic->partitions, size);
        member->owned_count = topic->partitions_count;
    }
    count_owned(member, 1);
    member->has_changed = true;
}

/* As a client does that the broker has given up, since it is too slow for itself or for us. */
static void begin_again(struct crowd_member *member)
{
    count_owned(member, -1);
    member->owned_count = 0;
    count_owned(member, 1);
    member->epoch = 0;
}

static bool is_of_a_new_home(enum error error)
{
    return error == ERROR_COORDINATOR_LOAD_IN_PROGRESS || error == ERROR_NOT_COORDINATOR ||
           error == ERROR_COORDINATOR_NOT_AVAILABLE;
}

static void answered(struct asker *asker, struct bytes answer)
{
    struct crowd_member *member = container_of(asker, struct crowd_member, asker);
    struct crowd *crowd = member->crowd;
    struct consumer_group_heartbeat_response response;
    arena_reset(&crowd->arena);
    answer_decode(
        API_CONSUMER_GROUP_HEARTBEAT, HEARTBEAT_VERSION, answer, &crowd->arena, &response);
    if (member->is_gone)
        return;
    enum error error = (enum error)response.error_code;
    int64_t wait_ms = response.heartbeat_interval_ms;
    if (error == ERROR_UNKNOWN_MEMBER_ID || error == ERROR_FENCED_MEMBER_EPOCH) {
        begin_again(member);
        wait_ms = 0;
    } else if (error != ERROR_NONE) {
        if (!is_of_a_new_home(error))
            bench_fail("ConsumerGroupHeartbeat: error %d", error);
        wait_ms = RETRY_MS;
    } else {
        member->epoch = response.member_epoch;
        crowd->answers++;
        if (response.assignment != NULL)
            take_assignment(member, response.assignment);
    }
    if (member->has_changed)
        wait_ms = 0;
    heap_insert(&crowd->due, &member->due, now_ns() + wait_ms * 1000000);
}

void crowd_expect(struct crowd *crowd, int partitions, int members_a_group)
{
    crowd->partitions = partitions;
    crowd->share_least = partitions / members_a_group;
    crowd->share_most = (partitions + members_a_group - 1) / members_a_group;
    crowd->balanced = 0;
    for (int i = 0; i < crowd->count; i++)
        crowd->balanced += has_share(&crowd->members[i]);
}

void crowd_init(struct crowd *crowd, const struct options *options)
{
    struct prng prng;
    prng_init(&prng, (uint64_t)now_ns());
    *crowd = (struct crowd){ .options = options, .count = options->groups * options->members };
    crowd->topic = topic_prepare(options);
    group_topic_prepare(options);
    crowd->poll = epoll_create1(EPOLL_CLOEXEC);
    crowd->link_count = crowd->count < options->connections ? crowd->count : options->connections;
    crowd->links = memory_take((size_t)crowd->link_count * sizeof(*crowd->links));
    crowd->members = memory_take((size_t)crowd->count * sizeof(*crowd->members));
    crowd->owners = memory_take((size_t)options->groups * MOST_PARTITIONS * sizeof(*crowd->owners));
    heap_init(&crowd->due);
    arena_init(&crowd->arena);
    for (int i = 0; i < crowd->link_count; i++)
        link_open(&crowd->links[i], options, crowd->poll);
    for (int i = 0; i < crowd->count; i++) {
        struct crowd_member *member = &crowd->members[i];
        *member = (struct crowd_member){ .asker.answered = answered,
            .crowd = crowd,
            .link = &crowd->links[i % crowd->link_count],
            .group = i / options->members };
        uint8_t random[16];
        prng_fill(&prng, random, sizeof(random));
        char text[UUID_TEXT_SIZE + 1];
        uuid_print(uuid_from_random(random), text);
        snprintf(member->id, sizeof(member->id), "%s", text);
    }
    crowd_expect(crowd, options->partitions, options->members);
}

void crowd_join(struct crowd *crowd, struct crowd_member *member)
{
    (void)crowd;
    ask(member, 0);
}

static void part(struct crowd *crowd, struct crowd_member *member)
{
    count_owned(member, -1);
    member->is_gone = true;
    heap_remove(&crowd->due, &member->due);
}

void crowd_leave(struct crowd *crowd, struct crowd_member *member)
{
    /* One request at a time: what it waits for comes first. */
    while (!heap_has(&member->due))
        crowd_turn(crowd);
    part(crowd, member);
    ask(member, LEAVING);
}

void crowd_hang(struct crowd *crowd, struct crowd_member *member)
{
    part(crowd, member);
}

bool crowd_is_settled(const struct crowd *crowd)
{
    int gone = 0;
    for (int i = 0; i < crowd->count && crowd->options->groups == 1; i++)
        gone += crowd->members[i].is_gone;
    return crowd->owned_once == crowd->partitions * crowd->options->groups &&
           crowd->balanced == crowd->count - gone;
}

void crowd_turn(struct crowd *crowd)
{
    struct epoll_event events[EVENTS_A_PASS];
    int count = epoll_wait(crowd->poll, events, EVENTS_A_PASS, 1);
    for (int i = 0; i < count; i++)
        link_receive(events[i].data.ptr);
    int64_t now = now_ns();
    for (struct heap_entry *first;
         (first = heap_first(&crowd->due)) != NULL && first->key <= now;) {
        struct crowd_member *member = container_of(first, struct crowd_member, due);
        heap_remove(&crowd->due, first);
        ask(member, member->epoch);
    }
}
