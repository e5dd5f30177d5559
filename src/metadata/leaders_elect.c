/* SPDX-License-Identifier: Apache-2.0 */
/* ElectLeaders: the preferred leader comes back, or (unclean) a partition without a leader gets
 * whoever is there. Without a list all partitions are meant, and those that need no election are
 * not told. */
#include "metadata/decide.h"
#include "metadata/elect.h"
#include "wire/gen/elect_leaders.h"

enum election_type { TYPE_PREFERRED = 0, TYPE_UNCLEAN = 1 };

static bool needs_election(const struct image_partition *partition, enum election election)
{
    if (partition == NULL)
        return false;
    if (election == ELECTION_UNCLEAN)
        return partition->leader < 0;
    return partition->replicas.count > 0 && partition->leader != partition->replicas.ids[0];
}

static void answer(
    struct elect_leaders_partition_result *result, enum error error, const char *message)
{
    result->error_code = (int16_t)error;
    result->error_message = message == NULL ? (struct str){ 0 } : str_from(message);
}

static void elect(struct decider *decider, const struct image_topic *topic, enum election election,
    struct elect_leaders_partition_result *result)
{
    struct broker_move move = { .leaves = NO_BROKER, .comes = NO_BROKER, .election = election };
    if (!needs_election(image_partition(topic, result->partition_id), election))
        answer(
            result, ERROR_ELECTION_NOT_NEEDED, "Leader election not needed for topic partition.");
    else if (elect_one(decider, &move, topic, result->partition_id))
        answer(result, ERROR_NONE, NULL);
    else if (election == ELECTION_PREFERRED)
        answer(result, ERROR_PREFERRED_LEADER_NOT_AVAILABLE,
            "The preferred leader was not available.");
    else
        answer(result, ERROR_ELIGIBLE_LEADERS_NOT_AVAILABLE,
            "Eligible topic partition leaders are not available.");
}

static void elect_listed(struct decider *decider, enum election election, struct str name,
    struct elect_leaders_partition_result *result)
{
    const struct image_topic *topic = image_topic_by_name(decider->image, name);
    if (topic == NULL)
        answer(result, ERROR_UNKNOWN_TOPIC_OR_PARTITION,
            arena_format(decider->arena, "No such topic as %.*s", STR_PRINT(name)));
    else if (image_partition(topic, result->partition_id) == NULL)
        answer(result, ERROR_UNKNOWN_TOPIC_OR_PARTITION,
            arena_format(decider->arena, "No such partition as %.*s-%d", STR_PRINT(name),
                result->partition_id));
    else
        elect(decider, topic, election, result);
}

static struct elect_leaders_partition_result *begin_topic(struct decider *decider,
    struct elect_leaders_response *response, struct str name, int32_t partition_count)
{
    struct elect_leaders_replica_election_result *result =
        &response->replica_election_results[response->replica_election_results_count++];
    result->topic = name;
    result->partition_result_count = partition_count;
    result->partition_result =
        MESSAGE_TAKE(elect_leaders_partition_result, decider->arena, partition_count);
    return result->partition_result;
}

static void elect_everywhere(
    struct decider *decider, enum election election, struct elect_leaders_response *response)
{
    const struct image *image = decider->image;
    int32_t topic_count = (int32_t)image_topic_count(image);
    response->replica_election_results =
        MESSAGE_TAKE(elect_leaders_replica_election_result, decider->arena, topic_count);
    const struct image_topic *topic = image_topic_after(image, (struct str){ 0 });
    for (; topic != NULL; topic = image_topic_after(image, topic->name)) {
        int32_t needed = 0;
        for (int32_t i = 0; i < topic->partition_count; i++)
            needed += needs_election(image_partition(topic, i), election);
        struct elect_leaders_partition_result *result =
            begin_topic(decider, response, str_copy(decider->arena, topic->name), needed);
        for (int32_t i = 0; i < topic->partition_count; i++) {
            if (!needs_election(image_partition(topic, i), election))
                continue;
            result->partition_id = i;
            elect(decider, topic, election, result++);
        }
    }
}

/* With an error: every partition of the list carries it. */
static void elect_list(struct decider *decider, const struct elect_leaders_request *request,
    enum election election, enum error error, const char *message,
    struct elect_leaders_response *response)
{
    int32_t count = request->topic_partitions_count > 0 ? request->topic_partitions_count : 0;
    response->replica_election_results =
        MESSAGE_TAKE(elect_leaders_replica_election_result, decider->arena, count);
    for (int32_t i = 0; i < count; i++) {
        const struct elect_leaders_topic_partitions *topic = &request->topic_partitions[i];
        struct elect_leaders_partition_result *results =
            begin_topic(decider, response, topic->topic, topic->partitions_count);
        for (int32_t j = 0; j < topic->partitions_count; j++) {
            results[j].partition_id = topic->partitions[j];
            if (error == ERROR_NONE)
                elect_listed(decider, election, topic->topic, &results[j]);
            else
                answer(&results[j], error, message);
        }
    }
}

enum error decide_elect_leaders(struct decider *decider,
    const struct elect_leaders_request *request, struct elect_leaders_response *response)
{
    bool is_unclean = request->election_type == TYPE_UNCLEAN;
    enum election election = is_unclean ? ELECTION_UNCLEAN : ELECTION_PREFERRED;
    enum error error = ERROR_NONE;
    const char *message = NULL;
    if (request->timeout_ms <= 0) {
        error = ERROR_REQUEST_TIMED_OUT;
    } else if (!is_unclean && request->election_type != TYPE_PREFERRED) {
        error = ERROR_INVALID_REQUEST;
        message = arena_format(decider->arena, "Unknown election type %d", request->election_type);
    }
    response->error_code = (int16_t)error;
    response->replica_election_results_count = 0;
    if (error == ERROR_NONE && request->topic_partitions_count < 0)
        elect_everywhere(decider, election, response);
    else
        elect_list(decider, request, election, error, message, response);
    return decide_bounded(decider, false);
}
