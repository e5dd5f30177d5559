/* SPDX-License-Identifier: Apache-2.0 */
/* Fetches for `strom consume`, and prints what comes. */
#include "cli/consume.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "cli/client.h"
#include "cli/verb.h"
#include "wire/compress.h"
#include "wire/gen/fetch.h"
#include "wire/record.h"
#include "wire/schema.h"

enum { FETCH_BYTES = 8 << 20, RECORDS_LIMIT = 1 << 30 };
enum { REFRESH_PAUSE_MS = 100, LEADERS_PAUSE_MS = 20 };
enum {
    STORAGE_ERRORS_MAX = 3
}; /* in a row, then --until-end gives up: it will not get to the end */

static bool is_finished(const struct source *source)
{
    return source->end >= 0 && source->position >= source->end;
}

/* The producer's transaction that holds offset was aborted: it began at or before it, and no later
 * marker ended it, for markers drop their entry. */
static bool is_aborted(const struct fetch_partition_data *data, const struct batch_header *batch)
{
    for (int32_t i = 0; i < data->aborted_transactions_count; i++) {
        const struct fetch_aborted_transaction *aborted = &data->aborted_transactions[i];
        if (aborted->producer_id == batch->producer_id &&
            aborted->first_offset <= batch->base_offset)
            return true;
    }
    return false;
}

static void end_transaction(struct fetch_partition_data *data, const struct batch_header *marker)
{
    for (int32_t i = 0; i < data->aborted_transactions_count; i++) {
        struct fetch_aborted_transaction *aborted = &data->aborted_transactions[i];
        if (aborted->producer_id == marker->producer_id &&
            aborted->first_offset <= marker->base_offset)
            aborted->first_offset = INT64_MAX;
    }
}

static int print_batch(struct consumer *consumer, struct source *source, const uint8_t *batch,
    const struct batch_header *header)
{
    struct bytes bytes;
    struct buffer *owner;
    struct record_reader reader;
    struct record record;
    int status = batch_crc_is_right(batch, header) ? batch_records(consumer->decompressor, batch,
                                                         header, RECORDS_LIMIT, &bytes, &owner)
                                                   : -EBADMSG;
    if (status < 0) {
        complain("partition %" PRId32 " offset %" PRId64 ": the batch is damaged",
            source->partition, header->base_offset);
        return EXIT_FAILED;
    }
    records_begin(&reader, header, bytes);
    int64_t next = batch_next_offset(header);
    while (records_next(&reader, &record) == RECORD_OK) {
        if (record.offset < source->position)
            continue;
        if (consumer->left == 0 || (source->end >= 0 && record.offset >= source->end)) {
            next = record.offset;
            break;
        }
        record_print(&consumer->printer, &record, consumer->topic.name, source->partition);
        source->position = record.offset + 1;
        if (consumer->left > 0)
            consumer->left--;
    }
    if (next > source->position)
        source->position = next;
    buffer_unref(owner);
    return EXIT_DONE;
}

static void skip_batch(struct source *source, const struct batch_header *header)
{
    if (batch_next_offset(header) > source->position)
        source->position = batch_next_offset(header);
}

static int print_partition(
    struct consumer *consumer, struct source *source, struct fetch_partition_data *data)
{
    struct bytes left = { data->records.data,
        data->records.size < 0 ? 0 : (size_t)data->records.size };
    struct batch_header header;
    int code = EXIT_DONE;
    while (code == EXIT_DONE && consumer->left != 0 && batch_parse(left, &header) == BATCH_OK) {
        bool is_control = batch_is_control(&header);
        if (is_control)
            end_transaction(data, &header);
        if (is_control ||
            (consumer->committed && batch_is_transactional(&header) && is_aborted(data, &header)))
            skip_batch(source, &header);
        else
            code = print_batch(consumer, source, left.data, &header);
        left.data += header.size;
        left.size -= header.size;
    }
    return code;
}

static struct source *find_source(struct consumer *consumer, int32_t partition)
{
    for (int i = 0; i < consumer->source_count; i++) {
        if (consumer->sources[i].partition == partition)
            return &consumer->sources[i];
    }
    return NULL;
}

/* Leaders may have moved. */
static int refresh_leaders(struct consumer *consumer)
{
    client_pause(consumer->client, REFRESH_PAUSE_MS);
    return consumer_refresh(consumer);
}

static int take_refusal(struct consumer *consumer, struct source *source, enum error error)
{
    source->storage_errors += error == ERROR_KAFKA_STORAGE_ERROR;
    if (source->storage_errors >= STORAGE_ERRORS_MAX && consumer->until_end) {
        complain("%.*s partition %" PRId32 " cannot be read from offset %" PRId64
                 " on: KAFKA_STORAGE_ERROR. The broker's log says which disk or file it is",
            STR_PRINT(consumer->topic.name), source->partition, source->position);
        return EXIT_FAILED;
    }
    return error_means_stale_metadata(error)
               ? refresh_leaders(consumer)
               : client_complain(consumer->topic.name.data, (int16_t)error, (struct str){ 0 });
}

static int take_fetched(struct consumer *consumer, struct fetch_response *response)
{
    if (response->error_code != ERROR_NONE)
        return client_complain(consumer->topic.name.data, response->error_code, (struct str){ 0 });
    for (int32_t i = 0; i < response->responses_count; i++) {
        for (int32_t j = 0; j < response->responses[i].partitions_count; j++) {
            struct fetch_partition_data *data = &response->responses[i].partitions[j];
            struct source *source = find_source(consumer, data->partition_index);
            if (source == NULL)
                continue;
            if (data->error_code == ERROR_NONE)
                source->storage_errors = 0;
            int code = data->error_code == ERROR_NONE
                           ? print_partition(consumer, source, data)
                           : take_refusal(consumer, source, (enum error)data->error_code);
            if (code != EXIT_DONE)
                return code;
        }
    }
    return EXIT_DONE;
}

/* Who reads what is printed may have gone; who waits for it hears of every fetch at once. */
static int flush_output(struct consumer *consumer)
{
    bool is_flushed = fflush(stdout) == 0;
    if (is_flushed && !ferror(stdout))
        return EXIT_DONE;
    if (is_flushed)
        complain("cannot write what was read");
    else if (errno != EPIPE)
        complain("cannot write what was read: %s", strerror(errno));
    consumer->output_failed = true;
    return EXIT_FAILED;
}

/* One fetch from a node, of all unfinished partitions that it leads. */
static int fetch_once(struct consumer *consumer, int32_t leader_id, int32_t wait_ms)
{
    struct fetch_request request;
    struct fetch_response response;
    struct arena arena;
    arena_init(&arena);
    message_defaults(&fetch_request_schema, &request);
    request.replica_id = -1;
    request.max_wait_ms = wait_ms;
    request.min_bytes = 1;
    request.max_bytes = 4 * FETCH_BYTES;
    request.isolation_level = consumer->committed ? 1 : 0;
    request.session_epoch = -1; /* no session */
    request.topics = MESSAGE_TAKE(fetch_topic, &arena, 1);
    request.topics_count = 1;
    request.topics[0].topic = consumer->topic.name;
    request.topics[0].topic_id = consumer->topic.topic_id;
    request.topics[0].partitions = MESSAGE_TAKE(fetch_partition, &arena, consumer->source_count);
    request.topics[0].partitions_count = 0;
    for (int i = 0; i < consumer->source_count; i++) {
        const struct source *source = &consumer->sources[i];
        if (is_finished(source) || source->leader_id != leader_id)
            continue;
        struct fetch_partition *partition =
            &request.topics[0].partitions[request.topics[0].partitions_count++];
        partition->partition = source->partition;
        partition->fetch_offset = source->position;
        partition->partition_max_bytes = FETCH_BYTES;
    }
    int code = EXIT_UNREACHABLE;
    if (client_call(consumer->client, leader_id, API_FETCH, &request, &arena, &response) == 0)
        code = take_fetched(consumer, &response);
    arena_deinit(&arena);
    int flushed = flush_output(consumer);
    return code != EXIT_DONE ? code : flushed;
}

/* Whether this source is the first unfinished one of its leader. */
static bool speaks_for_leader(const struct consumer *consumer, int index, int *in_out_leaders)
{
    if (is_finished(&consumer->sources[index]))
        return false;
    for (int i = 0; i < index; i++) {
        if (!is_finished(&consumer->sources[i]) &&
            consumer->sources[i].leader_id == consumer->sources[index].leader_id)
            return false;
    }
    (*in_out_leaders)++;
    return true;
}

int consumer_fetch(struct consumer *consumer, int32_t wait_ms, int *in_out_leaders)
{
    int leaders = 0, code = EXIT_DONE;
    if (*in_out_leaders != 1)
        wait_ms = 0;
    for (int i = 0; i < consumer->source_count && code == EXIT_DONE; i++) {
        if (speaks_for_leader(consumer, i, &leaders))
            code = fetch_once(consumer, consumer->sources[i].leader_id, wait_ms);
    }
    if (code == EXIT_DONE && leaders > 1)
        client_pause(consumer->client, LEADERS_PAUSE_MS);
    *in_out_leaders = leaders;
    return code;
}
