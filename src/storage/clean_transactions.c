/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/clean_transactions.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/memory.h"
#include "storage/producers.h"

/* One that is open where the walk is. */
struct transaction {
    int64_t producer_id;
    struct aborted_entry aborted; /* when it will be */
    bool is_aborted, has_data;
    UT_hash_handle hh;
};

struct clean_transactions {
    struct aborted_entry *aborted; /* in order of first offset; those before `next` have begun */
    int32_t count, capacity, next;
    int64_t from;             /* where the walk began */
    struct transaction *open; /* by producer id */
};

struct clean_transactions *clean_transactions_create(void)
{
    return memory_take(sizeof(struct clean_transactions));
}

static void forget(struct clean_transactions *transactions, struct transaction *transaction)
{
    HASH_DEL(transactions->open, transaction);
    memory_give(transaction);
}

static void forget_all(struct clean_transactions *transactions)
{
    struct transaction *transaction, *next;
    HASH_ITER(hh, transactions->open, transaction, next)
    forget(transactions, transaction);
}

void clean_transactions_destroy(struct clean_transactions *transactions)
{
    if (transactions == NULL)
        return;
    forget_all(transactions);
    memory_give(transactions->aborted);
    memory_give(transactions);
}

void clean_transactions_add(
    struct clean_transactions *transactions, const struct aborted_entry *aborted)
{
    if (transactions->count == transactions->capacity) {
        transactions->capacity = transactions->capacity == 0 ? 16 : transactions->capacity * 2;
        transactions->aborted = memory_resize(
            transactions->aborted, (size_t)transactions->capacity * sizeof(*transactions->aborted));
    }
    transactions->aborted[transactions->count++] = *aborted;
}

static int compare(const void *a, const void *b)
{
    const struct aborted_entry *first = a, *second = b;
    if (first->first_offset != second->first_offset)
        return first->first_offset < second->first_offset ? -1 : 1;
    return first->last_offset < second->last_offset ? -1 : first->last_offset > second->last_offset;
}

void clean_transactions_begin(struct clean_transactions *transactions, int64_t offset)
{
    forget_all(transactions);
    if (transactions->count > 0)
        qsort(transactions->aborted, (size_t)transactions->count, sizeof(*transactions->aborted),
            compare);
    transactions->next = 0;
    transactions->from = offset;
}

static struct transaction *find(struct clean_transactions *transactions, int64_t producer_id)
{
    struct transaction *transaction;
    HASH_FIND(hh, transactions->open, &producer_id, sizeof(producer_id), transaction);
    return transaction;
}

static struct transaction *find_or_add(struct clean_transactions *transactions, int64_t producer_id)
{
    struct transaction *transaction = find(transactions, producer_id);
    if (transaction != NULL)
        return transaction;
    transaction = memory_take(sizeof(*transaction));
    transaction->producer_id = producer_id;
    HASH_ADD(hh, transactions->open, producer_id, sizeof(producer_id), transaction);
    return transaction;
}

/* Begins the aborted transactions whose first offset is not above `offset`. An entry for one that
 * is under way tells of the same. */
static void begin_aborted(struct clean_transactions *transactions, int64_t offset)
{
    while (transactions->next < transactions->count &&
           transactions->aborted[transactions->next].first_offset <= offset) {
        const struct aborted_entry *aborted = &transactions->aborted[transactions->next++];
        if (aborted->last_offset < transactions->from)
            continue; /* its marker is not on the way: nothing would end it */
        struct transaction *transaction = find_or_add(transactions, aborted->producer_id);
        if (transaction->is_aborted && transaction->aborted.last_offset >= aborted->first_offset)
            continue;
        transaction->is_aborted = true;
        transaction->has_data = false;
        transaction->aborted = *aborted;
    }
}

bool clean_transactions_data(
    struct clean_transactions *transactions, const struct batch_header *header)
{
    begin_aborted(transactions, batch_last_offset(header));
    if (!batch_is_transactional(header))
        return false;
    struct transaction *transaction = find_or_add(transactions, header->producer_id);
    if (transaction->is_aborted && transaction->aborted.last_offset < header->base_offset)
        transaction->is_aborted = false; /* its marker is gone, and this is the next one */
    transaction->has_data = true;
    return transaction->is_aborted;
}

enum clean_marker clean_transactions_marker(struct clean_transactions *transactions,
    const struct batch_header *header, const uint8_t *batch, struct aborted_entry *out_aborted)
{
    int32_t coordinator_epoch;
    out_aborted->producer_id = -1;
    begin_aborted(transactions, batch_last_offset(header));
    if (header->record_count == 0)
        return CLEAN_MARKER_FREE; /* it was cleaned before: only its producer's epoch is kept */
    enum marker marker = producers_marker(header, batch, &coordinator_epoch);
    if (marker == MARKER_NONE)
        return CLEAN_MARKER_OTHER;
    struct transaction *transaction = find(transactions, header->producer_id);
    if (transaction == NULL)
        return CLEAN_MARKER_FREE;
    struct transaction was = *transaction;
    forget(transactions, transaction);
    if (!was.has_data)
        return CLEAN_MARKER_FREE;
    if (was.is_aborted != (marker == MARKER_ABORT))
        return CLEAN_MARKER_WRONG;
    if (was.is_aborted)
        *out_aborted = was.aborted;
    return CLEAN_MARKER_NEEDED;
}
