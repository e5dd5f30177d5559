/* SPDX-License-Identifier: Apache-2.0 */
/* golden DIR: checks every line below DIR against the codec. Files in apis/ and records/ are named
 * as schemas are; their lines are `role, version, filling, hex, JSON`, parted by tabs. Those in
 * live/ begin with the name of an API, and their lines are `role, version, hex`, as a broker
 * answered. A line passes when its bytes decode to the end, print as JSON of the same values, and
 * encode to the same bytes. */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/memory.h"
#include "wire/decode.h"
#include "wire/encode.h"
#include "wire/print.h"
#include "wire/schema.h"

enum { MAX_PATH_SIZE = 4096, MAX_COLUMNS = 5 };

static long passed_count, failed_count;

struct line {
    const char *file;
    const struct message_schema *schema;
    int16_t version;
    struct bytes wire;
    const char *json; /* NULL: not given */
};

static const struct message_schema *find_schema(
    const char *folder, const char *file, const char *role)
{
    if (strcmp(folder, "records") == 0) {
        const struct record_schema *record = record_schema_named(file);
        return record == NULL ? NULL : strcmp(role, "key") == 0 ? record->key : record->value;
    }
    bool live = strcmp(folder, "live") == 0;
    const struct api_schema *best = NULL;
    for (int32_t i = 0; i < api_schema_count; i++) {
        const struct api_schema *api = &api_schemas[i];
        size_t size = strlen(api->name);
        bool named = live ? strncmp(file, api->name, size) == 0 : strcmp(file, api->name) == 0;
        if (named && (best == NULL || size > strlen(best->name)))
            best = api;
    }
    return best == NULL ? NULL : strcmp(role, "request") == 0 ? best->request : best->response;
}

static bool same_value(const json_t *ours, const json_t *golden);

/* Every member of part must stand in whole, with the same value. */
static bool is_part_of(const json_t *part, const json_t *whole)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)part, name, value)
    {
        const json_t *other = json_object_get(whole, name);
        if (other == NULL || !same_value(value, other))
            return false;
    }
    return true;
}

static bool same_array(const json_t *one, const json_t *other)
{
    if (json_array_size(one) != json_array_size(other))
        return false;
    for (size_t i = 0; i < json_array_size(one); i++)
        if (!same_value(json_array_get(one, i), json_array_get(other, i)))
            return false;
    return true;
}

static bool same_number(const json_t *one, const json_t *other)
{
    if (json_is_integer(one) && json_is_integer(other))
        return json_integer_value(one) == json_integer_value(other);
    double a = json_number_value(one), b = json_number_value(other);
    return !(a < b) && !(a > b);
}

static bool same_value(const json_t *one, const json_t *other)
{
    if (json_is_object(one) && json_is_object(other))
        return is_part_of(one, other);
    if (json_is_array(one) && json_is_array(other))
        return same_array(one, other);
    if (json_is_number(one) && json_is_number(other))
        return same_number(one, other);
    return json_equal((json_t *)(uintptr_t)one, (json_t *)(uintptr_t)other) == 1;
}

/* A tagged field at its default may be shown or not: what we must show is in the golden text, and
 * that in what we can show. */
static bool check_json(const struct line *line, const void *message, char **out_text)
{
    json_t *least = message_to_json(line->schema, line->version, message, PRINT_TAGGED_SET);
    json_t *most = message_to_json(line->schema, line->version, message, PRINT_TAGGED_ALL);
    json_t *golden = json_loads(line->json, JSON_ALLOW_NUL, NULL);
    bool same = golden != NULL && same_value(least, golden) && same_value(golden, most);
    if (!same)
        *out_text = json_dumps(least, JSON_COMPACT);
    json_decref(least);
    json_decref(most);
    json_decref(golden);
    return same;
}

static const char *check_encoding(const struct line *line, const void *message)
{
    struct message_extent extent = message_measure(line->schema, line->version, message);
    if (extent.wire_size != line->wire.size || extent.hole_count != 0)
        return "measures another size";
    uint8_t *out = memory_take(extent.wire_size);
    size_t size = message_encode(line->schema, line->version, message, out, extent.wire_size, NULL);
    bool same = size == line->wire.size && memcmp(out, line->wire.data, size) == 0;
    memory_give(out);
    return same ? NULL : "encodes to other bytes";
}

static const char *check(const struct line *line, struct arena *arena, char **out_text)
{
    if (line->schema == NULL)
        return "no such schema";
    if (!schema_has_version(line->schema, line->version))
        return "no such version";
    void *message = arena_take(arena, line->schema->shape->size);
    size_t used;
    if (!message_decode(line->schema, line->version, line->wire, arena, message, &used))
        return "does not decode";
    if (used != line->wire.size)
        return "leaves bytes over";
    if (line->json != NULL && !check_json(line, message, out_text))
        return "prints other values";
    return check_encoding(line, message);
}

static bool parse_hex(const char *text, struct arena *arena, struct bytes *out)
{
    size_t size = strlen(text) / 2;
    uint8_t *data = arena_take(arena, size);
    for (size_t i = 0; i < size; i++) {
        unsigned byte;
        if (sscanf(text + 2 * i, "%2x", &byte) != 1)
            return false;
        data[i] = (uint8_t)byte;
    }
    *out = (struct bytes){ data, size };
    return strlen(text) % 2 == 0;
}

static void check_line(const char *folder, const char *file, long number, char *text)
{
    char *columns[MAX_COLUMNS] = { NULL }, *rest = text;
    int count = 0;
    while (count < MAX_COLUMNS && rest != NULL)
        columns[count++] = strsep(&rest, "\t");
    struct arena arena;
    arena_init(&arena);
    bool live = strcmp(folder, "live") == 0;
    char *shown = NULL;
    const char *wrong = "is not a golden line";
    struct line line = { .file = file };
    if (count == (live ? 3 : 5) && parse_hex(columns[live ? 2 : 3], &arena, &line.wire)) {
        line.schema = find_schema(folder, file, columns[0]);
        line.version = (int16_t)atoi(columns[1]);
        line.json = columns[4];
        if (live && line.schema != NULL && line.version > line.schema->max_version)
            line.version =
                line.schema->min_version; /* a version that is not there is answered so */
        wrong = check(&line, &arena, &shown);
    }
    if (wrong == NULL) {
        passed_count++;
    } else {
        failed_count++;
        printf("%s/%s:%ld: %s\n", folder, file, number, wrong);
        if (shown != NULL)
            printf("  ours:   %s\n  golden: %s\n", shown, line.json);
    }
    free(shown);
    arena_deinit(&arena);
}

static void check_file(const char *directory, const char *folder, const char *file)
{
    char path[MAX_PATH_SIZE];
    snprintf(path, sizeof(path), "%s/%s/%s", directory, folder, file);
    FILE *stream = fopen(path, "r");
    if (stream == NULL) {
        printf("%s: %s\n", path, strerror(errno));
        failed_count++;
        return;
    }
    char *text = NULL;
    size_t capacity = 0;
    for (long number = 1; getline(&text, &capacity, stream) > 0; number++) {
        text[strcspn(text, "\n")] = '\0';
        check_line(folder, file, number, text);
    }
    free(text);
    fclose(stream);
}

static int is_file_name(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void check_folder(const char *directory, const char *folder)
{
    char path[MAX_PATH_SIZE];
    snprintf(path, sizeof(path), "%s/%s", directory, folder);
    struct dirent **entries;
    int count = scandir(path, &entries, is_file_name, alphasort);
    for (int i = 0; i < count; i++) {
        check_file(directory, folder, entries[i]->d_name);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

int main(int argument_count, char **arguments)
{
    if (argument_count != 2) {
        fprintf(stderr, "usage: golden DIR\n");
        return 2;
    }
    static const char *const folders[] = { "apis", "records", "live" };
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        check_folder(arguments[1], folders[i]);
    printf("%ld passed, %ld failed\n", passed_count, failed_count);
    return failed_count == 0 && passed_count > 0 ? 0 : 1;
}
