/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/reader.h"

#include <stdio.h>

#include "base/container.h"
#include "error.h"
#include "sim/seen.h"
#include "sim/requests.h"
#include "sim/workload.h"
#include "wire/gen/fetch.h"

enum { FIRST_WITH_IDS = 13, LAST_WITH_NAMES = 12 };

static struct reader *reader_of(struct actor *actor)
{
    return container_of(actor, struct reader, actor);
}

static const char *key_of(const struct reader *reader)
{
    return reader->topic->keys[reader->partition];
}

static void assign(struct reader *reader, struct topic *topic)
{
    char keys[PARTITIONS_MOST * TOPIC_KEY_SIZE] = "-";
    size_t size = 0;
    reader->topic = topic;
    reader->partition = 0;
    for (int32_t i = 0; i < PARTITIONS_MOST; i++) {
        reader->positions[i] = 0;
        reader->ends[i] = -1;
        if (topic != NULL)
            size += (size_t)snprintf(keys + size, sizeof(keys) - size, i == 0 ? "%s" : ",%s", topic->keys[i]);
    }
    actor_note(&reader->actor, "ok", "subscribe", keys, VALUE_NONE, OFFSET_NONE);
}

static void read_on(struct reader *reader)
{
    int32_t count = reader->topic->partition_count;
    for (int32_t i = 0; i < count; i++) {
        reader->partition = (reader->partition + 1) % count;
        if (!reader->is_final || reader->positions[reader->partition] != reader->ends[reader->partition])
            break;
    }
    actor_wait(&reader->actor, reader->is_final ? 2000 : 20000);
}

static void hear_records(struct actor *actor)
{
    struct reader *reader = reader_of(actor);
    const struct fetch_response *response = actor->client.response;
    if (!actor_succeeded(actor, response->error_code, "fetch"))
        return;
    if (response->responses_count != 1 || response->responses[0].partitions_count != 1) {
        recorder_violate(actor->workload->recorder, "fetch_answers_other", "topics=%d", response->responses_count);
        read_on(reader);
        return;
    }
    const struct fetch_partition_data *data = &response->responses[0].partitions[0];
    if (data->error_code == ERROR_OFFSET_OUT_OF_RANGE) {
        int64_t *position = &reader->positions[reader->partition];
        *position = position_after_loss(actor, reader->topic, reader->partition, *position);
        read_on(reader);
        return;
    }
    if (!actor_succeeded(actor, data->error_code, "fetch"))
        return;
    batches_see(actor, reader->topic, reader->partition, &reader->positions[reader->partition],
        (struct bytes){ data->records.data, data->records.size > 0 ? (size_t)data->records.size : 0 });
    actor_note(actor, "ok", "watermark", key_of(reader), VALUE_NONE, data->high_watermark);
    reader->ends[reader->partition] = data->high_watermark;
    read_on(reader);
}

static void ask_records(struct reader *reader)
{
    struct actor *actor = &reader->actor;
    struct one_fetch one;
    one_fetch_init(&one, str_from(reader->topic->name));
    one.partition.partition = reader->partition;
    one.partition.fetch_offset = reader->positions[reader->partition];
    one.partition.partition_max_bytes = 1 + (int32_t)actor_draw(actor, 20000);
    one.topic.topic_id = reader->topic->id;
    one.request.max_wait_ms = reader->is_final ? 0 : (int32_t)actor_draw(actor, 500);
    one.request.min_bytes = 1;
    one.request.max_bytes = 1 << 20;
    actor->hear = hear_records;
    actor_note(actor, "invoke", "watermark", key_of(reader), VALUE_NONE, OFFSET_NONE);
    actor_note(actor, "invoke", "poll", NULL, VALUE_NONE, OFFSET_NONE);
    bool by_name = actor->workload->by_name && actor_draw(actor, 2) == 0;
    actor_ask(actor, API_FETCH, by_name ? 4 : FIRST_WITH_IDS, by_name ? LAST_WITH_NAMES : INT16_MAX, &one.request);
}

static bool has_drained(const struct reader *reader)
{
    for (int32_t i = 0; i < reader->topic->partition_count; i++)
        if (reader->positions[i] != reader->ends[i])
            return false;
    return true;
}

/* Every topic that is there, from the beginning to its end. */
static void act_finally(struct reader *reader)
{
    struct actor *actor = &reader->actor;
    const struct topics *topics = &actor->workload->topics;
    if (reader->topic != NULL && has_drained(reader)) {
        for (int32_t i = 0; i < reader->topic->partition_count; i++)
            actor_note(actor, "ok", "drain", reader->topic->keys[i], VALUE_NONE, OFFSET_NONE);
        reader->final_topic++;
        reader->topic = NULL;
    }
    if (reader->topic == NULL) {
        struct topic *topic = topics_there(topics, reader->final_topic);
        if (topic != NULL)
            assign(reader, topic);
    }
    reader->is_done = reader->topic == NULL;
    if (reader->is_done)
        actor_set_idle(actor);
    else
        ask_records(reader);
}

static void act_as_reader(struct actor *actor)
{
    struct reader *reader = reader_of(actor);
    struct workload *workload = actor->workload;
    if (workload->draining && !reader->is_final && workload->admin.is_done && !workload_has_producers_under_way(workload)) {
        reader->is_final = true;
        reader->topic = NULL;
    }
    if (reader->is_final) {
        act_finally(reader);
        return;
    }
    if (reader->topic != NULL && (reader->topic->state != TOPIC_THERE || actor_draw(actor, 100) == 0))
        assign(reader, NULL);
    if (reader->topic == NULL) {
        struct topic *topic = topics_there(&workload->topics, actor_draw(actor, topics_count_there(&workload->topics) + 1));
        if (topic == NULL) {
            actor_set_idle(actor);
            return;
        }
        assign(reader, topic);
    }
    ask_records(reader);
}

void reader_start(struct reader *reader, struct workload *workload, int number)
{
    actor_start(&reader->actor, workload, "reader", number, act_as_reader);
}
