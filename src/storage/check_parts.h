/* SPDX-License-Identifier: Apache-2.0 */
/* The insides of a check: one partition while its batches are walked, first to last, and those who
 * look on: its indexes, its epochs, its producers. Once damage was met the walk may have missed
 * batches, and what depends on having seen all of them is not judged any longer. */
#pragma once
#include "base/str.h"
#include "storage/check.h"
#include "storage/epochs.h"
#include "storage/index.h"
#include "storage/producers.h"
#include "storage/segment.h"

/* A batch that is whole, with the right CRC. */
struct checked_batch {
    struct batch_header header;
    const uint8_t *bytes;
    int64_t position;
    int64_t offset_before; /* the last one before it in the segment; -1 below its base: none */
    bool is_behind_damage; /* what stood between them is not known */
};

struct log_check {
    struct check *check;
    const char *path;
    struct check_place place;
    bool is_metadata;
    int64_t *bases, *snapshots; /* segments and producer snapshots, ascending; owned */
    int32_t base_count, snapshot_count, snapshot_next;
    int64_t first_offset, end_offset; /* of the batches so far */
    int64_t newest_checkpoint;        /* end of the newest snapshot of the metadata log; -1 */
    int32_t epoch;
    bool is_torn;      /* the walk ended there */
    bool is_unsettled; /* a cleaned segment was taking its place: indexes are between two names */
    bool has_hole;     /* damage: batches may have been missed */
    bool has_gaps;     /* offsets that no batch holds */
    struct epochs epochs;
    int32_t epoch_index;
    bool has_epochs, epochs_told;
    struct producers producers;
};

/* One segment while it is walked. */
struct segment_check {
    struct log_check *log;
    int64_t base_offset, next_base; /* INT64_MAX: the last */
    char path[SEGMENT_PATH_SIZE];   /* of the .log */
    struct index indexes[INDEX_KIND_COUNT];
    bool told[INDEX_KIND_COUNT];       /* that an entry is wrong */
    int32_t cursors[INDEX_KIND_COUNT]; /* entries that were looked at */
    int64_t
        entry_end; /* a batch still to come ends there, as the last offset entry says; -1: none */
    int64_t max_timestamp, last_offset;
};

void check_say(struct check *check, const struct finding *finding, const char *format, ...)
    __attribute__((format(printf, 3, 4))); /* finding->what is format's */

/* check_batches.c: reads a segment, or a snapshot of the metadata log. */
int check_segment(struct log_check *log, int32_t segment_index);
int check_metadata_snapshot(struct check *check, const char *path);

/* check_index.c */
int check_indexes_load(struct segment_check *segment, int64_t segment_size);
void check_indexes_take(struct segment_check *segment, const struct checked_batch *batch);
void check_aborted(struct segment_check *segment, const struct batch_header *header,
    int64_t transaction_start); /* a marker ended that transaction; -1: none is known */
void check_indexes_end(struct segment_check *segment);

/* check_state.c: what a log keeps beside its batches */
int check_epochs_load(struct log_check *log);
void check_epochs_take(struct log_check *log, const struct checked_batch *batch);
int check_producers_before(struct log_check *log, int64_t offset); /* snapshots at or below it */
void check_producers_take(struct segment_check *segment, const struct checked_batch *batch);
int check_topic_id(struct log_check *log);

/* check_log.c: the whole of a partition's directory, with what is said of it elsewhere. */
int check_log(
    struct check *check, const char *path, const struct check_place *place, bool is_metadata);
