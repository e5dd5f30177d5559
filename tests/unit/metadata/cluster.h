/* SPDX-License-Identifier: Apache-2.0 */
/* A controller without a log: brokers and topics come by records, and what it decides is applied at
 * once. For decisions that need more brokers than one node has. */
#pragma once
#include <string.h>

#include "metadata/controller.h"
#include "metadata/feature.h"
#include "metadata/record.h"
#include "test.h"
#include "wire/gen/feature_level_record.h"
#include "wire/gen/partition_record.h"
#include "wire/gen/register_broker_record.h"
#include "wire/gen/topic_record.h"
#include "wire/schema.h"

struct cluster {
    struct controller controller;
    struct arena arena;
    int64_t offset;
    int32_t record_count; /* of the last decision */
    struct rsm_record *records;
};

static inline void cluster_apply(struct cluster *cluster, const struct message_schema *schema,
    int16_t version, const void *message)
{
    controller_apply(&cluster->controller, cluster->offset++,
        metadata_record_encode(&cluster->arena, schema, version, message));
    if (cluster->controller.failure != NULL)
        fail_msg("%s", cluster->controller.failure);
    cluster->controller.working->offset = cluster->offset;
}

static inline void cluster_set_feature(struct cluster *cluster, const char *name, int16_t level)
{
    struct feature_level_record record = { .name = str_from(name), .feature_level = level };
    cluster_apply(cluster, &feature_level_record_schema, 0, &record);
}

static inline void cluster_init(struct cluster *cluster)
{
    struct controller_settings settings = { .default_partition_count = 1,
        .default_replication_factor = 1,
        .min_insync_replicas = 1,
        .delete_topic_enable = true };
    *cluster = (struct cluster){ 0 };
    controller_init(&cluster->controller, &settings, 3);
    arena_init(&cluster->arena);
    cluster_set_feature(cluster, "metadata.version", METADATA_VERSION_NEWEST);
    cluster_set_feature(cluster, "eligible.leader.replicas.version", 1);
}

static inline void cluster_deinit(struct cluster *cluster)
{
    controller_deinit(&cluster->controller);
    arena_deinit(&cluster->arena);
}

static inline const struct image *cluster_image(const struct cluster *cluster)
{
    return cluster->controller.working;
}

static inline struct uuid cluster_directory(int32_t broker_id)
{
    return (struct uuid){ { 9, (uint8_t)broker_id } };
}

static inline void cluster_add_broker(struct cluster *cluster, int32_t id, bool fenced)
{
    struct uuid directory = cluster_directory(id);
    struct register_broker_record record;
    message_defaults(&register_broker_record_schema, &record);
    record.broker_id = id;
    record.broker_epoch = cluster->offset;
    record.fenced = fenced;
    record.log_dirs = &directory;
    record.log_dirs_count = 1;
    cluster_apply(cluster, &register_broker_record_schema, 4, &record);
}

/* One more partition of the topic, with these replicas, all of them in the ISR, led by the first.
 */
static inline void cluster_add_partition(
    struct cluster *cluster, const char *name, const int32_t *replicas, int32_t count)
{
    const struct image_topic *topic = image_topic_by_name(cluster_image(cluster), str_from(name));
    if (topic == NULL) {
        struct topic_record record = { .name = str_from(name),
            .topic_id = { { 1, (uint8_t)name[0], (uint8_t)name[1] } } };
        cluster_apply(cluster, &topic_record_schema, 0, &record);
        topic = image_topic_by_name(cluster_image(cluster), str_from(name));
    }
    struct uuid *directories =
        arena_take_array(&cluster->arena, (size_t)count, sizeof(*directories));
    for (int32_t i = 0; i < count; i++)
        directories[i] = cluster_directory(replicas[i]);
    struct partition_record record;
    message_defaults(&partition_record_schema, &record);
    record.partition_id = topic->partition_count;
    record.topic_id = topic->id;
    record.leader = replicas[0];
    record.leader_epoch = record.partition_epoch = 0;
    record.replicas = record.isr = (int32_t *)(uintptr_t)replicas;
    record.replicas_count = record.isr_count = count;
    record.directories = directories;
    record.directories_count = count;
    cluster_apply(cluster, &partition_record_schema, 2, &record);
}

static inline const struct image_partition *cluster_partition(
    const struct cluster *cluster, const char *name, int32_t index)
{
    return image_partition(image_topic_by_name(cluster_image(cluster), str_from(name)), index);
}

/* Decides, and applies what was decided. */
static inline enum error cluster_try(struct cluster *cluster, enum controller_request_type type,
    const void *request, void *response)
{
    struct rsm_decision decision = { .arena = &cluster->arena };
    struct controller_request wish = {
        .type = type, .request = request, .response = response, .rsm = { .arena = &cluster->arena }
    };
    struct rsm_machine *machine = &cluster->controller.machine;
    enum error error = machine->type->decide(machine, &wish.rsm, cluster->offset, &decision);
    assert_true(error == ERROR_NONE || decision.record_count == 0);
    for (int32_t i = 0; i < decision.record_count; i++)
        machine->type->apply(machine, cluster->offset + i, decision.records[i]);
    if (cluster->controller.failure != NULL)
        fail_msg("%s", cluster->controller.failure);
    cluster->offset += decision.record_count;
    machine->type->applied(machine, cluster->offset);
    cluster->record_count = decision.record_count;
    cluster->records = decision.records;
    return error;
}

static inline void cluster_ask(struct cluster *cluster, enum controller_request_type type,
    const void *request, void *response)
{
    assert_int_equal(cluster_try(cluster, type, request, response), ERROR_NONE);
}

/* The same with a response that is zeroed here. */
static inline void cluster_decide(struct cluster *cluster, enum controller_request_type type,
    const void *request, const struct message_schema *response_schema, void *response)
{
    message_defaults(response_schema, response);
    cluster_ask(cluster, type, request, response);
}
