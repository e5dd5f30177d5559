/* SPDX-License-Identifier: Apache-2.0 */
/* Messages to bytes, for every schema: measure, take a buffer, encode; or, in one walk instead of
 * two, try a buffer that most messages fit in. Fields that a version lacks are left out; tagged
 * fields at their default too. A text that is NULL where null is not allowed goes out as empty.
 * Where a records field has a size but no data, a hole is left: its bytes are counted in lengths,
 * but not written. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct arena;
struct message_schema;

/* After position bytes of the encoded message come size bytes that the caller has. */
struct hole {
    size_t position;
    int32_t size;
    void *source; /* records.hole */
};

struct message_extent {
    size_t wire_size; /* of the whole message, holes included */
    size_t hole_size; /* wire_size - hole_size is what encoding writes */
    int32_t hole_count;
};

struct message_extent message_measure(
    const struct message_schema *schema, int16_t version, const void *message);
size_t message_size(
    const struct message_schema *schema, int16_t version, const void *message); /* wire_size */

/* What it takes; written when that is no more than capacity and there are no holes. */
struct message_extent message_try_encode(const struct message_schema *schema, int16_t version,
    const void *message, uint8_t *out, size_t capacity);

/* Returns the bytes written. capacity and the room in holes must be what message_measure() said, or
 * more. holes may be NULL when there are none; they come out in ascending order of position. */
size_t message_encode(const struct message_schema *schema, int16_t version, const void *message,
    uint8_t *out, size_t capacity, struct hole *holes);

/* The head and behind it the message, which has no holes, in the arena. */
struct bytes message_in_arena(struct arena *arena, struct bytes head,
    const struct message_schema *schema, int16_t version, const void *message);
