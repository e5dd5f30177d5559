/* SPDX-License-Identifier: Apache-2.0 */
/* strom consume: prints the records of a topic, from where one asks. */
#include "cli/consume.h"

#include <inttypes.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/client.h"
#include "cli/place.h"
#include "cli/verb.h"
#include "io/outlet.h"
#include "wire/compress.h"
#include "wire/gen/list_offsets.h"
#include "wire/schema.h"

static const struct option options[] = {
    { "group", 'g', "GROUP",
        "Share the topic with the group's other members, and go on where the group stopped; where "
        "it has not been, --from says where to begin." },
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

static int64_t find_place(const struct place *place, int64_t start, int64_t end, int64_t found)
{
    if (place->offset >= 0)
        return place->offset;
    if (place->offset < -1)
        return end + place->offset + 1;
    if (place->timestamp == PLACE_EARLIEST)
        return start;
    return place->timestamp == PLACE_LATEST || found < 0 ? end : found;
}

int consumer_place(
    struct consumer *consumer, struct source *source, const struct place *place, int64_t offset)
{
    int64_t start = 0, end = 0, found = 0;
    int code = ask_offset(consumer, source, PLACE_EARLIEST, &start);
    if (code == EXIT_DONE)
        code = ask_offset(consumer, source, PLACE_LATEST, &end);
    if (code == EXIT_DONE && offset < 0 && place->offset == -1 && place->timestamp >= 0)
        code = ask_offset(consumer, source, place->timestamp, &found);
    if (code != EXIT_DONE)
        return code;
    source->position = offset >= 0 ? offset : find_place(place, start, end, found);
    if (source->position < start)
        source->position = start;
    if (offset > end)
        source->position = end;
    source->written = source->position;
    if (offset >= 0 && source->position != offset)
        complain("%.*s partition %" PRId32 " holds %" PRId64 " to %" PRId64
                 ": the committed offset %" PRId64 " is not there any more; going on at %" PRId64,
            STR_PRINT(consumer->topic.name), source->partition, start, end, offset,
            source->position);
    source->end = consumer->until_end ? end : -1;
    return EXIT_DONE;
}

/* The topic as it is now takes the place of what was known. */
static int load_topic(struct consumer *consumer, const char *name)
{
    struct metadata_response_topic topic;
    struct arena arena;
    arena_init(&arena);
    int code = client_topic(consumer->client, name, &arena, &topic);
    if (code != EXIT_DONE) {
        arena_deinit(&arena);
        return code;
    }
    topic.name = str_copy(&arena, topic.name);
    arena_deinit(&consumer->arena);
    consumer->arena = arena;
    consumer->topic = topic;
    return EXIT_DONE;
}

int consumer_refresh(struct consumer *consumer)
{
    int code = load_topic(consumer, consumer->topic.name.data);
    for (int32_t i = 0; code == EXIT_DONE && i < consumer->topic.partitions_count; i++) {
        for (int k = 0; k < consumer->source_count; k++) {
            if (consumer->sources[k].partition == consumer->topic.partitions[i].partition_index)
                consumer->sources[k].leader_id = consumer->topic.partitions[i].leader_id;
        }
    }
    return code;
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
    int code = EXIT_DONE;
    consumer->sources =
        memory_take(((size_t)consumer->topic.partitions_count + 1) * sizeof(*consumer->sources));
    for (int32_t i = 0; i < consumer->topic.partitions_count && code == EXIT_DONE; i++) {
        const struct metadata_response_partition *partition = &consumer->topic.partitions[i];
        if (!is_wanted(arguments, partition->partition_index, &any))
            continue;
        struct source *source = &consumer->sources[consumer->source_count++];
        *source = (struct source){ .partition = partition->partition_index,
            .leader_id = partition->leader_id };
        code = consumer_place(consumer, source, place, -1);
    }
    if (code == EXIT_DONE && consumer->source_count == 0) {
        complain("%s has no such partition; it has %" PRId32, arguments->words[0],
            consumer->topic.partitions_count);
        code = EXIT_ABSENT;
    }
    return code;
}

/* What the command line chose, until it is read, or for ever. */
static int consume_alone(
    struct consumer *consumer, const struct arguments *arguments, const struct place *place)
{
    int leaders = 1, code = choose_sources(consumer, arguments, place);
    while (code == EXIT_DONE && leaders > 0 && consumer->left != 0)
        code = consumer_step(consumer, FETCH_WAIT_MS, &leaders);
    int written = consumer_write(consumer, -1);
    return code != EXIT_DONE ? code : written;
}

static bool read_arguments(
    struct consumer *consumer, const struct arguments *arguments, struct place *out_place)
{
    if (!place_parse(argument(arguments, "from"), out_place)) {
        complain("--from %s: write beginning, end, an offset, -N, or a time such as "
                 "2026-01-31T12:00:00Z",
            argument(arguments, "from"));
        return false;
    }
    if (argument_given(arguments, "group") && argument_given(arguments, "partition")) {
        complain("the group says which partitions; leave --partition or --group out");
        return false;
    }
    return argument_number(arguments, "count", 0, INT64_MAX, &consumer->left) &&
           record_printer_init(&consumer->printer, arguments);
}

static int run(const struct arguments *arguments)
{
    struct consumer consumer = { .left = -1,
        .asked_id = -1,
        .committed = argument_given(arguments, "committed"),
        .until_end = argument_given(arguments, "until-end") };
    const char *group = argument(arguments, "group");
    struct place place;
    int code;
    if (!read_arguments(&consumer, arguments, &place))
        return EXIT_MISUSED;
    arena_init(&consumer.arena);
    consumer.decompressor = decompressor_create();
    consumer.client = client_create(arguments, &code);
    if (consumer.client != NULL)
        code = load_topic(&consumer, arguments->words[0]);
    if (code == EXIT_DONE) {
        consumer.outlet = outlet_open(client_loop(consumer.client), STDOUT_FILENO);
        consumer.printer.out = outlet_stream(consumer.outlet);
        code = group != NULL ? consume_in_group(&consumer, group, &place)
                             : consume_alone(&consumer, arguments, &place);
    }
    consumer_drop(&consumer);
    outlet_close(consumer.outlet);
    client_destroy(consumer.client);
    decompressor_destroy(consumer.decompressor);
    record_printer_deinit(&consumer.printer);
    memory_give(consumer.sources);
    arena_deinit(&consumer.arena);
    return code;
}

const struct verb consume_verbs[] = {
    { "consume", "TOPIC", 1, 1, "Print the records of a topic.",
        "Without --until-end or --count it waits for more. With --group it commits what it has\n"
        "written, at least every second and when it ends, by SIGINT or SIGTERM too. While the "
        "reader\n"
        "of its output rests, it rests too and stays in its group; a second signal ends it "
        "then.\n\n"
        "examples:\n"
        "  strom consume hello --from beginning --until-end\n"
        "  strom consume events -p 0 --from -10 -f '%o %k %s\\n'\n"
        "  strom consume events --from 2026-01-31T12:00:00Z -o json\n"
        "  strom consume events --group billing --from beginning\n",
        options, run },
    { NULL },
};
