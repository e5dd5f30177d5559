/* SPDX-License-Identifier: Apache-2.0 */
/* A consumer of the new protocol as its coordinator knows it: what it says in a heartbeat, what it
 * has, and what it makes of the answer. Topics are known by their place in topic_names. */
#pragma once
#include "coordinator/group_consumer_state.h"
#include "coordinator/record.h"
#include "office.h"
#include "wire/gen/consumer_group_heartbeat.h"

enum { CLIENT_TOPICS = 4, CLIENT_PARTITIONS = 16 };
static const char *const topic_names[CLIENT_TOPICS] = { "apples", "bananas", "cherries", "dates" };

struct client {
    const char *group, *id, *instance, *rack, *assignor, *regex; /* NULL: not said */
    const char *subscription; /* the first letters of its topics; NULL: not said */
    int32_t epoch;
    bool has[CLIENT_TOPICS][CLIENT_PARTITIONS];
    bool is_told;   /* that it has them, with the next heartbeat */
    bool is_member; /* as it believes: client_try() */
    struct consumer_group_heartbeat_response answer;
};

static inline struct uuid topic_id(int topic)
{
    return (struct uuid){ { 1, (uint8_t)topic_names[topic][0], (uint8_t)topic_names[topic][1] } };
}

static inline int topic_of(struct uuid id)
{
    int topic = 0;
    while (!uuid_equal(topic_id(topic), id))
        assert_true(++topic < CLIENT_TOPICS);
    return topic;
}

static inline void set_subscription(
    struct office *office, const char *letters, struct consumer_group_heartbeat_request *request)
{
    request->subscribed_topic_names =
        arena_take_array(&office->arena, CLIENT_TOPICS, sizeof(struct str));
    request->subscribed_topic_names_count = 0;
    for (; *letters != 0; letters++)
        for (int i = 0; i < CLIENT_TOPICS; i++)
            if (topic_names[i][0] == *letters)
                request->subscribed_topic_names[request->subscribed_topic_names_count++] =
                    str_from(topic_names[i]);
}

static inline void set_owned(struct office *office, const struct client *client,
    struct consumer_group_heartbeat_request *request)
{
    request->topic_partitions = MESSAGE_TAKE(
        consumer_group_heartbeat_request_topic_partitions, &office->arena, CLIENT_TOPICS);
    request->topic_partitions_count = 0;
    for (int i = 0; i < CLIENT_TOPICS; i++) {
        struct consumer_group_heartbeat_request_topic_partitions *owned =
            &request->topic_partitions[request->topic_partitions_count];
        owned->topic_id = topic_id(i);
        owned->partitions = arena_take_array(&office->arena, CLIENT_PARTITIONS, sizeof(int32_t));
        for (int32_t k = 0; k < CLIENT_PARTITIONS; k++)
            if (client->has[i][k])
                owned->partitions[owned->partitions_count++] = k;
        request->topic_partitions_count += owned->partitions_count > 0;
    }
}

/* All that it says when it joins, or is not sure that it was heard. */
static inline struct consumer_group_heartbeat_request *full_request(
    struct office *office, const struct client *client)
{
    struct consumer_group_heartbeat_request *request = arena_take(&office->arena, sizeof(*request));
    message_defaults(&consumer_group_heartbeat_request_schema, request);
    request->group_id = str_from(client->group);
    request->member_id = str_from(client->id);
    request->member_epoch = client->epoch;
    request->instance_id = str_from(client->instance);
    request->rack_id = str_from(client->rack);
    request->server_assignor = str_from(client->assignor);
    request->subscribed_topic_regex = str_from(client->regex);
    request->rebalance_timeout_ms = 30000;
    if (client->subscription != NULL)
        set_subscription(office, client->subscription, request);
    set_owned(office, client, request);
    return request;
}

static inline struct consumer_group_heartbeat_request *short_request(
    struct office *office, const struct client *client)
{
    struct consumer_group_heartbeat_request *request = full_request(office, client);
    request->rebalance_timeout_ms = -1;
    request->subscribed_topic_names_count = -1;
    request->topic_partitions_count = -1;
    request->rack_id = request->server_assignor = request->subscribed_topic_regex =
        (struct str){ 0 };
    return request;
}

/* It gives up first what it may not have, and has the rest at once. */
static inline void take_assignment(
    struct client *client, const struct consumer_group_heartbeat_assignment *assignment)
{
    bool before[CLIENT_TOPICS][CLIENT_PARTITIONS];
    memcpy(before, client->has, sizeof(before));
    memset(client->has, 0, sizeof(client->has));
    for (int32_t i = 0; i < assignment->topic_partitions_count; i++) {
        const struct consumer_group_heartbeat_response_topic_partitions *told =
            &assignment->topic_partitions[i];
        for (int32_t k = 0; k < told->partitions_count; k++) {
            assert_true(told->partitions[k] < CLIENT_PARTITIONS);
            client->has[topic_of(told->topic_id)][told->partitions[k]] = true;
        }
    }
    client->is_told = memcmp(before, client->has, sizeof(before)) == 0;
}

static inline enum error ask_heartbeat(struct office *office, int16_t version,
    const struct consumer_group_heartbeat_request *request,
    struct consumer_group_heartbeat_response *response)
{
    message_defaults(&consumer_group_heartbeat_response_schema, response);
    office_ask(office, COORDINATOR_CONSUMER_GROUP_HEARTBEAT, version, request, response);
    assert_int_equal(response->error_code == ERROR_NONE, str_is_null(response->error_message));
    return (enum error)response->error_code;
}

/* The error. */
static inline enum error client_say(struct office *office, struct client *client,
    const struct consumer_group_heartbeat_request *request)
{
    enum error error = ask_heartbeat(office, 1, request, &client->answer);
    if (error != ERROR_NONE)
        return error;
    assert_true(str_is(client->answer.member_id, client->id));
    client->epoch = client->answer.member_epoch;
    client->is_told = true;
    if (client->answer.assignment != NULL)
        take_assignment(client, client->answer.assignment);
    return error;
}

/* It dies, or is none any more. */
static inline void client_forget(struct client *client)
{
    client->is_member = false;
    memset(client->has, 0, sizeof(client->has));
}

/* In a random history: whoever is refused gives up all it has, and joins again some time. */
static inline void client_try(struct office *office, struct client *client,
    const struct consumer_group_heartbeat_request *request)
{
    enum error error = client_say(office, client, request);
    client->is_member = true;
    if (error == ERROR_NONE)
        return;
    assert_true(error == ERROR_UNKNOWN_MEMBER_ID || error == ERROR_FENCED_MEMBER_EPOCH ||
                error == ERROR_UNRELEASED_INSTANCE_ID || error == ERROR_FENCED_INSTANCE_ID ||
                error == ERROR_GROUP_ID_NOT_FOUND);
    client_forget(client);
}

static inline void client_join(struct office *office, struct client *client)
{
    client->epoch = JOINING;
    memset(client->has, 0, sizeof(client->has));
    assert_int_equal(client_say(office, client, full_request(office, client)), ERROR_NONE);
}

/* As clients do: nothing new is said twice. */
static inline void client_beat(struct office *office, struct client *client)
{
    struct consumer_group_heartbeat_request *request = short_request(office, client);
    if (!client->is_told)
        set_owned(office, client, request);
    assert_int_equal(client_say(office, client, request), ERROR_NONE);
}

static inline enum error client_leave(struct office *office, struct client *client, int32_t epoch)
{
    struct consumer_group_heartbeat_response response;
    client->epoch = epoch;
    return ask_heartbeat(office, 1, short_request(office, client), &response);
}

static inline int client_count(const struct client *client)
{
    int count = 0;
    for (int i = 0; i < CLIENT_TOPICS; i++)
        for (int k = 0; k < CLIENT_PARTITIONS; k++)
            count += client->has[i][k];
    return count;
}

static inline const struct group *office_group(const struct office *office, const char *id)
{
    return group_find(&office->coordinator, str_from(id));
}

static inline const char *state_of(const struct office *office, const char *group)
{
    const struct group *found = office_group(office, group);
    return found == NULL ? "none" : found->kind->state(found);
}

/* All heartbeat until nothing moves. */
static inline void settle(struct office *office, struct client *const *clients, int count)
{
    for (int round = 0; round < 10; round++)
        for (int i = 0; i < count; i++)
            client_beat(office, clients[i]);
    assert_string_equal(state_of(office, clients[0]->group), "Stable");
}

/* The types of the records since one, as "5 3 7 6 8"; a tombstone's with a minus. */
static inline const char *types_since(struct office *office, int32_t first)
{
    char *text = arena_take(&office->arena, 512), *at = text;
    for (int32_t i = first; i < office->count; i++)
        at += snprintf(at, 8, "%s%s%d", i == first ? "" : " ",
            office->records[i].value.data == NULL ? "-" : "",
            load_i16(office->records[i].key.data));
    return text;
}

static inline struct coordinator_record record_at(struct office *office, int32_t at)
{
    struct coordinator_record record;
    assert_int_equal(coordinator_record_parse(office->records[at], &office->arena, &record),
        COORDINATOR_RECORD_GOOD);
    return record;
}
