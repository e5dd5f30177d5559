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
    return groups;
}

void groups_destroy(struct groups *groups)
{
    memory_give(groups);
}

bool groups_are_drained(const struct groups *groups)
{
    if (groups == NULL)
        return true;
    bool drained = groups->founder.is_done;
    for (int i = 0; i < groups->committer_count; i++)
        drained = drained && groups->committers[i].is_done;
    return drained;
}
