/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/offset_ask.h"

#include <stdlib.h>

#include "base/arena.h"
#include "cli/client.h"
#include "cli/verb.h"
#include "wire/gen/list_offsets.h"
#include "wire/gen/metadata.h"
#include "wire/schema.h"

const struct metadata_response_topic *metadata_topic(
    const struct metadata_response *metadata, struct str name)
{
    for (int32_t i = 0; i < metadata->topics_count; i++) {
        if (str_equal(metadata->topics[i].name, name))
            return &metadata->topics[i];
    }
    return NULL;
}

static void find_leader(const struct metadata_response *metadata, struct offset_ask *ask)
{
    const struct metadata_response_topic *topic = metadata_topic(metadata, ask->topic);
    ask->offset = -1;
    ask->leader_id = -1;
    ask->error = ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    for (int32_t i = 0; topic != NULL && i < topic->partitions_count; i++) {
        if (topic->partitions[i].partition_index != ask->partition)
            continue;
        ask->leader_id = topic->partitions[i].leader_id;
        ask->error = ask->leader_id < 0 ? ERROR_LEADER_NOT_AVAILABLE : ERROR_NONE;
    }
}

static int by_leader(const void *left, const void *right)
{
    const struct offset_ask *a = left, *b = right;
    if (a->leader_id != b->leader_id)
        return a->leader_id < b->leader_id ? -1 : 1;
    int order = str_compare(a->topic, b->topic);
    if (order == 0)
        order = (a->partition > b->partition) - (a->partition < b->partition);
    return order;
}

static void take_answers(
    const struct list_offsets_response *response, struct offset_ask *asks, int count)
{
    for (int32_t i = 0; i < response->topics_count; i++) {
        for (int32_t k = 0; k < response->topics[i].partitions_count; k++) {
            const struct list_offsets_partition_response *answer =
                &response->topics[i].partitions[k];
            struct offset_ask key = { .topic = response->topics[i].name,
                .partition = answer->partition_index,
                .leader_id = asks->leader_id };
            struct offset_ask *ask = bsearch(&key, asks, (size_t)count, sizeof(*asks), by_leader);
            if (ask == NULL)
                continue;
            ask->error = (enum error)answer->error_code;
            ask->offset = ask->error == ERROR_NONE ? answer->offset : -1;
        }
    }
}

/* All of one leader, sorted. */
static int ask_leader(struct client *client, struct offset_ask *asks, int count)
{
    struct list_offsets_request request;
    struct list_offsets_response response;
    struct arena arena;
    arena_init(&arena);
    message_defaults(&list_offsets_request_schema, &request);
    request.replica_id = -1;
    request.topics = MESSAGE_TAKE(list_offsets_topic, &arena, count);
    request.topics_count = 0;
    struct list_offsets_partition *partitions = MESSAGE_TAKE(list_offsets_partition, &arena, count);
    struct list_offsets_topic *topic = NULL;
    for (int i = 0; i < count; i++) {
        if (topic == NULL || !str_equal(topic->name, asks[i].topic)) {
            topic = &request.topics[request.topics_count++];
            topic->name = asks[i].topic;
            topic->partitions = &partitions[i];
            topic->partitions_count = 0;
        }
        partitions[i].partition_index = asks[i].partition;
        partitions[i].timestamp = asks[i].timestamp;
        topic->partitions_count++;
    }
    int code = EXIT_UNREACHABLE;
    if (client_call(client, asks->leader_id, API_LIST_OFFSETS, &request, &arena, &response) == 0) {
        take_answers(&response, asks, count);
        code = EXIT_DONE;
    }
    arena_deinit(&arena);
    return code;
}

int offsets_ask(struct client *client, const struct metadata_response *metadata,
    struct offset_ask *asks, int count)
{
    int code = EXIT_DONE, end;
    for (int i = 0; i < count; i++)
        find_leader(metadata, &asks[i]);
    qsort(asks, (size_t)count, sizeof(*asks), by_leader);
    for (int begin = 0; begin < count && code == EXIT_DONE; begin = end) {
        for (end = begin + 1; end < count && asks[end].leader_id == asks[begin].leader_id; end++)
            continue;
        if (asks[begin].leader_id >= 0)
            code = ask_leader(client, asks + begin, end - begin);
    }
    return code;
}
