/* SPDX-License-Identifier: Apache-2.0 */
/* The header of a record batch, format v2, as it stands on the wire and in the log: 61 bytes, then
 * the records. A batch is addressed as bytes; struct batch_header is a decoded copy of the fixed
 * part. Base offset and leader epoch lie outside the CRC and are rewritten in place; the calls that
 * change more renew the CRC. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/broken.h"
#include "base/bytes.h"

enum {
    BATCH_PREFIX_SIZE =
        12, /* base offset and length: what must be read to know how long a batch is */
    BATCH_HEADER_SIZE = 61,
    BATCH_CRC_START = 21, /* the CRC covers everything from here */
    BATCH_MAGIC = 2,
    BATCH_OLD_MINIMUM = 14, /* the least length field of any magic, as Kafka checks it */
    BATCH_MAGIC_END = 17,
};

enum batch_field {
    BATCH_AT_BASE_OFFSET = 0,
    BATCH_AT_LENGTH = 8,
    BATCH_AT_LEADER_EPOCH = 12,
    BATCH_AT_MAGIC = 16,
    BATCH_AT_CRC = 17,
    BATCH_AT_ATTRIBUTES = 21,
    BATCH_AT_LAST_OFFSET_DELTA = 23,
    BATCH_AT_BASE_TIMESTAMP = 27,
    BATCH_AT_MAX_TIMESTAMP = 35,
    BATCH_AT_PRODUCER_ID = 43,
    BATCH_AT_PRODUCER_EPOCH = 51,
    BATCH_AT_BASE_SEQUENCE = 53,
    BATCH_AT_RECORD_COUNT = 57,
};

enum batch_attribute {
    BATCH_CODEC_MASK = 0x07,
    BATCH_LOG_APPEND_TIME = 0x08,
    BATCH_TRANSACTIONAL = 0x10,
    BATCH_CONTROL = 0x20,
    BATCH_DELETE_HORIZON = 0x40, /* base_timestamp is the delete horizon */
};

enum batch_status {
    BATCH_OK,
    BATCH_INCOMPLETE, /* the bytes end before the batch does: a torn tail, or the cut end of a fetch
                       */
    BATCH_CORRUPT,    /* no batch can begin like this */
    BATCH_OLD_MAGIC,  /* whole, but of format 0 or 1; only base_offset, length, magic and size are
                         set */
};

struct batch_header {
    int64_t base_offset;
    int32_t length; /* of what follows this field */
    int32_t leader_epoch;
    int8_t magic;
    uint32_t crc;
    int16_t attributes;
    int32_t last_offset_delta;
    int64_t base_timestamp;
    int64_t max_timestamp;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t record_count;
    size_t size; /* of the whole batch: length + BATCH_PREFIX_SIZE */
};

/* Reads the first batch of bytes, and checks that all of it is there; neither the CRC nor the
 * records. */
enum batch_status batch_parse(struct bytes bytes, struct batch_header *out_header);

/* The same, where only the first BATCH_HEADER_SIZE bytes are in memory and `available` are in the
 * file. */
enum batch_status batch_parse_header(
    const uint8_t *bytes, size_t in_memory, uint64_t available, struct batch_header *out_header);

/* batch begins a whole batch, as batch_parse() found it. */
bool batch_crc_is_right(const uint8_t *batch, const struct batch_header *header);
uint32_t batch_crc(const uint8_t *batch, size_t size);

static inline int64_t batch_last_offset(const struct batch_header *header)
{
    return header->base_offset + header->last_offset_delta;
}
static inline int64_t batch_next_offset(const struct batch_header *header)
{
    return batch_last_offset(header) + 1;
}
/* Sequence numbers wrap from INT32_MAX to 0. */
static inline int32_t sequence_add(int32_t sequence, int32_t increment)
{
    return (int32_t)(((int64_t)sequence + increment) % ((int64_t)INT32_MAX + !broken(sequence_wrap)));
}
static inline int32_t batch_last_sequence(const struct batch_header *header)
{
    return header->base_sequence < 0
               ? -1
               : sequence_add(header->base_sequence, header->last_offset_delta);
}
static inline bool batch_is_transactional(const struct batch_header *header)
{
    return (header->attributes & BATCH_TRANSACTIONAL) != 0;
}
static inline bool batch_is_control(const struct batch_header *header)
{
    return (header->attributes & BATCH_CONTROL) != 0;
}
static inline bool batch_is_log_append_time(const struct batch_header *header)
{
    return (header->attributes & BATCH_LOG_APPEND_TIME) != 0;
}
static inline int batch_codec(
    const struct batch_header *header) /* enum codec when below CODEC_COUNT */
{
    return header->attributes & BATCH_CODEC_MASK;
}

/* Outside the CRC. */
static inline void batch_set_base_offset(uint8_t *batch, int64_t base_offset)
{
    store_i64(batch + BATCH_AT_BASE_OFFSET, base_offset);
}
static inline void batch_set_leader_epoch(uint8_t *batch, int32_t leader_epoch)
{
    store_i32(batch + BATCH_AT_LEADER_EPOCH, leader_epoch);
}

/* Writes all fields of header, in the order they stand; the CRC as it is in header. */
void batch_write_header(uint8_t *batch, const struct batch_header *header);

/* Sets timestamp type and maximum timestamp and renews the CRC when either changed; header is kept
 * in step. */
void batch_set_max_timestamp(
    uint8_t *batch, struct batch_header *header, bool log_append_time, int64_t max_timestamp);
void batch_renew_crc(uint8_t *batch, struct batch_header *header);
