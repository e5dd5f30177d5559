/* SPDX-License-Identifier: Apache-2.0 */
/* A borrowed text: not NUL-terminated, at most INT32_MAX bytes. data NULL means null (not empty), with size 0. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct arena;

struct str {
    const char *data;
    int32_t size;
};

#define STR(literal) ((struct str){ "" literal, (int32_t)sizeof(literal) - 1 })
#define STR_PRINT(text) (int)(text).size, ((text).data == NULL ? "" : (text).data) /* for "%.*s" */

static inline struct str str_from(const char *text)
{
    return (struct str){ text, text == NULL ? 0 : (int32_t)strlen(text) };
}
static inline bool str_is_null(struct str text) { return text.data == NULL; }
static inline bool str_equal(struct str a, struct str b)
{
    return a.size == b.size && (a.data == NULL) == (b.data == NULL) &&
           (a.size == 0 || memcmp(a.data, b.data, (size_t)a.size) == 0);
}
static inline bool str_is(struct str a, const char *text) { return str_equal(a, str_from(text)); }

int str_compare(struct str a, struct str b);                  /* by bytes, shorter first; null as empty */
bool str_starts(struct str text, struct str prefix);
struct str str_trim(struct str text);                         /* without blanks and control characters at both ends */
bool str_to_int64(struct str text, int64_t *out_value);       /* whole text, decimal, digits of any script, no overflow */
bool str_to_double(struct str text, double *out_value);       /* as Java reads it: 1e3, 0.5f, 0x1p-1, NaN, -Infinity */
struct str str_cut(struct str text, int32_t size);            /* its whole characters of UTF-8 that are at most so many bytes */
struct str str_copy(struct arena *arena, struct str text);    /* NUL-terminated copy; null stays null */
char *str_copy_owned(struct str text);                        /* heap, NUL-terminated; null gives NULL */
bool str_is_utf8(struct str text);

/* Takes the next piece up to the separator off *rest; false when *rest is null (used up). */
bool str_split(struct str *rest, char separator, struct str *out_piece);
int str_distance(struct str a, struct str b);                 /* edit distance, for "did you mean" */
