/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/reports.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/report.h"
#include "io/io.h"

static struct io *reports_io;
static enum reports_format reports_format;

static const char *const level_names[] = { "debug", "info", "warn", "error" };

static void print_time(char text[32])
{
    int64_t now_ms = io_wall_ms(reports_io);
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    size_t size = strftime(text, 32, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + size, 32 - size, ".%03dZ", (int)(now_ms % 1000));
}

/* Appends text to a line inside JSON quotes; what does not fit is left out. */
static size_t put_json(char *out, size_t at, size_t room, const char *text, size_t size)
{
    for (size_t i = 0; i < size && at + 8 < room; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            out[at++] = '\\';
        if (c < 0x20)
            at += (size_t)snprintf(out + at, room - at, "\\u%04x", c);
        else
            out[at++] = (char)c;
    }
    out[at] = 0;
    return at;
}

/* Reports are `key=value` pairs, then perhaps words. A pair's value ends at the blank before the next key. */
static const char *next_pair(const char *text, const char **out_equals)
{
    for (; *text != 0; text++) {
        const char *at = text;
        while (islower((unsigned char)*at) || *at == '_' || isdigit((unsigned char)*at))
            at++;
        if (at > text && *at == '=') {
            *out_equals = at;
            return text;
        }
        text = strchr(text, ' ');
        if (text == NULL)
            return NULL;
    }
    return NULL;
}

static void print_json(const char *when, enum report_level level, const char *event, const char *text)
{
    char line[4096];
    size_t at = (size_t)snprintf(line, sizeof(line), "{\"time\":\"%s\",\"level\":\"%s\",\"event\":\"%s\"", when,
                                 level_names[level], event);
    const char *equals, *pair = next_pair(text, &equals);
    while (pair != NULL && at + 64 < sizeof(line)) {
        const char *value = equals + 1, *next_equals, *after = strchr(value, ' ');
        const char *next = after == NULL ? NULL : next_pair(after + 1, &next_equals);
        size_t size = next == NULL ? strlen(value) : (size_t)(next - 1 - value);
        at += (size_t)snprintf(line + at, sizeof(line) - at, ",\"%.*s\":\"", (int)(equals - pair), pair);
        at = put_json(line, at, sizeof(line) - 4, value, size);
        line[at++] = '"';
        pair = next;
        equals = next_equals;
    }
    at += (size_t)snprintf(line + at, sizeof(line) - at, ",\"text\":\"");
    at = put_json(line, at, sizeof(line) - 4, text, strlen(text));
    fprintf(stderr, "%.*s\"}\n", (int)at, line);
}

static void print_report(enum report_level level, const char *event, const char *text)
{
    static const char *const padded[] = { "DEBUG", "INFO ", "WARN ", "ERROR" };
    char when[32];
    print_time(when);
    switch (reports_format) {
    case REPORTS_TEXT: fprintf(stderr, "%s %s %s %s\n", when, padded[level], event, text); break;
    case REPORTS_LOGFMT:
        fprintf(stderr, "time=%s level=%s event=%s %s\n", when, level_names[level], event, text);
        break;
    case REPORTS_JSON: print_json(when, level, event, text); break;
    }
}

void reports_install(struct io *io, enum reports_format format)
{
    reports_io = io;
    reports_format = format;
    report_set_sink(print_report);
}

void reports_remove(void)
{
    report_set_sink(NULL);
}
