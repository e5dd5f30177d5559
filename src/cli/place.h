/* SPDX-License-Identifier: Apache-2.0 */
/* A place in a partition, as people write it: beginning, end, an offset, -N for the last N, a time.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { PLACE_LATEST = -1, PLACE_EARLIEST = -2 }; /* as ListOffsets numbers them */

struct place {
    int64_t timestamp; /* what to ask ListOffsets for, unless offset says something */
    int64_t offset; /* -1: nothing; at least 0: an offset; below -1: so many before the end, as -N -
                       1 */
};

bool place_parse(const char *text, struct place *out_place); /* NULL is the end */
