/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/draw_batch.h"

#include "base/buffer.h"
#include "wire/record.h"

enum { MOST_RECORDS = 6, MOST_HEADERS = 3 };

static const int64_t base_time_ms = 1760000000000;

static struct bytes draw_bytes(struct input *input)
{
    uint8_t size = input_byte(input);
    return size == 255 ? (struct bytes){ 0 } : input_take(input, size % 32);
}

static void draw_record(struct input *input, struct record *record, struct arena *arena)
{
    *record = (struct record){ .timestamp = input_bit(input) ? base_time_ms : input_odd(input),
        .key = draw_bytes(input),
        .value = draw_bytes(input),
        .header_count = input_byte(input) % (MOST_HEADERS + 1) };
    record->headers = arena_take_array(arena, (size_t)record->header_count, sizeof(*record->headers));
    for (int32_t i = 0; i < record->header_count; i++) {
        struct bytes name = input_take(input, input_byte(input) % 16);
        record->headers[i] = (struct record_header){ { (const char *)name.data, (int32_t)name.size }, draw_bytes(input) };
    }
}

static struct batch_options draw_options(struct input *input, int64_t base_offset)
{
    struct batch_options options = batch_options_plain();
    uint8_t kind = input_byte(input);
    options.base_offset = base_offset;
    options.codec = (enum codec)(kind % CODEC_COUNT);
    options.leader_epoch = input_byte(input) % 4;
    options.log_append_time = (kind & 0x10) != 0;
    options.append_time_ms = base_time_ms;
    options.control = (kind & 0xc0) == 0xc0;
    options.transactional = (kind & 0x80) != 0;
    if ((kind & 0x20) != 0 || options.transactional) {
        options.producer_id = input_byte(input) % 4;
        options.producer_epoch = (int16_t)(input_byte(input) % 4);
        options.base_sequence = options.control ? -1 : (int32_t)input_odd(input);
    }
    return options;
}

static struct bytes build(struct input *input, int64_t base_offset, struct arena *arena)
{
    struct batch_options options = draw_options(input, base_offset);
    struct record records[MOST_RECORDS];
    int32_t count = options.control ? 1 : 1 + input_byte(input) % MOST_RECORDS;
    for (int32_t i = 0; i < count; i++)
        draw_record(input, &records[i], arena);
    struct buffer *buffer;
    if (options.control) {
        options.codec = CODEC_NONE;
        struct control_record marker = { .type = (int16_t)(input_byte(input) % 8), .value = records[0].value };
        buffer = batch_build_control(&options, base_time_ms, &marker, 1);
    } else {
        buffer = batch_build(&options, records, count);
    }
    struct bytes batch = { arena_copy(arena, buffer->data, buffer->size), buffer->size };
    buffer_unref(buffer);
    return batch;
}

static struct bytes wrap(struct input *input, int64_t base_offset, struct arena *arena)
{
    struct batch_header header = { .base_offset = base_offset,
        .magic = BATCH_MAGIC,
        .attributes = input_byte(input),
        .record_count = (int32_t)input_odd(input),
        .base_timestamp = base_time_ms,
        .max_timestamp = base_time_ms,
        .producer_id = -1,
        .producer_epoch = -1,
        .base_sequence = -1 };
    struct bytes body = input_take(input, (size_t)input_number(input, 2) % 4096);
    header.last_offset_delta = (int32_t)((uint32_t)header.record_count - 1);
    header.size = BATCH_HEADER_SIZE + body.size;
    header.length = (int32_t)(header.size - BATCH_PREFIX_SIZE);
    uint8_t *batch = arena_take(arena, header.size);
    batch_write_header(batch, &header);
    memcpy(batch + BATCH_HEADER_SIZE, body.data, body.size);
    return (struct bytes){ batch, header.size };
}

struct bytes batch_draw(struct input *input, int64_t base_offset, struct arena *arena)
{
    uint8_t choice = input_byte(input);
    struct bytes batch = (choice & 1) != 0 ? wrap(input, base_offset, arena) : build(input, base_offset, arena);
    uint8_t *bytes = (uint8_t *)batch.data; /* the arena's, so ours */
    struct batch_header header;
    for (int bends = choice >> 6; bends > 0; bends--) {
        size_t position = (size_t)input_number(input, 2) % batch.size;
        bytes[position] = input_byte(input);
    }
    if ((choice & 2) == 0 && batch_parse(batch, &header) == BATCH_OK)
        batch_renew_crc(bytes, &header);
    return batch;
}
