/* SPDX-License-Identifier: Apache-2.0 */
/* Closed loop: every connection keeps `window` requests in flight. Frames are built once for each
 * partition; only the correlation id, in the first 12 bytes, differs from sending to sending. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "error.h"
#include "wire/gen/produce.h"
#include "workload.h"

enum { FRAMES_A_CALL = 16, RECEIVE_SIZE = 64 * 1024, EVENTS_A_PASS = 256 };

struct lane {
    int descriptor;
    int index;
    uint32_t sending; /* number of the frame that goes out next; it is the correlation id too */
    size_t sent_of_it;
    uint32_t answered; /* frames below this are answered */
    int64_t *sent_at;  /* by number modulo window */
    size_t received;
    uint8_t *receiving;
    bool wants_to_write;
};

struct producer {
    const struct options *options;
    struct measurement measurement;
    struct buffer **frames; /* one a partition */
    struct lane *lanes;
    int poll;
    struct arena arena;
    uint64_t bytes_in_all;
};

static struct buffer *produce_frame(
    const struct options *options, struct uuid topic, int partition, const struct buffer *batch)
{
    struct produce_partition_produce_data data = { .index = partition,
        .records = { .data = batch->data, .size = (int32_t)batch->size } };
    struct produce_topic_produce_data topic_data = { .topic_id = topic,
        .name = str_from(options->topic),
        .partition_data = &data,
        .partition_data_count = 1 };
    struct produce_request request = { .acks = (int16_t)options->acks,
        .timeout_ms = 30000,
        .topic_data = &topic_data,
        .topic_data_count = 1 };
    return frame_build(API_PRODUCE, PRODUCE_VERSION, 0, &request);
}

static void watch(struct producer *producer, struct lane *lane, int operation)
{
    struct epoll_event event = { .events = EPOLLIN | (lane->wants_to_write ? EPOLLOUT : 0u),
        .data.ptr = lane };
    if (epoll_ctl(producer->poll, operation, lane->descriptor, &event) < 0)
        bench_fail("epoll_ctl: %s", strerror(errno));
}

/* Everything that the window allows, in one call; what does not fit goes on from where it stopped.
 */
static void lane_send(struct producer *producer, struct lane *lane, int64_t now)
{
    uint8_t heads[FRAMES_A_CALL][FRAME_HEAD_SIZE];
    struct iovec pieces[FRAMES_A_CALL * 2];
    const struct options *options = producer->options;
    int count = 0;
    size_t wanted = 0;
    for (uint32_t n = lane->sending;
         n != lane->answered + (uint32_t)options->window && count < FRAMES_A_CALL; n++) {
        struct buffer *frame =
            producer->frames[((uint32_t)lane->index + n) % (uint32_t)options->partitions];
        memcpy(heads[count], frame->data, FRAME_HEAD_SIZE);
        store_u32(heads[count] + 8, n);
        pieces[count * 2] = (struct iovec){ heads[count], FRAME_HEAD_SIZE };
        pieces[count * 2 + 1] =
            (struct iovec){ frame->data + FRAME_HEAD_SIZE, frame->size - FRAME_HEAD_SIZE };
        wanted += frame->size;
        lane->sent_at[n % (uint32_t)options->window] = now;
        count++;
    }
    size_t skip = lane->sent_of_it;
    int first = 0;
    for (; count > 0 && first < 2 && skip >= pieces[first].iov_len; first++)
        skip -= pieces[first].iov_len;
    if (count == 0)
        return;
    pieces[first].iov_base = (uint8_t *)pieces[first].iov_base + skip;
    pieces[first].iov_len -= skip;
    wanted -= lane->sent_of_it;
    struct msghdr message = { .msg_iov = pieces + first,
        .msg_iovlen = (size_t)(count * 2 - first) };
    ssize_t sent = sendmsg(lane->descriptor, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN)
        bench_fail("send: %s", strerror(errno));
    lane->sent_of_it += sent > 0 ? (size_t)sent : 0;
    for (;;) {
        struct buffer *frame =
            producer
                ->frames[((uint32_t)lane->index + lane->sending) % (uint32_t)options->partitions];
        if (lane->sent_of_it < frame->size)
            break;
        lane->sent_of_it -= frame->size;
        lane->sending++;
    }
    bool blocked = sent < (ssize_t)wanted;
    if (blocked != lane->wants_to_write) {
        lane->wants_to_write = blocked;
        watch(producer, lane, EPOLL_CTL_MOD);
    }
}

/* Metadata may name a leader before that broker knows of it; the warm-up forgives. */
static bool is_of_a_new_topic(enum error error)
{
    return error == ERROR_UNKNOWN_TOPIC_OR_PARTITION || error == ERROR_UNKNOWN_TOPIC_ID ||
           error == ERROR_NOT_LEADER_OR_FOLLOWER || error == ERROR_LEADER_NOT_AVAILABLE;
}

static void take_answer(
    struct producer *producer, struct lane *lane, struct bytes answer, int64_t now)
{
    const struct options *options = producer->options;
    struct measurement *measurement = &producer->measurement;
    struct produce_response response;
    arena_reset(&producer->arena);
    int32_t correlation_id =
        answer_decode(API_PRODUCE, PRODUCE_VERSION, answer, &producer->arena, &response);
    if (correlation_id != (int32_t)lane->answered)
        bench_fail("answers out of order");
    if (response.responses_count != 1 || response.responses[0].partition_responses_count != 1)
        bench_fail("an answer does not speak of one partition");
    enum error error = (enum error)response.responses[0].partition_responses[0].error_code;
    if (error != ERROR_NONE && (measurement->counting || !is_of_a_new_topic(error)))
        bench_fail("Produce: error %d", error);
    uint64_t bytes = (uint64_t)options->record_count * (uint64_t)options->record_size;
    producer->bytes_in_all += bytes;
    if (measurement->counting) {
        histogram_add(&measurement->times,
            (uint64_t)(now - lane->sent_at[lane->answered % (uint32_t)options->window]));
        measurement->requests++;
        measurement->records += (uint64_t)options->record_count;
        measurement->bytes += bytes;
    }
    lane->answered++;
}

static void lane_receive(struct producer *producer, struct lane *lane, int64_t now)
{
    ssize_t got =
        recv(lane->descriptor, lane->receiving + lane->received, RECEIVE_SIZE - lane->received, 0);
    if (got == 0 || (got < 0 && errno != EAGAIN))
        bench_fail("receive: %s", got == 0 ? "the broker closed the connection" : strerror(errno));
    if (got < 0)
        return;
    lane->received += (size_t)got;
    size_t used = 0;
    while (lane->received - used >= 4) {
        size_t size = load_u32(lane->receiving + used);
        if (size > RECEIVE_SIZE - 4)
            bench_fail("an answer of %zu bytes", size);
        if (lane->received - used - 4 < size)
            break;
        take_answer(producer, lane, (struct bytes){ lane->receiving + used + 4, size }, now);
        used += 4 + size;
    }
    memmove(lane->receiving, lane->receiving + used, lane->received - used);
    lane->received -= used;
}

static void producer_init(struct producer *producer, const struct options *options)
{
    size_t payload_at;
    producer->options = options;
    struct uuid topic = topic_prepare(options);
    struct buffer *batch =
        batch_of_records(options->record_count, options->record_size, &payload_at);
    producer->frames = memory_take((size_t)options->partitions * sizeof(struct buffer *));
    for (int i = 0; i < options->partitions; i++)
        producer->frames[i] = produce_frame(options, topic, i, batch);
    producer->poll = epoll_create1(EPOLL_CLOEXEC);
    producer->lanes = memory_take((size_t)options->connections * sizeof(struct lane));
    for (int i = 0; i < options->connections; i++) {
        struct lane *lane = &producer->lanes[i];
        lane->index = i;
        lane->descriptor = socket_connect(options->host, options->port, false);
        lane->sent_at = memory_take((size_t)options->window * sizeof(int64_t));
        lane->receiving = memory_take(RECEIVE_SIZE);
        watch(producer, lane, EPOLL_CTL_ADD);
    }
    arena_init(&producer->arena);
    measurement_init(&producer->measurement, options);
}

void run_produce(const struct options *options)
{
    struct producer *producer = memory_take(sizeof(*producer));
    struct epoll_event events[EVENTS_A_PASS];
    producer_init(producer, options);
    for (int i = 0; i < options->connections; i++)
        lane_send(producer, &producer->lanes[i], now_ns());
    while (!producer->measurement.over) {
        int count = epoll_wait(producer->poll, events, EVENTS_A_PASS, 1000);
        int64_t now = now_ns();
        for (int i = 0; i < count; i++) {
            struct lane *lane = events[i].data.ptr;
            if (events[i].events & ~(uint32_t)EPOLLOUT)
                lane_receive(producer, lane, now);
            lane_send(producer, lane, now);
        }
        measurement_turn(&producer->measurement, now);
        if (options->total_bytes > 0 && producer->bytes_in_all >= (uint64_t)options->total_bytes)
            break;
    }
    measurement_print(&producer->measurement, "produce");
}
