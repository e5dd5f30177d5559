/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/group_classic.h"

#include "coordinator/decide.h"

static const char *state(const struct group *group)
{
    (void)group;
    return "Empty";
}

static struct str protocol_type(const struct group *group)
{
    (void)group;
    return STR("");
}

/* A simple group has no members, so whoever says to be one is none. */
static enum error may_commit(
    struct group_decider *decider, struct group *group, const struct group_caller *caller)
{
    (void)decider;
    (void)group;
    return caller->epoch < 0 ? ERROR_NONE : ERROR_UNKNOWN_MEMBER_ID;
}

static enum error may_fetch(const struct group *group, const struct group_caller *caller)
{
    (void)group;
    (void)caller;
    return ERROR_NONE;
}

static enum error may_delete(const struct group *group)
{
    (void)group;
    return ERROR_NONE;
}

static bool subscribes(const struct group *group, struct str topic)
{
    (void)group;
    (void)topic;
    return false;
}

static bool is_empty(const struct group *group)
{
    (void)group;
    return true;
}

static int64_t empty_since_ms(const struct group *group)
{
    (void)group;
    return -1;
}

static void remove_records(struct group_decider *decider, const struct group *group)
{
    (void)decider;
    (void)group;
}

const struct group_kind classic_kind = {
    .type = "Classic",
    .state = state,
    .protocol_type = protocol_type,
    .may_commit = may_commit,
    .may_fetch = may_fetch,
    .may_delete = may_delete,
    .may_delete_offsets = may_delete,
    .subscribes = subscribes,
    .is_empty = is_empty,
    .empty_since_ms = empty_since_ms,
    .remove = remove_records,
};
