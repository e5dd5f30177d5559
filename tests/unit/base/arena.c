/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

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
