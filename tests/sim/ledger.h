/* SPDX-License-Identifier: Apache-2.0 */
/* What a linear scan of one log's files says, kept up over all lives of the node: every batch that
 * ever stood below the log's end, and the producers as those batches make them. A crash may shorten
 * it; what stays must be as it was. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "storage/producers.h"
#include "wire/batch.h"

struct log;
struct machine;

struct ledger_batch {
    struct batch_header header;
    int64_t segment_base, position;
    int64_t largest_timestamp; /* in its segment, up to here */
};

struct ledger {
    struct ledger_batch *batches; /* in order; those that the log has dropped at its start stay */
    int32_t count, capacity;
    int64_t end; /* everything below was seen */
    uint32_t generation;
    struct producers producers;
};

/* What was met that cannot be. */
enum ledger_finding {
    LEDGER_RIGHT,
    LEDGER_NO_BATCH, /* nothing that is a batch, or its CRC is wrong */
    LEDGER_GAP, /* its offset is not the next, or its leader epoch is older than the one before */
    LEDGER_OTHER_BATCH /* another batch stood there before */
};

void ledger_deinit(struct ledger *ledger);

/* Goes on to the log's end. Anew: from the first segment that is there, what is beyond the log's
 * end forgotten. *out_first is the first batch that was read, of those that are there. */
enum ledger_finding ledger_follow(struct ledger *ledger, const struct machine *machine,
    const struct log *log, bool anew, int32_t *out_first);

/* What stood from the offset on is gone, and others may come in its place before the ledger goes on. */
void ledger_forget(struct ledger *ledger, int64_t from);

/* The place of the first batch whose last offset is not below. */
int32_t ledger_place(const struct ledger *ledger, int64_t offset);

/* The batch that holds the offset; NULL: none does. */
const struct ledger_batch *ledger_at(const struct ledger *ledger, int64_t offset);

/* The producers as the first count batches make them. */
void ledger_producers(const struct ledger *ledger, int32_t count, struct producers *out_producers);
