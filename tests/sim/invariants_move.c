/* SPDX-License-Identifier: Apache-2.0 */
/* A partition that moves to another log directory: its two logs against each other. */
#include "replica/move.h"

#include "sim/invariants_parts.h"
#include "storage/flusher.h"
#include "storage/log_state.h"

/* The future log's files, read from the first byte to the last, against what is known of the current one. */
static void compare_batches(struct invariants *invariants, const struct move *move, const struct past *past)
{
    struct ledger copy = { 0 };
    int32_t first;
    enum ledger_finding finding = ledger_follow(&copy, invariants->machine, move->future, true, &first);
    if (finding != LEDGER_RIGHT)
        invariant_fell(invariants, INVARIANT_moves_copy_what_is_there, "partition=%s offset=%lld: the future log has no right batch there",
            log_label(move->future), (long long)copy.end);
    for (int32_t i = 0; i < copy.count; i++) {
        const struct batch_header *found = &copy.batches[i].header;
        const struct ledger_batch *known = ledger_at(&past->ledger, found->base_offset);
        if (known == NULL || known->header.base_offset != found->base_offset || known->header.crc != found->crc ||
            known->header.leader_epoch != found->leader_epoch)
            invariant_fell(invariants, INVARIANT_moves_copy_what_is_there, "partition=%s offset=%lld: the future log has another batch",
                log_label(move->future), (long long)found->base_offset);
    }
    ledger_deinit(&copy);
}

void look_at_move(struct invariants *invariants, const struct partition *partition, const struct past *past, bool is_thorough)
{
    const struct move *move = partition->move;
    bool is_aligned = move != NULL && move->generation == log_generation(partition->log);
    if (!is_aligned)
        return;
    bool is_joined = move->stage != MOVE_COPYING;
    int64_t lag = move_lag(move);
    if (lag < 0 || (is_joined && lag > 0))
        invariant_fell(invariants, INVARIANT_moves_copy_what_is_there, "partition=%s stage=%d lag=%lld", log_label(partition->log),
            move->stage, (long long)lag);
    int64_t limit = partition->settings.page_cache ? log_end(move->future) : log_durable_end(move->future);
    if (is_joined && partition->high_watermark > move->promised_end && partition->high_watermark > limit)
        invariant_fell(invariants, INVARIANT_moves_bound_the_high_watermark, "partition=%s high_watermark=%lld limit=%lld",
            log_label(partition->log), (long long)partition->high_watermark, (long long)limit);
    /* In a directory that failed, what begins the future log anew may have stopped between two of its files: nobody uses it in this life. */
    bool is_used = !flusher_is_failed(log_flusher(move->future));
    if (is_thorough && is_used && past->ledger.end == log_end(partition->log) && !past->was_damaged)
        compare_batches(invariants, move, past);
}
