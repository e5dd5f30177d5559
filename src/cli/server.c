/* SPDX-License-Identifier: Apache-2.0 */
/* strom server: one node, until it is told to stop. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

#include "base/container.h"
#include "base/memory.h"
#include "base/report.h"
#include "base/status.h"
#include "broker/format.h"
#include "broker/node.h"
#include "cli/configuration.h"
#include "cli/reports.h"
#include "cli/verb.h"
#include "io/io.h"
#include "io/process.h"
#include "io/thread.h"
#include "storage/log_dir.h"

static const struct option options[] = {
    OVERRIDE_OPTION,
    { "check-config", 0, NULL, "Check the configuration and stop." },
    { "print-config", 0, NULL, "Print every setting that holds and who said it, and stop." },
    { "list-settings", 0, NULL,
        "Print all settings with defaults, what is valid and what they mean, and stop." },
    { "report-format", 0, "text|logfmt|json", "How diagnostics are printed, on standard error." },
    { NULL },
};

/* One signal: the node stops in order. Another changes nothing, since the order is what keeps
 * promises. */
struct stopper {
    struct task task;
    struct node *node;
    bool stopping;
};

static void stop_node(struct task *task)
{
    struct stopper *stopper = container_of(task, struct stopper, task);
    if (stopper->stopping)
        return;
    stopper->stopping = true;
    report_info("node_stopping", "cause=signal");
    node_stop(stopper->node);
}

/* SIGHUP: the level of reports is read again where it was read at the start. A node that no file
 * configures has nothing to read, and goes on. */
struct rereader {
    struct task task;
    struct io *io;
    const struct arguments *arguments;
};

static const char *configuration_file(const struct arguments *arguments)
{
    return arguments->word_count > 0 ? arguments->words[0] : NULL;
}

/* The line is printed whatever the levels are. */
static void set_report_level(const struct node_settings *settings, const char *file)
{
    static const char *const names[] = { "debug", "info", "warn", "error" };
    report_set_level(REPORT_INFO);
    report_info("report_level_set", "cause=SIGHUP file=%s report.level=%s", file,
        names[settings->report_level]);
    report_set_level((enum report_level)settings->report_level);
}

static void reread_report_level(struct task *task)
{
    const struct rereader *rereader = container_of(task, struct rereader, task);
    const char *file = configuration_file(rereader->arguments);
    struct configuration again;
    if (file == NULL) {
        report_info("report_level_kept",
            "cause=SIGHUP: the node was started without FILE, so there is none to read again");
        return;
    }
    if (configuration_load(&again, rereader->io, file, rereader->arguments))
        set_report_level(&again.node, file);
    else
        report_warn("report_level_kept",
            "cause=SIGHUP file=%s: it is not valid as it stands, for the reasons above", file);
    configuration_deinit(&again);
}

static bool is_loopback(struct str host)
{
    return str_is(host, "localhost") || str_is(host, "::1") || str_starts(host, STR("127."));
}

static void print_start(
    const struct node_settings *node, struct node *running, const char *cluster_id)
{
    const char *client = "";
    struct arena arena;
    arena_init(&arena);
    printf("strom %s, node %d of cluster %s\n", STROM_VERSION, node->node_id, cluster_id);
    for (int i = 0; i < node->listener_count; i++) {
        const struct node_listener *listener = &node->listeners[i];
        int port = node_port(running, i);
        printf("%-11s %s on %s:%d\n", "listening", listener->name.data,
            listener->host.size == 0 ? "*" : listener->host.data, port);
        if (!listener->is_controller && client[0] == 0)
            client = arena_format(&arena, "%s:%d", listener->advertised_host.data,
                listener->advertised_port != 0 ? listener->advertised_port : port);
        if (listener->protocol == LISTENER_PLAINTEXT && !is_loopback(listener->host))
            report_warn("listener_is_open",
                "listener=%s host=%s port=%d anyone who reaches this port may read and write",
                listener->name.data, listener->host.size == 0 ? "*" : listener->host.data, port);
    }
    for (int i = 0; i < node->log_dir_count; i++)
        printf("%-11s %s\n", i == 0 ? "data" : "", node->log_dirs[i].data);
    printf("%-11s %s topic create hello --partitions 3 --bootstrap-server %s\n", "try",
        program_name(), client);
    fflush(stdout);
    arena_deinit(&arena);
}

static void watch_signal(struct node *node, int number, const char *name, struct task *task)
{
    int status = io_signal_watch(node_loop(node, 0), number, task);
    if (status < 0)
        report_warn("signal_not_watched", "signal=%s reason=\"%s\": it ends the node at once", name,
            status_text(status));
}

/* Threads for all loops, until the last has stopped. */
static int run_loops(struct io *io, const struct node_settings *settings, struct node *node,
    const char *cluster_id, const struct arguments *arguments)
{
    int count = node_loop_count(node), started = 0, code = EXIT_DONE;
    struct stopper stoppers[2];
    struct rereader rereader = { { .run = reread_report_level }, io, arguments };
    for (int i = 0; i < 2; i++)
        stoppers[i] = (struct stopper){ { .run = stop_node }, node, false };
    watch_signal(node, SIGTERM, "SIGTERM", &stoppers[0].task);
    watch_signal(node, SIGINT, "SIGINT", &stoppers[1].task);
    watch_signal(node, SIGHUP, "SIGHUP", &rereader.task);
    struct thread **threads = memory_take((size_t)count * sizeof(*threads));
    for (; started < count; started++) {
        int status = thread_start(
            io, node_loop_name(node, started), node_loop(node, started), &threads[started]);
        if (status < 0) {
            complain("cannot start a thread: %s; raise the limit of processes (ulimit -u)",
                status_text(status));
            code = EXIT_FAILED;
            break;
        }
    }
    if (started == count) {
        node_start(node);
        print_start(settings, node, cluster_id);
        for (int i = 0; i < started; i++)
            thread_join(threads[i]);
    }
    memory_give(threads);
    return node_failed(node) ? EXIT_FAILED : code;
}

/* Empty directories are formatted; with some formatted and some not, a person must say whether a
 * disk is missing, unless a format was begun and did not end. One that cannot be read is offline,
 * which the node tells (docs/decisions/0012). */
static bool prepare_directories(
    struct io *io, const struct node_settings *node, const struct arguments *arguments)
{
    struct arena arena;
    const char **paths, *empty = NULL;
    char reason[1024];
    int formatted = 0;
    bool fine = true, begun = format_was_begun(io, node->metadata_log_dir.data);
    arena_init(&arena);
    int count = format_list_directories(node, &arena, &paths);
    for (int i = 0; i < count; i++) {
        enum format_state state = format_state_of(io, paths[i], reason, sizeof(reason));
        formatted += state == FORMAT_DONE;
        if (state == FORMAT_NONE)
            empty = paths[i];
        bool holds_metadata = i == 0;
        if (state == FORMAT_FOREIGN || (state == FORMAT_UNREADABLE && holds_metadata)) {
            complain("cannot use a log directory: %s", reason);
            fine = false;
        }
    }
    if (fine && empty != NULL && formatted > 0 && !begun && str_is(node->metadata_log_dir, empty)) {
        complain(
            "%s is not formatted, but others are, and it is where this node keeps its metadata: "
            "a new one would know no topic. Is a disk not mounted? If it is lost, restore a backup",
            empty);
        fine = false;
    } else if (fine && empty != NULL && formatted > 0 && !begun) {
        const char *file = configuration_file(arguments);
        complain(
            "%s is not formatted, but others are. Is a disk not mounted? If it is new: %s storage "
            "format --ignore-formatted%s%s%s",
            empty, program_name(), file == NULL ? "" : " -c ", file == NULL ? "" : file,
            argument_given(arguments, "override") ? ", and each --override of this start" : "");
        fine = false;
    } else if (fine && empty != NULL) {
        struct format_wish wish = { .cluster_id = node->cluster_id.data,
            .ignore_formatted = begun,
            .without_voters = node->quorum_voter_count > 0 };
        fine = format_directories(io, node, &wish, reason, sizeof(reason)) == 0;
        if (fine)
            report_info("directories_formatted", "directories=%d", count);
        else
            complain("%s", reason);
    }
    arena_deinit(&arena);
    return fine;
}

/* Where nobody says node.id, a formatted directory knows it. */
static void adopt_node_id(struct io *io, struct configuration *configuration)
{
    struct log_dir_identity identity;
    char reason[512];
    struct node_settings *node = &configuration->node;
    if (settings_input_find(&configuration->input, STR("node.id")) == NULL &&
        settings_input_find(&configuration->input, STR("broker.id")) == NULL &&
        log_dir_identify(io, node->metadata_log_dir.data, &identity, reason, sizeof(reason)) == 0)
        node->node_id = identity.node_id;
}

/* A connection and a segment that is read hold one each. */
static void raise_file_limit(void)
{
    int64_t limit = io_raise_file_limit();
    if (limit >= 0 && limit < 1024)
        report_warn("few_descriptors",
            "limit=%" PRId64 ": clients beyond it are not accepted, and logs may not be opened. "
            "Raise it (ulimit -n, LimitNOFILE in systemd)",
            limit);
}

static int run_node(
    struct io *io, const struct node_settings *settings, const struct arguments *arguments)
{
    struct log_dir_identity identity;
    struct node *node;
    char reason[512];
    if (!prepare_directories(io, settings, arguments))
        return EXIT_FAILED;
    if (log_dir_identify(io, settings->metadata_log_dir.data, &identity, reason, sizeof(reason)) <
        0) {
        complain("%s", reason);
        return EXIT_FAILED;
    }
    raise_file_limit();
    int status = node_create(io, settings, &node);
    if (status < 0) {
        complain("the node did not start; the last report above says why");
        return EXIT_FAILED;
    }
    int code = run_loops(io, settings, node, identity.cluster_id, arguments);
    node_destroy(node);
    report_info("node_stopped", "node=%d", settings->node_id);
    return code;
}

static bool choose_format(const struct arguments *arguments, struct configuration *configuration)
{
    const char *text = argument(arguments, "report-format");
    struct str message;
    if (text == NULL)
        return true;
    if (setting_parse(node_setting_find(STR("report.format")), str_from(text),
            &configuration->node.arena, &configuration->node, &message))
        return true;
    complain("--report-format %s: it must be text, logfmt or json", text);
    return false;
}

static int run(const struct arguments *arguments)
{
    if (argument_given(arguments, "list-settings")) {
        configuration_print_known();
        return EXIT_DONE;
    }
    struct configuration configuration;
    struct io *io = io_create(1);
    int code = EXIT_MISUSED;
    bool valid = configuration_load(&configuration, io, configuration_file(arguments), arguments) &&
                 choose_format(arguments, &configuration);
    io_destroy(io);
    if (!valid || argument_given(arguments, "print-config") ||
        argument_given(arguments, "check-config"))
        configuration_report_warnings(&configuration);
    if (valid && argument_given(arguments, "print-config")) {
        configuration_print(&configuration);
        code = EXIT_DONE;
    } else if (valid && argument_given(arguments, "check-config")) {
        puts("the configuration is valid");
        code = EXIT_DONE;
    } else if (valid) {
        io = io_create(configuration.node.workers);
        reports_install(io, (enum reports_format)configuration.node.report_format);
        report_set_level((enum report_level)configuration.node.report_level);
        configuration_report_warnings(&configuration);
        adopt_node_id(io, &configuration);
        code = run_node(io, &configuration.node, arguments);
        reports_remove();
        io_destroy(io);
    }
    configuration_deinit(&configuration);
    return code;
}

const struct verb server_verbs[] = {
    { "server", "[FILE]", 0, 1, "Run a node: broker and controller in one.",
        "FILE is Kafka's server.properties. The environment (KAFKA_NUM_PARTITIONS or "
        "STROM_NUM_PARTITIONS say\n"
        "num.partitions) takes its place, and --override takes the place of both. Without any of "
        "them the node listens on\n"
        "localhost:9092 and keeps its data in ./strom-data. Empty directories are formatted. "
        "SIGTERM stops the node in order.\n"
        "SIGHUP reads FILE's report.level again; without FILE it changes nothing.\n\n"
        "examples:\n"
        "  strom server\n"
        "  strom server /etc/kafka/server.properties\n"
        "  strom server --override listeners=PLAINTEXT://localhost:19092 --override "
        "log.dirs=/srv/strom\n"
        "  strom server server.properties --check-config\n",
        options, run },
    { NULL },
};
