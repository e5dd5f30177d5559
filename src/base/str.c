/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include "base/arena.h"
#include "base/memory.h"

int str_compare(struct str a, struct str b)
{
    int32_t shorter = a.size < b.size ? a.size : b.size;
    int order = shorter == 0 ? 0 : memcmp(a.data, b.data, (size_t)shorter);
    if (order != 0)
        return order;
    return a.size < b.size ? -1 : a.size > b.size;
}

bool str_starts(struct str text, struct str prefix)
{
    return text.size >= prefix.size &&
           (prefix.size == 0 || memcmp(text.data, prefix.data, (size_t)prefix.size) == 0);
}

static bool is_blank(char c)
{
    return (unsigned char)c <= ' ';
}

struct str str_trim(struct str text)
{
    while (text.size > 0 && is_blank(text.data[0])) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && is_blank(text.data[text.size - 1]))
        text.size--;
    return text;
}

struct str str_cut(struct str text, int32_t size)
{
    if (text.size <= size)
        return text;
    while (size > 0 && ((uint8_t)text.data[size] & 0xc0) == 0x80)
        size--;
    return (struct str){ text.data, size };
}

struct str str_copy(struct arena *arena, struct str text)
{
    if (text.data == NULL)
        return text;
    char *copy = arena_take(arena, (size_t)text.size + 1);
    if (text.size > 0)
        memcpy(copy, text.data, (size_t)text.size);
    return (struct str){ copy, text.size };
}

char *str_copy_owned(struct str text)
{
    if (text.data == NULL)
        return NULL;
    char *copy = memory_take_raw((size_t)text.size + 1);
    memcpy(copy, text.data, (size_t)text.size);
    copy[text.size] = 0;
    return copy;
}

bool str_is_utf8(struct str text)
{
    const uint8_t *at = (const uint8_t *)text.data;
    const uint8_t *end = at + text.size;
    while (at < end) {
        uint8_t lead = *at++;
        int more = lead < 0x80 ? 0 : lead < 0xc2 ? -1 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : lead < 0xf5 ? 3 : -1;
        if (more < 0 || end - at < more)
            return false;
        if ((lead == 0xe0 && at[0] < 0xa0) || (lead == 0xed && at[0] > 0x9f) ||
            (lead == 0xf0 && at[0] < 0x90) || (lead == 0xf4 && at[0] > 0x8f))
            return false;
        for (; more > 0; more--) {
            if ((*at++ & 0xc0) != 0x80)
                return false;
        }
    }
    return true;
}

bool str_split(struct str *rest, char separator, struct str *out_piece)
{
    if (rest->data == NULL)
        return false;
    const char *at = rest->size == 0 ? NULL : memchr(rest->data, separator, (size_t)rest->size);
    if (at == NULL) {
        *out_piece = *rest;
        *rest = (struct str){ 0 };
        return true;
    }
    *out_piece = (struct str){ rest->data, (int32_t)(at - rest->data) };
    *rest = (struct str){ at + 1, rest->size - out_piece->size - 1 };
    return true;
}

int str_distance(struct str a, struct str b)
{
    enum { LONGEST = 128 };
    if (a.size > LONGEST || b.size > LONGEST)
        return LONGEST;
    int row[LONGEST + 1];
    for (int j = 0; j <= b.size; j++)
        row[j] = j;
    for (int i = 1; i <= a.size; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= b.size; j++) {
            int best = diagonal + (a.data[i - 1] != b.data[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[b.size];
}
