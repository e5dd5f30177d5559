/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/committer.h"

#include "base/container.h"
#include "error.h"
#include "sim/founder.h"
#include "sim/groups.h"
#include "sim/workload.h"

static struct committer *committer_of(struct actor *actor)
{
    return container_of(actor, struct committer, actor);
}

static void lose_call(struct actor *actor)
{
    struct committer *committer = committer_of(actor);
    if (committer->commits)
        group_offsets_note(actor, &committer->offsets, "info");
    else
        group_offsets_lose_fetch(actor, &committer->offsets);
}

static void hear_call(struct actor *actor)
{
    struct committer *committer = committer_of(actor);
    bool commits = committer->commits;
    int16_t error = commits ? group_offsets_hear_commit(actor, &committer->offsets)
                            : group_offsets_hear_fetch(actor, &committer->offsets);
    if (error != ERROR_NONE && !group_error_is_passing(error))
        recorder_violate(actor->workload->recorder, "unexpected_error", "actor=%s call=%s error=%d",
            actor->name, commits ? "offset_commit" : "offset_fetch", error);
    bool is_all = committer->offsets.partitions == (1u << GROUP_PARTITIONS) - 1;
    if (actor->workload->draining && !commits && is_all && error == ERROR_NONE)
        committer->is_done = true;
    actor_wait(actor, error == ERROR_NONE ? 200000 : 500000);
}

static void act_as_committer(struct actor *actor)
{
    struct committer *committer = committer_of(actor);
    bool is_draining = actor->workload->draining;
    if (!committer->founder->is_founded || committer->is_done) {
        actor_set_idle(actor);
        return;
    }
    committer->offsets =
        (struct group_offsets){ .group = group_name((uint64_t)actor->number % SIMPLE_GROUPS),
            .topic_id = committer->founder->topic_id,
            .epoch = -1 };
    committer->commits = !is_draining && actor_draw(actor, 2) == 0;
    committer->offsets.partitions =
        is_draining ? (1u << GROUP_PARTITIONS) - 1
                    : 1 + (unsigned)actor_draw(actor, (1u << GROUP_PARTITIONS) - 1);
    actor->hear = hear_call;
    actor->lose = lose_call;
    if (committer->commits)
        group_offsets_commit(actor, &committer->offsets, 0);
    else
        group_offsets_fetch(actor, &committer->offsets, 0);
}

void committer_start(struct committer *committer, struct workload *workload,
    const struct founder *founder, int number)
{
    committer->founder = founder;
    actor_start(&committer->actor, workload, "committer", number, act_as_committer);
}
