/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/group_consumer.h"

#include "base/broken.h"
#include "coordinator/assign.h"
#include "coordinator/group_consumer_state.h"

bool consumer_group_is(const struct group *group)
{
    return group != NULL && group->kind == &consumer_kind;
}

int32_t consumer_group_size(const struct group *group)
{
    return (int32_t)HASH_COUNT(group->consumer->members);
}

struct consumer_member *consumer_member_find(const struct group *group, struct str id)
{
    struct consumer_member *member;
    HASH_FIND(hh, group->consumer->members, id.data, (size_t)id.size, member);
    return member;
}

static bool is_instance(const struct consumer_member *member, struct str instance_id)
{
    return member->written.data != NULL && str_equal(member->instance_id, instance_id);
}

struct consumer_member *consumer_member_static(
    const struct group *group, struct str id, struct str instance_id)
{
    struct consumer_member *member = consumer_member_find(group, id);
    if (member != NULL && is_instance(member, instance_id))
        return member;
    member = group->consumer->members;
    while (member != NULL && !is_instance(member, instance_id))
        member = member->hh.next;
    return member;
}

bool consumer_member_is_settled(const struct consumer_current *current, int32_t assignment_epoch)
{
    return current->state == MEMBER_STABLE && current->epoch == assignment_epoch;
}

bool consumer_partition_is_held(const struct group *group, struct uuid topic, int32_t partition)
{
    const struct held_topic *held;
    HASH_FIND(hh, group->consumer->held, &topic, sizeof(topic), held);
    return held != NULL && partition < held->count && held->holders[partition] > 0;
}

/* What the group's settings say, within the node's bounds, as those may have changed since; else
 * what the node's settings do. */
static int32_t setting_of(const struct image *image, struct str group, const char *key,
    struct setting_bounds bounds, int32_t without)
{
    int64_t value;
    struct str text = { 0 };
    if (image != NULL)
        text = image_setting(image, SCOPE_GROUP, group, str_from(key));
    if (str_is_null(text) || !str_to_int64(text, &value))
        return without;
    if (value > bounds.most)
        return bounds.most;
    return value < bounds.least ? bounds.least : (int32_t)value;
}

static int32_t session_ms(
    const struct coordinator_settings *settings, const struct image *image, struct str group)
{
    return setting_of(image, group, "consumer.session.timeout.ms",
        settings->consumer_session_bounds, settings->consumer_session_ms);
}

int32_t consumer_session_ms(const struct group_decider *decider, struct str group)
{
    return session_ms(&decider->coordinator->settings, decider->request->image, group);
}

int32_t consumer_assignment_interval_ms(const struct group_decider *decider, struct str group)
{
    const struct coordinator_settings *settings = &decider->coordinator->settings;
    return setting_of(decider->request->image, group, "consumer.assignment.interval.ms",
        settings->consumer_assignment_bounds, settings->consumer_assignment_interval_ms);
}

/* While the group moves, members come often, so that a move takes as many rounds but little time.
 * A settled group only needs to hear of changes soon: how soon depends on what the node can bear.
 * Where there are many members, those due within one tick are told to come at its beginning: a
 * wake-up costs more than a heartbeat, and one then serves all of them.
 */
int32_t consumer_heartbeat_ms(const struct group_decider *decider, struct str group, bool settled)
{
    enum { FEW = 1000, MANY = 10000, FEW_MS = 500, TICK_MS = 10 }; /* members of the node */
    const struct coordinator_settings *settings = &decider->coordinator->settings;
    int64_t configured = setting_of(decider->request->image, group, "consumer.heartbeat.interval.ms",
        settings->consumer_heartbeat_bounds, settings->consumer_heartbeat_ms);
    int64_t members = decider->request->member_total, wanted = configured;
    if (!settled)
        wanted = settings->consumer_moving_heartbeat_ms;
    else if (members <= FEW)
        wanted = FEW_MS;
    else if (members < MANY)
        wanted = FEW_MS + (configured - FEW_MS) * (members - FEW) / (MANY - FEW);
    if (wanted > configured)
        wanted = configured;
    if (wanted > FEW_MS)
        wanted -= (decider->steady_ms + wanted) % TICK_MS;
    return (int32_t)wanted;
}

const struct assignor *consumer_group_assignor(const struct group_decider *decider,
    const struct group *group, const struct consumer_member *without, struct str more)
{
    const struct assignor_list *list = &decider->coordinator->assignors;
    int32_t votes[ASSIGNOR_COUNT] = { 0 };
    int best = 0;
    for (int i = 0; i < list->count; i++)
        votes[i] += str_is(more, list->at[i]->name);
    for (const struct consumer_member *member = group == NULL ? NULL : group->consumer->members;
         member != NULL; member = member->hh.next)
        for (int i = 0; i < list->count && member != without && member->written.data != NULL; i++)
            votes[i] += str_is(member->assignor, list->at[i]->name);
    for (int i = 1; i < list->count; i++)
        best = votes[i] > votes[best] ? i : best;
    return list->at[best];
}

const char *consumer_group_state(const struct group *group)
{
    const struct consumer_group *kept = group->consumer;
    if (kept->members == NULL)
        return "Empty";
    if (kept->epoch > kept->assignment_epoch)
        return "Assigning";
    return kept->settled_count == consumer_group_size(group) ? "Stable" : "Reconciling";
}

static struct str protocol_type(const struct group *group)
{
    (void)group;
    return STR("consumer");
}

/* KIP-1251: who comes with an earlier epoch of its own may still commit what it had then, see
 * may_commit_partition(). */
static enum error may_commit(
    struct group_decider *decider, struct group *group, const struct group_caller *caller)
{
    enum { EPOCHS_SINCE = 9 }; /* of OffsetCommit */
    (void)decider;
    if (caller->epoch < 0 && group->consumer->members == NULL)
        return ERROR_NONE;
    const struct consumer_member *member = consumer_member_find(group, caller->member_id);
    if (member == NULL)
        return ERROR_UNKNOWN_MEMBER_ID;
    if (member->classic == NULL && caller->version < EPOCHS_SINCE)
        return ERROR_UNSUPPORTED_VERSION;
    if (caller->epoch <= member->current.epoch || broken(commit_epoch_unchecked))
        return ERROR_NONE;
    return member->classic != NULL ? ERROR_ILLEGAL_GENERATION : ERROR_STALE_MEMBER_EPOCH;
}

static enum error may_commit_partition(const struct group *group, const struct group_caller *caller,
    struct uuid topic_id, int32_t partition)
{
    const struct consumer_member *member = consumer_member_find(group, caller->member_id);
    if (member == NULL || caller->epoch == member->current.epoch || broken(commit_epoch_unchecked))
        return ERROR_NONE;
    const struct partition_set *sets[] = { &member->current.assigned, &member->current.revoking };
    for (int i = 0; i < 2; i++) {
        const struct partition_set_topic *topic = partition_set_topic(sets[i], topic_id);
        const int32_t *epoch = topic == NULL ? NULL : partition_set_epoch(topic, partition);
        if (epoch != NULL && *epoch <= caller->epoch)
            return ERROR_NONE;
    }
    return member->classic != NULL ? ERROR_ILLEGAL_GENERATION : ERROR_STALE_MEMBER_EPOCH;
}

static enum error may_fetch(const struct group *group, const struct group_caller *caller)
{
    if (str_is_null(caller->member_id))
        return caller->epoch < 0 ? ERROR_NONE : ERROR_UNKNOWN_MEMBER_ID;
    const struct consumer_member *member = consumer_member_find(group, caller->member_id);
    if (member == NULL)
        return ERROR_UNKNOWN_MEMBER_ID;
    if (caller->epoch == member->current.epoch)
        return ERROR_NONE;
    return member->classic != NULL ? ERROR_ILLEGAL_GENERATION : ERROR_STALE_MEMBER_EPOCH;
}

static enum error may_delete(const struct group *group)
{
    return group->consumer->members == NULL ? ERROR_NONE : ERROR_NON_EMPTY_GROUP;
}

static enum error may_delete_offsets(const struct group *group)
{
    (void)group;
    return ERROR_NONE;
}

static bool subscribes(const struct group *group, struct str topic)
{
    const struct subscribed_topic *subscribed;
    HASH_FIND(hh, group->consumer->topics, topic.data, (size_t)topic.size, subscribed);
    return subscribed != NULL;
}

static bool is_empty(const struct group *group)
{
    return group->consumer->members == NULL;
}

static int64_t empty_since_ms(const struct group *group)
{
    (void)group;
    return -1;
}

static void loaded(struct group *group, int64_t steady_ms, const struct image *image)
{
    struct coordinator *coordinator = group->coordinator;
    int64_t end_ms = steady_ms + session_ms(&coordinator->settings, image, group_id(group));
    for (struct consumer_member *member = group->consumer->members; member != NULL;
         member = member->hh.next) {
        struct consumer_classic *classic = member->classic;
        deadline_arm(coordinator, &member->session,
            classic == NULL ? end_ms : steady_ms + classic->session_ms);
        if (classic != NULL) /* it was told nothing by this coordinator, and must do nothing */
            deadline_cancel(coordinator, &classic->sync);
        if (member->current.state != MEMBER_UNREVOKED)
            continue;
        member->rebalance_epoch = member->current.epoch;
        deadline_arm(coordinator, classic == NULL ? &member->rebalance : &classic->join,
            steady_ms + member->rebalance_timeout_ms);
    }
}

const struct group_kind consumer_kind = {
    .type = "consumer",
    .state = consumer_group_state,
    .protocol_type = protocol_type,
    .may_commit = may_commit,
    .may_commit_partition = may_commit_partition,
    .may_fetch = may_fetch,
    .may_delete = may_delete,
    .may_delete_offsets = may_delete_offsets,
    .subscribes = subscribes,
    .is_empty = is_empty,
    .empty_since_ms = empty_since_ms,
    .remove = consumer_group_remove,
    .loaded = loaded,
    .dump = consumer_group_dump,
    .free = consumer_group_free,
};
