/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of a recorded history (tests/sim/HISTORY), read one after the other. Names become small
 * numbers in order of appearance. With a line that is none the history is refused, and ends there: a
 * broken recorder must not pass for a clean run. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "check/names.h"

enum phase { PHASE_INVOKE, PHASE_OK, PHASE_FAIL, PHASE_INFO };

enum operation {
    OPERATION_SEND,
    OPERATION_POLL,
    OPERATION_ASSIGN,
    OPERATION_SUBSCRIBE,
    OPERATION_SEEK,
    OPERATION_DELETE,
    OPERATION_DRAIN,
    OPERATION_WATERMARK,
    OPERATION_POWER,
    OPERATION_ROT,
    OPERATION_SET,
    OPERATION_GET,
    OPERATION_COMMIT,
    OPERATION_COMMITTED,
    OPERATION_OWN,
    OPERATION_DISOWN,
};

enum { NO_KEY = -1, NO_OFFSET = -1, NO_VALUE = 0, DAMAGED_VALUE = -1 };

struct line {
    int64_t number; /* from 1 */
    enum phase phase;
    enum operation operation;
    int32_t process;
    int32_t key;          /* NO_KEY: none, or a list */
    const char *key_text; /* until the next line */
    int64_t value;        /* NO_VALUE, or DAMAGED_VALUE for ? */
    int64_t offset;
    bool promises;    /* send: acks=all on disk, which outlives a power cut */
    bool is_volatile; /* send: the topic's durability is page-cache */
};

bool line_is_write(const struct line *line); /* of a value, or of absence */

struct history {
    FILE *file; /* the caller's */
    char *text;
    size_t capacity;
    int64_t line_count;
    bool has_lines;      /* besides remarks */
    const char *refused; /* why the line read last is none of a history; NULL: it is one */
    struct names keys, processes;
};

void history_open(struct history *history, FILE *file);
bool history_next(struct history *history, struct line *out_line); /* false: at the end, or refused */

/* The line read last does not follow from those before it. There is no next one. */
void history_refuse(struct history *history, const char *why);
void history_close(struct history *history);
