/* SPDX-License-Identifier: Apache-2.0 */
/* OffsetFetch: of one group up to version 7, of many after that (KIP-709). */
#include "broker/apis.h"
#include "broker/group_ask.h"
#include "wire/gen/offset_fetch.h"
#include "wire/schema.h"

enum { GROUPS_SINCE = 8, GROUP_ERROR_SINCE = 2 };

/* The one group of an old version, as a new one would name it. */
static struct offset_fetch_request_group *only_group(struct request *request)
{
    const struct offset_fetch_request *in = request->in.offset_fetch;
    struct offset_fetch_request_group *group =
        MESSAGE_TAKE(offset_fetch_request_group, &request->arena, 1);
    group->group_id = in->group_id;
    group->topics_count = in->topics_count;
    if (in->topics_count > 0)
        group->topics =
            MESSAGE_TAKE(offset_fetch_request_topics, &request->arena, in->topics_count);
    for (int32_t i = 0; i < in->topics_count; i++) {
        group->topics[i].name = in->topics[i].name;
        group->topics[i].partition_indexes = in->topics[i].partition_indexes;
        group->topics[i].partition_indexes_count = in->topics[i].partition_indexes_count;
    }
    return group;
}

static void ask(struct request *request, int32_t number, struct group_ask *ask)
{
    const struct offset_fetch_request *in = request->in.offset_fetch;
    const struct offset_fetch_request_group *group =
        request->version >= GROUPS_SINCE ? &in->groups[number] : only_group(request);
    struct offset_fetch_response_group *told = &request->out.offset_fetch->groups[number];
    told->group_id = group->group_id;
    group_ask_group(ask, group->group_id, COORDINATOR_OFFSET_FETCH, group, told);
    ask->ask.require_stable = in->require_stable;
}

static void tell(struct request *request, int32_t number, const struct group_ask *ask)
{
    struct offset_fetch_response_group *told = &request->out.offset_fetch->groups[number];
    if (ask->error == ERROR_NONE)
        return;
    told->error_code = (int16_t)ask->error;
    told->topics_count = 0;
}

static void tell_as_one(struct request *request)
{
    struct offset_fetch_response *out = request->out.offset_fetch;
    const struct offset_fetch_response_group *group = &out->groups[0];
    const struct offset_fetch_request *in = request->in.offset_fetch;
    bool has_failed = group->error_code != ERROR_NONE;
    bool at_partitions = has_failed && request->version < GROUP_ERROR_SINCE;
    out->error_code = group->error_code;
    out->topics_count = at_partitions ? in->topics_count : group->topics_count;
    out->topics = MESSAGE_TAKE(offset_fetch_response_topic, &request->arena, out->topics_count);
    for (int32_t i = 0; i < out->topics_count; i++) {
        struct offset_fetch_response_topic *told = &out->topics[i];
        int32_t count = at_partitions ? in->topics[i].partition_indexes_count
                                      : group->topics[i].partitions_count;
        told->name = at_partitions ? in->topics[i].name : group->topics[i].name;
        told->partitions_count = count;
        told->partitions = MESSAGE_TAKE(offset_fetch_response_partition, &request->arena, count);
        for (int32_t k = 0; k < count; k++) {
            struct offset_fetch_response_partition *one = &told->partitions[k];
            if (at_partitions) {
                *one = (struct offset_fetch_response_partition){
                    .partition_index = in->topics[i].partition_indexes[k],
                    .committed_offset = -1,
                    .committed_leader_epoch = -1,
                    .metadata = STR(""),
                    .error_code = group->error_code
                };
                continue;
            }
            const struct offset_fetch_response_partitions *found = &group->topics[i].partitions[k];
            *one =
                (struct offset_fetch_response_partition){ .partition_index = found->partition_index,
                    .committed_offset = found->committed_offset,
                    .committed_leader_epoch = found->committed_leader_epoch,
                    .metadata = found->metadata,
                    .error_code = found->error_code };
        }
    }
}

enum step handle_offset_fetch(struct request *request)
{
    static const struct group_asker asker = { ask, tell };
    const struct offset_fetch_request *in = request->in.offset_fetch;
    struct offset_fetch_response *out = request->out.offset_fetch;
    bool many = request->version >= GROUPS_SINCE;
    if (request->work.group_asks == NULL) {
        out->groups_count = many ? in->groups_count : 1;
        out->groups = MESSAGE_TAKE(offset_fetch_response_group, &request->arena, out->groups_count);
    }
    enum step step = group_ask_many(request, &asker, out->groups_count);
    if (step == STEP_ANSWER && !many)
        tell_as_one(request);
    return step;
}
