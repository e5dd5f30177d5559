/* SPDX-License-Identifier: Apache-2.0 */
/* A move brings a partition to another log directory of its node (KIP-113): a future log there is
 * filled from the current one, in pieces and paced, and then takes its place. Stages:
 *   COPYING  the future log holds what the current one does, up to its own end
 *   JOINED   both have the same end and each write goes to both; the high watermark follows the
 *            slower of them, so what is promised from here on is in the future log as well
 *   READY    and so is, durably, all that was promised before: the owner tells the controller, and
 *            calls move_finish() when the metadata name the new directory (KIP-858)
 * A future log that cannot be written falls back to COPYING; the high watermark goes on following the slower log while the metadata may
 * name the new directory, since a start that does not find the other one makes do with that. While a partition moves, neither of its
 * logs is compacted; when the current one was while the future one was away, the copy begins anew. A move is its partition's, of one loop, and goes when it is over. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "io/loop.h"
#include "storage/log.h"

struct move;
struct pace;
struct partition;

enum move_stage { MOVE_COPYING, MOVE_JOINED, MOVE_READY };

/* What the owner hears; each only notes and enqueues. */
struct move_watch {
    void (*ready)(struct move_watch *watch, struct partition *partition);
    void (*fell_back)(struct move_watch *watch, struct partition *partition); /* after ready() */
    void (*moved)(struct move_watch *watch, struct partition *partition); /* the move is gone, its directory is the partition's */
};

/* How fast all moves of the node may copy, and whose turn it is in this loop: all of its moves together
 * copy one piece at a time, which is durable before the next unless the log grows too fast for that, so that loop and disk
 * are there for others meanwhile. The rate may change at any time. */
struct move_pace {
    struct pace *pace;
    int64_t bytes_per_second;
    struct loop *loop;
    struct timer next;    /* set: a piece was copied in this pass, or is not durable yet */
    struct move *holder;  /* whose piece is not durable yet; NULL: nobody waits for that */
    struct move *waiting; /* for their turn: utlist DL */
};
void move_pace_init(struct move_pace *move_pace, struct loop *loop, struct pace *pace); /* no bound yet */

struct move {
    struct partition *partition;
    struct log *future;
    int log_dir_index; /* the owner's number of its directory */
    enum move_stage stage;
    struct move_watch *watch;
    struct move_pace *pace;
    struct move *next, *prev; /* that wait for their turn */
    struct task task;   /* the next step, from a clean stack */
    struct timer timer; /* the same, later */
    struct task future_durable;
    struct log_warm *warm; /* under way; NULL: none */
    bool is_warmed;        /* the next piece may wait for the disk: it was just read */
    bool is_paused, wants_to_finish, waits_for_write, waits_for_turn;
    bool may_be_named; /* by the metadata: from READY on, until the owner has told of the fall back */
    int64_t lag; /* in offsets, behind the last piece that was copied */
    bool trouble_told;   /* that it stands still was reported */
    uint32_t generation; /* of the current log, that the future one agrees with */
    int64_t promised_end; /* when they joined: the future log must be durable up to there */
    int64_t producers_end; /* and what the current one knew of its producers be kept there; -1: nothing */
};

/* Begins the move, or takes it up again; takes the future log. The partition has a log and no move.
 * The watch and the pace outlive it. */
void move_begin(struct partition *partition, struct log *future, int log_dir_index,
    struct move_watch *watch, struct move_pace *pace);
/* Ends it, and the partition stays where it is: the future log is deleted, or only closed. No move:
 * does nothing. */
void move_end(struct partition *partition, bool delete_future);
/* The metadata name the new directory: the future log takes over as soon as it can. */
void move_finish(struct move *move);
void move_note_unnamed(struct move *move); /* after a fall back: the metadata name another directory, durably, until ready() */
void move_hurry(struct move *move); /* the pace has changed: no waiting for it */
void move_pause(struct move *move); /* for good: the node stops, or the current log's directory failed, and that log goes */

/* For the partition. */
void move_follow(struct move *move); /* the current log was written; the partition looks at its limit afterwards, when it knows who waits */
int64_t move_limit(const struct move *move); /* no high watermark above it */
int64_t move_lag(const struct move *move);  /* offsets that the future log is behind */

/* move_copy.c: brings the future log nearer to the current one's end, by a piece, or to where they
 * agree. 0; -EAGAIN: *out_cold must be warmed first (never when may_block); -EBUSY: later; -EUCLEAN:
 * the current log is damaged there; else -errno. */
int move_copy(struct move *move, bool may_block, int64_t *out_size, struct log_slice *out_cold);
