/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/node.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/container.h"
#include "base/memory.h"
#include "base/report.h"
#include "base/status.h"
#include "broker/group_settings.h"
#include "broker/node_parts.h"
#include "broker/own_voter.h"
#include "broker/settings.h"
#include "broker/topic_check.h"
#include "broker/topic_describe.h"
#include "io/io.h"
#include "net/listener.h"
#include "storage/flusher.h"

enum { REASON_SIZE = 512 };

static void open_settings(const struct node_settings *settings, struct log_dir_settings *out)
{
    log_dir_settings_defaults(out);
    out->retention_first_ms = settings->initial_task_delay_ms;
    out->retention_check_ms = settings->retention_check_interval_ms;
    out->cache_bytes = settings->cache_bytes;
    out->dirty_bytes = settings->dirty_bytes / settings->shards + 1; /* never none at all */
}

static bool holds_metadata(const struct node *node, const char *path)
{
    return str_is(node->settings->metadata_log_dir, path);
}

/* A directory that its disk keeps from us is offline from the start, as one that fails later is. */
static int open_directory(struct node *node, const char *path)
{
    struct log_dir_settings settings;
    struct node_directory *directory = &node->directories[node->directory_count];
    char reason[REASON_SIZE] = "";

    open_settings(node->settings, &settings);
    int status = log_dir_open(node->control_shard->loop, path, &settings, &directory->dir, reason, sizeof(reason));
    bool is_offline = log_dir_is_offline(status) && !holds_metadata(node, path);
    if (is_offline) {
        report_error("log_directory_failed", "path=%s reason=\"%s\" consequence=\"its partitions are offline\"", path, reason);
        directory->dir = log_dir_open_offline(node->control_shard->loop, path, &settings, status);
    } else if (status < 0) {
        report_error("log_directory_refused", "path=%s reason=\"%s\"", path, reason);
        return status;
    }
    node->directory_count++;
    node->log_dirs[node->directory_count - 1] = directory->dir;
    directory->node = node;
    directory->index = node->directory_count - 1;
    directory->failed.run = node_directory_failed;
    log_dir_set_failure_task(directory->dir, &directory->failed);
    log_dir_set_forgotten_task(directory->dir, &node->control.release_held);
    return is_offline ? 0 : node_directory_check(node, directory->index);
}

static int require_one(const struct node *node)
{
    int status = 0;

    for (int i = 0; i < node->data_directory_count; i++) {
        status = log_dir_failure(node->log_dirs[i]);
        if (status == 0)
            return 0;
    }
    report_error("log_directories_refused", "directories=%d reason=\"none of them can be used\": the node does not start",
        node->data_directory_count);
    return status;
}

/* The directories of partitions come first; one for metadata alone is behind them. */
static int open_directories(struct node *node)
{
    const struct node_settings *settings = node->settings;
    int count = settings->log_dir_count;
    int status = 0;

    node->directories = memory_take(((size_t)count + 1) * sizeof(*node->directories));
    node->log_dirs = memory_take(((size_t)count + 1) * sizeof(struct log_dir *));
    node->metadata_index = -1;
    for (int i = 0; i < count && status == 0; i++) {
        status = open_directory(node, settings->log_dirs[i].data);
        if (str_equal(settings->log_dirs[i], settings->metadata_log_dir))
            node->metadata_index = i;
    }
    node->data_directory_count = node->directory_count;
    if (status == 0 && node->metadata_index < 0) {
        node->metadata_index = node->directory_count;
        status = open_directory(node, settings->metadata_log_dir.data);
    }
    return status < 0 ? status : require_one(node);
}

static void create_shard(struct node *node, int32_t index, const char *name, struct shard **out_shard)
{
    struct shard_start start = {
        .io = node->io,
        .index = index,
        .name = name,
        .settings = node->settings,
        .shards = &node->shards,
        .control = &node->control,
        .cluster_id = node_cluster_id(node),
        .budget = &node->budget,
        .cleaning_memory = &node->cleaning_memory,
        .group_load = &node->group_load,
        .log_dirs = node->log_dirs,
        .log_dir_count = node->data_directory_count,
        .move_pace = &node->move_pace,
    };

    *out_shard = shard_create(&start);
}

static void create_shards(struct node *node)
{
    for (int32_t i = 0; i < node->shards.count; i++) {
        struct node_shard *part = &node->parts[i];
        snprintf(part->name, sizeof(part->name), "shard-%d", i);
        create_shard(node, i, part->name, &node->shards.list[i]);
        part->node = node;
        part->shard = node->shards.list[i];
    }
    node->control_shard->cluster_id = node_cluster_id(node);
}

/* What the node registers with: to the controller a directory that is not named is offline. */
static void list_directory_ids(struct node *node)
{
    struct uuid *ids = arena_take_array(&node->arena, (size_t)node->data_directory_count, sizeof(*ids));
    int32_t count = 0;

    for (int i = 0; i < node->data_directory_count; i++)
        if (log_dir_failure(node->log_dirs[i]) == 0)
            ids[count++] = log_dir_identity(node->log_dirs[i])->directory_id;
    node->identity.directories = ids;
    node->identity.directory_count = count;
}

/* The epoch that the clean stop of every directory that is not offline names; -1 when one of them did not end cleanly. */
static int64_t previous_epoch(const struct node *node)
{
    int64_t epoch = INT64_MAX;

    for (int i = 0; i < node->data_directory_count; i++) {
        if (log_dir_failure(node->log_dirs[i]) != 0)
            continue;
        if (!log_dir_was_clean(node->log_dirs[i]))
            return -1;
        int64_t here = log_dir_broker_epoch(node->log_dirs[i]);
        epoch = here < epoch ? here : epoch;
    }
    return epoch;
}

static const char *listen_text(int status)
{
    switch (-status) {
    case EADDRINUSE: return "Address already in use: end the process that listens there, or choose another port in listeners";
    case EADDRNOTAVAIL: return "this machine has no such address, or the name has none; name one of its own in listeners";
    case EACCES: return "permission denied; ports below 1024 need the capability CAP_NET_BIND_SERVICE";
    default: return status_text(status);
    }
}

static int bind_listener(struct node *node, int index)
{
    const struct node_listener *wanted = &node->settings->listeners[index];
    struct node_listening *listening = &node->listening[index];
    int count = wanted->is_controller ? 1 : node->shards.count;
    struct listener_options options = {
        .host = wanted->host.data,
        .port = wanted->port,
    };

    listening->targets = arena_take_array(&node->arena, (size_t)count, sizeof(*listening->targets));
    for (int i = 0; i < count; i++) {
        struct shard *shard = wanted->is_controller ? node->control_shard : node->shards.list[i];
        listening->targets[i] = (struct listener_target){ &shard->net, &shard->desks[index].owner };
    }
    node_limit_listener(node, index, &options);
    listening->loop = wanted->is_controller ? node->control_shard->loop : node->shards.list[0]->loop;
    int status = listener_open(listening->loop, &options, listening->targets, count, &listening->listener);
    if (status < 0) {
        report_error("listener_refused", "listener=%s host=%s port=%d reason=\"%s\": the node does not start", wanted->name.data,
            wanted->host.data, wanted->port, listen_text(status));
        return status;
    }
    int port = listener_port(listening->listener);
    listening->endpoint = (struct image_endpoint){
        .name = wanted->name,
        .host = wanted->advertised_host,
        .port = (uint16_t)(wanted->advertised_port > 0 ? wanted->advertised_port : port),
        .security_protocol = (int16_t)wanted->protocol,
    };
    return 0;
}

static int bind_listeners(struct node *node)
{
    int count = node->settings->listener_count;
    struct image_endpoint *broker = arena_take_array(&node->arena, (size_t)count + 1, sizeof(*broker));
    struct image_endpoint *controller = arena_take_array(&node->arena, (size_t)count + 1, sizeof(*controller));
    struct control_identity *identity = &node->identity;

    node->listening = arena_take_array(&node->arena, (size_t)count + 1, sizeof(*node->listening));
    identity->broker_endpoints = broker;
    identity->controller_endpoints = controller;
    for (int i = 0; i < count; i++) {
        int status = bind_listener(node, i);
        if (status < 0)
            return status;
        if (node->settings->listeners[i].is_controller)
            controller[identity->controller_endpoint_count++] = node->listening[i].endpoint;
        else
            broker[identity->broker_endpoint_count++] = node->listening[i].endpoint;
    }
    return 0;
}

static enum error check_settings(void *context, const struct image *image, enum setting_scope scope,
    const struct setting_pair *pairs, int32_t count, struct arena *arena, struct str *out_message)
{
    const struct node *node = context;
    struct setting_view view;

    setting_view_init(&view, node->settings, image, arena);
    return scope == SCOPE_GROUP ? group_settings_check(&view, pairs, count, out_message)
                                : client_metrics_settings_check(&view, pairs, count, out_message);
}

/* What holds for a list is asked without the metadata log, as Kafka's controller does. */
static bool list_setting(void *context, enum setting_scope scope, struct str key, struct arena *arena, struct str *out_unset)
{
    const struct node *node = context;
    struct setting_view view;
    const struct setting *row = scope == SCOPE_TOPIC    ? topic_setting_find(key)
                                : scope == SCOPE_BROKER ? broker_setting_row(key)
                                                        : NULL;

    if (row == NULL || (row->type != SETTING_LIST && row->type != SETTING_CHOICES))
        return false;
    setting_view_init(&view, node->settings, NULL, arena);
    *out_unset = scope == SCOPE_TOPIC ? topic_setting_inherited(&view, row) : broker_setting_value(&view, key);
    return true;
}

static enum error check_topic(void *context, const struct image *image, const struct create_topics_creatable_topic *topic,
    struct arena *arena, struct str *out_message)
{
    const struct node *node = context;

    return topic_check(node->settings, image, topic, arena, out_message);
}

static void describe_topic(void *context, const struct image *image, const struct create_topics_creatable_topic *topic,
    struct arena *arena, struct create_topics_creatable_topic_result *result)
{
    const struct node *node = context;

    topic_describe(node->settings, image, topic, arena, result);
}

static void quorum_settings_fill(struct node *node, struct quorum_settings *out)
{
    const struct node_settings *settings = node->settings;
    struct quorum_voter *voters =
        arena_take_array(&node->arena, (size_t)settings->quorum_voter_count + 1, sizeof(*voters));

    for (int i = 0; i < settings->quorum_voter_count; i++)
        voters[i] = settings->quorum_voters[i].node_id == settings->node_id
                        ? own_voter(settings, UUID_ZERO, &node->arena)
                        : (struct quorum_voter){ .id = settings->quorum_voters[i].node_id };
    *out = (struct quorum_settings){
        .flusher = node->metadata_flusher,
        .node_id = settings->node_id,
        .voters = voters,
        .voter_count = settings->quorum_voter_count,
        .segment_bytes = settings->metadata_segment_bytes,
        .segment_ms = settings->metadata_segment_ms,
        .retention_bytes = settings->metadata_max_retention_bytes,
        .retention_ms = settings->metadata_max_retention_ms,
        .snapshot_bytes = settings->metadata_max_record_bytes_between_snapshots,
        .snapshot_ms = settings->metadata_max_snapshot_interval_ms,
        .idle_ms = settings->metadata_max_idle_interval_ms,
        .election_timeout_ms = settings->quorum_election_timeout_ms,
        .election_backoff_max_ms = settings->quorum_election_backoff_max_ms,
        .fetch_timeout_ms = settings->quorum_fetch_timeout_ms,
        .controller = {
            .hooks = { .context = node, .validate_settings = check_settings, .list_setting = list_setting,
                .validate_topic = check_topic,
                .describe_topic = describe_topic },
            .cluster_id = str_from(node_cluster_id(node)),
            .default_partition_count = settings->num_partitions,
            .default_replication_factor = (int16_t)settings->default_replication_factor,
            .min_insync_replicas = settings->topic.min_insync_replicas,
            .delete_topic_enable = settings->delete_topic_enable,
            .unclean_leader_election = settings->topic.unclean_leader_election,
        },
    };
}

static int open_metadata(struct node *node)
{
    struct quorum_settings settings;

    node->metadata_flusher = flusher_create(node->control_shard->loop, node->log_dirs[node->metadata_index]);
    quorum_settings_fill(node, &settings);
    return control_open(&node->control, &settings);
}

int node_create(struct io *io, const struct node_settings *settings, struct node **out_node)
{
    struct node *node = memory_take(sizeof(*node));

    node->io = io;
    node->settings = settings;
    arena_init(&node->arena);
    budget_init(&node->budget, settings->queued_max_request_bytes);
    budget_init(&node->cleaning_memory, INT64_MAX); /* each cleaning looks at the setting */
    budget_init(&node->group_load.memory, settings->group_memory_bytes);
    budget_init(&node->group_load.members, INT64_MAX);
    node->shards.count = settings->shards;
    node->shards.list = memory_take((size_t)settings->shards * sizeof(struct shard *));
    node->parts = memory_take((size_t)settings->shards * sizeof(*node->parts));
    create_shard(node, SHARD_OF_CONTROL, "control", &node->control_shard);
    node_control_init(node);
    node_limits_init(node);
    int status = open_directories(node);
    if (status < 0)
        goto fail;
    create_shards(node);
    status = bind_listeners(node);
    if (status < 0)
        goto fail;
    uint8_t random[16];
    io_random(io, random, sizeof(random));
    node->identity.cluster_id = node_cluster_id(node);
    node->identity.incarnation_id = uuid_from_random(random);
    node->identity.previous_epoch = previous_epoch(node);
    status = open_metadata(node);
    if (status == 0)
        status = node_directories_name(node);
    if (status < 0)
        goto fail;
    list_directory_ids(node);
    *out_node = node;
    return 0;

fail:
    node_destroy(node);
    return status;
}

/* Without the file that says that the end was clean. */
static void abandon_directory(struct log_dir *dir)
{
    log_dir_set_failure_task(dir, NULL);
    log_dir_set_forgotten_task(dir, NULL);
    log_dir_fail(dir, -ECANCELED);
    log_dir_close(dir, -1);
}

static void close_directory(struct log_dir *dir, int64_t broker_epoch)
{
    bool failed_before = log_dir_failure(dir) != 0; /* then it is only let go, and that was reported */
    char path[512];

    snprintf(path, sizeof(path), "%s", log_dir_path(dir));
    int status = log_dir_close(dir, broker_epoch);
    if (status < 0 && !failed_before)
        report_error("clean_stop_failed", "path=%s reason=\"%s\": the next start checks its logs", path, status_text(status));
}

void node_destroy(struct node *node)
{
    if (node == NULL)
        return;
    for (int i = 0; node->listening != NULL && i < node->settings->listener_count; i++)
        listener_stop(node->listening[i].listener);
    for (int32_t i = 0; i < node->shards.count; i++)
        if (node->shards.list[i] != NULL)
            shard_close(node->shards.list[i]);
    shard_close(node->control_shard);
    int64_t broker_epoch = node->control.broker_epoch;
    bool had_metadata = node->metadata_flusher != NULL;
    control_deinit(&node->control);
    flusher_destroy(node->metadata_flusher);
    for (int32_t i = 0; i < node->shards.count; i++)
        shard_destroy(node->shards.list[i]);
    for (int i = 0; node->listening != NULL && i < node->settings->listener_count; i++)
        listener_close(node->listening[i].listener);
    for (int i = 0; i < node->directory_count; i++) {
        struct log_dir *dir = node->log_dirs[i];
        memory_give(node->directories[i].failures); /* also those whose shard had ended */
        if (node->stage == NODE_STOPPED)
            close_directory(dir, broker_epoch);
        else if (!had_metadata && log_dir_was_clean(dir))
            close_directory(dir, log_dir_broker_epoch(dir)); /* no log was opened: it is as the last stop left it */
        else
            abandon_directory(dir);
    }
    shard_destroy(node->control_shard);
    node_limits_deinit(node);
    memory_give(node->directories);
    memory_give(node->log_dirs);
    memory_give(node->parts);
    memory_give(node->shards.list);
    arena_deinit(&node->arena);
    memory_give(node);
}

int node_loop_count(const struct node *node)
{
    return node->shards.count + 1;
}

struct loop *node_loop(const struct node *node, int index)
{
    return index == 0 ? node->control_shard->loop : node->shards.list[index - 1]->loop;
}

const char *node_loop_name(const struct node *node, int index)
{
    return index == 0 ? "control" : node->parts[index - 1].name;
}

bool node_failed(const struct node *node)
{
    return node->failed;
}

int node_port(const struct node *node, int listener_index)
{
    assert(listener_index < node->settings->listener_count);
    return listener_port(node->listening[listener_index].listener);
}
