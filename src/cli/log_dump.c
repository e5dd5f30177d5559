/* SPDX-License-Identifier: Apache-2.0 */
/* strom log dump: what stands in the files of a log directory, Kafka's or ours. It reads files
 * only; a node may be running on them. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "cli/dump.h"
#include "cli/log_check.h"
#include "cli/verb.h"
#include "io/file.h"
#include "io/io.h"

static const struct option options[] = {
    { "records", 'r', NULL, "Print the records too, decoded where Kafka's own topics store them." },
    { "output", 'o', "text|json", "json: one object a line. Default: text." },
    { NULL },
};

struct names {
    char **list;
    int count, capacity;
};

static int add_name(void *context, const char *name)
{
    struct names *names = context;
    if (names->count == names->capacity) {
        names->capacity = names->capacity == 0 ? 64 : names->capacity * 2;
        names->list = memory_resize(names->list, (size_t)names->capacity * sizeof(*names->list));
    }
    names->list[names->count++] = memory_copy_text(name);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool ends_with(const char *name, const char *end)
{
    size_t size = strlen(name), end_size = strlen(end);
    return size >= end_size && strcmp(name + size - end_size, end) == 0;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* The topic in the path's directory, TOPIC-N; the owner's memory. */
static char *topic_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return memory_copy_text("");
    struct str directory = { path, (int32_t)(slash - path) };
    for (int32_t i = directory.size; i-- > 0;) {
        if (directory.data[i] == '/') {
            directory.size -= i + 1;
            directory.data += i + 1;
            break;
        }
    }
    while (directory.size > 0 && directory.data[directory.size - 1] != '-')
        directory.size--;
    if (directory.size > 0)
        directory.size--;
    return str_copy_owned(directory);
}

/* The name as it was, or is to be, of a file that is on its way: deleted, cleaned, being swapped in
 * or replaced. */
static char *settled_name(const char *path)
{
    static const char *const marks[] = { ".deleted", ".cleaned", ".swap", ".part", ".tmp" };
    char *name = memory_copy_text(last_part(path));
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
        if (ends_with(name, marks[i]))
            name[strlen(name) - strlen(marks[i])] = 0;
    return name;
}

/* -ENOENT: a file that says nothing to us. */
static int dump_file(struct dump *dump, const char *path)
{
    char *name = settled_name(path), *topic = topic_of(path);
    int status = -ENOENT;
    dump->topic = str_from(topic);
    dump->path = path;
    dump->file = name;
    if (ends_with(name, ".timeindex"))
        status = dump_time_index(dump, path);
    else if (ends_with(name, ".txnindex"))
        status = dump_aborted_index(dump, path);
    else if (ends_with(name, ".index"))
        status = dump_offset_index(dump, path);
    else if (ends_with(name, ".snapshot"))
        status = dump_producers(dump, path);
    else if (ends_with(name, ".log") || ends_with(name, ".checkpoint"))
        status = dump_batches(dump, path);
    else if (ends_with(name, "-checkpoint") || strcmp(name, "meta.properties") == 0 ||
             strcmp(name, "quorum-state") == 0 || strcmp(name, "partition.metadata") == 0 ||
             strcmp(name, ".kafka_cleanshutdown") == 0)
        status = dump_text(dump, path);
    dump->file = NULL;
    memory_give(name);
    memory_give(topic);
    return status;
}

static int dump_path(struct dump *dump, const char *path, bool is_asked);

static int dump_directory(struct dump *dump, const char *path)
{
    struct names names = { 0 };
    int status = directory_list(dump->io, path, add_name, &names);
    if (status == 0)
        qsort(names.list, (size_t)names.count, sizeof(*names.list), by_name);
    for (int i = 0; i < names.count; i++) {
        char inner[PATH_MAX];
        int size = snprintf(
            inner, sizeof(inner), "%s%s%s", path, ends_with(path, "/") ? "" : "/", names.list[i]);
        int inner_status =
            size < (int)sizeof(inner) ? dump_path(dump, inner, false) : -ENAMETOOLONG;
        if (status == 0)
            status = inner_status;
        memory_give(names.list[i]);
    }
    memory_give(names.list);
    return status;
}

/* Damage is counted and said; only what cannot be read ends with a status. */
static int dump_path(struct dump *dump, const char *path, bool is_asked)
{
    int status = directory_exists(dump->io, path);
    if (status == 0)
        return dump_directory(dump, path);
    status = dump_file(dump, path);
    if (status == -ENOENT && !is_asked)
        return 0;
    if (status == -ENOENT) {
        int64_t size;
        status = file_stat(dump->io, path, &size);
        complain("%s: %s", path,
            status < 0 ? strerror(-status) : "no kind of file that a log directory holds");
        return -ENOENT;
    }
    if (status < 0)
        complain("%s: %s", path, strerror(-status));
    return status;
}

static int run(const struct arguments *arguments)
{
    const char *output = argument(arguments, "output");
    if (output != NULL && strcmp(output, "json") != 0 && strcmp(output, "text") != 0) {
        complain("--output %s: it must be text or json", output);
        return EXIT_MISUSED;
    }
    struct dump dump = { .io = io_create(1),
        .with_records = argument_given(arguments, "records"),
        .as_json = output != NULL && strcmp(output, "json") == 0 };
    int code = EXIT_DONE;
    dump.decompressor = decompressor_create();
    arena_init(&dump.arena);
    for (int i = 0; i < arguments->word_count; i++) {
        int status = dump_path(&dump, arguments->words[i], true);
        if (status < 0)
            code = status == -ENOENT ? EXIT_ABSENT : EXIT_FAILED;
    }
    if (dump.damages > 0) {
        complain("%d damaged place%s", dump.damages, dump.damages == 1 ? "" : "s");
        code = EXIT_FAILED;
    }
    arena_deinit(&dump.arena);
    decompressor_destroy(dump.decompressor);
    io_destroy(dump.io);
    return code;
}

const struct verb log_verbs[] = {
    { "log check", "DIRECTORY...", 1, 1000,
        "Verify what a log directory holds, Kafka's or ours, while no node runs on it.",
        log_check_detail, log_check_options, log_check },
    { "log dump", "FILE|DIRECTORY...", 1, 1000,
        "Print what stands in the files of a log directory, Kafka's or ours.",
        "Segments, offset, time and transaction indexes, producer snapshots, metadata snapshots, "
        "checkpoints, properties.\n"
        "CRCs and the order of offsets are checked. Exit code 1: something is damaged.\n\n"
        "examples:\n"
        "  strom log dump strom-data/hello-0\n"
        "  strom log dump --records strom-data/__cluster_metadata-0/00000000000000000000.log\n"
        "  strom log dump --records -o json strom-data/hello-0 | jq .records[].value\n",
        options, run },
    { NULL },
};
