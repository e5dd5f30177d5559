/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/assignment.h"

#include "base/broken.h"
#include "base/budget.h"
#include "base/memory.h"
#include "coordinator/group_consumer.h"
#include "coordinator/group_consumer_roster.h"

enum {
    STEPS_MOST = 200 * 1000 * 1000, /* half a second */
    AGAIN_MS = 1000                 /* there was no room, or the log may refuse the result */
};

struct assignment {
    struct arena arena;
    struct budget *budget;
    struct image *image;
    int64_t reserved, number; /* bytes; as the group has it */
    int32_t epoch;            /* of the group, when it was copied */
    struct str group_id;
    struct roster roster;
    struct target_input input;   /* once it was run... */
    struct assign_share *shares; /* ...one for each member of the input */
};

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
    roster_take(&plan, &assignment->roster);
    roster_own(&assignment->roster, &assignment->arena);
    assignment->image = image_ref(image);
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
    int64_t size = (int64_t)(assignment->arena.held + roster_bytes(&assignment->roster));
    if (!budget_reserve(budget, size)) {
        kept->assign_after_ms = steady_ms + AGAIN_MS;
        *out_missing = size;
        assignment_destroy(assignment);
        return NULL;
    }
    assignment->budget = budget;
    assignment->reserved = size;
    assignment->number = kept->assigning = ++coordinator->last_assignment;
    kept->assigned_count = 0;
    kept->assign_after_ms = INT64_MAX;
    return assignment;
}

void assignment_destroy(struct assignment *assignment)
{
    if (assignment == NULL)
        return;
    if (assignment->budget != NULL)
        budget_release(assignment->budget, assignment->reserved);
    image_unref(assignment->image);
    arena_deinit(&assignment->arena);
    memory_give(assignment);
}

int64_t assignment_bytes(const struct assignment *assignment)
{
    return assignment->reserved;
}

void assignment_run(struct assignment *assignment)
{
    struct roster *roster = &assignment->roster;
    roster_input(roster, &assignment->arena, &assignment->input);
    assignment->input.assign.steps_most = STEPS_MOST;
    assignment->shares = roster->assignor->assign(&assignment->input.assign, &assignment->arena);
}

/* The group may have moved on, also since some of it was written. Members that left get nothing,
 * those that came since wait for the next target, as the epoch says that it is written with. */
void decide_assigned(struct group_decider *decider)
{
    const struct assignment *assignment = decider->request->request;
    struct group *group = group_find(decider->coordinator, assignment->group_id);
    if (!consumer_group_is(group) || group->consumer->assigning != assignment->number)
        return; /* another group by now, or one that was loaded again */
    struct consumer_group *kept = group->consumer;
    if (assignment->epoch <= kept->assignment_epoch)
        return;
    kept->assign_after_ms = decider->steady_ms + AGAIN_MS; /* unless it is written */
    struct consumer_plan plan = { .decider = decider, .group = group, .group_id = group_id(group) };
    decider->request->has_more = !plan_shares(&plan, &assignment->input, assignment->shares,
        broken(stale_assignment_taken) ? kept->epoch : assignment->epoch, &kept->assigned_count);
}
