/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/output.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/verb.h"

bool output_wants_json(const struct arguments *arguments, bool *out_json)
{
    const char *format = argument(arguments, "output");
    *out_json = format != NULL && strcmp(format, "json") == 0;
    if (format == NULL || *out_json || strcmp(format, "table") == 0)
        return true;
    complain("--output %s: it must be table or json", format);
    return false;
}

void output_json(json_t *value)
{
    char *text = json_dumps(value, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    puts(text);
    memory_give(text);
    json_decref(value);
}

/* A cell as text, owned by the caller; arrays with commas between their elements. */
static char *cell_text(const json_t *cell)
{
    if (cell == NULL || json_is_null(cell))
        return memory_copy_text("-");
    if (json_is_string(cell))
        return memory_copy_text(json_string_value(cell));
    if (!json_is_array(cell))
        return json_dumps(cell, JSON_ENCODE_ANY | JSON_COMPACT);
    char *text = memory_copy_text("");
    for (size_t i = 0; i < json_array_size(cell); i++) {
        char *element = cell_text(json_array_get(cell, i));
        size_t size = strlen(text);
        text = memory_resize(text, size + strlen(element) + 2);
        snprintf(text + size, strlen(element) + 2, "%s%s", i == 0 ? "" : ",", element);
        memory_give(element);
    }
    return text;
}

static void print_table(const json_t *rows)
{
    enum { MOST_COLUMNS = 16 };
    const char *names[MOST_COLUMNS];
    size_t widths[MOST_COLUMNS], columns = 0, index;
    const char *key;
    json_t *row, *cell;

    json_object_foreach(json_array_get(rows, 0), key, cell)
    {
        if (columns == MOST_COLUMNS)
            break;
        widths[columns] = strlen(key);
        names[columns++] = key;
    }
    json_array_foreach(rows, index, row)
    {
        for (size_t i = 0; i < columns; i++) {
            char *text = cell_text(json_object_get(row, names[i]));
            if (strlen(text) > widths[i])
                widths[i] = strlen(text);
            memory_give(text);
        }
    }
    for (size_t i = 0; i < columns; i++) {
        int printed = 0;
        for (const char *at = names[i]; *at != 0; at++, printed++)
            putchar(*at == '_' ? ' ' : toupper((unsigned char)*at));
        printf("%*s", i + 1 == columns ? 0 : (int)widths[i] - printed + 2, "");
    }
    putchar('\n');
    json_array_foreach(rows, index, row)
    {
        for (size_t i = 0; i < columns; i++) {
            char *text = cell_text(json_object_get(row, names[i]));
            printf("%-*s%s", i + 1 == columns ? 0 : (int)widths[i], text,
                i + 1 == columns ? "\n" : "  ");
            memory_give(text);
        }
    }
}

void output_rows(json_t *rows, bool as_json)
{
    if (as_json) {
        output_json(rows);
        return;
    }
    if (json_array_size(rows) > 0)
        print_table(rows);
    json_decref(rows);
}
