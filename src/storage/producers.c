/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/producers.h"

#include <assert.h>
#include <string.h>

#include "base/broken.h"
#include "base/crc32c.h"
#include "base/memory.h"

/* Kafka's snapshot: version 1, CRC-32C of all behind it, entry count, entries of 46 bytes. */
enum { SNAPSHOT_VERSION = 1, SNAPSHOT_HEADER = 10, SNAPSHOT_ENTRY = 46, SNAPSHOT_CRC_END = 6 };

void producers_deinit(struct producers *producers)
{
    producers_forget(producers);
    memory_give(producers->entries);
    memory_give(producers->refused);
    *producers = (struct producers){ 0 };
}

void producers_forget(struct producers *producers)
{
    for (int32_t i = 0; i < producers->count; i++)
        memory_give(producers->entries[i]);
    producers->dirty = producers->dirty || producers->count > 0;
    producers->count = 0;
    producers->refused_count = 0;
}

/* The place of id, or where it would stand. */
static int32_t place_of(const struct producers *producers, int64_t id)
{
    int32_t low = 0, high = producers->count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (producers->entries[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct producer *find(const struct producers *producers, int64_t id)
{
    int32_t place = place_of(producers, id);
    return place < producers->count && producers->entries[place]->id == id
               ? producers->entries[place]
               : NULL;
}

const struct producer *producers_find(const struct producers *producers, int64_t id)
{
    return find(producers, id);
}

static struct producer *insert(struct producers *producers, int64_t id)
{
    int32_t place = place_of(producers, id);
    if (producers->count == producers->capacity) {
        producers->capacity = producers->capacity == 0 ? 2 : producers->capacity * 2;
        producers->entries = memory_resize(
            producers->entries, (size_t)producers->capacity * sizeof(*producers->entries));
    }
    memmove(producers->entries + place + 1, producers->entries + place,
        (size_t)(producers->count - place) * sizeof(*producers->entries));
    struct producer *producer = memory_take(sizeof(*producer));
    *producer = (struct producer){ .id = id,
        .epoch = -1,
        .coordinator_epoch = -1,
        .transaction_start = -1,
        .last_timestamp = -1,
        .silent_since_ms = -1 };
    producers->entries[place] = producer;
    producers->count++;
    return producer;
}

static void erase(struct producers *producers, int64_t id)
{
    int32_t place = place_of(producers, id);
    assert(place < producers->count && producers->entries[place]->id == id);
    memory_give(producers->entries[place]);
    producers->count--;
    memmove(producers->entries + place, producers->entries + place + 1,
        (size_t)(producers->count - place) * sizeof(*producers->entries));
}

/* ---- Producers whose first batch was taken back. ---- */

static int32_t place_of_refused(const struct producers *producers, int64_t id)
{
    int32_t place = 0;
    while (place < producers->refused_count && producers->refused[place].id != id)
        place++;
    return place;
}

static void forget_refused(struct producers *producers, int32_t place)
{
    if (place >= producers->refused_count)
        return;
    producers->refused_count--;
    memmove(producers->refused + place, producers->refused + place + 1,
        (size_t)(producers->refused_count - place) * sizeof(*producers->refused));
}

/* first: all that was known of the producer. */
static void remember_refused(struct producers *producers, const struct producer *first)
{
    if (first->batch_count == 0)
        return; /* it was a marker */
    if (producers->refused == NULL)
        producers->refused = memory_take(REFUSED_STARTS * sizeof(*producers->refused));
    if (producers->refused_count == REFUSED_STARTS)
        forget_refused(producers, 0);
    producers->refused[producers->refused_count++] = (struct refused_start){
        .id = first->id, .epoch = first->epoch, .first_sequence = first->batches[0].first_sequence
    };
}

/* Whatever its sequence: we may have forgotten it (expiry, deleted records). But when the batch that
 * we would have begun with was refused, as by a full disk, those behind it must not go before it. */
static enum producer_verdict check_unknown(
    const struct producers *producers, const struct batch_header *header)
{
    int32_t place = place_of_refused(producers, header->producer_id);
    if (place == producers->refused_count)
        return PRODUCER_NEW;
    const struct refused_start *refused = &producers->refused[place];
    int32_t expected = header->producer_epoch == refused->epoch ? refused->first_sequence : 0;
    return header->base_sequence == expected ? PRODUCER_NEW : PRODUCER_OUT_OF_ORDER;
}

/* ---- Batches. ---- */

enum producer_verdict producers_check(const struct producers *producers,
    const struct batch_header *header, const struct producer_batch **out_original)
{
    const struct producer *producer = find(producers, header->producer_id);
    *out_original = NULL;
    if (batch_is_transactional(header))
        return PRODUCER_NO_TRANSACTION;
    if (producer == NULL)
        return check_unknown(producers, header);
    if (header->producer_epoch < producer->epoch && !broken(old_producer_epoch))
        return PRODUCER_FENCED;
    if (header->producer_epoch > producer->epoch) {
        if (header->base_sequence == 0 || producer->epoch < 0 || broken(new_epoch_any_sequence))
            return PRODUCER_NEW;
        return PRODUCER_OUT_OF_ORDER;
    }
    if (broken(duplicate_as_new))
        return PRODUCER_NEW;
    for (int32_t i = broken(window_of_four) && producer->batch_count == PRODUCER_WINDOW; i < producer->batch_count; i++) {
        const struct producer_batch *batch = &producer->batches[i];
        if (batch->first_sequence == header->base_sequence &&
            batch->last_sequence == batch_last_sequence(header)) {
            *out_original = batch;
            return PRODUCER_DUPLICATE;
        }
    }
    int32_t expected = 0; /* where only a marker of this epoch is known */
    if (producer->batch_count > 0)
        expected = sequence_add(producer->batches[producer->batch_count - 1].last_sequence, 1);
    return header->base_sequence == expected || broken(sequence_gap) ? PRODUCER_NEW : PRODUCER_OUT_OF_ORDER;
}

static void take_data(struct producer *producer, const struct batch_header *header)
{
    if (producer->epoch != header->producer_epoch) {
        producer->epoch = header->producer_epoch;
        producer->batch_count = 0;
    }
    if (producer->batch_count == PRODUCER_WINDOW - broken(window_short)) {
        memmove(producer->batches, producer->batches + 1,
            sizeof(producer->batches[0]) * (size_t)(producer->batch_count - 1));
        producer->batch_count--;
    }
    producer->batches[producer->batch_count++] = (struct producer_batch){
        .first_sequence = header->base_sequence,
        .last_sequence = batch_last_sequence(header),
        .first_offset = header->base_offset,
        .last_offset = batch_last_offset(header),
        .timestamp = header->max_timestamp,
    };
    if (batch_is_transactional(header) && producer->transaction_start < 0)
        producer->transaction_start = header->base_offset;
    producer->last_timestamp = header->max_timestamp;
    producer->silent_since_ms = -1;
}

enum marker producers_marker(
    const struct batch_header *header, const uint8_t *batch, int32_t *out_coordinator_epoch)
{
    const uint8_t *at = batch + BATCH_HEADER_SIZE, *end = batch + header->size;
    enum marker marker = MARKER_NONE;
    int lengths[5]; /* record length, timestamp delta, offset delta, key length; value length comes
                       behind the key */
    for (int i = 0; i < 5; i++) {
        if (i == 1)
            at++; /* attributes */
        if (i == 4) {
            if (lengths[3] < 4 || end - at < lengths[3])
                return MARKER_NONE;
            int16_t type = load_i16(at + 2);
            if (type != 0 && type != 1)
                return MARKER_NONE;
            marker = type == 0 ? MARKER_ABORT : MARKER_COMMIT;
            at += lengths[3];
        }
        uint64_t bits = 0;
        for (int shift = 0;; shift += 7) {
            if (at >= end || shift > 63)
                return MARKER_NONE;
            bits |= (uint64_t)(*at & 0x7f) << shift;
            if ((*at++ & 0x80) == 0)
                break;
        }
        int64_t number = (int64_t)(bits >> 1) ^ -(int64_t)(bits & 1);
        lengths[i] = number > INT32_MAX || number < -1 ? INT32_MAX : (int)number;
    }
    if (lengths[4] >= 6 && end - at >= 6)
        *out_coordinator_epoch = load_i32(at + 2);
    return marker;
}

void producers_take(struct producers *producers, const struct batch_header *header,
    const uint8_t *batch, struct producer *out_before)
{
    out_before->id = -1;
    /* A start reads headers whose CRC nobody has checked: without an epoch it is no producer's, whatever a bit of the id says. */
    if (header->producer_id < 0 || header->producer_epoch < 0)
        return;
    if (batch_is_control(header) && !batch_is_transactional(header))
        return;
    struct producer *producer = find(producers, header->producer_id);
    if (producer == NULL) {
        producer = insert(producers, header->producer_id);
        forget_refused(producers, place_of_refused(producers, header->producer_id));
        *out_before = (struct producer){ .id = header->producer_id, .batch_count = -1 };
    } else {
        *out_before = *producer;
    }
    producers->dirty = true;
    if (!batch_is_control(header)) {
        take_data(producer, header);
        return;
    }
    if (producer->epoch != header->producer_epoch) {
        producer->epoch = header->producer_epoch;
        producer->batch_count = 0;
    }
    if (producers_marker(header, batch, &producer->coordinator_epoch) != MARKER_NONE)
        producer->transaction_start = -1;
    producer->last_timestamp = header->max_timestamp;
    producer->silent_since_ms = -1;
}

void producers_restore(struct producers *producers, const struct producer *before, int64_t id)
{
    if (before->id < 0)
        return;
    assert(before->id == id);
    if (before->batch_count < 0) {
        remember_refused(producers, find(producers, id));
        erase(producers, id);
    } else {
        *find(producers, id) = *before;
    }
    producers->dirty = true;
}

int64_t producers_first_open(const struct producers *producers)
{
    int64_t first = -1;
    for (int32_t i = 0; i < producers->count; i++) {
        int64_t start = producers->entries[i]->transaction_start;
        if (start >= 0 && (first < 0 || start < first))
            first = start;
    }
    return first;
}

void producers_expire(struct producers *producers, int64_t now_ms, int64_t expiry_ms)
{
    int32_t kept = 0;
    for (int32_t i = 0; i < producers->count; i++) {
        struct producer *producer = producers->entries[i];
        if (producer->silent_since_ms < 0)
            producer->silent_since_ms = now_ms;
        if (producer->transaction_start >= 0 || now_ms - producer->silent_since_ms < expiry_ms)
            producers->entries[kept++] = producer;
        else
            memory_give(producer);
    }
    producers->dirty = producers->dirty || kept != producers->count;
    producers->count = kept;
}

uint8_t *producers_print(const struct producers *producers, size_t *out_size)
{
    size_t size = SNAPSHOT_HEADER + (size_t)producers->count * SNAPSHOT_ENTRY;
    uint8_t *data = memory_take_raw(size), *at = data + SNAPSHOT_HEADER;
    store_i16(data, SNAPSHOT_VERSION);
    store_i32(data + SNAPSHOT_CRC_END, producers->count);
    for (int32_t i = 0; i < producers->count; i++, at += SNAPSHOT_ENTRY) {
        const struct producer *producer = producers->entries[i];
        struct producer_batch last = {
            .first_sequence = -1, .last_sequence = -1, .first_offset = -1, .last_offset = -1
        };
        if (producer->batch_count > 0)
            last = producer->batches[producer->batch_count - 1];
        store_i64(at, producer->id);
        store_i16(at + 8, producer->epoch);
        store_i32(at + 10, last.last_sequence);
        store_i64(at + 14, last.last_offset);
        store_i32(at + 22, (int32_t)(last.last_offset - last.first_offset));
        store_i64(at + 26, producer->last_timestamp);
        store_i32(at + 34, producer->coordinator_epoch);
        store_i64(at + 38, producer->transaction_start);
    }
    store_u32(data + 2, crc32c(0, data + SNAPSHOT_CRC_END, size - SNAPSHOT_CRC_END));
    *out_size = size;
    return data;
}

void producers_copy(struct producers *to, const struct producers *from)
{
    producers_forget(to);
    for (int32_t i = 0; i < from->count; i++)
        *insert(to, from->entries[i]->id) = *from->entries[i];
    to->dirty = true;
}

bool producers_load(struct producers *producers, struct bytes snapshot)
{
    producers_forget(producers);
    if (snapshot.size < SNAPSHOT_HEADER || load_i16(snapshot.data) != SNAPSHOT_VERSION)
        return false;
    if (load_u32(snapshot.data + 2) !=
        crc32c(0, snapshot.data + SNAPSHOT_CRC_END, snapshot.size - SNAPSHOT_CRC_END))
        return false;
    int32_t count = load_i32(snapshot.data + SNAPSHOT_CRC_END);
    if (count < 0 || (uint64_t)count * SNAPSHOT_ENTRY != snapshot.size - SNAPSHOT_HEADER)
        return false;
    const uint8_t *at = snapshot.data + SNAPSHOT_HEADER;
    for (int32_t i = 0; i < count; i++, at += SNAPSHOT_ENTRY) {
        int64_t id = load_i64(at);
        if (id < 0 || find(producers, id) != NULL) {
            producers_forget(producers);
            return false;
        }
        struct producer *producer = insert(producers, id);
        int32_t last_sequence = load_i32(at + 10), delta = load_i32(at + 22);
        producer->epoch = load_i16(at + 8);
        producer->last_timestamp = load_i64(at + 26);
        producer->coordinator_epoch = load_i32(at + 34);
        producer->transaction_start = load_i64(at + 38);
        if (last_sequence < 0 || delta < 0)
            continue;
        int64_t first = (int64_t)last_sequence - delta; /* sequences wrap from INT32_MAX to 0 */
        producer->batches[0] = (struct producer_batch){
            .first_sequence = (int32_t)(first < 0 ? first + INT32_MAX + 1 : first),
            .last_sequence = last_sequence,
            .first_offset = load_i64(at + 14) - delta,
            .last_offset = load_i64(at + 14),
            .timestamp = producer->last_timestamp,
        };
        producer->batch_count = 1;
    }
    producers->dirty = false;
    return true;
}
