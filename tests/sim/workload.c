/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/workload.h"

#include <errno.h>
#include <stdio.h>

#include "base/buffer.h"
#include "base/container.h"
#include "base/memory.h"
#include "error.h"
#include "io/io.h"
#include "sim/client.h"
#include "sim/sim.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/delete_topics.h"
#include "wire/gen/fetch.h"
#include "wire/gen/init_producer_id.h"
#include "wire/gen/list_offsets.h"
#include "wire/gen/metadata.h"
#include "wire/gen/produce.h"
#include "wire/record.h"

enum {
    PARTITIONS = 3,
    PRODUCERS = 4,
    READERS = 2,
    PUSHERS = 2,
    MOST_RECORDS = 5,   /* in a batch */
    MOST_TOPICS = 100,  /* that the administrator makes besides */
    CALL_LIMIT_US = 20000000,
};

static const struct str topic_name = { "events", 6 };

/* One step of an actor is one call; its answer decides the next. After trouble it waits a little. */
struct actor {
    struct client client;
    struct timer timer;
    struct workload *workload;
    void (*act)(struct actor *actor);  /* makes the next call, or does nothing: idle */
    void (*hear)(struct actor *actor); /* its answer */
    struct arena arena;                /* of the request */
    const char *name;
    bool idle;
};

struct producer_actor {
    struct actor actor;
    bool is_idempotent;
    int64_t producer_id; /* -1: none yet */
    int16_t epoch;
    int32_t sequences[PARTITIONS];
    int32_t partition;
    uint64_t numbers[MOST_RECORDS]; /* of the batch under way */
    int32_t count;                  /* 0: none is under way */
};

struct reader_actor {
    struct actor actor;
    int64_t positions[PARTITIONS], ends[PARTITIONS];
    int32_t partition;
    bool knows_ends, is_final;
};

struct admin_actor {
    struct actor actor;
    int created_count; /* that were acknowledged; number 0 is the topic of the workload */
    int deleted_count; /* of those, from number 1 on */
    bool deleting;     /* asked for, and no answer yet that counts */
    bool checked;
};

struct workload {
    struct sim *sim;
    struct io *io;
    struct loop *loop;
    struct history *history;
    struct admin_actor admin;
    struct producer_actor producers[PRODUCERS];
    struct reader_actor readers[READERS];
    struct actor pushers[PUSHERS]; /* to topics that come and go; what they write is promised to nobody */
    struct uuid topic_id;
    bool has_topic, draining;
};

static void wait_before_acting(struct actor *actor, int64_t most_us)
{
    int64_t wait_us = 1000 + (int64_t)sim_draw(actor->workload->sim, (uint64_t)most_us);
    timer_set(actor->workload->loop, &actor->timer, loop_now_us(actor->workload->loop) + wait_us);
}

static void act_now(struct timer *timer)
{
    struct actor *actor = container_of(timer, struct actor, timer);
    actor->act(actor);
}

static void hear_answer(struct client *client)
{
    struct actor *actor = container_of(client, struct actor, client);
    if (client->status < 0)
        wait_before_acting(actor, 300000);
    else
        actor->hear(actor);
}

static void ask_between(struct actor *actor, enum api_key api, int16_t least_version, int16_t most_version,
                        const void *request)
{
    const struct message_schema *schema = api_schema_find((int16_t)api)->request;
    int16_t most = schema->unstable_since <= schema->max_version ? (int16_t)(schema->unstable_since - 1)
                                                                 : schema->max_version;
    most = most_version < most ? most_version : most;
    int16_t least = least_version > schema->min_version ? least_version : schema->min_version;
    int16_t version = (int16_t)(least + (int16_t)sim_draw(actor->workload->sim, (uint64_t)(most - least + 1)));
    client_ask(&actor->client, api, version, request, CALL_LIMIT_US);
}

static void ask(struct actor *actor, enum api_key api, int16_t least_version, const void *request)
{
    ask_between(actor, api, least_version, INT16_MAX, request);
}

/* Whether an error only says "not now". */
static bool is_passing(int16_t error)
{
    switch (error) {
    case ERROR_LEADER_NOT_AVAILABLE:
    case ERROR_NOT_LEADER_OR_FOLLOWER:
    case ERROR_REQUEST_TIMED_OUT:
    case ERROR_NOT_ENOUGH_REPLICAS:
    case ERROR_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    case ERROR_KAFKA_STORAGE_ERROR:
    case ERROR_COORDINATOR_NOT_AVAILABLE:
    case ERROR_COORDINATOR_LOAD_IN_PROGRESS:
    case ERROR_NOT_CONTROLLER:
    case ERROR_BROKER_NOT_AVAILABLE:
    case ERROR_UNKNOWN_TOPIC_OR_PARTITION:
    case ERROR_UNKNOWN_TOPIC_ID:
    case ERROR_INVALID_REPLICATION_FACTOR: /* no broker is registered yet */
    case ERROR_FETCH_SESSION_ID_NOT_FOUND: return true;
    default: return false;
    }
}

/* False: the answer was no, and the actor waits; an error that nothing explains is a violation. */
static bool went_well(struct actor *actor, int16_t error, const char *call)
{
    if (error == ERROR_NONE)
        return true;
    if (!is_passing(error))
        history_violate(actor->workload->history, "unexpected_error", "actor=%s call=%s error=%d", actor->name, call,
                        error);
    wait_before_acting(actor, 300000);
    return false;
}

static void set_idle(struct actor *actor)
{
    actor->idle = true;
    wait_before_acting(actor, 200000); /* looks again whether there is something to do */
}

/* ---- The administrator ---- */

static struct str topic_of(struct arena *arena, int number)
{
    return number == 0 ? topic_name : str_from(arena_format(arena, "other-%d", number));
}

static void hear_created(struct actor *actor)
{
    struct admin_actor *admin = container_of(actor, struct admin_actor, actor);
    const struct create_topics_response *response = actor->client.response;
    int16_t error = response->topics_count == 1 ? response->topics[0].error_code : ERROR_UNKNOWN_SERVER_ERROR;
    if (error != ERROR_TOPIC_ALREADY_EXISTS && !went_well(actor, error, "create_topics"))
        return;
    actor->workload->history->created_count++;
    admin->created_count++; /* one that exists was made by a call whose answer was lost */
    actor->workload->has_topic = true;
    wait_before_acting(actor, 400000);
}

static void hear_deleted(struct actor *actor)
{
    struct admin_actor *admin = container_of(actor, struct admin_actor, actor);
    const struct delete_topics_response *response = actor->client.response;
    int16_t error = response->responses_count == 1 ? response->responses[0].error_code : ERROR_UNKNOWN_SERVER_ERROR;
    if (error != ERROR_UNKNOWN_TOPIC_OR_PARTITION && !went_well(actor, error, "delete_topics"))
        return;
    actor->workload->history->deleted_count++;
    admin->deleted_count++; /* one that is gone was deleted by a call whose answer was lost */
    admin->deleting = false;
    wait_before_acting(actor, 400000);
}

static void ask_deletion(struct admin_actor *admin)
{
    struct actor *actor = &admin->actor;
    struct delete_topics_request request;
    struct delete_topics_delete_topic_state topic;
    struct str name = topic_of(&actor->arena, admin->deleted_count + 1);
    message_defaults(&delete_topics_request_schema, &request);
    shape_set_defaults(&delete_topics_delete_topic_state_shape, &topic);
    topic.name = name;
    request.topics = &topic;
    request.topics_count = 1;
    request.topic_names = &name;
    request.topic_names_count = 1;
    request.timeout_ms = 5000;
    actor->hear = hear_deleted;
    ask(actor, API_DELETE_TOPICS, 0, &request);
}

static void hear_metadata(struct actor *actor)
{
    struct admin_actor *admin = container_of(actor, struct admin_actor, actor);
    const struct metadata_response *response = actor->client.response;
    for (int number = 0; number < admin->created_count; number++) {
        struct str name = topic_of(&actor->arena, number);
        bool found = false;
        for (int32_t i = 0; i < response->topics_count && !found; i++)
            found = str_equal(response->topics[i].name, name) &&
                    response->topics[i].partitions_count == (number == 0 ? PARTITIONS : 1);
        bool is_deleted = number > 0 && number <= admin->deleted_count;
        bool may_be = admin->deleting && number == admin->deleted_count + 1;
        if (found == is_deleted && !may_be)
            history_violate(actor->workload->history, found ? "deleted_topic_is_back" : "created_topic_is_lost",
                            "topic=%.*s", STR_PRINT(name));
    }
    admin->checked = true;
    set_idle(actor);
}

static void act_as_admin(struct actor *actor)
{
    struct admin_actor *admin = container_of(actor, struct admin_actor, actor);
    arena_reset(&actor->arena);
    actor->idle = false;
    if (!actor->workload->draining && !admin->deleting)
        admin->deleting = admin->created_count > admin->deleted_count + 3 && sim_draw(actor->workload->sim, 3) == 0;
    if (!actor->workload->draining && admin->deleting) {
        ask_deletion(admin);
    } else if (!actor->workload->draining && admin->created_count < MOST_TOPICS) {
        struct create_topics_creatable_topic topic;
        shape_set_defaults(&create_topics_creatable_topic_shape, &topic);
        topic.name = topic_of(&actor->arena, admin->created_count);
        topic.num_partitions = admin->created_count == 0 ? PARTITIONS : 1;
        topic.replication_factor = 1;
        struct create_topics_request request;
        message_defaults(&create_topics_request_schema, &request);
        request.topics = &topic;
        request.topics_count = 1;
        request.timeout_ms = 5000;
        actor->hear = hear_created;
        ask(actor, API_CREATE_TOPICS, 0, &request);
    } else if (actor->workload->draining && !admin->checked) {
        struct metadata_request request;
        message_defaults(&metadata_request_schema, &request);
        request.topics_count = -1;
        actor->hear = hear_metadata;
        ask(actor, API_METADATA, 1, &request);
    } else {
        set_idle(actor);
    }
}

/* ---- Producers ---- */

static void learn_topic(struct actor *actor)
{
    const struct metadata_response *response = actor->client.response;
    int16_t error = response->topics_count == 1 ? response->topics[0].error_code : ERROR_UNKNOWN_SERVER_ERROR;
    if (!went_well(actor, error, "metadata"))
        return;
    actor->workload->topic_id = response->topics[0].topic_id;
    actor->act(actor);
}

static void ask_topic(struct actor *actor)
{
    struct metadata_request_topic topic;
    struct metadata_request request;
    shape_set_defaults(&metadata_request_topic_shape, &topic);
    message_defaults(&metadata_request_schema, &request);
    topic.name = topic_name;
    request.topics = &topic;
    request.topics_count = 1;
    request.allow_auto_topic_creation = false;
    actor->hear = learn_topic;
    ask(actor, API_METADATA, 10, &request);
}

static void hear_producer_id(struct actor *actor)
{
    struct producer_actor *producer = container_of(actor, struct producer_actor, actor);
    const struct init_producer_id_response *response = actor->client.response;
    if (!went_well(actor, response->error_code, "init_producer_id"))
        return;
    producer->producer_id = response->producer_id;
    producer->epoch = response->producer_epoch;
    for (int32_t i = 0; i < PARTITIONS; i++)
        producer->sequences[i] = 0;
    actor->act(actor);
}

static void ask_producer_id(struct actor *actor)
{
    struct init_producer_id_request request;
    message_defaults(&init_producer_id_request_schema, &request);
    request.transactional_id = (struct str){ 0 };
    request.transaction_timeout_ms = 60000;
    request.producer_id = -1;
    request.producer_epoch = -1;
    actor->hear = hear_producer_id;
    ask(actor, API_INIT_PRODUCER_ID, 0, &request);
}

static void hear_produced(struct actor *actor)
{
    struct producer_actor *producer = container_of(actor, struct producer_actor, actor);
    const struct produce_response *response = actor->client.response;
    int16_t error = ERROR_UNKNOWN_SERVER_ERROR;
    int64_t base_offset = -1;
    if (response->responses_count == 1 && response->responses[0].partition_responses_count == 1) {
        error = response->responses[0].partition_responses[0].error_code;
        base_offset = response->responses[0].partition_responses[0].base_offset;
    }
    if (!went_well(actor, error, "produce")) {
        if (!producer->is_idempotent)
            producer->count = 0;
        return;
    }
    for (int32_t i = 0; i < producer->count; i++)
        history_ack(actor->workload->history, producer->numbers[i], base_offset + i);
    if (producer->is_idempotent)
        producer->sequences[producer->partition] += producer->count;
    producer->count = 0;
    wait_before_acting(actor, 30000);
}

static struct buffer *build_batch(struct producer_actor *producer)
{
    struct record records[MOST_RECORDS] = { 0 };
    struct batch_options options = batch_options_plain();
    struct workload *workload = producer->actor.workload;
    for (int32_t i = 0; i < producer->count; i++) {
        uint8_t *value = arena_take(&producer->actor.arena, HISTORY_VALUE_MOST);
        size_t size = history_value(producer->numbers[i], value);
        records[i] = (struct record){ .timestamp = loop_wall_ms(workload->loop), .value = { value, size } };
    }
    /* The same batch must be the same bytes when it is sent again, so the codec follows from its first number. */
    options.codec = (enum codec)(producer->numbers[0] % CODEC_COUNT);
    if (producer->is_idempotent) {
        options.producer_id = producer->producer_id;
        options.producer_epoch = producer->epoch;
        options.base_sequence = producer->sequences[producer->partition];
    }
    return batch_build(&options, records, producer->count);
}

static void send_batch(struct producer_actor *producer)
{
    struct actor *actor = &producer->actor;
    struct produce_request request;
    struct produce_topic_produce_data topic;
    struct produce_partition_produce_data partition;
    struct buffer *batch = build_batch(producer);
    message_defaults(&produce_request_schema, &request);
    shape_set_defaults(&produce_topic_produce_data_shape, &topic);
    shape_set_defaults(&produce_partition_produce_data_shape, &partition);
    partition.index = producer->partition;
    partition.records = (struct records){ .data = batch->data, .size = (int32_t)batch->size };
    topic.name = topic_name;
    topic.topic_id = actor->workload->topic_id;
    topic.partition_data = &partition;
    topic.partition_data_count = 1;
    request.acks = -1;
    request.timeout_ms = 10000;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    actor->hear = hear_produced;
    ask(actor, API_PRODUCE, 7, &request);
    buffer_unref(batch);
}

static void act_as_producer(struct actor *actor)
{
    struct producer_actor *producer = container_of(actor, struct producer_actor, actor);
    struct workload *workload = actor->workload;
    arena_reset(&actor->arena);
    if (!producer->is_idempotent)
        producer->count = 0; /* whatever became of the last one, it is not sent again */
    actor->idle = producer->count == 0 && workload->draining;
    if (!workload->has_topic || actor->idle) {
        set_idle(actor);
    } else if (uuid_is_zero(workload->topic_id)) {
        ask_topic(actor);
    } else if (producer->is_idempotent && producer->producer_id < 0) {
        ask_producer_id(actor);
    } else {
        if (producer->count == 0) {
            producer->partition = (int32_t)sim_draw(workload->sim, PARTITIONS);
            producer->count = 1 + (int32_t)sim_draw(workload->sim, MOST_RECORDS);
            for (int32_t i = 0; i < producer->count; i++)
                producer->numbers[i] = history_send(workload->history, producer->partition);
        }
        send_batch(producer);
    }
}

/* ---- Pushers ---- */

static void hear_pushed(struct actor *actor)
{
    const struct produce_response *response = actor->client.response;
    int16_t error = ERROR_UNKNOWN_SERVER_ERROR;
    if (response->responses_count == 1 && response->responses[0].partition_responses_count == 1)
        error = response->responses[0].partition_responses[0].error_code;
    if (went_well(actor, error, "produce"))
        wait_before_acting(actor, 5000);
}

static void act_as_pusher(struct actor *actor)
{
    struct workload *workload = actor->workload;
    const struct admin_actor *admin = &workload->admin;
    arena_reset(&actor->arena);
    if (workload->draining || admin->created_count - admin->deleted_count < 2) {
        set_idle(actor);
        return;
    }
    int number = admin->deleted_count + 1 + (int)sim_draw(workload->sim, 2); /* the oldest go first */
    struct batch_options options = batch_options_plain();
    struct record record = { .timestamp = loop_wall_ms(workload->loop), .value = { (const uint8_t *)"pushed", 6 } };
    struct buffer *batch = batch_build(&options, &record, 1);
    struct produce_request request;
    struct produce_topic_produce_data topic;
    struct produce_partition_produce_data partition;
    message_defaults(&produce_request_schema, &request);
    shape_set_defaults(&produce_topic_produce_data_shape, &topic);
    shape_set_defaults(&produce_partition_produce_data_shape, &partition);
    partition.records = (struct records){ .data = batch->data, .size = (int32_t)batch->size };
    topic.name = topic_of(&actor->arena, number);
    topic.partition_data = &partition;
    topic.partition_data_count = 1;
    request.acks = sim_draw(workload->sim, 2) == 0 ? 1 : -1;
    request.timeout_ms = 10000;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    actor->hear = hear_pushed;
    ask_between(actor, API_PRODUCE, 7, 12, &request); /* later ones name topics by id */
    buffer_unref(batch);
}

/* ---- Readers ---- */

static void see_batch(struct reader_actor *reader, const uint8_t *batch, const struct batch_header *header)
{
    struct workload *workload = reader->actor.workload;
    struct decompressor *decompressor = decompressor_create();
    struct bytes records;
    struct buffer *owner = NULL;
    struct record_reader record_reader;
    struct record record;
    int32_t partition = reader->partition;
    if (!batch_crc_is_right(batch, header) ||
        batch_records(decompressor, batch, header, 1 << 20, &records, &owner) < 0) {
        history_violate(workload->history, "batch_is_damaged", "partition=%d offset=%lld", partition,
                        (long long)header->base_offset);
        decompressor_destroy(decompressor);
        return;
    }
    records_begin(&record_reader, header, records);
    while (records_next(&record_reader, &record) == RECORD_OK) {
        history_see(workload->history, partition, record.offset, record.value);
        if (record.offset > reader->positions[partition])
            history_violate(workload->history, "offset_is_missing", "partition=%d offset=%lld found=%lld", partition,
                            (long long)reader->positions[partition], (long long)record.offset);
        if (record.offset >= reader->positions[partition])
            reader->positions[partition] = record.offset + 1;
    }
    buffer_unref(owner);
    decompressor_destroy(decompressor);
}

static void read_on(struct reader_actor *reader)
{
    reader->partition = (reader->partition + 1) % PARTITIONS;
    wait_before_acting(&reader->actor, 20000);
}

static void hear_fetched(struct actor *actor)
{
    struct reader_actor *reader = container_of(actor, struct reader_actor, actor);
    const struct fetch_response *response = actor->client.response;
    if (!went_well(actor, response->error_code, "fetch"))
        return;
    if (response->responses_count != 1 || response->responses[0].partitions_count != 1) {
        history_violate(actor->workload->history, "fetch_answers_other", "topics=%d", response->responses_count);
        read_on(reader);
        return;
    }
    const struct fetch_partition_data *data = &response->responses[0].partitions[0];
    if (data->error_code == ERROR_OFFSET_OUT_OF_RANGE)
        history_violate(actor->workload->history, "seen_records_are_gone", "partition=%d offset=%lld end=%lld",
                        reader->partition, (long long)reader->positions[reader->partition],
                        (long long)data->high_watermark);
    else if (!went_well(actor, data->error_code, "fetch"))
        return;
    struct bytes rest = { data->records.data, data->records.size > 0 ? (size_t)data->records.size : 0 };
    struct batch_header header;
    while (rest.size > 0 && batch_parse(rest, &header) == BATCH_OK) {
        see_batch(reader, rest.data, &header);
        rest = (struct bytes){ rest.data + header.size, rest.size - header.size };
    }
    read_on(reader);
}

static void ask_records(struct reader_actor *reader)
{
    struct workload *workload = reader->actor.workload;
    struct fetch_request request;
    struct fetch_topic topic;
    struct fetch_partition partition;
    message_defaults(&fetch_request_schema, &request);
    shape_set_defaults(&fetch_topic_shape, &topic);
    shape_set_defaults(&fetch_partition_shape, &partition);
    partition.partition = reader->partition;
    partition.fetch_offset = reader->positions[reader->partition];
    partition.partition_max_bytes = 1 + (int32_t)sim_draw(workload->sim, 20000);
    topic.topic = topic_name;
    topic.topic_id = workload->topic_id;
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.replica_id = -1;
    request.max_wait_ms = (int32_t)sim_draw(workload->sim, 500);
    request.min_bytes = 1;
    request.max_bytes = 1 << 20;
    request.topics = &topic;
    request.topics_count = 1;
    request.rack_id = STR("");
    reader->actor.hear = hear_fetched;
    ask(&reader->actor, API_FETCH, 4, &request);
}

static void hear_ends(struct actor *actor)
{
    struct reader_actor *reader = container_of(actor, struct reader_actor, actor);
    const struct list_offsets_response *response = actor->client.response;
    if (response->topics_count != 1 || response->topics[0].partitions_count != PARTITIONS) {
        went_well(actor, ERROR_UNKNOWN_SERVER_ERROR, "list_offsets");
        return;
    }
    for (int32_t i = 0; i < PARTITIONS; i++) {
        const struct list_offsets_partition_response *partition = &response->topics[0].partitions[i];
        if (!went_well(actor, partition->error_code, "list_offsets"))
            return;
        if (partition->partition_index >= 0 && partition->partition_index < PARTITIONS)
            reader->ends[partition->partition_index] = partition->offset;
    }
    reader->knows_ends = true;
    actor->act(actor);
}

static void ask_ends(struct reader_actor *reader)
{
    struct list_offsets_request request;
    struct list_offsets_topic topic;
    struct list_offsets_partition partitions[PARTITIONS];
    message_defaults(&list_offsets_request_schema, &request);
    shape_set_defaults(&list_offsets_topic_shape, &topic);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        shape_set_defaults(&list_offsets_partition_shape, &partitions[i]);
        partitions[i].partition_index = i;
        partitions[i].timestamp = -1;
    }
    topic.name = topic_name;
    topic.partitions = partitions;
    topic.partitions_count = PARTITIONS;
    request.replica_id = -1;
    request.topics = &topic;
    request.topics_count = 1;
    reader->actor.hear = hear_ends;
    ask(&reader->actor, API_LIST_OFFSETS, 1, &request);
}

static bool has_producers_under_way(const struct workload *workload)
{
    for (int i = 0; i < PRODUCERS; i++)
        if (!workload->producers[i].actor.idle || workload->producers[i].count > 0)
            return true;
    return false;
}

static void act_as_reader(struct actor *actor)
{
    struct reader_actor *reader = container_of(actor, struct reader_actor, actor);
    struct workload *workload = actor->workload;
    if (!workload->has_topic || uuid_is_zero(workload->topic_id)) {
        wait_before_acting(actor, 100000);
        return;
    }
    if (workload->draining && !reader->is_final && !has_producers_under_way(workload)) {
        reader->is_final = true; /* from the beginning, once more */
        for (int32_t i = 0; i < PARTITIONS; i++)
            reader->positions[i] = 0;
    }
    if (reader->is_final && !reader->knows_ends) {
        ask_ends(reader);
        return;
    }
    for (int32_t i = 0; reader->is_final && i < PARTITIONS; i++) {
        if (reader->positions[reader->partition] < reader->ends[reader->partition])
            break;
        reader->partition = (reader->partition + 1) % PARTITIONS;
        actor->idle = i == PARTITIONS - 1;
    }
    if (actor->idle)
        set_idle(actor);
    else
        ask_records(reader);
}

/* ---- All of them ---- */

static void start_actor(struct workload *workload, struct actor *actor, const char *name, const char *host, int port,
                        void (*act)(struct actor *actor))
{
    client_init(&actor->client, workload->loop, host, port, hear_answer);
    arena_init(&actor->arena);
    actor->workload = workload;
    actor->name = name;
    actor->act = act;
    actor->timer.run = act_now;
    wait_before_acting(actor, 100000);
}

static void stop_actor(struct actor *actor)
{
    timer_cancel(actor->workload->loop, &actor->timer);
    client_deinit(&actor->client);
    arena_deinit(&actor->arena);
}

struct workload *workload_create(struct sim *sim, const char *host, int port, struct history *history)
{
    struct workload *workload = memory_take(sizeof(*workload));
    workload->sim = sim;
    workload->io = machine_boot(machine_create(sim, "clients"), 1);
    workload->loop = loop_create(workload->io, "clients");
    workload->history = history;
    history_init(history, PARTITIONS);
    sim_start_loop(workload->loop);
    start_actor(workload, &workload->admin.actor, "admin", host, port, act_as_admin);
    for (int i = 0; i < PRODUCERS; i++) {
        workload->producers[i].is_idempotent = i % 2 == 0;
        workload->producers[i].producer_id = -1;
        start_actor(workload, &workload->producers[i].actor, "producer", host, port, act_as_producer);
    }
    for (int i = 0; i < READERS; i++)
        start_actor(workload, &workload->readers[i].actor, "reader", host, port, act_as_reader);
    for (int i = 0; i < PUSHERS; i++)
        start_actor(workload, &workload->pushers[i], "pusher", host, port, act_as_pusher);
    return workload;
}

void workload_destroy(struct workload *workload)
{
    stop_actor(&workload->admin.actor);
    for (int i = 0; i < PRODUCERS; i++)
        stop_actor(&workload->producers[i].actor);
    for (int i = 0; i < READERS; i++)
        stop_actor(&workload->readers[i].actor);
    for (int i = 0; i < PUSHERS; i++)
        stop_actor(&workload->pushers[i]);
    loop_destroy(workload->loop);
    io_destroy(workload->io);
    memory_give(workload);
}

void workload_drain(struct workload *workload) { workload->draining = true; }

bool workload_is_drained(const struct workload *workload)
{
    bool drained = workload->draining && workload->admin.checked && !has_producers_under_way(workload);
    for (int i = 0; i < READERS; i++)
        drained = drained && workload->readers[i].is_final && workload->readers[i].actor.idle;
    return drained;
}

static void tell_actor(const struct actor *actor)
{
    fprintf(stderr, "actor=%s idle=%d call=%s last_status=%d\n", actor->name, actor->idle,
            actor->client.api == NULL ? "none" : actor->client.api->name, actor->client.status);
}

void workload_tell(const struct workload *workload)
{
    tell_actor(&workload->admin.actor);
    for (int i = 0; i < PRODUCERS; i++)
        tell_actor(&workload->producers[i].actor);
    for (int i = 0; i < READERS; i++)
        tell_actor(&workload->readers[i].actor);
}
