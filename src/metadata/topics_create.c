/* SPDX-License-Identifier: Apache-2.0 */
/* CreateTopics: one topic is refused or made as a whole; the messages are Kafka's, for people
 * compare them. */
#include <assert.h>

#include "base/broken.h"

#include "metadata/assignment.h"
#include "metadata/decide.h"
#include "metadata/feature.h"
#include "metadata/placement.h"
#include "metadata/topic_name.h"
#include "wire/gen/config_record.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/partition_record.h"
#include "wire/gen/topic_record.h"

enum { PARTITIONS_PER_REQUEST_MAX = 10000 };

/* One topic on its way. */
struct creation {
    struct decider *decider;
    struct placement *placement;
    const struct create_topics_creatable_topic *wish;
    struct create_topics_creatable_topic_result *result;
    struct partition_record *partitions;
    int32_t partition_count;
    int16_t replication_factor;
};

static enum error refuse(struct creation *creation, enum error error, const char *message)
{
    creation->result->error_code = (int16_t)error;
    creation->result->error_message = str_from(message);
    creation->result->configs_count = 0;
    return error;
}

static bool collides(struct str a, struct str b)
{
    if (a.size != b.size)
        return false;
    for (int32_t i = 0; i < a.size; i++) {
        char x = a.data[i] == '.' ? '_' : a.data[i], y = b.data[i] == '.' ? '_' : b.data[i];
        if (x != y)
            return false;
    }
    return true;
}

/* Metrics names have '_' for '.', so two topics may not differ in that only. With few such
 * characters every other spelling is looked up; with many, all topics are walked. */
static const struct image_topic *colliding_topic(const struct image *image, struct str name)
{
    enum { TRIED_MAX = 8 };
    char spelling[TOPIC_NAME_MAX];
    int32_t places[TRIED_MAX], count = 0, found = 0;
    for (int32_t i = 0; i < name.size; i++) {
        if (name.data[i] != '.' && name.data[i] != '_')
            continue;
        if (found < TRIED_MAX)
            places[count++] = i;
        found++;
    }
    if (found > TRIED_MAX) {
        const struct image_topic *topic = image_topic_after(image, (struct str){ 0 });
        while (topic != NULL && !collides(topic->name, name))
            topic = image_topic_after(image, topic->name);
        return topic;
    }
    assert(name.size > 0 && name.size <= TOPIC_NAME_MAX); /* topic_name_fault() saw to that */
    memcpy(spelling, name.data, (size_t)name.size);
    for (uint32_t bits = 0; count > 0 && bits < 1u << count; bits++) {
        for (int32_t i = 0; i < count; i++)
            spelling[places[i]] = bits >> i & 1 ? '.' : '_';
        const struct image_topic *topic =
            image_topic_by_name(image, (struct str){ spelling, name.size });
        if (topic != NULL)
            return topic;
    }
    return NULL;
}

static enum error check_name(struct creation *creation)
{
    const struct image *image = creation->decider->image;
    struct str name = creation->wish->name;
    const char *fault = topic_name_fault(creation->decider->arena, name);
    if (fault != NULL)
        return refuse(creation, ERROR_INVALID_TOPIC_EXCEPTION, fault);
    if (str_is(name, "__cluster_metadata"))
        return refuse(creation, ERROR_INVALID_REQUEST,
            "Creation of internal topic __cluster_metadata is prohibited.");
    if (image_topic_by_name(image, name) != NULL && !broken(name_taken_twice))
        return refuse(creation, ERROR_TOPIC_ALREADY_EXISTS,
            arena_format(
                creation->decider->arena, "Topic '%.*s' already exists.", STR_PRINT(name)));
    const struct image_topic *other = colliding_topic(image, name);
    if (other != NULL)
        return refuse(creation, ERROR_INVALID_TOPIC_EXCEPTION,
            arena_format(creation->decider->arena,
                "Topic '%.*s' collides with existing topic: %.*s", STR_PRINT(name),
                STR_PRINT(other->name)));
    return ERROR_NONE;
}

static enum error check_settings(struct creation *creation)
{
    const struct controller_hooks *hooks = &creation->decider->settings->hooks;
    struct arena *arena = creation->decider->arena;
    for (int32_t i = 0; i < creation->wish->configs_count; i++) {
        const struct create_topics_creatable_topic_config *config = &creation->wish->configs[i];
        if (str_is_null(config->value))
            return refuse(creation, ERROR_INVALID_CONFIG,
                arena_format(arena, "Null value not supported for topic configs: %.*s",
                    STR_PRINT(config->name)));
    }
    struct str message = { 0 };
    enum error error = hooks->validate_topic == NULL
                           ? ERROR_NONE
                           : hooks->validate_topic(hooks->context, creation->decider->image,
                                 creation->wish, creation->decider->arena, &message);
    if (error != ERROR_NONE) {
        creation->result->error_code = (int16_t)error;
        creation->result->error_message = message;
        creation->result->configs_count = 0;
    }
    return error;
}

static enum error place_automatically(struct creation *creation)
{
    const struct create_topics_creatable_topic *wish = creation->wish;
    const struct controller_settings *settings = creation->decider->settings;
    struct arena *arena = creation->decider->arena;
    if (wish->replication_factor < -1 || wish->replication_factor == 0)
        return refuse(creation, ERROR_INVALID_REPLICATION_FACTOR,
            "Replication factor must be larger than 0, or -1 to use the default value.");
    if (wish->num_partitions < -1 || wish->num_partitions == 0)
        return refuse(creation, ERROR_INVALID_PARTITIONS,
            "Number of partitions was set to an invalid non-positive value.");
    creation->partition_count =
        wish->num_partitions == -1 ? settings->default_partition_count : wish->num_partitions;
    creation->replication_factor = wish->replication_factor == -1
                                       ? settings->default_replication_factor
                                       : wish->replication_factor;
    const char *refusal = placement_refusal(creation->placement, creation->replication_factor);
    if (refusal != NULL)
        return refuse(creation, ERROR_INVALID_REPLICATION_FACTOR, refusal);

    creation->partitions =
        arena_take_array(arena, (size_t)creation->partition_count, sizeof(*creation->partitions));
    int32_t *ids = arena_take_array(arena, (size_t)creation->replication_factor, sizeof(*ids));
    for (int32_t i = 0; i < creation->partition_count; i++) {
        placement_next(creation->placement, creation->replication_factor, ids);
        assignment_record(creation->decider, creation->placement, i,
            (struct node_list){ ids, creation->replication_factor }, &creation->partitions[i]);
    }
    /* A broker that leaves may be the whole ISR; then the partition would begin without a leader.
     */
    for (int32_t i = 0; i < creation->partition_count; i++)
        if (creation->partitions[i].isr_count == 0)
            return refuse(creation, ERROR_INVALID_REPLICATION_FACTOR,
                arena_format(arena,
                    "Unable to replicate the partition %d time(s): All brokers are currently "
                    "fenced "
                    "or in controlled shutdown.",
                    creation->replication_factor));
    return ERROR_NONE;
}

static enum error place_manually(struct creation *creation)
{
    const struct create_topics_creatable_topic *wish = creation->wish;
    struct arena *arena = creation->decider->arena;
    if (wish->replication_factor != -1)
        return refuse(creation, ERROR_INVALID_REQUEST,
            "A manual partition assignment was specified, but replication factor was not set to "
            "-1.");
    if (wish->num_partitions != -1)
        return refuse(creation, ERROR_INVALID_REQUEST,
            "A manual partition assignment was specified, but numPartitions was not set to -1.");
    int32_t count = wish->assignments_count;
    bool *filled = arena_take_array(arena, (size_t)count, sizeof(*filled));
    creation->partitions = arena_take_array(arena, (size_t)count, sizeof(*creation->partitions));
    int32_t expected = -1;
    for (int32_t i = 0; i < count; i++) {
        const struct create_topics_creatable_replica_assignment *assignment = &wish->assignments[i];
        int32_t index = assignment->partition_index;
        if (index < 0 || index >= count)
            return refuse(creation, ERROR_INVALID_REPLICA_ASSIGNMENT,
                "partitions should be a consecutive 0-based integer sequence");
        if (filled[index])
            return refuse(creation, ERROR_INVALID_REPLICA_ASSIGNMENT,
                arena_format(
                    arena, "Found multiple manual partition assignments for partition %d", index));
        struct node_list replicas = { assignment->broker_ids, assignment->broker_ids_count };
        const char *fault = assignment_fault(creation->decider, replicas, expected);
        if (fault != NULL)
            return refuse(creation, ERROR_INVALID_REPLICA_ASSIGNMENT, fault);
        filled[index] = true;
        expected = replicas.count;
        struct partition_record *record = &creation->partitions[index];
        assignment_record(creation->decider, creation->placement, index, replicas, record);
        if (record->isr_count == 0)
            return refuse(
                creation, ERROR_INVALID_REPLICA_ASSIGNMENT, assignment_nobody_serves(arena, index));
    }
    creation->partition_count = count;
    creation->replication_factor = (int16_t)expected;
    return ERROR_NONE;
}

static struct uuid fresh_topic_id(struct decider *decider)
{
    for (;;) {
        uint8_t random[16];
        prng_fill(decider->prng, random, sizeof(random));
        struct uuid id = uuid_from_random(random);
        if (image_topic_by_id(decider->image, id) == NULL)
            return id;
    }
}

static void write_topic(struct creation *creation, struct uuid topic_id)
{
    struct decider *decider = creation->decider;
    int16_t version = partition_version(decider->image);
    struct topic_record topic = { .name = creation->wish->name, .topic_id = topic_id };
    decide_record(decider, &topic_record_schema, 0, &topic);
    for (int32_t i = 0; i < creation->wish->configs_count; i++) {
        struct config_record config = { .resource_type = SCOPE_TOPIC,
            .resource_name = creation->wish->name,
            .name = creation->wish->configs[i].name,
            .value = creation->wish->configs[i].value };
        if (!broken(settings_not_kept))
            decide_record(decider, &config_record_schema, 0, &config);
    }
    for (int32_t i = 0; i < creation->partition_count; i++) {
        creation->partitions[i].topic_id = topic_id;
        decide_record(decider, &partition_record_schema, version, &creation->partitions[i]);
    }
}

static void create_topic(struct creation *creation)
{
    if (check_name(creation) != ERROR_NONE || check_settings(creation) != ERROR_NONE)
        return;
    enum error error = creation->wish->assignments_count > 0 ? place_manually(creation)
                                                             : place_automatically(creation);
    if (error != ERROR_NONE)
        return;
    struct create_topics_creatable_topic_result *result = creation->result;
    result->num_partitions = creation->partition_count;
    result->replication_factor = creation->replication_factor;
    result->topic_id = fresh_topic_id(creation->decider);
    const struct controller_hooks *hooks = &creation->decider->settings->hooks;
    if (hooks->describe_topic != NULL)
        hooks->describe_topic(hooks->context, creation->decider->image, creation->wish,
            creation->decider->arena, result);
    write_topic(creation, result->topic_id);
}

/* first: as decide_first_of_name() tells; what stands twice is not made and does not count. */
static bool asks_for_too_many(const struct decider *decider,
    const struct create_topics_request *request, const int32_t *first)
{
    int64_t total = 0;
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct create_topics_creatable_topic *wish = &request->topics[i];
        int32_t count = wish->num_partitions == -1 ? decider->settings->default_partition_count
                                                   : wish->num_partitions;
        if (first[i] < 0)
            total += wish->assignments_count > 0 ? wish->assignments_count : count > 0 ? count : 0;
    }
    return total > PARTITIONS_PER_REQUEST_MAX;
}

/* Every mention of a topic is refused, also those that stand twice. */
static void refuse_all(
    const struct create_topics_request *request, struct create_topics_response *response)
{
    response->topics_count = request->topics_count;
    for (int32_t i = 0; i < response->topics_count; i++) {
        response->topics[i] = (struct create_topics_creatable_topic_result){
            .name = request->topics[i].name,
            .error_code = ERROR_POLICY_VIOLATION,
            .error_message = STR("Excessively large number of partitions per request."),
            .num_partitions = -1,
            .replication_factor = -1,
        };
    }
}

static void create_each(struct decider *decider, const struct create_topics_request *request,
    const int32_t *first, struct create_topics_response *response)
{
    struct placement *placement = placement_create(decider->arena, decider->prng, decider->image);
    for (int32_t i = 0; i < request->topics_count; i++) {
        if (first[i] >= 0 && first[i] != i)
            continue;
        struct create_topics_creatable_topic_result *result =
            &response->topics[response->topics_count++];
        struct creation creation = { .decider = decider,
            .placement = placement,
            .wish = &request->topics[i],
            .result = result };
        result->name = creation.wish->name;
        result->error_message = (struct str){ 0 };
        result->configs_count = -1;
        if (first[i] == i)
            refuse(&creation, ERROR_INVALID_REQUEST, "Duplicate topic name.");
        else if (request->timeout_ms <= 0) /* Kafka gives such a request no time to begin */
            refuse(&creation, ERROR_REQUEST_TIMED_OUT, NULL);
        else
            create_topic(&creation);
    }
}

void decide_create_topics(struct decider *decider, const struct create_topics_request *request,
    struct create_topics_response *response)
{
    int32_t count = request->topics_count > 0 ? request->topics_count : 0;
    response->topics = MESSAGE_TAKE(create_topics_creatable_topic_result, decider->arena, count);
    response->topics_count = 0;
    struct str *names = arena_take_array(decider->arena, (size_t)count, sizeof(*names));
    for (int32_t i = 0; i < count; i++)
        names[i] = request->topics[i].name;
    const int32_t *first = decide_first_of_name(decider->arena, names, count);
    bool too_many = request->timeout_ms > 0 && asks_for_too_many(decider, request, first);
    if (!too_many)
        create_each(decider, request, first, response);
    if (too_many || decide_bounded(decider, request->validate_only) != ERROR_NONE)
        refuse_all(request, response);
}
