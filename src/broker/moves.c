/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/moves.h"

#include <errno.h>

#include "base/container.h"
#include "base/pace.h"
#include "base/report.h"
#include "base/status.h"
#include "broker/assign.h"
#include "broker/settings.h"
#include "broker/setting_source.h"
#include "replica/move.h"
#include "storage/flusher.h"

static void tell(struct shard *shard, struct partition *partition, int log_dir_index)
{
    assign_note(shard, partition, log_dir_identity(shard->log_dirs[log_dir_index])->directory_id);
}

static const struct image_partition *in_image(const struct shard *shard, const struct partition *partition)
{
    const struct image_topic *topic = image_topic_by_id(shard->image, partition->key.topic_id);
    return topic == NULL ? NULL : image_partition(topic, partition->key.index);
}

/* The metadata of older releases name no directories: then there is nothing to wait for. Else it is told also
 * when they name the right one already, since an older note may be on its way. */
static void move_is_ready(struct move_watch *watch, struct partition *partition)
{
    struct shard *shard = container_of(watch, struct shard, move_watch);
    const struct image_partition *now = in_image(shard, partition);
    if (now == NULL)
        return; /* it is being deleted */
    if (now->directories != NULL)
        tell(shard, partition, partition->move->log_dir_index);
    moves_see(shard, partition, now);
}

static void move_fell_back(struct move_watch *watch, struct partition *partition)
{
    struct shard *shard = container_of(watch, struct shard, move_watch);
    tell(shard, partition, partition->log_dir_index);
}

static void partition_moved(struct move_watch *watch, struct partition *partition)
{
    struct shard *shard = container_of(watch, struct shard, move_watch);
    for (int i = 0; i < shard->log_dir_count; i++)
        if (i != partition->log_dir_index)
            room_hand_over(&shard->rooms[i], &shard->rooms[partition->log_dir_index], partition);
    report_info("partition_moved", "partition=%s-%d to=%s", log_topic(partition->log),
        log_partition(partition->log), log_dir_path(shard->log_dirs[partition->log_dir_index]));
}

void moves_init(struct shard *shard, struct pace *pace)
{
    move_pace_init(&shard->move_pace, shard->loop, pace);
    shard->move_watch = (struct move_watch){ move_is_ready, move_fell_back, partition_moved };
}

void moves_see(struct shard *shard, struct partition *partition, const struct image_partition *now)
{
    struct move *move = partition->move;
    if (move == NULL || partition->notes_under_way > 0)
        return;
    struct uuid named = image_partition_directory(now, shard->settings->node_id);
    struct uuid there = log_dir_identity(shard->log_dirs[move->log_dir_index])->directory_id;
    bool is_named = uuid_equal(named, there);
    if (move->stage == MOVE_READY && (now->directories == NULL || is_named))
        move_finish(move);
    if (move->stage != MOVE_READY && !is_named)
        move_note_unnamed(move);
}

void moves_look(struct shard *shard, struct partition *partition)
{
    const struct image_partition *now = in_image(shard, partition);
    if (now != NULL)
        moves_see(shard, partition, now);
}

static void end_move(struct shard *shard, struct partition *partition, bool delete_future)
{
    bool was_told = partition->move != NULL && partition->move->stage == MOVE_READY && partition->log != NULL;
    move_end(partition, delete_future);
    if (was_told)
        tell(shard, partition, partition->log_dir_index);
}

/* As in Kafka no move begins while a directory is offline: another future log may lie there. */
static bool all_directories_live(const struct shard *shard)
{
    for (int i = 0; i < shard->log_dir_count; i++)
        if (flusher_is_failed(shard->flushers[i]))
            return false;
    return true;
}

enum error moves_alter(struct shard *shard, struct partition *partition, int log_dir_index)
{
    struct log *log = partition->log, *future;
    if (log == NULL || partition->damaged || shard->stopping)
        return ERROR_KAFKA_STORAGE_ERROR;
    if (partition->move != NULL && partition->move->log_dir_index == log_dir_index)
        return ERROR_NONE;
    if (partition->log_dir_index == log_dir_index) {
        end_move(shard, partition, true);
        return ERROR_NONE;
    }
    if (!all_directories_live(shard))
        return ERROR_KAFKA_STORAGE_ERROR;
    const char *path = log_dir_path(shard->log_dirs[log_dir_index]);
    int status = log_create_future(shard->flushers[log_dir_index], path, log_topic(log),
        log_partition(log), log_topic_id(log), log_settings(log), &future);
    if (status < 0) {
        report_error("move_refused", "partition=%s-%d to=%s reason=\"%s\"", log_topic(log),
            log_partition(log), path, status_text(status));
        return ERROR_KAFKA_STORAGE_ERROR;
    }
    end_move(shard, partition, true); /* of before: not when this one is refused */
    report_info("move_begins", "partition=%s-%d from=%s to=%s", log_topic(log), log_partition(log),
        log_dir_path(shard->log_dirs[partition->log_dir_index]), path);
    move_begin(partition, future, log_dir_index, &shard->move_watch, &shard->move_pace);
    return ERROR_NONE;
}

void moves_resume(struct shard *shard, struct partition *partition, const struct image_partition *first,
    const struct log_settings *settings)
{
    struct uuid named = image_partition_directory(first, shard->settings->node_id);
    struct log *log = partition->log, *future;
    for (int i = 0; log != NULL && partition->move == NULL && i < shard->log_dir_count; i++) {
        const struct log_place *place =
            log_dir_find_future(shard->log_dirs[i], log_topic(log), log_partition(log));
        if (place == NULL || i == partition->log_dir_index || flusher_is_failed(shard->flushers[i]))
            continue;
        int status = log_open(shard->flushers[i], place, settings, &future);
        if (status < 0) {
            report_error("move_refused", "partition=%s-%d future=%s reason=\"%s\": remove it, and move the partition anew",
                log_topic(log), log_partition(log), place->path,
                status == -EUCLEAN ? "it is damaged" : status_text(status));
            continue;
        }
        report_info("move_goes_on", "partition=%s-%d from=%s to=%s", log_topic(log),
            log_partition(log), log_path(log), place->path);
        move_begin(partition, future, i, &shard->move_watch, &shard->move_pace);
        partition->move->may_be_named = uuid_equal(named, log_dir_identity(shard->log_dirs[i])->directory_id);
    }
}

void moves_set_rate(struct shard *shard, const struct image *image)
{
    struct setting_view view;
    struct arena arena;
    struct partition *partition, *next;
    int64_t rate;
    arena_init(&arena);
    setting_view_init(&view, shard->settings, image, &arena);
    struct str value =
        broker_setting_value(&view, STR("replica.alter.log.dirs.io.max.bytes.per.second"));
    if (str_is_null(value) || !str_to_int64(value, &rate))
        rate = INT64_MAX;
    arena_deinit(&arena);
    if (rate == shard->move_pace.bytes_per_second)
        return;
    shard->move_pace.bytes_per_second = rate;
    pace_forget(shard->move_pace.pace);
    HASH_ITER(hh, shard->partitions, partition, next)
        if (partition->move != NULL)
            move_hurry(partition->move);
}

void moves_set_settings(struct partition *partition, const struct log_settings *settings)
{
    if (partition->move != NULL)
        log_set_settings(partition->move->future, settings);
}

void moves_directory_failed(struct shard *shard, int log_dir_index)
{
    struct partition *partition, *next;
    HASH_ITER(hh, shard->partitions, partition, next)
        if (partition->move != NULL && partition->move->log_dir_index == log_dir_index)
            end_move(shard, partition, false);
}

void moves_stop(struct shard *shard)
{
    struct partition *partition, *next;
    HASH_ITER(hh, shard->partitions, partition, next)
        if (partition->move != NULL)
            move_pause(partition->move);
}
