/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/log_check.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/container.h"
#include "base/memory.h"
#include "base/status.h"
#include "io/file.h"
#include "io/io.h"
#include "replica/quorum_state.h"
#include "storage/check.h"
#include "wire/compress.h"

const struct option log_check_options[] = {
    { "quick", 'q', NULL, "Do not look at the records of batches whose CRC is right." },
    { "progress", 0, NULL, "Show how far it is, also when standard error is no terminal." },
    { "output", 'o', "text|json", "json: one object a line. Default: text." },
    { NULL },
};

const char log_check_detail[] =
    "DIRECTORY is one of log.dirs, or that of one partition. Looked at are batches and their "
    "records, indexes, leader\nepochs, producer snapshots, checkpoint files, identities and "
    "metadata "
    "snapshots. Nothing is written, and no node\ncan start on the directory meanwhile.\n\n"
    "  note    nothing is wrong, such as what a stop left half done\n"
    "  torn    the end of an unclean stop, which the next start cuts away\n"
    "  damage  not as it was written; what follows and what to do stand beside it\n\n"
    "Exit code 0: nothing but notes. 1: something is damaged or torn. 2: something could not be "
    "looked at.\n\n"
    "examples:\n"
    "  strom log check strom-data\n"
    "  strom log check --quick strom-data/hello-0\n"
    "  strom log check -o json strom-data | jq 'select(.kind == \"damage\") | .file'\n";

enum { KIND_COUNT = FINDING_DAMAGE + 1, PROGRESS_US = 200 * 1000, MEGABYTE = 1000000 };

static const char *const kind_name[KIND_COUNT] = { "note", "torn", "damage" };

struct log_checking {
    struct check check;
    bool as_json, shows_progress, line_is_open;
    int64_t progress_us; /* when it was shown last */
    int32_t counts[KIND_COUNT];
};

/* ---- What is said. ---- */

static void close_line(struct log_checking *checking)
{
    if (checking->line_is_open)
        fputs("\r\033[K", stderr);
    checking->line_is_open = false;
}

static void print_json(const struct finding *finding)
{
    json_t *line = json_object();
    json_object_set_new(line, "kind", json_string(kind_name[finding->kind]));
    json_object_set_new(line, "file", json_string(finding->path));
    if (finding->position >= 0)
        json_object_set_new(line, "position", json_integer(finding->position));
    json_object_set_new(line, "what", json_string(finding->what));
    json_object_set_new(line, "follows", json_string(finding->follows));
    if (finding->remedy != NULL)
        json_object_set_new(line, "remedy", json_string(finding->remedy));
    char *text = json_dumps(line, JSON_COMPACT);
    puts(text);
    memory_give(text);
    json_decref(line);
}

static void print_text(const struct finding *finding)
{
    printf("%-6s  %s", kind_name[finding->kind], finding->path);
    if (finding->position >= 0)
        printf(" at %" PRId64, finding->position);
    printf(": %s. What follows: %s.", finding->what, finding->follows);
    if (finding->remedy != NULL)
        printf(" What to do: %s.", finding->remedy);
    putchar('\n');
}

static void take_finding(struct check *check, const struct finding *finding)
{
    struct log_checking *checking = container_of(check, struct log_checking, check);
    close_line(checking);
    checking->counts[finding->kind]++;
    if (checking->as_json)
        print_json(finding);
    else
        print_text(finding);
}

static void show_progress(struct check *check)
{
    struct log_checking *checking = container_of(check, struct log_checking, check);
    int64_t now_us = io_monotonic_us(check->io);
    if (!checking->shows_progress || now_us - checking->progress_us < PROGRESS_US)
        return;
    checking->progress_us = now_us;
    checking->line_is_open = true;
    fprintf(stderr, "\r\033[K%d of %d partitions, %" PRId64 " MB", check->log_count,
        check->log_total, check->read_bytes / MEGABYTE);
    fflush(stderr);
}

/* ---- The quorum's own file. ---- */

static void say_vote(struct check *check, const char *directory, const char *what)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/quorum-state", directory);
    take_finding(check, &(struct finding){ FINDING_DAMAGE, path, -1, what,
                            .follows = "the node does not start: it could vote twice in one epoch",
                            .remedy = "restore it" });
}

/* A voter writes down an epoch before it appends in it. */
static void check_vote(
    struct check *check, const char *directory, const struct check_log_result *result)
{
    struct raft_vote vote;
    int status = quorum_state_load(check->io, directory, &vote);
    if (status == -ENOENT)
        return; /* only formatted, or a node that never voted */
    if (status < 0)
        say_vote(
            check, directory, status == -ENOTSUP ? "it is of a later version" : "it holds no vote");
    else if (vote.leader_epoch < result->epoch)
        say_vote(check, directory, "its epoch is below that of the metadata log's last batch");
}

static void take_log(struct check *check, const char *path, const struct check_log_result *result)
{
    static const char metadata[] = "__cluster_metadata-0";
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/')
        size--;
    size_t name_size = sizeof(metadata) - 1;
    if (size >= name_size && memcmp(path + size - name_size, metadata, name_size) == 0)
        check_vote(check, path, result);
}

/* ---- The verb. ---- */

static int find_partition(void *context, const char *name)
{
    size_t size = strlen(name);
    *(bool *)context |= (size > 4 && strcmp(name + size - 4, ".log") == 0) ||
                        strcmp(name, "partition.metadata") == 0;
    return 0;
}

/* 0, or -errno of what could not be looked at. */
static int check_path(struct log_checking *checking, const char *path)
{
    bool is_partition = false;
    struct check *check = &checking->check;
    int status = directory_list(check->io, path, find_partition, &is_partition);
    if (status == 0)
        status = is_partition ? check_partition(check, path) : check_log_dir(check, path);
    close_line(checking);
    if (status == -EWOULDBLOCK)
        complain("%s: a node runs on this directory; stop it first, or check a copy", path);
    else if (status < 0)
        complain("%s: %s", path, status_text(status));
    return status;
}

static void print_sum(const struct log_checking *checking)
{
    const struct check *check = &checking->check;
    printf("%d partition%s, %" PRId64 " MB: %d damaged, %d torn, %d note%s\n", check->log_count,
        check->log_count == 1 ? "" : "s", check->read_bytes / MEGABYTE,
        checking->counts[FINDING_DAMAGE], checking->counts[FINDING_TORN],
        checking->counts[FINDING_NOTE], checking->counts[FINDING_NOTE] == 1 ? "" : "s");
}

int log_check(const struct arguments *arguments)
{
    const char *output = argument(arguments, "output");
    if (output != NULL && strcmp(output, "json") != 0 && strcmp(output, "text") != 0) {
        complain("--output %s: it must be text or json", output);
        return EXIT_MISUSED;
    }
    struct log_checking checking = { .check = { .io = io_create(1),
                                         .decompressor = decompressor_create(),
                                         .quick = argument_given(arguments, "quick"),
                                         .found = take_finding,
                                         .progressed = show_progress,
                                         .walked = take_log },
        .as_json = output != NULL && strcmp(output, "json") == 0,
        .shows_progress = argument_given(arguments, "progress") || isatty(STDERR_FILENO) != 0 };
    int code = EXIT_DONE;
    for (int i = 0; i < arguments->word_count; i++) {
        int status = check_path(&checking, arguments->words[i]);
        if (status < 0 && code != EXIT_MISUSED)
            code = status == -ENOENT ? EXIT_ABSENT : EXIT_MISUSED;
    }
    if (code == EXIT_DONE && checking.counts[FINDING_DAMAGE] + checking.counts[FINDING_TORN] > 0)
        code = EXIT_FAILED;
    if (!checking.as_json)
        print_sum(&checking);
    decompressor_destroy(checking.check.decompressor);
    io_destroy(checking.check.io);
    return code;
}
