/* SPDX-License-Identifier: Apache-2.0 */
/* An arena holds all that one request (or one replay) decodes and builds, and is freed in one go. Memory from
 * it is zeroed, aligned to 16 bytes and never given back singly. A first block of the usual size is kept across
 * resets, so a steady request allocates nothing. Not for sizes a peer chose, unless checked against bytes that arrived. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena_block;
struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used;                /* bytes used of the newest block */
    size_t taken;               /* bytes handed out since the last reset */
    size_t held;                /* bytes of all blocks */
    size_t most;                /* what may be taken for what a peer sent, see arena_may_take(); 0: no bound */
};

void arena_init(struct arena *arena); /* takes no memory */
void arena_deinit(struct arena *arena);
void arena_reset(struct arena *arena); /* everything taken becomes invalid */
void *arena_take(struct arena *arena, size_t size);
void *arena_copy(struct arena *arena, const void *data, size_t size);

/* Whoever makes of a peer's bytes what is larger than they are asks first. */
bool arena_may_take(const struct arena *arena, size_t size);

/* An array of count elements; aborts on overflow, so check count against the input first. */
void *arena_take_array(struct arena *arena, size_t count, size_t element_size);
/* At most ARENA_TEXT_MOST bytes, what a string of the protocol can hold; names of a peer in a message
 * about them may be as long, and then its end is cut. */
enum { ARENA_TEXT_MOST = INT16_MAX };
char *arena_format(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
