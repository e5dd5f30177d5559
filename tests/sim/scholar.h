/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a topic of its own that nobody else touches, with times that go forth and back over many small segments, reads each batch back,
 * and then knows the right answer to whatever it asks: which record is the first of a time or has the latest, where a leader epoch ends,
 * whether a reader went another way, who is fenced. Between an answer and its durability it looks where the partition ends. */
#pragma once
#include "sim/actor.h"
#include "sim/study.h"

enum { SCHOLAR_RECORDS_MOST = 4 };

/* One batch at a time; the same is sent until it is read back. */
struct written {
    int64_t values[SCHOLAR_RECORDS_MOST], timestamps[SCHOLAR_RECORDS_MOST];
    int32_t count; /* 0: none is under way */
    int32_t sequence;
    bool is_answered;
    int reads; /* since the answer */
    int life;  /* of the node when it was sent first */
};

struct scholar {
    struct actor actor;
    bool has_topic;
    int64_t producer_id; /* -1: none yet */
    int16_t producer_epoch;
    int32_t next_sequence;
    int64_t clock_ms; /* of the records: it jumps */
    struct written batch;
    struct study study;
    int life_of_end;     /* of the node when the last record was read back */
    int64_t told_end;    /* of the partition, of the last answer that told it */
    int32_t newest_epoch; /* of the partition's leader, as far as it was told */

    /* The question under way. */
    int64_t timestamp, offset; /* that is asked for, or read from */
    int32_t epoch;             /* that is asked for, or was read last */
    int32_t claimed_epoch;     /* of the leader */
};

void scholar_start(struct scholar *scholar, struct workload *workload);

/* scholar_ask.c; all say when they are done by setting the actor's timer. */
void scholar_ask(struct scholar *scholar);        /* something, of which all is known */
void scholar_look_at_end(struct scholar *scholar); /* while a batch is under way: told_end is set */
bool scholar_answer_is_right(struct scholar *scholar, int16_t error, const char *call); /* False: it says no; or was rightly fenced */
void scholar_violate(const struct scholar *scholar, const char *name, int64_t answer, int64_t known);
