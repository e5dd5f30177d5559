/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/hostile.h"

#include <errno.h>
#include <string.h>

#include "base/container.h"
#include "base/memory.h"
#include "sim/frame.h"
#include "sim/sim.h"
#include "sim/workload.h"
#include "wire/gen/fetch.h"
#include "wire/gen/list_offsets.h"
#include "wire/gen/metadata.h"
#include "wire/gen/produce.h"

enum { REQUEST_AT = 8, FLOOD_MOST = 300, GARBAGE_MOST = 5000 }; /* behind length, API and version, a byte may be bent */
enum attack { GARBAGE, LENGTH, HALF_FRAME, BENT_REQUEST, UNKNOWN_API, FLOOD, FAREWELL, ATTACK_COUNT };

static uint64_t draw(struct hostile *hostile, uint64_t bound)
{
    return sim_draw(hostile->workload->sim, bound);
}

static void close_socket(struct hostile *hostile)
{
    socket_close(hostile->socket);
    hostile->socket = NULL;
}

static void add(struct hostile *hostile, const void *data, size_t size)
{
    hostile->out = memory_resize(hostile->out, hostile->out_size + size);
    if (size > 0)
        memcpy(hostile->out + hostile->out_size, data, size);
    hostile->out_size += size;
}

/* ---- What it sends ---- */

static void add_garbage(struct hostile *hostile, size_t size)
{
    for (size_t i = 0; i < size; i++)
        add(hostile, &(uint8_t){ (uint8_t)draw(hostile, 256) }, 1);
}

static void add_request(struct hostile *hostile, enum api_key key, const void *request)
{
    size_t size;
    const struct api_schema *api = api_schema_find((int16_t)key);
    int16_t least = api->request->min_version;
    int16_t version = (int16_t)(least + (int16_t)draw(hostile, (uint64_t)(api_newest_version(api) - least + 1)));
    uint8_t *frame = frame_build(api, version, hostile->correlation_id++, request, &size);
    add(hostile, frame, size);
    memory_give(frame);
}

static void add_fetch(struct hostile *hostile, const struct topic *topic)
{
    struct fetch_request request;
    struct fetch_topic wish;
    struct fetch_partition partition;
    message_defaults(&fetch_request_schema, &request);
    shape_set_defaults(&fetch_topic_shape, &wish);
    shape_set_defaults(&fetch_partition_shape, &partition);
    partition.partition_max_bytes = 1 << 20;
    wish.topic = str_from(topic->name);
    wish.topic_id = topic->id;
    wish.partitions = &partition;
    wish.partitions_count = 1;
    request.replica_id = -1;
    request.max_wait_ms = (int32_t)draw(hostile, 10000);
    request.min_bytes = (int32_t)draw(hostile, 100000);
    request.max_bytes = 1 << 20;
    request.topics = &wish;
    request.topics_count = 1;
    add_request(hostile, API_FETCH, &request);
}

static void add_list_offsets(struct hostile *hostile, const struct topic *topic)
{
    struct list_offsets_request request;
    struct list_offsets_topic wish;
    struct list_offsets_partition partition;
    message_defaults(&list_offsets_request_schema, &request);
    shape_set_defaults(&list_offsets_topic_shape, &wish);
    shape_set_defaults(&list_offsets_partition_shape, &partition);
    partition.timestamp = (int64_t)draw(hostile, 10) - 5;
    wish.name = str_from(topic->name);
    wish.partitions = &partition;
    wish.partitions_count = 1;
    request.replica_id = -1;
    request.topics = &wish;
    request.topics_count = 1;
    add_request(hostile, API_LIST_OFFSETS, &request);
}

static void add_metadata(struct hostile *hostile)
{
    struct metadata_request request;
    message_defaults(&metadata_request_schema, &request);
    request.topics_count = draw(hostile, 2) == 0 ? 0 : -1;
    if (request.topics_count < 0)
        request.topics = NULL;
    request.allow_auto_topic_creation = false;
    add_request(hostile, API_METADATA, &request);
}

/* To a topic that nobody else looks at; it is not there. */
static void add_produce(struct hostile *hostile)
{
    struct produce_request request;
    struct produce_topic_produce_data topic;
    struct produce_partition_produce_data partition;
    uint8_t bytes[200];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)draw(hostile, 256);
    message_defaults(&produce_request_schema, &request);
    shape_set_defaults(&produce_topic_produce_data_shape, &topic);
    shape_set_defaults(&produce_partition_produce_data_shape, &partition);
    partition.records = (struct records){ .data = bytes, .size = (int32_t)draw(hostile, sizeof(bytes)) };
    topic.name = STR("hostile");
    topic.partition_data = &partition;
    topic.partition_data_count = 1;
    request.acks = (int16_t)((int16_t)draw(hostile, 3) - 1);
    request.timeout_ms = 1000;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    add_request(hostile, API_PRODUCE, &request);
}

static void add_any_request(struct hostile *hostile)
{
    const struct topics *topics = &hostile->workload->topics;
    const struct topic *topic = topics_there(topics, draw(hostile, topics_count_there(topics) + 1));
    switch (draw(hostile, topic != NULL ? 4 : 2)) {
    case 0: add_metadata(hostile); break;
    case 1: add_produce(hostile); break;
    case 2: add_fetch(hostile, topic); break;
    default: add_list_offsets(hostile, topic); break;
    }
}

static void bend(struct hostile *hostile)
{
    for (uint64_t left = 1 + draw(hostile, 4); left > 0; left--) {
        uint64_t place = draw(hostile, hostile->out_size - REQUEST_AT + 4);
        place = place < 4 ? place : place - 4 + REQUEST_AT; /* the length, or something behind the version */
        if (draw(hostile, 2) == 0)
            hostile->out[place] ^= (uint8_t)(1u << draw(hostile, 8));
        else
            hostile->out[place] = draw(hostile, 2) == 0 ? 0xff : (uint8_t)draw(hostile, 256);
    }
}

static void prepare(struct hostile *hostile, enum attack attack)
{
    static const uint32_t lengths[] = { 0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 104857600, 104857601 };
    uint8_t length[4];
    hostile->out_size = hostile->out_sent = 0;
    switch (attack) {
    case GARBAGE: add_garbage(hostile, 1 + draw(hostile, GARBAGE_MOST)); break;
    case LENGTH:
        store_u32(length, lengths[draw(hostile, sizeof(lengths) / sizeof(lengths[0]))]);
        add(hostile, length, sizeof(length));
        add_garbage(hostile, draw(hostile, 100));
        break;
    case HALF_FRAME:
        add_any_request(hostile);
        hostile->out_size = 1 + draw(hostile, hostile->out_size - 1);
        break;
    case BENT_REQUEST:
        add_any_request(hostile);
        bend(hostile);
        break;
    case UNKNOWN_API: /* or a version that is not there */
        add_any_request(hostile);
        hostile->out[4 + 2 * draw(hostile, 2)] ^= 0x40;
        break;
    case FLOOD:
        for (uint64_t left = 1 + draw(hostile, FLOOD_MOST); left > 0; left--)
            add_any_request(hostile);
        break;
    default: break; /* only comes and goes */
    }
}

/* ---- Its connection ---- */

static void write_on(struct hostile *hostile)
{
    while (hostile->out_sent < hostile->out_size) {
        struct iovec vector = { hostile->out + hostile->out_sent, hostile->out_size - hostile->out_sent };
        int64_t done = socket_writev(hostile->socket, &vector, 1, false);
        if (done == -EAGAIN)
            break;
        if (done < 0) {
            close_socket(hostile);
            return;
        }
        hostile->out_sent += (size_t)done;
    }
    socket_want_write(hostile->socket, hostile->out_sent < hostile->out_size);
}

static void run_socket(struct socket_watch *watch, unsigned events)
{
    struct hostile *hostile = container_of(watch, struct hostile, watch);
    uint8_t data[4096];
    int64_t got = 1;
    if (events & SOCKET_WRITABLE)
        write_on(hostile);
    while (hostile->socket != NULL && got > 0 && events & (SOCKET_READABLE | SOCKET_FAILED))
        got = socket_read(hostile->socket, data, sizeof(data));
    if (hostile->socket != NULL && got <= 0 && got != -EAGAIN)
        close_socket(hostile);
}

static void attack_anew(struct timer *timer)
{
    struct hostile *hostile = container_of(timer, struct hostile, timer);
    const struct workload *workload = hostile->workload;
    enum attack attack = (enum attack)draw(hostile, ATTACK_COUNT);
    int64_t stays_us = 1000 + (int64_t)draw(hostile, draw(hostile, 4) == 0 ? 10000000 : 500000);
    if (hostile->socket != NULL)
        close_socket(hostile);
    prepare(hostile, attack);
    if (socket_connect(hostile->loop, workload->host, workload->port, &hostile->watch, &hostile->socket) < 0) {
        hostile->socket = NULL;
    } else {
        socket_want_write(hostile->socket, true);
        socket_pause_reading(hostile->socket, attack == FLOOD && draw(hostile, 2) == 0);
    }
    timer_set(hostile->loop, timer, loop_now_us(hostile->loop) + stays_us);
}

void hostile_start(struct hostile *hostile, struct workload *workload, struct loop *loop)
{
    *hostile = (struct hostile){ .workload = workload, .loop = loop, .watch.ready = run_socket, .timer.run = attack_anew };
    timer_set(loop, &hostile->timer, loop_now_us(loop) + 1000 + (int64_t)draw(hostile, 1000000));
}

void hostile_stop(struct hostile *hostile)
{
    timer_cancel(hostile->loop, &hostile->timer);
    close_socket(hostile);
    hostile_forget(hostile);
}

void hostile_forget(struct hostile *hostile)
{
    memory_give(hostile->out);
}
