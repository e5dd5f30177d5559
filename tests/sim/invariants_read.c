/* SPDX-License-Identifier: Apache-2.0 */
/* Looking offsets up in the logs of a node that is about to be killed: what that leaves in its
 * memory dies with it. */
#include <errno.h>

#include "sim/invariants_parts.h"
#include "storage/flusher.h"
#include "storage/log_state.h"

enum { LOOKUPS = 8 };

/* The first byte behind what may be read of the batch's segment. */
static int64_t readable_end(
    const struct ledger *ledger, const struct ledger_batch *batch, int64_t watermark)
{
    const struct ledger_batch *last = ledger_at(ledger, watermark - 1);
    return last == NULL || last->segment_base != batch->segment_base
               ? INT64_MAX
               : last->position + (int64_t)last->header.size;
}

static void look_up(struct invariants *invariants, const struct partition *partition,
    const struct ledger *ledger, int64_t offset)
{
    struct log_slice slice;
    int32_t place = ledger_place(ledger, offset);
    bool may_be_behind = partition->log->settings.compacts && place < ledger->count; /* the offset was cleaned away */
    const struct ledger_batch *batch =
        may_be_behind ? &ledger->batches[place] : ledger_at(ledger, offset);
    int64_t watermark = partition->high_watermark;
    int status = log_read(partition->log, offset, watermark, INT64_MAX / 2, true, true, &slice);
    if (status == -EIO || batch == NULL)
        return; /* the disk fails; or a page-cache topic lost its tail, above which records were
                   deleted */
    bool is_right = status == 0 && slice.file != NULL &&
                    slice.first_offset == batch->header.base_offset &&
                    slice.position == batch->position &&
                    slice.position + slice.size <= readable_end(ledger, batch, watermark);
    if (!is_right)
        invariant_fell(invariants, INVARIANT_lookups_equal_a_scan,
            "partition=%s status=%d offset=%lld high_watermark=%lld found=%lld position=%lld "
            "size=%lld "
            "batch=%lld position_of_batch=%lld readable_end=%lld",
            log_label(partition->log), status, (long long)offset, (long long)watermark,
            (long long)slice.first_offset, (long long)slice.position, (long long)slice.size,
            (long long)batch->header.base_offset, (long long)batch->position,
            (long long)readable_end(ledger, batch, watermark));
    if (status == 0)
        log_slice_release(&slice);
}

void look_up_offsets(struct invariants *invariants, const struct partition *partition)
{
    const struct log *log = partition->log;
    if (log == NULL || log->is_swapping || partition->damaged || flusher_is_failed(log->flusher))
        return;
    const struct past *past = past_of(invariants, partition->key);
    int64_t count = partition->high_watermark - log->start;
    for (int i = 0; i < LOOKUPS && count > 0; i++)
        look_up(invariants, partition, &past->ledger, log->start + count * i / LOOKUPS);
}
