/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "base/prng.h"
#include "error.h"
#include "wire/decode.h"
#include "wire/encode.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/find_coordinator.h"
#include "wire/gen/metadata.h"
#include "wire/record.h"
#include "wire/schema.h"

enum { HEADER_ROOM = 64, LEADER_WAIT_MS = 30000 };

static const char client_id[] = "bench";

void bench_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void socket_tune(int descriptor)
{
    int one = 1;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(descriptor, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5);
}

int socket_try(const char *host, int port)
{
    char service[16];
    snprintf(service, sizeof(service), "%d", port);
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    int status = getaddrinfo(host, service, &hints, &found);
    if (status != 0)
        bench_fail("%s: %s", host, gai_strerror(status));
    int descriptor = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        bench_fail("socket: %s", strerror(errno));
    if (connect(descriptor, found->ai_addr, found->ai_addrlen) < 0) {
        close(descriptor);
        descriptor = -1;
    } else {
        socket_tune(descriptor);
    }
    freeaddrinfo(found);
    return descriptor;
}

int socket_connect(const char *host, int port, bool blocking)
{
    int descriptor = socket_try(host, port);
    if (descriptor < 0)
        bench_fail("cannot connect to %s:%d: %s", host, port, strerror(errno));
    if (!blocking)
        fcntl(descriptor, F_SETFL, O_NONBLOCK);
    return descriptor;
}

void send_all(int descriptor, const void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t sent = send(descriptor, (const uint8_t *)data + done, size - done, MSG_NOSIGNAL);
        if (sent <= 0)
            bench_fail("send: %s", strerror(errno));
        done += (size_t)sent;
    }
}

void receive_all(int descriptor, void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = recv(descriptor, (uint8_t *)data + done, size - done, 0);
        if (got <= 0)
            bench_fail(
                "receive: %s", got == 0 ? "the broker closed the connection" : strerror(errno));
        done += (size_t)got;
    }
}

struct buffer *frame_build(
    int16_t api_key, int16_t version, int32_t correlation_id, const void *request)
{
    const struct api_schema *api = api_schema_find(api_key);
    size_t body = message_size(api->request, version, request);
    struct buffer *frame = buffer_create(body + HEADER_ROOM);
    uint8_t *at = frame->data + 4;
    store_i16(at, api_key);
    store_i16(at + 2, version);
    store_i32(at + 4, correlation_id);
    store_i16(at + 8, (int16_t)strlen(client_id));
    memcpy(at + 10, client_id, strlen(client_id));
    at += 10 + strlen(client_id);
    if (api_request_header_version(api, version) >= 2)
        *at++ = 0;
    at += message_encode(api->request, version, request, at, body, NULL);
    frame->size = (size_t)(at - frame->data);
    store_i32(frame->data, (int32_t)(frame->size - 4));
    return frame;
}

int32_t answer_decode(
    int16_t api_key, int16_t version, struct bytes answer, struct arena *arena, void *out_response)
{
    const struct api_schema *api = api_schema_find(api_key);
    size_t header = api_response_header_version(api, version) >= 1 ? 5 : 4;
    struct bytes body = { answer.data + header, answer.size - header };
    if (answer.size < header ||
        !message_decode(api->response, version, body, arena, out_response, NULL))
        bench_fail("the answer to %s does not decode", api->name);
    return load_i32(answer.data);
}

void call(int descriptor, int16_t api_key, int16_t version, const void *request,
    struct arena *arena, void *out_response)
{
    struct buffer *frame = frame_build(api_key, version, 1, request);
    send_all(descriptor, frame->data, frame->size);
    buffer_unref(frame);
    uint8_t length[4];
    receive_all(descriptor, length, 4);
    size_t size = load_u32(length);
    uint8_t *answer = arena_take(arena, size);
    receive_all(descriptor, answer, size);
    answer_decode(api_key, version, (struct bytes){ answer, size }, arena, out_response);
}

static void create_topic(int descriptor, const struct options *options, struct arena *arena)
{
    struct create_topics_creatable_topic_config configs[MAX_CONFIGS] = { 0 };
    for (int i = 0; i < options->config_count; i++) {
        const char *equals = strchr(options->configs[i], '=');
        if (equals == NULL)
            bench_fail("--config wants key=value");
        configs[i].name =
            (struct str){ options->configs[i], (int32_t)(equals - options->configs[i]) };
        configs[i].value = str_from(equals + 1);
    }
    struct create_topics_creatable_topic topic = { .name = str_from(options->topic),
        .num_partitions = options->partitions,
        .replication_factor = 1,
        .configs = configs,
        .configs_count = options->config_count };
    struct create_topics_request request = {
        .topics = &topic, .topics_count = 1, .timeout_ms = LEADER_WAIT_MS
    };
    struct create_topics_response response;
    call(descriptor, API_CREATE_TOPICS, CREATE_TOPICS_VERSION, &request, arena, &response);
    if (response.topics_count != 1)
        bench_fail("CreateTopics answers for %d topics", response.topics_count);
    if (response.topics[0].error_code != ERROR_NONE)
        bench_fail("CreateTopics: error %d, %.*s", response.topics[0].error_code,
            STR_PRINT(response.topics[0].error_message));
}

static bool all_have_leaders(const struct metadata_response *response, int partitions)
{
    if (response->topics_count != 1 || response->topics[0].error_code != ERROR_NONE ||
        response->topics[0].partitions_count < partitions)
        return false;
    for (int32_t i = 0; i < response->topics[0].partitions_count; i++)
        if (response->topics[0].partitions[i].leader_id < 0)
            return false;
    return true;
}

static struct topic_facts wait_for_leaders(
    int descriptor, const char *name, int partitions, struct arena *arena)
{
    struct metadata_request_topic topic = { .name = str_from(name) };
    struct metadata_request request = { .topics = &topic, .topics_count = 1 };
    struct metadata_response response = { 0 };
    int64_t deadline = now_ns() + LEADER_WAIT_MS * 1000000ll;
    do {
        if (now_ns() > deadline)
            bench_fail("no leader for every partition of %s", name);
        call(descriptor, API_METADATA, METADATA_VERSION, &request, arena, &response);
    } while (!all_have_leaders(&response, partitions));
    return (struct topic_facts){ response.topics[0].topic_id, response.topics[0].partitions_count };
}

struct uuid topic_prepare(const struct options *options)
{
    int descriptor = socket_connect(options->host, options->port, true);
    struct arena arena;
    arena_init(&arena);
    if (options->create)
        create_topic(descriptor, options, &arena);
    struct uuid id = wait_for_leaders(descriptor, options->topic, options->partitions, &arena).id;
    close(descriptor);
    arena_deinit(&arena);
    return id;
}

/* Until the coordinator of some group is known: the broker makes the topic when it is first asked.
 */
struct topic_facts group_topic_prepare(const struct options *options)
{
    int descriptor = socket_connect(options->host, options->port, true);
    struct arena arena;
    arena_init(&arena);
    struct str key = STR("any");
    struct find_coordinator_request request = { .coordinator_keys = &key,
        .coordinator_keys_count = 1 };
    struct find_coordinator_response response;
    int64_t deadline = now_ns() + LEADER_WAIT_MS * 1000000ll;
    do {
        if (now_ns() > deadline)
            bench_fail("no coordinator of groups");
        call(descriptor, API_FIND_COORDINATOR, FIND_COORDINATOR_VERSION, &request, &arena,
            &response);
    } while (response.coordinators_count != 1 || response.coordinators[0].error_code != ERROR_NONE);
    struct topic_facts facts = wait_for_leaders(descriptor, "__consumer_offsets", 1, &arena);
    close(descriptor);
    arena_deinit(&arena);
    return facts;
}

struct buffer *batch_of_records(int count, int value_size, size_t *out_payload_at)
{
    struct prng prng;
    prng_init(&prng, 1);
    uint8_t *values = memory_take((size_t)count * (size_t)value_size);
    prng_fill(&prng, values, (size_t)count * (size_t)value_size);
    struct record *records = memory_take((size_t)count * sizeof(*records));
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    for (int i = 0; i < count; i++) {
        records[i].timestamp = (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000;
        records[i].value =
            (struct bytes){ values + (size_t)i * (size_t)value_size, (size_t)value_size };
    }
    struct batch_options options = batch_options_plain();
    struct buffer *batch = batch_build(&options, records, count);
    struct batch_header header;
    struct record_reader reader;
    struct record first;
    batch_parse((struct bytes){ batch->data, batch->size }, &header);
    records_begin(&reader, &header,
        (struct bytes){ batch->data + BATCH_HEADER_SIZE, batch->size - BATCH_HEADER_SIZE });
    if (records_next(&reader, &first) != RECORD_OK)
        bench_fail("the batch does not read back");
    *out_payload_at = (size_t)(first.value.data - batch->data);
    memory_give(values);
    memory_give(records);
    return batch;
}
