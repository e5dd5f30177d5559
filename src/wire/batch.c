/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/batch.h"

#include <assert.h>

#include "base/broken.h"
#include "base/crc32c.h"

_Static_assert(
    BATCH_AT_RECORD_COUNT + 4 == BATCH_HEADER_SIZE, "the header ends with the record count");
_Static_assert(BATCH_CRC_START == BATCH_AT_CRC + 4, "the CRC covers what follows it");

enum batch_status batch_parse_header(
    const uint8_t *bytes, size_t in_memory, uint64_t available, struct batch_header *out_header)
{
    assert(in_memory <= available);
    struct batch_header *header = out_header;
    if (in_memory < BATCH_PREFIX_SIZE)
        return BATCH_INCOMPLETE;
    header->base_offset = load_i64(bytes + BATCH_AT_BASE_OFFSET);
    header->length = load_i32(bytes + BATCH_AT_LENGTH);
    if (header->length < BATCH_OLD_MINIMUM)
        return BATCH_CORRUPT;
    if (in_memory < BATCH_MAGIC_END)
        return BATCH_INCOMPLETE;
    header->magic = (int8_t)bytes[BATCH_AT_MAGIC];
    if (header->magic < 0 || header->magic > BATCH_MAGIC)
        return BATCH_CORRUPT;
    header->size = (size_t)header->length + BATCH_PREFIX_SIZE;
    if (header->size > available)
        return BATCH_INCOMPLETE;
    if (header->magic < BATCH_MAGIC)
        return BATCH_OLD_MAGIC;
    if (header->size < BATCH_HEADER_SIZE)
        return BATCH_CORRUPT;
    if (in_memory < BATCH_HEADER_SIZE)
        return BATCH_INCOMPLETE;
    header->leader_epoch = load_i32(bytes + BATCH_AT_LEADER_EPOCH);
    header->crc = load_u32(bytes + BATCH_AT_CRC);
    header->attributes = load_i16(bytes + BATCH_AT_ATTRIBUTES);
    header->last_offset_delta = load_i32(bytes + BATCH_AT_LAST_OFFSET_DELTA);
    header->base_timestamp = load_i64(bytes + BATCH_AT_BASE_TIMESTAMP);
    header->max_timestamp = load_i64(bytes + BATCH_AT_MAX_TIMESTAMP);
    header->producer_id = load_i64(bytes + BATCH_AT_PRODUCER_ID);
    header->producer_epoch = load_i16(bytes + BATCH_AT_PRODUCER_EPOCH);
    header->base_sequence = load_i32(bytes + BATCH_AT_BASE_SEQUENCE);
    header->record_count = load_i32(bytes + BATCH_AT_RECORD_COUNT);
    return BATCH_OK;
}

enum batch_status batch_parse(struct bytes bytes, struct batch_header *out_header)
{
    return batch_parse_header(bytes.data, bytes.size, bytes.size, out_header);
}

uint32_t batch_crc(const uint8_t *batch, size_t size)
{
    assert(size >= BATCH_HEADER_SIZE);
    return crc32c(0, batch + BATCH_CRC_START, size - BATCH_CRC_START);
}

bool batch_crc_is_right(const uint8_t *batch, const struct batch_header *header)
{
    return batch_crc(batch, header->size) == header->crc;
}

void batch_write_header(uint8_t *batch, const struct batch_header *header)
{
    assert(header->size == (size_t)header->length + BATCH_PREFIX_SIZE);
    store_i64(batch + BATCH_AT_BASE_OFFSET, header->base_offset);
    store_i32(batch + BATCH_AT_LENGTH, header->length);
    store_i32(batch + BATCH_AT_LEADER_EPOCH, header->leader_epoch);
    batch[BATCH_AT_MAGIC] = (uint8_t)header->magic;
    store_u32(batch + BATCH_AT_CRC, header->crc);
    store_i16(batch + BATCH_AT_ATTRIBUTES, header->attributes);
    store_i32(batch + BATCH_AT_LAST_OFFSET_DELTA, header->last_offset_delta);
    store_i64(batch + BATCH_AT_BASE_TIMESTAMP, header->base_timestamp);
    store_i64(batch + BATCH_AT_MAX_TIMESTAMP, header->max_timestamp);
    store_i64(batch + BATCH_AT_PRODUCER_ID, header->producer_id);
    store_i16(batch + BATCH_AT_PRODUCER_EPOCH, header->producer_epoch);
    store_i32(batch + BATCH_AT_BASE_SEQUENCE, header->base_sequence);
    store_i32(batch + BATCH_AT_RECORD_COUNT, header->record_count);
}

void batch_renew_crc(uint8_t *batch, struct batch_header *header)
{
    header->crc = batch_crc(batch, header->size);
    store_u32(batch + BATCH_AT_CRC, header->crc);
}

void batch_set_max_timestamp(
    uint8_t *batch, struct batch_header *header, bool log_append_time, int64_t max_timestamp)
{
    if (batch_is_log_append_time(header) == log_append_time &&
        header->max_timestamp == max_timestamp)
        return;
    uint16_t attributes = (uint16_t)(header->attributes & ~BATCH_LOG_APPEND_TIME);
    if (log_append_time)
        attributes |= BATCH_LOG_APPEND_TIME;
    header->attributes = (int16_t)attributes;
    header->max_timestamp = max_timestamp;
    store_i16(batch + BATCH_AT_ATTRIBUTES, header->attributes);
    store_i64(batch + BATCH_AT_MAX_TIMESTAMP, max_timestamp);
    if (!broken(crc_not_renewed))
        batch_renew_crc(batch, header);
}
