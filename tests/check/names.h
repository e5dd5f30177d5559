/* SPDX-License-Identifier: Apache-2.0 */
/* Two tables for tens of millions of entries: names to small numbers, and pairs of numbers to small
 * numbers. Both count from 0 in order of appearance and never forget. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct names {
    char **texts;   /* by number */
    int32_t *slots; /* open addressing; number + 1 */
    size_t slot_count;
    int32_t count;
};

int32_t names_number(struct names *names, const char *text);
void names_deinit(struct names *names);

struct pair {
    int64_t first, second;
};

struct pairs {
    struct pair *entries; /* by number */
    int32_t *slots;
    size_t slot_count, capacity;
    int32_t count;
};

enum { NO_PAIR = -1 };

int32_t pairs_number(
    struct pairs *pairs, int64_t first, int64_t second); /* adds what is not there */
int32_t pairs_find(
    const struct pairs *pairs, int64_t first, int64_t second); /* NO_PAIR: not there */
void pairs_deinit(struct pairs *pairs);
