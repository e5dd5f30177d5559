/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/epochs.h"

#include "base/memory.h"
#include "test.h"

static struct epochs three(void)
{
    struct epochs epochs = { 0 };
    epochs_assign(&epochs, 2, 10);
    epochs_assign(&epochs, 2, 15); /* the same epoch goes on */
    epochs_assign(&epochs, 1, 16); /* an older one is never taken */
    epochs_assign(&epochs, 4, 20);
    epochs_assign(&epochs, 7, 30);
    return epochs;
}

static void check_end(const struct epochs *epochs, int32_t asked, int32_t epoch, int64_t end)
{
    int32_t found;
    int64_t offset;
    epochs_end(epochs, asked, 40, &found, &offset);
    assert_int_equal(found, epoch);
    assert_int_equal(offset, end);
}

/* OffsetForLeaderEpoch: the largest epoch at or below the asked one, and where the next begins. */
void test_epochs__tell_where_an_epoch_ends(void)
{
    struct epochs epochs = three();
    check_end(&epochs, -1, -1, -1);
    check_end(&epochs, 1, 1, 10);
    check_end(&epochs, 2, 2, 20);
    check_end(&epochs, 3, 2, 20);
    check_end(&epochs, 4, 4, 30);
    check_end(&epochs, 6, 4, 30);
    check_end(&epochs, 7, 7, 40);
    check_end(&epochs, 8, -1, -1);
    assert_int_equal(epochs_at(&epochs, 9), -1);
    assert_int_equal(epochs_at(&epochs, 10), 2);
    assert_int_equal(epochs_at(&epochs, 29), 4);
    assert_int_equal(epochs_at(&epochs, 1000), 7);
    epochs_deinit(&epochs);
}

/* Cut at either end; the epoch that covers the new start begins there. */
void test_epochs__follow_the_log_when_it_is_cut(void)
{
    struct epochs epochs = three();
    epochs.dirty = false;
    epochs_truncate_from(&epochs, 30);
    assert_int_equal(epochs_latest(&epochs), 4);
    assert_true(epochs.dirty);
    epochs_start_at(&epochs, 15);
    assert_int_equal(epochs.count, 2);
    assert_int_equal(epochs.entries[0].start_offset, 15);
    epochs_start_at(&epochs, 20);
    assert_int_equal(epochs.count, 1);
    assert_int_equal(epochs_at(&epochs, 20), 4);
    epochs_deinit(&epochs);
}

/* The file is Kafka's text; anything else is refused, and never taken for an empty one. */
void test_epochs__are_a_text_file(void)
{
    static const char *const bad[] = { "", "1\n0\n", "0\n", "0\n1\n", "0\n1\nx 3\n",
        "0\n2\n1 5\n1 6\n", "0\n1\n1 -4\n", "0\n2\n1 5\n2 4\n", "0\n2\n1 5\n2 5\n", "0\n-1\n", "0\n1\n1 5\n2 6\n" };
    struct epochs epochs = three(), again = { 0 };
    int32_t size;
    char *text = epochs_print(&epochs, &size);
    assert_memory_equal(text, "0\n3\n2 10\n4 20\n7 30\n", (size_t)size);
    assert_true(epochs_parse(&again, (struct str){ text, size }));
    assert_int_equal(again.count, 3);
    assert_false(again.dirty);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(epochs_parse(&again, str_from(bad[i])));
        assert_int_equal(again.count, 0);
    }
    memory_give(text);
    epochs_deinit(&epochs);
    epochs_deinit(&again);
}
