/* SPDX-License-Identifier: Apache-2.0 */
/* A verb is one thing that the command line does: its options, its help, its function. Options may
 * stand anywhere, as `--name value` or `--name=value`; `--` ends them. Exit codes are for scripts
 * and mean the same everywhere. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum exit_code {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,      /* it was tried, and refused or failed */
    EXIT_MISUSED = 2,     /* the command line or a file of settings is wrong; nothing was tried */
    EXIT_UNREACHABLE = 3, /* no node answers there */
    EXIT_ABSENT = 4,      /* what was asked for does not exist */
};

struct option {
    const char *name;     /* the last one has NULL */
    char letter;          /* 0: none */
    const char *argument; /* what --help calls it; NULL: a switch */
    const char *doc;
};

struct option_value {
    const struct option *option;
    const char *text; /* NULL for a switch */
};

/* What stood on a command line, checked against the verb's options. Texts are argv's. */
struct arguments {
    const struct verb *verb;
    struct option_value *values;
    int value_count;
    const char **words; /* what is no option */
    int word_count;
};

struct verb {
    const char *name;  /* "topic create"; the last one has NULL */
    const char *words; /* "NAME"; "" when it takes none */
    int word_min, word_max;
    const char *summary;          /* one line */
    const char *detail;           /* paragraphs and examples for --help; may be NULL */
    const struct option *options; /* may be NULL */
    int (*run)(const struct arguments *arguments); /* enum exit_code */
};

/* -1: run the verb; else the exit code, after help or complaint was printed. argv begins behind the
 * verb's name. */
int arguments_parse(
    const struct verb *verb, int argc, char **argv, struct arguments *out_arguments);
void arguments_deinit(struct arguments *arguments);

const char *argument(
    const struct arguments *arguments, const char *name); /* the last one; NULL: not there */
bool argument_given(const struct arguments *arguments, const char *name);
const char *argument_after(
    const struct arguments *arguments, const char *name, int *position); /* the next; starts at 0 */

/* False after a complaint: not a whole number between low and high. Absent: *out_value stays. */
bool argument_number(const struct arguments *arguments, const char *name, int64_t low, int64_t high,
    int64_t *out_value);
void complain(const char *format, ...)
    __attribute__((format(printf, 1, 2))); /* "strom: ..." on standard error */
void verb_help(const struct verb *verb);

/* The name that a person typed to start this program, which works again from where they stand;
 * "strom" until main tells it. Texts for people say `strom VERB`; printed with that name. */
void program_named(const char *path);
const char *program_name(void);
void print_as_typed(FILE *out, const char *text);

extern const struct verb server_verbs[], storage_verbs[], topic_verbs[], produce_verbs[],
    consume_verbs[], group_verbs[], group_reset_verbs[], group_delete_offsets_verbs[],
    log_verbs[], health_verbs[];
