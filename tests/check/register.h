/* SPDX-License-Identifier: Apache-2.0 */
/* Checks that all answers about one name fit a single order of the operations (linearizability),
 * for values that are written once. A value lives at least from the first end to the last begin of
 * the operations that name it: its zone. By Gibbons and Korach ("Testing shared memories", 1997) an
 * order exists exactly when no two such forward zones overlap and no value's operations lie, turned
 * round, wholly within another's forward zone. Absence can be written more than once, so of it only
 * necessary conditions are checked: it lies not wholly within a value's zone, and each time that it
 * is found after a value, one more write of absence may have been done. One that ended with info
 * may be done at any time later, but once. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "check/findings.h"
#include "check/history.h"

struct zone {
    int64_t value;
    int64_t first_end, last_begin; /* line numbers */
    int64_t write_begin;           /* 0: not written */
    int32_t key, writer;
    enum phase outcome;     /* of the write */
    int64_t first_read_end; /* 0: not read */
};

/* A read, a write of a value, or one of absence, that a process has begun on a name. */
struct pending {
    int64_t begin;
    int64_t newest_write; /* the key's, at that time */
    int32_t open_count;   /* begun, not ended */
};

struct register_key {
    int64_t newest_write;  /* the latest begin among the writes and reads of values that are ok */
    int64_t last_absence;  /* the latest end of a write of absence; 0: absent since the beginning */
    int32_t open_absences; /* writes of absence that may still be done: not ended, or with info */
    int32_t used_absences; /* of these, how many must have been done for what was read */
    int64_t used_line;     /* the end of the read that showed the last of them */
};

struct register_checker {
    struct findings *findings;
    struct history *history;
    enum finding kind;
    struct zone *zones;
    struct register_key *keys;
    struct pending *pending;
    struct pairs by_value, by_process; /* key and value, to zone; process and kind, and key, to pending */
    size_t zone_capacity, pending_capacity;
    struct zone *absences; /* a zone for each read and write of absence */
    size_t absence_count, absence_capacity;
    int32_t key_count;
};

void register_take(struct register_checker *checker, const struct line *line, bool is_write);
void register_judge(struct register_checker *checker);
void register_deinit(struct register_checker *checker);
