/* SPDX-License-Identifier: Apache-2.0 */
/* The controller is the decide/apply machine on the metadata log: it turns requests into records of the metadata log
 * and answers, against a working image that also holds what is not committed yet. Pure: times arrive in the request,
 * random numbers in its seed. One loop owns it (the control loop); others get published images. */
#pragma once
#include "base/prng.h"
#include "metadata/image.h"
#include "rsm/rsm.h"

struct create_topics_request;
struct creatable_topic;
struct create_topics_creatable_topic;

enum controller_request_type {
    CONTROLLER_CREATE_TOPICS,         /* struct create_topics_request / _response */
    CONTROLLER_DELETE_TOPICS,         /* struct delete_topics_* */
    CONTROLLER_ALLOCATE_PRODUCER_IDS, /* struct allocate_producer_ids_* */
    CONTROLLER_REGISTER_BROKER,       /* struct broker_registration_* */
    CONTROLLER_HEARTBEAT,             /* struct broker_heartbeat_* */
    CONTROLLER_ASSIGN_DIRECTORIES,    /* struct assign_replicas_to_dirs_* */
    CONTROLLER_ALTER_SETTINGS,        /* struct incremental_alter_configs_* */
    CONTROLLER_REGISTER_CONTROLLER,   /* struct controller_registration_* */
    CONTROLLER_ACTIVATE,              /* internal: bootstrap records, and abort of a half-done metadata transaction */
    CONTROLLER_NO_OP,                 /* internal: a NoOp record */
};

/* Submit with quorum_submit(). response is zeroed by the caller, then filled before rsm.done(request, error); when the
 * error there is not ERROR_NONE (NOT_CONTROLLER, UNKNOWN_SERVER_ERROR …) response holds nothing and the whole answer
 * is that error. Strings in response point into request, arena or constants. request must live until done. */
struct controller_request {
    struct rsm_request rsm; /* set arena and done */
    enum controller_request_type type;
    const void *request;
    void *response;
    int64_t wall_ms;
    bool unclean;                        /* REGISTER_BROKER: its previous epoch was not cleanly shut down (Kafka: -1) */
};

/* What others must know of settings; every function may be NULL (then everything is valid). */
struct controller_hooks {
    void *context;
    /* value null: the key is removed. ERROR_NONE or INVALID_CONFIG and a message in the arena. */
    enum error (*validate_setting)(void *context, enum setting_scope scope, struct str name, struct str key,
                                   struct str value, struct arena *arena, struct str *out_message);
    /* The effective settings for the answer of CreateTopics: fills result->configs. result: the generated
     * creatable_topic_result, topic: the creatable_topic asked for. */
    void (*describe_topic)(void *context, const struct image *image, const void *topic, struct arena *arena, void *result);
};

struct controller_settings {
    struct controller_hooks hooks;
    int32_t node_id;
    int32_t default_partition_count;      /* num.partitions */
    int16_t default_replication_factor;
    int64_t next_bootstrap_level;         /* metadata.version for a log without bootstrap records */
    struct bytes *bootstrap_records;      /* from the bootstrap snapshot; encoded */
    int32_t bootstrap_record_count;
    int32_t min_insync_replicas;          /* static default of min.insync.replicas, for the first activation with ELR */
    bool unclean_leader_election;
};

struct controller {
    struct rsm_machine machine; /* first */
    struct controller_settings settings;
    struct image *working;      /* holds what is not committed yet */
    struct image *saved;        /* of the moment before a running metadata transaction; NULL: none runs */
    struct prng prng;
    int64_t failed_offset;      /* -1, or where a record could not be applied: the node must stop */
    const char *failure;
    struct directory_load *directory_loads; /* partitions by directory, for placement */
    int64_t directory_loads_of;             /* working->edit when counted */
};

void controller_init(struct controller *controller, const struct controller_settings *settings, uint64_t seed);
void controller_deinit(struct controller *controller);

/* A frozen copy of the working image for publishing once its offset is committed; the caller's reference. NULL while
 * a metadata transaction runs. */
struct image *controller_freeze(struct controller *controller);
/* Replaces the state, on loading a snapshot; takes the reference. */
void controller_restore(struct controller *controller, struct image *image);
