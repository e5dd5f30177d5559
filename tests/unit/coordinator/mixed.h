/* SPDX-License-Identifier: Apache-2.0 */
/* Consumers of the classic protocol as clients are: they join, sync, and join again when they are
 * told to. One that is cooperative keeps what it has while it joins; one that leads assigns what
 * nobody else has. With them in one group are consumers of the newer protocol, consumer_client.h.
 */
#pragma once
#include "classic.h"
#include "consumer_client.h"
#include "coordinator/group_classic_state.h"
#include "coordinator/subscription.h"

struct elder {
    const char *group, *instance, *subscription; /* as a client's */
    const char *protocols[2];                    /* none: range */
    bool is_cooperative;
    int32_t session_ms, rebalance_ms; /* 0: 10 s, 60 s */
    struct str id;                    /* empty: it has not been told one */
    int32_t generation;
    bool has[CLIENT_TOPICS][CLIENT_PARTITIONS];
    struct question *joining, *syncing; /* that it waits in */
    bool must_join;
    enum error heard; /* last */
};

static inline struct elder make_elder(const char *subscription)
{
    return (struct elder){ .group = "g",
        .subscription = subscription,
        .id = STR(""),
        .generation = -1,
        .must_join = true };
}

static inline int elder_count(const struct elder *elder)
{
    int count = 0;
    for (int i = 0; i < CLIENT_TOPICS; i++)
        for (int k = 0; k < CLIENT_PARTITIONS; k++)
            count += elder->has[i][k];
    return count;
}

static inline struct bytes elder_blob(struct office *office, const struct elder *elder)
{
    struct arena *arena = &office->arena;
    const struct message_schema *schema = &consumer_protocol_subscription_record_schema;
    struct consumer_group_heartbeat_request topics;
    struct consumer_protocol_subscription_record says = { .generation_id = elder->generation };
    set_subscription(office, elder->subscription, &topics);
    says.topics = topics.subscribed_topic_names;
    says.topics_count = topics.subscribed_topic_names_count;
    says.owned_partitions =
        MESSAGE_TAKE(consumer_protocol_subscription_record_topic_partition, arena, CLIENT_TOPICS);
    says.owned_partitions_count = CLIENT_TOPICS;
    for (int i = 0; i < CLIENT_TOPICS; i++) {
        says.owned_partitions[i].topic = str_from(topic_names[i]);
        says.owned_partitions[i].partitions =
            arena_take_array(arena, CLIENT_PARTITIONS, sizeof(int32_t));
        for (int32_t k = 0; k < CLIENT_PARTITIONS; k++)
            if (elder->has[i][k])
                says.owned_partitions[i].partitions[says.owned_partitions[i].partitions_count++] =
                    k;
    }
    size_t size = message_size(schema, 3, &says);
    uint8_t *blob = arena_take(arena, 2 + size);
    store_i16(blob, 3);
    message_encode(schema, 3, &says, blob + 2, size, NULL);
    return (struct bytes){ blob, 2 + size };
}

static inline struct join_group_request *elder_request(
    struct office *office, const struct elder *elder, int16_t version)
{
    struct join_group_request *request = arena_take(&office->arena, sizeof(*request));
    *request = (struct join_group_request){
        .requires_member_id = version >= 4,
        .skips_assignment = version >= 9,
        .group_id = str_from(elder->group),
        .member_id = elder->id,
        .group_instance_id = str_from(elder->instance),
        .protocol_type = STR("consumer"),
        .session_timeout_ms = elder->session_ms == 0 ? 10000 : elder->session_ms,
        .rebalance_timeout_ms = elder->rebalance_ms == 0 ? 60000 : elder->rebalance_ms,
        .protocols = MESSAGE_TAKE(join_group_request_protocol, &office->arena, 2),
    };
    for (int i = 0; i < 2 && (i == 0 || elder->protocols[i] != NULL); i++) {
        request->protocols[i].name =
            elder->protocols[i] == NULL ? STR("range") : str_from(elder->protocols[i]);
        request->protocols[i].metadata = elder_blob(office, elder);
        request->protocols_count++;
    }
    return request;
}

static inline void elder_join(struct office *office, struct elder *elder)
{
    struct join_group_response *response = arena_take(&office->arena, sizeof(*response));
    message_defaults(&join_group_response_schema, response);
    if (!elder->is_cooperative)
        memset(elder->has, 0, sizeof(elder->has));
    elder->must_join = false;
    elder->joining =
        office_submit(office, COORDINATOR_JOIN_GROUP, 9, elder_request(office, elder, 9), response);
}

/* It is fenced: what it has is another's. */
static inline void elder_lose(struct elder *elder, bool with_id)
{
    memset(elder->has, 0, sizeof(elder->has));
    elder->generation = -1;
    elder->must_join = true;
    if (with_id)
        elder->id = STR("");
}

static inline void elder_hear(struct elder *elder, enum error error)
{
    elder->heard = error;
    if (error == ERROR_UNKNOWN_MEMBER_ID || error == ERROR_FENCED_INSTANCE_ID)
        elder_lose(elder, true);
    else if (error == ERROR_ILLEGAL_GENERATION)
        elder_lose(elder, false);
    else if (error != ERROR_NONE)
        elder->must_join = true;
}

struct share {
    struct str id;
    struct consumer_protocol_subscription_record says;
    struct consumer_protocol_assignment_record gets;
};

static inline bool share_reads(const struct share *share, const char *topic)
{
    for (int32_t i = 0; i < share->says.topics_count; i++)
        if (str_is(share->says.topics[i], topic))
            return true;
    return false;
}

static inline bool share_owns(const struct share *share, const char *topic, int32_t partition)
{
    for (int32_t i = 0; i < share->says.owned_partitions_count; i++)
        for (int32_t k = 0; k < share->says.owned_partitions[i].partitions_count; k++)
            if (str_is(share->says.owned_partitions[i].topic, topic) &&
                share->says.owned_partitions[i].partitions[k] == partition)
                return true;
    return false;
}

static inline void share_give(
    struct office *office, struct share *shares, int32_t count, int topic, int32_t partition)
{
    int32_t readers = 0, at = 0, owner = -1;
    for (int32_t i = 0; i < count; i++) {
        readers += share_reads(&shares[i], topic_names[topic]);
        owner = share_owns(&shares[i], topic_names[topic], partition) ? i : owner;
    }
    if (readers == 0)
        return;
    for (int32_t left = partition % readers;; at++)
        if (share_reads(&shares[at], topic_names[topic]) && left-- == 0)
            break;
    if (owner >= 0 && owner != at)
        return; /* first it is given up */
    struct consumer_protocol_assignment_record *gets = &shares[at].gets;
    if (gets->assigned_partitions == NULL)
        gets->assigned_partitions = MESSAGE_TAKE(
            consumer_protocol_assignment_record_topic_partition, &office->arena, CLIENT_TOPICS);
    struct consumer_protocol_assignment_record_topic_partition *to =
        &gets->assigned_partitions[gets->assigned_partitions_count];
    if (gets->assigned_partitions_count > 0 && str_is(to[-1].topic, topic_names[topic]))
        to--;
    else
        gets->assigned_partitions_count++;
    to->topic = str_from(topic_names[topic]);
    if (to->partitions == NULL)
        to->partitions = arena_take_array(&office->arena, CLIENT_PARTITIONS, sizeof(int32_t));
    to->partitions[to->partitions_count++] = partition;
}

static inline void elder_assign(
    struct office *office, const struct join_group_response *told, struct sync_group_request *sync)
{
    const struct image *image = cluster_image(&office->cluster);
    struct share *shares =
        arena_take_array(&office->arena, (size_t)told->members_count, sizeof(*shares));
    memset(shares, 0, (size_t)told->members_count * sizeof(*shares));
    for (int32_t i = 0; i < told->members_count; i++) {
        shares[i].id = told->members[i].member_id;
        assert_true(
            subscription_parse(told->members[i].metadata, &office->arena, &shares[i].says, NULL));
    }
    for (int topic = 0; topic < CLIENT_TOPICS; topic++) {
        const struct image_topic *there = image_topic_by_id(image, topic_id(topic));
        for (int32_t k = 0; there != NULL && k < there->partition_count; k++)
            share_give(office, shares, told->members_count, topic, k);
    }
    sync->assignments =
        MESSAGE_TAKE(sync_group_request_assignment, &office->arena, told->members_count);
    sync->assignments_count = told->members_count;
    for (int32_t i = 0; i < told->members_count; i++) {
        sync->assignments[i].member_id = shares[i].id;
        sync->assignments[i].assignment =
            subscription_encode_assignment(3, &shares[i].gets, &office->arena);
    }
}

static inline void elder_sync(
    struct office *office, struct elder *elder, const struct join_group_response *told)
{
    struct sync_group_request *request = arena_take(&office->arena, sizeof(*request));
    struct sync_group_response *response = arena_take(&office->arena, sizeof(*response));
    message_defaults(&sync_group_response_schema, response);
    *request = (struct sync_group_request){ .names_protocol = true,
        .group_id = str_from(elder->group),
        .generation_id = elder->generation,
        .member_id = elder->id,
        .group_instance_id = str_from(elder->instance),
        .protocol_type = STR("consumer"),
        .protocol_name = told->protocol_name };
    if (str_equal(told->leader, elder->id) && !told->skip_assignment)
        elder_assign(office, told, request);
    elder->syncing = office_submit(office, COORDINATOR_SYNC_GROUP, 5, request, response);
}

static inline void elder_joined(struct office *office, struct elder *elder)
{
    const struct question *question = elder->joining;
    const struct join_group_response *told = question->request.response;
    elder->joining = NULL;
    if (question->error != ERROR_NONE)
        elder_hear(elder, ERROR_COORDINATOR_NOT_AVAILABLE);
    else
        elder_hear(elder, (enum error)told->error_code);
    if (elder->heard == ERROR_MEMBER_ID_REQUIRED)
        elder->id = told->member_id;
    if (elder->heard != ERROR_NONE)
        return;
    assert_true(str_is(told->protocol_type, "consumer"));
    elder->id = told->member_id;
    elder->generation = told->generation_id;
    elder_sync(office, elder, told);
}

static inline void elder_synced(struct office *office, struct elder *elder)
{
    const struct question *question = elder->syncing;
    const struct sync_group_response *told = question->request.response;
    struct consumer_protocol_assignment_record gets = { 0 };
    elder->syncing = NULL;
    elder_hear(elder, question->error != ERROR_NONE ? ERROR_COORDINATOR_NOT_AVAILABLE
                                                    : (enum error)told->error_code);
    if (elder->heard != ERROR_NONE)
        return;
    bool had[CLIENT_TOPICS][CLIENT_PARTITIONS];
    memcpy(had, elder->has, sizeof(had));
    memset(elder->has, 0, sizeof(elder->has));
    if (told->assignment.size > 0)
        assert_true(subscription_parse_assignment(told->assignment, &office->arena, &gets));
    for (int32_t i = 0; i < gets.assigned_partitions_count; i++)
        for (int topic = 0; topic < CLIENT_TOPICS; topic++)
            for (int32_t k = 0; str_is(gets.assigned_partitions[i].topic, topic_names[topic]) &&
                                k < gets.assigned_partitions[i].partitions_count;
                 k++)
                elder->has[topic][gets.assigned_partitions[i].partitions[k]] = true;
    for (int topic = 0; topic < CLIENT_TOPICS; topic++) /* it has given some up */
        for (int k = 0; k < CLIENT_PARTITIONS; k++)
            elder->must_join |= had[topic][k] && !elder->has[topic][k];
}

/* It may be the one that finds that a target is missing, so the log may refuse it. */
static inline void elder_beat(struct office *office, struct elder *elder)
{
    struct heartbeat_request request = { .group_id = str_from(elder->group),
        .generation_id = elder->generation,
        .member_id = elder->id,
        .group_instance_id = str_from(elder->instance) };
    struct heartbeat_response response = { 0 };
    enum error error = office_try(office, COORDINATOR_HEARTBEAT, 4, &request, &response);
    if (error == ERROR_NONE)
        elder_hear(elder, (enum error)response.error_code);
}

/* What comes next. */
static inline void elder_turn(struct office *office, struct elder *elder)
{
    if (elder->joining != NULL) {
        if (elder->joining->is_done)
            elder_joined(office, elder);
    } else if (elder->syncing != NULL) {
        if (elder->syncing->is_done)
            elder_synced(office, elder);
    } else if (elder->must_join) {
        elder_join(office, elder);
    } else {
        elder_beat(office, elder);
    }
}

/* Until it heartbeats in peace, if nobody else must do something. */
static inline void elder_turns(struct office *office, struct elder *elder)
{
    for (int i = 0; i < 12; i++)
        elder_turn(office, elder);
}
