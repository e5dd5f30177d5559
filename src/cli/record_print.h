/* SPDX-License-Identifier: Apache-2.0 */
/* Prints records in a format of % letters or as lines of JSON. */
#pragma once
#include <stdio.h>

#include "base/arena.h"
#include "wire/record.h"

struct arguments;

struct record_printer {
    FILE *out;          /* the owner sets it before the first record */
    const char *format; /* NULL: JSON */
    struct arena arena; /* for one record */
};

/* From --format and --output; false after a complaint, with nothing to deinit. */
bool record_printer_init(struct record_printer *printer, const struct arguments *arguments);
void record_printer_deinit(struct record_printer *printer);
void record_print(
    struct record_printer *printer, struct record *record, struct str topic, int32_t partition);
