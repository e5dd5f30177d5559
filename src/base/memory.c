/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Read by jemalloc. What a burst of requests left is given back to the system within a quarter of a second, not in ten seconds. */
const char *const malloc_conf = "dirty_decay_ms:250,muzzy_decay_ms:0";

static _Thread_local int64_t *counted_in;

int64_t *memory_count_in(int64_t *total)
{
    int64_t *before = counted_in;
    counted_in = total;
    return before;
}

/* by: 1 or -1. */
static void count(void *memory, int64_t by)
{
    if (counted_in != NULL)
        *counted_in += by * (int64_t)malloc_usable_size(memory);
}

static void *checked(void *memory, size_t size)
{
    if (memory == NULL) {
        fprintf(stderr, "memory_exhausted wanted=%zu: the machine has no more memory; stopping\n", size);
        abort();
    }
    count(memory, 1);
    return memory;
}

void *memory_take(size_t size)
{
    return checked(calloc(1, size == 0 ? 1 : size), size);
}

void *memory_take_raw(size_t size)
{
    return checked(malloc(size == 0 ? 1 : size), size);
}

void *memory_resize(void *memory, size_t size)
{
    count(memory, -1);
    return checked(realloc(memory, size == 0 ? 1 : size), size);
}

char *memory_copy_text(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(memory_take_raw(size), text, size);
}

void memory_give(void *memory)
{
    if (memory == NULL)
        return;
    count(memory, -1);
    free(memory);
}
