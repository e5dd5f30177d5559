/* SPDX-License-Identifier: Apache-2.0 */
/* CreatePartitions: a topic grows by all that is asked for or not at all. */
#include "metadata/assignment.h"
#include "metadata/decide.h"
#include "metadata/feature.h"
#include "metadata/placement.h"
#include "wire/gen/create_partitions.h"
#include "wire/gen/partition_record.h"

enum { ADDITIONAL_PER_REQUEST_MAX = 10000 };

/* One topic on its way. */
struct growth {
    struct decider *decider;
    const struct create_partitions_topic *wish;
    struct create_partitions_topic_result *result;
    const struct image_topic *topic;
    struct partition_record *partitions;
    int32_t additional;
};

static void answer(struct create_partitions_topic_result *result, struct str name, enum error error,
    const char *message)
{
    result->name = name;
    result->error_code = (int16_t)error;
    result->error_message = message == NULL ? (struct str){ 0 } : str_from(message);
}

static bool refuse(struct growth *growth, enum error error, const char *message)
{
    answer(growth->result, growth->wish->name, error, message);
    return false;
}

static bool check_count(struct growth *growth)
{
    struct arena *arena = growth->decider->arena;
    const struct create_partitions_topic *wish = growth->wish;
    if (growth->topic == NULL || image_partition(growth->topic, 0) == NULL)
        return refuse(growth, ERROR_UNKNOWN_TOPIC_OR_PARTITION, NULL);
    int32_t now = growth->topic->partition_count;
    if (wish->count == now)
        return refuse(growth, ERROR_INVALID_PARTITIONS,
            arena_format(arena, "Topic already has %d partition(s).", now));
    if (wish->count < now)
        return refuse(growth, ERROR_INVALID_PARTITIONS,
            arena_format(arena,
                "The topic %.*s currently has %d partition(s); %d would not be an increase.",
                STR_PRINT(wish->name), now, wish->count));
    growth->additional = wish->count - now;
    if (wish->assignments_count >= 0 && wish->assignments_count != growth->additional)
        return refuse(growth, ERROR_INVALID_REPLICA_ASSIGNMENT,
            arena_format(arena,
                "Attempted to add %d additional partition(s), but only %d assignment(s) were "
                "specified.",
                growth->additional, wish->assignments_count));
    return true;
}

static bool place_manually(
    struct growth *growth, struct placement *placement, int16_t replication_factor)
{
    for (int32_t i = 0; i < growth->additional; i++) {
        const struct create_partitions_assignment *wish = &growth->wish->assignments[i];
        struct node_list replicas = { wish->broker_ids, wish->broker_ids_count };
        int32_t index = growth->topic->partition_count + i;
        const char *fault = assignment_fault(growth->decider, replicas, replication_factor);
        if (fault != NULL)
            return refuse(growth, ERROR_INVALID_REPLICA_ASSIGNMENT, fault);
        assignment_record(growth->decider, placement, index, replicas, &growth->partitions[i]);
        if (growth->partitions[i].isr_count == 0)
            return refuse(growth, ERROR_INVALID_REPLICA_ASSIGNMENT,
                assignment_nobody_serves(growth->decider->arena, index));
    }
    return true;
}

static bool place_automatically(
    struct growth *growth, struct placement *placement, int16_t replication_factor)
{
    struct arena *arena = growth->decider->arena;
    const char *refusal = placement_refusal(placement, replication_factor);
    if (refusal != NULL)
        return refuse(growth, ERROR_INVALID_REPLICATION_FACTOR, refusal);
    int32_t *ids = arena_take_array(arena, (size_t)replication_factor, sizeof(*ids));
    for (int32_t i = 0; i < growth->additional; i++) {
        struct node_list replicas = { ids, replication_factor };
        placement_next(placement, replication_factor, ids);
        assignment_record(growth->decider, placement, growth->topic->partition_count + i, replicas,
            &growth->partitions[i]);
        if (growth->partitions[i].isr_count == 0)
            return refuse(growth, ERROR_INVALID_REPLICATION_FACTOR,
                arena_format(arena,
                    "Unable to replicate the partition %d time(s): All brokers are currently "
                    "fenced or in controlled shutdown.",
                    replication_factor));
    }
    return true;
}

static void grow(struct growth *growth, struct placement *placement, bool validate_only)
{
    struct decider *decider = growth->decider;
    growth->topic = image_topic_by_name(decider->image, growth->wish->name);
    if (!check_count(growth))
        return;
    growth->partitions =
        arena_take_array(decider->arena, (size_t)growth->additional, sizeof(*growth->partitions));
    int16_t replication_factor = (int16_t)image_partition(growth->topic, 0)->replicas.count;
    bool placed = growth->wish->assignments_count >= 0
                      ? place_manually(growth, placement, replication_factor)
                      : place_automatically(growth, placement, replication_factor);
    if (!placed)
        return;
    answer(growth->result, growth->wish->name, ERROR_NONE, NULL);
    for (int32_t i = 0; i < growth->additional && !validate_only; i++) {
        growth->partitions[i].topic_id = growth->topic->id;
        decide_record(decider, &partition_record_schema, partition_version(decider->image),
            &growth->partitions[i]);
    }
}

static bool asks_for_too_many(
    const struct decider *decider, const struct create_partitions_request *request)
{
    int64_t total = 0;
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct image_topic *topic =
            image_topic_by_name(decider->image, request->topics[i].name);
        if (topic != NULL && request->topics[i].count > topic->partition_count)
            total += request->topics[i].count - topic->partition_count;
    }
    return total > ADDITIONAL_PER_REQUEST_MAX;
}

static void answer_all(const struct create_partitions_request *request,
    struct create_partitions_response *response, enum error error, const char *message)
{
    response->results_count = request->topics_count > 0 ? request->topics_count : 0;
    for (int32_t i = 0; i < response->results_count; i++)
        answer(&response->results[i], request->topics[i].name, error, message);
}

void decide_create_partitions(struct decider *decider,
    const struct create_partitions_request *request, struct create_partitions_response *response)
{
    int32_t count = request->topics_count > 0 ? request->topics_count : 0;
    response->results = MESSAGE_TAKE(create_partitions_topic_result, decider->arena, count);
    response->results_count = 0;
    if (request->timeout_ms <= 0) {
        answer_all(request, response, ERROR_REQUEST_TIMED_OUT, NULL);
        return;
    }
    if (asks_for_too_many(decider, request)) {
        answer_all(request, response, ERROR_POLICY_VIOLATION,
            "Excessively large number of additional partitions per request.");
        return;
    }
    struct placement *placement = placement_create(decider->arena, decider->prng, decider->image);
    struct str *names = arena_take_array(decider->arena, (size_t)count, sizeof(*names));
    for (int32_t i = 0; i < count; i++)
        names[i] = request->topics[i].name;
    const int32_t *first = decide_first_of_name(decider->arena, names, count);
    for (int32_t i = 0; i < count; i++) {
        if (first[i] >= 0 && first[i] != i)
            continue;
        struct create_partitions_topic_result *result =
            &response->results[response->results_count++];
        struct growth growth = {
            .decider = decider, .wish = &request->topics[i], .result = result
        };
        if (first[i] == i)
            refuse(&growth, ERROR_INVALID_REQUEST, "Duplicate topic name.");
        else
            grow(&growth, placement, request->validate_only);
    }
}
