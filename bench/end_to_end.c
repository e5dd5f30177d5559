/* SPDX-License-Identifier: Apache-2.0 */
/* Open loop: one connection produces a record at each intended time, whether or not the last is
 * answered, and writes that time into the payload; another keeps a Fetch parked. The time counted
 * runs from the intended sending to the record's arrival, so a stall is paid by all who waited in
 * it. The program spins: what is measured is the broker. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "error.h"
#include "fetch_request.h"
#include "wire/gen/produce.h"
#include "wire/record.h"
#include "workload.h"

enum { RECEIVE_SIZE = 4 << 20, ANSWERS_SIZE = 1 << 20, FETCH_WAIT_MS = 500, MAX_FETCH = 1 << 20 };

struct course {
    const struct options *options;
    struct measurement measurement;
    struct uuid topic;
    int producing, consuming;
    struct buffer *frame;
    size_t batch_at, batch_size, payload_at; /* in the frame */
    uint32_t correlation_id;
    int64_t first_at; /* intended time of record 0 */
    uint64_t sent;
    int64_t next_offset;
    uint8_t *receiving;
    size_t received;
    uint8_t *answers;
    size_t answers_size;
    struct arena arena;
};

static void course_init(struct course *course, const struct options *options)
{
    course->options = options;
    course->topic = topic_prepare(options);
    size_t payload_in_batch;
    struct buffer *batch = batch_of_records(1, options->record_size, &payload_in_batch);
    struct produce_partition_produce_data data = { .records = { .data = batch->data,
                                                       .size = (int32_t)batch->size } };
    struct produce_topic_produce_data topic = { .topic_id = course->topic,
        .name = str_from(options->topic),
        .partition_data = &data,
        .partition_data_count = 1 };
    struct produce_request request = { .acks = (int16_t)options->acks,
        .timeout_ms = 30000,
        .topic_data = &topic,
        .topic_data_count = 1 };
    course->frame = frame_build(API_PRODUCE, PRODUCE_VERSION, 0, &request);
    uint8_t *found = memmem(course->frame->data, course->frame->size, batch->data, batch->size);
    if (found == NULL)
        bench_fail("the frame does not hold its batch");
    course->batch_at = (size_t)(found - course->frame->data);
    course->batch_size = batch->size;
    course->payload_at = course->batch_at + payload_in_batch;
    course->producing = socket_connect(options->host, options->port, true);
    course->consuming = socket_connect(options->host, options->port, true);
    course->receiving = memory_take(RECEIVE_SIZE);
    course->answers = memory_take(ANSWERS_SIZE);
    arena_init(&course->arena);
    measurement_init(&course->measurement, options);
}

static void fetch_next(struct course *course)
{
    struct fetch_position position = { .topic = course->topic,
        .offset = course->next_offset,
        .max_bytes = MAX_FETCH,
        .max_wait_ms = FETCH_WAIT_MS,
        .correlation_id = 1 };
    struct buffer *frame = fetch_frame(&position);
    send_all(course->consuming, frame->data, frame->size);
    buffer_unref(frame);
}

static void send_due(struct course *course, int64_t now)
{
    double interval = 1e9 / course->options->rate;
    for (;;) {
        int64_t intended = course->first_at + (int64_t)((double)course->sent * interval);
        if (intended > now)
            return;
        uint8_t *frame = course->frame->data;
        store_u32(frame + 8, course->correlation_id++);
        store_i64(frame + course->payload_at, intended);
        store_u32(frame + course->batch_at + BATCH_AT_CRC,
            batch_crc(frame + course->batch_at, course->batch_size));
        send_all(course->producing, frame, course->frame->size);
        course->sent++;
    }
}

/* Answers to Produce are only looked at for errors. */
static void receive_answers(struct course *course)
{
    ssize_t got = recv(course->producing, course->answers + course->answers_size,
        ANSWERS_SIZE - course->answers_size, MSG_DONTWAIT);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN)
            bench_fail("the broker closed the producer's connection");
        return;
    }
    course->answers_size += (size_t)got;
    size_t used = 0;
    while (course->answers_size - used >= 4 &&
           course->answers_size - used - 4 >= load_u32(course->answers + used)) {
        size_t size = load_u32(course->answers + used);
        struct produce_response response;
        answer_decode(API_PRODUCE, PRODUCE_VERSION,
            (struct bytes){ course->answers + used + 4, size }, &course->arena, &response);
        if (response.responses[0].partition_responses[0].error_code != ERROR_NONE)
            bench_fail(
                "Produce: error %d", response.responses[0].partition_responses[0].error_code);
        arena_reset(&course->arena);
        used += 4 + size;
    }
    memmove(course->answers, course->answers + used, course->answers_size - used);
    course->answers_size -= used;
}

static void take_records(struct course *course, struct bytes records, int64_t now)
{
    struct batch_header header;
    while (batch_parse(records, &header) == BATCH_OK) {
        int64_t intended = load_i64(records.data + (course->payload_at - course->batch_at));
        if (header.base_offset != course->next_offset)
            bench_fail("offset %lld came where %lld was due", (long long)header.base_offset,
                (long long)course->next_offset);
        course->next_offset = batch_next_offset(&header);
        if (course->measurement.counting) {
            histogram_add(
                &course->measurement.times, (uint64_t)(now > intended ? now - intended : 0));
            course->measurement.requests++;
            course->measurement.records++;
            course->measurement.bytes += (uint64_t)course->options->record_size;
        }
        records.data += header.size;
        records.size -= header.size;
    }
}

static void receive_records(struct course *course)
{
    ssize_t got = recv(course->consuming, course->receiving + course->received,
        RECEIVE_SIZE - course->received, MSG_DONTWAIT);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN)
            bench_fail("the broker closed the consumer's connection");
        return;
    }
    course->received += (size_t)got;
    if (course->received < 4 || course->received - 4 < load_u32(course->receiving))
        return;
    int64_t high_watermark;
    struct bytes answer = { course->receiving + 4, load_u32(course->receiving) };
    int64_t now = now_ns();
    take_records(course, fetched_records(answer, &course->arena, &high_watermark), now);
    arena_reset(&course->arena);
    course->received = 0;
    fetch_next(course);
}

void run_end_to_end(const struct options *options)
{
    struct course *course = memory_take(sizeof(*course));
    course_init(course, options);
    fetch_next(course);
    course->first_at = now_ns() + 1000000;
    while (!course->measurement.over) {
        int64_t now = now_ns();
        send_due(course, now);
        receive_records(course);
        receive_answers(course);
        measurement_turn(&course->measurement, now);
    }
    measurement_print(&course->measurement, "end_to_end");
}
