/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/payload.h"

#include <string.h>

#include "base/arena.h"
#include "sim/recorder.h"
#include "wire/record.h"

enum { HEADERS_MOST = 3 };

/* NULL for one in four. */
static struct bytes draw_key(uint64_t number, struct arena *arena)
{
    size_t size = 1 + number * 40503u % 30;
    if (number % 4 == 0)
        return (struct bytes){ 0 };
    uint8_t *data = arena_take(arena, size);
    memset(data, (int)('a' + number % 26), size);
    return (struct bytes){ data, size };
}

static void draw_header(struct record_header *header, uint64_t number, int32_t place)
{
    static const char *const keys[HEADERS_MOST] = { "source", "", "a header with a longer name" };
    static const uint8_t values[] = "0123456789abcdef";
    header->key = str_from(keys[place]);
    header->value = (struct bytes){ (number + (uint64_t)place) % 5 == 0 ? NULL : values, 0 };
    if (header->value.data != NULL)
        header->value.size = number % sizeof(values);
}

void payload_fill(struct record *record, int64_t value, struct arena *arena)
{
    uint64_t number = (uint64_t)value;
    uint8_t *bytes = arena_take(arena, VALUE_MOST);
    record->key = draw_key(number, arena);
    record->value = (struct bytes){ bytes, recorder_bytes(value, bytes) };
    record->header_count = (int32_t)(number / 3 % (HEADERS_MOST + 1));
    record->headers = arena_take(arena, HEADERS_MOST * sizeof(*record->headers));
    for (int32_t i = 0; i < record->header_count; i++)
        draw_header(&record->headers[i], number, i);
}

static bool same(struct bytes a, struct bytes b)
{
    return (a.data == NULL) == (b.data == NULL) && bytes_equal(a, b);
}

int64_t payload_value_of(const struct recorder *recorder, struct record *record, struct arena *arena)
{
    struct record expected = { 0 };
    int64_t value = recorder_value_of(recorder, record->value);
    if (value <= VALUE_NONE)
        return value;
    payload_fill(&expected, value, arena);
    bool is_same = same(record->key, expected.key) && record->header_count == expected.header_count && record_headers(record, arena);
    for (int32_t i = 0; is_same && i < expected.header_count; i++)
        is_same = str_equal(record->headers[i].key, expected.headers[i].key) &&
                  same(record->headers[i].value, expected.headers[i].value);
    return is_same ? value : VALUE_DAMAGED;
}
