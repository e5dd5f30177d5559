/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/group.h"

#include "base/memory.h"
#include "coordinator/coordinator.h"
#include "coordinator/offsets.h"

struct group *group_find(const struct coordinator *coordinator, struct str id)
{
    struct group *group;
    HASH_FIND(hh, coordinator->groups, id.data, (size_t)id.size, group);
    return group;
}

struct group *group_make(struct coordinator *coordinator, struct str id)
{
    struct group *group = group_find(coordinator, id);
    if (group != NULL)
        return group;
    group = memory_take(sizeof(*group));
    group->coordinator = coordinator;
    group->kind = &classic_kind;
    group->id = str_copy_owned(id);
    group->id_size = id.size;
    HASH_ADD_KEYPTR(hh, coordinator->groups, group->id, (size_t)group->id_size, group);
    return group;
}

static void end_kind(struct group *group)
{
    if (group->kept != NULL)
        group->kind->free(group);
    group->kept = NULL;
    group->kind = &classic_kind;
}

void group_free(struct group *group)
{
    end_kind(group);
    offsets_free(group);
    HASH_DEL(group->coordinator->groups, group);
    memory_give(group->id);
    memory_give(group);
}

void group_drop_if_unused(struct group *group)
{
    if (group->kept == NULL && group->offsets == NULL)
        group_free(group);
}

void group_end(struct group *group)
{
    end_kind(group);
    group_drop_if_unused(group);
}
