/* SPDX-License-Identifier: Apache-2.0 */
#include "base/report.h"

#include <stdatomic.h>
#include <stdio.h>

static _Atomic int report_level = REPORT_INFO;
static report_sink *installed_sink;

void report_set_level(enum report_level level)
{
    atomic_store_explicit(&report_level, (int)level, memory_order_relaxed);
}

enum report_level report_get_level(void)
{
    return (enum report_level)atomic_load_explicit(&report_level, memory_order_relaxed);
}

void report_set_sink(report_sink *sink)
{
    installed_sink = sink;
}

static const char *level_name(enum report_level level)
{
    static const char *const names[] = { "DEBUG", "INFO", "WARN", "ERROR" };
    return names[level];
}

void report(enum report_level level, const char *event, const char *format, ...)
{
    if ((int)level < atomic_load_explicit(&report_level, memory_order_relaxed))
        return;
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (installed_sink != NULL)
        installed_sink(level, event, text);
    else
        fprintf(stderr, "%-5s %s %s\n", level_name(level), event, text);
}
