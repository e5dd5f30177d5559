/* SPDX-License-Identifier: Apache-2.0 */
/* A client's wish that the records of a partition below an offset are gone (DeleteRecords,
 * KIP-107). It waits in the partition's list until the log start is there, which is: durable. What
 * is not durable itself is flushed first (a page-cache topic's records): a log never begins beyond
 * what a power cut leaves. Belongs to the partition's loop. */
#pragma once
#include <stdint.h>

#include "replica/partition.h"

enum { RECORDS_BELOW_HIGH_WATERMARK = -1 }; /* as offset: all that consumers may read */

/* Embedded by who asks; the partition's until done(). */
struct record_deletion {
    struct record_deletion *prev, *next;
    struct partition *partition; /* NULL: not waiting */
    int64_t offset;
    void (*done)(struct record_deletion *deletion); /* must only note and enqueue */
    /* the answer */
    enum error error;
    int64_t log_start; /* -1 with an error, but for a time-out */
};

/* True: done() follows, later. False: the answer is there already. */
bool partition_delete_records(struct partition *partition, struct record_deletion *deletion);
/* REQUEST_TIMED_OUT: stops waiting; done() is not called. The records may be gone later all the
 * same. */
void record_deletion_time_out(struct record_deletion *deletion);

/* For the partition: its log's durable end or start moved; nobody waits any longer. */
void record_deletions_look(struct partition *partition);
void record_deletions_fail(struct partition *partition, enum error error);
