/* SPDX-License-Identifier: Apache-2.0 */
#include "base/container.h"
#include "error.h"
#include "sim/producer.h"
#include "sim/requests.h"
#include "sim/workload.h"
#include "wire/gen/list_offsets.h"
#include "wire/gen/produce.h"

enum { FIRST_WITH_IDS = 13, LATEST = -1 };

static void hear_batch(struct client *client);

static void hear_end(struct client *client)
{
    struct producer *producer = container_of(client, struct producer, other);
    const struct list_offsets_response *response = client->response;
    client->answered = hear_batch;
    if (client->status < 0 || response->topics_count != 1 || response->topics[0].partitions_count != 1)
        return;
    const struct list_offsets_partition_response *answer = &response->topics[0].partitions[0];
    if (answer->error_code == ERROR_NONE && answer->offset < producer->promised_end)
        recorder_violate(producer->actor.workload->recorder, "partition_ends_before_what_was_promised", "actor=%s end=%lld promised=%lld",
            producer->actor.name, (long long)answer->offset, (long long)producer->promised_end);
}

/* Whatever the batch's answer promised holds from then on: readers see it, too. */
static void ask_end(struct producer *producer)
{
    struct one_list_offsets one;
    one_list_offsets_init(&one, str_from(producer->topic->name));
    one.partition.partition_index = producer->partition;
    one.partition.timestamp = LATEST;
    producer->other.answered = hear_end;
    client_ask(&producer->other, API_LIST_OFFSETS, 1, &one.request, CALL_LIMIT_US);
}

/* The one that comes second gets the offset of the first. An answer for a batch that is over is not looked at. */
static void hear_batch(struct client *client)
{
    struct producer *producer = container_of(client, struct producer, other);
    int64_t base_offset;
    if (client->status < 0 || !producer->is_doubled || producer_read_answer(producer, client, &base_offset) != ERROR_NONE)
        return;
    if (producer->kind == BATCH_ECHO && base_offset != producer->first_offset)
        producer_violate(producer, "batch_was_answered_with_two_offsets", base_offset);
    if (producer->kind == BATCH_NORMAL && producer->other_offset == OFFSET_NONE)
        producer_note(producer, "ok", base_offset);
    producer->other_offset = base_offset;
    producer->promised_end = base_offset + producer->count;
    if (producer->actor.workload->by_name)
        ask_end(producer);
}

void producer_send_twice(struct producer *producer, const struct produce_request *request)
{
    producer->is_doubled = true;
    producer->other.answered = hear_batch; /* a question about the end may have been hung up */
    client_ask(&producer->other, API_PRODUCE, FIRST_WITH_IDS, request, CALL_LIMIT_US);
}

void producer_init_other(struct producer *producer)
{
    const struct workload *workload = producer->actor.workload;
    client_init(&producer->other, producer->actor.loop, workload->host, workload->port, hear_batch);
}
