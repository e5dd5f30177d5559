/* SPDX-License-Identifier: Apache-2.0 */
#include "check/history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const phase_names[] = { "invoke", "ok", "fail", "info", NULL };
static const char *const operation_names[] = { "send", "poll", "assign", "subscribe", "seek",
    "delete", "drain", "watermark", "power", "rot", "set", "get", "commit", "committed", "own", "disown",
    NULL };
static const char *const acks_names[] = { "-", "0", "1", "all", NULL };
static const char *const durability_names[] = { "-", "disk", "page-cache", NULL };
enum { ACKS_ALL = 3, DURABILITY_PAGE_CACHE = 2, COLUMNS = 9 };

_Noreturn void history_refuse(const struct history *history, const char *why)
{
    fprintf(stderr, "line %lld: %s\n", (long long)history->line_count, why);
    exit(2);
}

void history_open(struct history *history, FILE *file)
{
    *history = (struct history){ .file = file };
}

void history_close(struct history *history)
{
    free(history->text); /* getline took it */
    names_deinit(&history->keys);
    names_deinit(&history->processes);
}

static int choose(const struct history *history, const char *const *names, const char *text)
{
    for (int i = 0; names[i] != NULL; i++)
        if (strcmp(names[i], text) == 0)
            return i;
    history_refuse(history, "a word that this column does not know");
}

static int64_t number(
    const struct history *history, const char *text, int64_t least, int64_t when_absent)
{
    char *end;
    if (strcmp(text, "-") == 0)
        return when_absent;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < least)
        history_refuse(history, "not a number that can stand in this column");
    return value;
}

static void split(const struct history *history, char *text, char *columns[COLUMNS])
{
    for (int i = 0; i < COLUMNS; i++) {
        columns[i] = text;
        text = strchr(text, i + 1 < COLUMNS ? ' ' : '\n');
        if (text == NULL)
            history_refuse(
                history, i + 1 < COLUMNS ? "fewer than nine columns" : "the last line has no end");
        if (text == columns[i])
            history_refuse(history, "an empty column");
        *text++ = '\0';
    }
}

/* What an operation cannot do without. */
static void demand(const struct history *history, const struct line *line, bool is_list)
{
    bool is_poll = line->operation == OPERATION_POLL;
    if (line->key == NO_KEY ? !is_poll && !is_list && line->operation != OPERATION_POWER
                            : is_poll && line->offset == NO_OFFSET)
        history_refuse(history, "the key or the offset is missing");
    if ((line->operation == OPERATION_DELETE || line->operation == OPERATION_ROT) && line->offset == NO_OFFSET)
        history_refuse(history, "the offset is missing");
    if (line->operation == OPERATION_SEND && line->value == NO_VALUE)
        history_refuse(history, "the value is missing");
}

bool history_next(struct history *history, struct line *out_line)
{
    char *columns[COLUMNS];
    do {
        if (getline(&history->text, &history->capacity, history->file) < 0) {
            if (ferror(history->file))
                history_refuse(history, "what follows cannot be read");
            if (history->line_count == 0)
                history_refuse(history, "there is nothing in it");
            return false;
        }
        history->line_count++;
    } while (history->text[0] == '#');
    split(history, history->text, columns);
    number(history, columns[0], 0, 0);
    int acks = choose(history, acks_names, columns[7]);
    int durability = choose(history, durability_names, columns[8]);
    *out_line = (struct line){ .number = history->line_count,
        .process = names_number(&history->processes, columns[1]),
        .phase = (enum phase)choose(history, phase_names, columns[2]),
        .operation = (enum operation)choose(history, operation_names, columns[3]),
        .key = NO_KEY,
        .key_text = columns[4],
        .value =
            strcmp(columns[5], "?") == 0 ? DAMAGED_VALUE : number(history, columns[5], 1, NO_VALUE),
        .offset = number(history, columns[6], 0, NO_OFFSET),
        .is_volatile = durability == DURABILITY_PAGE_CACHE };
    out_line->promises = acks == ACKS_ALL && !out_line->is_volatile;
    bool is_list =
        out_line->operation == OPERATION_ASSIGN || out_line->operation == OPERATION_SUBSCRIBE;
    if (!is_list && strcmp(columns[4], "-") != 0)
        out_line->key = names_number(&history->keys, columns[4]);
    demand(history, out_line, is_list);
    if (out_line->operation == OPERATION_SEND && out_line->phase == PHASE_INVOKE &&
        (acks == 0 || durability == 0))
        history_refuse(history, "acks or durability is missing");
    return true;
}
