/* SPDX-License-Identifier: Apache-2.0 */
/* The insides of a log, for the files of this room that work on it: append, read, search, recover,
 * retain, checkpoint. Always: segments is not empty and in order of base offset, the last one is
 * the active one; its size is tail.size; start <= durable_end <= end; recovery_point <=
 * durable_end; nothing of `staging` is on the disk. */
#pragma once
#include <sys/uio.h>

#include "io/loop.h"
#include "storage/epochs.h"
#include "storage/log.h"
#include "storage/producers.h"
#include "storage/segment.h"

struct io;

/* What decides about index entries and rolling: the state of the active segment's end, as written
 * or as staged. */
struct log_tail {
    int64_t base_offset;
    int64_t size;
    int64_t end_offset;
    int64_t first_timestamp; /* largest of the first batch; -1: none yet */
    int64_t created_ms;      /* wall; 0: not known yet */
    int64_t jitter_ms;
    int32_t since_index; /* bytes since the last index entry */
    int32_t index_count;
};

struct staged {
    struct buffer *buffer; /* a reference */
    const uint8_t *batch;
    struct batch_header header;
    bool roll_before;
    bool index_before; /* gets an index entry */
    bool aborts;
    struct aborted_entry aborted;
    uint8_t *snapshot; /* of the producers before it, when it rolls */
    size_t snapshot_size;
    struct producer before; /* of its producer, to be put back */
    struct log_tail tail;   /* behind it */
};

/* Lent by the flusher to a log that has something staged. */
struct staging {
    struct staged *items;
    struct iovec *vectors;
    int32_t count, capacity;
    struct log_tail tail;
    struct staging *next;
};

/* A boundary between batches whose place is known. */
struct log_boundary {
    int64_t offset;
    int64_t base_offset; /* of its segment */
    int64_t position;
};
enum { LOG_HINTS = 4 };

/* For cache.c. */
struct log_spot {
    int64_t base_offset; /* of the segment */
    int64_t position;
};
struct log_reader {
    struct log_spot from; /* its last read, */
    int64_t end;          /* up to there */
    int64_t until_ms;     /* it lives, monotonic; in the past: there is none */
};
enum { LOG_READERS = 8 };
/* So much of the active segment's end is taken to be in the page cache. */
enum { HOT_TAIL = 8 << 20 };

struct log {
    struct flusher *flusher;
    struct io *io;
    struct log *next, *prev;  /* all logs of the flusher */
    struct log *dirty_next;   /* those the next checkpoint must look at */
    struct log *waiting_next; /* those that want a flush */
    struct log *starts_next;  /* those whose start stands in the checkpoint file */
    struct log *sweep_next;   /* those that retention is not through with */
    struct task *durable_task;
    char *path, *topic;
    const struct log_place *place; /* what it was opened from; NULL for a new one */
    struct segment *segments;
    int32_t segment_count, segment_capacity;
    bool retention_due;    /* for all of it, not only for what lies below its start */
    bool retention_missed; /* the flusher worked with the files: afterwards */
    int32_t mark_index[2]; /* in the flusher's running flush and checkpoint; -1 */
    int32_t partition;
    uint32_t generation;
    struct uuid topic_id;
    int64_t start, durable_end, recovery_point, high_watermark;
    int64_t point_told;   /* the checkpoint file has no higher recovery point of it */
    int64_t point_mailed; /* nor than this one, when the next that was asked for is kept */
    int64_t clean_end; /* of the last cleaning, as its directory's checkpoint file says; -1: none */
    int64_t start_wanted; /* by log_delete_records(); counts when above the start */
    int64_t start_mailed; /* what of it the checkpoint files are being written with */
    struct log_tail tail;
    struct log_boundary durable_boundary;
    struct log_boundary hints[LOG_HINTS];
    int64_t sealed_size; /* bytes of all but the active segment; -1 unknown */
    int64_t reserved;    /* the active file's space is reserved up to here */
    int64_t reserve_step;
    int64_t written,
        written_durable; /* bytes since it was opened; those that are durable or gone */
    int64_t last_flush_ms, touched_ms; /* monotonic */
    int64_t snapshot_offset;           /* newest producer snapshot on the disk; -1 */
    struct epochs epochs;
    struct producers producers;
    struct staging *staging;
    uint8_t *roll_snapshot; /* of the newest roll, not yet durable; for offset tail.base_offset */
    size_t roll_snapshot_size;
    struct log_reader *readers; /* LOG_READERS of them, owned; NULL: never read */
    struct log_spot trimmed;    /* pages before it were given back */
    uint8_t hint_next;
    bool is_listed, is_dirty, is_waiting, is_awake;
    bool start_listed; /* among flusher->starts */
    bool is_swept;     /* among flusher->sweep.logs */
    uint32_t names_made,
        names_synced;   /* file names in the directory: changes, and those that are durable */
    bool directory_new; /* its own name is not durable */
    bool must_be_whole; /* being opened after a clean stop: nothing can be torn */
    bool point_unknown; /* being opened without knowing what was durable */
    bool tail_dirty;    /* bytes of a failed write may stand behind the end */
    bool epochs_checked; /* they were compared with the batches */
    bool gap_told;      /* a reader met a hole between two batches, and that was reported */
    bool is_held;       /* compaction leaves it alone */
    struct replacement *replacement; /* of a future log that has taken over; NULL: none */
    struct cleaning *cleaning; /* that runs; NULL */
    int64_t horizon_ms; /* something may be cleaned away then, also when nothing is dirty */
    bool is_uncleanable; /* a cleaning met damage, and that was reported */
    int64_t cleaning_failed_ms; /* the last one, monotonic, and that was reported; 0: it did not */
    bool is_swapping;    /* the files of a cleaned segment are being renamed, on a worker */
    struct log_settings settings;
};

static inline struct segment *log_active(struct log *log)
{
    return &log->segments[log->segment_count - 1];
}

/* A run of the flusher, or a swap, works with its files by path: they must keep their names. */
static inline bool log_is_busy(const struct log *log)
{
    return log->mark_index[0] >= 0 || log->mark_index[1] >= 0 || log->is_swapping;
}

/* log.c */
int32_t log_segment_at(
    const struct log *log, int64_t offset);        /* the one with the largest base <= offset; -1 */
struct segment *log_push_segment(struct log *log); /* uninitialised, behind the last */
int log_wake(struct log *log);                     /* opens the active segment with its indexes */
void log_note_boundary(struct log *log, int64_t offset, int64_t base_offset, int64_t position);
void log_forget_boundaries(struct log *log);
void log_forget_boundaries_in(struct log *log, int64_t from_base, int64_t to_base);
void log_take_snapshot(struct log *log, uint8_t **out_data, size_t *out_size);

/* append.c: keeping the books for a batch that stands at `position` of the active segment */
void log_tail_advance(struct log_tail *tail, const struct batch_header *header,
    const struct log_settings *settings, bool *out_index_before);
void log_account(
    struct log *log, const struct batch_header *header, int64_t position, bool index_before);
void log_begin_tail(struct log *log, int64_t base_offset);

/* checkpoint.c: a sealed segment's indexes are whole in their files, durably */
bool log_keeps_segment(const struct log *log, int32_t place);

/* recover.c */
int log_recover(struct log *log, bool clean);
enum { CLEAN_CHUNK = 8 * 1024, CHECK_CHUNK = 256 * 1024 }; /* read at once */

/* recover_producers.c */
int log_recover_producers(struct log *log, bool clean); /* when the batches are known */
int log_remove_snapshots(struct log *log, int64_t beyond); /* that offset; durably */

/* recover_epochs.c */
int log_load_epochs(struct log *log); /* when the segments are known */
int log_check_epochs(struct log *log); /* when all is: they are told right from here on; 0 or -EIO */

/* replace.c */
void log_take_final_name(struct log *log); /* if it waits for one, and the flusher is at rest with it */
void log_note_name_durable(struct log *log); /* of its directory */
void log_forget_replacement(
    struct log *log, bool log_is_deleted); /* it is closed or deleted before it has its name, durably */

/* sweep.c */
int log_roll_at_end(struct log *log); /* nothing is staged; an empty segment stays, with a new snapshot of the producers */
void log_retain_if_missed(struct log *log); /* the log was busy when something of it was to go */

/* retain.c */
void log_begin_at(struct log *log, int64_t offset); /* the start that a client wanted is durable */
char *log_parting_path(struct io *io, const char *path, const char *topic, int32_t partition,
    const char *suffix); /* beside path: TOPIC-N.ID-suffix; the caller's */
char *log_final_path(const char *path, const char *topic,
    int32_t partition); /* beside path: TOPIC-N; the caller's */
int log_drop_below_start(
    struct log *log, int32_t *left); /* the part of log_retain() that no setting decides */
int log_drop_segments(
    struct log *log, int32_t first, int32_t count); /* renamed and unlinked later, on a worker */
