/* SPDX-License-Identifier: Apache-2.0 */
#include "base/container.h"
#include "base/memory.h"
#include "base/odd.h"
#include "base/report.h"
#include "broker/group_home.h"
#include "broker/shard.h"
#include "coordinator/assignment.h"
#include "io/worker.h"

enum { LINGER_US = 500 * 1000 };

/* From the copy until the coordinator has heard of the result. */
struct group_assigning {
    struct job job;
    struct coordinator_request told;
    struct timer again;
    struct arena arena; /* of what is told */
    struct assignment *assignment;
    struct shard *shard;
    struct group_home *home; /* NULL: it is closed */
};

static void end(struct group_assigning *assigning)
{
    assigning->shard->group_assigning = NULL;
    assignment_destroy(assigning->assignment);
    arena_deinit(&assigning->arena);
    memory_give(assigning);
}

/* Where the log refused it and the group still needs a target, heartbeats ask for one. */
static void was_told(struct rsm_request *rsm, enum error error)
{
    struct coordinator_request *told = container_of(rsm, struct coordinator_request, rsm);
    struct group_assigning *assigning = container_of(told, struct group_assigning, told);
    struct loop *loop = assigning->shard->loop;
    if (error == ERROR_NONE && told->has_more && assigning->home != NULL)
        timer_set(loop, &assigning->again, loop_now_us(loop));
    else
        end(assigning);
}

static void tell(struct group_assigning *assigning)
{
    arena_reset(&assigning->arena);
    group_home_submit(assigning->home, &assigning->told);
}

static void tell_more(struct timer *timer)
{
    tell(container_of(timer, struct group_assigning, again));
}

static enum job_progress compute(struct job *job)
{
    assignment_run(container_of(job, struct group_assigning, job)->assignment);
    return JOB_DONE;
}

static void computed(struct job *job)
{
    struct group_assigning *assigning = container_of(job, struct group_assigning, job);
    struct loop *loop = assigning->shard->loop;
    if (assigning->home == NULL)
        end(assigning);
    else if (odd(what_is_ready_lingers)) /* as one of thousands of members takes to compute */
        timer_set(loop, &assigning->again, loop_now_us(loop) + LINGER_US);
    else
        tell(assigning);
}

static void report_missing(struct shard *shard, int64_t missing)
{
    int64_t left_out;
    if (shard_may_report(shard, &left_out))
        report_warn("group_assignment_put_off",
            "bytes=%lld left_out=%lld: memory is short (queued.max.request.bytes); a large group "
            "keeps its present assignment until there is room",
            (long long)missing, (long long)left_out);
}

void group_assigning_look(struct group_home *home)
{
    struct shard *shard = home->shard;
    int64_t missing;
    if (shard->group_assigning != NULL)
        return;
    struct assignment *assignment = coordinator_take_assignment(
        &home->coordinator, shard->image, shard->net.budget, loop_now_ms(shard->loop), &missing);
    if (missing > 0)
        report_missing(shard, missing);
    if (assignment == NULL)
        return;
    struct group_assigning *assigning = memory_take(sizeof(*assigning));
    *assigning = (struct group_assigning){ .job = { .step = compute, .done = computed },
        .told = { .type = COORDINATOR_ASSIGNED,
            .request = assignment,
            .rsm = { .arena = &assigning->arena, .done = was_told } },
        .again.run = tell_more,
        .assignment = assignment,
        .shard = shard,
        .home = home };
    arena_init(&assigning->arena);
    shard->group_assigning = assigning;
    worker_submit(shard->io, shard->loop, &assigning->job);
}

void group_assigning_abandon(struct group_home *home)
{
    struct group_assigning *assigning = home->shard->group_assigning;
    if (assigning == NULL || assigning->home != home)
        return;
    assigning->home = NULL;
    if (timer_is_set(&assigning->again)) {
        timer_cancel(home->shard->loop, &assigning->again);
        end(assigning);
    }
}

int64_t group_assigning_bytes(const struct shard *shard)
{
    const struct group_assigning *assigning = shard->group_assigning;
    return assigning == NULL ? 0 : assignment_bytes(assigning->assignment);
}
