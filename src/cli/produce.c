/* SPDX-License-Identifier: Apache-2.0 */
/* strom produce: lines of standard input become records. They gather per partition and go out in
 * batches; an error ends it, with the line it concerns. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "cli/client.h"
#include "cli/key_hash.h"
#include "cli/record_json.h"
#include "cli/verb.h"
#include "io/io.h"
#include "wire/gen/metadata.h"
#include "wire/gen/produce.h"
#include "wire/record.h"

static const struct option options[] = {
    { "partition", 'p', "N",
        "All records go there. Default: by key as Java's client does, else a batch each in turn." },
    { "key-separator", 'K', "TEXT", "What stands before it in a line is the key." },
    { "header", 'H', "KEY=VALUE", "A header of every record. May be repeated." },
    { "format", 'f', "text|json",
        "json: each line is {\"key\",\"value\",\"headers\",\"partition\",\"timestamp\"}." },
    { "compression", 'z', "CODEC", "none, gzip, snappy, lz4 or zstd. Default: none." },
    { "acks", 'a', "0|1|all", "Who must have a record before it counts. Default: all." },
    { "null-empty", 'Z', NULL,
        "An empty value is null, which deletes its key on a compacted topic." },
    BOOTSTRAP_OPTION,
    { NULL },
};

enum { BATCH_RECORDS = 10000, BATCH_BYTES = 512 * 1024 };

struct partition_batch {
    struct record *records;
    int32_t count, capacity;
    int32_t leader_id;
    size_t bytes;
};

struct producer {
    struct client *client;
    struct metadata_response_topic topic;
    struct arena topic_arena; /* what topic points into */
    struct arena arena;       /* records that wait to be sent */
    struct partition_batch *partitions;
    int64_t fixed_partition; /* -1: chosen for each record */
    int32_t next_partition;  /* for records without key */
    struct batch_options batch;
    int16_t acks;
    bool lines_are_json, null_empty;
    struct str key_separator;
    struct record_header *headers;
    int32_t header_count;
    int64_t sent, line;
};

static int complain_of_answer(
    const struct producer *producer, const struct produce_partition_produce_response *answer)
{
    struct str message = answer->error_message;
    for (int32_t i = 0; i < answer->record_errors_count && i < 3; i++) {
        const struct produce_batch_index_and_error_message *error = &answer->record_errors[i];
        complain("record %" PRId32 " of the batch: %.*s", error->batch_index,
            STR_PRINT(error->batch_index_error_message));
    }
    char what[64];
    snprintf(what, sizeof(what), "partition %" PRId32 ", about line %" PRId64, answer->index,
        producer->line);
    return client_complain(what, answer->error_code, message);
}

static int send_partition(struct producer *producer, int32_t index)
{
    enum { ATTEMPTS = 10 };
    struct partition_batch *partition = &producer->partitions[index];
    struct buffer *batch = batch_build(&producer->batch, partition->records, partition->count);
    struct produce_request request;
    struct produce_response response;
    int code = EXIT_UNREACHABLE;

    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        struct arena arena;
        arena_init(&arena);
        message_defaults(&produce_request_schema, &request);
        request.acks = producer->acks;
        request.timeout_ms = 30000;
        request.topic_data = MESSAGE_TAKE(produce_topic_produce_data, &arena, 1);
        request.topic_data_count = 1;
        request.topic_data[0].name = producer->topic.name;
        request.topic_data[0].topic_id = producer->topic.topic_id;
        request.topic_data[0].partition_data =
            MESSAGE_TAKE(produce_partition_produce_data, &arena, 1);
        request.topic_data[0].partition_data_count = 1;
        request.topic_data[0].partition_data[0].index = index;
        request.topic_data[0].partition_data[0].records =
            (struct records){ .data = batch->data, .size = (int32_t)batch->size };
        int status = producer->acks == 0 ? client_send(producer->client, partition->leader_id,
                                               API_PRODUCE, &request)
                                         : client_call(producer->client, partition->leader_id,
                                               API_PRODUCE, &request, &arena, &response);
        bool again = false;
        if (status == 0 && producer->acks == 0) {
            code = EXIT_DONE;
        } else if (status == 0 && response.responses_count == 1 &&
                   response.responses[0].partition_responses_count == 1) {
            const struct produce_partition_produce_response *answer =
                &response.responses[0].partition_responses[0];
            again = answer->error_code != ERROR_NONE &&
                    error_is_retriable((enum error)answer->error_code) && attempt + 1 < ATTEMPTS &&
                    answer->error_code != ERROR_CORRUPT_MESSAGE;
            if (!again)
                code = answer->error_code == ERROR_NONE ? EXIT_DONE
                                                        : complain_of_answer(producer, answer);
        } else if (status == 0) {
            complain("the answer says nothing about partition %" PRId32, index);
            code = EXIT_FAILED;
        }
        arena_deinit(&arena);
        if (!again)
            break;
        client_pause(producer->client, 100);
    }
    if (code == EXIT_DONE)
        producer->sent += partition->count;
    partition->count = 0;
    partition->bytes = 0;
    buffer_unref(batch);
    return code;
}

static int send_all(struct producer *producer)
{
    int code = EXIT_DONE;
    for (int32_t i = 0; i < producer->topic.partitions_count && code == EXIT_DONE; i++) {
        if (producer->partitions[i].count > 0)
            code = send_partition(producer, i);
    }
    arena_reset(&producer->arena);
    producer->next_partition++; /* the next batch without keys goes elsewhere */
    return code;
}

static int32_t choose_partition(
    const struct producer *producer, const struct record *record, int64_t wished)
{
    int32_t count = producer->topic.partitions_count;
    if (wished < 0)
        wished = producer->fixed_partition;
    if (wished >= 0)
        return wished < count ? (int32_t)wished : -1;
    if (record->key.data != NULL)
        return (int32_t)((key_hash(record->key) & INT32_MAX) % (uint32_t)count);
    return producer->next_partition % count;
}

static void split_line(const struct producer *producer, struct str line, struct record *record)
{
    struct str separator = producer->key_separator;
    if (separator.size > 0) {
        const char *found =
            memmem(line.data, (size_t)line.size, separator.data, (size_t)separator.size);
        if (found != NULL) {
            record->key = (struct bytes){ (const uint8_t *)line.data, (size_t)(found - line.data) };
            line.size -= (int32_t)(found - line.data) + separator.size;
            line.data = found + separator.size;
        }
    }
    record->value = (struct bytes){ (const uint8_t *)line.data, (size_t)line.size };
}

/* line lives as long as the producer's arena. */
static int take_line(struct producer *producer, struct str line)
{
    struct record record = { .timestamp = io_wall_ms(client_io(producer->client)),
        .headers = producer->headers,
        .header_count = producer->header_count };
    int64_t wished = -1;
    const char *wrong = NULL;
    if (producer->lines_are_json)
        wrong = record_from_json(line, &producer->arena, &record, &wished);
    else
        split_line(producer, line, &record);
    if (wrong != NULL) {
        complain("line %" PRId64 ": %s", producer->line, wrong);
        return EXIT_FAILED;
    }
    if (producer->null_empty && record.value.size == 0)
        record.value = (struct bytes){ 0 };
    int32_t index = choose_partition(producer, &record, wished);
    if (index < 0) {
        complain("line %" PRId64 ": the topic has no partition %" PRId64, producer->line,
            wished >= 0 ? wished : producer->fixed_partition);
        return EXIT_ABSENT;
    }
    struct partition_batch *partition = &producer->partitions[index];
    if (partition->count == partition->capacity) {
        partition->capacity = partition->capacity == 0 ? 64 : partition->capacity * 2;
        partition->records = memory_resize(
            partition->records, (size_t)partition->capacity * sizeof(*partition->records));
    }
    partition->records[partition->count++] = record;
    partition->bytes += (size_t)line.size + 32;
    bool is_full = partition->count >= BATCH_RECORDS || partition->bytes >= BATCH_BYTES;
    return is_full ? send_all(producer) : EXIT_DONE;
}

static int read_input(struct producer *producer)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;
    bool at_once = isatty(STDIN_FILENO) != 0;
    int code = EXIT_DONE;
    while (code == EXIT_DONE && (size = getline(&line, &capacity, stdin)) >= 0) {
        producer->line++;
        if (size > 0 && line[size - 1] == '\n')
            size--;
        if (size > INT32_MAX / 2) {
            complain("line %" PRId64 " is too long", producer->line);
            code = EXIT_FAILED;
            break;
        }
        struct str copy = { arena_copy(&producer->arena, line, (size_t)size), (int32_t)size };
        code = take_line(producer, copy);
        if (code == EXIT_DONE && at_once)
            code = send_all(producer);
    }
    memory_give(line);
    return code == EXIT_DONE ? send_all(producer) : code;
}

static bool read_options(const struct arguments *arguments, struct producer *producer)
{
    const char *text = argument(arguments, "compression");
    producer->batch = batch_options_plain();
    producer->fixed_partition = -1;
    producer->acks = -1;
    if (text != NULL && !codec_by_name(str_from(text), &producer->batch.codec)) {
        complain("--compression %s: it must be none, gzip, snappy, lz4 or zstd", text);
        return false;
    }
    text = argument(arguments, "acks");
    if (text != NULL) {
        struct str acks = str_from(text);
        if (!str_is(acks, "0") && !str_is(acks, "1") && !str_is(acks, "all") &&
            !str_is(acks, "-1")) {
            complain("--acks %s: it must be 0, 1 or all", text);
            return false;
        }
        producer->acks = str_is(acks, "0") ? 0 : str_is(acks, "1") ? 1 : -1;
    }
    text = argument(arguments, "format");
    producer->lines_are_json = text != NULL && strcmp(text, "json") == 0;
    if (text != NULL && !producer->lines_are_json && strcmp(text, "text") != 0) {
        complain("--format %s: it must be text or json", text);
        return false;
    }
    text = argument(arguments, "key-separator");
    producer->key_separator = text == NULL ? (struct str){ 0 } : str_from(text);
    producer->null_empty = argument_given(arguments, "null-empty");
    producer->headers = arena_take_array(
        &producer->topic_arena, (size_t)arguments->value_count + 1, sizeof(*producer->headers));
    for (int position = 0; (text = argument_after(arguments, "header", &position)) != NULL;) {
        struct str value = str_from(text);
        struct record_header *header = &producer->headers[producer->header_count++];
        str_split(&value, '=', &header->key);
        header->value = (struct bytes){ (const uint8_t *)value.data, (size_t)value.size };
    }
    return argument_number(arguments, "partition", 0, INT32_MAX, &producer->fixed_partition);
}

static int produce(struct producer *producer, const char *topic)
{
    int code = client_topic(producer->client, topic, &producer->topic_arena, &producer->topic);
    if (code != EXIT_DONE)
        return code;
    producer->partitions =
        memory_take((size_t)producer->topic.partitions_count * sizeof(*producer->partitions));
    for (int32_t i = 0; i < producer->topic.partitions_count; i++) {
        const struct metadata_response_partition *partition = &producer->topic.partitions[i];
        if (partition->partition_index >= 0 &&
            partition->partition_index < producer->topic.partitions_count)
            producer->partitions[partition->partition_index].leader_id = partition->leader_id;
    }
    code = read_input(producer);
    fprintf(stderr, "produced %" PRId64 " record%s to %s\n", producer->sent,
        producer->sent == 1 ? "" : "s", topic);
    for (int32_t i = 0; i < producer->topic.partitions_count; i++)
        memory_give(producer->partitions[i].records);
    memory_give(producer->partitions);
    return code;
}

static int run(const struct arguments *arguments)
{
    struct producer producer = { 0 };
    int code = EXIT_MISUSED;
    arena_init(&producer.topic_arena);
    arena_init(&producer.arena);
    if (read_options(arguments, &producer))
        producer.client = client_create(arguments, &code);
    if (producer.client != NULL)
        code = produce(&producer, arguments->words[0]);
    client_destroy(producer.client);
    arena_deinit(&producer.arena);
    arena_deinit(&producer.topic_arena);
    return code;
}

const struct verb produce_verbs[] = {
    { "produce", "TOPIC", 1, 1, "Write the lines of standard input to a topic.",
        "examples:\n"
        "  echo world | strom produce hello\n"
        "  strom produce events --key-separator : --compression zstd < events.txt\n"
        "  strom consume events -o json --until-end | strom produce copy -f json\n",
        options, run },
    { NULL },
};
