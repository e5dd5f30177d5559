/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/groups.h"

#include <string.h>

#include "base/memory.h"
#include "sim/sim.h"
#include "sim/workload.h"

struct groups *groups_create(struct workload *workload)
{
    struct sim *sim = workload->sim;
    struct groups *groups = memory_take(sizeof(*groups));
    founder_start(&groups->founder, workload);
    groups->committer_count = 1 + (int)sim_draw(sim, COMMITTERS_MOST);
    for (int i = 0; i < groups->committer_count; i++)
        committer_start(&groups->committers[i], workload, &groups->founder, i);
    groups->member_count = 1 + (int)sim_draw(sim, MEMBERS_MOST);
    groups->mixes = sim_draw(sim, 2) == 0;
    for (int i = 0; i < groups->member_count; i++)
        member_start(&groups->members[i], workload, groups, i,
            group_name(groups->mixes && i % 2 == 1 ? CLASSIC_GROUP : CONSUMER_GROUP));
    groups->classic_count = 1 + (int)sim_draw(sim, CLASSICS_MOST);
    for (int i = 0; i < groups->classic_count; i++)
        classic_start(&groups->classics[i], workload, groups, i, groups->mixes);
    if (groups->mixes && groups->member_count > 1 && sim_draw(sim, 2) == 0) {
        member_take_turns(&groups->members[1], "changes", &groups->is_classics_turn);
        classic_take_turns(&groups->classics[0], "changes", &groups->is_classics_turn);
    }
    return groups;
}

void groups_destroy(struct groups *groups)
{
    if (groups == NULL)
        return;
    for (int i = 0; i < groups->member_count; i++)
        member_stop(&groups->members[i]);
    for (int i = 0; i < groups->classic_count; i++)
        classic_stop(&groups->classics[i]);
    memory_give(groups);
}

static void count_owned(const struct holder *holder, unsigned owned[2])
{
    bool is_classic = strcmp(holder->group, group_name(CLASSIC_GROUP)) == 0;
    owned[is_classic] |= holder->owned;
}

/* Each partition of both groups has its owner, and nobody is to give any up. */
static bool have_settled(const struct groups *groups)
{
    unsigned owned[2] = { 0 };
    for (int i = 0; i < groups->member_count; i++) {
        if (!member_is_settled(&groups->members[i]))
            return false;
        count_owned(&groups->members[i].holder, owned);
    }
    for (int i = 0; i < groups->classic_count; i++) {
        if (!classic_is_settled(&groups->classics[i]))
            return false;
        count_owned(&groups->classics[i].holder, owned);
    }
    return owned[0] == ALL_PARTITIONS && owned[1] == ALL_PARTITIONS;
}

bool groups_are_drained(struct groups *groups)
{
    if (groups == NULL)
        return true;
    bool drained = groups->founder.is_done;
    for (int i = 0; i < groups->committer_count; i++)
        drained = drained && groups->committers[i].is_done;
    groups->has_settled = groups->has_settled || have_settled(groups);
    return drained && groups->has_settled;
}
