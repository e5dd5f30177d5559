/* SPDX-License-Identifier: Apache-2.0 */
/* ElectLeaders: the controller decides; the answer leaves when its records are committed and every shard knows. */
#include "broker/apis.h"
#include "broker/forward.h"
#include "broker/request.h"
#include "wire/gen/elect_leaders.h"

/* The oldest version has no error of its own: every partition carries it as well. */
static void refuse_all(struct request *request, enum error error)
{
    const struct elect_leaders_request *in = request->in.elect_leaders;
    struct elect_leaders_response *out = request->out.elect_leaders;
    int32_t count = in->topic_partitions_count > 0 ? in->topic_partitions_count : 0;
    out->error_code = (int16_t)error;
    out->replica_election_results = MESSAGE_TAKE(elect_leaders_replica_election_result, &request->arena, count);
    out->replica_election_results_count = count;
    for (int32_t i = 0; i < count; i++) {
        struct elect_leaders_replica_election_result *topic = &out->replica_election_results[i];
        topic->topic = in->topic_partitions[i].topic;
        topic->partition_result_count = in->topic_partitions[i].partitions_count;
        topic->partition_result =
            MESSAGE_TAKE(elect_leaders_partition_result, &request->arena, topic->partition_result_count);
        for (int32_t j = 0; j < topic->partition_result_count; j++) {
            topic->partition_result[j].partition_id = in->topic_partitions[i].partitions[j];
            topic->partition_result[j].error_code = (int16_t)error;
        }
    }
}

enum step handle_elect_leaders(struct request *request)
{
    enum error error;
    if (!forward(request, &request->work.forwarded, CONTROLLER_ELECT_LEADERS, &error))
        return STEP_PARK;
    if (error != ERROR_NONE)
        refuse_all(request, error);
    return STEP_ANSWER;
}
