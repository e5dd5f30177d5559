/* SPDX-License-Identifier: Apache-2.0 */
/* An idempotent producer that keeps up to five requests under way on one connection, each with one batch for every partition of a
 * topic. When the connection breaks it sends all that were not answered again, in order, over a new one. Meanwhile it sends some again that
 * were answered: one of the last five batches of a partition gets its first answer once more, an older one is out of order. */
#pragma once
#include "sim/actor.h"
#include "sim/pipe.h"
#include "sim/topics.h"

enum { STREAM_WINDOW = 5, STREAM_KEPT = 16, STREAM_RECORDS_MOST = 4 };

/* Of all partitions of the topic; the same sequences in each. */
struct stream_batch {
    int32_t sequence, count;
    int64_t values[PARTITIONS_MOST][STREAM_RECORDS_MOST];
    int64_t offsets[PARTITIONS_MOST]; /* as was answered first; OFFSET_NONE: not yet */
    struct buffer *built[PARTITIONS_MOST]; /* as it is sent each time; NULL: of no partition */
    int attempts;
    int life; /* of the node when it was sent first; a node that began anew knows only the newest batch for certain */
};

/* What a request carries, beside what the pipe knows of it. */
struct stream_call {
    int64_t number; /* of the batch */
    int64_t newest, newest_ever; /* sent by then over this connection, and over those before */
};

struct streamer {
    struct actor actor; /* its connection is for producer ids only */
    struct pipe pipe;
    struct topic *topic; /* NULL: none yet */
    int32_t partition_count;
    char name[ACTOR_NAME_SIZE]; /* in the history: one a producer id */
    int id_count;
    int64_t producer_id; /* -1: none yet */
    int16_t epoch;
    struct stream_batch batches[STREAM_KEPT];          /* number n at n % STREAM_KEPT */
    int64_t first_unanswered, next_to_send, next_batch; /* numbers of batches */
    struct stream_call calls[CALLS_MOST];               /* as the pipe's */
    bool is_broken;                                     /* what the connection still brings does not count */
    int64_t heard_us;                                   /* when the last answer came */
};

void streamer_start(struct streamer *streamer, struct workload *workload, int number);
void streamer_stop(struct streamer *streamer); /* all but the actor's */
bool streamer_is_under_way(const struct streamer *streamer);
