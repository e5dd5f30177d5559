/* SPDX-License-Identifier: Apache-2.0 */
/* strom group reset: shows where a group's offsets would go, and with --execute sends them there.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/client.h"
#include "cli/group_call.h"
#include "cli/group_choice.h"
#include "cli/group_place.h"
#include "cli/offset_ask.h"
#include "cli/output.h"
#include "cli/place.h"
#include "cli/verb.h"
#include "io/file.h"
#include "io/io.h"
#include "wire/gen/metadata.h"
#include "wire/gen/offset_commit.h"
#include "wire/schema.h"

static const struct option options[] = {
    { "to", 0, "WHERE",
        "earliest, latest, an offset, current, or a time: 2026-01-31T12:00:00Z (the first record "
        "since)." },
    { "back", 0, "DURATION", "To the first record of the last 90s, 15m, 2h, 1d12h, or PT15M." },
    { "shift", 0, "N", "By N records from where it is; --shift=-N goes back." },
    { "file", 0, "FILE", "As its lines say: TOPIC,PARTITION,OFFSET." },
    GROUP_CHOICE_OPTIONS,
    { "execute", 0, NULL, "Do it. Without this, only show what would change." },
    { "csv", 0, NULL, "Print lines as --file reads them, such as a copy of --to current." },
    OUTPUT_OPTION,
    BOOTSTRAP_OPTION,
    { NULL },
};

/* One partition's move. */
struct move {
    const struct group_partition *partition;
    struct group_place place;
    int64_t begin, end, found; /* see group_place_in() */
    int64_t next;              /* where it shall go */
};

struct reset {
    struct client *client;
    const struct arguments *arguments;
    struct group_call call;
    struct arena arena;
    struct metadata_response metadata;
    struct group_view view;
    bool is_new; /* there is no such group yet */
    bool as_json;
    struct group_place place; /* unless a file says it */
    struct group_partition *committed, *chosen;
    int committed_count, move_count;
    struct move *moves; /* one for each of chosen, in its order */
};

/* Exactly one of --to, --back, --shift, --file. */
static bool read_place(struct reset *reset)
{
    const struct arguments *arguments = reset->arguments;
    const char *to = argument(arguments, "to"), *back = argument(arguments, "back");
    bool shift = argument_given(arguments, "shift"), file = argument_given(arguments, "file");
    if ((to != NULL) + (back != NULL) + shift + file != 1) {
        complain("say where to: one of --to WHERE, --back DURATION, --shift N, --file FILE");
        return false;
    }
    if (to != NULL && !group_place_parse(to, &reset->place)) {
        complain("--to %s: write earliest, latest, current, an offset, or a time such as "
                 "2026-01-31T12:00:00Z",
            to);
        return false;
    }
    if (back != NULL && !duration_parse(back, &reset->place.number)) {
        complain("--back %s: write a duration such as 90s, 15m, 2h, 1d12h or PT15M", back);
        return false;
    }
    if (shift) {
        reset->place.kind = GROUP_PLACE_SHIFT;
        return argument_number(arguments, "shift", INT64_MIN + 1, INT64_MAX, &reset->place.number);
    }
    return true;
}

/* TOPIC,PARTITION,OFFSET. False: it is none. */
static bool parse_line(struct str line, struct group_partition *out_partition, int64_t *out_offset)
{
    struct str topic, partition, offset;
    int64_t number;
    if (!str_split(&line, ',', &topic) || !str_split(&line, ',', &partition) ||
        !str_split(&line, ',', &offset) || !str_is_null(line))
        return false;
    if (!str_to_int64(str_trim(partition), &number) || number < 0 || number > INT32_MAX ||
        !str_to_int64(str_trim(offset), out_offset) || *out_offset < 0)
        return false;
    *out_partition = (struct group_partition){
        .topic = str_trim(topic), .partition = (int32_t)number, .committed = -1, .end = *out_offset
    };
    return true;
}

/* The chosen partitions, and for each where it goes: in its end, which nothing else needs yet. */
static int read_file(struct reset *reset)
{
    enum { FILE_LIMIT = 64 << 20 };
    const char *path = argument(reset->arguments, "file");
    char *text;
    size_t size, lines = 1;
    int status = file_load(client_io(reset->client), path, FILE_LIMIT, &text, &size), count = 0;
    if (status < 0) {
        complain("cannot read %s: %s", path, strerror(-status));
        return EXIT_MISUSED;
    }
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    struct str rest = { arena_copy(&reset->arena, text, size), (int32_t)size }, line;
    memory_give(text);
    reset->chosen = arena_take_array(&reset->arena, lines, sizeof(*reset->chosen));
    for (int number = 1; str_split(&rest, '\n', &line); number++) {
        int64_t offset;
        line = str_trim(line);
        if (line.size == 0 || line.data[0] == '#')
            continue;
        if (!parse_line(line, &reset->chosen[count++], &offset)) {
            complain("%s:%d: %.*s: write TOPIC,PARTITION,OFFSET", path, number, STR_PRINT(line));
            return EXIT_MISUSED;
        }
    }
    int kept = group_choice_settle(reset->chosen, count, reset->committed, reset->committed_count);
    if (kept != count) {
        complain("%s: a partition stands there twice", path);
        return EXIT_MISUSED;
    }
    reset->move_count = count;
    return EXIT_DONE;
}

static int choose(struct reset *reset)
{
    bool from_file = argument_given(reset->arguments, "file");
    int code = from_file
                   ? read_file(reset)
                   : group_choice_read(reset->arguments, &reset->metadata, reset->committed,
                         reset->committed_count, &reset->arena, &reset->chosen, &reset->move_count);
    if (code != EXIT_DONE)
        return code;
    if (reset->move_count == 0) {
        complain("group %s: there is no partition to reset%s", reset->call.group,
            from_file       ? " in that file"
            : reset->is_new ? ", for there is no such group yet; name a --topic"
                            : ", for it has committed nothing; name a --topic");
        return EXIT_ABSENT;
    }
    reset->moves =
        arena_take_array(&reset->arena, (size_t)reset->move_count, sizeof(*reset->moves));
    for (int i = 0; i < reset->move_count; i++) {
        reset->moves[i] =
            (struct move){ .partition = &reset->chosen[i], .place = reset->place, .found = -1 };
        if (from_file)
            reset->moves[i].place =
                (struct group_place){ GROUP_PLACE_OFFSET, reset->chosen[i].end };
    }
    return EXIT_DONE;
}

/* Asks for one offset of every partition, into the member of its move at that place. */
static int ask(struct reset *reset, int64_t timestamp, size_t member)
{
    struct offset_ask *asks =
        arena_take_array(&reset->arena, (size_t)reset->move_count, sizeof(*asks));
    for (int i = 0; i < reset->move_count; i++)
        asks[i] = (struct offset_ask){ .topic = reset->chosen[i].topic,
            .partition = reset->chosen[i].partition,
            .timestamp = timestamp };
    int code = offsets_ask(reset->client, &reset->metadata, asks, reset->move_count);
    for (int i = 0; code == EXIT_DONE && i < reset->move_count; i++) {
        if (asks[i].error != ERROR_NONE) {
            complain("%.*s partition %" PRId32 ": its offsets cannot be asked for: %s",
                STR_PRINT(asks[i].topic), asks[i].partition, error_name(asks[i].error));
            return asks[i].error == ERROR_UNKNOWN_TOPIC_OR_PARTITION ? EXIT_ABSENT : EXIT_FAILED;
        }
        const struct group_partition *found = group_partition_find(
            reset->chosen, reset->move_count, asks[i].topic, asks[i].partition);
        memcpy((char *)&reset->moves[found - reset->chosen] + member, &asks[i].offset,
            sizeof(int64_t));
    }
    return code;
}

static void tell_of_bounds(const struct move *move)
{
    const struct group_partition *partition = move->partition;
    if (move->place.kind == GROUP_PLACE_OFFSET && move->next != move->place.number)
        complain("%.*s partition %" PRId32 " holds %" PRId64 " to %" PRId64 ": offset %" PRId64
                 " becomes %" PRId64,
            STR_PRINT(partition->topic), partition->partition, move->begin, move->end,
            move->place.number, move->next);
}

static int resolve(struct reset *reset)
{
    int code = ask(reset, PLACE_EARLIEST, offsetof(struct move, begin));
    if (code == EXIT_DONE)
        code = ask(reset, PLACE_LATEST, offsetof(struct move, end));
    if (code == EXIT_DONE && reset->place.kind == GROUP_PLACE_TIME && reset->place.number >= 0)
        code = ask(reset, reset->place.number, offsetof(struct move, found));
    for (int i = 0; code == EXIT_DONE && i < reset->move_count; i++) {
        struct move *move = &reset->moves[i];
        const struct group_partition *partition = move->partition;
        move->next =
            group_place_in(move->place, partition->committed, move->begin, move->end, move->found);
        if (move->next < 0) {
            complain("%.*s partition %" PRId32 ": nothing is committed there that could be shifted",
                STR_PRINT(partition->topic), partition->partition);
            return EXIT_FAILED;
        }
        tell_of_bounds(move);
    }
    return code;
}

static void show(const struct reset *reset)
{
    json_t *rows = json_array();
    for (int i = 0; i < reset->move_count; i++) {
        const struct move *move = &reset->moves[i];
        const struct group_partition *partition = move->partition;
        if (argument_given(reset->arguments, "csv")) {
            printf("%.*s,%" PRId32 ",%" PRId64 "\n", STR_PRINT(partition->topic),
                partition->partition, move->next);
            continue;
        }
        bool was = partition->committed >= 0;
        json_array_append_new(
            rows, json_pack("{s:s%, s:i, s:o, s:I, s:o}", "topic", partition->topic.data,
                      (size_t)partition->topic.size, "partition", partition->partition, "committed",
                      was ? json_integer(partition->committed) : json_null(), "new",
                      (json_int_t)move->next, "change",
                      was ? json_integer(move->next - partition->committed) : json_null()));
    }
    if (argument_given(reset->arguments, "csv"))
        json_decref(rows);
    else
        output_rows(rows, reset->as_json);
}

static const struct metadata_response_topic *topic_of(
    const struct reset *reset, const struct group_partition *partition)
{
    return metadata_topic(&reset->metadata, partition->topic);
}

static void fill_commit(struct reset *reset, struct offset_commit_request *request)
{
    struct offset_commit_request_partition *partitions =
        MESSAGE_TAKE(offset_commit_request_partition, &reset->arena, reset->move_count);
    struct offset_commit_request_topic *topic = NULL;
    message_defaults(&offset_commit_request_schema, request);
    request->group_id = str_from(reset->call.group);
    request->member_id = STR("");
    request->topics = MESSAGE_TAKE(offset_commit_request_topic, &reset->arena, reset->move_count);
    request->topics_count = 0;
    for (int i = 0; i < reset->move_count; i++) {
        const struct group_partition *partition = reset->moves[i].partition;
        if (topic == NULL || !str_equal(topic->name, partition->topic)) {
            topic = &request->topics[request->topics_count++];
            topic->name = partition->topic;
            topic->topic_id = topic_of(reset, partition)->topic_id;
            topic->partitions = &partitions[i];
            topic->partitions_count = 0;
        }
        partitions[i].partition_index = partition->partition;
        partitions[i].committed_offset = reset->moves[i].next;
        partitions[i].committed_metadata = STR("");
        topic->partitions_count++;
    }
}

static int execute(struct reset *reset)
{
    struct offset_commit_request request;
    struct offset_commit_response response;
    enum error error;
    int refused = 0;
    fill_commit(reset, &request);
    int code =
        group_call(&reset->call, API_OFFSET_COMMIT, &request, &reset->arena, &response, &error);
    for (int32_t i = 0; code == EXIT_DONE && i < response.topics_count; i++) {
        for (int32_t k = 0; k < response.topics[i].partitions_count; k++) {
            if (response.topics[i].partitions[k].error_code == ERROR_NONE)
                continue;
            error = (enum error)response.topics[i].partitions[k].error_code;
            refused++;
        }
    }
    if (code != EXIT_DONE)
        return code;
    if (error != ERROR_NONE)
        return group_complain(reset->call.group, error,
            refused < reset->move_count ? STR("the others were reset") : (struct str){ 0 });
    fprintf(stderr, "group %s: %d offset%s reset\n", reset->call.group, reset->move_count,
        reset->move_count == 1 ? "" : "s");
    return EXIT_DONE;
}

static int load(struct reset *reset)
{
    int code = group_view_load(&reset->call, &reset->arena, &reset->view);
    reset->is_new = code == EXIT_ABSENT;
    if (code != EXIT_DONE && !reset->is_new)
        return code;
    if (client_metadata(reset->client, NULL, &reset->arena, &reset->metadata) < 0)
        return EXIT_UNREACHABLE;
    return group_offsets_load(
        &reset->call, &reset->metadata, &reset->arena, &reset->committed, &reset->committed_count);
}

static int reset_group(struct reset *reset)
{
    int code = load(reset);
    bool executes = argument_given(reset->arguments, "execute");
    if (code == EXIT_DONE)
        code = choose(reset);
    if (code == EXIT_DONE)
        code = resolve(reset);
    if (code != EXIT_DONE)
        return code;
    if (!executes || reset->view.member_count == 0)
        show(reset);
    if (reset->view.member_count > 0)
        return group_complain(reset->call.group, ERROR_NON_EMPTY_GROUP, (struct str){ 0 });
    if (executes)
        return execute(reset);
    complain("nothing was changed; --execute does it%s",
        reset->is_new ? " and makes the group, which is not there yet" : "");
    return EXIT_DONE;
}

static int run(const struct arguments *arguments)
{
    struct reset reset = { .arguments = arguments };
    int code;
    bool from_file = argument_given(arguments, "file");
    if (!output_wants_json(arguments, &reset.as_json) || !read_place(&reset))
        return EXIT_MISUSED;
    if (from_file &&
        (argument_given(arguments, "topic") || argument_given(arguments, "all-topics"))) {
        complain("--file says which partitions; leave --topic and --all-topics out");
        return EXIT_MISUSED;
    }
    if (argument_given(arguments, "csv") && argument_given(arguments, "output")) {
        complain("choose one of --csv and --output");
        return EXIT_MISUSED;
    }
    if (!from_file && !group_choice_is_made(arguments))
        return EXIT_MISUSED;
    reset.client = client_create(arguments, &code);
    if (reset.client == NULL)
        return code;
    reset.call = group_call_to(reset.client, arguments->words[0]);
    arena_init(&reset.arena);
    if (argument_given(arguments, "back")) {
        int64_t now_ms = io_wall_ms(client_io(reset.client));
        reset.place.number = reset.place.number < now_ms ? now_ms - reset.place.number : 0;
    }
    code = reset_group(&reset);
    client_destroy(reset.client);
    arena_deinit(&reset.arena);
    return code;
}

const struct verb group_reset_verbs[] = {
    { "group reset", "GROUP", 1, 1,
        "Move a group's offsets: shows what would change, and with --execute does it.",
        "The group must have no members then.\n\n"
        "examples:\n"
        "  strom group reset billing --to earliest --topic hello\n"
        "  strom group reset billing --to 2026-01-31T12:00:00Z --all-topics --execute\n"
        "  strom group reset billing --shift=-10 --topic hello:0,2\n"
        "  strom group reset billing --to current --all-topics --csv >before.csv\n"
        "  strom group reset billing --file before.csv --execute\n",
        options, run },
    { NULL },
};
