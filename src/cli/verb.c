/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verb.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/memory.h"
#include "base/str.h"

static const char *program = "strom";

void program_named(const char *path)
{
    program = path;
}

const char *program_name(void)
{
    return program;
}

/* A command begins a line, or follows a pipe, or stands in backquotes. */
static bool begins_command(const char *text, const char *at)
{
    if (at == text || at[-1] == '`')
        return true;
    return at - text >= 2 && at[-1] == ' ' && (at[-2] == ' ' || at[-2] == '|');
}

void print_as_typed(FILE *out, const char *text)
{
    const char *from = text, *at = text;
    while ((at = strstr(at, "strom ")) != NULL) {
        bool is_command = begins_command(text, at);
        if (is_command) {
            fprintf(out, "%.*s%s", (int)(at - from), from, program);
            from = at + 5;
        }
        at += 5;
    }
    fputs(from, out);
}

static const struct option help_option = { "help", 'h', NULL, "Print this." };

void complain(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("strom: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

enum { OPTION_WIDTH = 34 };

static void print_option(const struct option *option)
{
    char left[64];
    int size = option->letter != 0
                   ? snprintf(left, sizeof(left), "-%c, --%s", option->letter, option->name)
                   : snprintf(left, sizeof(left), "    --%s", option->name);
    if (option->argument != NULL)
        snprintf(left + size, sizeof(left) - (size_t)size, " %s", option->argument);
    if (strlen(left) > OPTION_WIDTH)
        printf("  %s\n%*s%s\n", left, OPTION_WIDTH + 3, "", option->doc);
    else
        printf("  %-*s %s\n", OPTION_WIDTH, left, option->doc);
}

void verb_help(const struct verb *verb)
{
    printf("%s\n\nusage: %s %s%s%s%s\n", verb->summary, program, verb->name,
        verb->words[0] == 0 ? "" : " ", verb->words, " [options]");
    puts("\noptions:");
    for (const struct option *option = verb->options; option != NULL && option->name != NULL;
         option++)
        print_option(option);
    print_option(&help_option);
    if (verb->detail != NULL) {
        putchar('\n');
        print_as_typed(stdout, verb->detail);
    }
}

static const struct option *find_option(const struct verb *verb, struct str name, char letter)
{
    for (const struct option *option = verb->options; option != NULL && option->name != NULL;
         option++) {
        if (letter != 0 ? option->letter == letter : str_is(name, option->name))
            return option;
    }
    return (letter != 0 ? letter == 'h' : str_is(name, "help")) ? &help_option : NULL;
}

static void complain_of_option(const struct verb *verb, const char *text, struct str name)
{
    const char *nearest = NULL;
    int best = name.size / 2 + 1;
    for (const struct option *option = verb->options; option != NULL && option->name != NULL;
         option++) {
        int distance = str_distance(name, str_from(option->name));
        if (distance < best) {
            best = distance;
            nearest = option->name;
        }
    }
    if (nearest != NULL)
        complain("unknown option %s; did you mean --%s? See %s %s --help", text, nearest, program,
            verb->name);
    else
        complain("unknown option %s. See %s %s --help", text, program, verb->name);
}

/* One option at argv[*at], with its argument when it takes one. */
static int take_option(
    const struct verb *verb, int argc, char **argv, int *at, struct arguments *arguments)
{
    const char *text = argv[*at];
    struct str value = { 0 }, name = { 0 };
    const struct option *option;
    if (text[1] == '-') {
        value = str_from(text + 2);
        str_split(&value, '=', &name);
        option = find_option(verb, name, 0);
    } else {
        name = (struct str){ text + 1, 1 };
        option = find_option(verb, name, text[1]);
        if (text[2] != 0)
            value = str_from(text[2] == '=' ? text + 3 : text + 2);
    }
    if (option == NULL) {
        complain_of_option(verb, text, name);
        return EXIT_MISUSED;
    }
    if (option == &help_option) {
        verb_help(verb);
        return EXIT_DONE;
    }
    if (option->argument == NULL && !str_is_null(value)) {
        complain("--%s takes no argument", option->name);
        return EXIT_MISUSED;
    }
    const char *argument_text = value.data;
    if (option->argument != NULL && argument_text == NULL) {
        if (*at + 1 >= argc) {
            complain("--%s needs an argument: %s", option->name, option->argument);
            return EXIT_MISUSED;
        }
        argument_text = argv[++*at];
    }
    arguments->values[arguments->value_count++] = (struct option_value){ option, argument_text };
    return -1;
}

/* Names the word that is missing, or the first that is too many. */
static int complain_of_words(const struct verb *verb, const struct arguments *arguments)
{
    const char *between = verb->words[0] == 0 ? "" : " ";
    struct str rest = str_from(verb->words), word = { 0 };
    if (arguments->word_count > verb->word_max) {
        complain("%s is one word too many; usage: %s %s%s%s [options]",
            arguments->words[verb->word_max], program, verb->name, between, verb->words);
        return EXIT_MISUSED;
    }
    for (int i = 0; i <= arguments->word_count; i++)
        str_split(&rest, ' ', &word);
    while (word.size > 0 && word.data[word.size - 1] == '.')
        word.size--;
    complain("%.*s is missing; usage: %s %s%s%s [options]", STR_PRINT(word), program, verb->name,
        between, verb->words);
    return EXIT_MISUSED;
}

int arguments_parse(const struct verb *verb, int argc, char **argv, struct arguments *out_arguments)
{
    *out_arguments = (struct arguments){ .verb = verb };
    out_arguments->values = memory_take((size_t)(argc + 1) * sizeof(struct option_value));
    out_arguments->words = memory_take((size_t)(argc + 1) * sizeof(const char *));
    bool options_ended = false;
    for (int at = 0; at < argc; at++) {
        if (!options_ended && str_is(str_from(argv[at]), "--")) {
            options_ended = true;
        } else if (!options_ended && argv[at][0] == '-' && argv[at][1] != 0) {
            int code = take_option(verb, argc, argv, &at, out_arguments);
            if (code >= 0)
                return code;
        } else {
            out_arguments->words[out_arguments->word_count++] = argv[at];
        }
    }
    if (out_arguments->word_count < verb->word_min || out_arguments->word_count > verb->word_max)
        return complain_of_words(verb, out_arguments);
    return -1;
}

void arguments_deinit(struct arguments *arguments)
{
    memory_give(arguments->values);
    memory_give(arguments->words);
    *arguments = (struct arguments){ 0 };
}

const char *argument_after(const struct arguments *arguments, const char *name, int *position)
{
    while (*position < arguments->value_count) {
        const struct option_value *value = &arguments->values[(*position)++];
        if (str_is(str_from(name), value->option->name))
            return value->text == NULL ? "" : value->text;
    }
    return NULL;
}

const char *argument(const struct arguments *arguments, const char *name)
{
    const char *last = NULL, *next;
    int position = 0;
    while ((next = argument_after(arguments, name, &position)) != NULL)
        last = next;
    return last;
}

bool argument_given(const struct arguments *arguments, const char *name)
{
    return argument(arguments, name) != NULL;
}

bool argument_number(const struct arguments *arguments, const char *name, int64_t low, int64_t high,
    int64_t *out_value)
{
    const char *text = argument(arguments, name);
    if (text == NULL)
        return true;
    int64_t value;
    if (!str_to_int64(str_from(text), &value) || value < low || value > high) {
        complain("--%s %s: it must be a whole number from %" PRId64 " to %" PRId64, name, text, low,
            high);
        return false;
    }
    *out_value = value;
    return true;
}
