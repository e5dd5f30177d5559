/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/requests.h"

#include <assert.h>

#include "sim/actor.h"
#include "wire/gen/create_topics.h"
#include "wire/schema.h"

enum { SETTINGS_MOST = 16 };

void one_fetch_init(struct one_fetch *one, struct str topic)
{
    message_defaults(&fetch_request_schema, &one->request);
    shape_set_defaults(&fetch_topic_shape, &one->topic);
    shape_set_defaults(&fetch_partition_shape, &one->partition);
    one->topic.topic = topic;
    one->topic.partitions = &one->partition;
    one->topic.partitions_count = 1;
    one->request.replica_id = -1;
    one->request.topics = &one->topic;
    one->request.topics_count = 1;
    one->request.rack_id = STR("");
}

void one_list_offsets_init(struct one_list_offsets *one, struct str topic)
{
    message_defaults(&list_offsets_request_schema, &one->request);
    shape_set_defaults(&list_offsets_topic_shape, &one->topic);
    shape_set_defaults(&list_offsets_partition_shape, &one->partition);
    one->topic.name = topic;
    one->topic.partitions = &one->partition;
    one->topic.partitions_count = 1;
    one->request.replica_id = -1;
    one->request.topics = &one->topic;
    one->request.topics_count = 1;
}

void one_epoch_end_init(struct one_epoch_end *one, struct str topic)
{
    message_defaults(&offset_for_leader_epoch_request_schema, &one->request);
    shape_set_defaults(&offset_for_leader_epoch_offset_for_leader_topic_shape, &one->topic);
    shape_set_defaults(&offset_for_leader_epoch_offset_for_leader_partition_shape, &one->partition);
    one->topic.topic = topic;
    one->topic.partitions = &one->partition;
    one->topic.partitions_count = 1;
    one->request.replica_id = -1;
    one->request.topics = &one->topic;
    one->request.topics_count = 1;
}

void request_topic(struct actor *actor, const char *name, const char *const settings[][2], int count)
{
    struct create_topics_creatable_topic wish;
    struct create_topics_creatable_topic_config configs[SETTINGS_MOST];
    struct create_topics_request request;
    assert(count <= SETTINGS_MOST);
    message_defaults(&create_topics_request_schema, &request);
    shape_set_defaults(&create_topics_creatable_topic_shape, &wish);
    for (int i = 0; i < count; i++) {
        shape_set_defaults(&create_topics_creatable_topic_config_shape, &configs[i]);
        configs[i].name = str_from(settings[i][0]);
        configs[i].value = str_from(settings[i][1]);
    }
    wish.name = str_from(name);
    wish.num_partitions = 1;
    wish.replication_factor = 1;
    wish.configs = configs;
    wish.configs_count = count;
    request.topics = &wish;
    request.topics_count = 1;
    request.timeout_ms = 5000;
    actor_ask(actor, API_CREATE_TOPICS, 0, INT16_MAX, &request);
}
