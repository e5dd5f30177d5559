/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/seen.h"

#include "base/buffer.h"
#include "sim/actor.h"
#include "sim/payload.h"
#include "sim/topics.h"
#include "sim/workload.h"
#include "wire/compress.h"
#include "wire/record.h"

static void see_record(struct actor *actor, struct topic *topic, int32_t partition, const struct batch_header *header, struct record *record)
{
    struct partition_facts *facts = &topic->facts[partition];
    int64_t value = payload_value_of(actor->workload->recorder, record, &actor->arena);
    actor_note(actor, "ok", "poll", topic->keys[partition], value, record->offset);
    if (record->offset + 1 > topic->read_to[partition])
        topic->read_to[partition] = record->offset + 1;
    facts->is_read = true;
    facts->offset = record->offset;
    facts->timestamp = record->timestamp;
    facts->epoch = header->leader_epoch;
}

/* False: it is damaged, and what is behind it must not be read yet. */
static bool see_batch(struct actor *actor, struct topic *topic, int32_t partition, int64_t *position, const uint8_t *batch,
    const struct batch_header *header)
{
    struct decompressor *decompressor = decompressor_create();
    struct bytes records;
    struct buffer *owner = NULL;
    struct record_reader record_reader;
    struct record record;
    if (!batch_crc_is_right(batch, header) || batch_records(decompressor, batch, header, 1 << 20, &records, &owner) < 0) {
        if (!actor_may_see_damage(actor))
            recorder_violate(actor->workload->recorder, "batch_is_damaged", "key=%s offset=%lld", topic->keys[partition],
                (long long)header->base_offset);
        decompressor_destroy(decompressor);
        return false;
    }
    records_begin(&record_reader, header, records);
    while (records_next(&record_reader, &record) == RECORD_OK) {
        if (record.offset < *position)
            continue; /* the batch was asked for with an offset inside it */
        see_record(actor, topic, partition, header, &record);
        *position = record.offset + 1;
    }
    buffer_unref(owner);
    decompressor_destroy(decompressor);
    return true;
}

void batches_see(struct actor *actor, struct topic *topic, int32_t partition, int64_t *position, struct bytes batches)
{
    struct batch_header header;
    while (batches.size > 0 && batch_parse(batches, &header) == BATCH_OK &&
           see_batch(actor, topic, partition, position, batches.data, &header))
        batches = (struct bytes){ batches.data + header.size, batches.size - header.size };
}

int64_t position_after_loss(struct actor *actor, struct topic *topic, int32_t partition, int64_t position)
{
    int64_t *begin = &topic->deleted_below[partition];
    bool is_deleted = position < topic_farthest_start(topic, partition);
    if (!is_deleted && !topic->may_lose && topic->state == TOPIC_THERE)
        recorder_violate(actor->workload->recorder, "seen_records_are_gone", "key=%s offset=%lld", topic->keys[partition],
            (long long)position);
    actor_note(actor, "ok", "seek", topic->keys[partition], VALUE_NONE, OFFSET_NONE);
    if (topic->may_lose && *begin > 0 && position == *begin)
        return ++*begin; /* what was lost ended below what a deletion asked for, and that may have been done */
    return is_deleted ? *begin : 0;
}
