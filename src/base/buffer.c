/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buffer.h"

#include <assert.h>

#include "base/budget.h"
#include "base/memory.h"

struct buffer *buffer_create(size_t capacity)
{
    struct buffer *buffer = memory_take_raw(sizeof(*buffer) + capacity);
    atomic_init(&buffer->references, 1);
    buffer->budget = NULL;
    buffer->charged = 0;
    buffer->size = 0;
    buffer->capacity = capacity;
    return buffer;
}

struct buffer *buffer_create_charged(size_t capacity, struct budget *budget)
{
    struct buffer *buffer = buffer_create(capacity);
    buffer->budget = budget;
    buffer->charged = capacity;
    return buffer;
}

struct buffer *buffer_grow(struct buffer *buffer, size_t capacity)
{
    assert(atomic_load_explicit(&buffer->references, memory_order_relaxed) == 1 && capacity >= buffer->capacity);
    buffer = memory_resize(buffer, sizeof(*buffer) + capacity);
    if (buffer->budget != NULL)
        buffer->charged += capacity - buffer->capacity;
    buffer->capacity = capacity;
    return buffer;
}

struct buffer *buffer_ref(struct buffer *buffer)
{
    int32_t before = atomic_fetch_add_explicit(&buffer->references, 1, memory_order_relaxed);
    assert(before > 0);
    return buffer;
}

void buffer_unref(struct buffer *buffer)
{
    if (buffer == NULL)
        return;
    int32_t before = atomic_fetch_sub_explicit(&buffer->references, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before != 1)
        return;
    if (buffer->budget != NULL)
        budget_release(buffer->budget, (int64_t)buffer->charged);
    memory_give(buffer);
}
