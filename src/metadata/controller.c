/* SPDX-License-Identifier: Apache-2.0 */
#include "metadata/controller.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/broken.h"
#include "base/container.h"
#include "metadata/apply.h"
#include "metadata/decide.h"
#include "metadata/feature.h"
#include "wire/decode.h"
#include "wire/gen/abort_transaction_record.h"
#include "wire/gen/allocate_producer_ids.h"
#include "wire/gen/assign_replicas_to_dirs.h"
#include "wire/gen/begin_transaction_record.h"
#include "wire/gen/broker_heartbeat.h"
#include "wire/gen/broker_registration.h"
#include "wire/gen/config_record.h"
#include "wire/gen/controller_registration.h"
#include "wire/gen/end_transaction_record.h"
#include "wire/gen/feature_level_record.h"
#include "wire/gen/no_op_record.h"
#include "wire/gen/producer_ids_record.h"
#include "wire/gen/register_controller_record.h"

enum { PRODUCER_ID_BLOCK = 1000 };

void decide_record(struct decider *decider, const struct message_schema *schema, int16_t version,
    const void *message)
{
    struct bytes value = metadata_record_encode(decider->arena, schema, version, message);
    rsm_decision_add(decider->decision, (struct rsm_record){ .value = value });
}

enum error decide_bounded(struct decider *decider, bool validate_only)
{
    bool too_many = decider->decision->record_count > USER_RECORDS_MAX;
    if (too_many || validate_only) {
        decider->decision->record_count = 0;
        decider->decision->record_bytes = 0;
    }
    return too_many ? ERROR_POLICY_VIOLATION : ERROR_NONE;
}

struct named {
    struct str name;
    int32_t index;
};

static int compare_named(const void *a, const void *b)
{
    const struct named *first = a, *second = b;
    int order = str_compare(first->name, second->name);
    return order != 0 ? order : first->index - second->index;
}

int32_t *decide_first_of_name(struct arena *arena, const struct str *names, int32_t count)
{
    struct named *sorted = arena_take_array(arena, (size_t)count, sizeof(*sorted));
    int32_t *first = arena_take_array(arena, (size_t)count, sizeof(*first));
    for (int32_t i = 0; i < count; i++)
        sorted[i] = (struct named){ names[i], i };
    if (count > 1)
        qsort(sorted, (size_t)count, sizeof(*sorted), compare_named);
    for (int32_t begin = 0, end; begin < count; begin = end) {
        for (end = begin + 1; end < count && str_compare(sorted[end].name, sorted[begin].name) == 0;
             end++)
            ;
        for (int32_t i = begin; i < end; i++)
            first[sorted[i].index] = end - begin > 1 ? sorted[begin].index : -1;
    }
    return first;
}

static enum error decide_producer_ids(struct decider *decider,
    const struct allocate_producer_ids_request *request,
    struct allocate_producer_ids_response *response)
{
    enum error error =
        check_broker_epoch(decider->image, request->broker_id, request->broker_epoch);
    response->producer_id_start = -1;
    if (error != ERROR_NONE)
        return error;
    int64_t start = decider->image->next_producer_id < 0 ? 0 : decider->image->next_producer_id;
    if (start > INT64_MAX - PRODUCER_ID_BLOCK)
        return ERROR_UNKNOWN_SERVER_ERROR;
    struct producer_ids_record record = { .broker_id = request->broker_id,
        .broker_epoch = request->broker_epoch,
        .next_producer_id = start + (broken(producer_ids_twice) ? 0 : PRODUCER_ID_BLOCK) };
    decide_record(decider, &producer_ids_record_schema, 0, &record);
    response->producer_id_start = start;
    response->producer_id_len = PRODUCER_ID_BLOCK;
    return ERROR_NONE;
}

static void decide_register_controller(
    struct decider *decider, const struct controller_registration_request *request)
{
    enum { SINCE = 15 }; /* 3.7-IV0 */
    if (image_metadata_version(decider->image) < SINCE)
        return;
    struct register_controller_record record = { .controller_id = request->controller_id,
        .incarnation_id = request->incarnation_id,
        .zk_migration_ready = request->zk_migration_ready };
    record.end_points_count = request->listeners_count > 0 ? request->listeners_count : 0;
    record.end_points = MESSAGE_TAKE(
        register_controller_record_controller_endpoint, decider->arena, record.end_points_count);
    for (int32_t i = 0; i < record.end_points_count; i++) {
        record.end_points[i].name = request->listeners[i].name;
        record.end_points[i].host = request->listeners[i].host;
        record.end_points[i].port = request->listeners[i].port;
        record.end_points[i].security_protocol = request->listeners[i].security_protocol;
    }
    record.features_count = request->features_count > 0 ? request->features_count : 0;
    record.features = MESSAGE_TAKE(
        register_controller_record_controller_feature, decider->arena, record.features_count);
    for (int32_t i = 0; i < record.features_count; i++) {
        record.features[i].name = request->features[i].name;
        record.features[i].min_supported_version = request->features[i].min_supported_version;
        record.features[i].max_supported_version = request->features[i].max_supported_version;
    }
    decide_record(decider, &register_controller_record_schema, 0, &record);
}

/* The level a feature gets by the bootstrap records; 0: none. */
static int16_t bootstrap_level(
    struct decider *decider, const struct controller *controller, struct str name)
{
    int16_t level = 0;
    for (int32_t i = 0; i < controller->bootstrap_count; i++) {
        struct metadata_record record;
        struct feature_level_record feature;
        if (metadata_record_parse(controller->bootstrap[i], &record) &&
            record.type == FEATURE_LEVEL_RECORD_TYPE && record.version == 0 &&
            message_decode(
                &feature_level_record_schema, 0, record.fields, decider->arena, &feature, NULL) &&
            str_equal(feature.name, name))
            level = feature.feature_level;
    }
    return level;
}

/* With eligible leader replicas on, min.insync.replicas is the cluster's, not each broker's. */
static void decide_min_insync(struct decider *decider)
{
    struct config_record record = { .resource_type = SCOPE_BROKER,
        .resource_name = STR(""),
        .name = STR("min.insync.replicas"),
        .value =
            str_from(arena_format(decider->arena, "%d", decider->settings->min_insync_replicas)) };
    decide_record(decider, &config_record_schema, 0, &record);
}

/* The first act in every epoch: end what a former leader left half-done; in a log without records,
 * write the first. */
static void decide_activate(struct decider *decider, const struct controller *controller)
{
    enum { TRANSACTIONS_SINCE = 13 }; /* 3.6-IV1 */
    if (controller->saved != NULL) {
        struct abort_transaction_record abort_record = { .reason = STR("failover") };
        decide_record(decider, &abort_transaction_record_schema, 0, &abort_record);
        return;
    }
    if (image_feature(decider->image, STR("metadata.version")) != 0)
        return;
    bool in_transaction =
        bootstrap_level(decider, controller, STR("metadata.version")) >= TRANSACTIONS_SINCE;
    if (in_transaction) {
        struct begin_transaction_record begin = { .name = STR("Bootstrap records") };
        decide_record(decider, &begin_transaction_record_schema, 0, &begin);
    }
    for (int32_t i = 0; i < controller->bootstrap_count; i++)
        rsm_decision_add(
            decider->decision, (struct rsm_record){ .value = controller->bootstrap[i] });
    if (bootstrap_level(decider, controller, STR("eligible.leader.replicas.version")) >= 1)
        decide_min_insync(decider);
    if (in_transaction) {
        struct end_transaction_record end = { 0 };
        decide_record(decider, &end_transaction_record_schema, 0, &end);
    }
}

static struct controller *controller_of(struct rsm_machine *machine)
{
    return container_of(machine, struct controller, machine);
}

static enum error decide(struct rsm_machine *machine, struct rsm_request *rsm_request,
    int64_t next_offset, struct rsm_decision *decision)
{
    struct controller *controller = controller_of(machine);
    struct controller_request *wish = container_of(rsm_request, struct controller_request, rsm);
    struct decider decider = { &controller->settings, controller->working, decision,
        rsm_request->arena, &controller->prng, next_offset };
    /* Each answer carries its own error; only what concerns the whole machine is returned. */
    switch (wish->type) {
    case CONTROLLER_CREATE_TOPICS:
        decide_create_topics(&decider, wish->request, wish->response);
        break;
    case CONTROLLER_DELETE_TOPICS:
        decide_delete_topics(&decider, wish->request, wish->response);
        break;
    case CONTROLLER_ALTER_CLIENT_QUOTAS:
        return decide_alter_client_quotas(&decider, wish->request, wish->response);
    case CONTROLLER_ALTER_REASSIGNMENTS:
        return decide_alter_reassignments(&decider, wish->request, wish->response);
    case CONTROLLER_CREATE_PARTITIONS:
        decide_create_partitions(&decider, wish->request, wish->response);
        break;
    case CONTROLLER_ALTER_SETTINGS:
        decide_alter_settings(&decider, wish->response);
        break;
    case CONTROLLER_UNREGISTER_BROKER:
        decide_unregister_broker(&decider, wish->request, wish->response);
        break;
    case CONTROLLER_ELECT_LEADERS:
        return decide_elect_leaders(&decider, wish->request, wish->response);
    case CONTROLLER_UPDATE_FEATURES:
        decide_update_features(&decider, wish->request, wish->response);
        break;
    case CONTROLLER_REGISTER_CONTROLLER:
        decide_register_controller(&decider, wish->request);
        break;
    case CONTROLLER_ALLOCATE_PRODUCER_IDS: {
        struct allocate_producer_ids_response *response = wish->response;
        response->error_code = (int16_t)decide_producer_ids(&decider, wish->request, response);
        break;
    }
    case CONTROLLER_REGISTER_BROKER: {
        struct broker_registration_response *response = wish->response;
        response->error_code = (int16_t)decide_register_broker(&decider, wish->request, response);
        break;
    }
    case CONTROLLER_HEARTBEAT: {
        struct broker_heartbeat_response *response = wish->response;
        response->error_code = (int16_t)decide_heartbeat(&decider, wish->request, response);
        break;
    }
    case CONTROLLER_ASSIGN_DIRECTORIES: {
        struct assign_replicas_to_dirs_response *response = wish->response;
        response->error_code =
            (int16_t)decide_assign_directories(&decider, wish->request, response);
        break;
    }
    case CONTROLLER_ACTIVATE:
        decide_activate(&decider, controller);
        break;
    case CONTROLLER_NO_OP:
        decide_record(&decider, &no_op_record_schema, 0, &(struct no_op_record){ 0 });
        break;
    }
    return ERROR_NONE;
}

static const char *begin_transaction(struct controller *controller)
{
    if (controller->saved != NULL)
        return "a metadata transaction inside another";
    controller->saved = image_share(controller->working);
    return NULL;
}

static const char *end_transaction(struct controller *controller, bool commit)
{
    if (controller->saved == NULL)
        return "the end of a metadata transaction that did not begin";
    if (commit) {
        image_unref(controller->saved);
    } else {
        controller->saved->edit =
            controller->working->edit + 1; /* what the aborted ones made is theirs */
        image_unref(controller->working);
        controller->working = controller->saved;
    }
    controller->saved = NULL;
    return NULL;
}

static const char *apply_record(struct controller *controller, struct bytes raw)
{
    struct metadata_record record;
    if (!metadata_record_parse(raw, &record))
        return "a record without a frame";
    bool is_transaction = record.type == BEGIN_TRANSACTION_RECORD_TYPE ||
                          record.type == END_TRANSACTION_RECORD_TYPE ||
                          record.type == ABORT_TRANSACTION_RECORD_TYPE;
    if (!is_transaction)
        return image_apply(controller->working, &record, raw, &controller->scratch);
    if (record.version != 0)
        return "a record of unknown version";
    if (record.type == BEGIN_TRANSACTION_RECORD_TYPE)
        return begin_transaction(controller);
    return end_transaction(controller, record.type == END_TRANSACTION_RECORD_TYPE);
}

static void note_failure(struct controller *controller, int64_t offset, struct bytes raw)
{
    struct metadata_record record = { -1, -1, { NULL, 0 } };
    metadata_record_parse(raw, &record);
    const struct record_schema *schema =
        record.type < 0 || record.type > INT16_MAX
            ? NULL
            : record_schema_find(RECORDS_CLUSTER_METADATA, (int16_t)record.type);
    struct feature_level_record feature;
    bool is_feature = record.type == FEATURE_LEVEL_RECORD_TYPE && record.version == 0 &&
                      message_decode(&feature_level_record_schema, 0, record.fields,
                          &controller->scratch, &feature, NULL);
    if (is_feature)
        snprintf(controller->failed_type, sizeof(controller->failed_type), "%.*s=%d",
            STR_PRINT(feature.name), feature.feature_level);
    else
        snprintf(controller->failed_type, sizeof(controller->failed_type), "type %d", record.type);
    controller->failed_name = schema == NULL || is_feature ? controller->failed_type : schema->name;
    controller->failed_version = record.version;
    controller->failed_offset = offset;
}

void controller_apply(struct controller *controller, int64_t offset, struct bytes record)
{
    if (controller->failure != NULL)
        return;
    controller->failure = apply_record(controller, record);
    arena_reset(&controller->scratch);
    if (controller->failure != NULL)
        note_failure(controller, offset, record);
}

static void apply(struct rsm_machine *machine, int64_t offset, struct rsm_record record)
{
    controller_apply(controller_of(machine), offset, record.value);
}

static void applied(struct rsm_machine *machine, int64_t end_offset)
{
    controller_of(machine)->working->offset = end_offset;
}

static const struct rsm_machine_type controller_type = { decide, apply, applied };

void controller_init(
    struct controller *controller, const struct controller_settings *settings, uint64_t seed)
{
    *controller = (struct controller){
        .machine.type = &controller_type, .settings = *settings, .failed_offset = -1
    };
    prng_init(&controller->prng, seed);
    arena_init(&controller->scratch);
    controller->working = image_create(prng_next(&controller->prng));
}

void controller_deinit(struct controller *controller)
{
    image_unref(controller->working);
    image_unref(controller->saved);
    arena_deinit(&controller->scratch);
}

struct image *controller_freeze(struct controller *controller)
{
    return controller->saved != NULL ? NULL : image_share(controller->working);
}

void controller_reset(struct controller *controller)
{
    uint64_t seed =
        controller->working->seed; /* one seed: images are compared with those published before */
    uint64_t edit = controller->working->edit;
    image_unref(controller->working);
    image_unref(controller->saved);
    controller->saved = NULL;
    controller->working = image_create(seed);
    controller->working->edit = edit + 1;
    controller->failure = NULL;
    controller->failed_offset = -1;
}
