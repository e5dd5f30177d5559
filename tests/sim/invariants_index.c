/* SPDX-License-Identifier: Apache-2.0 */
/* The offset and time indexes of a log against the ledger: in the memory of the node while it lives,
 * in their files when it has stopped. Each entry speaks of a batch that stands there, entries ascend,
 * and the time index of a segment that is not written any more ends with its newest time. */
#include <stdio.h>
#include <string.h>

#include "sim/invariants_parts.h"
#include "sim/recorder.h"
#include "sim/see.h"
#include "storage/log_state.h"

enum { PATH_SIZE = 1200 };

static bool offset_entry_is_right(
    const struct ledger *ledger, const struct index *index, int32_t entry, int64_t base_offset)
{
    int64_t position, position_before, offset = index_offset_at(index, entry, base_offset, &position);
    const struct ledger_batch *batch = ledger_at(ledger, offset);
    bool ascends = entry == 0 || index_offset_at(index, entry - 1, base_offset, &position_before) < offset;
    return ascends && batch != NULL && batch->segment_base == base_offset &&
           batch->position == position && batch_last_offset(&batch->header) == offset;
}

static bool time_entry_is_right(
    const struct ledger *ledger, const struct index *index, int32_t entry, int64_t base_offset)
{
    int64_t offset, offset_before, timestamp = index_time_at(index, entry, base_offset, &offset);
    const struct ledger_batch *batch = ledger_at(ledger, offset);
    bool ascends = entry == 0 || index_time_at(index, entry - 1, base_offset, &offset_before) < timestamp;
    return ascends && batch != NULL && batch->segment_base == base_offset &&
           batch_last_offset(&batch->header) == offset &&
           batch->header.max_timestamp == timestamp && batch->largest_timestamp == timestamp;
}

static void tell_index(struct invariants *invariants, const char *label, const struct ledger *ledger,
    const struct index *index, int64_t base_offset, int32_t entry)
{
    int64_t number, offset;
    if (index->kind == INDEX_TIME)
        number = index_time_at(index, entry, base_offset, &offset);
    else
        offset = index_offset_at(index, entry, base_offset, &number);
    const struct ledger_batch *batch = ledger_at(ledger, offset);
    invariant_fell(invariants, INVARIANT_log_and_index_agree,
        "partition=%s segment=%lld index=%s entry=%d of=%d offset=%lld %s=%lld last_offset=%lld "
        "position=%lld max_timestamp=%lld largest_timestamp=%lld segment_of_batch=%lld",
        label, (long long)base_offset, index_suffix[index->kind], entry, index->count,
        (long long)offset, index->kind == INDEX_TIME ? "timestamp" : "position", (long long)number,
        (long long)(batch == NULL ? -1 : batch_last_offset(&batch->header)),
        (long long)(batch == NULL ? -1 : batch->position),
        (long long)(batch == NULL ? -1 : batch->header.max_timestamp),
        (long long)(batch == NULL ? -1 : batch->largest_timestamp),
        (long long)(batch == NULL ? -1 : batch->segment_base));
}

/* From an entry on; those before were right. */
static void look_at_index(struct invariants *invariants, const char *label,
    const struct ledger *ledger, const struct index *index, int64_t base_offset, int32_t from)
{
    for (int32_t entry = from; entry < index->count; entry++) {
        bool is_right = index->kind == INDEX_OFFSET
                            ? offset_entry_is_right(ledger, index, entry, base_offset)
                            : time_entry_is_right(ledger, index, entry, base_offset);
        if (is_right)
            continue;
        tell_index(invariants, label, ledger, index, base_offset, entry);
        return;
    }
}

/* The time index of a segment that will not grow. */
static void look_at_last_time(struct invariants *invariants, const char *label,
    const struct ledger *ledger, const struct index *index, int64_t base_offset, int64_t end)
{
    int64_t offset = -1;
    int64_t last = index->count == 0 ? -1 : index_time_at(index, index->count - 1, base_offset, &offset);
    const struct ledger_batch *batch = ledger_at(ledger, end - 1);
    if (batch == NULL || batch->segment_base != base_offset || last >= batch->largest_timestamp)
        return;
    invariant_fell(invariants, INVARIANT_log_and_index_agree,
        "partition=%s segment=%lld index=.timeindex entries=%d last_time=%lld largest_timestamp=%lld: "
        "it ends before its segment does",
        label, (long long)base_offset, index->count, (long long)last, (long long)batch->largest_timestamp);
}

/* ---- In memory. ---- */

void look_at_indexes(
    struct invariants *invariants, const struct log *log, const struct past *past, bool all)
{
    int32_t active = log->segment_count - 1;
    if (machine_has_decayed(invariants->machine, log_label(log)))
        return; /* an entry that decayed may have been loaded: who uses it compares it with its batch */
    for (int32_t i = all ? 0 : active; i <= active; i++) {
        const struct segment *segment = &log->segments[i];
        if (segment->indexes == NULL)
            continue;
        for (enum index_kind kind = INDEX_OFFSET; kind <= INDEX_TIME; kind++) {
            bool goes_on = !all && past->index_base == segment->base_offset;
            if (segment->indexes[kind].loaded)
                look_at_index(invariants, log_label(log), &past->ledger, &segment->indexes[kind],
                    segment->base_offset, goes_on ? past->index_count[kind] : 0);
        }
        if (i < active && segment[1].base_offset > log->start && segment->indexes[INDEX_TIME].loaded)
            look_at_last_time(invariants, log_label(log), &past->ledger,
                &segment->indexes[INDEX_TIME], segment->base_offset, segment[1].base_offset);
    }
}

/* Of the batch at an offset, as a reader asked for it. What no index or batch tells any more is never asked. */
static void look_at_boundary(struct invariants *invariants, const struct log *log,
    const struct ledger *ledger, const struct log_boundary *known)
{
    int32_t place = ledger_place(ledger, known->offset);
    if (known->offset < 0 || place == ledger->count ||
        ledger->batches[place].segment_base != known->base_offset ||
        ledger->batches[place].position == known->position)
        return;
    invariant_fell(invariants, INVARIANT_lookups_equal_a_scan,
        "partition=%s offset=%lld segment=%lld known_position=%lld position=%lld", log_label(log),
        (long long)known->offset, (long long)known->base_offset, (long long)known->position,
        (long long)ledger->batches[place].position);
}

void look_at_boundaries(struct invariants *invariants, const struct log *log, const struct ledger *ledger)
{
    for (int i = 0; i < LOG_HINTS; i++)
        look_at_boundary(invariants, log, ledger, &log->hints[i]);
    look_at_boundary(invariants, log, ledger, &log->durable_boundary);
}

void remember_indexes(const struct log *log, struct past *past)
{
    const struct segment *active = &log->segments[log->segment_count - 1];
    past->index_base = active->base_offset;
    for (enum index_kind kind = INDEX_OFFSET; kind <= INDEX_TIME; kind++)
        past->index_count[kind] = active->indexes == NULL ? 0 : active->indexes[kind].count;
}

/* ---- After a clean stop. ---- */

static struct bytes see_index(
    const struct invariants *invariants, const char *directory, int64_t base_offset, enum index_kind kind)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof(path), "%s/%020lld%s", directory, (long long)base_offset, index_suffix[kind]);
    return see_durable_file(invariants->machine, path);
}

static void look_at_segment_files(struct invariants *invariants, const char *directory,
    const char *label, const struct past *past, int64_t base_offset, int64_t end)
{
    if (end == past->end || end <= past->log_start)
        return; /* of the active one not all need be true, since the next start looks; nobody reads what is deleted */
    for (enum index_kind kind = INDEX_OFFSET; kind <= INDEX_TIME; kind++) {
        struct bytes bytes = see_index(invariants, directory, base_offset, kind);
        const struct index index = { .kind = (uint8_t)kind,
            .data = (uint8_t *)(uintptr_t)bytes.data, /* to look only */
            .count = (int32_t)(bytes.size / (size_t)index_entry_size[kind]) };
        look_at_index(invariants, label, &past->ledger, &index, base_offset, 0);
        if (kind == INDEX_TIME)
            look_at_last_time(invariants, label, &past->ledger, &index, base_offset, end);
    }
}

void look_at_index_files(
    struct invariants *invariants, const char *directory, const char *label, const struct past *past)
{
    const struct ledger *ledger = &past->ledger;
    for (int32_t i = 0; i < ledger->count; i++) {
        int64_t base_offset = ledger->batches[i].segment_base;
        if (i == ledger->count - 1 || ledger->batches[i + 1].segment_base != base_offset)
            look_at_segment_files(invariants, directory, label, past, base_offset,
                batch_next_offset(&ledger->batches[i].header));
    }
}

void look_at_durable_indexes(struct invariants *invariants, const char *directory, const struct past *past)
{
    char path[PATH_SIZE];
    for (enum index_kind kind = INDEX_OFFSET; kind <= INDEX_TIME; kind++) {
        snprintf(path, sizeof(path), "%s/%020lld%s", directory, (long long)past->index_base, index_suffix[kind]);
        struct bytes seen = see_file(invariants->machine, path);
        struct bytes durable = see_index(invariants, directory, past->index_base, kind);
        if (durable.size != seen.size || (seen.size > 0 && memcmp(durable.data, seen.data, seen.size) != 0))
            invariant_fell(invariants, INVARIANT_checkpoints_say_what_was, "file=%s: it was stopped cleanly, and not all of it is durable", path);
    }
}
