/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/group.h"

#include "base/memory.h"
#include "coordinator/coordinator.h"
#include "coordinator/offsets.h"

/* The next character; a byte that is no UTF-8 counts as Java reads it, as U+FFFD. */
static uint32_t next_character(struct str *rest)
{
    static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
    const uint8_t *at = (const uint8_t *)rest->data;
    int more = *at < 0x80 ? 0 : *at >> 5 == 6 ? 1 : *at >> 4 == 14 ? 2 : *at >> 3 == 30 ? 3 : -1;
    uint32_t character = more <= 0 ? *at : *at & (0x3fu >> more);
    bool is_good = more >= 0 && more < rest->size;
    for (int i = 1; is_good && i <= more; i++) {
        is_good = at[i] >> 6 == 2;
        character = character << 6 | (at[i] & 0x3f);
    }
    is_good = is_good && character >= least[more] && character <= 0x10ffff;
    int used = is_good ? more + 1 : 1;
    *rest = (struct str){ rest->data + used, rest->size - used };
    return is_good ? character : 0xfffd;
}

int32_t group_home_index(struct str id, int32_t partition_count)
{
    uint32_t hash = 0;
    while (id.size > 0) {
        uint32_t character = next_character(&id);
        if (character >= 0x10000) {
            hash = hash * 31 + (0xd800 + ((character - 0x10000) >> 10));
            character = 0xdc00 + (character & 0x3ff);
        }
        hash = hash * 31 + character;
    }
    int32_t number = (int32_t)hash;
    return number == INT32_MIN ? 0 : (number < 0 ? -number : number) % partition_count;
}

struct group *group_find(const struct coordinator *coordinator, struct str id)
{
    struct group *group;
    HASH_FIND(hh, coordinator->groups, id.data, (size_t)id.size, group);
    return group;
}

struct group *group_make_apart(struct coordinator *coordinator, struct str id)
{
    struct group *group = memory_take(sizeof(*group));
    group->coordinator = coordinator;
    group->kind = &classic_kind;
    group->id = str_copy_owned(id);
    group->id_size = id.size;
    return group;
}

bool group_is_apart(const struct group *group)
{
    return group->hh.tbl == NULL;
}

struct group *group_make(struct coordinator *coordinator, struct str id)
{
    struct group *group = group_find(coordinator, id);
    if (group != NULL)
        return group;
    group = group_make_apart(coordinator, id);
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

static void walk_on(struct group_walk *walk, const struct group *gone)
{
    if (walk->group == gone)
        *walk = (struct group_walk){ .group = gone->hh.next };
}

void group_free(struct group *group)
{
    walk_on(&group->coordinator->expiry, group);
    walk_on(&group->coordinator->lost_topics, group);
    end_kind(group);
    offsets_free(group);
    if (group->coordinator->to_assign == group)
        group->coordinator->to_assign = NULL;
    if (group->coordinator->to_resolve == group)
        group->coordinator->to_resolve = NULL;
    if (!group_is_apart(group))
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
