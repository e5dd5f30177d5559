/* SPDX-License-Identifier: Apache-2.0 */
/* Produce requests in a closed loop: one batch each, to the topic's partitions in turn. */
#include "base/buffer.h"
#include "base/memory.h"
#include "closed_loop.h"
#include "error.h"
#include "wire/gen/produce.h"

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

/* Metadata may name a leader before that broker knows of it; the warm-up forgives. */
static bool is_of_a_new_topic(enum error error)
{
    return error == ERROR_UNKNOWN_TOPIC_OR_PARTITION || error == ERROR_UNKNOWN_TOPIC_ID ||
           error == ERROR_NOT_LEADER_OR_FOLLOWER || error == ERROR_LEADER_NOT_AVAILABLE;
}

static uint64_t take_answer(struct closed_loop *loop, struct bytes answer, int32_t *out_id)
{
    struct measurement *measurement = &loop->measurement;
    const struct options *options = measurement->options;
    struct produce_response response;
    *out_id = answer_decode(API_PRODUCE, PRODUCE_VERSION, answer, &loop->arena, &response);
    if (response.responses_count != 1 || response.responses[0].partition_responses_count != 1)
        bench_fail("an answer does not speak of one partition");
    enum error error = (enum error)response.responses[0].partition_responses[0].error_code;
    if (error != ERROR_NONE && (measurement->counting || !is_of_a_new_topic(error)))
        bench_fail("Produce: error %d", error);
    uint64_t bytes = (uint64_t)options->record_count * (uint64_t)options->record_size;
    if (measurement->counting) {
        measurement->records += (uint64_t)options->record_count;
        measurement->bytes += bytes;
    }
    return bytes;
}

void run_produce(const struct options *options)
{
    size_t payload_at;
    struct closed_loop loop = {
        .frame_count = options->partitions, .stride = 1, .take_answer = take_answer
    };
    struct uuid topic = topic_prepare(options);
    struct buffer *batch =
        batch_of_records(options->record_count, options->record_size, &payload_at);
    loop.frames = memory_take((size_t)options->partitions * sizeof(struct buffer *));
    for (int i = 0; i < options->partitions; i++)
        loop.frames[i] = produce_frame(options, topic, i, batch);
    closed_loop_run(&loop, options, "produce");
}
