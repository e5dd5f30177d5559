/* SPDX-License-Identifier: Apache-2.0 */
/* The sinks of reports: one line each on standard error, as text for people, logfmt, or JSON. */
#pragma once

struct io;

enum reports_format { REPORTS_TEXT, REPORTS_LOGFMT, REPORTS_JSON };

/* Before any other thread reports. io gives the time; it must outlive all reports. */
void reports_install(struct io *io, enum reports_format format);
void reports_remove(void); /* back to plain text without times */
