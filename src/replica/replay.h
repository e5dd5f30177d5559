/* SPDX-License-Identifier: Apache-2.0 */
/* A replay reads the log of a partition from its start to its end, for a machine whose state is
 * what the records say: every record, and the end of every transaction, in order. It goes in slices
 * of less than a millisecond, one a pass for all replays of a loop, the oldest first; cold parts
 * are read ahead by a worker, and meanwhile the next one goes on. In memory is one read, or one
 * batch as it stands in the log, and of what is compressed a window. Cleaning may go on: a
 * tombstone stays for delete.retention.ms after the value that it ends, and no replay takes so
 * long. */
#pragma once
#include "io/loop.h"
#include "rsm/rsm.h"

struct decompressor;
struct partition;
struct replay;

/* Of one loop: whose turn it is. */
struct replay_turns {
    struct loop *loop;
    struct decompressor *decompressor; /* its own, since a slice may end inside of a batch */
    struct replay *waiting;            /* utlist */
    struct timer next;                 /* set while somebody waits */
};
void replay_turns_init(struct replay_turns *turns, struct loop *loop);
void replay_turns_deinit(struct replay_turns *turns); /* no replay is left */

/* Who is told; embedded in it, and outlives the replay. */
struct replay_reader {
    /* producer_id -1: outside of a transaction. False: this is damaged. */
    bool (*record)(struct replay_reader *reader, int64_t offset, struct rsm_record record,
        int64_t producer_id);
    void (*marker)(struct replay_reader *reader, int64_t producer_id, bool committed);
    /* 0: all that is written was told, and nothing is staged. -EUCLEAN: it is damaged in that
     * segment at that position. -ESTALE: written records were taken away meanwhile. What passes is
     * tried again by itself. May destroy the replay. */
    void (*ended)(struct replay_reader *reader, int status, int64_t segment_base, int64_t position);
};

/* The partition keeps its log, though not the same one, until the replay is destroyed. */
struct replay *replay_start(
    struct partition *partition, struct replay_turns *turns, struct replay_reader *reader);
void replay_destroy(struct replay *replay); /* at any time; NULL does nothing */
