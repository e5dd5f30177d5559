/* SPDX-License-Identifier: Apache-2.0 */
/* When a broker listens, and when a first record is durable there: started before the broker, it
 * connects as soon as anyone listens. Readings of the monotonic clock, for whoever noted the start.
 */
#include <stdio.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "error.h"
#include "wire/gen/produce.h"
#include "workload.h"

enum { PAUSE_US = 100 };

void run_first(const struct options *options)
{
    int descriptor;
    int64_t deadline = now_ns() + (int64_t)(options->seconds * 1e9);
    while ((descriptor = socket_try(options->host, options->port)) < 0) {
        if (now_ns() > deadline)
            bench_fail("nobody listens at %s:%d", options->host, options->port);
        usleep(PAUSE_US);
    }
    int64_t listening = now_ns();
    struct uuid topic = topic_prepare(options);
    size_t payload_at;
    struct buffer *batch = batch_of_records(1, options->record_size, &payload_at);
    struct produce_partition_produce_data data = { .records = { .data = batch->data,
                                                       .size = (int32_t)batch->size } };
    struct produce_topic_produce_data topic_data = { .topic_id = topic,
        .name = str_from(options->topic),
        .partition_data = &data,
        .partition_data_count = 1 };
    struct produce_request request = {
        .acks = -1, .timeout_ms = 30000, .topic_data = &topic_data, .topic_data_count = 1
    };
    struct produce_response response;
    struct arena arena;
    arena_init(&arena);
    call(descriptor, API_PRODUCE, PRODUCE_VERSION, &request, &arena, &response);
    int64_t durable = now_ns();
    if (response.responses_count != 1 ||
        response.responses[0].partition_responses[0].error_code != ERROR_NONE)
        bench_fail("the first Produce was refused");
    printf("{\"workload\": \"first\", \"listening_ns\": %lld, \"durable_ns\": %lld}\n",
        (long long)listening, (long long)durable);
    arena_deinit(&arena);
    buffer_unref(batch);
    close(descriptor);
}
