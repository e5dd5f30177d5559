/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/classic.h"

#include <stdio.h>

#include "base/container.h"
#include "coordinator/subscription.h"
#include "error.h"
#include "sim/groups.h"
#include "sim/workload.h"
#include "wire/encode.h"
#include "wire/gen/heartbeat.h"
#include "wire/gen/join_group.h"
#include "wire/gen/leave_group.h"
#include "wire/gen/sync_group.h"

/* Silence is less than a session and than the time in which a member must join again. */
enum { SESSION_MS = 15000, SILENT_US = 11000000, CLASSIC_MEMBERS_MOST = 8 };
enum { WITH_MEMBERS = 3, WITH_INSTANCE = 5 }; /* of LeaveGroup, and of the others at most */

static struct classic *classic_of(struct actor *actor)
{
    return container_of(actor, struct classic, actor);
}

static void give_all_up(struct classic *classic)
{
    holder_set(&classic->holder, 0);
    classic->has_joined = classic->has_synced = false;
}

static void forget(struct classic *classic)
{
    give_all_up(classic);
    classic->id[0] = '\0';
}

/* The next life is a member's when they take turns. */
static void end_life(struct classic *classic)
{
    forget(classic);
    if (classic->is_own_turn != NULL)
        *classic->is_own_turn = false;
}

static bool is_away(const struct classic *classic)
{
    return classic->is_own_turn != NULL && !*classic->is_own_turn;
}

static void violate(const struct classic *classic, const char *name, int error)
{
    recorder_violate(classic->actor.workload->recorder, name,
        "actor=%s member=%s generation=%d error=%d", classic->actor.name, classic->id,
        classic->generation, error);
}

/* None that it knows, or of another generation. */
static bool is_out(int16_t error)
{
    return error == ERROR_UNKNOWN_MEMBER_ID || error == ERROR_ILLEGAL_GENERATION ||
           error == ERROR_FENCED_INSTANCE_ID || error == ERROR_GROUP_ID_NOT_FOUND;
}

static struct str instance_of(const struct classic *classic)
{
    return classic->instance[0] == '\0' ? (struct str){ 0 } : str_from(classic->instance);
}

static int16_t least_version(const struct classic *classic, int16_t with_instance)
{
    return classic->instance[0] == '\0' ? 0 : with_instance;
}

/* After an answer that is no success. */
static void take_error(struct classic *classic, int16_t error)
{
    if (is_out(error))
        forget(classic);
    else if (error == ERROR_REBALANCE_IN_PROGRESS)
        give_all_up(classic);
    else if (!group_error_is_passing(error))
        violate(classic, "unexpected_error", error);
    actor_wait(&classic->actor, 200000);
}

/* ---- What members tell each other ---- */

enum { BLOB_VERSION = 1 };

static struct str protocol_type(const struct classic *classic)
{
    return classic->is_consumer ? STR("consumer") : STR("bits");
}

/* What it owns it has given up by then. */
static struct bytes subscription_of(struct classic *classic)
{
    const struct message_schema *schema = &consumer_protocol_subscription_record_schema;
    struct str topic = STR(GROUPS_TOPIC);
    struct consumer_protocol_subscription_record says = {
        .topics = &topic, .topics_count = 1, .generation_id = -1
    };
    if (!classic->is_consumer)
        return (struct bytes){ (const uint8_t *)"m", 1 };
    size_t size = message_size(schema, BLOB_VERSION, &says);
    uint8_t *blob = arena_take(&classic->actor.arena, sizeof(int16_t) + size);
    store_i16(blob, BLOB_VERSION);
    message_encode(schema, BLOB_VERSION, &says, blob + sizeof(int16_t), size, NULL);
    return (struct bytes){ blob, sizeof(int16_t) + size };
}

static struct bytes assignment_of(struct classic *classic, uint8_t partitions)
{
    int32_t numbers[GROUP_PARTITIONS];
    struct consumer_protocol_assignment_record_topic_partition topic = { .topic = STR(GROUPS_TOPIC),
        .partitions = numbers };
    struct consumer_protocol_assignment_record gets = { .assigned_partitions = &topic,
        .assigned_partitions_count = 1 };
    if (!classic->is_consumer)
        return (struct bytes){ arena_copy(&classic->actor.arena, &partitions, 1), 1 };
    for (int32_t i = 0; i < GROUP_PARTITIONS; i++)
        if (partitions >> i & 1)
            numbers[topic.partitions_count++] = i;
    return subscription_encode_assignment(BLOB_VERSION, &gets, &classic->actor.arena);
}

/* False: nobody wrote that. */
static bool read_assignment(struct classic *classic, struct bytes blob, unsigned *out_partitions)
{
    struct consumer_protocol_assignment_record gets;
    *out_partitions = !classic->is_consumer && blob.size > 0 ? blob.data[0] : 0;
    if (!classic->is_consumer || blob.size == 0)
        return blob.size <= 1;
    if (!subscription_parse_assignment(blob, &classic->actor.arena, &gets))
        return false;
    for (int32_t i = 0; i < gets.assigned_partitions_count; i++)
        for (int32_t k = 0; k < gets.assigned_partitions[i].partitions_count; k++) {
            int32_t partition = gets.assigned_partitions[i].partitions[k];
            if (!str_is(gets.assigned_partitions[i].topic, GROUPS_TOPIC) ||
                partition >= GROUP_PARTITIONS)
                return false;
            *out_partitions |= 1u << partition;
        }
    return true;
}

/* ---- Joining ---- */

static void set_id(char id[CLASSIC_ID_SIZE], struct str told)
{
    snprintf(id, CLASSIC_ID_SIZE, "%.*s", STR_PRINT(told));
}

static void hear_join(struct actor *actor)
{
    struct classic *classic = classic_of(actor);
    const struct join_group_response *response = actor->client.response;
    if (response->error_code == ERROR_MEMBER_ID_REQUIRED) {
        set_id(classic->id, response->member_id);
        actor_wait(actor, 20000);
        return;
    }
    if (response->error_code != ERROR_NONE) {
        take_error(classic, response->error_code);
        return;
    }
    set_id(classic->id, response->member_id);
    classic->generation = response->generation_id;
    classic->has_joined = true;
    classic->member_count = 0;
    bool leads = str_equal(response->leader, response->member_id) && !response->skip_assignment;
    for (int32_t i = 0; leads && i < response->members_count && i < CLASSIC_MEMBERS_MOST; i++)
        set_id(classic->members[classic->member_count++], response->members[i].member_id);
    actor_wait(actor, 20000);
}

static void join(struct classic *classic)
{
    struct actor *actor = &classic->actor;
    struct join_group_request request;
    struct join_group_request_protocol protocol;
    message_defaults(&join_group_request_schema, &request);
    shape_set_defaults(&join_group_request_protocol_shape, &protocol);
    protocol.name = STR("bits");
    protocol.metadata = subscription_of(classic);
    request.group_id = str_from(classic->holder.group);
    request.session_timeout_ms = request.rebalance_timeout_ms = SESSION_MS;
    request.member_id = str_from(classic->id);
    request.group_instance_id = instance_of(classic);
    request.protocol_type = protocol_type(classic);
    request.protocols = &protocol;
    request.protocols_count = 1;
    give_all_up(classic);
    actor->hear = hear_join;
    actor->lose = NULL;
    actor_ask(actor, API_JOIN_GROUP, least_version(classic, WITH_INSTANCE), INT16_MAX, &request);
}

static void hear_sync(struct actor *actor)
{
    struct classic *classic = classic_of(actor);
    const struct sync_group_response *response = actor->client.response;
    if (response->error_code != ERROR_NONE) {
        take_error(classic, response->error_code);
        return;
    }
    unsigned partitions;
    if (!holder_hear(&classic->holder)) {
        forget(classic);
    } else if (!read_assignment(classic, response->assignment, &partitions)) {
        violate(classic, "assignment_is_of_another_group", (int)response->assignment.size);
    } else {
        classic->has_synced = true;
        holder_set(&classic->holder, partitions);
    }
    actor_wait(actor, 100000);
}

static void sync(struct classic *classic)
{
    struct actor *actor = &classic->actor;
    struct sync_group_request request;
    struct sync_group_request_assignment assignments[CLASSIC_MEMBERS_MOST];
    uint8_t partitions[CLASSIC_MEMBERS_MOST] = { 0 };
    message_defaults(&sync_group_request_schema, &request);
    for (int i = 0; classic->member_count > 0 && i < GROUP_PARTITIONS; i++)
        partitions[(i + classic->generation) % classic->member_count] |= (uint8_t)(1 << i);
    for (int i = 0; i < classic->member_count; i++) {
        shape_set_defaults(&sync_group_request_assignment_shape, &assignments[i]);
        assignments[i].member_id = str_from(classic->members[i]);
        assignments[i].assignment = assignment_of(classic, partitions[i]);
    }
    request.group_id = str_from(classic->holder.group);
    request.generation_id = classic->generation;
    request.member_id = str_from(classic->id);
    request.group_instance_id = instance_of(classic);
    request.protocol_type = protocol_type(classic);
    request.protocol_name = STR("bits");
    request.assignments = assignments;
    request.assignments_count = classic->member_count;
    actor->hear = hear_sync;
    actor->lose = NULL;
    holder_begin(&classic->holder);
    holder_ask(&classic->holder);
    actor_ask(actor, API_SYNC_GROUP, least_version(classic, 3), INT16_MAX, &request);
}

/* ---- While it is a member ---- */

static void hear_beat(struct actor *actor)
{
    struct classic *classic = classic_of(actor);
    const struct heartbeat_response *response = actor->client.response;
    if (response->error_code != ERROR_NONE) {
        take_error(classic, response->error_code);
        return;
    }
    if (!holder_hear(&classic->holder))
        forget(classic);
    actor_wait(actor, 200000);
}

static void beat(struct classic *classic)
{
    struct actor *actor = &classic->actor;
    struct heartbeat_request request;
    message_defaults(&heartbeat_request_schema, &request);
    request.group_id = str_from(classic->holder.group);
    request.generation_id = classic->generation;
    request.member_id = str_from(classic->id);
    request.group_instance_id = instance_of(classic);
    actor->hear = hear_beat;
    actor->lose = NULL;
    holder_ask(&classic->holder);
    actor_ask(actor, API_HEARTBEAT, least_version(classic, 3), INT16_MAX, &request);
}

static void hear_farewell(struct actor *actor)
{
    const struct leave_group_response *response = actor->client.response;
    int16_t error = response->error_code;
    if (error == ERROR_NONE && response->members_count == 1)
        error = response->members[0].error_code;
    if (error != ERROR_NONE && !is_out(error) && !group_error_is_passing(error))
        violate(classic_of(actor), "unexpected_error", error);
    actor_wait(actor, 1000000);
}

static void leave(struct classic *classic)
{
    struct actor *actor = &classic->actor;
    struct leave_group_request request;
    struct leave_group_member_identity who;
    message_defaults(&leave_group_request_schema, &request);
    shape_set_defaults(&leave_group_member_identity_shape, &who);
    who.member_id = request.member_id = str_from(arena_format(&actor->arena, "%s", classic->id));
    who.group_instance_id = instance_of(classic);
    request.group_id = str_from(classic->holder.group);
    request.members = &who;
    request.members_count = 1;
    end_life(classic);
    actor->hear = hear_farewell;
    actor->lose = NULL;
    actor_ask(actor, API_LEAVE_GROUP, least_version(classic, WITH_MEMBERS), INT16_MAX, &request);
}

/* ---- Offsets ---- */

static void hear_offsets(struct actor *actor)
{
    struct classic *classic = classic_of(actor);
    int16_t error = classic->commits ? group_offsets_hear_commit(actor, &classic->offsets)
                                     : group_offsets_hear_fetch(actor, &classic->offsets);
    if (error == ERROR_NONE && classic->commits && classic->is_false)
        violate(classic, "false_commit_is_taken", error);
    else if (error != ERROR_NONE && !is_out(error) && error != ERROR_REBALANCE_IN_PROGRESS &&
             !group_error_is_passing(error))
        violate(classic, "unexpected_error", error);
    actor_wait(actor, 100000);
}

static void lose_offsets(struct actor *actor)
{
    struct classic *classic = classic_of(actor);
    if (classic->commits)
        group_offsets_note(actor, &classic->offsets, "info");
    else
        group_offsets_lose_fetch(actor, &classic->offsets);
}

static void ask_for_offsets(struct classic *classic)
{
    struct actor *actor = &classic->actor;
    classic->commits = actor_draw(actor, 3) > 0;
    classic->is_false = classic->commits && actor_draw(actor, 6) == 0;
    classic->offsets = (struct group_offsets){ .group = classic->holder.group,
        .topic_id = classic->groups->founder.topic_id,
        .member_id = str_from(classic->id),
        .epoch = classic->generation,
        .partitions = classic->holder.owned };
    if (classic->is_false && actor_draw(actor, 2) == 0)
        classic->offsets.member_id = STR("nobody");
    else if (classic->is_false)
        classic->offsets.epoch += 100000;
    actor->hear = hear_offsets;
    actor->lose = lose_offsets;
    if (classic->commits)
        group_offsets_commit(actor, &classic->offsets, 1);
    else
        group_offsets_fetch(actor, &classic->offsets, 0);
}

/* ---- What next? ---- */

static void act_as_classic(struct actor *actor)
{
    struct classic *classic = classic_of(actor);
    bool is_draining = actor->workload->draining;
    if (!classic->groups->founder.is_founded || classic->groups->has_settled) {
        actor_set_idle(actor);
        return;
    }
    if (is_away(classic)) {
        actor_wait(actor, 500000);
        return;
    }
    if (classic->holder.has_given_up) {
        holder_begin(&classic->holder);
        forget(classic);
    }
    if (!classic->has_joined) {
        join(classic);
    } else if (!classic->has_synced) {
        sync(classic);
    } else if (is_draining) {
        beat(classic);
    } else if (actor_draw(actor, 50) == 0) {
        leave(classic);
    } else if (actor_draw(actor, 150) == 0) { /* dies */
        end_life(classic);
        actor_wait(actor, 2000000);
    } else if (actor_draw(actor, 300) == 0) { /* falls silent */
        actor_wait(actor, 20000000);
    } else if (classic->holder.owned != 0 && actor_draw(actor, 2) == 0) {
        ask_for_offsets(classic);
    } else {
        beat(classic);
    }
}

bool classic_is_settled(const struct classic *classic)
{
    return is_away(classic) || classic->has_synced;
}

void classic_start(struct classic *classic, struct workload *workload, struct groups *groups,
    int number, bool is_consumer)
{
    classic->groups = groups;
    classic->is_consumer = is_consumer;
    actor_start(&classic->actor, workload, "classic", number, act_as_classic);
    holder_init(&classic->holder, &classic->actor, group_name(CLASSIC_GROUP), SILENT_US);
    if (actor_draw(&classic->actor, 3) == 0)
        snprintf(classic->instance, sizeof(classic->instance), "fixed%d", number);
}

void classic_take_turns(struct classic *classic, const char *instance, bool *is_own_turn)
{
    snprintf(classic->instance, sizeof(classic->instance), "%s", instance);
    classic->is_own_turn = is_own_turn;
}

void classic_stop(struct classic *classic)
{
    holder_deinit(&classic->holder);
}
