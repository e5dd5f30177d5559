/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/clean_walk.h"

#include <errno.h>

#include "base/buffer.h"

static int damaged(struct clean_walk *walk, const char *reason)
{
    walk->reason = reason;
    return -EUCLEAN;
}

int clean_walk_open(struct clean_walk *walk, struct decompressor *decompressor,
    const uint8_t *batch, const struct batch_header *header, size_t limit)
{
    int status = batch_records(decompressor, batch, header, limit, &walk->records, &walk->owner);
    if (status == -EMSGSIZE)
        return status;
    if (status < 0)
        return damaged(walk, "the batch cannot be decompressed");
    if ((size_t)header->record_count > walk->records.size)
        return damaged(walk, "the batch is too short for its count of records");
    return 0;
}

void clean_walk_close(struct clean_walk *walk)
{
    buffer_unref(walk->owner);
}

void clean_walk_begin(struct clean_walk *walk, const struct batch_header *header)
{
    records_begin(&walk->reader, header, walk->records);
    walk->next_offset = header->base_offset;
    walk->end_offset = batch_next_offset(header);
}

int clean_walk_next(struct clean_walk *walk)
{
    int count = 0;
    while (count < CLEAN_WINDOW) {
        struct record *record = &walk->window[count];
        enum record_status status = records_next(&walk->reader, record);
        if (status == RECORD_END)
            break;
        if (status == RECORD_CORRUPT)
            return damaged(walk, "a record of the batch is malformed");
        if (record->offset < walk->next_offset || record->offset >= walk->end_offset)
            return damaged(walk, "a record's offset is not one of its batch in order");
        walk->next_offset = record->offset + 1;
        count++;
    }
    return count;
}
