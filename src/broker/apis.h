/* SPDX-License-Identifier: Apache-2.0 */
/* The table of what is served: one row an API. What has no row is not advertised, and closes the connection. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "broker/request.h"

struct message_schema;

enum api_listener { API_ON_BROKER = 1, API_ON_CONTROLLER = 2 };

struct api {
    int16_t key, version_min, version_max;
    unsigned listeners;     /* API_ON_ bits */
    bool changes_image;     /* what comes behind it on the connection and reads the image must wait for it */
    bool reads_image;
    const struct message_schema *request, *response;
    enum step (*handle)(struct request *request);
};

extern const struct api apis[];
extern const int api_count;

const struct api *api_find(int16_t key, unsigned listener); /* NULL: not served there */

enum step handle_alter_client_quotas(struct request *request);
enum step handle_alter_configs(struct request *request);
enum step handle_alter_partition_reassignments(struct request *request);
enum step handle_alter_replica_log_dirs(struct request *request);
enum step handle_api_versions(struct request *request);
enum step handle_consumer_group_describe(struct request *request);
enum step handle_consumer_group_heartbeat(struct request *request);
enum step handle_create_partitions(struct request *request);
enum step handle_create_topics(struct request *request);
enum step handle_delete_groups(struct request *request);
enum step handle_delete_records(struct request *request);
enum step handle_delete_topics(struct request *request);
enum step handle_describe_client_quotas(struct request *request);
enum step handle_describe_cluster(struct request *request);
enum step handle_describe_configs(struct request *request);
enum step handle_describe_groups(struct request *request);
enum step handle_describe_log_dirs(struct request *request);
enum step handle_describe_producers(struct request *request);
enum step handle_describe_quorum(struct request *request);
enum step handle_describe_topic_partitions(struct request *request);
enum step handle_elect_leaders(struct request *request);
enum step handle_fetch(struct request *request);
enum step handle_find_coordinator(struct request *request);
enum step handle_heartbeat(struct request *request);
enum step handle_incremental_alter_configs(struct request *request);
enum step handle_init_producer_id(struct request *request);
enum step handle_join_group(struct request *request);
enum step handle_leave_group(struct request *request);
enum step handle_list_config_resources(struct request *request);
enum step handle_list_groups(struct request *request);
enum step handle_list_offsets(struct request *request);
enum step handle_list_partition_reassignments(struct request *request);
enum step handle_metadata(struct request *request);
enum step handle_offset_commit(struct request *request);
enum step handle_offset_delete(struct request *request);
enum step handle_offset_fetch(struct request *request);
enum step handle_offset_for_leader_epoch(struct request *request);
enum step handle_produce(struct request *request);
enum step handle_sync_group(struct request *request);
enum step handle_unregister_broker(struct request *request);
enum step handle_update_features(struct request *request);
