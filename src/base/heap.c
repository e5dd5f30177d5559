/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"

#include <assert.h>

#include "base/memory.h"

void heap_init(struct heap *heap)
{
    *heap = (struct heap){ 0 };
}

void heap_deinit(struct heap *heap)
{
    memory_give(heap->entries);
    *heap = (struct heap){ 0 };
}

static bool is_before(const struct heap_entry *a, const struct heap_entry *b)
{
    return a->key != b->key ? a->key < b->key : a->order < b->order;
}

static void put(struct heap *heap, size_t place, struct heap_entry *entry)
{
    heap->entries[place - 1] = entry;
    entry->place = place;
}

static void sift_up(struct heap *heap, struct heap_entry *entry, size_t place)
{
    while (place > 1 && is_before(entry, heap->entries[place / 2 - 1])) {
        put(heap, place, heap->entries[place / 2 - 1]);
        place /= 2;
    }
    put(heap, place, entry);
}

static void sift_down(struct heap *heap, struct heap_entry *entry, size_t place)
{
    while (place * 2 <= heap->count) {
        size_t child = place * 2;
        if (child < heap->count && is_before(heap->entries[child], heap->entries[child - 1]))
            child++;
        if (!is_before(heap->entries[child - 1], entry))
            break;
        put(heap, place, heap->entries[child - 1]);
        place = child;
    }
    put(heap, place, entry);
}

void heap_insert(struct heap *heap, struct heap_entry *entry, int64_t key)
{
    assert(entry->place == 0);
    if (heap->count == heap->capacity) {
        heap->capacity = heap->capacity == 0 ? 16 : heap->capacity * 2;
        heap->entries = memory_resize(heap->entries, heap->capacity * sizeof(*heap->entries));
    }
    entry->key = key;
    entry->order = heap->next_order++;
    heap->count++;
    sift_up(heap, entry, heap->count);
}

void heap_remove(struct heap *heap, struct heap_entry *entry)
{
    size_t place = entry->place;
    if (place == 0)
        return;
    assert(heap->entries[place - 1] == entry);
    struct heap_entry *last = heap->entries[heap->count - 1];
    heap->count--;
    entry->place = 0;
    if (last == entry)
        return;
    if (place > 1 && is_before(last, heap->entries[place / 2 - 1]))
        sift_up(heap, last, place);
    else
        sift_down(heap, last, place);
}

struct heap_entry *heap_first(const struct heap *heap)
{
    return heap->count == 0 ? NULL : heap->entries[0];
}
