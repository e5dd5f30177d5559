/* SPDX-License-Identifier: Apache-2.0 */
/* Where the offsets of a group shall go, as people write it, and what that means for a partition.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct group_place {
    enum {
        GROUP_PLACE_TIME, /* number: milliseconds, or as place.h numbers beginning and end */
        GROUP_PLACE_OFFSET,
        GROUP_PLACE_SHIFT, /* from what is committed */
        GROUP_PLACE_CURRENT,
    } kind;
    int64_t number;
};

/* beginning or earliest, end or latest, current, an offset, a time. */
bool group_place_parse(const char *text, struct group_place *out_place);
/* 90s, 15m, 2h, 1d12h; or as ISO 8601 has it: PT15M, P1DT12H. */
bool duration_parse(const char *text, int64_t *out_ms);

/* The partition holds begin up to end; found is its offset at the place's time, -1 when nothing is
 * so late. The result lies from begin to end. -1: a shift, and nothing (-1) is committed. What is
 * not committed is currently at the end. */
int64_t group_place_in(
    struct group_place place, int64_t committed, int64_t begin, int64_t end, int64_t found);
