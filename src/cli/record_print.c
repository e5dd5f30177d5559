/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/record_print.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/record_json.h"
#include "cli/verb.h"

static const char *wrong_letter(const char *format)
{
    for (const char *at = format; *at != 0; at++) {
        if (*at == '%' && (at[1] == 0 || strchr("tpoTksh%", at[1]) == NULL))
            return at;
        if ((*at == '%' || *at == '\\') && at[1] != 0)
            at++;
    }
    return NULL;
}

bool record_printer_init(struct record_printer *printer, const struct arguments *arguments)
{
    const char *format = argument(arguments, "format"), *output = argument(arguments, "output");
    *printer = (struct record_printer){ .format = format == NULL ? "%s\\n" : format };
    if (output != NULL && strcmp(output, "json") != 0) {
        complain("--output %s: it must be json; for texts use --format", output);
        return false;
    }
    if (output != NULL && format != NULL) {
        complain("choose one of --format and --output json");
        return false;
    }
    const char *wrong = wrong_letter(printer->format);
    if (wrong != NULL) {
        complain("--format: %.2s is none of %%t %%p %%o %%T %%k %%s %%h %%%%", wrong);
        return false;
    }
    if (output != NULL)
        printer->format = NULL;
    arena_init(&printer->arena);
    return true;
}

void record_printer_deinit(struct record_printer *printer)
{
    arena_deinit(&printer->arena);
}

static void print_bytes(FILE *out, struct bytes bytes)
{
    if (bytes.data == NULL)
        fputs("NULL", out);
    for (size_t i = 0; i < bytes.size; i++)
        putc_unlocked(bytes.data[i], out);
}

static void print_headers(struct record_printer *printer, struct record *record)
{
    if (!record_headers(record, &printer->arena))
        return;
    for (int32_t i = 0; i < record->header_count; i++) {
        fprintf(printer->out, "%s%.*s=", i == 0 ? "" : ",", STR_PRINT(record->headers[i].key));
        print_bytes(printer->out, record->headers[i].value);
    }
}

static void print_letter(struct record_printer *printer, char letter, struct record *record,
    struct str topic, int32_t partition)
{
    switch (letter) {
    case 't':
        fprintf(printer->out, "%.*s", STR_PRINT(topic));
        break;
    case 'p':
        fprintf(printer->out, "%" PRId32, partition);
        break;
    case 'o':
        fprintf(printer->out, "%" PRId64, record->offset);
        break;
    case 'T':
        fprintf(printer->out, "%" PRId64, record->timestamp);
        break;
    case 'k':
        print_bytes(printer->out, record->key);
        break;
    case 's':
        print_bytes(printer->out, record->value);
        break;
    case 'h':
        print_headers(printer, record);
        break;
    default:
        putc(letter, printer->out);
    }
}

static char unescaped(char letter)
{
    return letter == 'n' ? '\n' : letter == 't' ? '\t' : letter == 'r' ? '\r' : letter;
}

void record_print(
    struct record_printer *printer, struct record *record, struct str topic, int32_t partition)
{
    arena_reset(&printer->arena);
    if (printer->format == NULL) {
        json_t *line = record_to_json(record, topic, partition, &printer->arena);
        char *text = json_dumps(line, JSON_COMPACT);
        fprintf(printer->out, "%s\n", text);
        memory_give(text);
        json_decref(line);
        return;
    }
    for (const char *at = printer->format; *at != 0; at++) {
        if (*at == '%')
            print_letter(printer, *++at, record, topic, partition);
        else if (*at == '\\' && at[1] != 0)
            putc(unescaped(*++at), printer->out);
        else
            putc(*at, printer->out);
    }
}
