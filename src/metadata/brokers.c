/* SPDX-License-Identifier: Apache-2.0 */
/* A broker's life as the controller sees it: registered (fenced), unfenced, in controlled shutdown,
 * fenced. */
#include "metadata/decide.h"
#include "metadata/elect.h"
#include "metadata/feature.h"
#include "wire/gen/assign_replicas_to_dirs.h"
#include "wire/gen/broker_heartbeat.h"
#include "wire/gen/broker_registration.h"
#include "wire/gen/broker_registration_change_record.h"
#include "wire/gen/partition_change_record.h"
#include "wire/gen/register_broker_record.h"
#include "wire/gen/unregister_broker.h"
#include "wire/gen/unregister_broker_record.h"

enum { FENCE = 1, UNFENCE = -1, MOST_DIRECTORIES = 10000 };

enum error check_broker_epoch(const struct image *image, int32_t broker_id, int64_t broker_epoch)
{
    const struct image_broker *broker = image_broker(image, broker_id);
    if (broker == NULL)
        return ERROR_BROKER_ID_NOT_REGISTERED;
    return broker->epoch == broker_epoch ? ERROR_NONE : ERROR_STALE_BROKER_EPOCH;
}

/* Every finalized level must lie in the range that the broker supports. */
static bool supports_features(
    const struct image *image, const struct broker_registration_request *request)
{
    struct str name = { 0 };
    int16_t level;
    while (image_feature_after(image, name, &name, &level)) {
        bool supported = false;
        for (int32_t i = 0; i < request->features_count; i++)
            if (str_equal(request->features[i].name, name))
                supported = level >= request->features[i].min_supported_version &&
                            level <= request->features[i].max_supported_version;
        if (!supported)
            return false;
    }
    return true;
}

static void write_registration(struct decider *decider,
    const struct broker_registration_request *request, int64_t epoch,
    const struct image_broker *same)
{
    struct register_broker_record record;
    int16_t version = register_broker_version(decider->image);
    message_defaults(&register_broker_record_schema, &record);
    record.broker_id = request->broker_id;
    record.incarnation_id = request->incarnation_id;
    record.broker_epoch = epoch;
    record.rack = request->rack;
    record.fenced = same == NULL || same->fenced;
    record.in_controlled_shutdown = same != NULL && same->in_controlled_shutdown;
    record.end_points_count = request->listeners_count > 0 ? request->listeners_count : 0;
    record.end_points = MESSAGE_TAKE(
        register_broker_record_broker_endpoint, decider->arena, record.end_points_count);
    for (int32_t i = 0; i < record.end_points_count; i++) {
        record.end_points[i].name = request->listeners[i].name;
        record.end_points[i].host = request->listeners[i].host;
        record.end_points[i].port = request->listeners[i].port;
        record.end_points[i].security_protocol = request->listeners[i].security_protocol;
    }
    record.features_count = request->features_count > 0 ? request->features_count : 0;
    record.features =
        MESSAGE_TAKE(register_broker_record_broker_feature, decider->arena, record.features_count);
    for (int32_t i = 0; i < record.features_count; i++) {
        record.features[i].name = request->features[i].name;
        record.features[i].min_supported_version = request->features[i].min_supported_version;
        record.features[i].max_supported_version = request->features[i].max_supported_version;
    }
    record.log_dirs = request->log_dirs;
    record.log_dirs_count = request->log_dirs_count > 0 ? request->log_dirs_count : 0;
    if (same != NULL) {
        record.cordoned_log_dirs = (struct uuid *)same->cordoned;
        record.cordoned_log_dirs_count = same->cordoned_count;
    }
    decide_record(decider, &register_broker_record_schema, version, &record);
}

enum error decide_register_broker(struct decider *decider,
    const struct broker_registration_request *request,
    struct broker_registration_response *response)
{
    const struct image *image = decider->image;
    const struct image_broker *before = image_broker(image, request->broker_id);
    response->broker_epoch = -1;
    if (!str_equal(request->cluster_id, decider->settings->cluster_id))
        return ERROR_INCONSISTENT_CLUSTER_ID;
    if (request->broker_id < 0 || request->log_dirs_count > MOST_DIRECTORIES)
        return ERROR_INVALID_REGISTRATION;
    if (request->log_dirs_count <= 0 && register_broker_version(image) >= 3)
        return ERROR_INVALID_REGISTRATION;
    if (!supports_features(image, request))
        return ERROR_UNSUPPORTED_VERSION;

    bool same = before != NULL && uuid_equal(before->incarnation_id, request->incarnation_id);
    if (before != NULL && !same) {
        /* Only the epoch of the last clean stop proves that nothing was lost (KIP-966). */
        bool clean = !image_has_elr(image) || request->previous_broker_epoch == before->epoch;
        elect_after(
            decider, &(struct broker_move){
                         .leaves = request->broker_id, .unclean = !clean, .comes = NO_BROKER });
    }
    int64_t epoch = same ? before->epoch : decider->next_offset;
    write_registration(decider, request, epoch, same ? before : NULL);
    response->broker_epoch = epoch;
    return ERROR_NONE;
}

static struct broker_registration_change_record begin_change(const struct image_broker *broker)
{
    struct broker_registration_change_record change;
    message_defaults(&broker_registration_change_record_schema, &change);
    change.broker_id = broker->id;
    change.broker_epoch = broker->epoch;
    return change;
}

static void write_fence(struct decider *decider, const struct image_broker *broker, int8_t fenced)
{
    struct broker_registration_change_record change = begin_change(broker);
    change.fenced = fenced;
    decide_record(decider, &broker_registration_change_record_schema, 0, &change);
}

static void unfence(struct decider *decider, const struct image_broker *broker)
{
    write_fence(decider, broker, UNFENCE);
    elect_after(decider, &(struct broker_move){ .leaves = NO_BROKER, .comes = broker->id });
}

static void fence(struct decider *decider, const struct image_broker *broker)
{
    elect_after(decider, &(struct broker_move){ .leaves = broker->id, .comes = NO_BROKER });
    write_fence(decider, broker, FENCE);
}

/* Leaders go elsewhere first; then the broker is fenced, so that its next life starts from a clean
 * registration. */
static void shut_down(struct decider *decider, const struct image_broker *broker)
{
    if (broker->fenced)
        return;
    if (!broker->in_controlled_shutdown) {
        struct broker_registration_change_record change = begin_change(broker);
        change.in_controlled_shutdown = 1;
        decide_record(decider, &broker_registration_change_record_schema, 1, &change);
    }
    fence(decider, broker);
}

static bool same_ids(const struct uuid *a, int32_t a_count, const struct uuid *b, int32_t b_count)
{
    return a_count == b_count && (a_count <= 0 || memcmp(a, b, (size_t)a_count * sizeof(*a)) == 0);
}

static void note_cordons(struct decider *decider, const struct image_broker *broker,
    const struct broker_heartbeat_request *request)
{
    if (request->cordoned_log_dirs_count < 0 || register_broker_version(decider->image) < 4 ||
        same_ids(broker->cordoned, broker->cordoned_count, request->cordoned_log_dirs,
            request->cordoned_log_dirs_count))
        return;
    struct broker_registration_change_record change = begin_change(broker);
    change.cordoned_log_dirs = request->cordoned_log_dirs;
    change.cordoned_log_dirs_count = request->cordoned_log_dirs_count;
    decide_record(decider, &broker_registration_change_record_schema, 3, &change);
}

static void note_lost_directories(struct decider *decider, const struct image_broker *broker,
    const struct broker_heartbeat_request *request)
{
    if (request->offline_log_dirs_count <= 0 || register_broker_version(decider->image) < 3)
        return;
    struct uuid *left =
        arena_take_array(decider->arena, (size_t)broker->directory_count, sizeof(*left));
    int32_t left_count = 0;
    for (int32_t i = 0; i < broker->directory_count; i++) {
        bool lost = false;
        for (int32_t j = 0; j < request->offline_log_dirs_count; j++)
            lost = lost || uuid_equal(broker->directories[i], request->offline_log_dirs[j]);
        if (!lost)
            left[left_count++] = broker->directories[i];
    }
    if (left_count == broker->directory_count)
        return;
    struct broker_registration_change_record change = begin_change(broker);
    change.log_dirs = left;
    change.log_dirs_count = left_count;
    decide_record(decider, &broker_registration_change_record_schema, 2, &change);
    elect_after(decider, &(struct broker_move){ .leaves = broker->id,
                             .comes = NO_BROKER,
                             .lost = request->offline_log_dirs,
                             .lost_count = request->offline_log_dirs_count });
}

enum error decide_heartbeat(struct decider *decider, const struct broker_heartbeat_request *request,
    struct broker_heartbeat_response *response)
{
    const struct image_broker *broker = image_broker(decider->image, request->broker_id);
    enum error error =
        check_broker_epoch(decider->image, request->broker_id, request->broker_epoch);
    response->is_fenced = true;
    if (error != ERROR_NONE)
        return error;
    bool caught_up = request->current_metadata_offset >= broker->epoch;
    response->is_caught_up = caught_up;
    response->is_fenced = broker->fenced;
    if (request->want_shut_down) {
        shut_down(decider, broker);
        response->is_fenced = true;
        response->should_shut_down = true;
        return ERROR_NONE;
    }
    note_cordons(decider, broker, request);
    if (request->want_fence && !broker->fenced) {
        fence(decider, broker);
        response->is_fenced = true;
    } else if (!request->want_fence && broker->fenced && caught_up) {
        unfence(decider, broker);
        response->is_fenced = false;
    } else {
        note_lost_directories(decider, broker, request);
    }
    return ERROR_NONE;
}

void decide_unregister_broker(struct decider *decider,
    const struct unregister_broker_request *request, struct unregister_broker_response *response)
{
    const struct image_broker *broker = image_broker(decider->image, request->broker_id);
    response->error_message = STR("");
    if (broker == NULL) {
        response->error_code = ERROR_BROKER_ID_NOT_REGISTERED;
        response->error_message = str_from(arena_format(decider->arena,
            "Broker ID %d is not currently registered", request->broker_id));
        return;
    }
    struct unregister_broker_record record = {
        .broker_id = broker->id, .broker_epoch = broker->epoch
    };
    elect_after(decider, &(struct broker_move){ .leaves = broker->id, .comes = NO_BROKER });
    decide_record(decider, &unregister_broker_record_schema, 0, &record);
}

static enum error assign_replica(struct decider *decider, int32_t broker_id,
    struct uuid directory_id, struct uuid topic_id, int32_t index)
{
    const struct image_topic *topic = image_topic_by_id(decider->image, topic_id);
    if (topic == NULL)
        return ERROR_UNKNOWN_TOPIC_ID;
    const struct image_partition *partition = image_partition(topic, index);
    if (partition == NULL)
        return ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    if (!node_list_has(partition->replicas, broker_id))
        return ERROR_NOT_LEADER_OR_FOLLOWER;
    if (uuid_equal(image_partition_directory(partition, broker_id), directory_id))
        return ERROR_NONE;
    struct partition_change_record record;
    message_defaults(&partition_change_record_schema, &record);
    record.partition_id = index;
    record.topic_id = topic_id;
    record.directories_count = partition->replicas.count;
    record.directories = arena_take_array(
        decider->arena, (size_t)partition->replicas.count, sizeof(*record.directories));
    for (int32_t i = 0; i < partition->replicas.count; i++) {
        int32_t replica = partition->replicas.ids[i];
        record.directories[i] =
            replica == broker_id ? directory_id : image_partition_directory(partition, replica);
    }
    decide_record(
        decider, &partition_change_record_schema, partition_version(decider->image), &record);
    /* A lost replica leads no more; one that is found again may lead what nobody does. */
    bool lost = uuid_equal(directory_id, DIRECTORY_LOST);
    struct broker_move move = { .leaves = lost ? broker_id : NO_BROKER,
        .comes = lost ? NO_BROKER : broker_id,
        .assigned = &directory_id };
    if (lost || partition->leader == NO_BROKER)
        elect_one(decider, &move, topic, index);
    return ERROR_NONE;
}

enum error decide_assign_directories(struct decider *decider,
    const struct assign_replicas_to_dirs_request *request,
    struct assign_replicas_to_dirs_response *response)
{
    enum error error =
        check_broker_epoch(decider->image, request->broker_id, request->broker_epoch);
    if (error != ERROR_NONE)
        return error;
    if (partition_version(decider->image) < 1)
        return ERROR_UNSUPPORTED_VERSION;
    response->directories_count = request->directories_count;
    response->directories = MESSAGE_TAKE(assign_replicas_to_dirs_response_directory_data,
        decider->arena, request->directories_count);
    for (int32_t i = 0; i < request->directories_count; i++) {
        const struct assign_replicas_to_dirs_request_directory_data *directory =
            &request->directories[i];
        struct assign_replicas_to_dirs_response_directory_data *answer = &response->directories[i];
        answer->id = directory->id;
        answer->topics_count = directory->topics_count;
        answer->topics = MESSAGE_TAKE(
            assign_replicas_to_dirs_response_topic_data, decider->arena, directory->topics_count);
        for (int32_t j = 0; j < directory->topics_count; j++) {
            const struct assign_replicas_to_dirs_request_topic_data *topic = &directory->topics[j];
            struct assign_replicas_to_dirs_response_topic_data *topic_answer = &answer->topics[j];
            topic_answer->topic_id = topic->topic_id;
            topic_answer->partitions_count = topic->partitions_count;
            topic_answer->partitions = MESSAGE_TAKE(assign_replicas_to_dirs_response_partition_data,
                decider->arena, topic->partitions_count);
            for (int32_t k = 0; k < topic->partitions_count; k++) {
                int32_t index = topic->partitions[k].partition_index;
                topic_answer->partitions[k].partition_index = index;
                topic_answer->partitions[k].error_code = (int16_t)assign_replica(
                    decider, request->broker_id, directory->id, topic->topic_id, index);
            }
        }
    }
    return ERROR_NONE;
}
