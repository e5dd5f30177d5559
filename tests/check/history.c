/* SPDX-License-Identifier: Apache-2.0 */
#include "check/history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const phase_names[] = { "invoke", "ok", "fail", "info", NULL };
static const char *const operation_names[] = { "send", "poll", "assign", "subscribe", "seek",
    "delete", "drain", "watermark", "power", "rot", "set", "get", "commit", "committed", "own", "disown",
    NULL };

enum {
    INVOKE = 1 << PHASE_INVOKE,
    OK = 1 << PHASE_OK,
    FAIL = 1 << PHASE_FAIL,
    INFO = 1 << PHASE_INFO,
    ALL = INVOKE | OK | FAIL | INFO,
    NEVER = 0
};

/* The phases that an operation has, and those that need the column. */
static const struct form {
    uint8_t phases, key, value, offset;
} forms[] = {
    [OPERATION_SEND] = { ALL, ALL, ALL, NEVER },
    [OPERATION_POLL] = { INVOKE | OK | INFO, NEVER, NEVER, NEVER },
    [OPERATION_ASSIGN] = { OK, NEVER, NEVER, NEVER },
    [OPERATION_SUBSCRIBE] = { OK, NEVER, NEVER, NEVER },
    [OPERATION_SEEK] = { OK, ALL, NEVER, NEVER },
    [OPERATION_DELETE] = { ALL, ALL, NEVER, ALL },
    [OPERATION_DRAIN] = { INVOKE | OK, ALL, NEVER, NEVER },
    [OPERATION_WATERMARK] = { INVOKE | OK, ALL, NEVER, OK },
    [OPERATION_POWER] = { INFO, NEVER, NEVER, NEVER },
    [OPERATION_ROT] = { INFO, ALL, NEVER, ALL },
    [OPERATION_SET] = { ALL, ALL, NEVER, NEVER },
    [OPERATION_GET] = { ALL, ALL, NEVER, NEVER },
    [OPERATION_COMMIT] = { ALL, ALL, NEVER, NEVER },
    [OPERATION_COMMITTED] = { ALL, ALL, NEVER, NEVER },
    [OPERATION_OWN] = { OK, ALL, NEVER, NEVER },
    [OPERATION_DISOWN] = { ALL, ALL, NEVER, NEVER },
};
static const char *const acks_names[] = { "-", "0", "1", "all", NULL };
static const char *const durability_names[] = { "-", "disk", "page-cache", NULL };
enum { ACKS_ALL = 3, DURABILITY_PAGE_CACHE = 2, COLUMNS = 9 };

void history_refuse(struct history *history, const char *why)
{
    if (history->refused == NULL)
        history->refused = why;
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

/* The place of the word among the names; 0 when it is refused. */
static int choose(struct history *history, const char *const *names, const char *text)
{
    for (int i = 0; names[i] != NULL; i++)
        if (strcmp(names[i], text) == 0)
            return i;
    history_refuse(history, "a word that this column does not know");
    return 0;
}

static int64_t number(
    struct history *history, const char *text, int64_t least, int64_t when_absent)
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

/* False: it is refused. */
static bool split(struct history *history, char *text, char *columns[COLUMNS])
{
    for (int i = 0; i < COLUMNS; i++) {
        columns[i] = text;
        text = strchr(text, i + 1 < COLUMNS ? ' ' : '\n');
        if (text == NULL)
            history_refuse(
                history, i + 1 < COLUMNS ? "fewer than nine columns" : "the last line has no end");
        else if (text == columns[i])
            history_refuse(history, "an empty column");
        if (history->refused != NULL)
            return false;
        *text++ = '\0';
    }
    return true;
}

bool line_is_write(const struct line *line)
{
    return line->operation == OPERATION_SEND || line->operation == OPERATION_SET ||
           line->operation == OPERATION_COMMIT;
}

/* What an operation cannot do without, and what it cannot have. */
static void demand(struct history *history, const struct line *line, bool has_acks)
{
    const struct form *form = &forms[line->operation];
    int phase = 1 << line->phase;
    bool is_record = line->operation == OPERATION_POLL && line->phase != PHASE_INVOKE;
    if ((form->phases & phase) == 0)
        history_refuse(history, "a type that the operation does not have");
    if ((form->key & phase) != 0 && line->key == NO_KEY)
        history_refuse(history, "the key is missing");
    if ((form->value & phase) != 0 && line->value == NO_VALUE)
        history_refuse(history, "the value is missing");
    if ((form->offset & phase) != 0 && line->offset == NO_OFFSET)
        history_refuse(history, "the offset is missing");
    if (is_record && ((line->key == NO_KEY) != (line->value == NO_VALUE) ||
                         (line->key == NO_KEY) != (line->offset == NO_OFFSET)))
        history_refuse(history, "a record has a key, a value and an offset");
    if ((is_record || line->operation == OPERATION_SEND) && line->offset == INT64_MAX)
        history_refuse(history, "a log ends behind each of its records");
    if (line->operation == OPERATION_POWER && line->key != NO_KEY)
        history_refuse(history, "a power cut has no key");
    if (line_is_write(line) && line->value == DAMAGED_VALUE)
        history_refuse(history, "only a reader does not know a value");
    if (line->operation == OPERATION_SEND && line->phase == PHASE_INVOKE && !has_acks)
        history_refuse(history, "acks or durability is missing");
}

static bool read_line(struct history *history)
{
    do {
        if (getline(&history->text, &history->capacity, history->file) < 0) {
            if (ferror(history->file))
                history_refuse(history, "what follows cannot be read");
            else if (!history->has_lines)
                history_refuse(history, "there is nothing in it");
            return false;
        }
        history->line_count++;
    } while (history->text[0] == '#');
    history->has_lines = true;
    return true;
}

bool history_next(struct history *history, struct line *out_line)
{
    char *columns[COLUMNS];
    if (history->refused != NULL || !read_line(history) || !split(history, history->text, columns))
        return false;
    number(history, columns[0], 0, 0);
    if (strcmp(columns[1], "-") == 0)
        history_refuse(history, "the process is missing");
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
    demand(history, out_line, acks != 0 && durability != 0);
    return history->refused == NULL;
}
