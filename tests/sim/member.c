/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/member.h"

#include <stdio.h>
#include <string.h>

#include "base/container.h"
#include "error.h"
#include "sim/groups.h"
#include "sim/workload.h"
#include "wire/gen/consumer_group_heartbeat.h"

/* Less than a session or the rebalance timeout, together with HOLDS_US. */
enum { REBALANCE_MS = 45000, SILENT_US = 33000000, HOLDS_US = 5000000 };
enum { JOINS = 0, LEAVES = -1, LEAVES_STATICALLY = -2 };
enum { WITH_OWN_ID = 1, COMMITS_WITH_EPOCH = 9, FETCHES_WITH_EPOCH = 9 };

static struct member *member_of(struct actor *actor)
{
    return container_of(actor, struct member, actor);
}

static void forget(struct member *member)
{
    holder_set(&member->holder, 0);
    member->id[0] = '\0';
    member->target = 0;
}

/* Its life is over, and the next is a classic's when they take turns. */
static void end_life(struct member *member)
{
    forget(member);
    if (member->is_classics_turn != NULL)
        *member->is_classics_turn = true;
}

static bool is_away(const struct member *member)
{
    return member->is_classics_turn != NULL && *member->is_classics_turn;
}

static void begin(struct member *member)
{
    holder_begin(&member->holder);
    snprintf(member->id, sizeof(member->id), "%s", member->holder.process);
    member->epoch = JOINS;
    member->target = member->had = member->lost = 0;
    member->has_regex = actor_draw(&member->actor, 4) == 0;
    member->is_told = false;
}

static void violate(const struct member *member, const char *name, int error)
{
    recorder_violate(member->actor.workload->recorder, name, "actor=%s member=%s epoch=%d error=%d",
        member->actor.name, member->id, member->epoch, error);
}

/* It is no member any more, or not at that epoch: it has nothing, and begins anew. */
static bool is_out(int16_t error)
{
    return error == ERROR_UNKNOWN_MEMBER_ID || error == ERROR_FENCED_MEMBER_EPOCH ||
           error == ERROR_FENCED_INSTANCE_ID || error == ERROR_UNRELEASED_INSTANCE_ID ||
           error == ERROR_GROUP_ID_NOT_FOUND;
}

/* ---- Heartbeats ---- */

static unsigned partitions_of(
    const struct member *member, const struct consumer_group_heartbeat_assignment *assignment)
{
    unsigned partitions = 0;
    for (int32_t i = 0; i < assignment->topic_partitions_count; i++) {
        const struct consumer_group_heartbeat_response_topic_partitions *topic =
            &assignment->topic_partitions[i];
        for (int32_t k = 0; k < topic->partitions_count; k++) {
            if (topic->partitions[k] >= GROUP_PARTITIONS ||
                !uuid_equal(topic->topic_id, member->groups->founder.topic_id))
                violate(member, "assignment_is_of_another_topic", topic->partitions[k]);
            else
                partitions |= 1u << topic->partitions[k];
        }
    }
    return partitions;
}

static void take_assignment(struct member *member, unsigned target)
{
    struct actor *actor = &member->actor;
    unsigned had_to_go = member->holder.owned & ~member->target,
             goes = member->holder.owned & ~target;
    member->target = target;
    holder_set(&member->holder, member->holder.owned | target);
    if (goes & ~had_to_go)
        member->revokes_us =
            loop_now_us(actor->loop) +
            (int64_t)actor_draw(actor, actor_draw(actor, 3) == 0 ? HOLDS_US : 300000);
}

/* With the next epoch nothing of the one before is its own that it gave up. */
static void take_epoch(struct member *member, int32_t epoch)
{
    unsigned owned = member->holder.owned;
    if (epoch != member->epoch && member->epoch != JOINS) {
        member->lost = member->had & ~owned;
        member->lost_epoch = member->epoch;
        member->had = 0;
    }
    member->epoch = epoch;
}

static void hear_beat(struct actor *actor)
{
    struct member *member = member_of(actor);
    const struct consumer_group_heartbeat_response *response = actor->client.response;
    int16_t error = response->error_code;
    if (error == ERROR_NONE && holder_hear(&member->holder)) {
        take_epoch(member, response->member_epoch);
        member->is_told = true;
        if (!str_is(response->member_id, member->id))
            violate(member, "answer_is_for_others", error);
        if (response->assignment != NULL)
            take_assignment(member, partitions_of(member, response->assignment));
        member->had |= member->holder.owned;
        member->lost &= ~member->holder.owned;
    } else if (error == ERROR_NONE || is_out(error)) {
        forget(member);
    } else if (!group_error_is_passing(error)) {
        violate(member, "unexpected_error", error);
    }
    actor_wait(actor, error == ERROR_NONE ? 100000 : 300000);
}

static void lose_beat(struct actor *actor)
{
    member_of(actor)->is_told = false;
}

static void fill_owned(const struct member *member,
    struct consumer_group_heartbeat_request *request,
    struct consumer_group_heartbeat_request_topic_partitions *topic,
    int32_t numbers[GROUP_PARTITIONS])
{
    topic->topic_id = member->groups->founder.topic_id;
    topic->partitions = numbers;
    for (int32_t i = 0; i < GROUP_PARTITIONS; i++)
        if (member->holder.owned >> i & 1)
            numbers[topic->partitions_count++] = i;
    request->topic_partitions = topic;
    request->topic_partitions_count = topic->partitions_count > 0;
}

static void beat(struct member *member)
{
    struct actor *actor = &member->actor;
    struct consumer_group_heartbeat_request request;
    struct consumer_group_heartbeat_request_topic_partitions topic;
    struct str name = STR(GROUPS_TOPIC);
    int32_t numbers[GROUP_PARTITIONS];
    if (loop_now_us(actor->loop) >= member->revokes_us)
        holder_set(&member->holder, member->holder.owned & member->target);
    message_defaults(&consumer_group_heartbeat_request_schema, &request);
    shape_set_defaults(&consumer_group_heartbeat_request_topic_partitions_shape, &topic);
    request.group_id = str_from(member->holder.group);
    request.member_id = str_from(member->id);
    request.member_epoch = member->epoch;
    if (member->instance[0] != '\0')
        request.instance_id = str_from(member->instance);
    fill_owned(member, &request, &topic, numbers);
    if (!member->is_told || actor_draw(actor, 4) == 0) {
        request.rebalance_timeout_ms = REBALANCE_MS;
        if (!actor->workload->draining && actor_draw(actor, 8) == 0)
            member->by_range = !member->by_range;
        request.server_assignor = member->by_range ? STR("range") : STR("uniform");
        request.subscribed_topic_names = &name;
        request.subscribed_topic_names_count = !member->has_regex;
        request.subscribed_topic_regex = member->has_regex ? STR("part[s]") : STR("");
    }
    actor->hear = hear_beat;
    actor->lose = lose_beat;
    holder_ask(&member->holder);
    actor_ask(actor, API_CONSUMER_GROUP_HEARTBEAT, WITH_OWN_ID, INT16_MAX, &request);
}

static void hear_farewell(struct actor *actor)
{
    const struct consumer_group_heartbeat_response *response = actor->client.response;
    if (response->error_code != ERROR_NONE && !is_out(response->error_code) &&
        !group_error_is_passing(response->error_code))
        violate(member_of(actor), "unexpected_error", response->error_code);
    actor_wait(actor, 1000000);
}

static void leave(struct member *member)
{
    struct actor *actor = &member->actor;
    struct consumer_group_heartbeat_request request;
    message_defaults(&consumer_group_heartbeat_request_schema, &request);
    request.group_id = str_from(member->holder.group);
    request.member_id = str_from(arena_format(&actor->arena, "%s", member->id));
    request.member_epoch = LEAVES;
    if (member->instance[0] != '\0') {
        request.instance_id = str_from(member->instance);
        request.member_epoch = actor_draw(actor, 2) == 0 ? LEAVES : LEAVES_STATICALLY;
    }
    end_life(member);
    actor->hear = hear_farewell;
    actor->lose = NULL;
    actor_ask(actor, API_CONSUMER_GROUP_HEARTBEAT, WITH_OWN_ID, INT16_MAX, &request);
}

/* ---- Offsets ---- */

static void hear_offsets(struct actor *actor)
{
    struct member *member = member_of(actor);
    int16_t error = member->commits ? group_offsets_hear_commit(actor, &member->offsets)
                                    : group_offsets_hear_fetch(actor, &member->offsets);
    if (error == ERROR_NONE && member->commits && member->is_false)
        violate(member, "false_commit_is_taken", error);
    else if (error != ERROR_NONE && !is_out(error) && error != ERROR_STALE_MEMBER_EPOCH &&
             !group_error_is_passing(error))
        violate(member, "unexpected_error", error);
    actor_wait(actor, 100000);
}

static void lose_offsets(struct actor *actor)
{
    struct member *member = member_of(actor);
    if (member->commits)
        group_offsets_note(actor, &member->offsets, "info");
    else
        group_offsets_lose_fetch(actor, &member->offsets);
}

/* Of a partition that was its own, and is another's by now; of an epoch to come; or of nobody. */
static void falsify(struct member *member)
{
    if (member->lost != 0) {
        member->offsets.partitions = member->lost & ~(member->lost - 1); /* one of them */
        member->offsets.epoch = member->lost_epoch;
    } else if (actor_draw(&member->actor, 2) == 0) {
        member->offsets.epoch += 100000;
    } else {
        member->offsets.member_id = STR("nobody");
    }
}

static void ask_for_offsets(struct member *member)
{
    struct actor *actor = &member->actor;
    member->commits = actor_draw(actor, 3) > 0;
    member->is_false = member->commits && actor_draw(actor, 6) == 0;
    member->offsets = (struct group_offsets){ .group = member->holder.group,
        .topic_id = member->groups->founder.topic_id,
        .member_id = str_from(member->id),
        .epoch = member->epoch,
        .partitions = member->holder.owned };
    if (member->is_false)
        falsify(member);
    actor->hear = hear_offsets;
    actor->lose = lose_offsets;
    if (member->commits)
        group_offsets_commit(actor, &member->offsets, COMMITS_WITH_EPOCH);
    else
        group_offsets_fetch(actor, &member->offsets, FETCHES_WITH_EPOCH);
}

/* ---- What next? ---- */

static void act_as_member(struct actor *actor)
{
    struct member *member = member_of(actor);
    bool is_draining = actor->workload->draining;
    if (!member->groups->founder.is_founded || member->groups->has_settled) {
        actor_set_idle(actor);
        return;
    }
    if (is_away(member)) {
        actor_wait(actor, 500000);
        return;
    }
    if (member->holder.has_given_up)
        forget(member);
    if (member->id[0] == '\0') {
        begin(member);
        beat(member);
    } else if (is_draining || member->epoch == JOINS) {
        beat(member);
    } else if (actor_draw(actor, 30) == 0) {
        leave(member);
    } else if (actor_draw(actor, 100) == 0) { /* dies */
        end_life(member);
        actor_wait(actor, 2000000);
    } else if (actor_draw(actor, 300) == 0) { /* falls silent, and does not know how long it was */
        actor_wait(actor, 60000000);
    } else if (member->holder.owned != 0 && actor_draw(actor, 2) == 0) {
        ask_for_offsets(member);
    } else {
        beat(member);
    }
}

bool member_is_settled(const struct member *member)
{
    return is_away(member) || (member->id[0] != '\0' && member->epoch > JOINS && member->is_told &&
                                  member->holder.owned == member->target);
}

void member_start(struct member *member, struct workload *workload, struct groups *groups,
    int number, const char *group)
{
    member->groups = groups;
    actor_start(&member->actor, workload, "member", number, act_as_member);
    holder_init(&member->holder, &member->actor, group, SILENT_US);
    if (actor_draw(&member->actor, 3) == 0)
        snprintf(member->instance, sizeof(member->instance), "instance%d", number);
}

void member_take_turns(struct member *member, const char *instance, bool *is_classics_turn)
{
    snprintf(member->instance, sizeof(member->instance), "%s", instance);
    member->is_classics_turn = is_classics_turn;
}

void member_stop(struct member *member)
{
    holder_deinit(&member->holder);
}
