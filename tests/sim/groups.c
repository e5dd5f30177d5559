/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/groups.h"

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
    for (int i = 0; i < groups->member_count; i++)
        member_start(&groups->members[i], workload, groups, i);
    return groups;
}

void groups_destroy(struct groups *groups)
{
    if (groups == NULL)
        return;
    for (int i = 0; i < groups->member_count; i++)
        member_stop(&groups->members[i]);
    memory_give(groups);
}

static bool have_settled(const struct groups *groups)
{
    unsigned owned = 0;
    for (int i = 0; i < groups->member_count; i++) {
        if (!member_is_settled(&groups->members[i]))
            return false;
        owned |= groups->members[i].holder.owned;
    }
    return owned == ALL_PARTITIONS;
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
