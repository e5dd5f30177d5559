/* SPDX-License-Identifier: Apache-2.0 */
/* A partition is what a broker serves of one log: it appends what producers send, knows the high watermark, and wakes
 * who waits for it to move. Appends of one pass are staged and written together in FINISH_WRITE; each is answered once,
 * when its acks are met. The high watermark follows the durable end of the log (the written end with page_cache), never
 * goes back, and nothing above it is shown to consumers. Owned by one loop. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/map.h"
#include "base/uuid.h"
#include "error.h"
#include "io/loop.h"
#include "storage/log.h"
#include "wire/compress.h"
#include "wire/validate.h"

struct arena;
struct move;
struct partition;
struct record_deletion;

struct partition_key {
    struct uuid topic_id;
    int32_t index;
};

struct partition_settings {
    struct batch_rules rules;
    int codec; /* compression.type; -1: as the producer chose */
    int level;
    int64_t segment_bytes; /* no batch may be larger */
    bool page_cache; /* ack.durability */
    bool only_compacts; /* cleanup.policy=compact: clients delete no records */
};

/* One batch of a producer. Embedded by who asks; the partition's until done(). */
struct append {
    struct append *prev, *next;
    struct partition *partition; /* NULL: neither staged nor waiting */
    bool is_staged;
    struct buffer *buffer; /* that holds records; borrowed, the log keeps its own reference */
    uint8_t *records;
    size_t size;
    struct str topic; /* its name, for messages */
    int16_t acks;
    bool allow_zstd; /* the producer speaks a version that knows it */
    void (*done)(struct append *append); /* from a clean stack or a finish hook; must only note and enqueue */
    /* the answer; the producer's side sets its numbers to -1 at first, since it may end before the partition sees it */
    enum error error;
    const char *message; /* NULL: nothing to say */
    const struct record_error *record_errors;
    int32_t record_error_count;
    int64_t base_offset, last_offset, append_time_ms, log_start;
};

/* Somebody who wants to know when there is more to read, or when the partition changes. Stays until it is removed. */
struct partition_watch {
    struct partition_watch *prev, *next;
    struct partition *partition; /* NULL: not watching, or the partition is gone */
    void (*moved)(struct partition_watch *watch); /* must only note and enqueue */
};

struct partition {
    struct partition_key key;
    struct loop *loop;
    struct log *log; /* NULL: offline */
    struct move *move; /* to another log directory (replica/move.h); NULL: none. Of one that is offline it stands still */
    struct partition_settings settings;
    int64_t high_watermark;
    int32_t leader_epoch;
    bool leads; /* the image says that this broker leads it */
    bool damaged; /* a read met damage, and that was reported: offline until the node starts again */
    bool damage_told; /* the owner has passed it on */
    bool write_failing; /* the last write did not go through, and that was reported */
    int log_dir_index; /* the owner's number of the log's directory; -1: not known */
    int32_t notes_under_way; /* the owner's: to the controller, about that directory */
    struct append *staged;  /* in order; written at the end of the pass */
    struct append *waiting; /* for the high watermark, in order of last_offset */
    struct record_deletion *deletions; /* that are not durable yet */
    struct partition_watch *watches;
    struct partition_watch *machine; /* on its log (replica/partition_machine.h): told also of writes that ended and of
                                        what became durable; NULL: none */
    struct task write, durable;
    UT_hash_handle hh; /* of the shard's table */
};

/* Takes the log (NULL: offline). */
struct partition *partition_create(struct loop *loop, struct partition_key key, struct log *log,
    const struct partition_settings *settings);
/* Fails who waits with error and lets the watches go; log_close() or log_delete() when delete_log. */
void partition_destroy(struct partition *partition, enum error error, bool delete_log);
void partition_lead(struct partition *partition, bool leads, int32_t leader_epoch); /* what the image says */
/* Its directory failed: offline, for good. Where it was moving to, its future log stays open, to be kept by the stop, or to go
 * with the partition. */
void partition_retire(struct partition *partition);
/* A read met damage at that position of that segment: offline, and told, once. What is in flight goes on. */
void partition_note_damage(struct partition *partition, int64_t segment_base, int64_t position);
/* The positions that hold the high watermark back may have moved: of a move, or because it ended. */
void partition_note_limit(struct partition *partition);
void partition_set_settings(struct partition *partition, const struct partition_settings *settings);

/* ERROR_NONE when clients may use it: this broker leads it, it is not offline, and the epoch (-1: not told) is right. */
enum error partition_check(const struct partition *partition, int32_t current_leader_epoch);

/* True: done() follows, later. False: append->error is set already and done() is not called. */
bool partition_append(struct partition *partition, struct append *append, struct decompressor *decompressor,
    struct arena *arena);
/* One batch that this node made itself, in order of call; what becomes of it the log's end says after the pass. The
 * partition has been checked. Returns the batch's offset. */
int64_t partition_stage(struct partition *partition, struct buffer *buffer, uint8_t *batch, const struct batch_header *header);
void partition_append_cancel(struct append *append); /* nobody waits for it any more: done() is not called; it is written all the same */
static inline bool partition_append_waits(const struct append *append) { return append->partition != NULL; }

void partition_watch(struct partition *partition, struct partition_watch *watch);
void partition_unwatch(struct partition_watch *watch); /* not watching: does nothing */

/* One read of a fetch; the answer's fields are valid also when error is set (as Kafka fills them). */
struct partition_read {
    int64_t offset;
    int32_t current_leader_epoch, last_fetched_epoch; /* -1: not told */
    int64_t max_bytes;
    bool at_least_one, committed_only, may_block;
    /* the answer */
    enum error error;
    int64_t high_watermark, last_stable_offset, log_start;
    int32_t diverging_epoch; /* -1: none */
    int64_t diverging_end;
    struct log_slice slice; /* the reader's; file NULL: no bytes */
    struct log_aborted *aborted; /* NULL unless committed_only */
    int32_t aborted_count;
};

/* 0, or -EAGAIN: read->slice must be warmed first. */
int partition_read(struct partition *partition, struct partition_read *read, struct arena *arena);

enum error error_from_status(int status); /* of a log */
