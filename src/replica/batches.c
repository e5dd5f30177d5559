/* SPDX-License-Identifier: Apache-2.0 */
#include "replica/batches.h"

#include <errno.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "io/file.h"
#include "wire/record.h"

enum { WINDOW_SIZE = 1024 * 1024, RECORDS_MAX = 1024 * 1024 * 1024 };

static bool pass_on(
    struct batch_walk *walk, const struct batch_header *header, const struct record *record)
{
    if (record->offset < walk->from_offset)
        return true;
    if (!batch_is_control(header))
        return walk->record(walk, record->offset, record->value);
    if (record->key.size < 4 || walk->control == NULL)
        return record->key.size >= 4;
    return walk->control(walk, record->offset, load_i16(record->key.data + 2), record->value);
}

static int walk_batch(
    struct batch_walk *walk, const uint8_t *batch, const struct batch_header *header)
{
    struct bytes records;
    struct buffer *owner;
    if (!batch_crc_is_right(batch, header))
        return -EBADMSG;
    int status = batch_records(walk->decompressor, batch, header, RECORDS_MAX, &records, &owner);
    if (status < 0)
        return status;
    struct record_reader reader;
    struct record record;
    enum record_status got;
    records_begin(&reader, header, records);
    bool good = true;
    walk->epoch = header->leader_epoch;
    while (good && (got = records_next(&reader, &record)) == RECORD_OK)
        good = pass_on(walk, header, &record);
    buffer_unref(owner);
    if (!good || got != RECORD_END)
        return -EBADMSG;
    walk->next_offset = batch_next_offset(header);
    walk->timestamp_ms = header->max_timestamp;
    walk->batch_bytes += (int64_t)header->size;
    return 0;
}

int batches_walk(struct file *file, int64_t position, int64_t size, struct batch_walk *walk)
{
    size_t capacity = WINDOW_SIZE;
    uint8_t *window = memory_take_raw(capacity);
    int64_t end = position + size;
    int status = 0;
    while (status == 0 && position < end) {
        size_t wanted = end - position < (int64_t)capacity ? (size_t)(end - position) : capacity;
        int64_t got = file_pread(file, window, wanted, position);
        if (got <= 0) {
            status = (int)got;
            break;
        }
        size_t at = 0;
        struct batch_header header;
        enum batch_status parsed = BATCH_OK;
        while (status == 0 && at < (size_t)got &&
               (parsed = batch_parse((struct bytes){ window + at, (size_t)got - at }, &header)) ==
                   BATCH_OK) {
            status = walk_batch(walk, window + at, &header);
            at += header.size;
        }
        if (status == 0 && parsed != BATCH_OK && parsed != BATCH_INCOMPLETE)
            status = -EBADMSG;
        position += (int64_t)at;
        if (status < 0 || at > 0)
            continue;
        /* Not one whole batch in the window: a larger one, or the end of the range cuts it. */
        if ((int64_t)wanted < (int64_t)capacity || got < (int64_t)wanted)
            break;
        capacity *= 2;
        memory_give(window);
        window = memory_take_raw(capacity);
    }
    memory_give(window);
    return status;
}
