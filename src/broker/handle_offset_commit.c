/* SPDX-License-Identifier: Apache-2.0 */
/* OffsetCommit: an error of the whole is told at every partition. */
#include "broker/apis.h"
#include "broker/group_ask.h"
#include "wire/gen/offset_commit.h"
#include "wire/schema.h"

static void fail_all(struct request *request, enum error error)
{
    const struct offset_commit_request *in = request->in.offset_commit;
    struct offset_commit_response *out = request->out.offset_commit;
    out->topics_count = in->topics_count;
    out->topics = MESSAGE_TAKE(offset_commit_response_topic, &request->arena, in->topics_count);
    for (int32_t i = 0; i < in->topics_count; i++) {
        const struct offset_commit_request_topic *asked = &in->topics[i];
        struct offset_commit_response_topic *told = &out->topics[i];
        told->name = asked->name;
        told->topic_id = asked->topic_id;
        told->partitions_count = asked->partitions_count;
        told->partitions = MESSAGE_TAKE(
            offset_commit_response_partition, &request->arena, asked->partitions_count);
        for (int32_t k = 0; k < asked->partitions_count; k++) {
            told->partitions[k].partition_index = asked->partitions[k].partition_index;
            told->partitions[k].error_code = (int16_t)error;
        }
    }
}

enum step handle_offset_commit(struct request *request)
{
    const struct offset_commit_request *in = request->in.offset_commit;
    enum error error;
    if (!group_ask_one(request, in->group_id, COORDINATOR_OFFSET_COMMIT, in, &error))
        return STEP_PARK;
    if (error != ERROR_NONE)
        fail_all(request, error);
    return STEP_ANSWER;
}
