/* SPDX-License-Identifier: Apache-2.0 */
/* What retention took of a log, against the ledger, which still holds it. A start that rises above all
 * that clients asked to have deleted was moved by retention. */
#include "sim/invariants_parts.h"
#include "sim/recorder.h"
#include "storage/log_state.h"

void invariants_tell_starts(struct invariants *invariants, struct start_watch *watch)
{
    invariants->start_watch = watch;
}

int64_t invariants_retained_count(const struct invariants *invariants)
{
    return invariants->retained_count;
}

/* One segment, the batches from first on and before the place behind. What the log got since in the same
 * turn, and the latest time that any loop has seen, count in favour of the node. One without a time is as old as
 * what follows it. */
static void judge_segment(struct invariants *invariants, const struct log *log,
    const struct ledger *ledger, int32_t first, int32_t behind)
{
    const struct log_settings *settings = &log->settings;
    int64_t newest = -1, rest = 0;
    for (int32_t i = first; i < ledger->count && (i < behind || newest < 0); i++)
        if (ledger->batches[i].header.max_timestamp > newest)
            newest = ledger->batches[i].header.max_timestamp;
    for (int32_t i = behind; i < ledger->count; i++)
        rest += (int64_t)ledger->batches[i].header.size;
    int64_t age = invariants->latest_wall_ms - newest;
    bool is_old = settings->retention_ms >= 0 && newest >= 0 && age > settings->retention_ms;
    bool is_spare = settings->retention_bytes >= 0 && rest >= settings->retention_bytes;
    if (!is_old && !is_spare)
        invariant_fell(invariants, INVARIANT_retention_takes_what_it_may,
            "partition=%s segment=%lld age_ms=%lld retention_ms=%lld rest=%lld retention_bytes=%lld",
            log_label(log), (long long)ledger->batches[first].segment_base, (long long)age,
            (long long)settings->retention_ms, (long long)rest,
            (long long)settings->retention_bytes);
    if (!batch_is_on_disk(invariants->machine, log, &ledger->batches[behind - 1]))
        invariant_fell(invariants, INVARIANT_retention_takes_what_is_durable,
            "partition=%s segment=%lld next_offset=%lld durable_end=%lld", log_label(log),
            (long long)ledger->batches[first].segment_base,
            (long long)batch_next_offset(&ledger->batches[behind - 1].header),
            (long long)log->durable_end);
}

static void judge_segments(
    struct invariants *invariants, const struct log *log, const struct past *past)
{
    const struct ledger *ledger = &past->ledger;
    int32_t first = ledger_place(ledger, past->log_start), behind;
    for (; first < ledger->count && ledger->batches[first].header.base_offset < log->start;
         first = behind) {
        int64_t base = ledger->batches[first].segment_base;
        while (first > 0 && ledger->batches[first - 1].segment_base == base)
            first--;
        for (behind = first + 1; behind < ledger->count; behind++)
            if (ledger->batches[behind].segment_base != base)
                break;
        judge_segment(invariants, log, ledger, first, behind);
    }
}

/* A new life, and a log that has moved, may begin where nobody saw the segments go; and times that
 * decayed on the disk lead astray. */
void look_at_retention(struct invariants *invariants, const struct log *log, struct past *past)
{
    bool is_known = past->life == invariants->life && !past->has_moved &&
                    !invariants->recorder->expects_damage;
    bool has_taken = log->start > past->log_start && log->start > past->asked_below;
    bool came_back = past->is_retained && log->start < past->log_start;
    if (has_taken && is_known && !machine_has_decayed(invariants->machine, log_label(log))) {
        judge_segments(invariants, log, past);
        invariants->retained_count++;
    }
    past->is_retained = past->is_retained || has_taken;
    if ((has_taken || came_back) && invariants->start_watch != NULL)
        invariants->start_watch->begins(
            invariants->start_watch, past->key.topic_id, past->key.index, log->start);
}
