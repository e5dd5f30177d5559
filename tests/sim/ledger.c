/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/ledger.h"

#include <string.h>

#include "base/memory.h"
#include "sim/see.h"
#include "storage/log_state.h"

void ledger_deinit(struct ledger *ledger)
{
    producers_deinit(&ledger->producers);
    memory_give(ledger->batches);
    *ledger = (struct ledger){ 0 };
}

int32_t ledger_place(const struct ledger *ledger, int64_t offset)
{
    int32_t low = 0, high = ledger->count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (batch_last_offset(&ledger->batches[middle].header) < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct ledger_batch *ledger_at(const struct ledger *ledger, int64_t offset)
{
    int32_t place = ledger_place(ledger, offset);
    return place < ledger->count && ledger->batches[place].header.base_offset <= offset
               ? &ledger->batches[place]
               : NULL;
}

void ledger_producers(const struct ledger *ledger, int32_t count, struct producers *out_producers)
{
    struct producer before;
    *out_producers = (struct producers){ 0 };
    for (int32_t i = 0; i < count; i++)
        if (!batch_is_control(&ledger->batches[i].header))
            producers_take(out_producers, &ledger->batches[i].header, NULL, &before);
}

static void add(struct ledger *ledger, const struct ledger_batch *batch)
{
    struct producer before;
    if (ledger->count == ledger->capacity) {
        ledger->capacity = ledger->capacity == 0 ? 64 : ledger->capacity * 2;
        ledger->batches =
            memory_resize(ledger->batches, (size_t)ledger->capacity * sizeof(*ledger->batches));
    }
    ledger->batches[ledger->count++] = *batch;
    ledger->end = batch_next_offset(&batch->header);
    if (!batch_is_control(&batch->header))
        producers_take(&ledger->producers, &batch->header, NULL, &before);
}

/* A cleaning takes records out of a batch; its place among the offsets stays. */
static bool is_same(const struct batch_header *a, const struct batch_header *b, bool compacts)
{
    bool is_its_place = a->base_offset == b->base_offset &&
                        a->last_offset_delta == b->last_offset_delta &&
                        a->leader_epoch == b->leader_epoch && a->producer_id == b->producer_id;
    return is_its_place && (compacts || (a->size == b->size && a->crc == b->crc));
}

/* One batch of a segment. known: those of lives before; what is beyond them may be new. */
static enum ledger_finding read_batch(struct ledger *ledger, const struct ledger *known,
    const struct log *log, struct bytes rest, struct ledger_batch *batch)
{
    const struct ledger_batch *last =
        ledger->count == 0 ? NULL : &ledger->batches[ledger->count - 1];
    struct batch_header *header = &batch->header;
    if (batch_parse(rest, header) != BATCH_OK || !batch_crc_is_right(rest.data, header))
        return LEDGER_NO_BATCH;
    bool is_next = log->settings.compacts ? header->base_offset >= ledger->end
                                          : header->base_offset == ledger->end;
    if (!is_next || (last != NULL && header->leader_epoch < last->header.leader_epoch))
        return LEDGER_GAP;
    if (known != NULL && header->base_offset < known->end) {
        const struct ledger_batch *before = ledger_at(known, header->base_offset);
        if (before != NULL && !is_same(&before->header, header, log->settings.compacts))
            return LEDGER_OTHER_BATCH;
    }
    batch->largest_timestamp = header->max_timestamp;
    if (last != NULL && last->segment_base == batch->segment_base &&
        last->largest_timestamp > batch->largest_timestamp)
        batch->largest_timestamp = last->largest_timestamp;
    add(ledger, batch);
    return LEDGER_RIGHT;
}

/* From where the ledger is in it, to the log's end or the end of the segment. Of a compacted log the last offsets of a sealed one may be
 * gone. */
static enum ledger_finding read_segment(struct ledger *ledger, const struct ledger *known,
    const struct machine *machine, const struct log *log, int32_t place)
{
    char path[SEGMENT_PATH_SIZE];
    const struct segment *segment = &log->segments[place];
    int64_t until = place + 1 < log->segment_count ? segment[1].base_offset : log->tail.end_offset;
    const struct ledger_batch *last =
        ledger->count == 0 ? NULL : &ledger->batches[ledger->count - 1];
    struct ledger_batch batch = { .segment_base = segment->base_offset };
    if (ledger->end < segment->base_offset && segment->base_offset <= log->start)
        ledger->end = segment->base_offset; /* a page-cache topic lost its tail, records are deleted
                                               up to here */
    if (last != NULL && last->segment_base == segment->base_offset)
        batch.position = last->position + (int64_t)last->header.size;
    segment_path(path, log->path, segment->base_offset, ".log");
    struct bytes bytes = see_file(machine, path);
    enum ledger_finding finding = LEDGER_RIGHT;
    bool is_cleaned = log->settings.compacts && place + 1 < log->segment_count;
    while (finding == LEDGER_RIGHT &&
           (is_cleaned ? batch.position < (int64_t)bytes.size : ledger->end < until)) {
        if (bytes.data == NULL || batch.position > (int64_t)bytes.size)
            return LEDGER_NO_BATCH;
        struct bytes rest = { bytes.data + batch.position, bytes.size - (size_t)batch.position };
        finding = read_batch(ledger, known, log, rest, &batch);
        batch.position += (int64_t)batch.header.size;
    }
    if (is_cleaned && finding == LEDGER_RIGHT)
        ledger->end = until;
    return finding;
}

/* Keeps of the batches those that the log has dropped at its start, and has everything else read
 * again. */
static struct ledger begin_anew(struct ledger *ledger, const struct log *log)
{
    struct ledger known = *ledger;
    int64_t first = log->segments[0].base_offset;
    int32_t kept = ledger_place(&known, first);
    *ledger = (struct ledger){ 0 };
    for (int32_t i = 0; i < kept; i++)
        add(ledger, &known.batches[i]);
    ledger->end = first;
    return known;
}

void ledger_forget(struct ledger *ledger, int64_t from)
{
    while (ledger->count > 0 && batch_next_offset(&ledger->batches[ledger->count - 1].header) > from)
        ledger->count--;
    if (ledger->end > from)
        ledger->end = from;
}

enum ledger_finding ledger_follow(struct ledger *ledger, const struct machine *machine,
    const struct log *log, bool anew, int32_t *out_first)
{
    struct ledger known = { 0 };
    anew = anew || ledger->generation != log->generation;
    if (anew)
        known = begin_anew(ledger, log);
    ledger->generation = log->generation;
    *out_first = ledger->count;
    enum ledger_finding finding = LEDGER_RIGHT;
    int32_t place = log_segment_at(log, ledger->end);
    for (int32_t i = place < 0 ? 0 : place; i < log->segment_count && finding == LEDGER_RIGHT; i++)
        finding = read_segment(ledger, anew ? &known : NULL, machine, log, i);
    if (anew)
        ledger_deinit(&known);
    return finding;
}
