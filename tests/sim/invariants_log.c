/* SPDX-License-Identifier: Apache-2.0 */
/* One log against the ledger, which read its files from the first byte to the last: its epochs and its
 * producers; its indexes are looked at next door. */
#include <string.h>

#include "io/file.h"
#include "sim/invariants_parts.h"
#include "sim/recorder.h"
#include "sim/see.h"
#include "storage/flusher.h"
#include "storage/log_state.h"

static void look_at_finding(struct invariants *invariants, const struct log *log,
    const struct ledger *ledger, enum ledger_finding finding)
{
    static const char *const texts[] = { "", "no whole batch with the right CRC",
        "its offset or leader epoch does not follow", "another batch stood there before" };
    enum invariant invariant = finding == LEDGER_NO_BATCH ? INVARIANT_batches_are_whole
                               : finding == LEDGER_GAP    ? INVARIANT_offsets_are_dense
                                                          : INVARIANT_batches_never_change;
    if (finding != LEDGER_RIGHT)
        invariant_fell(invariants, invariant,
            "partition=%s offset=%lld log_start=%lld log_end=%lld reason=\"%s\"", log_label(log),
            (long long)ledger->end, (long long)log->start, (long long)log_end(log), texts[finding]);
}

/* What a log has dropped can come back with a crash, as files do whose removal was not durable; the
 * epochs do not. */
/* A directory that failed may have written epochs cut to a log start that nobody saw, in the pass
 * in which it failed: the next start begins at the old one. What lies below the first entry is then
 * taken from the batches when somebody asks (log_check_epochs()). The answer is the first offset
 * whose epoch must be known all the same. */
static int64_t unasked_epochs_begin(const struct invariants *invariants, const struct log *log)
{
    bool has_failed = invariants->failures_before > invariants->failures_before_last;
    if (log->epochs_checked || !has_failed || log->epochs.count == 0)
        return 0;
    return log->epochs.entries[0].start_offset;
}

static void look_at_epochs(
    struct invariants *invariants, const struct log *log, struct past *past, int32_t first)
{
    const struct ledger *ledger = &past->ledger;
    if (!log->epochs_checked && machine_has_decayed(invariants->machine, log_label(log)))
        return; /* nobody has asked: what a damaged file said may still stand there */
    int64_t known_from = unasked_epochs_begin(invariants, log);
    for (int32_t i = first; i < ledger->count; i++) {
        const struct batch_header *header = &ledger->batches[i].header;
        int32_t epoch = epochs_at(&log->epochs, header->base_offset);
        if (epoch == header->leader_epoch || header->base_offset < past->latest_start ||
            header->base_offset < known_from)
            continue;
        invariant_fell(invariants, INVARIANT_epochs_equal_a_scan,
            "partition=%s offset=%lld epoch_of_batch=%d epoch_of_cache=%d", log_label(log),
            (long long)header->base_offset, header->leader_epoch, epoch);
        return;
    }
}

/* ---- Producers. ---- */

static bool is_same_batch(const struct producer_batch *a, const struct producer_batch *b)
{
    return a->last_sequence == b->last_sequence && a->first_offset == b->first_offset &&
           a->last_offset == b->last_offset && a->first_sequence == b->first_sequence;
}

/* What the log knows is the end of what the scan knows; of a producer in a new life maybe less than
 * five batches. Below `from` anything may be missing. */
static bool producer_is_right(
    const struct producer *known, const struct producer *scanned, int64_t from)
{
    if (scanned == NULL || known->batch_count < 1)
        return false;
    if (scanned->batches[scanned->batch_count - 1].first_offset < from)
        return true;
    if (known->epoch != scanned->epoch || known->transaction_start != scanned->transaction_start ||
        known->last_timestamp != scanned->last_timestamp)
        return false;
    for (int32_t back = 1; back <= known->batch_count; back++) {
        const struct producer_batch *batch = &known->batches[known->batch_count - back];
        if (batch->first_offset < from)
            return true;
        if (back > scanned->batch_count ||
            !is_same_batch(batch, &scanned->batches[scanned->batch_count - back]))
            return false;
    }
    return true;
}

static void tell_producer(struct invariants *invariants, enum invariant invariant,
    const char *label, int64_t id, const struct producer *known, const struct producer *scanned)
{
    const struct producer none = { .batch_count = 0 };
    known = known == NULL ? &none : known;
    scanned = scanned == NULL ? &none : scanned;
    int32_t last = known->batch_count - 1, other = scanned->batch_count - 1;
    invariant_fell(invariants, invariant,
        "partition=%s producer=%lld epoch=%d scanned=%d batches=%d scanned=%d last_sequence=%d "
        "scanned=%d last_offset=%lld scanned=%lld",
        label, (long long)id, known->epoch, scanned->epoch, known->batch_count,
        scanned->batch_count, last < 0 ? -1 : known->batches[last].last_sequence,
        other < 0 ? -1 : scanned->batches[other].last_sequence,
        (long long)(last < 0 ? -1 : known->batches[last].last_offset),
        (long long)(other < 0 ? -1 : scanned->batches[other].last_offset));
}

static bool may_have_expired(
    const struct invariants *invariants, const struct past *past, const struct producer *producer)
{
    return producer->last_timestamp < invariants->latest_wall_ms - past->producer_expiry_ms;
}

/* Either is NULL where it has none. What the ledger never saw proves nothing; and after damage of a snapshot, or a kill right behind a
 * move, producers are what an older snapshot and the batches that are still there make of them. */
static bool producers_agree(const struct invariants *invariants, const struct past *past,
    const struct producer *known, const struct producer *scanned)
{
    int64_t from = past->was_damaged ? past->latest_start : 0;
    if (known != NULL && known->batch_count > 0 && known->batches[0].first_offset < past->hole_end)
        return true;
    if (known != NULL)
        return producer_is_right(known, scanned, from);
    return may_have_expired(invariants, past, scanned) ||
           scanned->batches[scanned->batch_count - 1].last_offset < from;
}

/* Both are in order of id. */
static void compare_producers(struct invariants *invariants, enum invariant invariant,
    const char *label, const struct past *past, const struct producers *known)
{
    const struct producers *scanned = &past->ledger.producers;
    for (int32_t i = 0, at = 0; i < scanned->count || at < known->count;) {
        const struct producer *mine = i < scanned->count ? scanned->entries[i] : NULL;
        const struct producer *its = at < known->count ? known->entries[at] : NULL;
        int64_t id = mine == NULL || (its != NULL && its->id < mine->id) ? its->id : mine->id;
        mine = mine != NULL && mine->id == id ? mine : NULL;
        its = its != NULL && its->id == id ? its : NULL;
        if (!producers_agree(invariants, past, its, mine))
            tell_producer(invariants, invariant, label, id, its, mine);
        i += mine != NULL;
        at += its != NULL;
    }
}

void look_at_producer_snapshot(struct invariants *invariants, const char *label,
    const struct past *past, struct bytes snapshot)
{
    struct producers known = { 0 };
    bool is_whole = snapshot.data != NULL && producers_load(&known, snapshot);
    if (past->ledger.producers.count > 0 || is_whole)
        compare_producers(
            invariants, INVARIANT_producer_snapshots_equal_a_rebuild, label, past, &known);
    producers_deinit(&known);
}

static void look_at_new_producers(
    struct invariants *invariants, const struct log *log, const struct past *past, int32_t first)
{
    const struct ledger *ledger = &past->ledger;
    for (int32_t i = first; i < ledger->count; i++) {
        int64_t id = ledger->batches[i].header.producer_id;
        const struct producer *known = producers_find(&log->producers, id);
        const struct producer *scanned = producers_find(&ledger->producers, id);
        if (id >= 0 && !producers_agree(invariants, past, known, scanned))
            tell_producer(invariants, INVARIANT_producers_equal_a_rebuild, log_label(log), id,
                known, scanned);
    }
}

static void look_behind_the_end(struct invariants *invariants, const struct log *log)
{
    struct file *file = log->segments[log->segment_count - 1].file;
    if (file != NULL && !log->tail_dirty && file_size(file) != log->tail.size)
        invariant_fell(invariants, INVARIANT_nothing_stands_behind_the_end, "partition=%s log_end=%lld size=%lld file_size=%lld",
            log_label(log), (long long)log->tail.end_offset, (long long)log->tail.size, (long long)file_size(file));
}

void look_at_log(
    struct invariants *invariants, const struct log *log, struct past *past, bool is_thorough)
{
    struct ledger *ledger = &past->ledger;
    if (flusher_is_failed(log->flusher)) { /* it is closed soon: what a read or a write in vain left of it in memory, nobody is told */
        past->was_swapped = true;
        return;
    }
    look_behind_the_end(invariants, log);
    if (past->life != invariants->life)
        look_at_opened_log(invariants, log);
    bool anew = past->life != invariants->life || past->has_moved || past->was_swapped;
    int32_t first;
    if (log->start > past->latest_start)
        past->latest_start = log->start;
    past->producer_expiry_ms = log->settings.producer_expiry_ms;
    look_at_cleaning(invariants, log);
    bool is_cleaned = log->settings.compacts && log->is_swapping;
    if (is_cleaned) { /* names of its files change */
        past->was_swapped = true;
        return;
    }
    if (invariants->recorder->expects_damage) { /* what decayed can be read when it is restored */
        if (anew)
            ledger_forget(ledger, log_end(log));
        past->was_damaged = true;
        return;
    }
    if (anew || ledger->end != log_end(log) || ledger->generation != log->generation) {
        int64_t first_base = log->segments[0].base_offset;
        if (anew && first_base > ledger->end)
            past->hole_end = first_base;
        past->was_swapped = false;
        enum ledger_finding finding = ledger_follow(ledger, invariants->machine, log, anew, &first);
        look_at_finding(invariants, log, ledger, finding);
        look_at_epochs(invariants, log, past, first);
        look_at_new_producers(invariants, log, past, first);
        look_at_indexes(invariants, log, past, false);
        remember_indexes(log, past);
    }
    if (!log->settings.compacts)
        look_at_durable_end(invariants, log, past, anew);
    if (anew || is_thorough) {
        look_at_epochs(invariants, log, past, 0);
        look_at_indexes(invariants, log, past, true);
        look_at_boundaries(invariants, log, ledger);
        compare_producers(
            invariants, INVARIANT_producers_equal_a_rebuild, log_label(log), past, &log->producers);
    }
}
