/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/pipeliner.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/container.h"
#include "base/memory.h"
#include "error.h"
#include "sim/frame.h"
#include "sim/sim.h"
#include "sim/workload.h"
#include "wire/gen/api_versions.h"
#include "wire/gen/describe_configs.h"
#include "wire/gen/fetch.h"
#include "wire/gen/incremental_alter_configs.h"
#include "wire/gen/metadata.h"

enum { ROUND_US = 5000000, RESOURCE_BROKER = 4, BASE = 1000000000 };

static const char setting[] = "log.retention.bytes"; /* nobody else changes it */

static uint64_t draw(struct pipeliner *pipeliner, uint64_t bound)
{
    return sim_draw(pipeliner->workload->sim, bound);
}

static void note(struct pipeliner *pipeliner, const char *phase, const char *operation, int64_t value)
{
    char name[32];
    snprintf(name, sizeof(name), "pipeliner.%d", pipeliner->lives);
    recorder_note(pipeliner->workload->recorder, &(struct event){ .process = name,
                                                     .phase = phase,
                                                     .name = operation,
                                                     .key = "settings/pipelined",
                                                     .value = value,
                                                     .offset = OFFSET_NONE });
}

static bool is_writing(const struct pipelined_call *call)
{
    return call->api->key == API_INCREMENTAL_ALTER_CONFIGS;
}

/* The round is over; what was written and not answered may still be done. */
static void end_round(struct pipeliner *pipeliner)
{
    for (int i = pipeliner->answer_count; i < pipeliner->call_count; i++)
        if (is_writing(&pipeliner->calls[i]))
            note(pipeliner, "info", "set", pipeliner->value);
    pipeliner->call_count = 0;
    timer_set(pipeliner->loop, &pipeliner->timer, loop_now_us(pipeliner->loop) + 1000 + (int64_t)draw(pipeliner, 500000));
}

static void disconnect(struct pipeliner *pipeliner)
{
    socket_close(pipeliner->socket);
    pipeliner->socket = NULL;
    end_round(pipeliner);
}

/* ---- Requests ---- */

static void add(struct pipeliner *pipeliner, enum api_key key, int16_t least, const void *request)
{
    size_t size;
    const struct api_schema *api = api_schema_find((int16_t)key);
    struct pipelined_call *call = &pipeliner->calls[pipeliner->call_count++];
    if (least < api->request->min_version)
        least = api->request->min_version;
    *call = (struct pipelined_call){ .api = api,
        .version = (int16_t)(least + (int16_t)draw(pipeliner, (uint64_t)(api_newest_version(api) - least + 1))),
        .correlation_id = ++pipeliner->correlation_id };
    uint8_t *frame = frame_build(api, call->version, call->correlation_id, request, &size);
    pipeliner->out = memory_resize(pipeliner->out, pipeliner->out_size + size);
    memcpy(pipeliner->out + pipeliner->out_size, frame, size);
    pipeliner->out_size += size;
    memory_give(frame);
}

static void add_api_versions(struct pipeliner *pipeliner)
{
    struct api_versions_request request;
    message_defaults(&api_versions_request_schema, &request);
    request.client_software_name = STR("simulated");
    request.client_software_version = STR("1");
    add(pipeliner, API_API_VERSIONS, 0, &request);
}

static void add_metadata(struct pipeliner *pipeliner)
{
    struct metadata_request request;
    message_defaults(&metadata_request_schema, &request);
    request.topics = NULL;
    request.topics_count = -1;
    add(pipeliner, API_METADATA, 1, &request);
}

/* Nothing comes for a while; what follows has to wait. */
static void add_fetch(struct pipeliner *pipeliner)
{
    const struct topics *topics = &pipeliner->workload->topics;
    const struct topic *topic = topics_there(topics, draw(pipeliner, topics_count_there(topics) + 1));
    struct fetch_request request;
    struct fetch_topic wish;
    struct fetch_partition partition;
    if (topic == NULL)
        return;
    message_defaults(&fetch_request_schema, &request);
    shape_set_defaults(&fetch_topic_shape, &wish);
    shape_set_defaults(&fetch_partition_shape, &partition);
    partition.fetch_offset = topic->read_to[0];
    partition.partition_max_bytes = 1000;
    wish.topic_id = topic->id;
    wish.partitions = &partition;
    wish.partitions_count = 1;
    request.replica_id = -1;
    request.max_wait_ms = (int32_t)draw(pipeliner, 500);
    request.min_bytes = 1 << 20;
    request.max_bytes = 1000;
    request.topics = &wish;
    request.topics_count = 1;
    request.rack_id = STR("");
    add(pipeliner, API_FETCH, 13, &request);
}

static void add_change(struct pipeliner *pipeliner)
{
    struct incremental_alter_configs_request request;
    struct incremental_alter_configs_alter_configs_resource resource;
    struct incremental_alter_configs_alterable_config config;
    char text[24];
    message_defaults(&incremental_alter_configs_request_schema, &request);
    shape_set_defaults(&incremental_alter_configs_alter_configs_resource_shape, &resource);
    shape_set_defaults(&incremental_alter_configs_alterable_config_shape, &config);
    pipeliner->value = recorder_value(pipeliner->workload->recorder);
    snprintf(text, sizeof(text), "%" PRId64, BASE + pipeliner->value);
    config.name = str_from(setting);
    config.value = str_from(text);
    resource.resource_type = RESOURCE_BROKER;
    resource.resource_name = STR("1");
    resource.configs = &config;
    resource.configs_count = 1;
    request.resources = &resource;
    request.resources_count = 1;
    note(pipeliner, "invoke", "set", pipeliner->value);
    add(pipeliner, API_INCREMENTAL_ALTER_CONFIGS, 0, &request);
}

static void add_description(struct pipeliner *pipeliner)
{
    struct describe_configs_request request;
    struct describe_configs_resource resource;
    struct str key = str_from(setting);
    message_defaults(&describe_configs_request_schema, &request);
    shape_set_defaults(&describe_configs_resource_shape, &resource);
    resource.resource_type = RESOURCE_BROKER;
    resource.resource_name = STR("1");
    resource.configuration_keys = &key;
    resource.configuration_keys_count = 1;
    request.resources = &resource;
    request.resources_count = 1;
    add(pipeliner, API_DESCRIBE_CONFIGS, 1, &request);
}

static void prepare(struct pipeliner *pipeliner)
{
    int count = 2 + (int)draw(pipeliner, CALLS_MOST - 1), changes = (int)draw(pipeliner, 2);
    pipeliner->out_size = pipeliner->out_sent = 0;
    pipeliner->call_count = pipeliner->answer_count = 0;
    while (pipeliner->call_count < count) {
        switch (draw(pipeliner, 5)) {
        case 0: add_api_versions(pipeliner); break;
        case 1: add_metadata(pipeliner); break;
        case 2: add_fetch(pipeliner); break;
        case 3: add_description(pipeliner); break;
        default:
            if (changes-- > 0)
                add_change(pipeliner);
        }
    }
}

/* ---- Answers ---- */

static void see_change(struct pipeliner *pipeliner, const struct incremental_alter_configs_response *response)
{
    int16_t error = response->responses_count == 1 ? response->responses[0].error_code : ERROR_UNKNOWN_SERVER_ERROR;
    note(pipeliner, error == ERROR_NONE ? "ok" : error_is_certain(error) ? "fail" : "info", "set", pipeliner->value);
}

/* It begins when what was asked for before it is answered: it must see that. */
static void see_description(struct pipeliner *pipeliner, const struct describe_configs_response *response)
{
    int64_t number, value = VALUE_NONE;
    if (response->results_count != 1 || response->results[0].error_code != ERROR_NONE || response->results[0].configs_count != 1)
        return;
    const struct describe_configs_resource_result *found = &response->results[0].configs[0];
    if (str_to_int64(found->value, &number) && number > BASE)
        value = number - BASE;
    note(pipeliner, "invoke", "get", VALUE_NONE);
    note(pipeliner, "ok", "get", value);
}

static bool take_answer(struct pipeliner *pipeliner, struct bytes frame)
{
    const struct pipelined_call *call = &pipeliner->calls[pipeliner->answer_count];
    bool is_asked = pipeliner->answer_count < pipeliner->call_count;
    const void *response =
        is_asked ? frame_read(call->api, call->version, call->correlation_id, frame, &pipeliner->arena) : NULL;
    if (response == NULL) {
        recorder_violate(pipeliner->workload->recorder, "answers_out_of_order", "call=%s version=%d place=%d of=%d",
            is_asked ? call->api->name : "none", call->version, pipeliner->answer_count, pipeliner->call_count);
        return false;
    }
    pipeliner->answer_count++;
    if (call->api->key == API_INCREMENTAL_ALTER_CONFIGS)
        see_change(pipeliner, response);
    else if (call->api->key == API_DESCRIBE_CONFIGS)
        see_description(pipeliner, response);
    return true;
}

static void read_answers(struct pipeliner *pipeliner)
{
    for (int64_t got = 1; got > 0;) {
        if (pipeliner->in_capacity - pipeliner->in_size < 4096) {
            pipeliner->in_capacity = pipeliner->in_capacity * 2 + 8192;
            pipeliner->in = memory_resize(pipeliner->in, pipeliner->in_capacity);
        }
        got = socket_read(pipeliner->socket, pipeliner->in + pipeliner->in_size, pipeliner->in_capacity - pipeliner->in_size);
        if (got <= 0 && got != -EAGAIN) {
            disconnect(pipeliner);
            return;
        }
        pipeliner->in_size += got > 0 ? (size_t)got : 0;
    }
    while (pipeliner->in_size >= 4 && pipeliner->in_size - 4 >= load_u32(pipeliner->in)) {
        size_t size = load_u32(pipeliner->in);
        if (!take_answer(pipeliner, (struct bytes){ pipeliner->in + 4, size })) {
            disconnect(pipeliner);
            return;
        }
        pipeliner->in_size -= size + 4;
        memmove(pipeliner->in, pipeliner->in + size + 4, pipeliner->in_size);
    }
    if (pipeliner->call_count > 0 && pipeliner->answer_count == pipeliner->call_count)
        end_round(pipeliner);
}

static void write_on(struct pipeliner *pipeliner)
{
    while (pipeliner->out_sent < pipeliner->out_size) {
        struct iovec vector = { pipeliner->out + pipeliner->out_sent, pipeliner->out_size - pipeliner->out_sent };
        int64_t done = socket_writev(pipeliner->socket, &vector, 1, false);
        if (done == -EAGAIN)
            break;
        if (done < 0) {
            disconnect(pipeliner);
            return;
        }
        pipeliner->out_sent += (size_t)done;
    }
    socket_want_write(pipeliner->socket, pipeliner->out_sent < pipeliner->out_size);
}

static void run_socket(struct socket_watch *watch, unsigned events)
{
    struct pipeliner *pipeliner = container_of(watch, struct pipeliner, watch);
    if (events & SOCKET_WRITABLE)
        write_on(pipeliner);
    if (pipeliner->socket != NULL && events & (SOCKET_READABLE | SOCKET_FAILED))
        read_answers(pipeliner);
}

/* ---- Rounds ---- */

static void turn(struct timer *timer)
{
    struct pipeliner *pipeliner = container_of(timer, struct pipeliner, timer);
    const struct workload *workload = pipeliner->workload;
    if (pipeliner->call_count > 0) { /* the round took too long */
        disconnect(pipeliner);
        return;
    }
    if (workload->draining)
        return;
    arena_reset(&pipeliner->arena);
    if (pipeliner->socket == NULL) {
        pipeliner->lives++;
        pipeliner->in_size = 0;
        if (socket_connect(pipeliner->loop, workload->host, workload->port, &pipeliner->watch, &pipeliner->socket) < 0)
            pipeliner->socket = NULL;
    }
    if (pipeliner->socket != NULL) {
        prepare(pipeliner);
        socket_want_write(pipeliner->socket, true);
    }
    timer_set(pipeliner->loop, timer, loop_now_us(pipeliner->loop) + ROUND_US);
}

void pipeliner_start(struct pipeliner *pipeliner, struct workload *workload, struct loop *loop)
{
    *pipeliner = (struct pipeliner){ .workload = workload, .loop = loop, .watch.ready = run_socket, .timer.run = turn };
    arena_init(&pipeliner->arena);
    timer_set(loop, &pipeliner->timer, loop_now_us(loop) + 1000 + (int64_t)draw(pipeliner, 1000000));
}

void pipeliner_stop(struct pipeliner *pipeliner)
{
    timer_cancel(pipeliner->loop, &pipeliner->timer);
    socket_close(pipeliner->socket);
    arena_deinit(&pipeliner->arena);
    memory_give(pipeliner->out);
    memory_give(pipeliner->in);
}
