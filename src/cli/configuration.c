/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/configuration.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/report.h"
#include "base/status.h"
#include "broker/settings_rows.h"
#include "cli/verb.h"
#include "io/file.h"
#include "io/io.h"

enum { FILE_LIMIT = 1 << 20 };

static bool load_file(struct configuration *configuration, struct io *io, const char *path)
{
    char *text;
    size_t size;
    int status = file_load(io, path, FILE_LIMIT, &text, &size);
    if (status < 0) {
        complain("cannot read %s: %s", path, status_text(status));
        return false;
    }
    settings_input_file(&configuration->input, str_from(path), (struct str){ text, (int32_t)size });
    memory_give(text);
    return true;
}

static struct str host_name(struct configuration *configuration, struct io *io)
{
    char *text;
    size_t size;
    if (file_load(io, "/proc/sys/kernel/hostname", 4096, &text, &size) < 0)
        return STR("localhost");
    struct str name =
        str_copy(&configuration->input.arena, str_trim((struct str){ text, (int32_t)size }));
    memory_give(text);
    return name.size > 0 ? name : STR("localhost");
}

bool configuration_load(struct configuration *configuration, struct io *io, const char *file,
    const struct arguments *arguments)
{
    *configuration = (struct configuration){ 0 };
    settings_input_init(&configuration->input);
    if (file != NULL && !load_file(configuration, io, file))
        return false;
    settings_input_environment(&configuration->input, environ);
    const char *pair;
    for (int position = 0; (pair = argument_after(arguments, "override", &position)) != NULL;)
        settings_input_override(&configuration->input, str_from(pair));

    struct settings_machine machine = { .cpu_count = io_cpu_count(io),
        .memory_size = io_memory_size(io),
        .host_name = host_name(configuration, io) };
    bool valid = settings_read(&configuration->input, &machine, &configuration->node);
    for (const struct settings_text *problem = configuration->input.problems; problem != NULL;
         problem = problem->next)
        complain("%s", problem->text);
    return valid;
}

void configuration_report_warnings(const struct configuration *configuration)
{
    for (const struct settings_text *warning = configuration->input.warnings; warning != NULL;
         warning = warning->next)
        report_warn("setting", "%s", warning->text);
}

void configuration_deinit(struct configuration *configuration)
{
    node_settings_deinit(&configuration->node);
    settings_input_deinit(&configuration->input);
}

static const char *source_name(const struct settings_said *said)
{
    switch (said->source) {
    case SETTINGS_FILE:
        return "file";
    case SETTINGS_ENVIRONMENT:
        return "environment";
    case SETTINGS_OVERRIDE:
        break;
    }
    return "override";
}

static void print_one(void *context, const struct setting *row)
{
    const struct configuration *configuration = context;
    const struct settings_said *said =
        settings_input_find(&configuration->input, str_from(row->name));
    struct arena arena;
    arena_init(&arena);
    if (row->type == SETTING_PASSWORD && said != NULL) {
        printf("%s=(hidden)  # %s\n", row->name, source_name(said));
    } else if (said != NULL) {
        printf("%s=%.*s  # %s\n", row->name, STR_PRINT(said->value), source_name(said));
    } else {
        struct str value = setting_print(row, &configuration->node, &arena);
        if (str_is_null(value) && row->unset != NULL)
            value = str_from(row->unset);
        if (!str_is_null(value) && (row->flags & SETTING_INTERNAL) == 0)
            printf("%s=%.*s\n", row->name, STR_PRINT(value));
    }
    arena_deinit(&arena);
}

void configuration_print(const struct configuration *configuration)
{
    node_settings_visit(print_one, (void *)configuration);
}

static void print_known(void *context, const struct setting *row)
{
    struct arena *arena = context;
    if ((row->flags & SETTING_INTERNAL) != 0)
        return;
    printf("| `%s` | %s | %s | %s |\n", row->name,
        row->unset == NULL   ? ""
        : row->unset[0] == 0 ? "(empty)"
                             : row->unset,
        setting_describe_valid(row, arena), row->doc);
}

static void print_table(
    const char *title, const struct setting *rows, int count, struct arena *arena)
{
    printf("\n## %s\n\n| key | default | valid | meaning |\n|---|---|---|---|\n", title);
    for (int i = 0; i < count; i++)
        print_known(arena, &rows[i]);
}

void configuration_print_known(void)
{
    struct arena arena;
    arena_init(&arena);
    puts(
        "# Settings\n\nMade by `strom server --list-settings`. Keys, meanings and defaults are "
        "Apache Kafka's; those that Kafka does not have are\n`ack.durability`, `produce.validate`, "
        "`report.*` and `strom.*`. What is said to have no effect is known, checked, stored and\n"
        "shown all the same; an unknown key names the nearest.\n\n"
        "A node reads its settings from its file, the environment and `--override`. What "
        "kafka-configs changes while it runs (all\nof a topic, a group and a client metrics "
        "subscription; of a node what DescribeConfigs does not call read-only) is kept\nin the "
        "metadata log: for one node, or for all. `max.connections` and "
        "`max.connection.creation.rate` may stand behind\n`listener.name.NAME.` for one "
        "listener.\n\n"
        "## Of a node\n\n| key | default | valid | meaning |\n|---|---|---|---|");
    node_settings_visit(print_known, &arena);
    print_table("Of a topic", topic_setting_rows, topic_setting_count, &arena);
    print_table("Of a group", kafka_group_settings, kafka_group_settings_count, &arena);
    print_table("Of a client metrics subscription", kafka_client_metrics_settings,
        kafka_client_metrics_settings_count, &arena);
    arena_deinit(&arena);
}
