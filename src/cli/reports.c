/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/reports.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/report.h"
#include "base/str.h"
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

/* Reports are `key=value` pairs and words for people. A value ends at a blank, or, quoted, at its
 * quote. */
struct pair {
    const char *key, *value;
    size_t key_size, value_size;
};

/* Takes one pair or one word (key_size 0) off *rest; false at the end. */
static bool take_pair(const char **rest, struct pair *out)
{
    const char *at = *rest + strspn(*rest, " ");
    *out = (struct pair){ .key = at };
    if (*at == 0)
        return false;
    while (islower((unsigned char)*at) || isdigit((unsigned char)*at) || *at == '_')
        at++;
    bool is_pair = at > out->key && *at == '=';
    if (is_pair)
        out->key_size = (size_t)(at++ - out->key);
    else
        at = out->key;
    bool is_quoted = is_pair && *at == '"';
    out->value = is_quoted ? at + 1 : at;
    out->value_size = strcspn(out->value, is_quoted ? "\"" : " ");
    *rest = out->value + out->value_size + (is_quoted && out->value[out->value_size] == '"');
    return true;
}

/* Everything that is no pair, with blanks between. */
static void gather_words(const char *text, char *out, size_t room)
{
    struct pair pair;
    size_t size = 0;
    out[0] = 0;
    while (take_pair(&text, &pair) && size < room) {
        if (pair.key_size == 0)
            size += (size_t)snprintf(out + size, room - size, "%s%.*s", size == 0 ? "" : " ",
                (int)pair.value_size, pair.value);
    }
}

static size_t put_member(char *line, size_t at, size_t room, const char *key, size_t key_size,
    const char *value, size_t value_size)
{
    at += (size_t)snprintf(line + at, room - at, ",\"%.*s\":\"", (int)key_size, key);
    at = put_json(line, at, room - 8, value, value_size);
    line[at++] = '"';
    return at;
}

static void print_json(
    const char *when, enum report_level level, const char *event, const char *text)
{
    char line[8192], words[2048];
    const char *rest = text;
    struct pair pair;
    size_t at = (size_t)snprintf(line, sizeof(line),
        "{\"time\":\"%s\",\"level\":\"%s\",\"event\":\"%s\"", when, level_names[level], event);
    while (take_pair(&rest, &pair)) {
        if (pair.key_size > 0 && at + pair.key_size + 128 < sizeof(line))
            at = put_member(
                line, at, sizeof(line), pair.key, pair.key_size, pair.value, pair.value_size);
    }
    gather_words(text, words, sizeof(words));
    if (words[0] != 0 && at + 128 < sizeof(line))
        at = put_member(line, at, sizeof(line), "text", 4, words, strlen(words));
    fprintf(stderr, "%.*s}\n", (int)at, line);
}

static void print_logfmt(
    const char *when, enum report_level level, const char *event, const char *text)
{
    char line[8192], words[2048];
    const char *rest = text;
    struct pair pair;
    size_t at = (size_t)snprintf(
        line, sizeof(line), "time=%s level=%s event=%s", when, level_names[level], event);
    while (take_pair(&rest, &pair)) {
        const char *quote =
            memchr(pair.value, ' ', pair.value_size) != NULL || pair.value_size == 0 ? "\"" : "";
        if (pair.key_size > 0 && at + pair.key_size + pair.value_size + 8 < sizeof(line))
            at += (size_t)snprintf(line + at, sizeof(line) - at, " %.*s=%s%.*s%s",
                (int)pair.key_size, pair.key, quote, (int)pair.value_size, pair.value, quote);
    }
    gather_words(text, words, sizeof(words));
    if (words[0] != 0)
        fprintf(stderr, "%s text=\"%s\"\n", line, words);
    else
        fprintf(stderr, "%s\n", line);
}

/* Names that peers chose stand in reports: they may neither begin a line of their own nor break an
 * encoding. */
static void clean(char *out, size_t room, const char *text)
{
    size_t size = 0;
    bool is_utf8 = str_is_utf8(str_from(text));
    for (; *text != 0 && size + 1 < room; text++) {
        unsigned char c = (unsigned char)*text;
        out[size++] = c < 0x20 || c == 0x7f || (c >= 0x80 && !is_utf8) ? '?' : *text;
    }
    out[size] = 0;
}

static void print_report(enum report_level level, const char *event, const char *said)
{
    static const char *const padded[] = { "DEBUG", "INFO ", "WARN ", "ERROR" };
    char when[32], text[2048];
    print_time(when);
    clean(text, sizeof(text), said);
    switch (reports_format) {
    case REPORTS_TEXT:
        fprintf(stderr, "%s %s %s %s\n", when, padded[level], event, text);
        break;
    case REPORTS_LOGFMT:
        print_logfmt(when, level, event, text);
        break;
    case REPORTS_JSON:
        print_json(when, level, event, text);
        break;
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
