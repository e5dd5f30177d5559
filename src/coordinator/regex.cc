/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/regex.h"

#include <re2/re2.h>
#include <stdio.h>

/* RE2 keeps within it by refusing what is larger, and by forgetting what it found while it matches.
 */
enum { MEMORY_PER_EXPRESSION = 256 * 1024 };

struct regex {
    RE2 expression;
};

static RE2::Options options()
{
    RE2::Options options;
    options.set_max_mem(MEMORY_PER_EXPRESSION);
    options.set_never_capture(true);
    options.set_log_errors(false);
    return options;
}

struct regex *regex_create(const char *text, int32_t size, char *reason, size_t reason_size)
{
    re2::StringPiece piece(text, static_cast<size_t>(size));
    struct regex *made = new regex{ RE2(piece, options()) };
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

int64_t regex_cost(const struct regex *regex)
{
    return regex->expression.ProgramSize();
}

bool regex_matches(const struct regex *regex, const char *text, int32_t size)
{
    return RE2::FullMatch(re2::StringPiece(text, static_cast<size_t>(size)), regex->expression);
}
