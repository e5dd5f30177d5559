/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/shard.h"

#include <assert.h>

#include "base/container.h"
#include "base/memory.h"
#include "base/report.h"
#include "broker/apis.h"
#include "broker/assign.h"
#include "broker/group_home.h"
#include "broker/moves.h"
#include "broker/server.h"
#include "broker/settings.h"
#include "storage/flusher.h"

enum { REPORT_EVERY_US = 1000 * 1000 };

static void shard_frame(struct conn_owner *owner, struct conn *conn, struct buffer *buffer)
{
    request_arrive(container_of(owner, struct shard_desk, owner), conn, buffer);
}

static void make_desks(struct shard *shard)
{
    const struct node_settings *settings = shard->settings;

    shard->desk_count = settings->listener_count;
    shard->desks = memory_take((size_t)shard->desk_count * sizeof(*shard->desks));
    for (int i = 0; i < shard->desk_count; i++) {
        struct shard_desk *desk = &shard->desks[i];
        desk->owner.frame = shard_frame;
        desk->shard = shard;
        desk->listener = settings->listeners[i].is_controller ? API_ON_CONTROLLER : API_ON_BROKER;
        desk->listener_name = settings->listeners[i].name;
    }
}

struct shard *shard_create(const struct shard_start *start)
{
    struct shard *shard = memory_take(sizeof(*shard));
    const struct node_settings *settings = start->settings;
    struct net_settings net = {
        .frame_size_max = settings->socket_request_max_bytes,
        .idle_ms = settings->connections_max_idle_ms,
    };

    shard->index = start->index;
    shard->io = start->io;
    shard->loop = loop_create(start->io, start->name);
    shard->settings = settings;
    shard->shards = start->shards;
    shard->control = start->control;
    shard->cluster_id = start->cluster_id;
    net_init(&shard->net, shard->loop, start->budget, &net);
    make_desks(shard);
    shard->cleaning_memory = start->cleaning_memory;
    shard->group_load = start->group_load;
    shard->log_dirs = start->log_dirs;
    shard->log_dir_count = start->log_dir_count;
    if (start->index == SHARD_OF_CONTROL)
        return shard;
    moves_init(shard, start->move_pace);
    shard->decompressor = decompressor_create();
    replay_turns_init(&shard->replay_turns, shard->loop);
    fetch_session_cache_init(&shard->sessions, settings->fetch_session_slots / start->shards->count);
    shard->flushers = memory_take((size_t)start->log_dir_count * sizeof(struct flusher *));
    shard->rooms = memory_take((size_t)start->log_dir_count * sizeof(*shard->rooms));
    for (int i = 0; i < start->log_dir_count; i++) {
        shard->flushers[i] = flusher_create(shard->loop, start->log_dirs[i]);
        room_init(&shard->rooms[i], shard->loop, shard->flushers[i]);
    }
    return shard;
}

void shard_destroy(struct shard *shard)
{
    if (shard == NULL)
        return;
    assert(shard->partitions == NULL);
    net_deinit(&shard->net);
    request_abandon_all(shard);
    if (shard->index != SHARD_OF_CONTROL)
        fetch_session_cache_deinit(&shard->sessions);
    if (shard->index != SHARD_OF_CONTROL)
        replay_turns_deinit(&shard->replay_turns);
    for (int i = 0; shard->flushers != NULL && i < shard->log_dir_count; i++)
        flusher_destroy(shard->flushers[i]);
    memory_give(shard->flushers);
    memory_give(shard->rooms);
    producer_ids_deinit(&shard->producer_ids);
    preferences_deinit(&shard->preferences);
    decompressor_destroy(shard->decompressor);
    image_unref(shard->image);
    loop_destroy(shard->loop);
    memory_give(shard->desks);
    memory_give(shard);
}

struct shard *shard_of(const struct shard *shard, struct uuid topic_id, int32_t partition_index)
{
    const struct shard_list *shards = shard->shards;
    uint64_t hash = 0xcbf29ce484222325u ^ (uint32_t)partition_index;

    if (shards->count == 1)
        return shards->list[0];
    for (int i = 0; i < 16; i++)
        hash = (hash ^ topic_id.bytes[i]) * 0x100000001b3u;
    return shards->list[(hash >> 32) % (uint64_t)shards->count];
}

struct partition *shard_partition(const struct shard *shard, struct uuid topic_id, int32_t partition_index)
{
    struct partition_key key = { topic_id, partition_index };
    struct partition *partition;

    HASH_FIND(hh, shard->partitions, &key, sizeof(key), partition);
    return partition;
}

static void flusher_stopped(struct task *task)
{
    struct shard *shard = container_of(task, struct shard, flusher_stopped);

    shard->flushers_running--;
    for (int i = shard->log_dir_count - shard->flushers_running; i < shard->log_dir_count; i++) {
        if (flusher_is_failed(shard->flushers[i])) {
            shard->flushers_running--;
            continue;
        }
        flusher_stop(shard->flushers[i], &shard->flusher_stopped);
        return;
    }
    loop_enqueue(shard->loop, shard->stopped);
}

/* One flusher after the other: their tasks share one place. */
void shard_stop(struct shard *shard, struct task *stopped)
{
    shard->stopping = true;
    group_homes_close(shard);
    moves_stop(shard);
    shard->stopped = stopped;
    shard->flusher_stopped.run = flusher_stopped;
    shard->flushers_running = shard->log_dir_count + 1;
    loop_enqueue(shard->loop, &shard->flusher_stopped);
}

static void report_left_out(struct shard *shard)
{
    if (shard->reports_left_out > 0)
        report_warn("request_refused", "shard=%d left_out=%lld: so many more came since the last one that was reported", shard->index,
            (long long)shard->reports_left_out);
    shard->reports_left_out = 0;
}

void shard_close(struct shard *shard)
{
    struct partition *partition, *next;

    while (shard->net.conns != NULL)
        conn_close(shard->net.conns);
    report_left_out(shard);
    shard->stopping = true;
    group_homes_close(shard);
    HASH_ITER(hh, shard->partitions, partition, next) {
        HASH_DEL(shard->partitions, partition);
        partition_destroy(partition, ERROR_NOT_LEADER_OR_FOLLOWER, false);
    }
}

void shard_directory_failed(struct shard *shard, int log_dir_index, int status)
{
    struct partition *partition, *next;

    HASH_ITER(hh, shard->partitions, partition, next)
        if (partition->log_dir_index == log_dir_index)
            partition_retire(partition);
    moves_directory_failed(shard, log_dir_index);
    if (!flusher_is_failed(shard->flushers[log_dir_index]))
        flusher_fail(shard->flushers[log_dir_index], status);
}

void shard_tell_damage(struct shard *shard, struct partition *partition)
{
    if (!partition->damaged || partition->damage_told)
        return;
    partition->damage_told = true;
    assign_note(shard, partition, DIRECTORY_LOST);
}

bool shard_may_report(struct shard *shard, int64_t *out_left_out)
{
    int64_t now_us = loop_now_us(shard->loop);

    if (now_us < shard->next_report_us) {
        shard->reports_left_out++;
        return false;
    }
    shard->next_report_us = now_us + REPORT_EVERY_US;
    *out_left_out = shard->reports_left_out;
    shard->reports_left_out = 0;
    return true;
}
