/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/assignment.h"

#include "base/broken.h"
#include "base/budget.h"
#include "base/memory.h"
#include "coordinator/group_consumer.h"
#include "coordinator/group_consumer_plan.h"

enum {
    STEPS_MOST = 200 * 1000 * 1000, /* half a second */
    AGAIN_MS = 1000                 /* there was no room, or the log may refuse the result */
};

struct assignment {
    struct arena arena;
    struct budget *budget;
    int64_t reserved, number; /* bytes; as the group has it */
    int32_t epoch;            /* of the group, when it was copied */
    struct str group_id;
    struct target_input input;
    struct assign_share *shares; /* once it was run; one for each member of the input */
};

/* ---- The copy. ---- */

/* What the input borrows of the group. */
static void own_input(struct assignment *assignment)
{
    struct arena *arena = &assignment->arena;
    struct target_input *input = &assignment->input;
    for (int32_t m = 0; m < input->assign.member_count; m++) {
        struct assign_member *member = &input->members[m];
        struct assign_part *parts = arena_copy(
            arena, member->owned.parts, (size_t)member->owned.part_count * sizeof(*parts));
        for (int32_t i = 0; i < member->owned.part_count; i++)
            parts[i].partitions = arena_copy(arena, parts[i].partitions,
                (size_t)parts[i].partition_count * sizeof(*parts[i].partitions));
        member->owned.parts = parts;
        member->id = str_copy(arena, member->id);
        member->instance_id = str_copy(arena, member->instance_id);
    }
}

static struct assignment *copy(const struct group *group, const struct image *image)
{
    struct assignment *assignment = memory_take(sizeof(*assignment));
    arena_init(&assignment->arena);
    struct coordinator_request request = { .image = image };
    struct group_decider decider = {
        .coordinator = group->coordinator, .request = &request, .arena = &assignment->arena
    };
    struct consumer_plan plan = {
        .decider = &decider, .group = group, .group_id = group_id(group)
    };
    plan_input(&plan, &assignment->input);
    own_input(assignment);
    assignment->group_id = str_copy(&assignment->arena, group_id(group));
    assignment->epoch = group->consumer->epoch;
    return assignment;
}

struct assignment *coordinator_take_assignment(struct coordinator *coordinator,
    const struct image *image, struct budget *budget, int64_t steady_ms, int64_t *out_missing)
{
    struct group *group = coordinator->to_assign;
    coordinator->to_assign = NULL;
    *out_missing = 0;
    if (!consumer_group_is(group) || group->consumer->epoch <= group->consumer->assignment_epoch)
        return NULL; /* the log refused what the decision made of the group */
    struct consumer_group *kept = group->consumer;
    struct assignment *assignment = copy(group, image);
    int64_t size = (int64_t)(assignment->arena.held + assign_bytes(&assignment->input.assign));
    if (!budget_reserve(budget, size)) {
        kept->assign_after_ms = steady_ms + AGAIN_MS;
        *out_missing = size;
        assignment_destroy(assignment);
        return NULL;
    }
    assignment->budget = budget;
    assignment->reserved = size;
    assignment->number = kept->assigning = ++coordinator->last_assignment;
    return assignment;
}

void assignment_destroy(struct assignment *assignment)
{
    if (assignment == NULL)
        return;
    if (assignment->budget != NULL)
        budget_release(assignment->budget, assignment->reserved);
    arena_deinit(&assignment->arena);
    memory_give(assignment);
}

int64_t assignment_bytes(const struct assignment *assignment)
{
    return assignment->reserved;
}

void assignment_run(struct assignment *assignment)
{
    struct target_input *input = &assignment->input;
    input->assign.steps_most = STEPS_MOST;
    assignment->shares = input->assignor->assign(&input->assign, &assignment->arena);
}

/* ---- The result. ---- */

/* The group may have moved on. Members that left get nothing, those that came since wait for the
 * next target, as the epoch says that it is written with. */
void decide_assigned(struct group_decider *decider)
{
    const struct assignment *assignment = decider->request->request;
    struct group *group = group_find(decider->coordinator, assignment->group_id);
    if (!consumer_group_is(group) || group->consumer->assigning != assignment->number)
        return; /* another group by now, or one that was loaded again */
    struct consumer_group *kept = group->consumer;
    kept->assigning = 0;
    if (assignment->epoch <= kept->assignment_epoch)
        return;
    kept->assign_after_ms = decider->steady_ms + AGAIN_MS; /* unless it is written */
    struct consumer_plan plan = { .decider = decider, .group = group, .group_id = group_id(group) };
    plan_shares(&plan, &assignment->input, assignment->shares,
        broken(stale_assignment_taken) ? kept->epoch : assignment->epoch);
}
