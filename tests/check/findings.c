/* SPDX-License-Identifier: Apache-2.0 */
#include "check/findings.h"

#include <stdarg.h>
#include <stdio.h>

enum { MOST_TOLD = 10 };

static const char *const finding_names[FINDING_COUNT] = { "inconsistent-offset", "duplicate",
    "lost-write", "unseen", "aborted-read", "invented-read", "deleted-read", "stale-offset",
    "send-back", "poll-skip", "poll-back", "poll-skip-within", "poll-back-within", "watermark-back",
    "not-linearizable", "commit-back", "two-owners" };

void finding_add(
    struct findings *findings, enum finding kind, int64_t line, const char *format, ...)
{
    va_list arguments;
    if (findings->first == NULL)
        findings->first = finding_names[kind];
    if (findings->counts[kind]++ >= MOST_TOLD)
        return;
    printf("%s line %lld: ", finding_names[kind], (long long)line);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

int64_t findings_print(const struct findings *findings)
{
    int64_t sum = 0;
    for (int i = 0; i < FINDING_COUNT; i++) {
        sum += findings->counts[i];
        if (findings->counts[i] > 0)
            printf("%s: %lld\n", finding_names[i], (long long)findings->counts[i]);
    }
    return sum;
}
