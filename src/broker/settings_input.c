/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/settings_input.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/memory.h"
#include "base/properties.h"

void settings_input_init(struct settings_input *input)
{
    *input = (struct settings_input){ 0 };
    arena_init(&input->arena);
    input->problems_end = &input->problems;
    input->warnings_end = &input->warnings;
}

void settings_input_deinit(struct settings_input *input)
{
    memory_give(input->said);
    arena_deinit(&input->arena);
    *input = (struct settings_input){ 0 };
}

const struct settings_said *settings_input_find(const struct settings_input *input, struct str key)
{
    for (int i = 0; i < input->count; i++) {
        if (str_equal(input->said[i].key, key))
            return &input->said[i];
    }
    return NULL;
}

struct str settings_value(const struct settings_input *input, const char *key, const char *unset)
{
    const struct settings_said *said = settings_input_find(input, str_from(key));
    return said == NULL ? str_from(unset) : str_trim(said->value);
}

static void say(struct settings_input *input, struct settings_said said)
{
    struct settings_said *place = (struct settings_said *)settings_input_find(input, said.key);
    if (place == NULL) {
        if (input->count == input->capacity) {
            input->capacity = input->capacity == 0 ? 32 : input->capacity * 2;
            input->said =
                memory_resize(input->said, (size_t)input->capacity * sizeof(*input->said));
        }
        place = &input->said[input->count++];
    }
    said.key = str_copy(&input->arena, said.key);
    said.value = str_copy(&input->arena, said.value);
    said.where = str_copy(&input->arena, said.where);
    *place = said;
}

static const char *place_of(struct arena *arena, const struct settings_said *said)
{
    switch (said->source) {
    case SETTINGS_FILE:
        return arena_format(arena, "%.*s:%d: ", STR_PRINT(said->where), said->line);
    case SETTINGS_ENVIRONMENT:
        return arena_format(arena, "environment %.*s: ", STR_PRINT(said->where));
    case SETTINGS_OVERRIDE:
        break;
    }
    return "--override ";
}

static void add_text(struct settings_input *input, struct settings_text ***end,
    const struct settings_said *said, const char *format, va_list arguments)
{
    char sentence[2048];
    vsnprintf(sentence, sizeof(sentence), format, arguments);
    struct settings_text *text = arena_take(&input->arena, sizeof(*text));
    text->text = said == NULL
                     ? arena_format(&input->arena, "%s", sentence)
                     : arena_format(&input->arena, "%s%.*s=%.*s: %s", place_of(&input->arena, said),
                           STR_PRINT(said->key), STR_PRINT(said->value), sentence);
    **end = text;
    *end = &text->next;
}

void settings_problem(
    struct settings_input *input, const struct settings_said *said, const char *format, ...)
{
    va_list arguments;
    if (said != NULL)
        input->said[said - input->said].refused = true;
    va_start(arguments, format);
    add_text(input, &input->problems_end, said, format, arguments);
    va_end(arguments);
}

void settings_warning(
    struct settings_input *input, const struct settings_said *said, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_text(input, &input->warnings_end, said, format, arguments);
    va_end(arguments);
}

void settings_input_file(struct settings_input *input, struct str path, struct str text)
{
    struct properties properties;
    properties_init(&properties);
    int wrong_line = properties_parse(&properties, text);
    if (wrong_line != 0)
        settings_problem(input, NULL,
            "%.*s:%d: malformed line: a \\u needs four hexadecimal digits", STR_PRINT(path),
            wrong_line);
    for (int i = 0; i < properties.count; i++) {
        const struct property *property = &properties.items[i];
        say(input, (struct settings_said){ .key = property->key,
                       .value = property->value,
                       .source = SETTINGS_FILE,
                       .where = path,
                       .line = property->line });
        if (property->earlier_line != 0)
            settings_warning(input, settings_input_find(input, property->key),
                "said in line %d too; this one holds", property->earlier_line);
    }
    properties_deinit(&properties);
}

/* Variables of Java's start scripts and containers; they say nothing to us. */
static bool is_for_java(struct str name)
{
    static const char *const names[] = { "HEAP_OPTS", "OPTS", "JVM_PERFORMANCE_OPTS", "GC_LOG_OPTS",
        "LOG4J_OPTS", "LOG4J_LOGGERS", "LOG4J_ROOT_LOGLEVEL", "LOG4J_TOOLS_LOGLEVEL",
        "LOG4J_CMD_OPTS", "JMX_OPTS", "JMX_PORT", "JMX_HOSTNAME", "DEBUG", "DEBUG_SUSPEND_FLAG",
        "DEBUG_PORT", "HOME", "VERSION", "CLASSPATH", "RUN_CLASS_OPTS", "MODE" };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (str_is(name, names[i]))
            return true;
    }
    return false;
}

/* NUM_PARTITIONS -> num.partitions */
static struct str key_of_variable(struct arena *arena, struct str name)
{
    char *key = arena_take(arena, (size_t)name.size + 1);
    int32_t size = 0;
    for (int32_t i = 0; i < name.size; i++) {
        int32_t run = 0;
        while (i + run < name.size && name.data[i + run] == '_' && run < 3)
            run++;
        if (run == 0) {
            key[size++] = (char)tolower((unsigned char)name.data[i]);
            continue;
        }
        key[size++] = run == 1 ? '.' : run == 2 ? '_' : '-';
        i += run - 1;
    }
    return (struct str){ key, size };
}

static void take_variable(struct settings_input *input, struct str name, struct str value)
{
    struct str prefix = str_starts(name, STR("KAFKA_")) ? STR("KAFKA_") : STR("STROM_");
    struct str rest = { name.data + prefix.size, name.size - prefix.size };
    if (rest.size == 0 || is_for_java(rest))
        return;
    struct str key = key_of_variable(&input->arena, rest);
    if (str_is(prefix, "STROM_") && node_setting_find(key) == NULL) {
        struct str own = str_from(arena_format(&input->arena, "strom.%.*s", STR_PRINT(key)));
        if (node_setting_find(own) != NULL)
            key = own;
    }
    say(input, (struct settings_said){
                   .key = key, .value = value, .source = SETTINGS_ENVIRONMENT, .where = name });
}

void settings_input_environment(struct settings_input *input, char *const *environment)
{
    for (; *environment != NULL; environment++) {
        struct str value = str_from(*environment), name;
        if (!str_split(&value, '=', &name) || str_is_null(value))
            continue;
        if (str_is(name, "CLUSTER_ID"))
            say(input, (struct settings_said){ .key = STR("cluster.id"),
                           .value = value,
                           .source = SETTINGS_ENVIRONMENT,
                           .where = name });
        else if (str_starts(name, STR("KAFKA_")) || str_starts(name, STR("STROM_")))
            take_variable(input, name, value);
    }
}

void settings_input_override(struct settings_input *input, struct str pair)
{
    struct str value = pair, key;
    str_split(&value, '=', &key);
    key = str_trim(key);
    if (str_is_null(value) || key.size == 0) {
        settings_problem(input, NULL, "--override %.*s: write it as key=value", STR_PRINT(pair));
        return;
    }
    say(input, (struct settings_said){
                   .key = key, .value = value, .source = SETTINGS_OVERRIDE, .where = STR("") });
}
