/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/node_world.h"

#include <assert.h>
#include <stdio.h>

#include "base/budget.h"
#include "base/buffer.h"
#include "base/container.h"
#include "base/memory.h"
#include "broker/format.h"
#include "broker/node.h"
#include "broker/node_parts.h"
#include "fuzz/world.h"
#include "io/file.h"
#include "io/io.h"
#include "wire/gen/api_versions.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/fetch.h"
#include "wire/gen/produce.h"
#include "wire/record.h"

enum { WORKERS = 2, LIMIT_US = 60000000, CALL_LIMIT_US = 30000000 };

static const char fixed_settings[] = "process.roles=broker,controller\n"
                                    "node.id=1\n"
                                    "log.dirs=/data\n"
                                    "listeners=PLAINTEXT://:9092,CONTROLLER://:9093\n"
                                    "advertised.listeners=PLAINTEXT://node:9092,CONTROLLER://node:9093\n"
                                    "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n"
                                    "controller.listener.names=CONTROLLER\n"
                                    "controller.quorum.bootstrap.servers=node:9093\n"
                                    "metadata.max.idle.interval.ms=0\n" /* what is written there, somebody caused */
                                    "strom.shards=2\n"
                                    "socket.request.max.bytes=1048576\n"
                                    "queued.max.request.bytes=4194304\n";

static void boot(struct node_world *world)
{
    const struct settings_machine machine = { .cpu_count = 4, .memory_size = INT64_C(1) << 30, .host_name = STR("node") };
    struct format_wish wish = { 0 };
    char reason[512];
    settings_input_init(&world->said);
    settings_input_file(&world->said, STR("settings"), str_from(fixed_settings));
    bool ok = settings_read(&world->said, &machine, &world->settings);
    for (const struct settings_text *problem = world->said.problems; problem != NULL; problem = problem->next)
        fprintf(stderr, "%s\n", problem->text);
    assert(ok);
    world->io = machine_boot(world->machine, WORKERS);
    int status = format_directories(world->io, &world->settings, &wish, reason, sizeof(reason));
    assert(status == 0);
    status = node_create(world->io, &world->settings, &world->node);
    assert(status == 0);
    for (int i = 0; i < node_loop_count(world->node); i++)
        sim_start_loop(node_loop(world->node, i));
    node_start(world->node);
}

bool node_world_run(struct node_world *world, int64_t limit_us, bool (*is_done)(void *context), void *context)
{
    return sim_run(world->sim, limit_us, is_done, context);
}

/* ---- The honest client. ---- */

static void note_answer(struct client *client)
{
    container_of(client, struct node_world, honest)->is_answered = true;
}

static bool is_answered(void *context)
{
    return ((struct node_world *)context)->is_answered;
}

/* Returns the answer, NULL when the connection was lost. */
static const void *ask(struct node_world *world, enum api_key api, int16_t version, const void *request)
{
    world->is_answered = false;
    client_ask(&world->honest, api, version, request, CALL_LIMIT_US);
    bool answered = node_world_run(world, LIMIT_US, is_answered, world);
    assert(answered);
    return world->honest.status == 0 ? world->honest.response : NULL;
}

static struct buffer *honest_batch(void)
{
    struct record record = { .timestamp = 1760000000000, .value = { (const uint8_t *)"honest", 6 } };
    struct batch_options options = batch_options_plain();
    return batch_build(&options, &record, 1);
}

/* The error it was answered with; -1 without an answer. */
static int produce(struct node_world *world, int64_t *out_offset)
{
    struct produce_request request;
    struct produce_topic_produce_data topic;
    struct produce_partition_produce_data partition;
    struct buffer *batch = honest_batch();
    message_defaults(&produce_request_schema, &request);
    shape_set_defaults(&produce_topic_produce_data_shape, &topic);
    shape_set_defaults(&produce_partition_produce_data_shape, &partition);
    partition.records = (struct records){ .data = batch->data, .size = (int32_t)batch->size };
    topic.name = STR("honest");
    topic.partition_data = &partition;
    topic.partition_data_count = 1;
    request.acks = -1;
    request.timeout_ms = 10000;
    request.transactional_id = (struct str){ 0 };
    request.topic_data = &topic;
    request.topic_data_count = 1;
    const struct produce_response *response = ask(world, API_PRODUCE, 9, &request);
    buffer_unref(batch);
    if (response == NULL)
        return -1;
    assert(response->responses_count == 1 && response->responses[0].partition_responses_count == 1);
    *out_offset = response->responses[0].partition_responses[0].base_offset;
    return response->responses[0].partition_responses[0].error_code;
}

static int fetch(struct node_world *world, int64_t offset, struct bytes *out_records)
{
    struct fetch_request request;
    struct fetch_topic topic;
    struct fetch_partition partition;
    message_defaults(&fetch_request_schema, &request);
    shape_set_defaults(&fetch_topic_shape, &topic);
    shape_set_defaults(&fetch_partition_shape, &partition);
    partition.fetch_offset = offset;
    partition.partition_max_bytes = 1 << 20;
    topic.topic = STR("honest");
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.max_bytes = 1 << 20;
    request.replica_id = -1;
    request.session_epoch = -1;
    request.topics = &topic;
    request.topics_count = 1;
    const struct fetch_response *response = ask(world, API_FETCH, 12, &request);
    if (response == NULL)
        return -1;
    if (response->error_code != 0)
        return response->error_code;
    assert(response->responses_count == 1 && response->responses[0].partitions_count == 1);
    const struct records *records = &response->responses[0].partitions[0].records;
    *out_records = (struct bytes){ records->data, records->size < 0 ? 0 : (size_t)records->size };
    return response->responses[0].partitions[0].error_code;
}

void node_world_ask_honestly(struct node_world *world)
{
    struct api_versions_request request;
    message_defaults(&api_versions_request_schema, &request);
    const void *versions = ask(world, API_API_VERSIONS, 0, &request);
    if (node_world_has_changed(world))
        return;
    assert(versions != NULL);
    int64_t offset;
    struct bytes records;
    struct batch_header header;
    int error = produce(world, &offset);
    assert(error == 0 && offset >= world->next_offset); /* others may have written there too */
    world->next_offset = offset + 1;
    error = fetch(world, offset, &records);
    assert(error == 0 && batch_parse(records, &header) == BATCH_OK);
    assert(header.base_offset == offset && batch_crc_is_right(records.data, &header));
}

static bool create_topics(struct node_world *world)
{
    struct create_topics_request request;
    struct create_topics_creatable_topic topics[2];
    message_defaults(&create_topics_request_schema, &request);
    for (int i = 0; i < 2; i++) {
        shape_set_defaults(&create_topics_creatable_topic_shape, &topics[i]);
        topics[i].name = i == 0 ? STR("open") : STR("honest");
        topics[i].num_partitions = 2 - i;
        topics[i].replication_factor = 1;
    }
    request.topics = topics;
    request.topics_count = 2;
    request.timeout_ms = 10000;
    const struct create_topics_response *response = ask(world, API_CREATE_TOPICS, 7, &request);
    if (response == NULL || response->topics_count != 2 || response->topics[0].error_code != 0)
        return false;
    world->open_id = response->topics[0].topic_id;
    return response->topics[1].error_code == 0;
}

/* ---- Life. ---- */

static int64_t metadata_size(struct node_world *world)
{
    int64_t size = 0;
    file_stat(world->io, "/data/__cluster_metadata-0/00000000000000000000.log", &size);
    return size;
}

bool node_world_has_changed(struct node_world *world)
{
    return metadata_size(world) != world->metadata_size;
}

int64_t node_world_budget(const struct node_world *world)
{
    return budget_used(&world->node->budget);
}

static bool never(void *context)
{
    (void)context;
    return false;
}

struct node_world *node_world_create(void)
{
    world_quiet();
    struct node_world *world = memory_take(sizeof(*world));
    world->sim = sim_create(1);
    world->machine = machine_create(world->sim, "node");
    boot(world);
    world->clients_io = machine_boot(machine_create(world->sim, "clients"), 1);
    world->loop = loop_create(world->clients_io, "clients");
    sim_start_loop(world->loop);
    client_init(&world->honest, world->loop, "node", NODE_PORT, note_answer);
    for (int attempt = 0; !create_topics(world); attempt++) {
        assert(attempt < 100);
        node_world_run(world, 100000, never, world);
    }
    node_world_run(world, 1000000, never, world);
    world->metadata_size = metadata_size(world);
    node_world_ask_honestly(world);
    node_world_run(world, 3000000, never, world);
    assert(!node_world_has_changed(world));
    world->budget_at_rest = node_world_budget(world);
    return world;
}

bool node_world_has_stopped(void *context)
{
    const struct node_world *world = context;
    for (int i = 0; i < node_loop_count(world->node); i++)
        if (!sim_loop_has_ended(node_loop(world->node, i)))
            return false;
    return true;
}

static bool clients_have_ended(void *context)
{
    return sim_loop_has_ended(((struct node_world *)context)->loop);
}

void node_world_destroy(struct node_world *world)
{
    client_deinit(&world->honest);
    loop_stop(world->loop);
    bool ended = node_world_run(world, LIMIT_US, clients_have_ended, world);
    assert(ended);
    loop_destroy(world->loop);
    io_destroy(world->clients_io);
    node_stop(world->node);
    ended = node_world_run(world, LIMIT_US, node_world_has_stopped, world);
    assert(ended && !node_failed(world->node));
    node_destroy(world->node);
    machine_kill(world->machine);
    sim_destroy(world->sim);
    node_settings_deinit(&world->settings);
    settings_input_deinit(&world->said);
    memory_give(world);
}
