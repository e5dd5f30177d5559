/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/clean_filter.h"

#include <assert.h>
#include <errno.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "io/io.h"
#include "storage/clean_map.h"
#include "storage/clean_transactions.h"
#include "storage/clean_walk.h"

#define MARKER_DISAGREES "the transaction's marker and .txnindex disagree"

struct clean_filter {
    struct clean_map *map;
    struct clean_transactions *transactions;
    struct decompressor *decompressor;
    struct clean_walk walk;
    struct clean_producer *producers;
    int32_t producer_count;
    int64_t first_dirty, dirty_end, high_watermark, mapped_end;
    bool is_full; /* the map: mapped_end is final */
    int64_t wall_ms, delete_retention_ms;
    size_t max_batch_bytes;
    int64_t next_offset; /* no batch begins below */
    uint8_t *stays;      /* for each record of the batch at hand */
    size_t stays_capacity;
    struct buffer *plain; /* records on their way to be compressed */
    const char *reason;
    struct clean_statistics statistics;
};

struct clean_filter *clean_filter_create(const struct clean_plan *plan)
{
    struct clean_filter *filter = memory_take(sizeof(*filter));
    size_t producers_size = (size_t)plan->producer_count * sizeof(*filter->producers);
    uint64_t secret[2];
    io_random(plan->io, secret, sizeof(secret));
    *filter = (struct clean_filter){
        .map = clean_map_create(
            plan->map_bytes, plan->map_load_factor, plan->dirty_end - plan->first_dirty, secret),
        .transactions = clean_transactions_create(),
        .decompressor = decompressor_create(),
        .producers = memory_take(producers_size),
        .producer_count = plan->producer_count,
        .first_dirty = plan->first_dirty,
        .dirty_end = plan->dirty_end,
        .high_watermark = plan->high_watermark,
        .mapped_end = plan->first_dirty,
        .wall_ms = plan->wall_ms,
        .delete_retention_ms = plan->delete_retention_ms,
        .max_batch_bytes = (size_t)plan->max_batch_bytes,
        .plain = buffer_create(0),
        .statistics.next_horizon_ms = INT64_MAX,
    };
    if (producers_size > 0)
        memcpy(filter->producers, plan->producers, producers_size);
    for (int32_t i = 0; i < plan->aborted_count; i++)
        clean_transactions_add(filter->transactions, &plan->aborted[i]);
    return filter;
}

void clean_filter_destroy(struct clean_filter *filter)
{
    if (filter == NULL)
        return;
    clean_map_destroy(filter->map);
    clean_transactions_destroy(filter->transactions);
    decompressor_destroy(filter->decompressor);
    memory_give(filter->producers);
    memory_give(filter->stays);
    buffer_unref(filter->plain);
    memory_give(filter);
}

void clean_filter_add_aborted(struct clean_filter *filter, const struct aborted_entry *aborted)
{
    clean_transactions_add(filter->transactions, aborted);
}

int64_t clean_filter_mapped_end(const struct clean_filter *filter)
{
    return filter->mapped_end;
}

const char *clean_filter_reason(const struct clean_filter *filter)
{
    return filter->reason;
}

struct clean_statistics *clean_filter_statistics(struct clean_filter *filter)
{
    return &filter->statistics;
}

/* ---- Reading a batch. ---- */

static int damaged(struct clean_filter *filter, const char *reason)
{
    filter->reason = reason;
    return -EUCLEAN;
}

static int check_offsets(struct clean_filter *filter, const struct batch_header *header)
{
    if (header->last_offset_delta < 0 || header->record_count < 0 ||
        header->record_count - 1 > header->last_offset_delta || header->base_offset < 0 ||
        header->base_offset > INT64_MAX - 1 - header->last_offset_delta)
        return damaged(filter, "the batch's offsets and its count of records cannot be");
    return 0;
}

/* One whose offsets can be. */
static int check_batch(
    struct clean_filter *filter, const uint8_t *batch, const struct batch_header *header)
{
    if (!batch_crc_is_right(batch, header))
        return damaged(filter, "the CRC of the batch does not match");
    if (header->base_offset < filter->next_offset)
        return damaged(filter, "the batch's offsets do not follow those before it");
    if (batch_codec(header) >= (batch_is_control(header) ? CODEC_NONE + 1 : CODEC_COUNT))
        return damaged(filter, "the batch's codec is unknown");
    filter->next_offset = batch_next_offset(header);
    return 0;
}

static int open_walk(
    struct clean_filter *filter, const uint8_t *batch, const struct batch_header *header)
{
    int status = clean_walk_open(
        &filter->walk, filter->decompressor, batch, header, filter->max_batch_bytes);
    filter->reason = filter->walk.reason;
    return status;
}

/* The next window of records, and what is needed to look their keys up. */
static int next_window(struct clean_filter *filter, struct clean_key keys[CLEAN_WINDOW])
{
    int count = clean_walk_next(&filter->walk);
    filter->reason = filter->walk.reason;
    for (int i = 0; i < count; i++)
        keys[i] = clean_map_key(filter->map, filter->walk.window[i].key);
    return count;
}

/* ---- Learning. ---- */

void clean_filter_begin_learning(struct clean_filter *filter)
{
    clean_transactions_begin(filter->transactions, filter->first_dirty);
}

/* False: the map is full. */
static bool learn_window(struct clean_filter *filter, const struct clean_key *keys, const int count)
{
    for (int i = 0; i < count; i++) {
        const struct record *record = &filter->walk.window[i];
        if (record->key.data != NULL && record->offset >= filter->first_dirty &&
            !clean_map_put(filter->map, keys[i], record->offset)) {
            filter->mapped_end = record->offset;
            filter->is_full = true;
            return false;
        }
    }
    return true;
}

static int learn_keys(
    struct clean_filter *filter, const uint8_t *batch, const struct batch_header *header)
{
    struct clean_key keys[CLEAN_WINDOW];
    int count = open_walk(filter, batch, header);
    if (count == 0) {
        clean_walk_begin(&filter->walk, header);
        while ((count = next_window(filter, keys)) > 0 && learn_window(filter, keys, count))
            continue;
    }
    clean_walk_close(&filter->walk);
    return count > 0 ? 1 : count == -EMSGSIZE ? 0 : count;
}

int clean_filter_learn(
    struct clean_filter *filter, const uint8_t *batch, const struct batch_header *header)
{
    struct aborted_entry aborted;
    assert(!filter->is_full);
    int status = check_offsets(filter, header);
    if (status == 0 && batch_next_offset(header) <= filter->first_dirty)
        return 0; /* other damage in it is found when it is kept */
    if (status == 0)
        status = check_batch(filter, batch, header);
    if (status < 0)
        return status;
    if (batch_is_control(header)) {
        if (clean_transactions_marker(filter->transactions, header, batch, &aborted) ==
            CLEAN_MARKER_WRONG)
            return damaged(filter, MARKER_DISAGREES);
    } else if (!clean_transactions_data(filter->transactions, header)) {
        status = learn_keys(filter, batch, header);
    }
    if (status == 0)
        filter->mapped_end = batch_next_offset(header);
    return status;
}

/* ---- Keeping. ---- */

void clean_filter_begin_keeping(struct clean_filter *filter)
{
    if (!filter->is_full)
        filter->mapped_end = filter->dirty_end;
    filter->next_offset = 0;
    clean_transactions_begin(filter->transactions, 0);
}

static uint8_t *room(struct buffer **out, size_t size)
{
    size_t needed = (*out)->size + size;
    if (needed > (*out)->capacity)
        *out = buffer_grow(*out, needed > 2 * (*out)->capacity ? needed : 2 * (*out)->capacity);
    return (*out)->data + (*out)->size;
}

static bool has_horizon(const struct batch_header *header)
{
    return (header->attributes & BATCH_DELETE_HORIZON) != 0;
}

static bool horizon_has_passed(const struct clean_filter *filter, const struct batch_header *header)
{
    return has_horizon(header) && header->base_timestamp <= filter->wall_ms;
}

static bool ends_producer(const struct clean_filter *filter, const struct batch_header *header)
{
    int32_t low = 0, high = filter->producer_count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (filter->producers[middle].id < header->producer_id)
            low = middle + 1;
        else
            high = middle;
    }
    if (header->producer_id < 0 || low == filter->producer_count ||
        filter->producers[low].id != header->producer_id)
        return false;
    const struct clean_producer *producer = &filter->producers[low];
    return producer->last_offset >= 0
               ? producer->last_offset == batch_last_offset(header)
               : batch_is_control(header) && producer->epoch == header->producer_epoch;
}

static bool record_stays(struct clean_filter *filter, const struct batch_header *header,
    const struct record *record, struct clean_key key)
{
    if (record->offset >= filter->mapped_end || batch_is_control(header))
        return true;
    if (record->key.data == NULL) {
        filter->statistics.records_without_key++;
        return false;
    }
    /* A batch that was left may hold an older value of the key, which would count again. */
    if (record->value.data == NULL && horizon_has_passed(filter, header) &&
        filter->statistics.batches_left == 0)
        return false;
    return record->offset >= clean_map_find(filter->map, key);
}

struct choice {
    int32_t count; /* of records that stay */
    bool has_tombstone;
    int64_t first_timestamp, max_timestamp;
};

static void choose(struct choice *choice, const struct record *record)
{
    if (choice->count++ == 0)
        choice->first_timestamp = record->timestamp;
    if (record->timestamp > choice->max_timestamp)
        choice->max_timestamp = record->timestamp;
    choice->has_tombstone = choice->has_tombstone || record->value.data == NULL;
}

/* Fills filter->stays. */
static int choose_records(
    struct clean_filter *filter, const struct batch_header *header, struct choice *out_choice)
{
    struct clean_key keys[CLEAN_WINDOW];
    uint8_t *stays;
    int count;
    *out_choice = (struct choice){ .max_timestamp = -1 };
    if ((size_t)header->record_count > filter->stays_capacity) {
        filter->stays_capacity = (size_t)header->record_count;
        filter->stays = memory_resize(filter->stays, filter->stays_capacity);
    }
    stays = filter->stays;
    clean_walk_begin(&filter->walk, header);
    while ((count = next_window(filter, keys)) > 0)
        for (int i = 0; i < count; i++) {
            const struct record *record = &filter->walk.window[i];
            *stays = record_stays(filter, header, record, keys[i]);
            if (*stays++)
                choose(out_choice, record);
        }
    return count;
}

/* Puts the header in front of what was appended behind it. */
static void finish_batch(struct buffer *out, size_t start, struct batch_header *header)
{
    header->size = out->size - start;
    header->length = (int32_t)(header->size - BATCH_PREFIX_SIZE);
    batch_write_header(out->data + start, header);
    batch_renew_crc(out->data + start, header);
}

static void keep_whole(const uint8_t *batch, const struct batch_header *header, struct buffer **out,
    struct clean_kept *kept)
{
    memcpy(room(out, header->size), batch, header->size);
    (*out)->size += header->size;
    kept->header = *header;
}

static void keep_empty(
    const struct batch_header *header, struct buffer **out, struct clean_kept *kept)
{
    size_t start = (*out)->size;
    room(out, BATCH_HEADER_SIZE);
    (*out)->size += BATCH_HEADER_SIZE;
    kept->header = *header;
    kept->header.attributes =
        header->attributes & (BATCH_LOG_APPEND_TIME | BATCH_TRANSACTIONAL | BATCH_CONTROL);
    kept->header.base_timestamp = -1;
    kept->header.record_count = 0;
    finish_batch(*out, start, &kept->header);
}

/* The records that stay. choose_records() saw that all of them are good. */
static void append_records(struct clean_filter *filter, const struct batch_header *header,
    int64_t base_timestamp, struct buffer **out)
{
    const uint8_t *stays = filter->stays;
    int count;
    clean_walk_begin(&filter->walk, header);
    while ((count = clean_walk_next(&filter->walk)) > 0)
        for (int i = 0; i < count; i++) {
            const struct record *record = &filter->walk.window[i];
            if (!*stays++)
                continue;
            int32_t offset_delta = (int32_t)(record->offset - header->base_offset);
            int64_t timestamp_delta =
                (int64_t)((uint64_t)record->timestamp - (uint64_t)base_timestamp);
            size_t size = record_encoded_size(record, offset_delta, timestamp_delta);
            record_encode(room(out, size), record, offset_delta, timestamp_delta);
            (*out)->size += size;
        }
    assert(count == 0);
}

static int keep_some(struct clean_filter *filter, const struct batch_header *header,
    const struct choice *choice, bool set_horizon, struct buffer **out, struct clean_kept *kept)
{
    size_t start = (*out)->size;
    struct batch_header changed = *header;
    changed.record_count = choice->count;
    if (set_horizon) {
        changed.attributes |= BATCH_DELETE_HORIZON;
        changed.base_timestamp = filter->delete_retention_ms < INT64_MAX - filter->wall_ms
                                     ? filter->wall_ms + filter->delete_retention_ms
                                     : INT64_MAX;
    } else if (!has_horizon(header)) {
        changed.base_timestamp = choice->first_timestamp;
    }
    if (!batch_is_log_append_time(header))
        changed.max_timestamp = choice->max_timestamp;
    room(out, BATCH_HEADER_SIZE);
    (*out)->size += BATCH_HEADER_SIZE;
    if (batch_codec(header) == CODEC_NONE) {
        append_records(filter, header, changed.base_timestamp, out);
    } else {
        filter->plain->size = 0;
        append_records(filter, header, changed.base_timestamp, &filter->plain);
        compress_append((enum codec)batch_codec(header), CODEC_LEVEL_DEFAULT,
            (struct bytes){ filter->plain->data, filter->plain->size }, out);
    }
    if ((*out)->size - start > INT32_MAX)
        return damaged(filter, "the batch would grow beyond 2 GiB");
    finish_batch(*out, start, &changed);
    kept->header = changed;
    return 0;
}

/* A batch that is not dropped as a whole; is_free: a marker that nothing needs. */
static int keep_records(struct clean_filter *filter, const uint8_t *batch,
    const struct batch_header *header, bool is_free, bool must_stay, struct buffer **out,
    struct clean_kept *kept)
{
    struct choice choice;
    int status = open_walk(filter, batch, header);
    if (status == 0)
        status = choose_records(filter, header, &choice);
    if (status == -EMSGSIZE) {
        filter->statistics.batches_left++;
        keep_whole(batch, header, out, kept);
        status = 0;
    } else if (status == 0 && choice.count > 0) {
        bool expires = choice.has_tombstone || is_free;
        if (choice.count == header->record_count && (!expires || has_horizon(header)))
            keep_whole(batch, header, out, kept);
        else
            status = keep_some(filter, header, &choice, expires && !has_horizon(header), out, kept);
        if (expires && kept->header.base_timestamp < filter->statistics.next_horizon_ms)
            filter->statistics.next_horizon_ms = kept->header.base_timestamp;
        filter->statistics.records_kept += choice.count;
    } else if (status == 0 && must_stay) {
        keep_empty(header, out, kept);
    }
    clean_walk_close(&filter->walk);
    return status;
}

int clean_filter_keep(struct clean_filter *filter, const uint8_t *batch,
    const struct batch_header *header, struct buffer **out, struct clean_kept *out_kept)
{
    bool is_free = false, is_dropped;
    *out_kept = (struct clean_kept){ .aborted.producer_id = -1 };
    int status = check_offsets(filter, header);
    if (status == 0)
        status = check_batch(filter, batch, header);
    if (status < 0)
        return status;
    if (batch_is_control(header)) {
        enum clean_marker marker =
            clean_transactions_marker(filter->transactions, header, batch, &out_kept->aborted);
        if (marker == CLEAN_MARKER_WRONG)
            return damaged(filter, MARKER_DISAGREES);
        is_free = marker == CLEAN_MARKER_FREE;
        is_dropped = is_free && horizon_has_passed(filter, header);
    } else {
        is_dropped = clean_transactions_data(filter->transactions, header);
    }
    bool must_stay =
        ends_producer(filter, header) || batch_next_offset(header) == filter->high_watermark;
    filter->statistics.records_read += header->record_count;
    if (!is_dropped)
        return keep_records(filter, batch, header, is_free, must_stay, out, out_kept);
    if (must_stay)
        keep_empty(header, out, out_kept);
    return 0;
}
