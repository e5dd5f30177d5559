/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/group_home.h"

#include <utlist.h>

#include "broker/shard.h"
#include "test.h"

void test_group_home__a_shard_tells_the_node_by_its_own_members(void)
{
    struct shard_list shards = { .count = 4 };
    struct shard shard = { .shards = &shards };
    struct group_home homes[2] = { 0 };
    assert_int_equal(group_homes_member_total(&shard), 0);
    for (int i = 0; i < 2; i++)
        DL_APPEND(shard.group_homes, &homes[i]);
    homes[0].coordinator.consumer_members = 1000;
    homes[1].coordinator.consumer_members = 34;
    assert_int_equal(group_homes_member_total(&shard), 4 * 1034);
    homes[1].coordinator.consumer_members = INT32_MAX;
    assert_int_equal(group_homes_member_total(&shard), INT32_MAX);
}
