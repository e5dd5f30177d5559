/* SPDX-License-Identifier: Apache-2.0 */
/* When retention is applied to the logs of a flusher: to all of them each log.retention.check.interval.ms,
 * and to those that lose more than a few segments in pieces, one a pass, so that the loop goes on meanwhile. */
#pragma once
#include "io/loop.h"

struct flusher;
struct log;

enum { SWEEP_ROLL = 4 }; /* so many of a piece is the beginning of a new segment */
enum { SWEEP_PIECE = 32 }; /* segments, for the cleaner's looks as well: 1 ms, when the files of each must be opened */

/* Embedded in a flusher. */
struct sweep {
    struct timer due;  /* for all logs */
    struct timer next; /* the next piece */
    struct log *logs;  /* that are not through: utlist LL by sweep_next */
};

void sweep_init(struct flusher *flusher);
void sweep_begin(struct flusher *flusher); /* there is a log */
void sweep_stop(struct flusher *flusher);
void sweep_note(struct log *log); /* it has something to lose */
void sweep_forget(struct log *log);
