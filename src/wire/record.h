/* SPDX-License-Identifier: Apache-2.0 */
/* Records: reading them out of a batch, and building batches, byte for byte as Kafka's own clients
 * do. Keys, values and headers point into the bytes they were read from. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/str.h"
#include "wire/batch.h"
#include "wire/compress.h"

struct arena;
struct buffer;

struct record_header {
    struct str key;
    struct bytes value; /* data NULL: null */
};

struct record {
    int64_t offset;
    int64_t timestamp;
    struct bytes key;   /* data NULL: null */
    struct bytes value; /* data NULL: null */
    int32_t header_count;
    struct bytes raw_headers;      /* as read: record_headers() decodes them */
    struct record_header *headers; /* for building, NULL: raw_headers; reading leaves it NULL */
    size_t size;                   /* as read: with its length prefix */
};

/* Reading: for (records_begin(..); records_next(..) == RECORD_OK;) ends with RECORD_END when all
 * was well. */
enum record_status { RECORD_OK, RECORD_END, RECORD_CORRUPT };

struct record_reader {
    const uint8_t *at;
    const uint8_t *end;
    int32_t left; /* records still to come */
    int64_t base_offset;
    int64_t base_timestamp;
    int64_t append_time; /* -1: the records' own times count */
};

/* records: the uncompressed bytes behind the header. They must outlive the reader. */
void records_begin(
    struct record_reader *reader, const struct batch_header *header, struct bytes records);
enum record_status records_next(struct record_reader *reader, struct record *out_record);

/* Decodes raw_headers into the arena (record->headers); false when they are malformed, which
 * records_next() excludes. */
bool record_headers(struct record *record, struct arena *arena);

/* The records of a whole batch, uncompressed: without a codec they stay where they are and
 * *out_owner is NULL, else they are in a new buffer that the caller unrefs. At most `limit` bytes.
 * 0, or -EBADMSG damaged, -EMSGSIZE over limit. */
int batch_records(struct decompressor *decompressor, const uint8_t *batch,
    const struct batch_header *header, size_t limit, struct bytes *out_records,
    struct buffer **out_owner);

/* Building. Record i gets offset base_offset + i, whatever its own says; timestamps are the
 * records'. */
struct batch_options {
    int64_t base_offset;
    int32_t leader_epoch; /* -1 from clients */
    enum codec codec;
    int level;            /* CODEC_LEVEL_DEFAULT unless chosen */
    bool log_append_time; /* max_timestamp becomes append_time_ms */
    int64_t append_time_ms;
    bool transactional;
    bool control;
    int64_t producer_id; /* -1 none */
    int16_t producer_epoch;
    int32_t base_sequence;
};

/* What a plain client's batch has: no codec, no producer, leader epoch -1. */
struct batch_options batch_options_plain(void);

/* One batch of count > 0 records as a new buffer with one reference. */
struct buffer *batch_build(
    const struct batch_options *options, const struct record *records, int32_t count);
size_t record_encoded_size(
    const struct record *record, int32_t offset_delta, int64_t timestamp_delta);
uint8_t *record_encode(
    uint8_t *out, const struct record *record, int32_t offset_delta, int64_t timestamp_delta);

/* One batch with one control record: key is (version 0, type), for transaction markers and the
 * quorum. */
struct control_record {
    int16_t type; /* 0 abort, 1 commit, 2 leader change, 3 snapshot header, 4 footer, 5 KRaft
                     version, 6 voters */
    struct bytes value;
};
struct buffer *batch_build_control(const struct batch_options *options, int64_t timestamp_ms,
    const struct control_record *records, int32_t count);

/* The same records under another codec; 0, or as batch_records(). The CRC is new, all else is kept.
 */
int batch_recompress(struct decompressor *decompressor, const uint8_t *batch,
    const struct batch_header *header, enum codec codec, int level, size_t limit,
    struct buffer **out_batch);

/* Zig-zag varints, as records use them. Reading returns the byte behind, or NULL. */
static inline uint8_t *varint_write(uint8_t *out, int64_t value)
{
    uint64_t bits = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
    for (; bits >= 0x80; bits >>= 7)
        *out++ = (uint8_t)(bits | 0x80);
    *out++ = (uint8_t)bits;
    return out;
}
static inline int varint_size(int64_t value)
{
    uint64_t bits = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
    int size = 1;
    for (; bits >= 0x80; bits >>= 7)
        size++;
    return size;
}
