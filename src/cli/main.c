/* SPDX-License-Identifier: Apache-2.0 */
/* One binary, a verb first. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cli/verb.h"

static const struct verb *const all_verbs[] = { server_verbs, storage_verbs, topic_verbs,
    produce_verbs, consume_verbs, group_verbs, group_reset_verbs, group_delete_offsets_verbs,
    log_verbs, health_verbs };
enum { VERB_TABLES = sizeof(all_verbs) / sizeof(all_verbs[0]) };

static void print_help(void)
{
    printf(
        "strom: an event-streaming broker that speaks Apache Kafka's protocol.\n\nusage: %s VERB "
        "[options]\n\nverbs:\n",
        program_name());
    for (int i = 0; i < VERB_TABLES; i++) {
        for (const struct verb *verb = all_verbs[i]; verb->name != NULL; verb++)
            printf("  %-20s %s\n", verb->name, verb->summary);
    }
    print_as_typed(stdout,
        "\n`strom VERB --help` tells more.\n\n"
        "begin here (the first stays, a node on localhost:9092 with its data in ./strom-data):\n"
        "  strom server\n"
        "  strom topic create hello --partitions 3\n"
        "  echo world | strom produce hello\n"
        "  strom consume hello --from beginning --until-end\n\n"
        "exit codes: 0 done, 1 refused or failed, 2 misused, 3 no node answers, 4 there is no "
        "such thing\n");
}

/* The words of argv that make up the verb's name, when they do. */
static int words_matched(const char *name, int argc, char **argv)
{
    struct str rest = str_from(name), word;
    int count = 0;
    while (str_split(&rest, ' ', &word)) {
        if (count + 1 >= argc || !str_is(word, argv[count + 1]))
            return 0;
        count++;
    }
    return count;
}

static const struct verb *find_verb(int argc, char **argv, int *out_words)
{
    for (int i = 0; i < VERB_TABLES; i++) {
        for (const struct verb *verb = all_verbs[i]; verb->name != NULL; verb++) {
            *out_words = words_matched(verb->name, argc, argv);
            if (*out_words > 0)
                return verb;
        }
    }
    return NULL;
}

static void print_parts(FILE *out, const char *name)
{
    for (int i = 0; i < VERB_TABLES; i++) {
        for (const struct verb *verb = all_verbs[i]; verb->name != NULL; verb++) {
            struct str part = str_from(verb->name), first;
            str_split(&part, ' ', &first);
            if (str_is(first, name))
                fprintf(out, "  %s %-20s %s\n", program_name(), verb->name, verb->summary);
        }
    }
}

/* The first word is a verb with parts, and the second is none of them. */
static int answer_without_part(int argc, char **argv)
{
    if (argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0)) {
        printf("usage: %s %s PART [options]\n\nparts:\n", program_name(), argv[1]);
        print_parts(stdout, argv[1]);
        printf("\n%s %s PART --help tells more.\n", program_name(), argv[1]);
        return EXIT_DONE;
    }
    if (argc > 2 && argv[2][0] != '-')
        complain("%s has no part %s; it has these:", argv[1], argv[2]);
    else
        complain("%s needs one of these:", argv[1]);
    print_parts(stderr, argv[1]);
    return EXIT_MISUSED;
}

/* No verb is named so. */
static int answer_without_verb(int argc, char **argv)
{
    struct str said = str_from(argv[1]), nearest = { 0 };
    int best = said.size / 2 + 1;
    bool has_parts = false;
    for (int i = 0; i < VERB_TABLES; i++) {
        for (const struct verb *verb = all_verbs[i]; verb->name != NULL; verb++) {
            struct str part = str_from(verb->name), first;
            str_split(&part, ' ', &first);
            has_parts |= str_equal(first, said);
            bool begins_so = said.size > 1 && str_starts(first, said);
            int distance = begins_so ? 0 : str_distance(first, said);
            if (distance < best) {
                best = distance;
                nearest = first;
            }
        }
    }
    if (has_parts)
        return answer_without_part(argc, argv);
    if (!str_is_null(nearest))
        complain("unknown verb %s; did you mean %s %.*s? See %s --help", argv[1], program_name(),
            STR_PRINT(nearest), program_name());
    else
        complain("unknown verb %s. See %s --help", argv[1], program_name());
    return EXIT_MISUSED;
}

int main(int argc, char **argv)
{
    if (argc > 0 && argv[0][0] != 0)
        program_named(argv[0]);
    if (argc < 2) {
        print_help();
        return EXIT_MISUSED;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_help();
        return EXIT_DONE;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
        puts("strom " STROM_VERSION);
        return EXIT_DONE;
    }
    int words;
    const struct verb *verb = find_verb(argc, argv, &words);
    if (verb == NULL)
        return answer_without_verb(argc, argv);
    struct arguments arguments;
    int code = arguments_parse(verb, argc - words - 1, argv + words + 1, &arguments);
    if (code < 0)
        code = verb->run(&arguments);
    arguments_deinit(&arguments);
    fflush(stdout);
    return code;
}
