/* SPDX-License-Identifier: Apache-2.0 */
/* Fetch in a closed loop: each connection reads the topic's partitions from their start to their
 * end and over again, and looks at batch headers only. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "error.h"
#include "fetch_request.h"
#include "workload.h"
#include "wire/batch.h"
#include "wire/gen/fetch.h"

enum { ANSWER_ROOM = 4096, EVENTS_A_PASS = 256 };

struct lane {
    int descriptor;
    int partition;
    int64_t next_offset;
    int64_t sent_at;
    uint32_t correlation_id;
    size_t received;
    size_t capacity;
    uint8_t *receiving;
};

struct fetcher {
    const struct options *options;
    struct measurement measurement;
    struct uuid topic;
    struct lane *lanes;
    int poll;
    struct arena arena;
};

struct buffer *fetch_frame(const struct fetch_position *position)
{
    struct fetch_partition partition;
    struct fetch_topic topic;
    struct fetch_request request;
    message_defaults(&fetch_request_schema, &request);
    shape_set_defaults(&fetch_topic_shape, &topic);
    shape_set_defaults(&fetch_partition_shape, &partition);
    partition.partition = position->partition;
    partition.fetch_offset = position->offset;
    partition.partition_max_bytes = position->max_bytes;
    topic.topic_id = position->topic;
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.max_wait_ms = position->max_wait_ms;
    request.min_bytes = 1;
    request.max_bytes = position->max_bytes;
    request.topics = &topic;
    request.topics_count = 1;
    return frame_build(API_FETCH, FETCH_VERSION, position->correlation_id, &request);
}

struct bytes fetched_records(struct bytes answer, struct arena *arena, int64_t *out_high_watermark)
{
    struct fetch_response response;
    answer_decode(API_FETCH, FETCH_VERSION, answer, arena, &response);
    if (response.error_code != ERROR_NONE)
        bench_fail("Fetch: error %d", response.error_code);
    if (response.responses_count != 1 || response.responses[0].partitions_count != 1)
        bench_fail("an answer to Fetch does not speak of one partition");
    const struct fetch_partition_data *data = &response.responses[0].partitions[0];
    if (data->error_code != ERROR_NONE)
        bench_fail("Fetch: partition error %d", data->error_code);
    *out_high_watermark = data->high_watermark;
    return (struct bytes){ data->records.data,
        data->records.size > 0 ? (size_t)data->records.size : 0 };
}

static void lane_send(struct fetcher *fetcher, struct lane *lane)
{
    struct fetch_position position = { .topic = fetcher->topic,
        .partition = lane->partition,
        .offset = lane->next_offset,
        .max_bytes = fetcher->options->max_bytes,
        .max_wait_ms = 500,
        .correlation_id = (int32_t)++lane->correlation_id };
    struct buffer *frame = fetch_frame(&position);
    lane->sent_at = now_ns();
    send_all(lane->descriptor, frame->data, frame->size);
    buffer_unref(frame);
}

static void take_answer(
    struct fetcher *fetcher, struct lane *lane, struct bytes answer, int64_t now)
{
    struct measurement *measurement = &fetcher->measurement;
    int64_t high_watermark;
    arena_reset(&fetcher->arena);
    struct bytes records = fetched_records(answer, &fetcher->arena, &high_watermark);
    size_t fetched = records.size;
    uint64_t count = 0;
    struct batch_header header;
    while (batch_parse(records, &header) == BATCH_OK) {
        count += (uint64_t)header.record_count;
        lane->next_offset = batch_next_offset(&header);
        records.data += header.size;
        records.size -= header.size;
    }
    if (lane->next_offset >= high_watermark || count == 0)
        lane->next_offset = 0;
    if (!measurement->counting)
        return;
    histogram_add(&measurement->times, (uint64_t)(now - lane->sent_at));
    measurement->requests++;
    measurement->records += count;
    measurement->bytes += fetched;
}

static void lane_receive(struct fetcher *fetcher, struct lane *lane, int64_t now)
{
    ssize_t got = recv(lane->descriptor, lane->receiving + lane->received,
        lane->capacity - lane->received, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN))
        bench_fail("receive: %s", got == 0 ? "the broker closed the connection" : strerror(errno));
    if (got < 0)
        return;
    lane->received += (size_t)got;
    if (lane->received < 4)
        return;
    size_t size = load_u32(lane->receiving);
    if (size + 4 > lane->capacity)
        bench_fail("an answer of %zu bytes", size);
    if (lane->received < size + 4)
        return;
    take_answer(fetcher, lane, (struct bytes){ lane->receiving + 4, size }, now);
    lane->received = 0;
    lane_send(fetcher, lane);
}

void run_fetch(const struct options *options)
{
    struct fetcher *fetcher = memory_take(sizeof(*fetcher));
    struct epoll_event events[EVENTS_A_PASS];
    fetcher->options = options;
    fetcher->topic = topic_prepare(options);
    fetcher->poll = epoll_create1(EPOLL_CLOEXEC);
    fetcher->lanes = memory_take((size_t)options->connections * sizeof(struct lane));
    arena_init(&fetcher->arena);
    for (int i = 0; i < options->connections; i++) {
        struct lane *lane = &fetcher->lanes[i];
        lane->partition = i % options->partitions;
        lane->descriptor = socket_connect(options->host, options->port, true);
        lane->capacity = (size_t)options->max_bytes + (1 << 20) +
                         ANSWER_ROOM; /* at least one batch comes whole */
        lane->receiving = memory_take(lane->capacity);
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = lane };
        epoll_ctl(fetcher->poll, EPOLL_CTL_ADD, lane->descriptor, &event);
        lane_send(fetcher, lane);
    }
    measurement_init(&fetcher->measurement, options);
    while (!fetcher->measurement.over) {
        int count = epoll_wait(fetcher->poll, events, EVENTS_A_PASS, 1000);
        int64_t now = now_ns();
        for (int i = 0; i < count; i++)
            lane_receive(fetcher, events[i].data.ptr, now);
        measurement_turn(&fetcher->measurement, now);
    }
    measurement_print(&fetcher->measurement, "fetch");
}
