/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/regex.h"

#include <re2/re2.h>
#include <stdio.h>

/* RE2 keeps within it by refusing what is larger, and by forgetting what it found while it matches.
 */
enum { MEMORY_PER_EXPRESSION = 256 * 1024, MEMORY_OF_SMALL = 64 * 1024 };
/* A class of characters is written in three bytes and takes 27 us to read. */
enum { SMALL_SIZE_MOST = 128 };
enum { STEPS_PER_MATCH = 100 }; /* to find the name, and to begin */

struct regex {
    RE2 expression;
};

static struct regex *make(const char *text, int32_t size, int64_t memory)
{
    RE2::Options options;
    options.set_max_mem(memory);
    options.set_never_capture(true);
    options.set_log_errors(false);
    return new regex{ RE2(re2::StringPiece(text, static_cast<size_t>(size)), options) };
}

enum regex_outcome regex_create_small(const char *text, int32_t size, struct regex **out_regex,
    char *reason, size_t reason_size)
{
    *out_regex = nullptr;
    if (size > REGEX_SIZE_MOST) {
        snprintf(reason, reason_size, "it is longer than %d bytes", REGEX_SIZE_MOST);
        return REGEX_NONE;
    }
    if (size > SMALL_SIZE_MOST)
        return REGEX_LARGE;
    struct regex *made = make(text, size, MEMORY_OF_SMALL);
    if (made->expression.ok()) {
        *out_regex = made;
        return REGEX_MADE;
    }
    bool is_large = made->expression.error_code() == RE2::ErrorPatternTooLarge;
    snprintf(reason, reason_size, "%s", made->expression.error().c_str());
    regex_destroy(made);
    return is_large ? REGEX_LARGE : REGEX_NONE;
}

struct regex *regex_create(const char *text, int32_t size, char *reason, size_t reason_size)
{
    struct regex *made = make(text, size, MEMORY_PER_EXPRESSION);
    if (made->expression.ok())
        return made;
    snprintf(reason, reason_size, "%s", made->expression.error().c_str());
    regex_destroy(made);
    return nullptr;
}

void regex_destroy(struct regex *regex)
{
    delete regex;
}

int64_t regex_cost(const struct regex *regex, int32_t size)
{
    return STEPS_PER_MATCH + static_cast<int64_t>(regex->expression.ProgramSize()) * size;
}

bool regex_matches(const struct regex *regex, const char *text, int32_t size)
{
    return RE2::FullMatch(re2::StringPiece(text, static_cast<size_t>(size)), regex->expression);
}
