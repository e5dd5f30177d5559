/* SPDX-License-Identifier: Apache-2.0 */
/* Writes down what the clients of a simulated run did and saw (tests/sim/HISTORY), and has it judged at the end. A record is
 * known by its number, and its bytes follow from the number. What needs no history to be seen wrong is violated at once: told
 * with a name on standard error. */
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/bytes.h"

struct sim;

struct event {
    const char *process, *phase, *name, *key;
    int64_t value, offset;
    const char *acks, *durability; /* NULL, as the key: nothing */
};

/* Somebody who hears of each line when it is written. */
struct recorder_watch {
    void (*noted)(struct recorder_watch *watch, const struct event *event);
};

struct recorder {
    struct sim *sim;
    struct recorder_watch *watch; /* NULL: none */
    FILE *lines;
    char *text;
    size_t size;
    int64_t value_count;
    int64_t acked_count, seen_count;
    int told_count;
    int lives; /* of the node, so far */
    bool expects_damage; /* the node's disk decayed: a client may meet a batch that its checksum tells apart */
    int damaged_life;    /* the last in which it had */
    const char *fallen; /* what fell first; NULL: nothing did */
};

enum { VALUE_MOST = 700, VALUE_NONE = 0, VALUE_DAMAGED = -1, OFFSET_NONE = -1 };

void recorder_init(struct recorder *recorder, struct sim *sim);
void recorder_deinit(struct recorder *recorder);
void recorder_expect_damage(struct recorder *recorder, bool expects);

int64_t recorder_value(struct recorder *recorder);                      /* a number that was never used */
size_t recorder_bytes(int64_t value, uint8_t bytes[VALUE_MOST]);        /* their size */
int64_t recorder_value_of(const struct recorder *recorder, struct bytes bytes); /* VALUE_DAMAGED: of none */

void recorder_note(struct recorder *recorder, const struct event *event);
void recorder_violate(struct recorder *recorder, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for an invariant of the node (sim/invariants.h). */
void recorder_fall(struct recorder *recorder, const char *name, const char *format, va_list arguments);

/* After the last line. path NULL: the history is not kept. */
void recorder_judge(struct recorder *recorder, const char *path);
