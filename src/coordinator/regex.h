/* SPDX-License-Identifier: Apache-2.0 */
/* An expression of topics as KIP-848 has it: RE2's, as Kafka's coordinators read it. What it takes,
 * in memory, is bounded whatever a client writes; what it may take in time for each byte that it
 * looks at is in regex_cost(). Its owner's; it never changes. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct regex;

enum { REGEX_SIZE_MOST = 8192 }; /* of a text, in bytes: no longer one is an expression */

enum regex_outcome {
    REGEX_MADE,
    REGEX_NONE,  /* it is none, and reason says why in RE2's words */
    REGEX_LARGE, /* not known: to find out takes longer than a pass may */
};

/* As far as it is done within some 4 ms, however it is written. A small one that is made is the
 * same as regex_create()'s. */
enum regex_outcome regex_create_small(
    const char *text, int32_t size, struct regex **out_regex, char *reason, size_t reason_size);
/* Up to a quarter of a second. NULL: it is none, and reason says why. */
struct regex *regex_create(const char *text, int32_t size, char *reason, size_t reason_size);
void regex_destroy(struct regex *regex); /* NULL does nothing */
/* Of a match with so many bytes, at worst, in steps of some 10 ns; mostly it is a hundredth. */
int64_t regex_cost(const struct regex *regex, int32_t size);
bool regex_matches(const struct regex *regex, const char *text, int32_t size); /* the whole text */

#ifdef __cplusplus
}
#endif
