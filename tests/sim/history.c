/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/history.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/memory.h"

enum { MOST_TOLD = 10 };

struct history_record {
    int32_t partition;
    int64_t acked_at, seen_at; /* offsets; -1: not yet */
};

struct slot {
    uint64_t acked, seen; /* numbers; 0: none */
};

struct history_partition {
    struct slot *slots; /* by offset */
    int64_t slot_count;
};

void history_init(struct history *history, int32_t partition_count)
{
    *history = (struct history){ .partition_count = partition_count };
    history->partitions = memory_take(sizeof(*history->partitions) * (size_t)partition_count);
}

void history_deinit(struct history *history)
{
    for (int32_t i = 0; i < history->partition_count; i++)
        memory_give(history->partitions[i].slots);
    memory_give(history->partitions);
    memory_give(history->records);
}

void history_violate(struct history *history, const char *name, const char *format, ...)
{
    va_list arguments;
    if (history->violation_count++ >= MOST_TOLD)
        return;
    fprintf(stderr, "violation=%s ", name);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

uint64_t history_send(struct history *history, int32_t partition)
{
    assert(partition >= 0 && partition < history->partition_count);
    if (history->record_count == history->record_capacity) {
        history->record_capacity = history->record_capacity * 2 + 1024;
        history->records = memory_resize(history->records, history->record_capacity * sizeof(*history->records));
    }
    history->records[history->record_count++] = (struct history_record){ partition, -1, -1 };
    return history->record_count;
}

size_t history_value(uint64_t number, uint8_t value[HISTORY_VALUE_MOST])
{
    size_t size = 8 + (size_t)(number * 2654435761u % (HISTORY_VALUE_MOST - 8));
    store_u64(value, number);
    for (size_t i = 8; i < size; i++)
        value[i] = (uint8_t)(number * 31 + i * 7);
    return size;
}

static struct slot *slot_at(struct history *history, int32_t partition, int64_t offset)
{
    struct history_partition *at = &history->partitions[partition];
    if (offset >= at->slot_count) {
        int64_t count = offset * 2 + 64;
        at->slots = memory_resize(at->slots, (size_t)count * sizeof(*at->slots));
        for (int64_t i = at->slot_count; i < count; i++)
            at->slots[i] = (struct slot){ 0 };
        at->slot_count = count;
    }
    return &at->slots[offset];
}

void history_ack(struct history *history, uint64_t number, int64_t offset)
{
    struct history_record *record = &history->records[number - 1];
    if (offset < 0) {
        history_violate(history, "acked_without_offset", "record=%llu offset=%lld", (unsigned long long)number,
                        (long long)offset);
        return;
    }
    struct slot *slot = slot_at(history, record->partition, offset);
    uint64_t other = slot->acked != 0 ? slot->acked : slot->seen;
    if (other != 0 && other != number)
        history_violate(history, "acked_offset_is_taken", "partition=%d offset=%lld record=%llu other=%llu",
                        record->partition, (long long)offset, (unsigned long long)number, (unsigned long long)other);
    slot->acked = number;
    record->acked_at = offset;
    history->acked_count++;
}

static bool value_is_right(struct bytes value, uint64_t number)
{
    uint8_t expected[HISTORY_VALUE_MOST];
    size_t size = history_value(number, expected);
    return bytes_equal(value, (struct bytes){ expected, size });
}

void history_see(struct history *history, int32_t partition, int64_t offset, struct bytes value)
{
    uint64_t number = value.data == NULL || value.size < 8 ? 0 : load_u64(value.data);
    if (number == 0 || number > history->record_count || !value_is_right(value, number) ||
        history->records[number - 1].partition != partition) {
        history_violate(history, "record_is_invented", "partition=%d offset=%lld record=%llu size=%zu", partition,
                        (long long)offset, (unsigned long long)number, value.size);
        return;
    }
    struct slot *slot = slot_at(history, partition, offset);
    struct history_record *record = &history->records[number - 1];
    if (slot->seen != 0 && slot->seen != number)
        history_violate(history, "seen_offset_changed", "partition=%d offset=%lld record=%llu before=%llu", partition,
                        (long long)offset, (unsigned long long)number, (unsigned long long)slot->seen);
    if (slot->acked != 0 && slot->acked != number)
        history_violate(history, "acked_record_replaced", "partition=%d offset=%lld record=%llu acked=%llu", partition,
                        (long long)offset, (unsigned long long)number, (unsigned long long)slot->acked);
    if (record->seen_at >= 0 && record->seen_at != offset)
        history_violate(history, "record_is_doubled", "partition=%d record=%llu offset=%lld and=%lld", partition,
                        (unsigned long long)number, (long long)record->seen_at, (long long)offset);
    history->seen_count += slot->seen == 0;
    slot->seen = number;
    record->seen_at = offset;
}

void history_finish(struct history *history)
{
    for (size_t i = 0; i < history->record_count; i++) {
        const struct history_record *record = &history->records[i];
        if (record->acked_at >= 0 && record->seen_at != record->acked_at)
            history_violate(history, "acked_record_is_lost", "partition=%d offset=%lld record=%zu", record->partition,
                            (long long)record->acked_at, i + 1);
    }
}
