/* SPDX-License-Identifier: Apache-2.0 */
/* A binary heap of entries that live in their owners, smallest key first; equal keys in order of insertion, so
 * that the same events give the same order. An entry knows its place and can leave at any time. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_entry {
    int64_t key;
    uint64_t order;
    size_t place; /* 1-based; 0: not in a heap */
};

struct heap {
    struct heap_entry **entries;
    size_t count, capacity;
    uint64_t next_order;
};

void heap_init(struct heap *heap);
void heap_deinit(struct heap *heap); /* entries stay their owners' */
void heap_insert(struct heap *heap, struct heap_entry *entry, int64_t key); /* not in a heap yet */
void heap_remove(struct heap *heap, struct heap_entry *entry);              /* not in it: does nothing */
struct heap_entry *heap_first(const struct heap *heap);                     /* NULL when empty */
static inline bool heap_has(const struct heap_entry *entry) { return entry->place != 0; }
