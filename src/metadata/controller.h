/* SPDX-License-Identifier: Apache-2.0 */
/* The controller is the decide/apply machine on the metadata log: it turns requests into records of
 * the metadata log and answers, against a working image that also holds what is not committed yet.
 * Pure: times arrive in the request, random numbers in its seed. One loop owns it (the control
 * loop); others get published images. */
#pragma once
#include "base/prng.h"
#include "metadata/image.h"
#include "rsm/rsm.h"

struct create_topics_creatable_topic;
struct create_topics_creatable_topic_result;
struct setting_pair;

enum controller_request_type {
    CONTROLLER_CREATE_TOPICS,         /* struct create_topics_request / _response */
    CONTROLLER_DELETE_TOPICS,         /* struct delete_topics_* */
    CONTROLLER_ALTER_CLIENT_QUOTAS,   /* struct alter_client_quotas_* */
    CONTROLLER_ALTER_REASSIGNMENTS,   /* struct alter_partition_reassignments_* */
    CONTROLLER_CREATE_PARTITIONS,     /* struct create_partitions_* */
    CONTROLLER_ALLOCATE_PRODUCER_IDS, /* struct allocate_producer_ids_* */
    CONTROLLER_REGISTER_BROKER,       /* struct broker_registration_* */
    CONTROLLER_HEARTBEAT,             /* struct broker_heartbeat_* */
    CONTROLLER_ASSIGN_DIRECTORIES,    /* struct assign_replicas_to_dirs_* */
    CONTROLLER_ALTER_SETTINGS,        /* response: struct settings_change, which is request and answer */
    CONTROLLER_UNREGISTER_BROKER,     /* struct unregister_broker_* */
    CONTROLLER_ELECT_LEADERS,         /* struct elect_leaders_* */
    CONTROLLER_UPDATE_FEATURES,       /* struct update_features_* */
    CONTROLLER_REGISTER_CONTROLLER,   /* struct controller_registration_* */
    CONTROLLER_ACTIVATE, /* internal: bootstrap records, and abort of a half-done metadata
                            transaction */
    CONTROLLER_NO_OP,    /* internal: a NoOp record */
};

/* Submit with quorum_submit(). response is zeroed by the caller, then filled before
 * rsm.done(request, error); when the error there is not ERROR_NONE (NOT_CONTROLLER,
 * UNKNOWN_SERVER_ERROR …) response holds nothing and the whole answer is that error. Strings in
 * response point into request, arena or constants. request must live until done. */
struct controller_request {
    struct rsm_request rsm; /* set arena and done */
    enum controller_request_type type;
    const void *request;
    void *response;
};

/* What others must know of settings; every function may be NULL (then everything is valid). */
struct controller_hooks {
    void *context;
    /* All that a group or a client metrics subscription would say. */
    enum error (*validate_settings)(void *context, const struct image *image,
        enum setting_scope scope, const struct setting_pair *pairs, int32_t count,
        struct arena *arena, struct str *out_message);
    /* Whether the value is a list; then *out_unset is what holds where the resource says nothing. */
    bool (*list_setting)(void *context, enum setting_scope scope, struct str key,
        struct arena *arena, struct str *out_unset);
    /* All that a topic would say, none of it null. */
    enum error (*validate_topic)(void *context, const struct image *image,
        const struct create_topics_creatable_topic *topic, struct arena *arena,
        struct str *out_message);
    /* The effective settings for the answer of CreateTopics: fills result->configs. */
    void (*describe_topic)(void *context, const struct image *image,
        const struct create_topics_creatable_topic *topic, struct arena *arena,
        struct create_topics_creatable_topic_result *result);
};

struct controller_settings {
    struct controller_hooks hooks;
    struct str cluster_id;
    int32_t node_id;
    int16_t kraft_version; /* of the quorum, which sets it */
    int32_t default_partition_count;    /* num.partitions */
    int16_t default_replication_factor; /* default.replication.factor */
    int32_t min_insync_replicas;        /* static min.insync.replicas */
    bool delete_topic_enable;
    bool unclean_leader_election; /* static unclean.leader.election.enable */
};

struct controller {
    struct rsm_machine machine; /* first */
    struct controller_settings settings;
    struct image *working; /* holds what is not committed yet */
    struct image *saved; /* of the moment before a running metadata transaction; NULL: none runs */
    struct prng prng;
    struct arena scratch;    /* of one apply */
    struct bytes *bootstrap; /* records for a log that has none yet; owned by the quorum */
    int32_t bootstrap_count;
    int64_t failed_offset;   /* -1, or where a record could not be applied: the node must stop */
    const char *failure;     /* constant text, or NULL */
    const char *failed_name; /* of the record: its type's name, "type N", or "FEATURE=LEVEL" */
    int32_t failed_version;
    char failed_type[64];
};

void controller_init(
    struct controller *controller, const struct controller_settings *settings, uint64_t seed);
void controller_deinit(struct controller *controller);

/* One record of the log or of a snapshot; see failed_offset. Records of control batches do not come
 * here. */
void controller_apply(struct controller *controller, int64_t offset, struct bytes record);

/* A frozen copy of the working image for publishing once its offset is committed; the caller's
 * reference. NULL while a metadata transaction runs. */
struct image *controller_freeze(struct controller *controller);
/* Forgets everything: an empty image, for loading a snapshot or starting over. */
void controller_reset(struct controller *controller);
