/* SPDX-License-Identifier: Apache-2.0 */
/* What a cleaner must know of transactions while it walks over the batches of a log in order: which
 * data were aborted, and which markers are not needed any longer, since none of their data was met.
 * What was aborted is told by the entries of .txnindex. They are of the whole log, not of the part
 * that is cleaned: the marker may stand behind it (KAFKA-13727). Producers are told apart by their
 * id, never by a key (KAFKA-14055). */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "storage/index.h"
#include "wire/batch.h"

struct clean_transactions;
struct clean_transactions *clean_transactions_create(void);
void clean_transactions_destroy(struct clean_transactions *transactions);

void clean_transactions_add(
    struct clean_transactions *transactions, const struct aborted_entry *aborted);
/* A walk over batches from `offset` on begins; all that was added counts. */
void clean_transactions_begin(struct clean_transactions *transactions, int64_t offset);

/* Notes a batch of data; whether its transaction was aborted. */
bool clean_transactions_data(
    struct clean_transactions *transactions, const struct batch_header *header);

enum clean_marker {
    CLEAN_MARKER_OTHER,  /* not of a transaction: kept */
    CLEAN_MARKER_NEEDED, /* its data were met */
    CLEAN_MARKER_FREE,   /* none was */
    CLEAN_MARKER_WRONG,  /* .txnindex says otherwise of its data */
};
/* Notes a control batch. *out_aborted is the entry of .txnindex that stays with it, else its
 * producer is -1. */
enum clean_marker clean_transactions_marker(struct clean_transactions *transactions,
    const struct batch_header *header, const uint8_t *batch, struct aborted_entry *out_aborted);
