/* SPDX-License-Identifier: Apache-2.0 */
#include "replica/quorum.h"

#include <time.h>

#include "metadata/apply.h"
#include "unit/storage/store.h"
#include "wire/gen/allocate_producer_ids.h"
#include "wire/gen/broker_heartbeat.h"
#include "wire/gen/broker_registration.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/delete_topics.h"
#include "metadata/feature.h"
#include "wire/schema.h"

/* A node's control loop, as far as the quorum is concerned. */
struct desk {
    struct store store;
    struct quorum *quorum;
    struct quorum_settings settings;
    const struct image *image;
    int publish_count, failure_count;
    struct arena arena;
    bool done;
    enum error error;
    int64_t broker_epoch;
};

struct call {
    struct controller_request wish;
    struct desk *desk;
};

static void publish(void *context, const struct image *image)
{
    struct desk *desk = context;
    assert_true(desk->image == NULL || desk->image->offset <= image->offset);
    image_unref(desk->image);
    desk->image = image_ref(image);
    desk->publish_count++;
}

static void leader_changed(void *context, int32_t leader_id, int32_t epoch)
{
    (void)context, (void)leader_id, (void)epoch;
}

static void failed(void *context, const char *reason, int status)
{
    struct desk *desk = context;
    print_error("%s (%d)\n", reason, status);
    desk->failure_count++;
}

static void open_quorum(struct desk *desk)
{
    desk->settings = (struct quorum_settings){
        .flusher = desk->store.flusher,
        .node_id = 1,
        .segment_bytes = 1 << 30,
        .segment_ms = 7 * 86400000LL,
        .retention_bytes = desk->settings.retention_bytes != 0 ? desk->settings.retention_bytes : -1,
        .retention_ms = -1,
        .snapshot_bytes = desk->settings.snapshot_bytes != 0 ? desk->settings.snapshot_bytes : 20 << 20,
        .snapshot_ms = 3600000,
        .election_timeout_ms = 1000,
        .election_backoff_max_ms = 1000,
        .fetch_timeout_ms = 2000,
        .controller = { .cluster_id = STR("test"),
                        .default_partition_count = 1,
                        .default_replication_factor = 1,
                        .min_insync_replicas = 1,
                        .delete_topic_enable = true },
    };
    struct quorum_hooks hooks = { desk, publish, leader_changed, failed };
    assert_int_equal(quorum_open(&desk->settings, &hooks, &desk->quorum), 0);
    while (!quorum_leads(desk->quorum))
        assert_true(loop_turn(desk->store.loop));
}

static void desk_create(struct desk *desk)
{
    *desk = (struct desk){ 0 };
    arena_init(&desk->arena);
    store_create(&desk->store);
    const struct quorum_endpoint endpoint = { "CONTROLLER", "127.0.0.1", 9093 };
    const struct quorum_voter voter = { 1, log_dir_identity(desk->store.dir)->directory_id, &endpoint, 1 };
    const struct quorum_format format = { .directory = desk->store.path, .kraft_version = 1, .voters = &voter,
                                          .voter_count = 1 };
    const char *reason;
    assert_int_equal(quorum_format(desk->store.io, &format, &reason), 0);
    store_stop(&desk->store, NULL, 0);
    store_open(&desk->store, desk->store.path);
    open_quorum(desk);
}

static void desk_stop(struct desk *desk)
{
    struct store *store = &desk->store;
    flusher_stop(store->flusher, &store->task);
    store_wait(store);
    quorum_close(desk->quorum);
    image_unref(desk->image);
    desk->image = NULL;
    flusher_destroy(store->flusher);
    loop_enqueue(store->loop, &store->task);
    loop_stop(store->loop);
    while (loop_turn(store->loop))
        continue;
    store->flag = false;
    assert_int_equal(log_dir_close(store->dir, desk->broker_epoch), 0);
    loop_destroy(store->loop);
    io_destroy(store->io);
    assert_int_equal(desk->failure_count, 0);
}

static void desk_restart(struct desk *desk)
{
    desk_stop(desk);
    store_open(&desk->store, desk->store.path);
    open_quorum(desk);
}

static void desk_destroy(struct desk *desk)
{
    desk_stop(desk);
    store_remove(&desk->store);
    arena_deinit(&desk->arena);
}

static void called(struct rsm_request *request, enum error error)
{
    struct call *call = container_of(request, struct call, wish.rsm);
    call->desk->done = true;
    call->desk->error = error;
}

static void call(struct desk *desk, enum controller_request_type type, const void *request, void *response)
{
    struct call call = { .desk = desk,
                         .wish = { .type = type, .request = request, .response = response,
                                   .rsm = { .arena = &desk->arena, .done = called } } };
    desk->done = false;
    quorum_submit(desk->quorum, &call.wish);
    while (!desk->done)
        assert_true(loop_turn(desk->store.loop));
    assert_int_equal(desk->error, ERROR_NONE);
}

static void register_broker(struct desk *desk, int64_t previous_epoch)
{
    struct broker_registration_request request;
    struct broker_registration_response response;
    struct broker_registration_feature features[16] = { 0 };
    struct broker_registration_listener listener = { .name = STR("PLAINTEXT"), .host = STR("localhost"), .port = 9092 };
    struct uuid directory_id = log_dir_identity(desk->store.dir)->directory_id;
    message_defaults(&broker_registration_request_schema, &request);
    message_defaults(&broker_registration_response_schema, &response);
    for (int32_t i = 0; i < feature_range_count; i++) {
        features[i].name = str_from(feature_ranges[i].name);
        features[i].min_supported_version = feature_ranges[i].min;
        features[i].max_supported_version = feature_ranges[i].max;
    }
    request.broker_id = 1;
    request.cluster_id = STR("test");
    io_random(desk->store.io, request.incarnation_id.bytes, 16);
    request.listeners = &listener;
    request.listeners_count = 1;
    request.features = features;
    request.features_count = feature_range_count;
    request.log_dirs = &directory_id;
    request.log_dirs_count = 1;
    request.previous_broker_epoch = previous_epoch;
    call(desk, CONTROLLER_REGISTER_BROKER, &request, &response);
    assert_int_equal(response.error_code, ERROR_NONE);
    desk->broker_epoch = response.broker_epoch;
    assert_true(image_broker(desk->image, 1)->fenced);
}

static void heartbeat(struct desk *desk, bool want_shut_down)
{
    struct broker_heartbeat_request request;
    struct broker_heartbeat_response response;
    message_defaults(&broker_heartbeat_request_schema, &request);
    message_defaults(&broker_heartbeat_response_schema, &response);
    request.broker_id = 1;
    request.broker_epoch = desk->broker_epoch;
    request.current_metadata_offset = desk->image->offset;
    request.want_shut_down = want_shut_down;
    request.cordoned_log_dirs_count = 0;
    call(desk, CONTROLLER_HEARTBEAT, &request, &response);
    assert_int_equal(response.error_code, ERROR_NONE);
    assert_int_equal(response.should_shut_down, want_shut_down);
}

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

static void add_record(void *context, struct bytes record)
{
    struct buffer **all = context;
    struct buffer *grown = buffer_create((*all)->size + record.size);
    memcpy(grown->data, (*all)->data, (*all)->size);
    memcpy(grown->data + (*all)->size, record.data, record.size);
    grown->size = (*all)->size + record.size;
    buffer_unref(*all);
    *all = grown;
}

/* Every record of a snapshot of the image, one behind the other. */
static struct buffer *records_of(const struct image *image)
{
    struct buffer *all = buffer_create(1);
    struct arena scratch;
    arena_init(&scratch);
    image_snapshot(image, &scratch, add_record, &all);
    arena_deinit(&scratch);
    return all;
}

static void assert_same_image(struct buffer *a, const struct image *image)
{
    struct buffer *b = records_of(image);
    assert_int_equal(a->size, b->size);
    assert_memory_equal(a->data, b->data, a->size);
    buffer_unref(a);
    buffer_unref(b);
}

/* A formatted directory becomes a cluster with Kafka's first records, and one node leads it. */
void test_quorum__of_one_leads_and_writes_the_first_records(void)
{
    struct desk desk;
    desk_create(&desk);
    assert_int_equal(quorum_leader(desk.quorum), 1);
    assert_int_equal(quorum_epoch(desk.quorum), 1);
    assert_int_equal(quorum_kraft_version(desk.quorum), 1);
    assert_int_equal(quorum_high_watermark(desk.quorum), 12); /* 3 control records, begin, 6 levels, setting, end */
    assert_int_equal(image_feature(desk.image, STR("metadata.version")), 33);
    assert_int_equal(image_feature(desk.image, STR("streams.version")), 1);
    assert_int_equal(image_feature(desk.image, STR("share.version")), 2);
    assert_true(str_is(image_setting(desk.image, SCOPE_BROKER, STR(""), STR("min.insync.replicas")), "1"));
    desk_restart(&desk);
    assert_int_equal(quorum_epoch(desk.quorum), 2);
    assert_int_equal(quorum_high_watermark(desk.quorum), 13);
    assert_int_equal(image_feature(desk.image, STR("metadata.version")), 33);
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
    assert_true(str_is(image_setting(desk.image, SCOPE_TOPIC, STR("some.topic"), STR("retention.ms")), "1234"));

    struct allocate_producer_ids_request ids = { .broker_id = 1, .broker_epoch = desk.broker_epoch };
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

/* KIP-966 on one node: a controlled stop leaves no leader and an eligible one; the return is two epochs later. */
void test_quorum__moves_leader_epochs_by_two_at_a_restart(void)
{
    struct desk desk;
    desk_create(&desk);
    register_broker(&desk, -1);
    heartbeat(&desk, false);
    assert_int_equal(create_topic(&desk, STR("topic"), 1), ERROR_NONE);
    heartbeat(&desk, true);
    const struct image_partition *partition = image_partition(image_topic_by_name(desk.image, STR("topic")), 0);
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
    struct delete_topics_delete_topic_state states[2] = { { .name = STR("topic-7") }, { .name = STR("topic-7000") } };
    struct delete_topics_request request = { .topics = states, .topics_count = 2, .topic_names_count = -1 };
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
        struct create_topics_request request = { .topics = topics, .topics_count = BUNDLE };
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
