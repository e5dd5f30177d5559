/* SPDX-License-Identifier: Apache-2.0 */
/* What cleaning does to batches, one after the other, in memory: first those of the dirty part are
 * learned, then all from the log's first on are kept, changed or dropped, by Kafka's rules.
 *   - Of records with one key the one with the largest offset stays, of those below mapped_end. One
 *     without a key goes. What is at or above mapped_end stays, whatever it is.
 *   - A batch that keeps a tombstone gets a delete horizon: its base timestamp becomes the time
 * from which on its tombstones go (KIP-534). A marker gets one when no data of its transaction is
 * left.
 *   - Data of aborted transactions go.
 *   - The batch with a producer's last sequence stays, empty at the least, and so does the one that
 *     ends at the high watermark, so that whoever reads the log gets there.
 * A batch keeps base offset, last offset, leader epoch, producer, sequence and codec; its records
 * keep offset, timestamp, key, value and headers; the largest timestamp is that of the records
 * left. One whose records all stay is copied as it is. Nothing is trusted: what is not a good
 * batch, in order, is -EUCLEAN, and what exceeds max_batch_bytes when it is decompressed is copied
 * as it is. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "storage/clean.h"
#include "wire/batch.h"

struct buffer;

struct clean_filter;

struct clean_filter *clean_filter_create(const struct clean_plan *plan); /* copies what it needs */
void clean_filter_destroy(struct clean_filter *filter);                  /* NULL does nothing */
/* All that .txnindex tells, before the first batch. */
void clean_filter_add_aborted(struct clean_filter *filter, const struct aborted_entry *aborted);

/* Learning: batches in order, from the one that holds first_dirty or before it. 1: the map was full
 * on the way, and nothing behind is learned. */
void clean_filter_begin_learning(struct clean_filter *filter);
int clean_filter_learn(
    struct clean_filter *filter, const uint8_t *batch, const struct batch_header *header);

/* What became of a batch. */
struct clean_kept {
    struct batch_header header;   /* size 0: it is gone */
    struct aborted_entry aborted; /* goes into .txnindex with it; producer -1: none */
};
/* Keeping: batches in order, from the log's first on. Appends what stays of one to *out, which
 * grows. */
void clean_filter_begin_keeping(struct clean_filter *filter);
int clean_filter_keep(struct clean_filter *filter, const uint8_t *batch,
    const struct batch_header *header, struct buffer **out, struct clean_kept *out_kept);

int64_t clean_filter_mapped_end(const struct clean_filter *filter); /* all below it was learned */
const char *clean_filter_reason(const struct clean_filter *filter); /* after -EUCLEAN */
struct clean_statistics *clean_filter_statistics(struct clean_filter *filter);
