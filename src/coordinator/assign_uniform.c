/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/arena.h"
#include "coordinator/assign_parts.h"

static bool all_subscribe_alike(const struct assign_input *input)
{
    const struct assign_member *first = &input->members[0];
    for (int32_t m = 1; m < input->member_count; m++) {
        const struct assign_member *member = &input->members[m];
        if (member->topic_count != first->topic_count)
            return false;
        if (member->topics != first->topics && member->topic_count > 0 &&
            memcmp(member->topics, first->topics,
                (size_t)first->topic_count * sizeof(*first->topics)) != 0)
            return false;
    }
    return true;
}

/* How many partitions each member is to have. Where some get one more, those who have it already
 * keep it, and then the first of the others get it: so nothing moves without need. */
static int32_t *set_quotas(const struct assign_work *work)
{
    int32_t member_count = work->input->member_count;
    int32_t *quotas = arena_take_array(work->arena, (size_t)member_count, sizeof(*quotas));
    int32_t least = assign_total(work) / member_count;
    int32_t extra = assign_total(work) % member_count;
    for (int32_t m = 0; m < member_count; m++) {
        quotas[m] = least;
        if (work->loads[m] > least && extra > 0) {
            quotas[m]++;
            extra--;
        }
    }
    for (int32_t m = 0; extra > 0; m++)
        if (quotas[m] == least) {
            quotas[m]++;
            extra--;
        }
    return quotas;
}

/* All subscribe alike: who has too much gives up his last ones, who has too little gets what is
 * free, one member after the other. */
static void assign_alike(struct assign_work *work)
{
    int32_t *quotas = set_quotas(work), total = assign_total(work);
    for (int32_t p = total - 1; p >= 0; p--) {
        int32_t owner = work->owners[p];
        if (owner != ASSIGN_NOBODY && work->loads[owner] > quotas[owner]) {
            work->owners[p] = ASSIGN_NOBODY;
            work->loads[owner]--;
        }
    }
    int32_t hungry = 0;
    for (int32_t p = 0; p < total; p++) {
        if (work->owners[p] != ASSIGN_NOBODY)
            continue;
        while (work->loads[hungry] == quotas[hungry])
            hungry++;
        work->owners[p] = hungry;
        work->loads[hungry]++;
    }
}

struct assign_share *assign_uniform(const struct assign_input *input, struct arena *arena)
{
    struct assign_work work;
    assign_begin(&work, input, arena);
    if (input->member_count > 0) {
        assign_keep(&work);
        if (all_subscribe_alike(input))
            assign_alike(&work);
        else
            assign_mixed(&work);
    }
    return assign_finish(&work);
}
