/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/pipeliner.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/container.h"
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

/* The round is over; what was written and not answered may still be done. */
static void end_round(struct pipe *pipe)
{
    struct pipeliner *pipeliner = container_of(pipe, struct pipeliner, pipe);
    for (int i = 0; i < pipe->call_count; i++)
        if (pipe->calls[i].api->key == API_INCREMENTAL_ALTER_CONFIGS)
            note(pipeliner, "info", "set", pipeliner->value);
    timer_set(pipeliner->loop, &pipeliner->timer, loop_now_us(pipeliner->loop) + 1000 + (int64_t)draw(pipeliner, 500000));
}

/* ---- Requests ---- */

static void add(struct pipeliner *pipeliner, enum api_key key, int16_t least, const void *request)
{
    const struct api_schema *api = api_schema_find((int16_t)key);
    if (least < api->request->min_version)
        least = api->request->min_version;
    pipe_send(&pipeliner->pipe, api, (int16_t)(least + (int16_t)draw(pipeliner, (uint64_t)(api_newest_version(api) - least + 1))), request);
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
    while (pipeliner->pipe.call_count < count) {
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

static void take_answer(struct pipe *pipe, const struct pipe_call *call, const void *response)
{
    struct pipeliner *pipeliner = container_of(pipe, struct pipeliner, pipe);
    if (response == NULL)
        recorder_violate(pipeliner->workload->recorder, "answers_out_of_order", "call=%s version=%d left=%d",
            pipe->call_count > 0 ? call->api->name : "none", call->version, pipe->call_count);
    else if (call->api->key == API_INCREMENTAL_ALTER_CONFIGS)
        see_change(pipeliner, response);
    else if (call->api->key == API_DESCRIBE_CONFIGS)
        see_description(pipeliner, response);
    if (response != NULL && pipe->call_count == 0)
        end_round(pipe);
}

/* ---- Rounds ---- */

static void turn(struct timer *timer)
{
    struct pipeliner *pipeliner = container_of(timer, struct pipeliner, timer);
    const struct workload *workload = pipeliner->workload;
    struct pipe *pipe = &pipeliner->pipe;
    if (pipe->call_count > 0) { /* the round took too long */
        end_round(pipe);
        pipe_close(pipe);
        return;
    }
    if (workload->draining)
        return;
    if (pipe->socket == NULL)
        pipeliner->lives++;
    if (pipe->socket != NULL || pipe_connect(pipe, workload->host, workload->port))
        prepare(pipeliner);
    timer_set(pipeliner->loop, timer, loop_now_us(pipeliner->loop) + ROUND_US);
}

void pipeliner_start(struct pipeliner *pipeliner, struct workload *workload, struct loop *loop)
{
    *pipeliner = (struct pipeliner){ .workload = workload, .loop = loop, .timer.run = turn };
    pipe_init(&pipeliner->pipe, loop, take_answer, end_round);
    timer_set(loop, &pipeliner->timer, loop_now_us(loop) + 1000 + (int64_t)draw(pipeliner, 1000000));
}

void pipeliner_stop(struct pipeliner *pipeliner)
{
    timer_cancel(pipeliner->loop, &pipeliner->timer);
    pipe_deinit(&pipeliner->pipe);
}
