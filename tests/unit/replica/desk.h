/* SPDX-License-Identifier: Apache-2.0 */
/* A control loop with a quorum of one on it, for tests; the loop is turned by hand. */
#pragma once
#include "metadata/apply.h"
#include "metadata/feature.h"
#include "replica/quorum.h"
#include "unit/storage/store.h"
#include "wire/gen/broker_heartbeat.h"
#include "wire/gen/broker_registration.h"
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
    struct uuid other_directory_id; /* of a second log directory; zero: none */
    struct sim *sim;                /* of a simulated world; NULL: the loop is turned by hand */
    void (*turn)(struct desk *desk);
};

static inline void desk_turn(struct desk *desk)
{
    if (desk->turn != NULL)
        desk->turn(desk);
    else
        assert_true(loop_turn(desk->store.loop));
}

struct call {
    struct controller_request wish;
    struct desk *desk;
};

static inline void publish(void *context, const struct image *image)
{
    struct desk *desk = context;
    assert_true(desk->image == NULL || desk->image->offset <= image->offset);
    image_unref(desk->image);
    desk->image = image_ref(image);
    desk->publish_count++;
}

static inline void leader_changed(void *context, int32_t leader_id, int32_t epoch)
{
    (void)context, (void)leader_id, (void)epoch;
}

static inline void failed(void *context, const char *reason, int status)
{
    struct desk *desk = context;
    print_error("%s (%d)\n", reason, status);
    desk->failure_count++;
}

static inline void open_quorum(struct desk *desk)
{
    static const struct quorum_voter static_voter = { .id = 1 };
    desk->settings = (struct quorum_settings){
        .flusher = desk->store.flusher,
        .node_id = 1,
        .voters = &static_voter, /* counts for kraft.version 0 only */
        .voter_count = 1,
        .segment_bytes = 1 << 30,
        .segment_ms = 7 * 86400000LL,
        .retention_bytes =
            desk->settings.retention_bytes != 0 ? desk->settings.retention_bytes : -1,
        .retention_ms = -1,
        .snapshot_bytes =
            desk->settings.snapshot_bytes != 0 ? desk->settings.snapshot_bytes : 20 << 20,
        .snapshot_ms = desk->settings.snapshot_ms != 0 ? desk->settings.snapshot_ms : 3600000,
        .election_timeout_ms = 1000,
        .election_backoff_max_ms = 1000,
        .fetch_timeout_ms = 2000,
        .controller = { .cluster_id = str_from(log_dir_identity(desk->store.dir)->cluster_id),
            .default_partition_count = 1,
            .default_replication_factor = 1,
            .min_insync_replicas = 1,
            .delete_topic_enable = true },
    };
    struct quorum_hooks hooks = { desk, publish, leader_changed, failed };
    assert_int_equal(quorum_open(&desk->settings, &hooks, &desk->quorum), 0);
    if (desk->sim == NULL)
        while (!quorum_leads(desk->quorum))
            desk_turn(desk);
}

static inline void desk_create_as(
    struct desk *desk, int16_t metadata_version, int16_t kraft_version)
{
    *desk = (struct desk){ 0 };
    arena_init(&desk->arena);
    store_create(&desk->store);
    const struct quorum_endpoint endpoint = { "CONTROLLER", "127.0.0.1", 9093 };
    const struct quorum_voter voter = { 1, log_dir_identity(desk->store.dir)->directory_id,
        &endpoint, 1 };
    const struct quorum_format format = { .directory = desk->store.path,
        .metadata_version = metadata_version,
        .kraft_version = kraft_version,
        .voters = &voter,
        .voter_count = 1 };
    const char *reason;
    assert_int_equal(quorum_format(desk->store.io, &format, &reason), 0);
    store_stop(&desk->store, NULL, 0);
    store_open(&desk->store, desk->store.path);
    open_quorum(desk);
}

static inline void desk_create(struct desk *desk)
{
    desk_create_as(desk, 0, 1);
}

static inline void desk_stop(struct desk *desk)
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

static inline void desk_restart(struct desk *desk)
{
    desk_stop(desk);
    store_open(&desk->store, desk->store.path);
    open_quorum(desk);
}

static inline void desk_destroy(struct desk *desk)
{
    desk_stop(desk);
    store_remove(&desk->store);
    arena_deinit(&desk->arena);
}

static inline void called(struct rsm_request *request, enum error error)
{
    struct call *call = container_of(request, struct call, wish.rsm);
    call->desk->done = true;
    call->desk->error = error;
}

static inline void call(
    struct desk *desk, enum controller_request_type type, const void *request, void *response)
{
    struct call call = { .desk = desk,
        .wish = { .type = type,
            .request = request,
            .response = response,
            .rsm = { .arena = &desk->arena, .done = called } } };
    desk->done = false;
    quorum_submit(desk->quorum, &call.wish);
    while (!desk->done)
        desk_turn(desk);
    assert_int_equal(desk->error, ERROR_NONE);
}

static inline void register_broker(struct desk *desk, int64_t previous_epoch)
{
    struct broker_registration_request request;
    struct broker_registration_response response;
    struct broker_registration_feature features[16] = { 0 };
    struct broker_registration_listener listener = {
        .name = STR("PLAINTEXT"), .host = STR("localhost"), .port = 9092
    };
    struct uuid directory_ids[2] = { log_dir_identity(desk->store.dir)->directory_id,
        desk->other_directory_id };
    message_defaults(&broker_registration_request_schema, &request);
    message_defaults(&broker_registration_response_schema, &response);
    for (int32_t i = 0; i < feature_range_count; i++) {
        features[i].name = str_from(feature_ranges[i].name);
        features[i].min_supported_version = feature_ranges[i].min;
        features[i].max_supported_version = feature_ranges[i].max;
    }
    request.broker_id = 1;
    request.cluster_id = desk->settings.controller.cluster_id;
    io_random(desk->store.io, request.incarnation_id.bytes, 16);
    request.listeners = &listener;
    request.listeners_count = 1;
    request.features = features;
    request.features_count = feature_range_count;
    request.log_dirs = directory_ids;
    request.log_dirs_count = uuid_is_zero(desk->other_directory_id) ? 1 : 2;
    request.previous_broker_epoch = previous_epoch;
    call(desk, CONTROLLER_REGISTER_BROKER, &request, &response);
    assert_int_equal(response.error_code, ERROR_NONE);
    desk->broker_epoch = response.broker_epoch;
    assert_true(image_broker(desk->image, 1)->fenced);
}

static inline void heartbeat(struct desk *desk, bool want_shut_down)
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

static inline void add_record(void *context, struct bytes record)
{
    struct buffer **all = context;
    if ((*all)->capacity - (*all)->size < record.size) {
        struct buffer *grown = buffer_create(2 * ((*all)->size + record.size));
        memcpy(grown->data, (*all)->data, (*all)->size);
        grown->size = (*all)->size;
        buffer_unref(*all);
        *all = grown;
    }
    memcpy((*all)->data + (*all)->size, record.data, record.size);
    (*all)->size += record.size;
}

/* Every record of a snapshot of the image, one behind the other. */
static inline struct buffer *records_of(const struct image *image)
{
    struct buffer *all = buffer_create(1);
    struct arena scratch;
    arena_init(&scratch);
    image_snapshot(image, &scratch, add_record, &all);
    arena_deinit(&scratch);
    return all;
}

static inline void assert_same_image(struct buffer *a, const struct image *image)
{
    struct buffer *b = records_of(image);
    assert_int_equal(a->size, b->size);
    assert_memory_equal(a->data, b->data, a->size);
    buffer_unref(a);
    buffer_unref(b);
}
