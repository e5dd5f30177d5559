/* SPDX-License-Identifier: Apache-2.0 */
/* Reports are diagnostics for people: one line per decision, never one per record. The event name comes first
 * (greppable, countable), then key=value pairs, then, where it helps, what follows and what to do. Whoever
 * decides reports, once; rooms that only return do not report. Lines go to a sink that main installs. */
#pragma once
#include <stdarg.h>

enum report_level { REPORT_DEBUG, REPORT_INFO, REPORT_WARN, REPORT_ERROR };

typedef void report_sink(enum report_level level, const char *event, const char *text);

void report_set_level(enum report_level level);
enum report_level report_get_level(void);
void report_set_sink(report_sink *sink); /* NULL: text lines on standard error */

void report(enum report_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define report_debug(event, ...) report(REPORT_DEBUG, event, __VA_ARGS__)
#define report_info(event, ...) report(REPORT_INFO, event, __VA_ARGS__)
#define report_warn(event, ...) report(REPORT_WARN, event, __VA_ARGS__)
#define report_error(event, ...) report(REPORT_ERROR, event, __VA_ARGS__)
