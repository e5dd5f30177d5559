/* SPDX-License-Identifier: Apache-2.0 */
/* What a verb prints for people or for programs: rows of named cells, as a table or as JSON (`-o
 * table|json`). */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

struct arguments;

#define OUTPUT_OPTION                                                                              \
    {                                                                                              \
        "output", 'o', "table|json", "How to print. Default: table."                               \
    }

/* False after a complaint. */
bool output_wants_json(const struct arguments *arguments, bool *out_json);

/* Prints an array of objects: one line each under the names of the first one's keys, or as JSON.
 * Takes rows. */
void output_rows(json_t *rows, bool as_json);
void output_json(json_t *value); /* one document, indented; takes value */
