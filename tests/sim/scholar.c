/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/scholar.h"

#include "base/buffer.h"
#include "base/container.h"
#include "error.h"
#include "sim/payload.h"
#include "sim/producer_id.h"
#include "sim/requests.h"
#include "sim/workload.h"
#include "wire/compress.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/fetch.h"
#include "wire/gen/init_producer_id.h"
#include "wire/gen/produce.h"
#include "wire/record.h"

enum { READS_MOST = 12, JUMP_MS = 3000 };

static struct scholar *scholar_of(struct actor *actor)
{
    return container_of(actor, struct scholar, actor);
}

void scholar_violate(const struct scholar *scholar, const char *name, int64_t answer, int64_t known)
{
    recorder_violate(scholar->actor.workload->recorder, name, "actor=%s answer=%lld known=%lld end=%lld epoch=%d", scholar->actor.name,
        (long long)answer, (long long)known, (long long)scholar->study.end, scholar->newest_epoch);
}

/* ---- Its topic and its producer id ---- */

static void hear_creation(struct actor *actor)
{
    struct scholar *scholar = scholar_of(actor);
    const struct create_topics_response *response = actor->client.response;
    int16_t error = response->topics_count == 1 ? response->topics[0].error_code : ERROR_UNKNOWN_SERVER_ERROR;
    scholar->has_topic = error == ERROR_TOPIC_ALREADY_EXISTS || actor_succeeded(actor, error, "create_topics");
    if (scholar->has_topic)
        actor_wait(actor, 100000);
}

static void create_topic(struct scholar *scholar)
{
    static const char *const settings[][2] = {
        { "ack.durability", "disk" },
        { "message.timestamp.type", "CreateTime" },
        { "segment.ms", "4000" },
        { "segment.jitter.ms", "0" },
        { "index.interval.bytes", "300" },
    };
    scholar->actor.hear = hear_creation;
    request_topic(&scholar->actor, "studied", settings, (int)(sizeof(settings) / sizeof(settings[0])));
}

static void hear_id(struct actor *actor)
{
    struct scholar *scholar = scholar_of(actor);
    const struct init_producer_id_response *response = actor->client.response;
    if (!actor_succeeded(actor, response->error_code, "init_producer_id"))
        return;
    scholar->producer_id = response->producer_id;
    scholar->producer_epoch = response->producer_epoch;
    producer_id_note(actor, "scholar", scholar->producer_id);
    actor_wait(actor, 1000);
}

/* ---- Reading back ---- */

static void end_batch(struct scholar *scholar)
{
    scholar->next_sequence += scholar->batch.count;
    scholar->batch.count = 0;
    scholar->life_of_end = scholar->actor.workload->recorder->lives;
}

/* A leader that began after the last record was read back has another epoch than those before. */
static void see_epoch(struct scholar *scholar, int32_t epoch)
{
    const struct study *study = &scholar->study;
    int32_t last = study->end == 0 ? -1 : study->records[study->end - 1].epoch;
    int32_t least = study->end > 0 && scholar->batch.life > scholar->life_of_end ? last + 1 : last;
    if (epoch < least)
        scholar_violate(scholar, "leader_goes_on_in_an_older_epoch", epoch, least);
    scholar->newest_epoch = epoch > scholar->newest_epoch ? epoch : scholar->newest_epoch;
}

static void see_record(struct scholar *scholar, const struct batch_header *header, const struct record *record, int32_t place)
{
    struct actor *actor = &scholar->actor;
    struct study *study = &scholar->study;
    struct record copy = *record;
    bool is_right = place < scholar->batch.count && record->offset == study->end &&
                    record->timestamp == scholar->batch.timestamps[place] &&
                    payload_value_of(actor->workload->recorder, &copy, &actor->arena) == scholar->batch.values[place];
    if (!is_right)
        scholar_violate(scholar, "another_record_is_read_than_was_written", record->offset, study->end);
    study->records[study->end++] = (struct studied){ record->timestamp, header->leader_epoch };
}

static void see_batch(struct scholar *scholar, const struct records *stored)
{
    struct batch_header header;
    struct record_reader reader;
    struct record record;
    struct bytes records;
    struct buffer *owner = NULL;
    struct decompressor *decompressor = decompressor_create();
    int32_t place = 0;
    bool is_whole = batch_parse((struct bytes){ stored->data, (size_t)stored->size }, &header) == BATCH_OK &&
                    header.size == (size_t)stored->size && batch_crc_is_right(stored->data, &header) &&
                    batch_records(decompressor, stored->data, &header, 1 << 20, &records, &owner) == 0;
    if (is_whole) {
        see_epoch(scholar, header.leader_epoch);
        records_begin(&reader, &header, records);
        for (; records_next(&reader, &record) == RECORD_OK; place++)
            see_record(scholar, &header, &record, place);
    }
    if (is_whole && place == scholar->batch.count)
        end_batch(scholar);
    else if (!actor_may_see_damage(&scholar->actor))
        scholar_violate(scholar, "another_batch_is_read_than_was_written", place, scholar->batch.count);
    buffer_unref(owner);
    decompressor_destroy(decompressor);
}

static void hear_batch(struct actor *actor)
{
    struct scholar *scholar = scholar_of(actor);
    const struct fetch_response *response = actor->client.response;
    if (!actor_succeeded(actor, response->error_code, "fetch"))
        return;
    if (response->responses_count != 1 || response->responses[0].partitions_count != 1) {
        scholar_violate(scholar, "fetch_answers_other", response->responses_count, 1);
        actor_wait(actor, 300000);
        return;
    }
    const struct fetch_partition_data *data = &response->responses[0].partitions[0];
    if (!actor_succeeded(actor, data->error_code, "fetch"))
        return;
    if (data->high_watermark < scholar->told_end)
        scholar_violate(scholar, "partition_ends_before_what_was_told", data->high_watermark, scholar->told_end);
    if (data->records.size > 0)
        see_batch(scholar, &data->records);
    actor_wait(actor, 20000);
}

static void read_batch(struct scholar *scholar)
{
    struct one_fetch one;
    one_fetch_init(&one, STR("studied"));
    one.partition.fetch_offset = scholar->study.end;
    one.partition.partition_max_bytes = 1 << 20;
    one.request.max_wait_ms = scholar->batch.reads++ == 0 ? 0 : 200;
    one.request.min_bytes = 1;
    one.request.max_bytes = 1 << 20;
    scholar->actor.hear = hear_batch;
    actor_ask(&scholar->actor, API_FETCH, 10, 12, &one.request);
}

/* ---- Writing ---- */

static void hear_sent(struct actor *actor)
{
    struct scholar *scholar = scholar_of(actor);
    const struct produce_response *response = actor->client.response;
    bool is_one = response->responses_count == 1 && str_is(response->responses[0].name, "studied") &&
                  response->responses[0].partition_responses_count == 1;
    if (!actor_succeeded(actor, is_one ? response->responses[0].partition_responses[0].error_code : ERROR_UNKNOWN_SERVER_ERROR, "produce"))
        return;
    int64_t offset = response->responses[0].partition_responses[0].base_offset;
    if (offset != scholar->study.end)
        scholar_violate(scholar, "batch_gets_another_offset_than_the_next", offset, scholar->study.end);
    scholar->batch.is_answered = true;
    scholar->batch.reads = 0;
    if (actor_draw(actor, 2) == 0)
        scholar_look_at_end(scholar);
    else
        actor_wait(actor, 2000);
}

static void send_batch(struct scholar *scholar)
{
    struct actor *actor = &scholar->actor;
    const struct written *written = &scholar->batch;
    struct record records[SCHOLAR_RECORDS_MOST] = { 0 };
    struct batch_options options = batch_options_plain();
    struct produce_partition_produce_data partition;
    struct produce_topic_produce_data topic;
    struct produce_request request;
    message_defaults(&produce_request_schema, &request);
    shape_set_defaults(&produce_topic_produce_data_shape, &topic);
    shape_set_defaults(&produce_partition_produce_data_shape, &partition);
    for (int32_t i = 0; i < written->count; i++) {
        records[i].timestamp = written->timestamps[i];
        payload_fill(&records[i], written->values[i], &actor->arena);
    }
    options.codec = (enum codec)(written->values[0] % CODEC_COUNT);
    options.producer_id = scholar->producer_id;
    options.producer_epoch = scholar->producer_epoch;
    options.base_sequence = written->sequence;
    struct buffer *batch = batch_build(&options, records, written->count);
    partition.records = (struct records){ .data = batch->data, .size = (int32_t)batch->size };
    topic.name = STR("studied");
    topic.partition_data = &partition;
    topic.partition_data_count = 1;
    request.acks = actor_draw(actor, 2) == 0 ? 1 : -1;
    request.timeout_ms = 10000;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    actor->hear = hear_sent;
    actor_ask(actor, API_PRODUCE, 7, 12, &request);
    buffer_unref(batch);
}

static void begin_batch(struct scholar *scholar)
{
    struct actor *actor = &scholar->actor;
    struct written *written = &scholar->batch;
    if (actor_draw(actor, 6) == 0)
        scholar->clock_ms += (int64_t)actor_draw(actor, 2 * JUMP_MS) - JUMP_MS / 2;
    *written = (struct written){ .count = 1 + (int32_t)actor_draw(actor, SCHOLAR_RECORDS_MOST),
        .sequence = scholar->next_sequence,
        .life = actor->workload->recorder->lives };
    for (int32_t i = 0; i < written->count; i++) {
        written->values[i] = recorder_value(actor->workload->recorder);
        written->timestamps[i] = scholar->clock_ms + (int64_t)actor_draw(actor, 300);
    }
}

static void act_as_scholar(struct actor *actor)
{
    struct scholar *scholar = scholar_of(actor);
    if (actor->workload->draining) {
        actor_set_idle(actor);
    } else if (!scholar->has_topic) {
        create_topic(scholar);
    } else if (scholar->producer_id < 0) {
        actor->hear = hear_id;
        producer_id_ask(actor);
    } else if (scholar->batch.count > 0 && scholar->batch.is_answered && scholar->batch.reads < READS_MOST) {
        read_batch(scholar);
    } else if (scholar->batch.count > 0) {
        scholar->batch.is_answered = false;
        send_batch(scholar);
    } else if (scholar->study.end + SCHOLAR_RECORDS_MOST <= STUDIED_MOST && actor_draw(actor, 5) < 2) {
        begin_batch(scholar);
        send_batch(scholar);
    } else {
        scholar_ask(scholar);
    }
}

void scholar_start(struct scholar *scholar, struct workload *workload)
{
    actor_start(&scholar->actor, workload, "scholar", 0, act_as_scholar);
    scholar->producer_id = -1;
    scholar->newest_epoch = -1;
    scholar->clock_ms = loop_wall_ms(scholar->actor.loop);
}
