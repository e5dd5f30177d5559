/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/group_view.h"

#include <stdlib.h>

#include "base/memory.h"
#include "cli/client.h"
#include "cli/group_call.h"
#include "cli/offset_ask.h"
#include "cli/place.h"
#include "cli/verb.h"
#include "wire/decode.h"
#include "wire/gen/consumer_group_describe.h"
#include "wire/gen/consumer_protocol_assignment_record.h"
#include "wire/gen/describe_groups.h"
#include "wire/gen/metadata.h"
#include "wire/gen/offset_fetch.h"
#include "wire/reader.h"

/* Of a classic member that leads no consumer, or was assigned nothing, there is none. */
static void read_classic_shares(
    struct bytes blob, struct arena *arena, struct group_member *out_member)
{
    const struct message_schema *schema = &consumer_protocol_assignment_record_schema;
    struct consumer_protocol_assignment_record assignment;
    struct reader reader = reader_of(blob);
    int16_t version = reader_i16(&reader);
    if (reader.failed || version < schema->min_version)
        return;
    if (version > schema->max_version)
        version = schema->max_version; /* a later one begins the same */
    struct bytes body = { reader.at, reader_left(&reader) };
    if (!message_decode(schema, version, body, arena, &assignment, NULL))
        return;
    int32_t count = assignment.assigned_partitions_count;
    count = count < 0 ? 0 : count;
    out_member->shares = arena_take_array(arena, (size_t)count, sizeof(struct group_share));
    out_member->share_count = count;
    for (int32_t i = 0; i < count; i++) {
        const struct consumer_protocol_assignment_record_topic_partition *from =
            &assignment.assigned_partitions[i];
        out_member->shares[i] =
            (struct group_share){ from->topic, from->partitions, from->partitions_count };
    }
}

static void read_classic(const struct describe_groups_described_group *group, struct arena *arena,
    struct group_view *out_view)
{
    *out_view = (struct group_view){ .state = group->group_state,
        .type = STR("classic"),
        .assignor = group->protocol_data,
        .epoch = -1 };
    out_view->members =
        arena_take_array(arena, (size_t)group->members_count + 1, sizeof(struct group_member));
    for (int32_t i = 0; i < group->members_count; i++) {
        const struct describe_groups_described_group_member *from = &group->members[i];
        struct group_member *member = &out_view->members[out_view->member_count++];
        *member = (struct group_member){ .id = from->member_id,
            .instance = from->group_instance_id,
            .client = from->client_id,
            .host = from->client_host,
            .epoch = -1 };
        if (str_is(group->protocol_type, "consumer"))
            read_classic_shares(from->member_assignment, arena, member);
    }
}

static void read_consumer(const struct consumer_group_describe_described_group *group,
    struct arena *arena, struct group_view *out_view)
{
    *out_view = (struct group_view){ .state = group->group_state,
        .type = STR("consumer"),
        .assignor = group->assignor_name,
        .epoch = group->group_epoch };
    out_view->members =
        arena_take_array(arena, (size_t)group->members_count + 1, sizeof(struct group_member));
    for (int32_t i = 0; i < group->members_count; i++) {
        const struct consumer_group_describe_member *from = &group->members[i];
        int32_t count = from->assignment.topic_partitions_count;
        struct group_member *member = &out_view->members[out_view->member_count++];
        *member = (struct group_member){ .id = from->member_id,
            .instance = from->instance_id,
            .client = from->client_id,
            .host = from->client_host,
            .epoch = from->member_epoch,
            .shares = arena_take_array(arena, (size_t)count, sizeof(struct group_share)),
            .share_count = count };
        for (int32_t k = 0; k < count; k++) {
            const struct consumer_group_describe_topic_partitions *share =
                &from->assignment.topic_partitions[k];
            member->shares[k] = (struct group_share){ share->topic_name, share->partitions,
                share->partitions_count };
        }
    }
}

/* Classic groups are asked for first: every Kafka knows how. It calls dead what it does not know.
 */
int group_view_load(struct group_call *call, struct arena *arena, struct group_view *out_view)
{
    struct str name = str_from(call->group);
    enum error error;
    struct describe_groups_request classic = { .groups = &name, .groups_count = 1 };
    struct describe_groups_response classic_answer;
    int code = group_call(call, API_DESCRIBE_GROUPS, &classic, arena, &classic_answer, &error);
    if (code != EXIT_DONE)
        return code;
    if (error == ERROR_NONE && !str_is(classic_answer.groups[0].group_state, "Dead")) {
        read_classic(&classic_answer.groups[0], arena, out_view);
        return EXIT_DONE;
    }
    if (error != ERROR_NONE && error != ERROR_GROUP_ID_NOT_FOUND)
        return group_complain(call->group, error, classic_answer.groups[0].error_message);

    struct consumer_group_describe_request consumer = { .group_ids = &name, .group_ids_count = 1 };
    struct consumer_group_describe_response answer;
    code = group_call(call, API_CONSUMER_GROUP_DESCRIBE, &consumer, arena, &answer, &error);
    if (code != EXIT_DONE)
        return code;
    if (error == ERROR_GROUP_ID_NOT_FOUND)
        return EXIT_ABSENT;
    if (error != ERROR_NONE)
        return group_complain(call->group, error, answer.groups[0].error_message);
    read_consumer(&answer.groups[0], arena, out_view);
    return EXIT_DONE;
}

int group_partition_compare(const void *left, const void *right)
{
    const struct group_partition *a = left, *b = right;
    int order = str_compare(a->topic, b->topic);
    return order != 0 ? order : (a->partition > b->partition) - (a->partition < b->partition);
}

struct group_partition *group_partition_find(
    struct group_partition *sorted, int count, struct str topic, int32_t partition)
{
    struct group_partition key = { .topic = topic, .partition = partition };
    return bsearch(&key, sorted, (size_t)count, sizeof(*sorted), group_partition_compare);
}

/* Newer answers name topics by id alone. Null: there is no such topic any more. */
static struct str topic_name(
    const struct metadata_response *metadata, const struct offset_fetch_response_topics *topic)
{
    if (topic->name.size > 0)
        return topic->name;
    for (int32_t i = 0; i < metadata->topics_count; i++) {
        if (uuid_equal(metadata->topics[i].topic_id, topic->topic_id))
            return metadata->topics[i].name;
    }
    return (struct str){ 0 };
}

int group_offsets_load(struct group_call *call, const struct metadata_response *metadata,
    struct arena *arena, struct group_partition **out_partitions, int *out_count)
{
    struct offset_fetch_request request;
    struct offset_fetch_response response;
    enum error error;
    message_defaults(&offset_fetch_request_schema, &request);
    request.groups = MESSAGE_TAKE(offset_fetch_request_group, arena, 1);
    request.groups_count = 1;
    request.groups[0].group_id = str_from(call->group);
    request.groups[0].topics_count = -1; /* all */
    *out_count = 0;
    int code = group_call(call, API_OFFSET_FETCH, &request, arena, &response, &error);
    if (code != EXIT_DONE || error == ERROR_GROUP_ID_NOT_FOUND)
        return code;
    if (error != ERROR_NONE)
        return group_complain(call->group, error, (struct str){ 0 });
    const struct offset_fetch_response_group *group = &response.groups[0];
    size_t count = 0;
    for (int32_t i = 0; i < group->topics_count; i++)
        count += (size_t)group->topics[i].partitions_count;
    struct group_partition *partitions = arena_take_array(arena, count + 1, sizeof(*partitions));
    for (int32_t i = 0; i < group->topics_count; i++) {
        struct str name = topic_name(metadata, &group->topics[i]);
        for (int32_t k = 0; !str_is_null(name) && k < group->topics[i].partitions_count; k++) {
            const struct offset_fetch_response_partitions *from = &group->topics[i].partitions[k];
            if (from->error_code == ERROR_NONE && from->committed_offset >= 0)
                partitions[(*out_count)++] = (struct group_partition){ .topic = name,
                    .partition = from->partition_index,
                    .committed = from->committed_offset,
                    .end = -1 };
        }
    }
    qsort(partitions, (size_t)*out_count, sizeof(*partitions), group_partition_compare);
    *out_partitions = partitions;
    return EXIT_DONE;
}

int group_partitions_join(const struct group_view *view, const struct group_partition *committed,
    int committed_count, struct arena *arena, struct group_partition **out_partitions)
{
    size_t most = (size_t)committed_count;
    for (int32_t i = 0; i < view->member_count; i++) {
        for (int32_t k = 0; k < view->members[i].share_count; k++)
            most += (size_t)view->members[i].shares[k].partition_count;
    }
    struct group_partition *all = arena_take_array(arena, most + 1, sizeof(*all));
    if (committed_count > 0)
        memcpy(all, committed, (size_t)committed_count * sizeof(*all));
    int count = committed_count;
    for (int32_t i = 0; i < view->member_count; i++) {
        const struct group_member *member = &view->members[i];
        for (int32_t k = 0; k < member->share_count; k++) {
            const struct group_share *share = &member->shares[k];
            for (int32_t p = 0; p < share->partition_count; p++) {
                struct group_partition *found =
                    group_partition_find(all, committed_count, share->topic, share->partitions[p]);
                if (found == NULL) {
                    found = &all[count++];
                    *found = (struct group_partition){ .topic = share->topic,
                        .partition = share->partitions[p],
                        .committed = -1,
                        .end = -1 };
                }
                found->member = member;
            }
        }
    }
    qsort(all, (size_t)count, sizeof(*all), group_partition_compare);
    *out_partitions = all;
    return count;
}

int group_partitions_ends(struct group_call *call, const struct metadata_response *metadata,
    struct group_partition *partitions, int count)
{
    struct offset_ask *asks = memory_take(((size_t)count + 1) * sizeof(*asks));
    for (int i = 0; i < count; i++)
        asks[i] = (struct offset_ask){ .topic = partitions[i].topic,
            .partition = partitions[i].partition,
            .timestamp = PLACE_LATEST };
    int code = offsets_ask(call->client, metadata, asks, count);
    for (int i = 0; code == EXIT_DONE && i < count; i++)
        group_partition_find(partitions, count, asks[i].topic, asks[i].partition)->end =
            asks[i].offset;
    memory_give(asks);
    return code;
}

bool group_partition_lag(const struct group_partition *partition, int64_t *out_lag)
{
    *out_lag = partition->end - partition->committed;
    return partition->committed >= 0 && partition->end >= 0;
}
