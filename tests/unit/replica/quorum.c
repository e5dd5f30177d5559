/* SPDX-License-Identifier: Apache-2.0 */
#include "replica/quorum.h"

#include <time.h>

#include "replica/quorum_parts.h"
#include "replica/quorum_snapshot.h"
#include "unit/replica/desk.h"
#include "wire/gen/allocate_producer_ids.h"
#include "wire/gen/assign_replicas_to_dirs.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/delete_topics.h"
#include "wire/gen/update_features.h"

static enum error create_topic(struct desk *desk, struct str name, int32_t partition_count)
{
    struct create_topics_creatable_topic topic;
    struct create_topics_request request;
    struct create_topics_response response;
    struct create_topics_creatable_topic_config config = { STR("retention.ms"), STR("1234") };
    shape_set_defaults(&create_topics_creatable_topic_shape, &topic);
    message_defaults(&create_topics_request_schema, &request);
    message_defaults(&create_topics_response_schema, &response);
    topic.name = name;
    topic.num_partitions = partition_count;
    topic.replication_factor = -1;
    topic.configs = &config;
    topic.configs_count = 1;
    request.topics = &topic;
    request.topics_count = 1;
    call(desk, CONTROLLER_CREATE_TOPICS, &request, &response);
    assert_int_equal(response.topics_count, 1);
    return (enum error)response.topics[0].error_code;
}

/* A formatted directory becomes a cluster with Kafka's first records, and one node leads it. */
void test_quorum__of_one_leads_and_writes_the_first_records(void)
{
    struct desk desk;
    desk_create(&desk);
    assert_int_equal(quorum_leader(desk.quorum), 1);
    assert_int_equal(quorum_epoch(desk.quorum), 1);
    assert_int_equal(quorum_kraft_version(desk.quorum), 1);
    assert_int_equal(quorum_high_watermark(desk.quorum),
        12); /* 3 control records, begin, 6 levels, setting, end */
    assert_int_equal(image_feature(desk.image, STR("metadata.version")), 33);
    assert_int_equal(image_feature(desk.image, STR("streams.version")), 1);
    assert_int_equal(image_feature(desk.image, STR("share.version")), 2);
    assert_true(
        str_is(image_setting(desk.image, SCOPE_BROKER, STR(""), STR("min.insync.replicas")), "1"));
    desk_restart(&desk);
    assert_int_equal(quorum_epoch(desk.quorum), 2);
    assert_int_equal(quorum_high_watermark(desk.quorum), 13);
    assert_int_equal(image_feature(desk.image, STR("metadata.version")), 33);
    desk_destroy(&desk);
}

/* The longest time that may be set is one: with records to be kept, no deadline lies in the past. */
void test_quorum__waits_for_a_snapshot_as_long_as_may_be_said(void)
{
    struct desk desk;
    desk_create(&desk);
    desk.settings.snapshot_ms = INT64_MAX;
    desk_restart(&desk);
    register_broker(&desk, -1);
    assert_true(desk.quorum->bytes_since_snapshot > 0);
    assert_true(!timer_is_set(&desk.quorum->timer) ||
                desk.quorum->timer.entry.key > loop_now_us(desk.store.loop));
    desk_destroy(&desk);
}

/* Topics, ids and a broker's life; after a restart the image is the same, record for record. */
void test_quorum__remembers_what_it_answered(void)
{
    struct desk desk;
    desk_create(&desk);
    assert_int_equal(create_topic(&desk, STR("early"), 1), ERROR_INVALID_REPLICATION_FACTOR);
    register_broker(&desk, -1);
    heartbeat(&desk, false);
    assert_false(image_broker(desk.image, 1)->fenced);
    heartbeat(&desk, false);
    assert_int_equal(image_broker(desk.image, 1)->cordoned_count, 0);
    assert_int_equal(create_topic(&desk, STR("some.topic"), 3), ERROR_NONE);
    assert_int_equal(create_topic(&desk, STR("some.topic"), 3), ERROR_TOPIC_ALREADY_EXISTS);
    assert_int_equal(create_topic(&desk, STR("some_topic"), 3), ERROR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(create_topic(&desk, STR("no partitions"), 0), ERROR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(create_topic(&desk, STR("zero"), 0), ERROR_INVALID_PARTITIONS);
    const struct image_topic *topic = image_topic_by_name(desk.image, STR("some.topic"));
    assert_non_null(topic);
    assert_int_equal(topic->partition_count, 3);
    assert_int_equal(image_partition(topic, 2)->leader, 1);
    assert_true(uuid_equal(image_partition_directory(image_partition(topic, 2), 1),
        log_dir_identity(desk.store.dir)->directory_id));
    assert_true(str_is(
        image_setting(desk.image, SCOPE_TOPIC, STR("some.topic"), STR("retention.ms")), "1234"));

    struct allocate_producer_ids_request ids = { .broker_id = 1,
        .broker_epoch = desk.broker_epoch };
    struct allocate_producer_ids_response block = { 0 };
    call(&desk, CONTROLLER_ALLOCATE_PRODUCER_IDS, &ids, &block);
    assert_int_equal(block.producer_id_start, 0);
    call(&desk, CONTROLLER_ALLOCATE_PRODUCER_IDS, &ids, &block);
    assert_int_equal(block.producer_id_start, 1000);
    assert_int_equal(block.producer_id_len, 1000);

    struct buffer *before = records_of(desk.image);
    image_ref(desk.image);
    const struct image *old_image = desk.image;
    desk_restart(&desk);
    assert_same_image(before, desk.image);
    image_unref(old_image);
    desk_destroy(&desk);
}

/* KIP-966 on one node: a controlled stop leaves no leader and an eligible one; the return is two
 * epochs later. */
void test_quorum__moves_leader_epochs_by_two_at_a_restart(void)
{
    struct desk desk;
    desk_create(&desk);
    register_broker(&desk, -1);
    heartbeat(&desk, false);
    assert_int_equal(create_topic(&desk, STR("topic"), 1), ERROR_NONE);
    heartbeat(&desk, true);
    const struct image_partition *partition =
        image_partition(image_topic_by_name(desk.image, STR("topic")), 0);
    assert_int_equal(partition->leader, -1);
    assert_int_equal(partition->isr.count, 0);
    assert_int_equal(partition->elr.count, 1);
    assert_int_equal(partition->last_known_elr.count, 1);
    assert_int_equal(partition->leader_epoch, 1);
    assert_true(image_broker(desk.image, 1)->in_controlled_shutdown);
    desk_restart(&desk);

    register_broker(&desk, desk.broker_epoch);
    heartbeat(&desk, false);
    partition = image_partition(image_topic_by_name(desk.image, STR("topic")), 0);
    assert_int_equal(partition->leader, 1);
    assert_int_equal(partition->leader_epoch, 2);
    assert_int_equal(partition->isr.count, 1);
    assert_int_equal(partition->elr.count + partition->last_known_elr.count, 0);
    assert_int_equal(partition->leader_recovery_state, 0);
    desk_restart(&desk);

    /* Killed: nobody says that the last epoch ended cleanly. The last known leader leads. */
    register_broker(&desk, -1);
    partition = image_partition(image_topic_by_name(desk.image, STR("topic")), 0);
    assert_int_equal(partition->leader, -1);
    assert_int_equal(partition->elr.count, 0);
    heartbeat(&desk, false);
    partition = image_partition(image_topic_by_name(desk.image, STR("topic")), 0);
    assert_int_equal(partition->leader, 1);
    assert_int_equal(partition->leader_epoch, 4);
    assert_int_equal(partition->leader_recovery_state, 0); /* alone: nobody to recover from */
    desk_destroy(&desk);
}

/* kraft.version 0 and an older metadata.version: static voters, the older quorum-state, the older
 * record versions. */
void test_quorum__writes_an_older_cluster_as_it_was(void)
{
    struct desk desk;
    desk_create_as(&desk, 14, 0); /* 3.6-IV2 */
    assert_int_equal(quorum_kraft_version(desk.quorum), 0);
    assert_int_equal(
        quorum_high_watermark(desk.quorum), 4); /* leader change, begin, metadata.version, end */
    assert_int_equal(image_feature(desk.image, STR("metadata.version")), 14);
    assert_int_equal(desk.image->features.count, 1);
    assert_int_equal(desk.image->settings.count, 0);
    register_broker(&desk, -1);
    heartbeat(&desk, false);
    assert_int_equal(image_broker(desk.image, 1)->directory_count, 0);
    assert_int_equal(create_topic(&desk, STR("topic"), 2), ERROR_NONE);
    const struct image_partition *partition =
        image_partition(image_topic_by_name(desk.image, STR("topic")), 1);
    assert_null(partition->directories);
    heartbeat(&desk, true);
    partition = image_partition(image_topic_by_name(desk.image, STR("topic")), 1);
    assert_int_equal(partition->leader, -1);
    assert_int_equal(
        partition->isr.count, 1); /* without eligible leaders the last of the ISR stays in it */
    desk_restart(&desk);
    register_broker(&desk, desk.broker_epoch);
    heartbeat(&desk, false);
    partition = image_partition(image_topic_by_name(desk.image, STR("topic")), 1);
    assert_int_equal(partition->leader, 1);
    assert_int_equal(partition->leader_epoch, 2);
    desk_destroy(&desk);
}

static int16_t upgrade_kraft(struct desk *desk, bool validate_only)
{
    struct update_features_feature_update_key key = {
        .feature = STR("kraft.version"), .max_version_level = 1, .upgrade_type = 1
    };
    struct update_features_request request = { .timeout_ms = 1000,
        .feature_updates = &key,
        .feature_updates_count = 1,
        .validate_only = validate_only };
    struct update_features_response response = { 0 };
    call(desk, CONTROLLER_UPDATE_FEATURES, &request, &response);
    return response.error_code;
}

/* Static voters are taken into the log; that they are is answered when it is durable, and known by
 * the image that is published then. */
void test_quorum__takes_its_static_voters_into_the_log(void)
{
    struct desk desk;
    struct quorum_replica *voters;
    desk_create_as(&desk, 0, 0);
    struct uuid directory_id = log_dir_identity(desk.store.dir)->directory_id;
    int64_t offset = desk.image->offset;
    assert_int_equal(upgrade_kraft(&desk, true), ERROR_NONE);
    assert_int_equal(quorum_kraft_version(desk.quorum), 0);
    assert_int_equal(upgrade_kraft(&desk, false), ERROR_NONE);
    assert_int_equal(quorum_kraft_version(desk.quorum), 1);
    assert_int_equal(desk.image->offset, offset + 2);
    assert_int_equal(upgrade_kraft(&desk, false), ERROR_NONE);
    assert_int_equal(quorum_high_watermark(desk.quorum), offset + 2);
    assert_int_equal(quorum_list_voters(desk.quorum, &desk.arena, &voters), 1);
    assert_true(uuid_equal(voters[0].directory_id, directory_id));
    desk_restart(&desk);
    assert_int_equal(quorum_kraft_version(desk.quorum), 1);
    assert_int_equal(quorum_list_voters(desk.quorum, &desk.arena, &voters), 1);
    assert_true(uuid_equal(voters[0].directory_id, directory_id));
    desk_destroy(&desk);
}

/* Snapshots are taken, and the state comes back from the newest of them and the log behind it. */
void test_quorum__comes_back_from_a_snapshot(void)
{
    struct desk desk;
    desk.settings = (struct quorum_settings){ 0 };
    desk_create(&desk);
    desk.settings.snapshot_bytes = 20000;
    desk.settings.retention_bytes = 100000;
    desk_restart(&desk);
    register_broker(&desk, -1);
    heartbeat(&desk, false);
    char name[32];
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof(name), "topic-%d", i);
        assert_int_equal(create_topic(&desk, str_from(name), 3), ERROR_NONE);
    }
    struct delete_topics_delete_topic_state states[2] = { { .name = STR("topic-7") },
        { .name = STR("topic-7000") } };
    struct delete_topics_request request = {
        .timeout_ms = 1000, .topics = states, .topics_count = 2, .topic_names_count = -1
    };
    struct delete_topics_response response = { 0 };
    call(&desk, CONTROLLER_DELETE_TOPICS, &request, &response);
    assert_int_equal(response.responses[0].error_code, ERROR_NONE);
    assert_int_equal(response.responses[1].error_code, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_null(image_topic_by_name(desk.image, STR("topic-7")));
    struct buffer *before = records_of(desk.image);
    desk.settings.snapshot_bytes = 20000;
    desk.settings.retention_bytes = 100000;
    desk_restart(&desk);
    assert_int_equal(image_topic_count(desk.image), 299);
    assert_same_image(before, desk.image);
    assert_true(desk.image->offset > 1500);
    desk_destroy(&desk);
}

/* A damaged snapshot is passed over: the log still tells all of it, or an older one and the log
 * behind that. */
void test_quorum__passes_over_a_damaged_snapshot(void)
{
    struct desk desk;
    char name[32], path[400];
    desk_create(&desk);
    desk.settings.snapshot_bytes = 4000;
    desk_restart(&desk);
    register_broker(&desk, -1);
    heartbeat(&desk, false);
    for (int i = 0; i < 60; i++) {
        snprintf(name, sizeof(name), "topic-%d", i);
        assert_int_equal(create_topic(&desk, str_from(name), 1), ERROR_NONE);
    }
    struct buffer *before = records_of(desk.image);
    desk_stop(&desk);

    struct snapshot_list list;
    char directory[300];
    struct io *io = io_create(1);
    snprintf(directory, sizeof(directory), "%s/__cluster_metadata-0", desk.store.path);
    assert_int_equal(snapshot_list_load(io, directory, &list), 0);
    assert_true(list.count >= 3);
    for (int i = 1; i <= 2; i++) { /* one cut, one with a changed byte */
        struct file *file;
        snapshot_path(directory, list.ids[list.count - i], "", path, sizeof(path));
        assert_int_equal(file_open(io, path, FILE_WRITE, &file), 0);
        if (i == 1)
            assert_int_equal(file_truncate(file, file_size(file) - 20), 0);
        else
            assert_int_equal(file_write_all(file, "?", 1, file_size(file) / 2), 0);
        file_unref(file);
    }
    snapshot_list_deinit(&list);
    io_destroy(io);
    store_open(&desk.store, desk.store.path);
    open_quorum(&desk);
    assert_same_image(before, desk.image);
    desk_destroy(&desk);
}

/* 5,000 partitions in 5,000 topics take less than a second of processor time. */
void test_quorum__creates_five_thousand_partitions_quickly(void)
{
    enum { COUNT = 5000, BUNDLE = 50 };
    struct desk desk;
    struct create_topics_creatable_topic topics[BUNDLE];
    char names[BUNDLE][32];
    desk_create(&desk);
    register_broker(&desk, -1);
    heartbeat(&desk, false);
    clock_t begin = clock();
    for (int first = 0; first < COUNT; first += BUNDLE) {
        struct create_topics_request request = {
            .topics = topics, .topics_count = BUNDLE, .timeout_ms = 1000
        };
        struct create_topics_response response = { 0 };
        for (int i = 0; i < BUNDLE; i++) {
            shape_set_defaults(&create_topics_creatable_topic_shape, &topics[i]);
            snprintf(names[i], sizeof(names[i]), "topic_%d", first + i);
            topics[i].name = str_from(names[i]);
            topics[i].num_partitions = 1;
            topics[i].replication_factor = 1;
        }
        call(&desk, CONTROLLER_CREATE_TOPICS, &request, &response);
        assert_int_equal(response.topics[BUNDLE - 1].error_code, ERROR_NONE);
        arena_reset(&desk.arena);
    }
    double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
    print_message("5,000 partitions: %.3f s of processor time\n", seconds);
    assert_int_equal(image_topic_count(desk.image), COUNT);
    assert_true(seconds < 5); /* a bound that holds with sanitizers, too */
    desk_destroy(&desk);
}

/* What one partition's answer says. */
static enum error assign(struct desk *desk, struct uuid topic_id, struct uuid directory)
{
    struct assign_replicas_to_dirs_request_partition_data partition = { .partition_index = 0 };
    struct assign_replicas_to_dirs_request_topic_data topic = { topic_id, &partition, 1 };
    struct assign_replicas_to_dirs_request_directory_data place = { directory, &topic, 1 };
    struct assign_replicas_to_dirs_request request;
    struct assign_replicas_to_dirs_response response;
    message_defaults(&assign_replicas_to_dirs_request_schema, &request);
    message_defaults(&assign_replicas_to_dirs_response_schema, &response);
    request.broker_id = 1;
    request.broker_epoch = desk->broker_epoch;
    request.directories = &place;
    request.directories_count = 1;
    call(desk, CONTROLLER_ASSIGN_DIRECTORIES, &request, &response);
    assert_int_equal(response.error_code, ERROR_NONE);
    return (enum error)response.directories[0].topics[0].partitions[0].error_code;
}

/* KIP-858: the partition whose only replica is lost has no leader, the other keeps its own; a new
 * start does not change that, and when the replica is found again it leads. */
void test_quorum__takes_the_lead_from_a_lost_replica(void)
{
    struct desk desk;
    desk_create(&desk);
    register_broker(&desk, -1);
    heartbeat(&desk, false);
    assert_int_equal(create_topic(&desk, STR("topic"), 2), ERROR_NONE);
    struct uuid id = image_topic_by_name(desk.image, STR("topic"))->id;
    assert_int_equal(assign(&desk, id, DIRECTORY_LOST), ERROR_NONE);
    const struct image_topic *topic = image_topic_by_name(desk.image, STR("topic"));
    assert_int_equal(image_partition(topic, 0)->leader, -1);
    assert_int_equal(image_partition(topic, 0)->elr.count, 1);
    assert_int_equal(image_partition(topic, 1)->leader, 1);
    heartbeat(&desk, true);
    desk_restart(&desk);

    register_broker(&desk, desk.broker_epoch);
    heartbeat(&desk, false);
    topic = image_topic_by_name(desk.image, STR("topic"));
    assert_int_equal(image_partition(topic, 0)->leader, -1);
    assert_int_equal(image_partition(topic, 1)->leader, 1);
    assert_int_equal(assign(&desk, id, log_dir_identity(desk.store.dir)->directory_id), ERROR_NONE);
    topic = image_topic_by_name(desk.image, STR("topic"));
    assert_int_equal(image_partition(topic, 0)->leader, 1);
    assert_int_equal(image_partition(topic, 0)->isr.count, 1);
    desk_destroy(&desk);
}
