/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/buffer.h"
#include "wire/record.h"

static struct buffer *two_records(void)
{
    struct record records[2] = {
        { .timestamp = 1000, .value = { (const uint8_t *)"a", 1 } },
        { .timestamp = 900, .key = { (const uint8_t *)"k", 1 } },
    };
    struct batch_options options = batch_options_plain();
    options.base_offset = 7;
    options.producer_id = 5;
    options.producer_epoch = 2;
    options.base_sequence = INT32_MAX;
    return batch_build(&options, records, 2);
}

void test_batch__reads_the_header_it_wrote(void)
{
    struct buffer *buffer = two_records();
    struct batch_header header;
    assert_int_equal(batch_parse((struct bytes){ buffer->data, buffer->size }, &header), BATCH_OK);
    assert_int_equal(header.base_offset, 7);
    assert_int_equal(batch_last_offset(&header), 8);
    assert_int_equal(header.base_timestamp, 1000);
    assert_int_equal(header.max_timestamp, 1000);
    assert_int_equal(header.producer_id, 5);
    assert_int_equal(header.producer_epoch, 2);
    assert_int_equal(batch_last_sequence(&header), 0); /* wraps behind INT32_MAX */
    assert_int_equal(header.record_count, 2);
    assert_int_equal(header.leader_epoch, -1);
    assert_int_equal(header.size, buffer->size);
    assert_true(batch_crc_is_right(buffer->data, &header));
    uint8_t copy[BATCH_HEADER_SIZE];
    batch_write_header(copy, &header);
    assert_memory_equal(copy, buffer->data, BATCH_HEADER_SIZE);
    buffer_unref(buffer);
}

/* Every cut is incomplete, so a reader of a torn tail knows where to stop. */
void test_batch__a_cut_batch_is_incomplete(void)
{
    struct buffer *buffer = two_records();
    struct batch_header header;
    for (size_t size = 0; size < buffer->size; size++)
        assert_int_equal(
            batch_parse((struct bytes){ buffer->data, size }, &header), BATCH_INCOMPLETE);
    assert_int_equal(
        batch_parse_header(buffer->data, BATCH_HEADER_SIZE, buffer->size, &header), BATCH_OK);
    assert_int_equal(batch_parse_header(buffer->data, BATCH_HEADER_SIZE, buffer->size - 1, &header),
        BATCH_INCOMPLETE);
    buffer_unref(buffer);
}

void test_batch__refuses_what_no_batch_begins_with(void)
{
    struct buffer *buffer = two_records();
    struct batch_header header;
    struct bytes bytes = { buffer->data, buffer->size };
    store_i32(buffer->data + BATCH_AT_LENGTH, -5);
    assert_int_equal(batch_parse(bytes, &header), BATCH_CORRUPT);
    store_i32(buffer->data + BATCH_AT_LENGTH, 13);
    assert_int_equal(batch_parse(bytes, &header), BATCH_CORRUPT);
    store_i32(buffer->data + BATCH_AT_LENGTH, 48); /* one less than a header */
    assert_int_equal(batch_parse(bytes, &header), BATCH_CORRUPT);
    buffer->data[BATCH_AT_MAGIC] = 1;
    assert_int_equal(batch_parse(bytes, &header), BATCH_OLD_MAGIC);
    assert_int_equal(header.size, 60);
    buffer->data[BATCH_AT_MAGIC] = 3;
    assert_int_equal(batch_parse(bytes, &header), BATCH_CORRUPT);
    buffer_unref(buffer);
}

/* Offset and epoch may be set without a new CRC; the timestamp may not. */
void test_batch__keeps_its_crc_right(void)
{
    struct buffer *buffer = two_records();
    struct bytes bytes = { buffer->data, buffer->size };
    struct batch_header header;
    batch_set_base_offset(buffer->data, 1234567890123);
    batch_set_leader_epoch(buffer->data, 9);
    assert_int_equal(batch_parse(bytes, &header), BATCH_OK);
    assert_true(batch_crc_is_right(buffer->data, &header));
    assert_int_equal(header.base_offset, 1234567890123);
    assert_int_equal(header.leader_epoch, 9);

    uint32_t crc = header.crc;
    batch_set_max_timestamp(buffer->data, &header, false, 1000); /* nothing changes */
    assert_int_equal(header.crc, crc);
    batch_set_max_timestamp(buffer->data, &header, true, 5000);
    struct batch_header again;
    assert_int_equal(batch_parse(bytes, &again), BATCH_OK);
    assert_int_equal(again.crc, header.crc);
    assert_int_equal(again.attributes, header.attributes);
    assert_true(batch_crc_is_right(buffer->data, &again));
    assert_true(batch_is_log_append_time(&again));
    assert_int_equal(again.max_timestamp, 5000);
    buffer->data[buffer->size - 1] ^= 1;
    assert_false(batch_crc_is_right(buffer->data, &again));
    buffer_unref(buffer);
}

void test_batch__sequences_wrap(void)
{
    assert_int_equal(sequence_add(0, 4), 4);
    assert_int_equal(sequence_add(INT32_MAX, 1), 0);
    assert_int_equal(sequence_add(INT32_MAX - 1, 3), 1);
}
