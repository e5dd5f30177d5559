/* SPDX-License-Identifier: Apache-2.0 */
/* Batches and their codecs. The first byte chooses: any bytes as the records of a Produce request, or batches that the input
 * decides (draw_batch.h); what is accepted must read back whole, record by record, and be the same records under every other
 * codec. Or any bytes as a compressed stream, which must end within its bound, and be the same in whatever pieces it is read.
 * Or any bytes compressed at any level, which must come back. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "fuzz/draw_batch.h"
#include "wire/record.h"
#include "wire/validate.h"

enum { LIMIT = 1 << 20 };

static void read_back(struct bytes records, const struct batch_header *header, struct arena *arena)
{
    struct record_reader reader;
    struct record record;
    int32_t count = 0;
    enum record_status status;
    records_begin(&reader, header, records);
    while ((status = records_next(&reader, &record)) == RECORD_OK) {
        assert(record.offset == header->base_offset + count);
        bool headers_are_fine = record_headers(&record, arena);
        assert(headers_are_fine);
        count++;
    }
    assert(status == RECORD_END && count == header->record_count);
}

static void recompress(struct decompressor *decompressor, const uint8_t *batch,
    const struct batch_header *header, enum codec codec, struct bytes records)
{
    struct buffer *other, *owner;
    struct batch_header changed;
    struct bytes again;
    int status =
        batch_recompress(decompressor, batch, header, codec, CODEC_LEVEL_DEFAULT, LIMIT, &other);
    assert(status == 0);
    enum batch_status parsed = batch_parse((struct bytes){ other->data, other->size }, &changed);
    assert(parsed == BATCH_OK && batch_crc_is_right(other->data, &changed));
    status = batch_records(decompressor, other->data, &changed, LIMIT, &again, &owner);
    assert(status == 0 && bytes_equal(again, records));
    buffer_unref(owner);
    buffer_unref(other);
}

static void validate(struct decompressor *decompressor, uint8_t choice, struct bytes any, struct arena *arena)
{
    struct batch_rules rules = { .max_message_bytes = LIMIT,
        .max_uncompressed_size = LIMIT,
        .max_record_size = LIMIT,
        .timestamp_before_max_ms = INT64_MAX,
        .timestamp_after_max_ms = INT64_MAX,
        .allow_zstd = true,
        .keys_required = (choice & 1) != 0,
        .log_append_time = (choice & 2) != 0,
        .offsets_checked = true };
    uint8_t *bytes = malloc(any.size); /* so that the sanitizer sees every end */
    memcpy(bytes, any.data, any.size);
    struct batch_verdict verdict;
    batch_validate(decompressor, &rules, 1000, bytes, any.size, arena, &verdict);
    if (verdict.error == ERROR_NONE) {
        struct bytes records;
        struct buffer *owner;
        assert(batch_crc_is_right(bytes, &verdict.header));
        int status = batch_records(decompressor, bytes, &verdict.header, LIMIT, &records, &owner);
        assert(status == 0);
        read_back(records, &verdict.header, arena);
        recompress(decompressor, bytes, &verdict.header, (enum codec)((choice >> 2) % CODEC_COUNT), records);
        buffer_unref(owner);
    }
    free(bytes);
}

static void validate_any(struct decompressor *decompressor, struct input *input, struct arena *arena)
{
    uint8_t choice = input_byte(input);
    struct bytes any = input_rest(input);
    uint8_t *bytes = arena_copy(arena, any.data, any.size);
    struct batch_header header;
    if (batch_parse((struct bytes){ bytes, any.size }, &header) == BATCH_OK)
        batch_renew_crc(bytes, &header);
    validate(decompressor, choice, (struct bytes){ bytes, any.size }, arena);
}

/* All that the stream gives, up to the bound, in pieces. Returns its size, or -EBADMSG. */
static int64_t read_stream(struct decompressor *decompressor, enum codec codec, struct bytes in, size_t piece, uint8_t *out)
{
    int64_t got;
    size_t size = 0;
    decompressor_begin(decompressor, codec, in);
    while (size < LIMIT &&
           (got = decompressor_read(decompressor, out + size, piece < LIMIT - size ? piece : LIMIT - size)) != 0) {
        assert(got <= (int64_t)piece);
        if (got < 0) {
            assert(decompressor_read(decompressor, out + size, 1) == got); /* and so from then on */
            return got;
        }
        size += (size_t)got;
    }
    return (int64_t)size;
}

static void decompress_any(struct decompressor *decompressor, struct input *input)
{
    static uint8_t whole[LIMIT], pieces[LIMIT];
    enum codec codec = (enum codec)(input_byte(input) % CODEC_COUNT);
    size_t piece = 1 + (size_t)input_number(input, 2);
    struct bytes in = input_rest(input);
    int64_t size = read_stream(decompressor, codec, in, LIMIT, whole);
    assert(read_stream(decompressor, codec, in, piece, pieces) == size);
    assert(size <= 0 || memcmp(whole, pieces, (size_t)size) == 0);
}

static void compress_any(struct decompressor *decompressor, struct input *input)
{
    static uint8_t out[LIMIT];
    enum codec codec = (enum codec)(input_byte(input) % CODEC_COUNT);
    int least, most, usual;
    codec_levels(codec, &least, &most, &usual);
    uint8_t choice = input_byte(input);
    int level = choice == 0 ? CODEC_LEVEL_DEFAULT : least + choice % (most - least + 1);
    size_t piece = 1 + (size_t)input_number(input, 2);
    struct bytes in = input_rest(input);
    struct buffer *compressed = buffer_create(16);
    compress_append(codec, level, in, &compressed);
    struct bytes stream = { compressed->data, compressed->size };
    assert(read_stream(decompressor, codec, stream, piece, out) == (int64_t)in.size);
    assert(in.size == 0 || memcmp(out, in.data, in.size) == 0);
    buffer_unref(compressed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = input_of(data, size);
    struct arena arena;
    arena_init(&arena);
    struct decompressor *decompressor = decompressor_create();
    switch (input_byte(&input) % 4) {
    case 0: validate_any(decompressor, &input, &arena); break;
    case 1: {
        uint8_t choice = input_byte(&input);
        validate(decompressor, choice, batch_draw(&input, 0, &arena), &arena);
        break;
    }
    case 2: decompress_any(decompressor, &input); break;
    case 3: compress_any(decompressor, &input); break;
    }
    decompressor_destroy(decompressor);
    arena_deinit(&arena);
    return 0;
}
