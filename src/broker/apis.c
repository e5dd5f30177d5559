/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/apis.h"

#include "wire/schema.h"

#include "wire/gen/alter_client_quotas.h"
#include "wire/gen/alter_configs.h"
#include "wire/gen/alter_partition_reassignments.h"
#include "wire/gen/alter_replica_log_dirs.h"
#include "wire/gen/api_versions.h"
#include "wire/gen/consumer_group_describe.h"
#include "wire/gen/consumer_group_heartbeat.h"
#include "wire/gen/create_partitions.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/delete_groups.h"
#include "wire/gen/delete_records.h"
#include "wire/gen/delete_topics.h"
#include "wire/gen/describe_client_quotas.h"
#include "wire/gen/describe_cluster.h"
#include "wire/gen/describe_configs.h"
#include "wire/gen/describe_groups.h"
#include "wire/gen/describe_log_dirs.h"
#include "wire/gen/describe_producers.h"
#include "wire/gen/describe_quorum.h"
#include "wire/gen/describe_topic_partitions.h"
#include "wire/gen/elect_leaders.h"
#include "wire/gen/fetch.h"
#include "wire/gen/find_coordinator.h"
#include "wire/gen/heartbeat.h"
#include "wire/gen/incremental_alter_configs.h"
#include "wire/gen/init_producer_id.h"
#include "wire/gen/join_group.h"
#include "wire/gen/leave_group.h"
#include "wire/gen/list_config_resources.h"
#include "wire/gen/list_groups.h"
#include "wire/gen/list_offsets.h"
#include "wire/gen/list_partition_reassignments.h"
#include "wire/gen/metadata.h"
#include "wire/gen/offset_commit.h"
#include "wire/gen/offset_delete.h"
#include "wire/gen/offset_fetch.h"
#include "wire/gen/offset_for_leader_epoch.h"
#include "wire/gen/produce.h"
#include "wire/gen/sync_group.h"
#include "wire/gen/unregister_broker.h"
#include "wire/gen/update_features.h"

#define BOTH (API_ON_BROKER | API_ON_CONTROLLER)
#define ROW(api_key, from, to, where, name) \
    .key = (api_key), .version_min = (from), .version_max = (to), .listeners = (where), \
    .request = &name##_request_schema, .response = &name##_response_schema, .handle = handle_##name

/* Ascending by key. What reads the image waits for what changes it and came before on its connection. */
const struct api apis[] = {
    { ROW(API_PRODUCE, 3, 13, API_ON_BROKER, produce), .reads_image = true },
    { ROW(API_FETCH, 4, 18, API_ON_BROKER, fetch), .reads_image = true },
    { ROW(API_LIST_OFFSETS, 1, 11, API_ON_BROKER, list_offsets), .reads_image = true },
    { ROW(API_METADATA, 0, 13, API_ON_BROKER, metadata), .reads_image = true },
    { ROW(API_OFFSET_COMMIT, 2, 10, API_ON_BROKER, offset_commit), .reads_image = true },
    { ROW(API_OFFSET_FETCH, 1, 10, API_ON_BROKER, offset_fetch), .reads_image = true },
    { ROW(API_FIND_COORDINATOR, 0, 6, API_ON_BROKER, find_coordinator), .reads_image = true },
    { ROW(API_JOIN_GROUP, 0, 9, API_ON_BROKER, join_group), .reads_image = true },
    { ROW(API_HEARTBEAT, 0, 4, API_ON_BROKER, heartbeat), .reads_image = true },
    { ROW(API_LEAVE_GROUP, 0, 5, API_ON_BROKER, leave_group), .reads_image = true },
    { ROW(API_SYNC_GROUP, 0, 5, API_ON_BROKER, sync_group), .reads_image = true },
    { ROW(API_DESCRIBE_GROUPS, 0, 6, API_ON_BROKER, describe_groups), .reads_image = true },
    { ROW(API_LIST_GROUPS, 0, 5, API_ON_BROKER, list_groups), .reads_image = true },
    { ROW(API_API_VERSIONS, 0, 5, BOTH, api_versions) },
    { ROW(API_CREATE_TOPICS, 2, 7, BOTH, create_topics), .changes_image = true },
    { ROW(API_DELETE_TOPICS, 1, 6, BOTH, delete_topics), .changes_image = true },
    { ROW(API_DELETE_RECORDS, 0, 2, API_ON_BROKER, delete_records), .reads_image = true },
    { ROW(API_INIT_PRODUCER_ID, 0, 5, API_ON_BROKER, init_producer_id) },
    { ROW(API_OFFSET_FOR_LEADER_EPOCH, 2, 4, API_ON_BROKER, offset_for_leader_epoch), .reads_image = true },
    { ROW(API_DESCRIBE_CONFIGS, 1, 4, BOTH, describe_configs), .reads_image = true },
    { ROW(API_ALTER_CONFIGS, 0, 2, BOTH, alter_configs), .changes_image = true },
    { ROW(API_ALTER_REPLICA_LOG_DIRS, 1, 2, API_ON_BROKER, alter_replica_log_dirs), .reads_image = true },
    { ROW(API_DESCRIBE_LOG_DIRS, 1, 5, API_ON_BROKER, describe_log_dirs), .reads_image = true },
    { ROW(API_CREATE_PARTITIONS, 0, 3, BOTH, create_partitions), .changes_image = true },
    { ROW(API_DELETE_GROUPS, 0, 3, API_ON_BROKER, delete_groups), .reads_image = true },
    { ROW(API_ELECT_LEADERS, 0, 2, BOTH, elect_leaders), .changes_image = true },
    { ROW(API_INCREMENTAL_ALTER_CONFIGS, 0, 1, BOTH, incremental_alter_configs), .changes_image = true },
    { ROW(API_ALTER_PARTITION_REASSIGNMENTS, 0, 1, BOTH, alter_partition_reassignments), .changes_image = true },
    { ROW(API_LIST_PARTITION_REASSIGNMENTS, 0, 0, BOTH, list_partition_reassignments), .reads_image = true },
    { ROW(API_OFFSET_DELETE, 0, 0, API_ON_BROKER, offset_delete), .reads_image = true },
    { ROW(API_DESCRIBE_CLIENT_QUOTAS, 0, 1, API_ON_BROKER, describe_client_quotas), .reads_image = true },
    { ROW(API_ALTER_CLIENT_QUOTAS, 0, 1, BOTH, alter_client_quotas), .changes_image = true },
    { ROW(API_DESCRIBE_QUORUM, 0, 2, BOTH, describe_quorum) },
    { ROW(API_UPDATE_FEATURES, 0, 2, BOTH, update_features), .changes_image = true },
    { ROW(API_DESCRIBE_CLUSTER, 0, 2, BOTH, describe_cluster), .reads_image = true },
    { ROW(API_DESCRIBE_PRODUCERS, 0, 0, API_ON_BROKER, describe_producers), .reads_image = true },
    { ROW(API_UNREGISTER_BROKER, 0, 0, BOTH, unregister_broker), .changes_image = true },
    { ROW(API_CONSUMER_GROUP_HEARTBEAT, 0, 1, API_ON_BROKER, consumer_group_heartbeat), .reads_image = true },
    { ROW(API_CONSUMER_GROUP_DESCRIBE, 0, 1, API_ON_BROKER, consumer_group_describe), .reads_image = true },
    { ROW(API_LIST_CONFIG_RESOURCES, 0, 1, API_ON_BROKER, list_config_resources), .reads_image = true },
    { ROW(API_DESCRIBE_TOPIC_PARTITIONS, 0, 0, API_ON_BROKER, describe_topic_partitions), .reads_image = true },
};
const int api_count = (int)(sizeof(apis) / sizeof(apis[0]));

const struct api *api_find(int16_t key, unsigned listener)
{
    for (int i = 0; i < api_count; i++)
        if (apis[i].key == key)
            return (apis[i].listeners & listener) != 0 ? &apis[i] : NULL;
    return NULL;
}
