/* SPDX-License-Identifier: Apache-2.0 */
/* Java properties: `key=value` lines with their escapes and continued lines, as server.properties
 * and meta.properties are written. A key stands once; a later line replaces the value, as in Java.
 * Texts are UTF-8 and live as long as the properties do. */
#pragma once
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

struct property {
    struct str key;
    struct str value; /* never null */
    int line;         /* where it was read, from 1; 0 when set by hand */
    int earlier_line; /* where a value stood that this one replaced; 0: nowhere */
};

struct properties {
    struct arena arena;
    struct property *items; /* in order of first appearance */
    int count, capacity;
};

void properties_init(struct properties *properties);
void properties_deinit(struct properties *properties);

/* Adds what the text says. 0, or the number of the first line that is malformed (a wrong \uXXXX, a
 * zero byte). */
int properties_parse(struct properties *properties, struct str text);
void properties_set(struct properties *properties, struct str key, struct str value, int line);

const struct property *properties_find(
    const struct properties *properties, struct str key); /* NULL: not there */
struct str properties_get(
    const struct properties *properties, struct str key); /* null: not there */

/* The text of all properties, one line each, escaped; from the arena. */
struct str properties_write(const struct properties *properties, struct arena *arena);
