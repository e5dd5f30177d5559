/* SPDX-License-Identifier: Apache-2.0 */
/* A broker without anything that makes one: receive, check the CRC, append, answer; find, sendfile.
 * One thread, one topic, no limits and no defence. What it needs for a workload is what the kernel
 * asks of any broker in the same run, so it is the ceiling that a real one is read against. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "client.h"
#include "null_link.h"
#include "null_log.h"
#include "wire/batch.h"
#include "wire/decode.h"
#include "wire/encode.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/fetch.h"
#include "wire/gen/metadata.h"
#include "wire/gen/produce.h"
#include "wire/schema.h"

enum { EVENTS_A_PASS = 1024, TEMPLATES = MAX_PARTITIONS, PASS_MS = 50 };

static const struct uuid topic_id = { { 'n', 'u', 'l', 'l' } };

/* Produce frames repeat but for their correlation id and records: the first of a kind is decoded,
 * the rest recognised. */
struct template
{
    uint8_t *prefix;
    size_t prefix_size; /* up to the records */
    size_t frame_size;
    size_t records_size;
    struct null_log *log;
    uint8_t answer[256];
    size_t answer_size;
    size_t offset_at; /* of base_offset in the answer */
};

struct null_broker {
    int poll, listener, port;
    const char *directory;
    int64_t segment_bytes;
    bool durable;
    int partitions;
    struct null_log *logs[MAX_PARTITIONS];
    struct template *templates[TEMPLATES];
    int template_count;
    struct link *touched[EVENTS_A_PASS + MAX_PARTITIONS];
    int touched_count;
    struct link *parked[MAX_PARTITIONS];
    int parked_count;
    struct arena arena;
};

static struct null_log *log_of(struct null_broker *broker, int32_t partition)
{
    if (partition < 0 || partition >= MAX_PARTITIONS)
        bench_fail("no partition %d", partition);
    if (broker->logs[partition] == NULL) {
        broker->logs[partition] = memory_take(sizeof(struct null_log));
        null_log_init(
            broker->logs[partition], broker->directory, broker->segment_bytes, broker->durable);
    }
    return broker->logs[partition];
}

static void link_close(struct null_broker *broker, struct link *link)
{
    for (int i = 0; i < broker->parked_count; i++)
        if (broker->parked[i] == link)
            broker->parked[i--] = broker->parked[--broker->parked_count];
    epoll_ctl(broker->poll, EPOLL_CTL_DEL, link->descriptor, NULL);
    close(link->descriptor);
    link->descriptor = -1; /* the little that is left lives as long as the program */
}

static void touch(struct null_broker *broker, struct link *link)
{
    if (link->touched)
        return;
    link->touched = true;
    broker->touched[broker->touched_count++] = link;
}

/* Length and response header; returns where the body goes. */
static uint8_t *answer_begin(
    struct link *link, int16_t key, int16_t version, int32_t correlation_id, size_t body)
{
    size_t header = api_response_header_version(api_schema_find(key), version) >= 1 ? 5 : 4;
    uint8_t *at = link->out + link->out_size;
    store_i32(at, (int32_t)(header + body));
    store_i32(at + 4, correlation_id);
    if (header == 5)
        at[8] = 0;
    return at + 4 + header;
}

static void answer(
    struct link *link, int16_t key, int16_t version, int32_t correlation_id, const void *response)
{
    const struct message_schema *schema = api_schema_find(key)->response;
    size_t size = message_size(schema, version, response);
    uint8_t *body = answer_begin(link, key, version, correlation_id, size);
    message_encode(schema, version, response, body, size, NULL);
    link->out_size = (size_t)(body + size - link->out);
}

static void answer_metadata(
    struct null_broker *broker, struct link *link, int32_t correlation_id, struct bytes body)
{
    struct metadata_request request;
    if (!message_decode(
            &metadata_request_schema, METADATA_VERSION, body, &broker->arena, &request, NULL))
        bench_fail("Metadata does not decode");
    struct metadata_response_broker self = {
        .node_id = 1, .host = STR("127.0.0.1"), .port = broker->port
    };
    struct metadata_response_partition *partitions =
        MESSAGE_TAKE(metadata_response_partition, &broker->arena, broker->partitions);
    for (int i = 0; i < broker->partitions; i++) {
        partitions[i].partition_index = i;
        partitions[i].leader_id = 1;
    }
    struct metadata_response_topic topic = {
        .name = request.topics_count > 0 ? request.topics[0].name : STR("bench"),
        .topic_id = topic_id,
        .partitions = partitions,
        .partitions_count = broker->partitions
    };
    struct metadata_response response = { .brokers = &self,
        .brokers_count = 1,
        .controller_id = 1,
        .topics = &topic,
        .topics_count = 1 };
    answer(link, API_METADATA, METADATA_VERSION, correlation_id, &response);
}

static void answer_create(
    struct null_broker *broker, struct link *link, int32_t correlation_id, struct bytes body)
{
    struct create_topics_request request;
    if (!message_decode(&create_topics_request_schema, CREATE_TOPICS_VERSION, body, &broker->arena,
            &request, NULL) ||
        request.topics_count != 1)
        bench_fail("CreateTopics does not decode, or wants not one topic");
    broker->partitions = request.topics[0].num_partitions;
    struct create_topics_creatable_topic_result result = { .name = request.topics[0].name,
        .topic_id = topic_id,
        .num_partitions = broker->partitions,
        .replication_factor = 1 };
    struct create_topics_response response = { .topics = &result, .topics_count = 1 };
    answer(link, API_CREATE_TOPICS, CREATE_TOPICS_VERSION, correlation_id, &response);
}

static bool template_fits(const struct template *template, const uint8_t *frame, size_t size)
{
    return template->frame_size == size && memcmp(template->prefix, frame, 8) == 0 &&
           memcmp(template->prefix + 12, frame + 12, template->prefix_size - 12) == 0;
}

static struct template *template_make(
    struct null_broker *broker, const uint8_t *frame, size_t size, struct bytes body)
{
    struct produce_request request;
    if (!message_decode(
            &produce_request_schema, PRODUCE_VERSION, body, &broker->arena, &request, NULL) ||
        request.topic_data_count != 1 || request.topic_data[0].partition_data_count != 1)
        bench_fail("Produce does not decode, or speaks not of one partition");
    if (broker->template_count == TEMPLATES)
        bench_fail("too many kinds of Produce");
    const struct produce_partition_produce_data *data = &request.topic_data[0].partition_data[0];
    struct template *template = memory_take(sizeof(*template));
    template->frame_size = size;
    template->prefix_size = (size_t)(data->records.data - frame);
    template->prefix = memory_take(template->prefix_size);
    memcpy(template->prefix, frame, template->prefix_size);
    template->records_size = (size_t)data->records.size;
    template->log = log_of(broker, data->index);

    int64_t mark = 0x123456789abcdef0;
    uint8_t mark_bytes[8];
    store_i64(mark_bytes, mark);
    struct produce_partition_produce_response partition = { .index = data->index,
        .base_offset = mark,
        .log_append_time_ms = -1,
        .current_leader = { -1, -1 } };
    struct produce_topic_produce_response topic = {
        .topic_id = topic_id, .partition_responses = &partition, .partition_responses_count = 1
    };
    struct produce_response response = { .responses = &topic, .responses_count = 1 };
    struct link scratch = { .out = template->answer };
    answer(&scratch, API_PRODUCE, PRODUCE_VERSION, 0, &response);
    template->answer_size = scratch.out_size;
    const uint8_t *found = memmem(template->answer, template->answer_size, mark_bytes, 8);
    template->offset_at = (size_t)(found - template->answer);
    broker->templates[broker->template_count++] = template;
    return template;
}

static struct template *template_for(struct null_broker *broker, struct link *link,
    const uint8_t *frame, size_t size, struct bytes body)
{
    for (int i = 0; i < broker->template_count; i++) {
        int index = (link->template_index + i) % broker->template_count;
        if (template_fits(broker->templates[index], frame, size)) {
            link->template_index = broker->partitions > 1 ? index + 1 : index;
            return broker->templates[index];
        }
    }
    return template_make(broker, frame, size, body);
}

static void answer_produce(
    struct null_broker *broker, struct link *link, uint8_t *frame, size_t size, struct bytes body)
{
    struct template *template = template_for(broker, link, frame, size, body);
    uint8_t *batch = frame + template->prefix_size;
    if (batch_crc(batch, template->records_size) != load_u32(batch + BATCH_AT_CRC))
        bench_fail("a batch with a wrong CRC");
    if (link->out_size + template->answer_size > LINK_OUT_ROOM)
        bench_fail("more answers than there is room for");
    uint8_t *out = link->out + link->out_size;
    memcpy(out, template->answer, template->answer_size);
    memcpy(out + 4, frame + 8, 4);
    store_i64(
        out + template->offset_at, null_log_stage(template->log, batch, template->records_size));
    link->out_size += template->answer_size;
}

/* The head of the answer, the file range, and what stands behind the records. */
static void answer_fetch(struct null_broker *broker, struct link *link, struct null_range range)
{
    struct fetch_partition_data data;
    struct fetch_fetchable_topic_response topic;
    struct fetch_response response;
    shape_set_defaults(&fetch_partition_data_shape, &data);
    shape_set_defaults(&fetch_fetchable_topic_response_shape, &topic);
    message_defaults(&fetch_response_schema, &response);
    data.partition_index = link->fetch.partition;
    data.high_watermark = data.last_stable_offset =
        log_of(broker, link->fetch.partition)->written_offset;
    data.log_start_offset = 0;
    static const uint8_t nothing[1];
    data.records =
        (struct records){ .data = range.size > 0 ? NULL : nothing, .size = (int32_t)range.size };
    topic.topic_id = topic_id;
    topic.partitions = &data;
    topic.partitions_count = 1;
    response.responses = &topic;
    response.responses_count = 1;
    struct message_extent extent =
        message_measure(&fetch_response_schema, FETCH_VERSION, &response);
    struct hole hole = { 0 };
    uint8_t *body =
        answer_begin(link, API_FETCH, FETCH_VERSION, link->fetch.correlation_id, extent.wire_size);
    size_t written = message_encode(
        &fetch_response_schema, FETCH_VERSION, &response, body, extent.wire_size, &hole);
    size_t head = range.size > 0 ? hole.position : written;
    link->tail_size = written - head;
    memcpy(link->tail, body + head, link->tail_size);
    link->out_size = (size_t)(body + head - link->out);
    link->file = range;
    link->fetch.parked = false;
}

static void take_fetch(
    struct null_broker *broker, struct link *link, int32_t correlation_id, struct bytes body)
{
    struct fetch_request request;
    if (!message_decode(
            &fetch_request_schema, FETCH_VERSION, body, &broker->arena, &request, NULL) ||
        request.topics_count != 1 || request.topics[0].partitions_count != 1)
        bench_fail("Fetch does not decode, or speaks not of one partition");
    const struct fetch_partition *partition = &request.topics[0].partitions[0];
    link->fetch.correlation_id = correlation_id;
    link->fetch.partition = partition->partition;
    link->fetch.offset = partition->fetch_offset;
    link->fetch.max_bytes = partition->partition_max_bytes;
    link->fetch.deadline = now_ns() + request.max_wait_ms * 1000000ll;
    struct null_range range = null_log_find(log_of(broker, partition->partition),
        partition->fetch_offset, partition->partition_max_bytes);
    if (range.size > 0) {
        answer_fetch(broker, link, range);
        return;
    }
    if (broker->parked_count == MAX_PARTITIONS)
        bench_fail("too many parked");
    link->fetch.parked = true;
    broker->parked[broker->parked_count++] = link;
}

static void take_frame(struct null_broker *broker, struct link *link, uint8_t *frame, size_t size)
{
    int16_t key = load_i16(frame + 4), version = load_i16(frame + 6);
    int32_t correlation_id = load_i32(frame + 8);
    size_t header = 15 + (size_t)load_i16(frame + 12); /* length, header with client id, no tags */
    struct bytes body = { frame + header, size - header };
    arena_reset(&broker->arena);
    if (key == API_PRODUCE && version == PRODUCE_VERSION)
        answer_produce(broker, link, frame, size, body);
    else if (key == API_FETCH && version == FETCH_VERSION)
        take_fetch(broker, link, correlation_id, body);
    else if (key == API_METADATA && version == METADATA_VERSION)
        answer_metadata(broker, link, correlation_id, body);
    else if (key == API_CREATE_TOPICS && version == CREATE_TOPICS_VERSION)
        answer_create(broker, link, correlation_id, body);
    else
        bench_fail("API %d version %d is not the bench's", key, version);
}

static void link_receive(struct null_broker *broker, struct link *link)
{
    for (;;) {
        size_t room = link->in_room - link->in_size;
        ssize_t got = recv(link->descriptor, link->in + link->in_size, room, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN)) {
            link_close(broker, link);
            return;
        }
        link->in_size += got > 0 ? (size_t)got : 0;
        if (got < (ssize_t)room || link->in_size == link->in_room)
            break;
    }
    size_t next = 4;
    while (link->in_size - link->in_used >= 4) {
        next = 4 + (size_t)load_u32(link->in + link->in_used);
        if (link->in_size - link->in_used < next)
            break;
        take_frame(broker, link, link->in + link->in_used, next);
        link->in_used += next;
        next = 4;
    }
    touch(broker, link);
}

static void link_send(struct null_broker *broker, struct link *link)
{
    bool blocked = !link_send_all(link);
    if (blocked == link->wants_to_write)
        return;
    link->wants_to_write = blocked;
    struct epoll_event event = { .events = EPOLLIN | (blocked ? EPOLLOUT : 0u), .data.ptr = link };
    epoll_ctl(broker->poll, EPOLL_CTL_MOD, link->descriptor, &event);
}

static void wake_parked(struct null_broker *broker)
{
    int64_t now = broker->parked_count > 0 ? now_ns() : 0;
    for (int i = 0; i < broker->parked_count; i++) {
        struct link *link = broker->parked[i];
        struct null_range range = null_log_find(
            log_of(broker, link->fetch.partition), link->fetch.offset, link->fetch.max_bytes);
        if (range.size == 0 && now < link->fetch.deadline)
            continue;
        broker->parked[i--] = broker->parked[--broker->parked_count];
        answer_fetch(broker, link, range);
        touch(broker, link);
    }
}

static void finish_pass(struct null_broker *broker)
{
    for (int i = 0; i < broker->partitions; i++)
        if (broker->logs[i] != NULL)
            null_log_write(broker->logs[i]);
    wake_parked(broker);
    for (int i = 0; i < broker->touched_count; i++) {
        struct link *link = broker->touched[i];
        link->touched = false;
        if (link->descriptor < 0)
            continue;
        link_compact(link);
        link_send(broker, link);
    }
    broker->touched_count = 0;
}

static void accept_all(struct null_broker *broker)
{
    for (int descriptor;
         (descriptor = accept4(broker->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        socket_tune(descriptor);
        struct link *link = link_create(descriptor);
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = link };
        epoll_ctl(broker->poll, EPOLL_CTL_ADD, descriptor, &event);
    }
}

static void listen_on(struct null_broker *broker)
{
    int one = 1;
    struct sockaddr_in address = { .sin_family = AF_INET,
        .sin_port = htons((uint16_t)broker->port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    broker->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(broker->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(broker->listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(broker->listener, 4096) < 0)
        bench_fail("cannot listen on port %d: %s", broker->port, strerror(errno));
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
    epoll_ctl(broker->poll, EPOLL_CTL_ADD, broker->listener, &event);
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fputs("usage: null_broker PORT DIRECTORY SEGMENT_BYTES [durable]\n", stderr);
        return 2;
    }
    struct null_broker *broker = memory_take(sizeof(*broker));
    *broker = (struct null_broker){ .port = atoi(argv[1]),
        .directory = argv[2],
        .segment_bytes = atoll(argv[3]),
        .durable = argc > 4,
        .partitions = 1,
        .poll = epoll_create1(EPOLL_CLOEXEC) };
    if (broker->segment_bytes < 1 || broker->segment_bytes > NULL_LOG_LARGEST)
        bench_fail("segments of 1 to %d bytes", NULL_LOG_LARGEST);
    arena_init(&broker->arena);
    listen_on(broker);
    struct epoll_event events[EVENTS_A_PASS / 2];
    for (;;) {
        int count = epoll_wait(broker->poll, events, EVENTS_A_PASS / 2, PASS_MS);
        for (int i = 0; i < count; i++) {
            struct link *link = events[i].data.ptr;
            if (link == NULL)
                accept_all(broker);
            else if (link->descriptor >= 0 && (events[i].events & ~(uint32_t)EPOLLOUT))
                link_receive(broker, link);
            else if (link->descriptor >= 0)
                touch(broker, link);
        }
        finish_pass(broker);
    }
}
