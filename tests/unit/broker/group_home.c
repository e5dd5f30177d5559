/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/group_home.h"

#include <utlist.h>

#include "broker/shard.h"
#include "io/io.h"
#include "test.h"

/* What a home takes and gives back is the node's, whichever shard has it. */
void test_group_home__a_node_has_what_its_homes_have_together(void)
{
    struct group_load load;
    struct shard shards[2] = { { .group_load = &load }, { .group_load = &load } };
    struct group_home homes[2] = { { .shard = &shards[0] }, { .shard = &shards[1] } };
    budget_init(&load.memory, 8000);
    budget_init(&load.members, INT64_MAX);
    homes[0].coordinator.memory = 6000;
    homes[0].coordinator.consumer_members = 1000;
    homes[1].coordinator.memory = 900;
    homes[1].coordinator.consumer_members = 30;
    homes[1].coordinator.classic_members = 4;
    for (int i = 0; i < 4; i++)
        group_home_charge(&homes[i % 2]);
    assert_int_equal(budget_used(&load.memory), 6900);
    assert_int_equal(budget_used(&load.members), 1034);
    homes[0].coordinator.memory = 100;
    homes[0].coordinator.consumer_members = 0;
    group_home_charge(&homes[0]);
    assert_int_equal(budget_used(&load.memory), 1000);
    assert_int_equal(budget_used(&load.members), 34);
}

/* An eighth is kept for those who are there; what a load brought may be more than there is. */
void test_group_home__the_last_eighth_is_for_those_who_are_known(void)
{
    struct group_load load;
    budget_init(&load.memory, 8000);
    assert_int_equal(group_load_left(&load), MEMORY_AMPLE);
    budget_charge(&load.memory, 6999);
    assert_int_equal(group_load_left(&load), MEMORY_AMPLE);
    budget_charge(&load.memory, 1);
    assert_int_equal(group_load_left(&load), MEMORY_SHORT);
    budget_charge(&load.memory, 999);
    assert_int_equal(group_load_left(&load), MEMORY_SHORT);
    budget_charge(&load.memory, 1);
    assert_int_equal(group_load_left(&load), MEMORY_OUT);
    budget_charge(&load.memory, 5000);
    assert_int_equal(group_load_left(&load), MEMORY_OUT);
}

static int32_t count_looking(const struct group_home *homes, int32_t count)
{
    int32_t looking = 0;
    for (int32_t i = 0; i < count; i++)
        looking += timer_is_set(&homes[i].topics.timer);
    return looking;
}

/* All homes of a shard have offsets of a topic that is deleted: one of them looks for them, the
 * others when it is through, so that no pass has the work of all. */
void test_group_home__one_after_the_other_looks_for_offsets_of_lost_topics(void)
{
    enum { HOMES = 3 };
    struct group_home homes[HOMES] = { 0 };
    struct io *io = io_create(1);
    struct shard shard = { .loop = loop_create(io, "homes") };
    for (int i = 0; i < HOMES; i++) {
        homes[i].shard = &shard;
        homes[i].machine.state = i == 0 ? MACHINE_LOADING : MACHINE_READY;
        DL_APPEND(shard.group_homes, &homes[i]);
    }
    group_homes_topics_deleted(&shard);
    assert_int_equal(count_looking(homes, HOMES), 1);
    assert_true(timer_is_set(&homes[1].topics.timer));
    group_homes_topics_deleted(&shard);
    assert_int_equal(count_looking(homes, HOMES), 1);
    assert_true(homes[2].coordinator.has_lost_more);
    timer_cancel(shard.loop, &homes[1].topics.timer);
    loop_destroy(shard.loop);
    io_destroy(io);
}
