/* SPDX-License-Identifier: Apache-2.0 */
/* A setting is one row: its name, its type, where its value lives, what is valid, what it is when
 * nobody says anything, and a sentence for people. One interpreter checks, fills and prints all of
 * them; messages about wrong values are worded as Kafka words them, because clients show them. */
#pragma once
#include <float.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

/* The C type of the field behind each. */
enum setting_type {
    SETTING_BOOL,     /* bool */
    SETTING_INT16,    /* int32_t */
    SETTING_INT32,    /* int32_t */
    SETTING_INT64,    /* int64_t */
    SETTING_DOUBLE,   /* double */
    SETTING_STRING,   /* struct str; null when unset */
    SETTING_LIST,     /* struct str with commas */
    SETTING_CLASS,    /* struct str */
    SETTING_PASSWORD, /* struct str; never printed */
    SETTING_CHOICE,   /* int32_t: the value of the chosen one */
    SETTING_CHOICES,  /* int32_t: the values of the chosen ones, or-ed */
};

enum setting_flag {
    SETTING_LIVE = 1,       /* may change while running, for the whole cluster or one broker */
    SETTING_PER_BROKER = 2, /* may change while running, for one broker only */
    SETTING_INTERNAL = 4,   /* not shown */
    SETTING_REQUIRED = 8,   /* Kafka has no default for it */
    SETTING_NOT_EMPTY = 16,
    SETTING_NOT_ZERO = 32,
    SETTING_ANY_CASE = 64,  /* choices are matched without regard to case */
    SETTING_DISTINCT = 128, /* a list that may hold nothing empty and nothing twice */
};

enum { SETTING_NOWHERE = -1 }; /* known, checked, and bound to no field */

struct setting_choice {
    const char *name; /* the last one has NULL */
    int32_t value;
};

/* Another setting that speaks when this one is silent, and what its value is multiplied by. */
struct setting_fallback {
    const char *name; /* the last one has NULL */
    int64_t factor;
};

struct setting {
    const char *name;
    enum setting_type type;
    int offset;        /* of the field, or SETTING_NOWHERE */
    const char *unset; /* the default as text; NULL: none */
    const char *doc;
    bool bounded;
    double min, max;
    const struct setting_choice *choices;
    const struct setting_fallback *fallbacks;
    unsigned flags;
};

#define SETTING_AT_LEAST(low) .bounded = true, .min = (low), .max = DBL_MAX
#define SETTING_BETWEEN(low, high) .bounded = true, .min = (low), .max = (high)

/* Checks the text, and puts the value into base's field when base is not NULL and the row is bound.
 * Texts are copied to the arena. False: *out_message says what is wrong, in Kafka's words. */
bool setting_parse(const struct setting *setting, struct str text, struct arena *arena, void *base,
    struct str *out_message);
bool setting_parse_unset(
    const struct setting *setting, struct arena *arena, void *base); /* false: has no default */

/* The value in base as text; null when it is null, is a password, or the row is bound to nothing.
 */
struct str setting_print(const struct setting *setting, const void *base, struct arena *arena);
/* What a list may not hold, in Kafka's words; null: nothing. Not part of setting_parse(): a topic
 * may name a thing twice, a running broker may not. */
struct str setting_list_fault(
    const struct setting *setting, struct str text, bool may_repeat, struct arena *arena);
/* A text that parses, as Kafka prints its value: without blanks, numbers in Java's form. */
struct str setting_normalize(const struct setting *setting, struct str text, struct arena *arena);
const char *setting_describe_valid(
    const struct setting *setting, struct arena *arena); /* "a whole number, at least 1" */
/* What is wrong with a text that was refused, and what would not be: "too large; it must be at most
 * 2147483647". */
const char *setting_describe_fault(
    const struct setting *setting, struct str text, struct arena *arena);

const struct setting *setting_find(
    const struct setting *settings, int count, struct str name); /* NULL: none */
/* The row whose name is nearest, close enough to be meant; NULL: none is. */
const struct setting *setting_nearest(const struct setting *settings, int count, struct str name);
