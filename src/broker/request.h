/* SPDX-License-Identifier: Apache-2.0 */
/* A request from its frame to the last byte of its answer. It belongs to the shard of its connection and holds a place
 * in the order of that connection's answers. It starts when its frame arrives, so that what its answer takes is known
 * before the next one is looked at. Everything decoded or built for it lies in its arena; strings and records point into
 * its frame; both go when the answer is encoded. A handler is a step function: it is called again whenever something it waits for happened
 * (request_resume()), always from a clean stack. Work on partitions is done by errands, at the shard that owns them.
 *
 * A handler of an API with keys k:
 *     enum step handle_k(struct request *request);
 * reads request->in.k, fills request->out.k (zeroed with the schema's defaults), keeps its stage in request->work.k. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "base/uuid.h"
#include "error.h"
#include "io/loop.h"
#include "net/reply.h"

struct api;
struct buffer;
struct errand;
struct file;
struct partition;
struct shard;
struct shard_desk;

enum step {
    STEP_ANSWER, /* request->out is complete */
    STEP_PARK,   /* somebody will call request_resume() */
    STEP_CLOSE,  /* the connection ends, without an answer */
    STEP_SILENT, /* done, and there is no answer (acks=0) */
};

/* The decoded request. */
union request_in {
    void *message;
    const struct alter_client_quotas_request *alter_client_quotas;
    const struct alter_configs_request *alter_configs;
    const struct alter_partition_reassignments_request *alter_partition_reassignments;
    const struct alter_replica_log_dirs_request *alter_replica_log_dirs;
    const struct api_versions_request *api_versions;
    const struct consumer_group_describe_request *consumer_group_describe;
    const struct consumer_group_heartbeat_request *consumer_group_heartbeat;
    const struct create_partitions_request *create_partitions;
    const struct create_topics_request *create_topics;
    const struct delete_groups_request *delete_groups;
    const struct delete_records_request *delete_records;
    const struct delete_topics_request *delete_topics;
    const struct describe_client_quotas_request *describe_client_quotas;
    const struct describe_cluster_request *describe_cluster;
    const struct describe_configs_request *describe_configs;
    const struct describe_groups_request *describe_groups;
    const struct describe_log_dirs_request *describe_log_dirs;
    const struct describe_producers_request *describe_producers;
    const struct describe_quorum_request *describe_quorum;
    const struct describe_topic_partitions_request *describe_topic_partitions;
    const struct elect_leaders_request *elect_leaders;
    const struct fetch_request *fetch;
    const struct find_coordinator_request *find_coordinator;
    const struct heartbeat_request *heartbeat;
    const struct incremental_alter_configs_request *incremental_alter_configs;
    const struct init_producer_id_request *init_producer_id;
    const struct join_group_request *join_group;
    const struct leave_group_request *leave_group;
    const struct list_config_resources_request *list_config_resources;
    struct list_groups_request *list_groups; /* whose filters are narrowed */
    const struct list_offsets_request *list_offsets;
    const struct list_partition_reassignments_request *list_partition_reassignments;
    const struct metadata_request *metadata;
    const struct offset_commit_request *offset_commit;
    const struct offset_delete_request *offset_delete;
    const struct offset_fetch_request *offset_fetch;
    const struct offset_for_leader_epoch_request *offset_for_leader_epoch;
    const struct produce_request *produce;
    const struct sync_group_request *sync_group;
    const struct unregister_broker_request *unregister_broker;
    const struct update_features_request *update_features;
};

union request_out {
    void *message;
    struct alter_client_quotas_response *alter_client_quotas;
    struct alter_configs_response *alter_configs;
    struct alter_partition_reassignments_response *alter_partition_reassignments;
    struct alter_replica_log_dirs_response *alter_replica_log_dirs;
    struct api_versions_response *api_versions;
    struct consumer_group_describe_response *consumer_group_describe;
    struct consumer_group_heartbeat_response *consumer_group_heartbeat;
    struct create_partitions_response *create_partitions;
    struct create_topics_response *create_topics;
    struct delete_groups_response *delete_groups;
    struct delete_records_response *delete_records;
    struct delete_topics_response *delete_topics;
    struct describe_client_quotas_response *describe_client_quotas;
    struct describe_cluster_response *describe_cluster;
    struct describe_configs_response *describe_configs;
    struct describe_groups_response *describe_groups;
    struct describe_log_dirs_response *describe_log_dirs;
    struct describe_producers_response *describe_producers;
    struct describe_quorum_response *describe_quorum;
    struct describe_topic_partitions_response *describe_topic_partitions;
    struct elect_leaders_response *elect_leaders;
    struct fetch_response *fetch;
    struct find_coordinator_response *find_coordinator;
    struct heartbeat_response *heartbeat;
    struct incremental_alter_configs_response *incremental_alter_configs;
    struct init_producer_id_response *init_producer_id;
    struct join_group_response *join_group;
    struct leave_group_response *leave_group;
    struct list_config_resources_response *list_config_resources;
    struct list_groups_response *list_groups;
    struct list_offsets_response *list_offsets;
    struct list_partition_reassignments_response *list_partition_reassignments;
    struct metadata_response *metadata;
    struct offset_commit_response *offset_commit;
    struct offset_delete_response *offset_delete;
    struct offset_fetch_response *offset_fetch;
    struct offset_for_leader_epoch_response *offset_for_leader_epoch;
    struct produce_response *produce;
    struct sync_group_response *sync_group;
    struct unregister_broker_response *unregister_broker;
    struct update_features_response *update_features;
};

/* What a handler keeps between two steps; taken from the arena by itself, NULL at the first step. */
union request_work {
    bool asked; /* of a request with one errand and nothing else to keep */
    struct forwarded *forwarded; /* of a request that the controller decides */
    struct alter_replica_log_dirs_work *alter_replica_log_dirs;
    struct alter_settings_work *alter_settings;
    struct delete_records_work *delete_records;
    struct describe_log_dirs_work *describe_log_dirs;
    struct describe_producers_work *describe_producers;
    struct fetch_work *fetch;
    struct find_coordinator_work *find_coordinator;
    struct group_asks *group_asks; /* of a request to coordinators of groups */
    struct init_producer_id_work *init_producer_id;
    struct list_offsets_work *list_offsets;
    struct metadata_work *metadata;
    struct offset_for_leader_epoch_work *offset_for_leader_epoch;
    struct produce_work *produce;
};

/* A reference to a file that the answer will send from; the request's. */
struct request_file {
    struct request_file *next;
    struct file *file;
};

struct request {
    struct reply reply; /* first */
    struct request *prev, *next; /* of the shard's requests in work */
    struct request *held_next;
    struct shard *shard;
    const struct shard_desk *desk; /* the listener it came in by */
    struct task task;
    struct arena arena;
    struct buffer *frame;
    const struct api *api; /* NULL until the header is read */
    struct conn *conn_identity; /* compare only */
    union request_in in;
    union request_out out;
    union request_work work;
    void (*cleanup)(struct request *request); /* before the arena goes; NULL: nothing to undo */
    struct request_file *files; /* until the answer is encoded; then its spans hold them */
    struct buffer *answer;      /* encoded; nothing above is there any more */
    int32_t span_count;
    int64_t lent;    /* what others hold for it besides its arena */
    int64_t charged; /* of the arena and of that, to the node's budget */
    int64_t arrived_us;
    int32_t correlation_id;
    struct str client_id; /* null: none */
    int32_t errands_out; /* errands that have not come home */
    int16_t version;
    bool stepping, resumed, ended, holds_mark, version_unsupported;
};

/* A piece of a request that is done at the shard which owns what it touches. While it is away only that shard may touch
 * it and what it points to. run() is called there, and errand_finish() then or later. */
struct errand {
    struct mail mail;
    struct request *request;
    struct shard *there;
    void (*run)(struct errand *errand);
};

/* Goes at once when there is here: then run() is called inside. Counts in request->errands_out until it is home; the
 * last one resumes the request. */
void request_send(struct request *request, struct errand *errand, struct shard *there);
void errand_finish(struct errand *errand);

/* Calls the handler again, from a clean stack in this pass. For a request that is parked. */
void request_resume(struct request *request);

/* Charges the node's budget for what the arena takes beyond its first block; done before each step, and by handlers that
 * put much into it while nobody else uses it. */
void request_note_memory(struct request *request);
/* The same, before a handler parks for long. False: half of the budget is used, so the memory is better given back at once. */
bool request_may_wait(struct request *request);

/* The answer holds the file from now on (takes the reference). */
void request_keep_file(struct request *request, struct file *file);

/* The request as it stands in a sentence for people: api, version, client, peer. In the arena. */
const char *request_describe(struct request *request);
