/* SPDX-License-Identifier: Apache-2.0 */
/* Fetches for `strom consume`, when everything that was fetched is printed and written. */
#include "cli/consume.h"

#include "cli/client.h"
#include "cli/verb.h"
#include "wire/schema.h"

enum { FETCH_BYTES = 8 << 20, LEADERS_PAUSE_MS = 20 };

bool consumer_is_finished(const struct source *source)
{
    return source->end >= 0 && source->position >= source->end;
}

/* From a node, of all unfinished partitions that it leads. */
static int fetch_from(struct consumer *consumer, int32_t leader_id, int32_t wait_ms)
{
    struct fetch_request request;
    struct fetched *fetched = &consumer->fetched;
    fetched->is_open = true;
    arena_init(&fetched->arena);
    message_defaults(&fetch_request_schema, &request);
    request.replica_id = -1;
    request.max_wait_ms = wait_ms;
    request.min_bytes = 1;
    request.max_bytes = 4 * FETCH_BYTES;
    request.isolation_level = consumer->committed ? 1 : 0;
    request.session_epoch = -1; /* no session */
    request.topics = MESSAGE_TAKE(fetch_topic, &fetched->arena, 1);
    request.topics_count = 1;
    request.topics[0].topic = consumer->topic.name;
    request.topics[0].topic_id = consumer->topic.topic_id;
    request.topics[0].partitions =
        MESSAGE_TAKE(fetch_partition, &fetched->arena, consumer->source_count);
    request.topics[0].partitions_count = 0;
    for (int i = 0; i < consumer->source_count; i++) {
        struct source *source = &consumer->sources[i];
        source->fetched = !consumer_is_finished(source) && source->leader_id == leader_id;
        if (!source->fetched)
            continue;
        struct fetch_partition *partition =
            &request.topics[0].partitions[request.topics[0].partitions_count++];
        partition->partition = source->partition;
        partition->fetch_offset = source->position;
        partition->partition_max_bytes = FETCH_BYTES;
    }
    if (client_call(consumer->client, leader_id, API_FETCH, &request, &fetched->arena,
            &fetched->response) < 0)
        return EXIT_UNREACHABLE;
    if (fetched->response.error_code != ERROR_NONE)
        return client_complain(
            consumer->topic.name.data, fetched->response.error_code, (struct str){ 0 });
    return EXIT_DONE;
}

/* Whether this source is the first unfinished one of its leader. */
static bool speaks_for_leader(const struct consumer *consumer, int index)
{
    if (consumer_is_finished(&consumer->sources[index]))
        return false;
    for (int i = 0; i < index; i++) {
        if (!consumer_is_finished(&consumer->sources[i]) &&
            consumer->sources[i].leader_id == consumer->sources[index].leader_id)
            return false;
    }
    return true;
}

/* Leaders of unfinished sources, and the two of lowest ids: of all, and beyond the last asked. */
static int count_leaders(const struct consumer *consumer, int32_t *out_first, int32_t *out_next)
{
    int count = 0;
    *out_first = *out_next = INT32_MAX;
    for (int i = 0; i < consumer->source_count; i++) {
        int32_t leader_id = consumer->sources[i].leader_id;
        if (!speaks_for_leader(consumer, i))
            continue;
        count++;
        if (leader_id < *out_first)
            *out_first = leader_id;
        if (leader_id > consumer->asked_id && leader_id < *out_next)
            *out_next = leader_id;
    }
    return count;
}

/* Of several leaders none may wait; a round of them is followed by a pause. */
static int fetch(struct consumer *consumer, int32_t wait_ms, int *out_leaders)
{
    int32_t first, next;
    *out_leaders = count_leaders(consumer, &first, &next);
    if (*out_leaders == 0)
        return EXIT_DONE;
    if (*out_leaders > 1 && next == INT32_MAX)
        client_pause(consumer->client, LEADERS_PAUSE_MS);
    consumer->asked_id = next == INT32_MAX ? first : next;
    return fetch_from(consumer, consumer->asked_id, *out_leaders == 1 ? wait_ms : 0);
}

int consumer_step(struct consumer *consumer, int32_t wait_ms, int *in_out_leaders)
{
    if (consumer_owes(consumer))
        return consumer_write(consumer, wait_ms);
    int code = EXIT_DONE;
    if (!consumer->fetched.is_open)
        code = fetch(consumer, wait_ms, in_out_leaders);
    if (code == EXIT_DONE && consumer->fetched.is_open)
        code = consumer_print(consumer);
    int written = consumer_write(consumer, 0);
    return code != EXIT_DONE ? code : written;
}
