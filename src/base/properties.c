/* SPDX-License-Identifier: Apache-2.0 */
#include "base/properties.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/memory.h"

void properties_init(struct properties *properties)
{
    *properties = (struct properties){ 0 };
    arena_init(&properties->arena);
}

void properties_deinit(struct properties *properties)
{
    memory_give(properties->items);
    arena_deinit(&properties->arena);
    *properties = (struct properties){ 0 };
}

const struct property *properties_find(const struct properties *properties, struct str key)
{
    for (int i = 0; i < properties->count; i++) {
        if (str_equal(properties->items[i].key, key))
            return &properties->items[i];
    }
    return NULL;
}

struct str properties_get(const struct properties *properties, struct str key)
{
    const struct property *property = properties_find(properties, key);
    return property == NULL ? (struct str){ 0 } : property->value;
}

void properties_set(struct properties *properties, struct str key, struct str value, int line)
{
    assert(key.data != NULL);
    assert(value.data != NULL);
    struct property *property = (struct property *)properties_find(properties, key);
    if (property == NULL) {
        if (properties->count == properties->capacity) {
            properties->capacity = properties->capacity == 0 ? 32 : properties->capacity * 2;
            properties->items =
                memory_resize(properties->items, (size_t)properties->capacity * sizeof(*property));
        }
        property = &properties->items[properties->count++];
        *property = (struct property){ .key = str_copy(&properties->arena, key) };
    }
    property->earlier_line = property->line;
    property->value = str_copy(&properties->arena, value);
    property->line = line;
}

/* Reading. A logical line is joined from natural lines first, still escaped; then it is split and
 * unescaped. */

struct reader {
    const char *at, *end;
    int line; /* of the next character */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\f';
}

static bool is_newline(char c)
{
    return c == '\n' || c == '\r';
}

static void skip_blanks(struct reader *reader)
{
    while (reader->at < reader->end && is_blank(*reader->at))
        reader->at++;
}

static void skip_newline(struct reader *reader)
{
    if (reader->at == reader->end)
        return;
    if (*reader->at == '\r' && reader->end - reader->at > 1 && reader->at[1] == '\n')
        reader->at++;
    reader->at++;
    reader->line++;
}

/* Joins continued lines into out; false when there is no further line that holds something. */
static bool read_logical_line(struct reader *reader, char *out, int32_t *out_size, int *out_line)
{
    *out_size = 0;
    for (;;) {
        skip_blanks(reader);
        if (reader->at == reader->end)
            return false;
        if (*reader->at == '#' || *reader->at == '!') {
            while (reader->at < reader->end && !is_newline(*reader->at))
                reader->at++;
        }
        if (reader->at < reader->end && !is_newline(*reader->at))
            break;
        skip_newline(reader);
    }
    *out_line = reader->line;
    while (reader->at < reader->end && !is_newline(*reader->at)) {
        if (*reader->at != '\\') {
            out[(*out_size)++] = *reader->at++;
            continue;
        }
        reader->at++;
        if (reader->at == reader->end)
            return true; /* a lone backslash at the end of the file says nothing */
        if (is_newline(*reader->at)) {
            skip_newline(reader);
            skip_blanks(reader);
            continue;
        }
        out[(*out_size)++] = '\\';
        out[(*out_size)++] = *reader->at++;
    }
    skip_newline(reader);
    return true;
}

/* Where the key ends: the first separator that no backslash protects. */
static int32_t key_end(struct str line)
{
    for (int32_t i = 0; i < line.size; i++) {
        char c = line.data[i];
        if (c == '\\')
            i++;
        else if (c == '=' || c == ':' || is_blank(c))
            return i;
    }
    return line.size;
}

static int32_t value_start(struct str line, int32_t at)
{
    bool seen_separator = false;
    for (; at < line.size; at++) {
        char c = line.data[at];
        if (is_blank(c))
            continue;
        if ((c != '=' && c != ':') || seen_separator)
            break;
        seen_separator = true;
    }
    return at;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The UTF-16 unit after `\u`, or -1. */
static int32_t read_unit(struct str text, int32_t at)
{
    if (text.size - at < 4)
        return -1;
    int32_t unit = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(text.data[at + i]);
        if (digit < 0)
            return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

static int32_t put_utf8(char *out, uint32_t code)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/* Unescapes `\uXXXX` at *at (just after the u), a pair of surrogates as one character. */
static bool unescape_unit(struct str text, int32_t *at, char *out, int32_t *size)
{
    int32_t unit = read_unit(text, *at);
    if (unit <= 0)
        return false;
    *at += 4;
    uint32_t code = (uint32_t)unit;
    if (unit >= 0xd800 && unit < 0xdc00 && text.size - *at >= 6 && text.data[*at] == '\\' &&
        text.data[*at + 1] == 'u') {
        int32_t low = read_unit(text, *at + 2);
        if (low >= 0xdc00 && low < 0xe000) {
            code = 0x10000 + ((uint32_t)(unit - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
            *at += 6;
        }
    }
    *size += put_utf8(out + *size, code);
    return true;
}

/* Unescaped text is never longer than escaped. */
static bool unescape(struct str text, char *out, struct str *out_text)
{
    int32_t size = 0;
    for (int32_t at = 0; at < text.size;) {
        char c = text.data[at++];
        if (c == 0)
            return false;
        if (c != '\\' || at == text.size) {
            out[size++] = c;
            continue;
        }
        c = text.data[at++];
        switch (c) {
        case 't':
            out[size++] = '\t';
            break;
        case 'n':
            out[size++] = '\n';
            break;
        case 'r':
            out[size++] = '\r';
            break;
        case 'f':
            out[size++] = '\f';
            break;
        case 'u':
            if (!unescape_unit(text, &at, out, &size))
                return false;
            break;
        default:
            out[size++] = c;
        }
    }
    *out_text = (struct str){ out, size };
    return true;
}

int properties_parse(struct properties *properties, struct str text)
{
    struct reader reader = { text.data, text.data + text.size, 1 };
    char *line = memory_take_raw((size_t)text.size + 1);
    char *key_text = memory_take_raw((size_t)text.size + 1);
    char *value_text = memory_take_raw((size_t)text.size + 1);
    int wrong_line = 0;
    int32_t size;
    int number;

    while (read_logical_line(&reader, line, &size, &number)) {
        struct str whole = { line, size };
        int32_t end = key_end(whole);
        int32_t start = value_start(whole, end);
        struct str key, value;
        if (!unescape((struct str){ line, end }, key_text, &key) ||
            !unescape((struct str){ line + start, size - start }, value_text, &value)) {
            wrong_line = number;
            break;
        }
        properties_set(properties, key, value, number);
    }
    memory_give(value_text);
    memory_give(key_text);
    memory_give(line);
    return wrong_line;
}

/* Writing, as Java's store() escapes. */

static uint32_t take_utf8(const char **at, const char *end)
{
    uint8_t lead = (uint8_t) * (*at)++;
    int more = lead < 0xc0 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    uint32_t code = more == 0 ? lead : lead & (0x3fu >> more);
    for (; more > 0 && *at < end; more--)
        code = code << 6 | ((uint8_t) * (*at)++ & 0x3f);
    return code;
}

static char *put_escaped(char *out, struct str text, bool is_key)
{
    const char *at = text.data, *end = text.data + text.size;
    while (at < end) {
        bool first = at == text.data;
        uint32_t code = take_utf8(&at, end);
        const char *known = code < 0x80 && code != 0 ? strchr("\tt\nn\rr\ff", (int)code) : NULL;
        if (known != NULL && code < 0x20) {
            *out++ = '\\';
            *out++ = known[1];
        } else if (code < 0x20 || code > 0x7e) {
            if (code >= 0x10000) {
                out +=
                    snprintf(out, sizeof "\\uFFFF", "\\u%04X", 0xd800 + ((code - 0x10000) >> 10));
                code = 0xdc00 + ((code - 0x10000) & 0x3ff);
            }
            out += snprintf(out, sizeof "\\uFFFF", "\\u%04X", code);
        } else {
            if (strchr("=:#!\\", (int)code) != NULL || (code == ' ' && (is_key || first)))
                *out++ = '\\';
            *out++ = (char)code;
        }
    }
    return out;
}

struct str properties_write(const struct properties *properties, struct arena *arena)
{
    size_t most = 1;
    for (int i = 0; i < properties->count; i++)
        most += 6 * (size_t)(properties->items[i].key.size + properties->items[i].value.size) + 2;

    char *text = arena_take(arena, most), *at = text;
    for (int i = 0; i < properties->count; i++) {
        at = put_escaped(at, properties->items[i].key, true);
        *at++ = '=';
        at = put_escaped(at, properties->items[i].value, false);
        *at++ = '\n';
    }
    assert((size_t)(at - text) < most);
    return (struct str){ text, (int32_t)(at - text) };
}
