/* SPDX-License-Identifier: Apache-2.0 */
/* What a log knows of its idempotent and transactional producers: the last five batches of each,
 * its epoch, its open transaction. Sequences of one (producer, epoch) have no gap. The state
 * follows staged batches; a failed write takes them back (producers_restore). In snapshots, as in
 * Kafka, only the newest batch of a producer survives. Of a producer that is not known any sequence
 * is taken, unless its first batch was taken back: then that one must come again before those that
 * were sent behind it. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "wire/batch.h"

enum {
    PRODUCER_WINDOW = 5,
    REFUSED_STARTS = 64 /* peers can make more of them: the oldest are forgotten */
};

struct producer_batch {
    int32_t first_sequence, last_sequence;
    int64_t first_offset, last_offset;
    int64_t timestamp;
};
struct producer {
    int64_t id;
    int16_t epoch;
    int32_t coordinator_epoch; /* -1 before the first marker */
    int64_t transaction_start; /* first offset of the open transaction; -1: none */
    int64_t last_timestamp;    /* of the last batch or marker */
    int64_t silent_since_ms;   /* monotonic; -1: heard since producers_expire() looked last */
    int32_t batch_count;       /* the newest are batches[0 .. batch_count-1], oldest first */
    struct producer_batch batches[PRODUCER_WINDOW];
};
/* The first batch of a producer that is not known; its write failed. */
struct refused_start {
    int64_t id;
    int16_t epoch;
    int32_t first_sequence;
};
struct producers {
    struct producer **entries; /* owned, in order of id */
    int32_t count, capacity;
    struct refused_start *refused; /* owned, oldest first; in memory only, at most REFUSED_STARTS */
    int32_t refused_count;
    bool dirty; /* changed since the last snapshot */
};

enum producer_verdict {
    PRODUCER_NEW,       /* append it */
    PRODUCER_DUPLICATE, /* answer with the original's offset and timestamp, once that is as durable
                           as asked */
    PRODUCER_OUT_OF_ORDER,   /* OUT_OF_ORDER_SEQUENCE_NUMBER */
    PRODUCER_FENCED,         /* INVALID_PRODUCER_EPOCH */
    PRODUCER_NO_TRANSACTION, /* INVALID_TXN_STATE: a transactional batch, and no transaction can
                                begin here yet */
};

void producers_deinit(struct producers *producers);
/* What to do with a client's batch that has a producer id. *out_original is set for a duplicate
 * (borrowed). */
enum producer_verdict producers_check(const struct producers *producers,
    const struct batch_header *header, const struct producer_batch **out_original);
const struct producer *producers_find(
    const struct producers *producers, int64_t id); /* NULL when not known */

/* Takes a batch in that stands (or will stand) at its base_offset. *out_before gets what must be
 * put back when its write fails: id -1 nothing; batch_count -1 the producer was not known. `batch`
 * is needed for control batches only. */
void producers_take(struct producers *producers, const struct batch_header *header,
    const uint8_t *batch, struct producer *out_before);
void producers_restore(struct producers *producers, const struct producer *before, int64_t id);

int64_t producers_first_open(
    const struct producers *producers); /* first offset of the oldest open transaction; -1: none */
/* Forgets those without an open transaction that were silent for so long while this process ran.
 * Called now and then with the monotonic time: by wall clocks, the clients' or our own, a producer
 * could be forgotten whose next batch is one that it sends again; so nobody is when a log is
 * opened, unlike in Kafka. */
void producers_expire(struct producers *producers, int64_t now_ms, int64_t expiry_ms);
void producers_forget(struct producers *producers); /* all */
void producers_copy(struct producers *to, const struct producers *from); /* all but refused starts */

/* What a control batch says about its producer's transaction. *out_coordinator_epoch is set when
 * there is one. */
enum marker { MARKER_NONE = -1, MARKER_ABORT, MARKER_COMMIT };
enum marker producers_marker(
    const struct batch_header *header, const uint8_t *batch, int32_t *out_coordinator_epoch);

/* The snapshot file, byte for byte Kafka's. Print gives heap memory; load refuses anything damaged
 * and is then empty. */
uint8_t *producers_print(const struct producers *producers, size_t *out_size);
bool producers_load(struct producers *producers, struct bytes snapshot);
