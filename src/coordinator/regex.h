/* SPDX-License-Identifier: Apache-2.0 */
/* An expression of topics as KIP-848 has it: RE2's, as Kafka's coordinators read it. What it takes,
 * in memory, is bounded whatever a client writes; what it may take in time for each byte that it
 * looks at is regex_cost(). Its owner's; it never changes. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct regex;

/* NULL: it is none, and reason says why in RE2's words. */
struct regex *regex_create(const char *text, int32_t size, char *reason, size_t reason_size);
void regex_destroy(struct regex *regex);       /* NULL does nothing */
int64_t regex_cost(const struct regex *regex); /* at worst, in steps of some 10 ns */
bool regex_matches(const struct regex *regex, const char *text, int32_t size); /* the whole text */

#ifdef __cplusplus
}
#endif
