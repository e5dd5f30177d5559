/* SPDX-License-Identifier: Apache-2.0 */
/* strom consume: prints the records of a topic, from where one asks. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "cli/client.h"
#include "cli/place.h"
#include "cli/record_print.h"
#include "cli/verb.h"
#include "wire/gen/fetch.h"
#include "wire/gen/list_offsets.h"
#include "wire/gen/metadata.h"
#include "wire/record.h"

static const struct option options[] = {
    { "partition", 'p', "N", "Only this partition. May be repeated. Default: all." },
    { "from", 0, "WHERE",
        "beginning, end, an offset, -N (the last N of each), or a time: 2026-01-31T12:00:00Z. "
        "Default: end." },
    { "until-end", 'e', NULL, "Stop where the topic ends now." },
    { "count", 'n', "N", "Stop after so many records." },
    { "format", 'f', "FORMAT",
        "%t topic, %p partition, %o offset, %T time, %k key, %s value, %h headers, \\n, \\t. "
        "Default: %s\\n." },
    { "output", 'o', "json", "One JSON object a line, as produce -f json reads it." },
    { "committed", 0, NULL, "Only records of committed transactions." },
    BOOTSTRAP_OPTION,
    { NULL },
};

enum { FETCH_BYTES = 8 << 20, FETCH_WAIT_MS = 500 };
enum { RECORDS_LIMIT = 1 << 30 };
enum {
    STORAGE_ERRORS_MAX = 3
}; /* in a row, then --until-end gives up: it will not get to the end */

struct source {
    int32_t partition, leader_id;
    int64_t position;
    int64_t end;        /* where --until-end stops; -1: nowhere */
    int storage_errors; /* in a row */
};

struct consumer {
    struct client *client;
    struct metadata_response_topic topic;
    struct arena arena; /* what topic points into */
    struct source *sources;
    int source_count;
    struct record_printer printer;
    struct decompressor *decompressor;
    int64_t left; /* records to print; -1: no bound */
    bool committed, until_end;
};

static int ask_offset(
    struct consumer *consumer, const struct source *source, int64_t timestamp, int64_t *out_offset)
{
    struct list_offsets_request request;
    struct list_offsets_response response;
    struct arena arena;
    arena_init(&arena);
    message_defaults(&list_offsets_request_schema, &request);
    request.replica_id = -1;
    request.isolation_level = consumer->committed ? 1 : 0;
    request.topics = MESSAGE_TAKE(list_offsets_topic, &arena, 1);
    request.topics_count = 1;
    request.topics[0].name = consumer->topic.name;
    request.topics[0].partitions = MESSAGE_TAKE(list_offsets_partition, &arena, 1);
    request.topics[0].partitions_count = 1;
    request.topics[0].partitions[0].partition_index = source->partition;
    request.topics[0].partitions[0].timestamp = timestamp;
    int code = EXIT_UNREACHABLE;
    if (client_call(consumer->client, source->leader_id, API_LIST_OFFSETS, &request, &arena,
            &response) == 0) {
        code = EXIT_FAILED;
        if (response.topics_count == 1 && response.topics[0].partitions_count == 1) {
            const struct list_offsets_partition_response *answer =
                &response.topics[0].partitions[0];
            *out_offset = answer->offset;
            code = answer->error_code == ERROR_NONE ? EXIT_DONE
                                                    : client_complain(consumer->topic.name.data,
                                                          answer->error_code, (struct str){ 0 });
        }
    }
    arena_deinit(&arena);
    return code;
}

static int place_source(struct consumer *consumer, struct source *source, const struct place *place)
{
    int64_t start = 0, end = 0, found = 0;
    int code = ask_offset(consumer, source, PLACE_EARLIEST, &start);
    if (code == EXIT_DONE)
        code = ask_offset(consumer, source, PLACE_LATEST, &end);
    if (code == EXIT_DONE && place->offset == -1 && place->timestamp >= 0)
        code = ask_offset(consumer, source, place->timestamp, &found);
    if (code != EXIT_DONE)
        return code;
    if (place->offset >= 0)
        source->position = place->offset;
    else if (place->offset < -1)
        source->position = end + place->offset + 1;
    else if (place->timestamp == PLACE_EARLIEST)
        source->position = start;
    else
        source->position = place->timestamp == PLACE_LATEST || found < 0 ? end : found;
    if (source->position < start)
        source->position = start;
    source->end = consumer->until_end ? end : -1;
    return EXIT_DONE;
}

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
    while (records_next(&reader, &record) == RECORD_OK) {
        if (record.offset < source->position || consumer->left == 0 ||
            (source->end >= 0 && record.offset >= source->end))
            continue;
        record_print(&consumer->printer, &record, consumer->topic.name, source->partition);
        if (consumer->left > 0)
            consumer->left--;
    }
    buffer_unref(owner);
    return EXIT_DONE;
}

static int print_partition(
    struct consumer *consumer, struct source *source, struct fetch_partition_data *data)
{
    struct bytes left = { data->records.data,
        data->records.size < 0 ? 0 : (size_t)data->records.size };
    struct batch_header header;
    int code = EXIT_DONE;
    while (code == EXIT_DONE && consumer->left != 0 && batch_parse(left, &header) == BATCH_OK) {
        if (batch_is_control(&header))
            end_transaction(data, &header);
        else if (!consumer->committed || !batch_is_transactional(&header) ||
                 !is_aborted(data, &header))
            code = print_batch(consumer, source, left.data, &header);
        if (batch_next_offset(&header) > source->position)
            source->position = batch_next_offset(&header);
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
    struct arena arena;
    struct metadata_response_topic topic;
    arena_init(&arena);
    client_pause(consumer->client, 100);
    int code = client_topic(consumer->client, consumer->topic.name.data, &arena, &topic);
    for (int32_t i = 0; code == EXIT_DONE && i < topic.partitions_count; i++) {
        struct source *source = find_source(consumer, topic.partitions[i].partition_index);
        if (source != NULL)
            source->leader_id = topic.partitions[i].leader_id;
    }
    arena_deinit(&arena);
    return code;
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

/* One fetch from the node that leads the first unfinished partition at or behind *at; all that it
 * leads go along. */
static int fetch_once(struct consumer *consumer, int32_t leader_id, bool wait)
{
    struct fetch_request request;
    struct fetch_response response;
    struct arena arena;
    arena_init(&arena);
    message_defaults(&fetch_request_schema, &request);
    request.replica_id = -1;
    request.max_wait_ms = wait ? FETCH_WAIT_MS : 0;
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
    fflush(stdout);
    return code;
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

static int fetch_all(struct consumer *consumer)
{
    int leaders_before = 1;
    while (consumer->left != 0) {
        int leaders = 0, code = EXIT_DONE;
        for (int i = 0; i < consumer->source_count && code == EXIT_DONE; i++) {
            if (speaks_for_leader(consumer, i, &leaders))
                code = fetch_once(consumer, consumer->sources[i].leader_id, leaders_before == 1);
        }
        if (code != EXIT_DONE || leaders == 0)
            return code;
        if (leaders > 1)
            client_pause(consumer->client, 20);
        leaders_before = leaders;
    }
    return EXIT_DONE;
}

static bool is_wanted(const struct arguments *arguments, int32_t partition, bool *out_any)
{
    const char *text;
    *out_any = false;
    for (int position = 0; (text = argument_after(arguments, "partition", &position)) != NULL;) {
        int64_t number;
        *out_any = true;
        if (str_to_int64(str_from(text), &number) && number == partition)
            return true;
    }
    return !*out_any;
}

static int choose_sources(
    struct consumer *consumer, const struct arguments *arguments, const struct place *place)
{
    bool any = false;
    int code =
        client_topic(consumer->client, arguments->words[0], &consumer->arena, &consumer->topic);
    if (code != EXIT_DONE)
        return code;
    consumer->topic.name = str_copy(&consumer->arena, consumer->topic.name);
    consumer->sources = arena_take_array(
        &consumer->arena, (size_t)consumer->topic.partitions_count + 1, sizeof(*consumer->sources));
    for (int32_t i = 0; i < consumer->topic.partitions_count && code == EXIT_DONE; i++) {
        const struct metadata_response_partition *partition = &consumer->topic.partitions[i];
        if (!is_wanted(arguments, partition->partition_index, &any))
            continue;
        struct source *source = &consumer->sources[consumer->source_count++];
        *source = (struct source){ .partition = partition->partition_index,
            .leader_id = partition->leader_id };
        code = place_source(consumer, source, place);
    }
    if (code == EXIT_DONE && consumer->source_count == 0) {
        complain("%s has no such partition; it has %" PRId32, arguments->words[0],
            consumer->topic.partitions_count);
        code = EXIT_ABSENT;
    }
    return code;
}

static int run(const struct arguments *arguments)
{
    struct consumer consumer = { .left = -1,
        .committed = argument_given(arguments, "committed"),
        .until_end = argument_given(arguments, "until-end") };
    struct place place;
    int code = EXIT_MISUSED;
    if (!place_parse(argument(arguments, "from"), &place)) {
        complain("--from %s: write beginning, end, an offset, -N, or a time such as "
                 "2026-01-31T12:00:00Z",
            argument(arguments, "from"));
        return EXIT_MISUSED;
    }
    if (!argument_number(arguments, "count", 0, INT64_MAX, &consumer.left) ||
        !record_printer_init(&consumer.printer, arguments))
        return EXIT_MISUSED;
    arena_init(&consumer.arena);
    consumer.decompressor = decompressor_create();
    consumer.client = client_create(arguments, &code);
    if (consumer.client != NULL)
        code = choose_sources(&consumer, arguments, &place);
    if (code == EXIT_DONE)
        code = fetch_all(&consumer);
    client_destroy(consumer.client);
    decompressor_destroy(consumer.decompressor);
    record_printer_deinit(&consumer.printer);
    arena_deinit(&consumer.arena);
    return code;
}

const struct verb consume_verbs[] = {
    { "consume", "TOPIC", 1, 1, "Print the records of a topic.",
        "Without --until-end or --count it waits for more.\n\n"
        "examples:\n"
        "  strom consume hello --from beginning --until-end\n"
        "  strom consume events -p 0 --from -10 -f '%o %k %s\\n'\n"
        "  strom consume events --from 2026-01-31T12:00:00Z -o json\n",
        options, run },
    { NULL },
};
