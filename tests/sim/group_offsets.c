/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/group_offsets.h"

#include <stdio.h>
#include <string.h>

#include "error.h"
#include "sim/actor.h"
#include "sim/workload.h"
#include "wire/gen/offset_commit.h"
#include "wire/gen/offset_delete.h"
#include "wire/gen/offset_fetch.h"

enum { WITH_GROUPS = 8 /* OffsetFetch */ };

const char *group_name(uint64_t n)
{
    static const char *const names[GROUP_COUNT] = { "s0", "s1", "c0", "k0" };
    return names[n];
}

const char *group_key(const char *group, int32_t partition)
{
    static char key[GROUP_KEY_SIZE];
    snprintf(key, sizeof(key), "%s/%d", group, partition);
    return key;
}

bool group_error_is_passing(int16_t error)
{
    return error == ERROR_NOT_COORDINATOR || error_is_passing(error);
}

/* The log may have taken what was asked for, and the coordinator have ended before it was durable.
 */
const char *group_phase(int16_t error)
{
    bool is_unknown = error == ERROR_NOT_COORDINATOR || error == ERROR_COORDINATOR_NOT_AVAILABLE ||
                      !error_is_certain(error);
    return error == ERROR_NONE ? "ok" : is_unknown ? "info" : "fail";
}

static bool has(const struct group_offsets *offsets, int32_t partition)
{
    return offsets->partitions >> partition & 1;
}

static void note(struct actor *actor, const struct group_offsets *offsets, const char *phase,
    const char *name, int32_t partition, int64_t value)
{
    actor_note(actor, phase, name, group_key(offsets->group, partition), value,
        value > 0 ? value : OFFSET_NONE);
}

void group_offsets_note(struct actor *actor, const struct group_offsets *offsets, const char *phase)
{
    for (int32_t i = 0; i < GROUP_PARTITIONS; i++)
        if (has(offsets, i))
            note(actor, offsets, phase, "commit", i, offsets->values[i]);
}

static void violate(struct actor *actor, const struct group_offsets *offsets, const char *call)
{
    recorder_violate(actor->workload->recorder, "answer_is_for_others", "actor=%s call=%s group=%s",
        actor->name, call, offsets->group);
}

/* ---- Commits ---- */

static struct str metadata_of(struct arena *arena, int64_t value)
{
    return value % 3 == 0 ? STR("")
                          : str_from(arena_format(arena, "note of %lld", (long long)value));
}

void group_offsets_commit(struct actor *actor, struct group_offsets *offsets, int16_t least_version)
{
    struct offset_commit_request request;
    struct offset_commit_request_topic topic;
    struct offset_commit_request_partition partitions[GROUP_PARTITIONS];
    message_defaults(&offset_commit_request_schema, &request);
    shape_set_defaults(&offset_commit_request_topic_shape, &topic);
    topic.name = STR(GROUPS_TOPIC);
    topic.topic_id = offsets->topic_id;
    topic.partitions = partitions;
    for (int32_t i = 0; i < GROUP_PARTITIONS; i++) {
        if (!has(offsets, i))
            continue;
        struct offset_commit_request_partition *partition = &partitions[topic.partitions_count++];
        offsets->values[i] = recorder_value(actor->workload->recorder);
        shape_set_defaults(&offset_commit_request_partition_shape, partition);
        partition->partition_index = i;
        partition->committed_offset = offsets->values[i];
        partition->committed_metadata = metadata_of(&actor->arena, offsets->values[i]);
    }
    request.group_id = str_from(offsets->group);
    request.member_id = offsets->member_id;
    request.generation_id_or_member_epoch = offsets->epoch;
    request.topics = &topic;
    request.topics_count = 1;
    group_offsets_note(actor, offsets, "invoke");
    actor_ask(actor, API_OFFSET_COMMIT, least_version, INT16_MAX, &request);
}

int16_t group_offsets_hear_commit(struct actor *actor, const struct group_offsets *offsets)
{
    const struct offset_commit_response *response = actor->client.response;
    int16_t errors[GROUP_PARTITIONS], worst = ERROR_NONE;
    for (int32_t i = 0; i < GROUP_PARTITIONS; i++)
        errors[i] = ERROR_UNKNOWN_SERVER_ERROR;
    for (int32_t i = 0; response->topics_count == 1 && i < response->topics[0].partitions_count;
         i++) {
        const struct offset_commit_response_partition *told = &response->topics[0].partitions[i];
        if (told->partition_index < 0 || told->partition_index >= GROUP_PARTITIONS)
            violate(actor, offsets, "offset_commit");
        else
            errors[told->partition_index] = told->error_code;
    }
    for (int32_t i = 0; i < GROUP_PARTITIONS; i++) {
        if (!has(offsets, i))
            continue;
        note(actor, offsets, group_phase(errors[i]), "commit", i, offsets->values[i]);
        if (errors[i] != ERROR_NONE)
            worst = errors[i];
    }
    return worst;
}

/* ---- What is committed ---- */

void group_offsets_fetch(struct actor *actor, struct group_offsets *offsets, int16_t least_version)
{
    struct offset_fetch_request request;
    struct offset_fetch_request_group group;
    struct offset_fetch_request_topics topic;
    int32_t indexes[GROUP_PARTITIONS];
    message_defaults(&offset_fetch_request_schema, &request);
    shape_set_defaults(&offset_fetch_request_group_shape, &group);
    shape_set_defaults(&offset_fetch_request_topics_shape, &topic);
    topic.name = STR(GROUPS_TOPIC);
    topic.topic_id = offsets->topic_id;
    topic.partition_indexes = indexes;
    offsets->is_all = actor_draw(actor, 4) == 0;
    if (offsets->is_all)
        offsets->partitions = (1u << GROUP_PARTITIONS) - 1;
    for (int32_t i = 0; i < GROUP_PARTITIONS; i++) {
        if (!has(offsets, i))
            continue;
        indexes[topic.partition_indexes_count++] = i;
        note(actor, offsets, "invoke", "committed", i, VALUE_NONE);
    }
    group.group_id = str_from(offsets->group);
    if (offsets->member_id.size > 0) {
        group.member_id = offsets->member_id;
        group.member_epoch = offsets->epoch;
    }
    group.topics = offsets->is_all ? NULL : &topic;
    group.topics_count = offsets->is_all ? -1 : 1;
    request.groups = &group;
    request.groups_count = 1;
    request.require_stable = actor_draw(actor, 2) == 0;
    actor_ask(actor, API_OFFSET_FETCH, least_version > WITH_GROUPS ? least_version : WITH_GROUPS,
        INT16_MAX, &request);
}

static int64_t value_of(struct actor *actor, const struct offset_fetch_response_partitions *told)
{
    int64_t value = told->committed_offset;
    if (value == -1)
        return VALUE_NONE;
    bool is_known = value > 0 && value <= actor->workload->recorder->value_count;
    return is_known && str_equal(told->metadata, metadata_of(&actor->arena, value)) ? value
                                                                                    : VALUE_DAMAGED;
}

static const struct offset_fetch_response_partitions *told_of(
    const struct offset_fetch_response_group *group, int32_t partition)
{
    for (int32_t i = 0; group->topics_count == 1 && i < group->topics[0].partitions_count; i++)
        if (group->topics[0].partitions[i].partition_index == partition)
            return &group->topics[0].partitions[i];
    return NULL;
}

int16_t group_offsets_hear_fetch(struct actor *actor, const struct group_offsets *offsets)
{
    const struct offset_fetch_response *response = actor->client.response;
    const struct offset_fetch_response_group *group = response->groups;
    int16_t whole = response->groups_count == 1 ? group->error_code : ERROR_UNKNOWN_SERVER_ERROR;
    int16_t worst = whole;
    for (int32_t i = 0; i < GROUP_PARTITIONS; i++) {
        if (!has(offsets, i))
            continue;
        const struct offset_fetch_response_partitions *told =
            whole == ERROR_NONE ? told_of(group, i) : NULL;
        int16_t error = told != NULL ? told->error_code : whole;
        if (told == NULL && whole == ERROR_NONE && !offsets->is_all)
            error = ERROR_UNKNOWN_SERVER_ERROR; /* it was asked for by its number */
        int64_t value = told == NULL || error != ERROR_NONE ? VALUE_NONE : value_of(actor, told);
        note(actor, offsets, error == ERROR_NONE ? "ok" : "info", "committed", i, value);
        if (error != ERROR_NONE)
            worst = error;
    }
    return worst;
}

void group_offsets_lose_fetch(struct actor *actor, const struct group_offsets *offsets)
{
    for (int32_t i = 0; i < GROUP_PARTITIONS; i++)
        if (has(offsets, i))
            note(actor, offsets, "info", "committed", i, VALUE_NONE);
}

/* ---- Deletion ---- */

void group_offsets_delete(struct actor *actor, struct group_offsets *offsets)
{
    struct offset_delete_request request;
    struct offset_delete_request_topic topic;
    struct offset_delete_request_partition partitions[GROUP_PARTITIONS];
    message_defaults(&offset_delete_request_schema, &request);
    shape_set_defaults(&offset_delete_request_topic_shape, &topic);
    topic.name = STR(GROUPS_TOPIC);
    topic.partitions = partitions;
    for (int32_t i = 0; i < GROUP_PARTITIONS; i++) {
        if (!has(offsets, i))
            continue;
        shape_set_defaults(
            &offset_delete_request_partition_shape, &partitions[topic.partitions_count]);
        partitions[topic.partitions_count++].partition_index = i;
        offsets->values[i] = VALUE_NONE;
    }
    request.group_id = str_from(offsets->group);
    request.topics = &topic;
    request.topics_count = 1;
    group_offsets_note(actor, offsets, "invoke");
    actor_ask(actor, API_OFFSET_DELETE, 0, INT16_MAX, &request);
}

int16_t group_offsets_hear_deletion(struct actor *actor, const struct group_offsets *offsets)
{
    const struct offset_delete_response *response = actor->client.response;
    int16_t worst = response->error_code;
    for (int32_t i = 0; i < GROUP_PARTITIONS; i++) {
        if (!has(offsets, i))
            continue;
        int16_t error = response->error_code;
        for (int32_t k = 0; response->topics_count == 1 && k < response->topics[0].partitions_count;
             k++)
            if (error == ERROR_NONE && response->topics[0].partitions[k].partition_index == i)
                error = response->topics[0].partitions[k].error_code;
        note(actor, offsets, group_phase(error), "commit", i, VALUE_NONE);
        if (error != ERROR_NONE)
            worst = error;
    }
    return worst;
}
