/* SPDX-License-Identifier: Apache-2.0 */
/* strom storage: what kafka-storage.sh does, with its options. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "broker/format.h"
#include "cli/configuration.h"
#include "cli/scram_wish.h"
#include "cli/verb.h"
#include "io/io.h"
#include "storage/log_dir.h"

static const struct option format_options[] = {
    { "cluster-id", 't', "ID", "The cluster's id. Default: a new one." },
    { "config", 'c', "FILE", "The node's server.properties." },
    { "standalone", 's', NULL, "The node is the only voter of a new quorum. The default." },
    { "initial-controllers", 'I', "ID@HOST:PORT:DIR,...",
        "The first voters, with their directory ids." },
    { "no-initial-controllers", 'N', NULL, "The node joins a quorum that exists." },
    { "ignore-formatted", 'g', NULL, "Pass over directories that are formatted already." },
    { "feature", 'f', "NAME=LEVEL", "Set a feature's level. May be repeated." },
    { "release-version", 'r', "RELEASE", "Features as of this release of Kafka, such as 4.1." },
    { "add-scram", 'S', "MECHANISM=[...]",
        "A first user: SCRAM-SHA-256=[name=alice,password=secret]. May be repeated." },
    OVERRIDE_OPTION,
    { NULL },
};

static bool parse_voter(
    struct str text, const char *listener, struct arena *arena, struct quorum_voter *out)
{
    struct str rest = text, id_text, directory, host, port_text;
    int64_t id, port;
    str_split(&rest, '@', &id_text);
    if (str_is_null(rest) || !str_to_int64(id_text, &id) || id < 0 || id > INT32_MAX)
        return false;
    /* From the right: an IPv6 host has colons of its own. */
    int32_t last = rest.size - 1;
    while (last >= 0 && rest.data[last] != ':')
        last--;
    int32_t middle = last - 1;
    while (middle >= 0 && rest.data[middle] != ':')
        middle--;
    if (middle <= 0)
        return false;
    host = (struct str){ rest.data, middle };
    port_text = (struct str){ rest.data + middle + 1, last - middle - 1 };
    directory = (struct str){ rest.data + last + 1, rest.size - last - 1 };
    if (!str_to_int64(port_text, &port) || port < 1 || port > 65535 ||
        !uuid_parse(directory, &out->directory_id))
        return false;
    if (host.size > 2 && host.data[0] == '[')
        host = (struct str){ host.data + 1, host.size - 2 };
    struct quorum_endpoint *endpoint = arena_take(arena, sizeof(*endpoint));
    *endpoint = (struct quorum_endpoint){ listener, str_copy(arena, host).data, (uint16_t)port };
    out->id = (int32_t)id;
    out->endpoints = endpoint;
    out->endpoint_count = 1;
    return true;
}

static bool read_voters(const struct arguments *arguments, const struct node_settings *node,
    struct arena *arena, struct format_wish *wish)
{
    const char *text = argument(arguments, "initial-controllers");
    int modes = (text != NULL) + argument_given(arguments, "standalone") +
                argument_given(arguments, "no-initial-controllers");
    if (modes > 1) {
        complain("choose one of --standalone, --initial-controllers and --no-initial-controllers");
        return false;
    }
    if (modes == 1 && node->quorum_voter_count > 0) {
        complain("the configuration names controller.quorum.voters: these voters are static, so "
                 "leave out --standalone, "
                 "--initial-controllers and --no-initial-controllers");
        return false;
    }
    wish->without_voters =
        node->quorum_voter_count > 0 || argument_given(arguments, "no-initial-controllers");
    if (text == NULL)
        return true;
    struct str rest = str_from(text), piece;
    const char *listener = "CONTROLLER";
    for (int i = 0; i < node->listener_count; i++) {
        if (node->listeners[i].is_controller)
            listener = node->listeners[i].name.data;
    }
    struct quorum_voter *voters = arena_take_array(arena, strlen(text) + 1, sizeof(*voters));
    while (str_split(&rest, ',', &piece)) {
        if (!parse_voter(str_trim(piece), listener, arena, &voters[wish->voter_count++])) {
            complain(
                "--initial-controllers %.*s: write ID@HOST:PORT:DIRECTORY-ID", STR_PRINT(piece));
            return false;
        }
    }
    wish->voters = voters;
    return true;
}

static bool read_features(
    const struct arguments *arguments, struct arena *arena, struct format_wish *wish)
{
    const char *release = argument(arguments, "release-version");
    if (release != NULL) {
        wish->metadata_version = quorum_metadata_version(str_from(release));
        if (wish->metadata_version == 0) {
            complain("--release-version %s: no such release; write for instance 4.4", release);
            return false;
        }
    }
    struct quorum_feature *features =
        arena_take_array(arena, (size_t)arguments->value_count + 1, sizeof(*features));
    const char *text;
    for (int position = 0; (text = argument_after(arguments, "feature", &position)) != NULL;) {
        struct str level_text = str_from(text), name;
        int64_t level;
        str_split(&level_text, '=', &name);
        if (str_is_null(level_text) || !str_to_int64(level_text, &level) || level < 0 ||
            level > INT16_MAX) {
            complain("--feature %s: write NAME=LEVEL", text);
            return false;
        }
        if (str_is(name, "metadata.version"))
            wish->metadata_version = (int16_t)level;
        else if (str_is(name, "kraft.version"))
            wish->without_voters = level == 0;
        else
            features[wish->feature_count++] =
                (struct quorum_feature){ str_copy(arena, name).data, (int16_t)level };
    }
    wish->features = features;
    return true;
}

static bool read_scram(
    const struct arguments *arguments, struct io *io, struct arena *arena, struct format_wish *wish)
{
    struct quorum_scram *scram =
        arena_take_array(arena, (size_t)arguments->value_count + 1, sizeof(*scram));
    const char *text;
    for (int position = 0; (text = argument_after(arguments, "add-scram", &position)) != NULL;) {
        const char *wrong = scram_wish_read(str_from(text), io, arena, &scram[wish->scram_count++]);
        if (wrong != NULL) {
            complain("--add-scram: %s", wrong); /* without the text: it holds a password */
            return false;
        }
    }
    wish->scram = scram;
    return true;
}

static int format_with(
    struct io *io, const struct arguments *arguments, const struct node_settings *node)
{
    struct arena arena;
    arena_init(&arena);
    struct format_wish wish = { .cluster_id = argument(arguments, "cluster-id"),
        .ignore_formatted = argument_given(arguments, "ignore-formatted") };
    char reason[1024];
    int code = EXIT_MISUSED;
    const char **paths;
    int count = format_list_directories(node, &arena, &paths);
    bool *passed_over = arena_take_array(&arena, (size_t)count, sizeof(*passed_over));
    for (int i = 0; i < count; i++)
        passed_over[i] = format_state_of(io, paths[i], reason, sizeof(reason)) == FORMAT_DONE;
    if (wish.cluster_id != NULL && (wish.cluster_id[0] == 0 || strlen(wish.cluster_id) > 63))
        complain("--cluster-id: it must have 1 to 63 characters");
    else if (read_voters(arguments, node, &arena, &wish) &&
             read_features(arguments, &arena, &wish) && read_scram(arguments, io, &arena, &wish))
        code = format_directories(io, node, &wish, reason, sizeof(reason)) < 0 ? EXIT_FAILED
                                                                               : EXIT_DONE;
    if (code == EXIT_FAILED)
        complain("%s", reason);
    for (int i = 0; code == EXIT_DONE && i < count; i++)
        printf("%s: %s\n", passed_over[i] ? "already formatted, left as it is" : "formatted",
            paths[i]);
    arena_deinit(&arena);
    return code;
}

static int run_format(const struct arguments *arguments)
{
    struct io *io = io_create(1);
    struct configuration configuration;
    int code = EXIT_MISUSED;
    bool valid = configuration_load(&configuration, io, argument(arguments, "config"), arguments);
    configuration_report_warnings(&configuration);
    if (valid)
        code = format_with(io, arguments, &configuration.node);
    configuration_deinit(&configuration);
    io_destroy(io);
    return code;
}

static const struct option info_options[] = {
    { "config", 'c', "FILE", "The node's server.properties." },
    OVERRIDE_OPTION,
    { NULL },
};

static int print_info(struct io *io, const struct node_settings *node)
{
    struct arena arena;
    const char **paths;
    char reason[512];
    int problems = 0;
    arena_init(&arena);
    int count = format_list_directories(node, &arena, &paths);
    puts(count == 1 ? "Found log directory:" : "Found log directories:");
    for (int i = 0; i < count; i++)
        printf("  %s\n", paths[i]);
    putchar('\n');
    for (int i = 0; i < count; i++) {
        struct log_dir_identity identity;
        int status = log_dir_identify(io, paths[i], &identity, reason, sizeof(reason));
        if (status == 0) {
            char id[UUID_TEXT_SIZE + 1];
            uuid_print(identity.directory_id, id);
            printf("Found metadata: {cluster.id=%s, directory.id=%s, node.id=%" PRId32
                   ", version=1}\n",
                identity.cluster_id, id, identity.node_id);
            continue;
        }
        problems++;
        if (status == -ENOENT)
            printf("Found problem:\n  %s is not formatted.\n", paths[i]);
        else
            printf("Found problem:\n  %s\n", reason);
    }
    arena_deinit(&arena);
    return problems > 0 ? EXIT_FAILED : EXIT_DONE;
}

static int run_info(const struct arguments *arguments)
{
    struct io *io = io_create(1);
    struct configuration configuration;
    int code = EXIT_MISUSED;
    bool valid = configuration_load(&configuration, io, argument(arguments, "config"), arguments);
    configuration_report_warnings(&configuration);
    if (valid)
        code = print_info(io, &configuration.node);
    configuration_deinit(&configuration);
    io_destroy(io);
    return code;
}

static int run_random_uuid(const struct arguments *arguments)
{
    (void)arguments;
    struct io *io = io_create(1);
    char text[UUID_TEXT_SIZE + 1];
    format_random_uuid(io, text);
    puts(text);
    io_destroy(io);
    return EXIT_DONE;
}

const struct verb storage_verbs[] = {
    { "storage format", "", 0, 0,
        "Give a node's directories their identity, as kafka-storage.sh format does.",
        "`strom server` formats empty directories by itself; this is for those who want to "
        "choose.\n\n"
        "examples:\n"
        "  strom storage format -c server.properties\n"
        "  strom storage format -t $(strom storage random-uuid) -c server.properties "
        "--standalone\n",
        format_options, run_format },
    { "storage info", "", 0, 0, "Show what a node's directories say about themselves.",
        "Exit code 1 when one of them is not formatted.\n\nexamples:\n  strom storage info -c "
        "server.properties\n",
        info_options, run_info },
    { "storage random-uuid", "", 0, 0, "Print a new id, fit for a cluster or a directory.", NULL,
        NULL, run_random_uuid },
    { NULL },
};
