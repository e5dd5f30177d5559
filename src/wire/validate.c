/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/validate.h"

#include <assert.h>
#include <inttypes.h>

#include "base/arena.h"
#include "base/broken.h"
#include "base/odd.h"
#include "wire/compress.h"
#include "wire/record_body.h"

enum { WINDOW_SIZE = 8 * 1024 };

/* A walk over records that lie in memory, or come out of a decompressor through a window. Running
 * dry sets failed and leaves zeros, so that only the end of a record has to ask. */
struct walk {
    const uint8_t *at;
    const uint8_t *end;
    const uint8_t *start;              /* where this window's bytes begin */
    uint64_t before;                   /* bytes that went through earlier windows */
    uint64_t limit;                    /* bytes there may be in all */
    int32_t record_limit;              /* of one record that is unpacked */
    struct decompressor *decompressor; /* NULL: all is in memory */
    uint8_t *window;
    bool failed;
    bool over_limit;
};

struct walked_record {
    int64_t timestamp_delta;
    int32_t offset_delta;
    bool has_key;
};

static uint64_t walk_position(const struct walk *walk)
{
    return walk->before + (uint64_t)(walk->at - walk->start);
}

/* False at the end, clean or not. */
static bool walk_refill(struct walk *walk)
{
    if (walk->decompressor == NULL || walk->failed)
        return false;
    walk->before = walk_position(walk);
    walk->start = walk->at = walk->end = walk->window;
    int64_t got = decompressor_read(walk->decompressor, walk->window, odd(small_window) ? 7 : WINDOW_SIZE);
    if (got < 0)
        walk->failed = true;
    if (got <= 0)
        return false;
    walk->over_limit = walk->before + (uint64_t)got > walk->limit;
    walk->failed = walk->over_limit;
    walk->end = walk->window + got;
    return !walk->failed;
}

static inline uint8_t walk_byte(struct walk *walk)
{
    if (__builtin_expect(walk->at == walk->end, 0) && !walk_refill(walk)) {
        walk->failed = true;
        return 0;
    }
    return *walk->at++;
}

static int64_t walk_varint(struct walk *walk, int max_bytes)
{
    uint64_t bits = 0;
    for (int i = 0; i < max_bytes; i++) {
        uint8_t byte = walk_byte(walk);
        bits |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80)
            return (int64_t)(bits >> 1) ^ -(int64_t)(bits & 1);
    }
    walk->failed = true;
    return 0;
}

static inline int32_t walk_int32(struct walk *walk)
{
    return (int32_t)walk_varint(walk, 5);
}

static inline void walk_skip(struct walk *walk, int32_t size)
{
    int64_t left = size;
    while (left > walk->end - walk->at) {
        left -= walk->end - walk->at;
        walk->at = walk->end;
        if (!walk_refill(walk)) {
            walk->failed = true;
            return;
        }
    }
    if (left > 0)
        walk->at += left;
}

/* A record that lies across windows: byte by byte, and keys and values are passed over. False: this
 * is no record. */
static bool walk_record_across(struct walk *walk, int32_t size, struct walked_record *out_record)
{
    uint64_t start = walk_position(walk);
    walk_byte(walk); /* attributes: none are defined */
    out_record->timestamp_delta = walk_varint(walk, 10);
    out_record->offset_delta = walk_int32(walk);
    int32_t key_size = walk_int32(walk);
    out_record->has_key = key_size >= 0;
    walk_skip(walk, key_size);
    walk_skip(walk, walk_int32(walk));
    int32_t header_count = walk_int32(walk);
    if (walk->failed || size < 0 || header_count < 0)
        return false;
    for (int32_t i = 0; i < header_count; i++) {
        int32_t header_key_size = walk_int32(walk);
        if (header_key_size < 0)
            return false;
        walk_skip(walk, header_key_size);
        walk_skip(walk, walk_int32(walk));
        if (walk->failed)
            return false;
    }
    return walk_position(walk) - start == (uint64_t)size;
}

static inline bool walk_record(struct walk *walk, struct walked_record *out_record)
{
    const uint8_t *at;
    int32_t size = 0;
    struct record_body body;
    at = int32_read(walk->at, walk->end, &size);
    if (at == NULL)
        size = walk_int32(walk); /* the length itself may lie across */
    else
        walk->at = at;
    if (walk->decompressor != NULL && size > walk->record_limit) {
        walk->over_limit = true;
        return false;
    }
    if (at == NULL || size < 0 || size > walk->end - at)
        return walk_record_across(walk, size, out_record);
    walk->at += size;
    if (record_body_read(at, walk->at, &body) != walk->at)
        return false;
    out_record->timestamp_delta = body.timestamp_delta;
    out_record->offset_delta = body.offset_delta;
    out_record->has_key = body.key.data != NULL;
    return true;
}

static void refuse(struct batch_verdict *verdict, enum error error, const char *message)
{
    verdict->error = error;
    verdict->message = message;
}

static void refuse_unseen(struct batch_verdict *verdict, enum error error, const char *message)
{
    verdict->is_unseen = true;
    refuse(verdict, error, message);
}

static bool lists_errors(const struct batch_verdict *verdict)
{
    return verdict->record_error_count < RECORD_ERRORS_LISTED;
}

/* message NULL: the list is full. */
static void refuse_record(struct batch_verdict *verdict, struct arena *arena, int32_t index,
    enum error error, const char *message)
{
    if (verdict->record_errors == NULL) {
        int32_t count = verdict->header.record_count;
        count = count < RECORD_ERRORS_LISTED ? count : RECORD_ERRORS_LISTED;
        verdict->record_errors =
            arena_take_array(arena, (size_t)count, sizeof(*verdict->record_errors));
    }
    verdict->refused_record_count++;
    if (lists_errors(verdict))
        verdict->record_errors[verdict->record_error_count++] =
            (struct record_error){ index, message };
    if (verdict->error != ERROR_INVALID_TIMESTAMP)
        verdict->error = error;
}

/* What the batch is told when some of its records were refused. */
static void sum_up(struct batch_verdict *verdict, struct arena *arena)
{
    enum { SHOWN = 3 };
    const char *shown = "";
    if (verdict->error == ERROR_INVALID_TIMESTAMP) {
        verdict->message = "One or more records have been rejected due to invalid timestamp";
        return;
    }
    for (int32_t i = 0; i < verdict->record_error_count && i < SHOWN; i++)
        shown = arena_format(arena, "%s%sRecordError(batchIndex=%" PRId32 ", message='%s')", shown,
            i == 0 ? "" : ", ", verdict->record_errors[i].index, verdict->record_errors[i].message);
    verdict->message = arena_format(arena,
        "One or more records have been rejected due to %" PRId32
        " record errors in total, and only showing the first three errors at most: [%s]",
        verdict->refused_record_count, shown);
}

/* Differences wrap as they do in Java, so that the extreme times fall on the same side. */
static bool time_is_out_of_bounds(
    const struct batch_rules *rules, int64_t now_ms, int64_t timestamp)
{
    int64_t age = (int64_t)((uint64_t)now_ms - (uint64_t)timestamp);
    int64_t lead = (int64_t)((uint64_t)timestamp - (uint64_t)now_ms);
    return age > rules->timestamp_before_max_ms || lead > rules->timestamp_after_max_ms;
}

static const char *describe_bounds(const struct batch_rules *rules, int64_t now_ms,
    int64_t timestamp, int32_t index, struct arena *arena)
{
    int64_t earliest = (int64_t)((uint64_t)now_ms - (uint64_t)rules->timestamp_before_max_ms);
    int64_t latest = (int64_t)((uint64_t)now_ms + (uint64_t)rules->timestamp_after_max_ms);
    return arena_format(arena,
        "Timestamp %" PRId64 " of message with offset %" PRId32
        " is out of range. The timestamp should be within [%" PRId64 ", %" PRId64 "]",
        timestamp, index, earliest, latest);
}

static void check_record(const struct batch_rules *rules, int64_t now_ms, bool has_key,
    int64_t timestamp, int32_t index, struct arena *arena, struct batch_verdict *verdict)
{
    if (rules->keys_required && !has_key)
        refuse_record(verdict, arena, index, ERROR_INVALID_RECORD,
            !lists_errors(verdict)
                ? NULL
                : arena_format(arena,
                      "Compacted topic cannot accept message without key in topic partition "
                      "%.*s-%" PRId32,
                      STR_PRINT(rules->topic), rules->partition_index));
    else if (rules->log_append_time && batch_is_log_append_time(&verdict->header))
        refuse_record(verdict, arena, index, ERROR_INVALID_TIMESTAMP,
            "log append time is set by the broker only");
    else if (!rules->log_append_time && timestamp != -1 &&
             time_is_out_of_bounds(rules, now_ms, timestamp))
        refuse_record(verdict, arena, index, ERROR_INVALID_TIMESTAMP,
            lists_errors(verdict) ? describe_bounds(rules, now_ms, timestamp, index, arena) : NULL);
}

/* Every record, and nothing behind the last. Leaves the maximum timestamp; refuses as it finds. */
static void walk_records(struct walk *walk, const struct batch_rules *rules, int64_t now_ms,
    struct arena *arena, struct batch_verdict *verdict, int64_t *out_max_timestamp)
{
    const struct batch_header *header = &verdict->header;
    bool offsets_checked = walk->decompressor != NULL || rules->offsets_checked;
    int64_t max_timestamp = -1;
    for (int32_t i = 0; i < header->record_count; i++) {
        struct walked_record record;
        if (!walk_record(walk, &record) || (offsets_checked && record.offset_delta != i)) {
            refuse(verdict, ERROR_INVALID_RECORD,
                walk->over_limit ? "a record uncompressed exceeds max.decompressed.message.bytes"
                                 : "a record is malformed");
            return;
        }
        int64_t timestamp =
            batch_is_log_append_time(header)
                ? header->max_timestamp /* the producer's word is taken for all records */
                : (int64_t)((uint64_t)header->base_timestamp + (uint64_t)record.timestamp_delta);
        check_record(rules, now_ms, record.has_key, timestamp, i, arena, verdict);
        max_timestamp = timestamp > max_timestamp ? timestamp : max_timestamp;
    }
    if (walk->at != walk->end || walk_refill(walk) || walk->failed)
        refuse(verdict, ERROR_INVALID_RECORD, "the batch does not end with its last record");
    else if (verdict->refused_record_count > 0)
        sum_up(verdict, arena);
    *out_max_timestamp = max_timestamp;
}

/* What the request as such must hold: one whole batch of format 2. */
static bool check_form(const struct batch_rules *rules, const uint8_t *records, size_t size,
    struct batch_verdict *verdict)
{
    struct batch_header *header = &verdict->header;
    enum batch_status status = batch_parse((struct bytes){ records, size }, header);
    if (status == BATCH_CORRUPT)
        refuse_unseen(verdict, ERROR_CORRUPT_MESSAGE, "no record batch begins like this");
    else if (status == BATCH_INCOMPLETE)
        refuse_unseen(
            verdict, ERROR_INVALID_RECORD, "a partition's records must hold a record batch");
    else if (status == BATCH_OLD_MAGIC)
        refuse_unseen(
            verdict, ERROR_INVALID_RECORD, "only record batches of format 2 are accepted");
    else if (batch_codec(header) >= CODEC_ZSTD && !rules->allow_zstd)
        refuse_unseen(verdict, ERROR_UNSUPPORTED_COMPRESSION_TYPE, "zstd needs Produce version 7");
    if (verdict->error != ERROR_NONE)
        return false;
    struct batch_header second;
    status = batch_parse((struct bytes){ records + header->size, size - header->size }, &second);
    if (status == BATCH_CORRUPT)
        refuse_unseen(
            verdict, ERROR_CORRUPT_MESSAGE, "no record batch begins like what follows the first");
    else if (status != BATCH_INCOMPLETE)
        refuse_unseen(verdict, ERROR_INVALID_RECORD,
            "a partition's records must hold exactly one record batch");
    return verdict->error == ERROR_NONE;
}

static bool check_header(
    const struct batch_rules *rules, const uint8_t *batch, struct batch_verdict *verdict)
{
    const struct batch_header *header = &verdict->header;
    if (header->base_offset != 0)
        refuse(verdict, ERROR_INVALID_RECORD, "the base offset must be 0");
    else if (header->size > (size_t)rules->max_message_bytes)
        refuse_unseen(
            verdict, ERROR_MESSAGE_TOO_LARGE, "the record batch exceeds max.message.bytes");
    else if (!broken(append_crc) && !batch_crc_is_right(batch, header))
        refuse_unseen(verdict, ERROR_CORRUPT_MESSAGE, "the CRC does not match");
    else if (batch_codec(header) >= CODEC_COUNT)
        refuse(verdict, ERROR_UNSUPPORTED_COMPRESSION_TYPE, "the codec is unknown");
    else if (header->record_count <= 0 || header->last_offset_delta != header->record_count - 1)
        refuse(verdict, ERROR_INVALID_RECORD, "the record count does not match the offsets");
    else if (batch_is_control(header))
        refuse(verdict, ERROR_INVALID_RECORD, "clients may not write control batches");
    else if (header->producer_id >= 0 && header->base_sequence < 0)
        refuse(verdict, ERROR_INVALID_RECORD, "a producer id needs a sequence");
    return verdict->error == ERROR_NONE;
}

void batch_validate(struct decompressor *decompressor, const struct batch_rules *rules,
    int64_t now_ms, uint8_t *records, size_t size, struct arena *arena,
    struct batch_verdict *out_verdict)
{
    struct batch_verdict *verdict = out_verdict;
    *verdict = (struct batch_verdict){ .error = ERROR_NONE };
    if (!check_form(rules, records, size, verdict) || !check_header(rules, records, verdict))
        return;

    struct batch_header *header = &verdict->header;
    struct bytes body = { records + BATCH_HEADER_SIZE, header->size - BATCH_HEADER_SIZE };
    int64_t max_timestamp = header->max_timestamp;
    uint8_t window[WINDOW_SIZE];
    struct walk walk = { .at = body.data, .end = body.data + body.size, .start = body.data };
    bool compressed = batch_codec(header) != CODEC_NONE;
    if (compressed) {
        walk = (struct walk){ .at = window,
            .end = window,
            .start = window,
            .window = window,
            .decompressor = decompressor,
            .limit = rules->max_uncompressed_size,
            .record_limit = rules->max_record_size };
        decompressor_begin(decompressor, (enum codec)batch_codec(header), body);
    }
    if ((!compressed || !rules->header_only) && !broken(records_unseen))
        walk_records(&walk, rules, now_ms, arena, verdict, &max_timestamp);
    if (verdict->error != ERROR_NONE)
        return;
    batch_set_max_timestamp(
        records, header, rules->log_append_time, rules->log_append_time ? now_ms : max_timestamp);
}
