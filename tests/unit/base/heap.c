/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"

#include "base/prng.h"
#include "test.h"

/* Entries come out in order of key, equal keys in order of insertion, also after random removals. */
void test_heap__gives_entries_in_order(void)
{
    enum { COUNT = 500 };
    static struct heap_entry entries[COUNT];
    struct heap heap;
    struct prng prng;
    prng_init(&prng, 3);
    heap_init(&heap);
    for (int i = 0; i < COUNT; i++)
        heap_insert(&heap, &entries[i], (int64_t)prng_below(&prng, 50));
    for (int i = 0; i < COUNT; i += 3)
        heap_remove(&heap, &entries[i]);
    int64_t last_key = -1;
    uint64_t last_order = 0;
    size_t seen = 0;
    for (struct heap_entry *first; (first = heap_first(&heap)) != NULL; seen++) {
        assert_true(first->key > last_key || (first->key == last_key && first->order > last_order));
        last_key = first->key;
        last_order = first->order;
        heap_remove(&heap, first);
        assert_false(heap_has(first));
    }
    assert_int_equal(seen, COUNT - (COUNT + 2) / 3);
    heap_deinit(&heap);
}
