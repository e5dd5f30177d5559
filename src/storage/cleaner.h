/* SPDX-License-Identifier: Apache-2.0 */
/* Which compacted logs of a flusher are cleaned, and when: the dirtiest that is due, and those that
 * failed behind all others, whenever memory is free, else at the next look, log.cleaner.backoff.ms later. All flushers of a node share the
 * memory for keys: each cleaning takes the same part of it for as long as it runs, so that there are
 * at most `threads` of them. Never cleaned are the active segment and what stands at or above the
 * last stable offset, the durable end or the recovery point. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "io/loop.h"
#include "storage/flusher.h"
#include "storage/log_dir_mail.h"

struct budget;
struct cleaning;
struct dirty_segment;

/* Embedded in a flusher. */
struct cleaner {
    struct cleaner_settings settings;
    struct budget *memory; /* of the node; NULL: nothing is cleaned */
    struct timer timer;
    struct cleaning *cleanings; /* that run; utlist DL */
    bool stopping;
    int64_t written; /* bytes into compacted logs, but those that a move holds: they are not to be cleaned here */
    /* Cleanings that wait for the checkpoint files to hold the recovery points. */
    struct checkpoint_kept points;
    bool points_asked;
    struct dirty_segment *segments; /* of the log that is looked at */
    int32_t segment_capacity;
};

void cleaner_init(struct flusher *flusher);
void cleaner_deinit(struct flusher *flusher); /* nothing runs */
void cleaner_stop(struct flusher *flusher);   /* nothing begins any more, and what runs ends soon */
bool cleaner_is_running(const struct flusher *flusher);
bool cleaner_outlives_a_log(const struct flusher *flusher); /* a cleaning of one that was deleted is not over */
void cleaner_look_soon(struct flusher *flusher); /* there may be memory, or a log that is due */

/* The flusher's run is over: nothing works with files by the names that it noted. */
void cleaner_note_run(struct flusher *flusher, int run);
/* All recovery points are being mailed: asks for an answer when a cleaning waits for it, or another does. Whether it asked. */
bool cleaner_ask_points(struct flusher *flusher, struct checkpoint_mail *mail, bool another_waits);
