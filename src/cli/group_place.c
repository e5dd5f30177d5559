/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/group_place.h"

#include <ctype.h>
#include <stddef.h>

#include "base/str.h"
#include "cli/place.h"

bool group_place_parse(const char *text, struct group_place *out_place)
{
    struct str said = str_from(text);
    struct place place;
    *out_place = (struct group_place){ GROUP_PLACE_TIME, PLACE_LATEST };
    if (str_is(said, "latest"))
        return true;
    if (str_is(said, "earliest"))
        text = "beginning";
    if (str_is(said, "current")) {
        out_place->kind = GROUP_PLACE_CURRENT;
        return true;
    }
    if (!place_parse(text, &place) || place.offset < -1 || text[0] == '-')
        return false;
    if (place.offset >= 0)
        *out_place = (struct group_place){ GROUP_PLACE_OFFSET, place.offset };
    else
        out_place->number = place.timestamp;
    return true;
}

static int64_t unit_ms(int letter)
{
    switch (letter) {
    case 's':
        return 1000;
    case 'm':
        return 60 * 1000;
    case 'h':
        return 3600 * 1000;
    case 'd':
        return 24 * 3600 * 1000;
    case 'w':
        return 7 * 24 * 3600 * 1000;
    default:
        return 0;
    }
}

bool duration_parse(const char *text, int64_t *out_ms)
{
    bool is_iso = toupper((unsigned char)text[0]) == 'P', any = false;
    *out_ms = 0;
    for (const char *at = text + is_iso; *at != 0; at++, any = true) {
        if (is_iso && toupper((unsigned char)*at) == 'T')
            at++;
        const char *digits = at;
        int64_t number, part;
        while (isdigit((unsigned char)*at))
            at++;
        struct str count = { digits, (int32_t)(at - digits) };
        int64_t unit = unit_ms(tolower((unsigned char)*at));
        if (unit == 0 || !str_to_int64(count, &number) ||
            __builtin_mul_overflow(number, unit, &part) ||
            __builtin_add_overflow(*out_ms, part, out_ms))
            return false;
    }
    return any;
}

int64_t group_place_in(
    struct group_place place, int64_t committed, int64_t begin, int64_t end, int64_t found)
{
    int64_t offset = place.number;
    switch (place.kind) {
    case GROUP_PLACE_TIME:
        offset = place.number == PLACE_EARLIEST ? begin : found;
        if (place.number == PLACE_LATEST || offset < 0)
            offset = end;
        break;
    case GROUP_PLACE_OFFSET:
        break;
    case GROUP_PLACE_SHIFT:
        if (committed < 0)
            return -1;
        if (__builtin_add_overflow(committed, place.number, &offset))
            offset = place.number < 0 ? begin : end;
        break;
    case GROUP_PLACE_CURRENT:
        offset = committed < 0 ? end : committed;
        break;
    }
    if (offset < begin)
        return begin;
    return offset > end ? end : offset;
}
