/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of file operations that share a worker. */
#include "storage/work.h"

#include "store.h"

enum { OPERATIONS = 100 };

struct list {
    struct work work;
    bool is_done;
};

static void note_done(struct work *work)
{
    container_of(work, struct list, work)->is_done = true;
}

/* While one waits for its turn, the time is the other's: together they take no more than there was. */
void test_work__counts_the_time_of_its_operations_only(void)
{
    struct list lists[2] = { 0 };
    struct io *io = io_create(1);
    struct loop *loop = loop_create(io, "test");
    int64_t began_us = io_monotonic_us(io);
    for (int i = 0; i < 2; i++) {
        work_init(&lists[i].work, io, loop, note_done);
        for (int k = 0; k < OPERATIONS; k++)
            work_add_path(&lists[i].work, WORK_SYNC_DIRECTORY, "/tmp");
        work_submit(&lists[i].work);
    }
    while (!lists[0].is_done || !lists[1].is_done)
        assert_true(loop_turn(loop));
    int64_t elapsed_us = io_monotonic_us(io) - began_us, took_us = 0;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(lists[i].work.status, 0);
        assert_true(lists[i].work.took_us > 0);
        took_us += lists[i].work.took_us;
        work_deinit(&lists[i].work);
    }
    assert_true(took_us <= elapsed_us);
    loop_destroy(loop);
    io_destroy(io);
}
