/* SPDX-License-Identifier: Apache-2.0 */
/* What a seat in a group has committed, and commits. */
#include "cli/seat.h"

#include "cli/client.h"
#include "cli/verb.h"
#include "wire/gen/offset_commit.h"
#include "wire/gen/offset_fetch.h"
#include "wire/schema.h"

enum { COMMIT_EVERY_MS = 1000, UNSETTLED_PAUSE_MS = 100 };

static enum error first_error(const struct offset_commit_response *response)
{
    for (int32_t i = 0; i < response->topics_count; i++) {
        for (int32_t k = 0; k < response->topics[i].partitions_count; k++) {
            if (response->topics[i].partitions[k].error_code != ERROR_NONE)
                return (enum error)response->topics[i].partitions[k].error_code;
        }
    }
    return ERROR_NONE;
}

int seat_commit(struct seat *seat)
{
    struct consumer *consumer = seat->consumer;
    struct offset_commit_request request;
    struct offset_commit_response response;
    struct offset_commit_request_topic topic = { .name = consumer->topic.name,
        .topic_id = consumer->topic.topic_id };
    struct arena arena;
    enum error error = ERROR_NONE;
    int code = EXIT_DONE;
    arena_init(&arena);
    message_defaults(&offset_commit_request_schema, &request);
    request.group_id = str_from(seat->call.group);
    request.generation_id_or_member_epoch = seat->epoch;
    request.member_id = str_from(seat->member_id);
    request.topics = &topic;
    request.topics_count = 1;
    topic.partitions =
        MESSAGE_TAKE(offset_commit_request_partition, &arena, consumer->source_count);
    for (int i = 0; i < consumer->source_count; i++) {
        const struct source *source = &consumer->sources[i];
        if (source->written < 0 || source->written == source->committed)
            continue;
        struct offset_commit_request_partition *one = &topic.partitions[topic.partitions_count++];
        one->partition_index = source->partition;
        one->committed_offset = source->written;
        one->committed_metadata = STR("");
    }
    if (topic.partitions_count > 0)
        code = group_call(&seat->call, API_OFFSET_COMMIT, &request, &arena, &response, &error);
    if (code == EXIT_DONE && topic.partitions_count > 0)
        error = first_error(&response);
    arena_deinit(&arena);
    seat->commit_at_ms = seat_now_ms(seat) + COMMIT_EVERY_MS;
    if (code != EXIT_DONE)
        return code;
    if (seat_is_lost(error))
        seat_lose(seat, error);
    else if (error != ERROR_NONE)
        return seat_complain(seat, error, (struct str){ 0 });
    for (int i = 0; i < consumer->source_count; i++)
        consumer->sources[i].committed = consumer->sources[i].written;
    return EXIT_DONE;
}

/* What the group has committed of the sources from first on. An offset of a transaction that is
 * open is waited for. */
static int fetch_committed(struct seat *seat, int first, struct arena *arena,
    struct offset_fetch_response *out_response, enum error *out_error)
{
    struct consumer *consumer = seat->consumer;
    struct offset_fetch_request request;
    message_defaults(&offset_fetch_request_schema, &request);
    request.require_stable = true;
    request.groups = MESSAGE_TAKE(offset_fetch_request_group, arena, 1);
    request.groups_count = 1;
    request.groups[0].group_id = str_from(seat->call.group);
    request.groups[0].member_id = str_from(seat->member_id);
    request.groups[0].member_epoch = seat->epoch;
    request.groups[0].topics = MESSAGE_TAKE(offset_fetch_request_topics, arena, 1);
    request.groups[0].topics_count = 1;
    struct offset_fetch_request_topics *topic = request.groups[0].topics;
    topic->name = consumer->topic.name;
    topic->topic_id = consumer->topic.topic_id;
    topic->partition_indexes_count = consumer->source_count - first;
    topic->partition_indexes = arena_take_array(
        arena, (size_t)topic->partition_indexes_count, sizeof(*topic->partition_indexes));
    for (int i = first; i < consumer->source_count; i++)
        topic->partition_indexes[i - first] = consumer->sources[i].partition;
    return group_call(&seat->call, API_OFFSET_FETCH, &request, arena, out_response, out_error);
}

/* False: it is not settled yet. */
static bool take_committed(
    struct consumer *consumer, int first, const struct offset_fetch_response_group *group)
{
    for (int32_t i = 0; i < group->topics_count; i++) {
        for (int32_t k = 0; k < group->topics[i].partitions_count; k++) {
            const struct offset_fetch_response_partitions *told = &group->topics[i].partitions[k];
            if (told->error_code == ERROR_UNSTABLE_OFFSET_COMMIT)
                return false;
            for (int s = first; s < consumer->source_count; s++) {
                if (consumer->sources[s].partition == told->partition_index &&
                    told->error_code == ERROR_NONE)
                    consumer->sources[s].committed = told->committed_offset;
            }
        }
    }
    return true;
}

int seat_place(struct seat *seat, int first)
{
    struct consumer *consumer = seat->consumer;
    struct offset_fetch_response response;
    enum error error;
    struct arena arena;
    bool is_settled = first == consumer->source_count;
    int code = EXIT_DONE;
    while (code == EXIT_DONE && !is_settled && !seat->stopped) {
        arena_init(&arena);
        code = fetch_committed(seat, first, &arena, &response, &error);
        if (code == EXIT_DONE && error == ERROR_NONE)
            is_settled = take_committed(consumer, first, &response.groups[0]);
        arena_deinit(&arena);
        if (code == EXIT_DONE && seat_is_lost(error)) {
            seat_lose(seat, error);
            return EXIT_DONE;
        }
        if (code == EXIT_DONE && error != ERROR_NONE)
            return seat_complain(seat, error, (struct str){ 0 });
        if (code == EXIT_DONE && !is_settled)
            client_pause(consumer->client, UNSETTLED_PAUSE_MS);
    }
    if (!is_settled)
        consumer->source_count = first; /* nothing was printed of the others */
    for (int i = first; i < consumer->source_count && code == EXIT_DONE; i++)
        code = consumer_place(
            consumer, &consumer->sources[i], seat->place, consumer->sources[i].committed);
    return code;
}
