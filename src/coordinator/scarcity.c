/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/scarcity.h"

#include "coordinator/group_classic_state.h"
#include "coordinator/group_consumer_state.h"
#include "coordinator/offsets.h"
#include "wire/gen/consumer_group_heartbeat.h"
#include "wire/gen/join_group.h"
#include "wire/gen/sync_group.h"

/* ---- JoinGroup. ---- */

/* The member, or the older self of a static one; NULL: somebody new, also one that was only told
 * its id. */
static const struct classic_member *find_classic(
    const struct group *group, const struct join_group_request *request)
{
    if (group == NULL || group->kind != &classic_kind || group->kept == NULL)
        return NULL;
    if (!str_is_null(request->group_instance_id))
        return classic_group_find_static(group->classic, request->group_instance_id);
    return classic_group_find(group->classic, request->member_id);
}

static size_t classic_wishes(const struct join_group_request_protocol *protocols, int32_t count)
{
    size_t size = 0;
    for (int32_t i = 0; i < count; i++)
        size += sizeof(*protocols) + (size_t)protocols[i].name.size + protocols[i].metadata.size;
    return size;
}

static bool join_adds_too_much(const struct group_decider *decider)
{
    const struct join_group_request *request = decider->request->request;
    const struct group *group = group_find(decider->coordinator, request->group_id);
    if (consumer_group_is(group)) /* one that speaks the classic protocol, in a consumer group */
        return consumer_member_find(group, request->member_id) == NULL;
    const struct classic_member *member = find_classic(group, request);
    if (member == NULL)
        return true;
    return decider->request->memory == MEMORY_OUT &&
           classic_wishes(request->protocols, request->protocols_count) >
               classic_wishes(member->protocols, member->protocol_count);
}

static bool refuse_join(struct group_decider *decider)
{
    struct join_group_response *response = decider->request->response;
    const struct join_group_request *request = decider->request->request;
    if (!join_adds_too_much(decider))
        return false;
    response->error_code = ERROR_COORDINATOR_LOAD_IN_PROGRESS;
    response->member_id = request->member_id;
    return true;
}

/* ---- SyncGroup. ---- */

static bool sync_adds_too_much(const struct group_decider *decider)
{
    const struct sync_group_request *request = decider->request->request;
    const struct group *group = group_find(decider->coordinator, request->group_id);
    size_t before = 0, after = 0;
    if (group == NULL || group->kind != &classic_kind || group->kept == NULL)
        return false;
    for (int32_t i = 0; i < request->assignments_count; i++)
        after += request->assignments[i].assignment.size;
    for (const struct classic_member *at = group->classic->members; at != NULL && after > before;
         at = at->hh.next)
        before += at->assignment_size;
    return after > before;
}

/* To COORDINATOR_LOAD_IN_PROGRESS of a SyncGroup the Java client knows no answer and gives up; at
 * this one it joins again. */
static bool refuse_sync(struct group_decider *decider)
{
    struct sync_group_response *response = decider->request->response;
    if (decider->request->memory != MEMORY_OUT || !sync_adds_too_much(decider))
        return false;
    response->error_code = ERROR_COORDINATOR_NOT_AVAILABLE;
    return true;
}

/* ---- ConsumerGroupHeartbeat. ---- */

static size_t subscription_size(const struct consumer_group_heartbeat_request *request)
{
    size_t size = (size_t)request->subscribed_topic_regex.size;
    for (int32_t i = 0; i < request->subscribed_topic_names_count; i++)
        size += (size_t)request->subscribed_topic_names[i].size;
    return size;
}

static bool heartbeat_adds_too_much(const struct group_decider *decider)
{
    const struct consumer_group_heartbeat_request *request = decider->request->request;
    const struct group *group = group_find(decider->coordinator, request->group_id);
    const struct consumer_member *member = NULL;
    if (request->member_epoch < JOINING)
        return false; /* it leaves */
    if (consumer_group_is(group) && !str_is_null(request->instance_id))
        member = consumer_member_static(group, request->member_id, request->instance_id);
    if (consumer_group_is(group) && member == NULL)
        member = consumer_member_find(group, request->member_id);
    if (member == NULL)
        return request->member_epoch == JOINING;
    return decider->request->memory == MEMORY_OUT &&
           subscription_size(request) > member->written.size;
}

static bool refuse_heartbeat(struct group_decider *decider)
{
    struct consumer_group_heartbeat_response *response = decider->request->response;
    if (!heartbeat_adds_too_much(decider))
        return false;
    response->error_code = ERROR_COORDINATOR_LOAD_IN_PROGRESS;
    response->error_message = STR("The node is short of memory for groups.");
    return true;
}

bool scarcity_refuses(struct group_decider *decider)
{
    if (decider->request->memory == MEMORY_AMPLE)
        return false;
    switch (decider->request->type) {
    case COORDINATOR_JOIN_GROUP:
        return refuse_join(decider);
    case COORDINATOR_SYNC_GROUP:
        return refuse_sync(decider);
    case COORDINATOR_CONSUMER_GROUP_HEARTBEAT:
        return refuse_heartbeat(decider);
    default:
        return false;
    }
}

/* ---- OffsetCommit. ---- */

bool scarcity_refuses_offset(const struct group_decider *decider, const struct group *group,
    struct str topic, const struct committed_offset *after)
{
    if (decider->request->memory == MEMORY_AMPLE)
        return false;
    const struct committed_offset *before =
        group == NULL ? NULL : offset_find(group, topic, after->partition);
    if (before == NULL)
        return true;
    return decider->request->memory == MEMORY_OUT && after->metadata_size > before->metadata_size;
}
