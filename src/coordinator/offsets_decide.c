/* SPDX-License-Identifier: Apache-2.0 */
#include "base/broken.h"
#include "coordinator/decide.h"
#include "coordinator/offsets.h"
#include "coordinator/record.h"
#include "coordinator/scarcity.h"
#include "wire/gen/offset_commit.h"
#include "wire/gen/offset_commit_record.h"
#include "wire/gen/offset_delete.h"
#include "wire/gen/offset_fetch.h"

enum { TOPIC_IDS_SINCE = 10, GROUP_NOT_FOUND_SINCE = 9 }; /* of OffsetCommit and OffsetFetch */
/* What one decision of a walk over all offsets removes, and looks at: offsets, and what a topic is
 * worth beside its own. */
enum { RECORDS_PER_DECISION = 1000, WORK_PER_DECISION = 20000, TOPIC_WORK = 5 };

static void remove_offset(
    struct group_decider *decider, const struct group *group, struct str topic, int32_t partition)
{
    struct offset_commit_record_key key = {
        .group = group_id(group), .topic = topic, .partition = partition
    };
    decide_group_record(decider, coordinator_schema(OFFSET_COMMIT_RECORD_TYPE), &key, 0, NULL);
}

/* NULL: *out_error says why. By its id where the version has ids. */
static const struct image_topic *find_topic(const struct coordinator_request *request,
    struct str name, struct uuid id, enum error *out_error)
{
    bool by_id = request->version >= TOPIC_IDS_SINCE;
    const struct image_topic *topic =
        by_id ? image_topic_by_id(request->image, id) : image_topic_by_name(request->image, name);
    *out_error = topic != NULL ? ERROR_NONE
                 : by_id       ? ERROR_UNKNOWN_TOPIC_ID
                               : ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    return topic;
}

/* A group that does not exist takes offsets from whoever is no member: it becomes a simple group.
 */
static enum error may_commit(
    struct group_decider *decider, struct group *group, const struct group_caller *caller)
{
    if (group != NULL)
        return group->kind->may_commit(decider, group, caller);
    if (caller->epoch < 0)
        return ERROR_NONE;
    return caller->version >= GROUP_NOT_FOUND_SINCE ? ERROR_GROUP_ID_NOT_FOUND
                                                    : ERROR_ILLEGAL_GENERATION;
}

/* As Java counts them, whatever the setting's name says: those beyond U+FFFF are two. */
static int32_t characters(struct str text)
{
    int32_t count = 0;
    for (int32_t i = 0; i < text.size; i++) {
        uint8_t byte = (uint8_t)text.data[i];
        count += ((byte & 0xc0) != 0x80) + (byte >= 0xf0);
    }
    return count;
}

/* -1: no time of its own. */
static int64_t expiry_of(const struct group_decider *decider, int64_t retention_ms)
{
    int64_t expire_ms;
    if (retention_ms == -1)
        return -1;
    return __builtin_add_overflow(decider->wall_ms, retention_ms, &expire_ms) ? INT64_MAX
                                                                              : expire_ms;
}

static enum error commit_one(struct group_decider *decider, const struct group *group,
    const struct offset_commit_request *request, const struct image_topic *topic,
    const struct offset_commit_request_partition *partition)
{
    const struct coordinator_settings *settings = &decider->coordinator->settings;
    if (characters(partition->committed_metadata) > settings->offset_metadata_max_bytes)
        return ERROR_OFFSET_METADATA_TOO_LARGE;
    struct committed_offset offset = { .partition = partition->partition_index,
        .leader_epoch = partition->committed_leader_epoch,
        .offset = partition->committed_offset,
        .commit_ms = decider->wall_ms,
        .expire_ms = expiry_of(decider, request->retention_time_ms),
        .metadata = (char *)partition->committed_metadata.data,
        .metadata_size = partition->committed_metadata.size,
        .topic_id = topic->id };
    if (scarcity_refuses_offset(decider, group, topic->name, &offset))
        return ERROR_COORDINATOR_LOAD_IN_PROGRESS;
    offset_record(decider->decision, request->group_id, topic->name, &offset);
    return ERROR_NONE;
}

/* One partition that the caller may not commit refuses all; those that are not there do not count.
 */
static enum error may_commit_all(struct group_decider *decider, struct group *group,
    const struct group_caller *caller, const struct offset_commit_request *request)
{
    enum error error = may_commit(decider, group, caller), unknown;
    if (group == NULL || group->kind->may_commit_partition == NULL)
        return error;
    for (int32_t i = 0; i < request->topics_count && error == ERROR_NONE; i++) {
        const struct offset_commit_request_topic *asked = &request->topics[i];
        const struct image_topic *topic =
            find_topic(decider->request, asked->name, asked->topic_id, &unknown);
        for (int32_t k = 0; topic != NULL && k < asked->partitions_count; k++) {
            int32_t index = asked->partitions[k].partition_index;
            if (error == ERROR_NONE && image_partition(topic, index) != NULL)
                error = group->kind->may_commit_partition(group, caller, topic->id, index);
        }
    }
    return error;
}

void decide_offset_commit(struct group_decider *decider)
{
    const struct offset_commit_request *request = decider->request->request;
    struct offset_commit_response *response = decider->request->response;
    struct group *group = group_find(decider->coordinator, request->group_id);
    struct group_caller caller = { .member_id = request->member_id,
        .instance_id = request->group_instance_id,
        .epoch = request->generation_id_or_member_epoch,
        .version = decider->request->version };
    enum error refusal = may_commit_all(decider, group, &caller, request);
    response->topics =
        MESSAGE_TAKE(offset_commit_response_topic, decider->arena, request->topics_count);
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct offset_commit_request_topic *asked = &request->topics[i];
        enum error unknown;
        const struct image_topic *topic =
            find_topic(decider->request, asked->name, asked->topic_id, &unknown);
        if (topic != NULL && asked->partitions_count <= 0)
            continue;
        struct offset_commit_response_topic *told = &response->topics[response->topics_count++];
        told->name = asked->name;
        told->topic_id = asked->topic_id;
        told->partitions_count = asked->partitions_count;
        told->partitions =
            MESSAGE_TAKE(offset_commit_response_partition, decider->arena, asked->partitions_count);
        for (int32_t k = 0; k < asked->partitions_count; k++) {
            int32_t index = asked->partitions[k].partition_index;
            enum error error = topic == NULL ? unknown : refusal;
            if (topic != NULL && image_partition(topic, index) == NULL)
                error = ERROR_UNKNOWN_TOPIC_OR_PARTITION;
            if (error == ERROR_NONE)
                error = commit_one(decider, group, request, topic, &asked->partitions[k]);
            told->partitions[k].partition_index = index;
            told->partitions[k].error_code = (int16_t)error;
        }
    }
}

/* Committed for an earlier topic of that name: it counts for nothing. */
static bool is_of_another(const struct committed_offset *offset, const struct image_topic *topic)
{
    return !uuid_is_zero(offset->topic_id) && !uuid_equal(offset->topic_id, topic->id);
}

static void fetch_one(const struct group_decider *decider, const struct committed_offset *offset,
    const struct image_topic *topic, struct offset_fetch_response_partitions *told)
{
    told->committed_offset = -1;
    told->committed_leader_epoch = -1;
    told->metadata = STR("");
    if (offset != NULL && offset->pending > 0 && decider->request->require_stable) {
        told->error_code = ERROR_UNSTABLE_OFFSET_COMMIT;
        return;
    }
    if (offset == NULL || !offset->is_committed)
        return;
    if (topic != NULL && is_of_another(offset, topic))
        return;
    told->committed_offset = offset->offset;
    told->committed_leader_epoch = offset->leader_epoch;
    told->metadata = str_copy(decider->arena,
        (struct str){ offset->metadata == NULL ? "" : offset->metadata, offset->metadata_size });
}

static void fetch_asked(const struct group_decider *decider, const struct group *group,
    const struct offset_fetch_request_topics *asked, struct offset_fetch_response_topics *told)
{
    enum error unknown;
    const struct image_topic *topic =
        find_topic(decider->request, asked->name, asked->topic_id, &unknown);
    struct str name = topic == NULL ? asked->name : topic->name;
    told->name = asked->name;
    told->topic_id = asked->topic_id;
    told->partitions_count = asked->partition_indexes_count;
    told->partitions = MESSAGE_TAKE(
        offset_fetch_response_partitions, decider->arena, asked->partition_indexes_count);
    for (int32_t i = 0; i < asked->partition_indexes_count; i++) {
        int32_t index = asked->partition_indexes[i];
        told->partitions[i].partition_index = index;
        fetch_one(decider, group == NULL ? NULL : offset_find(group, name, index), topic,
            &told->partitions[i]);
        if (unknown == ERROR_UNKNOWN_TOPIC_ID)
            told->partitions[i].error_code = ERROR_UNKNOWN_TOPIC_ID;
    }
}

static void fetch_all(const struct group_decider *decider, const struct group *group,
    struct offset_fetch_response_group *response)
{
    response->topics = MESSAGE_TAKE(
        offset_fetch_response_topics, decider->arena, (int32_t)HASH_COUNT(group->offsets));
    for (const struct topic_offsets *at = group->offsets; at != NULL; at = at->hh.next) {
        const struct image_topic *topic =
            image_topic_by_name(decider->request->image, topic_offsets_name(at));
        if (topic == NULL && decider->request->version >= TOPIC_IDS_SINCE)
            continue; /* nobody could tell which one it is */
        struct offset_fetch_response_topics *told = &response->topics[response->topics_count++];
        told->name = str_copy(decider->arena, topic_offsets_name(at));
        told->topic_id = topic == NULL ? UUID_ZERO : topic->id;
        told->partitions =
            MESSAGE_TAKE(offset_fetch_response_partitions, decider->arena, at->count);
        for (int32_t i = 0; i < at->count; i++) {
            if (!at->list[i].is_committed)
                continue;
            told->partitions[told->partitions_count].partition_index = at->list[i].partition;
            fetch_one(decider, &at->list[i], topic, &told->partitions[told->partitions_count++]);
        }
    }
}

void decide_offset_fetch(struct group_decider *decider)
{
    const struct offset_fetch_request_group *request = decider->request->request;
    struct offset_fetch_response_group *response = decider->request->response;
    struct group *group = group_find(decider->coordinator, request->group_id);
    struct group_caller caller = { .member_id = request->member_id,
        .epoch = request->member_epoch,
        .version = decider->request->version };
    enum error error =
        group == NULL ? ERROR_GROUP_ID_NOT_FOUND : group->kind->may_fetch(group, &caller);
    response->group_id = request->group_id;
    if (error == ERROR_GROUP_ID_NOT_FOUND)
        group = NULL; /* told as a group without offsets */
    else if (error != ERROR_NONE) {
        response->error_code = (int16_t)error;
        return;
    }
    if (request->topics_count < 0 && group != NULL)
        fetch_all(decider, group, response);
    if (request->topics_count <= 0)
        return;
    response->topics_count = request->topics_count;
    response->topics =
        MESSAGE_TAKE(offset_fetch_response_topics, decider->arena, request->topics_count);
    for (int32_t i = 0; i < request->topics_count; i++)
        fetch_asked(decider, group, &request->topics[i], &response->topics[i]);
}

static enum error delete_one(
    struct group_decider *decider, const struct group *group, struct str topic, int32_t partition)
{
    const struct image_topic *known = image_topic_by_name(decider->request->image, topic);
    if (known == NULL || image_partition(known, partition) == NULL)
        return ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    if (group->kind->subscribes(group, topic))
        return ERROR_GROUP_SUBSCRIBED_TO_TOPIC;
    if (offset_find(group, topic, partition) != NULL)
        remove_offset(decider, group, topic, partition);
    return ERROR_NONE;
}

void decide_offset_delete(struct group_decider *decider)
{
    const struct offset_delete_request *request = decider->request->request;
    struct offset_delete_response *response = decider->request->response;
    const struct group *group = group_find(decider->coordinator, request->group_id);
    enum error error =
        group == NULL ? ERROR_GROUP_ID_NOT_FOUND : group->kind->may_delete_offsets(group);
    response->error_code = (int16_t)error;
    if (error != ERROR_NONE)
        return;
    response->topics =
        MESSAGE_TAKE(offset_delete_response_topic, decider->arena, request->topics_count);
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct offset_delete_request_topic *asked = &request->topics[i];
        if (asked->partitions_count <= 0 &&
            image_topic_by_name(decider->request->image, asked->name) != NULL)
            continue;
        struct offset_delete_response_topic *told = &response->topics[response->topics_count++];
        told->name = asked->name;
        told->partitions_count = asked->partitions_count;
        told->partitions =
            MESSAGE_TAKE(offset_delete_response_partition, decider->arena, asked->partitions_count);
        for (int32_t k = 0; k < asked->partitions_count; k++) {
            int32_t index = asked->partitions[k].partition_index;
            told->partitions[k].partition_index = index;
            told->partitions[k].error_code =
                (int16_t)delete_one(decider, group, asked->name, index);
        }
    }
}

/* Of a topic the last ones first, here and below: so none moves when another goes. */
bool decide_offsets_gone(
    struct group_decider *decider, const struct group *group, int64_t log_offset)
{
    int64_t work = 0;
    for (const struct topic_offsets *topic = group->offsets; topic != NULL; topic = topic->hh.next)
        for (int32_t i = topic->count - 1; i >= 0; i--) {
            if (decide_walk_is_enough(decider, work++))
                return false;
            if (topic->list[i].log_offset < log_offset)
                remove_offset(decider, group, topic_offsets_name(topic), topic->list[i].partition);
        }
    return true;
}

/* KIP-211: an offset's own expiry counts where it has one; else the retention, since the group is
 * empty, or since the commit. */
static bool has_expired(const struct group_decider *decider, const struct group *group,
    const struct committed_offset *offset)
{
    if (offset->expire_ms != -1)
        return decider->wall_ms >= offset->expire_ms;
    int64_t since_ms = group->kind->empty_since_ms(group);
    if (since_ms < 0)
        since_ms = broken(expiry_from_wrong_time) ? 0 : offset->commit_ms;
    int64_t retention_ms =
        (int64_t)decider->coordinator->settings.offsets_retention_minutes * 60 * 1000;
    return since_ms <= decider->wall_ms - retention_ms; /* a log may say any time */
}

bool decide_walk_is_enough(const struct group_decider *decider, int64_t work)
{
    return decider->decision->record_count >= RECORDS_PER_DECISION || work >= WORK_PER_DECISION;
}

static void expire_topic(
    struct group_decider *decider, struct group_walk *walk, const struct topic_offsets *topic)
{
    const struct group *group = walk->group;
    struct str name = topic_offsets_name(topic);
    const struct group_kind *kind = group->kind;
    bool is_kept = (kind->is_rebalancing != NULL && kind->is_rebalancing(group)) ||
                   kind->subscribes(group, name);
    for (int32_t i = topic->count - 1; i >= 0; i--) {
        const struct committed_offset *offset = &topic->list[i];
        if (is_kept || offset->pending > 0 || !has_expired(decider, group, offset))
            walk->left++;
        else
            remove_offset(decider, group, name, offset->partition);
    }
}

static void remove_lost_topic(
    struct group_decider *decider, struct group_walk *walk, const struct topic_offsets *topic)
{
    struct str name = topic_offsets_name(topic);
    const struct image_topic *now = image_topic_by_name(decider->request->image, name);
    for (int32_t i = topic->count - 1; i >= 0; i--)
        if (now == NULL || is_of_another(&topic->list[i], now))
            remove_offset(decider, walk->group, name, topic->list[i].partition);
}

static bool walk_topics(struct group_decider *decider, struct group_walk *walk, int64_t *work,
    void (*visit)(
        struct group_decider *decider, struct group_walk *walk, const struct topic_offsets *topic))
{
    struct topic_offsets *topic = walk->topic != NULL ? walk->topic : walk->group->offsets;
    for (; topic != NULL && !decide_walk_is_enough(decider, *work); topic = topic->hh.next) {
        *work += TOPIC_WORK + topic->count;
        visit(decider, walk, topic);
    }
    walk->topic = topic;
    return topic == NULL;
}

bool decide_offsets_expire(struct group_decider *decider, struct group_walk *walk, int64_t *work)
{
    return walk_topics(decider, walk, work, expire_topic);
}

bool decide_offsets_of_lost_topics(
    struct group_decider *decider, struct group_walk *walk, int64_t *work)
{
    return walk_topics(decider, walk, work, remove_lost_topic);
}
