/* SPDX-License-Identifier: Apache-2.0 */
/* What the controller's decisions share: they read the working image, add records, and fill an
 * answer. One file a subject; each is called by controller.c only. */
#pragma once
#include "metadata/controller.h"

struct alter_client_quotas_request;
struct alter_client_quotas_response;
struct alter_partition_reassignments_request;
struct alter_partition_reassignments_response;
struct assign_replicas_to_dirs_request;
struct assign_replicas_to_dirs_response;
struct broker_heartbeat_request;
struct broker_heartbeat_response;
struct broker_registration_request;
struct broker_registration_response;
struct create_partitions_request;
struct create_partitions_response;
struct create_topics_request;
struct create_topics_response;
struct delete_topics_request;
struct delete_topics_response;
struct elect_leaders_request;
struct elect_leaders_response;
struct message_schema;
struct settings_change;
struct unregister_broker_request;
struct unregister_broker_response;
struct update_features_request;
struct update_features_response;

struct decider {
    const struct controller_settings *settings;
    const struct image *image;
    struct rsm_decision *decision;
    struct arena *arena;
    struct prng *prng;
    int64_t next_offset; /* where the first record of the decision will stand */
};

/* What one request of a user may write; beyond it, it is refused as a whole. */
enum { USER_RECORDS_MAX = 10000 };
/* To be returned by the decision: POLICY_VIOLATION takes all its records back. With validate_only
 * they are taken back as well. */
enum error decide_bounded(struct decider *decider, bool validate_only);
void decide_record(struct decider *decider, const struct message_schema *schema, int16_t version,
    const void *message);

enum error decide_alter_client_quotas(struct decider *decider,
    const struct alter_client_quotas_request *request,
    struct alter_client_quotas_response *response);
enum error decide_alter_reassignments(struct decider *decider,
    const struct alter_partition_reassignments_request *request,
    struct alter_partition_reassignments_response *response);
void decide_create_partitions(struct decider *decider,
    const struct create_partitions_request *request, struct create_partitions_response *response);
void decide_create_topics(struct decider *decider, const struct create_topics_request *request,
    struct create_topics_response *response);
void decide_delete_topics(struct decider *decider, const struct delete_topics_request *request,
    struct delete_topics_response *response);
enum error decide_register_broker(struct decider *decider,
    const struct broker_registration_request *request,
    struct broker_registration_response *response);
enum error decide_heartbeat(struct decider *decider, const struct broker_heartbeat_request *request,
    struct broker_heartbeat_response *response);
enum error decide_assign_directories(struct decider *decider,
    const struct assign_replicas_to_dirs_request *request,
    struct assign_replicas_to_dirs_response *response);
void decide_alter_settings(struct decider *decider, struct settings_change *change);

enum error decide_elect_leaders(struct decider *decider,
    const struct elect_leaders_request *request, struct elect_leaders_response *response);
void decide_unregister_broker(struct decider *decider,
    const struct unregister_broker_request *request, struct unregister_broker_response *response);
void decide_update_features(struct decider *decider, const struct update_features_request *request,
    struct update_features_response *response);

/* For each name the smallest index that has the same name, -1 when it stands once only. In the
 * arena. */
int32_t *decide_first_of_name(struct arena *arena, const struct str *names, int32_t count);

/* A broker's epoch stands in every request of its own: ERROR_STALE_BROKER_EPOCH when another
 * registered since. */
enum error check_broker_epoch(const struct image *image, int32_t broker_id, int64_t broker_epoch);
static inline bool broker_is_active(const struct image_broker *broker)
{
    return broker != NULL && !broker->fenced && !broker->in_controlled_shutdown;
}
