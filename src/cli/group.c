/* SPDX-License-Identifier: Apache-2.0 */
/* strom group: list, describe, members, delete. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli/client.h"
#include "cli/group_call.h"
#include "cli/group_view.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "wire/gen/delete_groups.h"
#include "wire/gen/list_groups.h"
#include "wire/gen/metadata.h"

#define STATES                                                                                     \
    "PreparingRebalance, CompletingRebalance, Assigning, Reconciling, NotReady, Stable, Empty, "   \
    "Dead"
#define TYPES "classic, consumer, share, streams"

static const struct option list_options[] = {
    { "state", 's', "STATE,...", "Only those in one of these, such as Stable or Empty." },
    { "type", 0, "TYPE,...", "Only those of one of these: " TYPES "." },
    OUTPUT_OPTION,
    BOOTSTRAP_OPTION,
    { NULL },
};

static json_t *text_cell(struct str text)
{
    return text.size <= 0 ? json_null() : json_stringn(text.data, (size_t)text.size);
}

/* Upper and lower case are the same, as for the broker. */
static bool is_one_of(struct str word, const char *known)
{
    struct str rest = str_from(known), one;
    while (str_split(&rest, ',', &one)) {
        one = str_trim(one);
        if (one.size == word.size && strncasecmp(one.data, word.data, (size_t)word.size) == 0)
            return true;
    }
    return false;
}

/* A broker knows no better than to find nothing of what is none. */
static bool filter_is_right(const struct arguments *arguments, const char *name, const char *known)
{
    const char *text;
    for (int position = 0; (text = argument_after(arguments, name, &position)) != NULL;) {
        struct str rest = str_from(text), word;
        while (str_split(&rest, ',', &word)) {
            if (is_one_of(str_trim(word), known))
                continue;
            complain("--%s %s: \"%.*s\" is no %s of a group; these are: %s", name, text,
                STR_PRINT(word), name, known);
            return false;
        }
    }
    return true;
}

static int32_t read_filter(
    const struct arguments *arguments, const char *name, struct arena *arena, struct str **out)
{
    const char *text;
    int32_t count = 0;
    size_t most = 0;
    for (int position = 0; (text = argument_after(arguments, name, &position)) != NULL;)
        most += strlen(text) + 1;
    *out = arena_take_array(arena, most, sizeof(**out));
    for (int position = 0; (text = argument_after(arguments, name, &position)) != NULL;) {
        struct str rest = str_from(text), word;
        while (str_split(&rest, ',', &word))
            (*out)[count++] = str_trim(word);
    }
    return count;
}

/* Each node tells of the groups that it coordinates. */
static int list_node(struct client *client, int32_t node_id,
    const struct list_groups_request *request, struct arena *arena, json_t *rows)
{
    enum { ATTEMPTS = 100, WAIT_MS = 100 };
    struct list_groups_response response;
    for (int attempt = 0;; attempt++) {
        if (client_call(client, node_id, API_LIST_GROUPS, request, arena, &response) < 0)
            return EXIT_UNREACHABLE;
        if (response.error_code != ERROR_COORDINATOR_LOAD_IN_PROGRESS || attempt == ATTEMPTS)
            break;
        client_pause(client, WAIT_MS);
    }
    if (response.error_code != ERROR_NONE)
        return client_complain("the list of groups", response.error_code, (struct str){ 0 });
    for (int32_t i = 0; i < response.groups_count; i++) {
        const struct list_groups_listed_group *group = &response.groups[i];
        json_array_append_new(
            rows, json_pack("{s:o, s:o, s:o, s:o}", "group", text_cell(group->group_id), "state",
                      text_cell(group->group_state), "type", text_cell(group->group_type),
                      "protocol", text_cell(group->protocol_type)));
    }
    return EXIT_DONE;
}

static int list(struct client *client, const struct arguments *arguments, bool as_json)
{
    struct metadata_response metadata;
    struct list_groups_request request;
    struct arena arena;
    arena_init(&arena);
    message_defaults(&list_groups_request_schema, &request);
    request.states_filter_count = read_filter(arguments, "state", &arena, &request.states_filter);
    request.types_filter_count = read_filter(arguments, "type", &arena, &request.types_filter);
    int code = client_metadata(client, NULL, &arena, &metadata) == 0 ? EXIT_DONE : EXIT_UNREACHABLE;
    json_t *rows = json_array();
    for (int32_t i = 0; code == EXIT_DONE && i < metadata.brokers_count; i++)
        code = list_node(client, metadata.brokers[i].node_id, &request, &arena, rows);
    if (code == EXIT_DONE)
        output_rows(rows, as_json);
    else
        json_decref(rows);
    arena_deinit(&arena);
    return code;
}

static int run_list(const struct arguments *arguments)
{
    return filter_is_right(arguments, "state", STATES) && filter_is_right(arguments, "type", TYPES)
               ? client_run_table(arguments, list)
               : EXIT_MISUSED;
}

static const struct option describe_options[] = { OUTPUT_OPTION, BOOTSTRAP_OPTION, { NULL } };

static json_t *offset_cell(int64_t offset)
{
    return offset < 0 ? json_null() : json_integer(offset);
}

static json_t *partition_row(const struct group_partition *partition)
{
    static const struct group_member nobody;
    const struct group_member *member = partition->member == NULL ? &nobody : partition->member;
    int64_t lag;
    bool is_known = group_partition_lag(partition, &lag);
    return json_pack("{s:o, s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "topic",
        text_cell(partition->topic), "partition", partition->partition, "committed",
        offset_cell(partition->committed), "end", offset_cell(partition->end), "lag",
        is_known ? json_integer(lag) : json_null(), "member", text_cell(member->id), "client",
        text_cell(member->client), "host", text_cell(member->host));
}

/* As when a topic was made anew: there is nothing for a member to go on with. */
static void tell_of_end(const struct group_partition *partition)
{
    complain("%.*s partition %" PRId32 " ends at %" PRId64 ": the committed offset %" PRId64
             " is not there; a member goes on where its auto.offset.reset says",
        STR_PRINT(partition->topic), partition->partition, partition->end, partition->committed);
}

/* The table, then what it sums up to. */
static void show_description(const struct group_view *view, const char *name,
    const struct group_partition *partitions, int count, bool as_json)
{
    json_t *rows = json_array();
    int64_t lag = 0;
    int unknown = 0;
    for (int i = 0; i < count; i++) {
        int64_t own;
        bool is_known = group_partition_lag(&partitions[i], &own);
        lag += is_known && own > 0 ? own : 0;
        unknown += !is_known;
        if (is_known && own < 0)
            tell_of_end(&partitions[i]);
        json_array_append_new(rows, partition_row(&partitions[i]));
    }
    if (as_json) {
        output_json(json_pack("{s:s, s:o, s:o, s:o, s:o, s:i, s:I, s:o}", "group", name, "state",
            text_cell(view->state), "type", text_cell(view->type), "assignor",
            text_cell(view->assignor), "epoch", offset_cell(view->epoch), "members",
            view->member_count, "lag", (json_int_t)lag, "partitions", rows));
        return;
    }
    output_rows(rows, false);
    printf("%sgroup %s: %.*s, %.*s, %" PRId32 " member%s, lag ", count == 0 ? "" : "\n", name,
        STR_PRINT(view->state), STR_PRINT(view->type), view->member_count,
        view->member_count == 1 ? "" : "s");
    if (unknown > 0)
        printf("unknown in %d partition%s, in the others ", unknown, unknown == 1 ? "" : "s");
    printf("%" PRId64 "\n", lag);
}

static int describe(struct client *client, const struct arguments *arguments, bool as_json)
{
    const char *name = arguments->words[0];
    struct group_call call = group_call_to(client, name);
    struct metadata_response metadata;
    struct group_view view;
    struct group_partition *committed = NULL, *partitions;
    struct arena arena;
    int count;
    arena_init(&arena);
    int code = group_view_load(&call, &arena, &view);
    if (code == EXIT_ABSENT)
        group_complain(name, ERROR_GROUP_ID_NOT_FOUND, (struct str){ 0 });
    if (code == EXIT_DONE && client_metadata(client, NULL, &arena, &metadata) < 0)
        code = EXIT_UNREACHABLE;
    if (code == EXIT_DONE)
        code = group_offsets_load(&call, &metadata, &arena, &committed, &count);
    if (code == EXIT_DONE) {
        count = group_partitions_join(&view, committed, count, &arena, &partitions);
        code = group_partitions_ends(&call, &metadata, partitions, count);
    }
    if (code == EXIT_DONE)
        show_description(&view, name, partitions, count, as_json);
    arena_deinit(&arena);
    return code;
}

static int run_describe(const struct arguments *arguments)
{
    return client_run_table(arguments, describe);
}

/* `hello:0,1 other:2` */
static char *print_shares(const struct group_member *member, struct arena *arena)
{
    enum { NUMBER_MOST = 12 };
    size_t most = 1, size = 0;
    for (int32_t i = 0; i < member->share_count; i++)
        most += (size_t)member->shares[i].topic.size + 2 +
                NUMBER_MOST * (size_t)member->shares[i].partition_count;
    char *text = arena_take(arena, most);
    for (int32_t i = 0; i < member->share_count; i++) {
        const struct group_share *share = &member->shares[i];
        size += (size_t)snprintf(
            text + size, most - size, "%s%.*s", i == 0 ? "" : " ", STR_PRINT(share->topic));
        for (int32_t k = 0; k < share->partition_count; k++)
            size += (size_t)snprintf(
                text + size, most - size, "%c%" PRId32, k == 0 ? ':' : ',', share->partitions[k]);
    }
    return text;
}

/* For programs an object of topics. */
static json_t *shares_cell(const struct group_member *member, struct arena *arena, bool as_json)
{
    if (!as_json)
        return text_cell(str_from(print_shares(member, arena)));
    json_t *topics = json_object();
    for (int32_t i = 0; i < member->share_count; i++) {
        const struct group_share *share = &member->shares[i];
        json_t *numbers = json_array();
        for (int32_t k = 0; k < share->partition_count; k++)
            json_array_append_new(numbers, json_integer(share->partitions[k]));
        json_object_setn_new(topics, share->topic.data, (size_t)share->topic.size, numbers);
    }
    return topics;
}

static int members(struct client *client, const struct arguments *arguments, bool as_json)
{
    const char *name = arguments->words[0];
    struct group_call call = group_call_to(client, name);
    struct group_view view;
    struct arena arena;
    arena_init(&arena);
    int code = group_view_load(&call, &arena, &view);
    if (code == EXIT_ABSENT)
        group_complain(name, ERROR_GROUP_ID_NOT_FOUND, (struct str){ 0 });
    if (code == EXIT_DONE) {
        json_t *rows = json_array();
        for (int32_t i = 0; i < view.member_count; i++) {
            const struct group_member *member = &view.members[i];
            int32_t count = 0;
            for (int32_t k = 0; k < member->share_count; k++)
                count += member->shares[k].partition_count;
            json_array_append_new(rows,
                json_pack("{s:o, s:o, s:o, s:o, s:o, s:i, s:o}", "member", text_cell(member->id),
                    "instance", text_cell(member->instance), "client", text_cell(member->client),
                    "host", text_cell(member->host), "epoch", offset_cell(member->epoch),
                    "partitions", count, "assignment", shares_cell(member, &arena, as_json)));
        }
        output_rows(rows, as_json);
        if (view.member_count == 0 && !as_json)
            printf("group %s has no members\n", name);
    }
    arena_deinit(&arena);
    return code;
}

static int run_members(const struct arguments *arguments)
{
    return client_run_table(arguments, members);
}

static const struct option delete_options[] = {
    { "if-exists", 0, NULL, "It is fine when the group is not there." },
    BOOTSTRAP_OPTION,
    { NULL },
};

static int delete_group(struct client *client, const char *name, bool if_exists)
{
    struct str group = str_from(name);
    struct delete_groups_request request = { .groups_names = &group, .groups_names_count = 1 };
    struct delete_groups_response response;
    struct group_call call = group_call_to(client, name);
    struct arena arena;
    enum error error;
    arena_init(&arena);
    int code = group_call(&call, API_DELETE_GROUPS, &request, &arena, &response, &error);
    if (code == EXIT_DONE) {
        bool is_absent = error == ERROR_GROUP_ID_NOT_FOUND;
        if (error == ERROR_NONE || (is_absent && if_exists))
            printf(is_absent ? "there is no group %s\n" : "deleted group %s\n", name);
        else
            code = group_complain(name, error,
                response.results_count == 1 ? response.results[0].error_message
                                            : (struct str){ 0 });
    }
    arena_deinit(&arena);
    return code;
}

/* What can be done is done; the code is that of the first that could not. */
static int run_delete(const struct arguments *arguments)
{
    int code;
    bool if_exists = argument_given(arguments, "if-exists");
    struct client *client = client_create(arguments, &code);
    for (int i = 0; client != NULL && i < arguments->word_count && code != EXIT_UNREACHABLE; i++) {
        int own = delete_group(client, arguments->words[i], if_exists);
        if (code == EXIT_DONE || own == EXIT_UNREACHABLE)
            code = own;
    }
    client_destroy(client);
    return code;
}

const struct verb group_verbs[] = {
    { "group list", "", 0, 0, "List the groups and their states.",
        "examples:\n  strom group list --state Stable,Empty\n  strom group list -o json\n",
        list_options, run_list },
    { "group describe", "GROUP", 1, 1,
        "Show how far a group has read each partition, how far behind it is, and who reads.",
        "examples:\n  strom group describe billing\n"
        "  strom group describe billing -o json | jq .lag\n",
        describe_options, run_describe },
    { "group members", "GROUP", 1, 1, "Show a group's members and what each was assigned.",
        "examples:\n  strom group members billing\n", describe_options, run_members },
    { "group delete", "GROUP...", 1, INT16_MAX,
        "Delete groups without members, and their committed offsets.",
        "examples:\n  strom group delete billing\n", delete_options, run_delete },
    { NULL },
};
