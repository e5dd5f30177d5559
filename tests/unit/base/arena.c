/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <string.h>

#include "test.h"

/* What one large request needed is not kept by all that come after it; what every request needs is. */
void test_arena__keeps_only_a_small_block_across_resets(void)
{
    struct arena arena;
    arena_init(&arena);
    arena_take(&arena, 100);
    struct arena_block *small = arena.blocks;
    arena_take(&arena, 1 << 20);
    arena_reset(&arena);
    assert_ptr_equal(arena.blocks, small);
    assert_int_equal(arena.taken, 0);
    arena_deinit(&arena);
    arena_take(&arena, 1 << 20);
    arena_reset(&arena);
    assert_null(arena.blocks);
    arena_deinit(&arena);
}

/* A message about a name that is as long as a string may be. */
void test_arena__formats_no_more_than_a_string_holds(void)
{
    struct arena arena;
    static char name[ARENA_TEXT_MOST + 1];
    memset(name, 'x', ARENA_TEXT_MOST);
    arena_init(&arena);
    const char *text = arena_format(&arena, "unknown: %s", name);
    assert_int_equal(strlen(text), ARENA_TEXT_MOST);
    assert_memory_equal(text, "unknown: xxx", 12);
    arena_deinit(&arena);
}
