/* SPDX-License-Identifier: Apache-2.0 */
/* What the clients of a simulated run sent, were promised and saw, and whether it fits together. A record is known by
 * its number, and its value follows from the number. Violations have names; each is told on standard error at once. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct history {
    struct history_record *records; /* by number - 1 */
    size_t record_count, record_capacity;
    struct history_partition *partitions;
    int32_t partition_count;
    int64_t acked_count, seen_count;
    int64_t created_count, deleted_count; /* topics */
    int violation_count;
};

enum { HISTORY_VALUE_MOST = 700 };

void history_init(struct history *history, int32_t partition_count);
void history_deinit(struct history *history);
uint64_t history_send(struct history *history, int32_t partition); /* the number of a new record */
size_t history_value(uint64_t number, uint8_t value[HISTORY_VALUE_MOST]); /* its size */
void history_ack(struct history *history, uint64_t number, int64_t offset);
void history_see(struct history *history, int32_t partition, int64_t offset, struct bytes value);
void history_violate(struct history *history, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* At the end, when a reader has seen everything from offset 0 on: nothing that was promised may be missing. */
void history_finish(struct history *history);
