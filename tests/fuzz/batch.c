/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the records of a Produce request. The first byte chooses the rules; the CRC is made
 * right, so that the rest is reached. What is accepted must read back whole, record by record, and
 * be the same records under every other codec. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "wire/record.h"
#include "wire/validate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    uint8_t choice = data[0];
    size--;
    uint8_t *bytes = malloc(size);
    memcpy(bytes, data + 1, size);
    struct batch_header header;
    if (batch_parse((struct bytes){ bytes, size }, &header) == BATCH_OK)
        batch_renew_crc(bytes, &header);

    struct arena arena;
    arena_init(&arena);
    struct decompressor *decompressor = decompressor_create();
    struct batch_rules rules = { .max_message_bytes = LIMIT,
        .max_uncompressed_size = LIMIT,
        .timestamp_before_max_ms = INT64_MAX,
        .timestamp_after_max_ms = INT64_MAX,
        .allow_zstd = true,
        .keys_required = (choice & 1) != 0,
        .log_append_time = (choice & 2) != 0 };
    struct batch_verdict verdict;
    batch_validate(decompressor, &rules, 1000, bytes, size, &arena, &verdict);
    if (verdict.error == ERROR_NONE) {
        struct bytes records;
        struct buffer *owner;
        assert(batch_crc_is_right(bytes, &verdict.header));
        int status = batch_records(decompressor, bytes, &verdict.header, LIMIT, &records, &owner);
        assert(status == 0);
        read_back(records, &verdict.header, &arena);
        recompress(decompressor, bytes, &verdict.header, (enum codec)((choice >> 2) % CODEC_COUNT),
            records);
        buffer_unref(owner);
    }
    decompressor_destroy(decompressor);
    arena_deinit(&arena);
    free(bytes);
    return 0;
}
