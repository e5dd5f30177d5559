/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"

#include "base/arena.h"
#include "test.h"

/* Whatever is taken, resized and given is counted where it is asked for, and there only; arenas are not. */
void test_memory__is_counted_where_it_is_asked_for(void)
{
    int64_t inner = 0, outer = 0;
    struct arena arena;
    arena_init(&arena);
    assert_null(memory_count_in(&outer));
    char *one = memory_take(100);
    assert_in_range(outer, 100, 200);
    int64_t of_one = outer;
    assert_ptr_equal(memory_count_in(&inner), &outer);
    char *other = memory_resize(NULL, 50);
    arena_take(&arena, 100000);
    assert_in_range(inner, 50, 150);
    other = memory_resize(other, 5000);
    assert_in_range(inner, 5000, 9000);
    memory_give(other);
    memory_give(NULL);
    arena_deinit(&arena);
    assert_int_equal(inner, 0);
    assert_ptr_equal(memory_count_in(&outer), &inner);
    assert_int_equal(outer, of_one);
    memory_give(one);
    assert_int_equal(outer, 0);
    assert_ptr_equal(memory_count_in(NULL), &outer);
    memory_give(memory_take_raw(10));
    assert_int_equal(outer, 0);
}
