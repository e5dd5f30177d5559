/* SPDX-License-Identifier: Apache-2.0 */
/* One log being cleaned (clean.h), and its segments swapped (swap.h). Before it begins, the checkpoint files
 * hold the log's recovery point: recovery judges a gap between offsets above it. For each group:
 *
 *   clean writes X.cleaned -> renamed to X.swap -> the log reads the new segment -> the old ones go
 *
 * From the renames on until the end of that, the log is busy: its files keep their names. What takes
 * offsets away in between (truncation, deletion, retention of a segment in the group) ends the
 * cleaning; the next one begins where the last whole one ended. A reader's slice holds the old file. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "io/loop.h"
#include "storage/work.h"

struct clean;
struct dirty_range;
struct flusher;
struct log;

enum cleaning_stage {
    CLEANING_WAITS,  /* for the recovery point, for runs of the flusher, for old files to go */
    CLEANING_WRITES, /* clean is at work */
    CLEANING_CLAIMS, /* the new files get names that count */
    CLEANING_OPENS,  /* the owner could not open them yet */
    CLEANING_SWAPS,  /* the old files go, the new ones get their last names */
};

struct cleaning {
    struct flusher *flusher;
    struct log *log; /* NULL: closed or deleted meanwhile */
    struct cleaning *next, *prev;
    char *path;
    enum cleaning_stage stage;
    uint32_t generation;
    bool waits_for_run[2]; /* the flush, the checkpoint that had the log when this began */
    bool point_asked, point_kept;
    bool working;  /* work runs */
    bool stopping; /* clean was told */
    bool is_stuck; /* its swap cannot go on, and that was reported */
    struct clean *clean;
    struct task resume;
    struct work work;
    struct timer retry;
    int64_t memory; /* reserved */
    int64_t first_dirty, dirty_end, began_ms;
    int64_t max_lag_ms; /* INT64_MAX: none */
    int64_t bytes, written_before; /* to go through; into compacted logs before this began */
    int64_t *bases; /* of the segments that the plan has */
};

/* Takes the memory over, which is reserved. */
void cleaning_start(struct log *log, const struct dirty_range *range, int64_t memory);
void cleaning_stop(struct cleaning *cleaning);
void cleaning_go_on(struct cleaning *cleaning); /* something that it waits for has happened */
void cleaning_set_pace(struct cleaning *cleaning); /* that the settings say now */
void cleaning_forget(struct log *log);          /* the log is closed or deleted */
