/* SPDX-License-Identifier: Apache-2.0 */
#include "base/container.h"
#include "base/memory.h"
#include "broker/group_home.h"
#include "broker/shard.h"
#include "coordinator/resolution.h"
#include "io/worker.h"

/* From when it is taken until the coordinator has heard of the result. */
struct group_resolving {
    struct job job;
    struct coordinator_request told;
    struct arena arena; /* of what is told */
    struct resolution *resolution;
    struct shard *shard;
    struct group_home *home; /* NULL: it is closed */
};

static void end(struct group_resolving *resolving)
{
    resolving->shard->group_resolving = NULL;
    resolution_destroy(resolving->resolution);
    arena_deinit(&resolving->arena);
    memory_give(resolving);
}

/* Where the log refused it, heartbeats ask for it again. */
static void was_told(struct rsm_request *rsm, enum error error)
{
    struct coordinator_request *told = container_of(rsm, struct coordinator_request, rsm);
    (void)error;
    end(container_of(told, struct group_resolving, told));
}

static enum job_progress step(struct job *job)
{
    struct group_resolving *resolving = container_of(job, struct group_resolving, job);
    return resolution_step(resolving->resolution) ? JOB_DONE : JOB_AGAIN;
}

static void resolved(struct job *job)
{
    struct group_resolving *resolving = container_of(job, struct group_resolving, job);
    if (resolving->home == NULL)
        end(resolving);
    else
        group_home_submit(resolving->home, &resolving->told);
}

void group_resolving_look(struct group_home *home)
{
    struct shard *shard = home->shard;
    if (shard->group_resolving != NULL)
        return;
    struct resolution *resolution =
        coordinator_take_resolution(&home->coordinator, shard->image, loop_now_ms(shard->loop));
    if (resolution == NULL)
        return;
    struct group_resolving *resolving = memory_take(sizeof(*resolving));
    *resolving = (struct group_resolving){ .job = { .step = step, .done = resolved },
        .told = { .type = COORDINATOR_RESOLVED,
            .request = resolution,
            .rsm = { .arena = &resolving->arena, .done = was_told } },
        .resolution = resolution,
        .shard = shard,
        .home = home };
    arena_init(&resolving->arena);
    shard->group_resolving = resolving;
    worker_submit(shard->io, shard->loop, &resolving->job);
}

void group_resolving_abandon(struct group_home *home)
{
    struct group_resolving *resolving = home->shard->group_resolving;
    if (resolving != NULL && resolving->home == home)
        resolving->home = NULL;
}
