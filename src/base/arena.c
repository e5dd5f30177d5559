/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/str.h"

enum { ARENA_FIRST = 4096, ARENA_LARGEST = 1 << 20, ARENA_ALIGN = 16 };

struct arena_block {
    struct arena_block *older;
    size_t size;
    alignas(16) uint8_t bytes[];
};

void arena_init(struct arena *arena)
{
    *arena = (struct arena){ 0 };
}

static struct arena_block *take_block(size_t size)
{
    int64_t *total = memory_count_in(NULL);
    struct arena_block *block = memory_take_raw(sizeof(*block) + size);
    memory_count_in(total);
    block->size = size;
    return block;
}

static void give_block(struct arena_block *block)
{
    int64_t *total = memory_count_in(NULL);
    memory_give(block);
    memory_count_in(total);
}

static void free_older(struct arena_block *block)
{
    while (block != NULL) {
        struct arena_block *older = block->older;
        give_block(block);
        block = older;
    }
}

void arena_deinit(struct arena *arena)
{
    free_older(arena->blocks);
    *arena = (struct arena){ 0 };
}

void arena_reset(struct arena *arena)
{
    struct arena_block *first = arena->blocks;
    if (first != NULL) {
        while (first->older != NULL) {
            struct arena_block *older = first->older;
            give_block(first);
            first = older;
        }
    }
    if (first != NULL && first->size > ARENA_FIRST) { /* it was made for something large */
        give_block(first);
        first = NULL;
    }
    *arena = (struct arena){ .blocks = first, .held = first == NULL ? 0 : first->size, .most = arena->most };
}

void *arena_take(struct arena *arena, size_t size)
{
    assert(size < SIZE_MAX - ARENA_ALIGN);
    size = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if (arena->blocks == NULL || arena->blocks->size - arena->used < size) {
        size_t block_size = arena->blocks == NULL ? ARENA_FIRST : arena->blocks->size * 2;
        if (block_size > ARENA_LARGEST)
            block_size = ARENA_LARGEST;
        if (block_size < size)
            block_size = size;
        struct arena_block *block = take_block(block_size);
        block->older = arena->blocks;
        arena->blocks = block;
        arena->used = 0;
        arena->held += block_size;
    }
    void *memory = arena->blocks->bytes + arena->used;
    arena->used += size;
    arena->taken += size;
    return memset(memory, 0, size);
}

void *arena_copy(struct arena *arena, const void *data, size_t size)
{
    void *copy = arena_take(arena, size);
    if (size > 0)
        memcpy(copy, data, size);
    return copy;
}

bool arena_may_take(const struct arena *arena, size_t size)
{
    return arena->most == 0 || (size <= arena->most && arena->taken <= arena->most - size);
}

void *arena_take_array(struct arena *arena, size_t count, size_t element_size)
{
    size_t size;
    bool overflow = __builtin_mul_overflow(count, element_size, &size);
    assert(!overflow);
    return arena_take(arena, size);
}

char *arena_format(struct arena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    assert(size >= 0);
    char *text = arena_take(arena, (size_t)size + 1);
    vsnprintf(text, (size_t)size + 1, format, again);
    va_end(again);
    text[str_cut((struct str){ text, size }, ARENA_TEXT_MOST).size] = '\0';
    return text;
}
