/* SPDX-License-Identifier: Apache-2.0 */
/* From one image to the next: the partitions of a shard become what the newest image says of them. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/broken.h"
#include "base/container.h"
#include "base/memory.h"
#include "base/report.h"
#include "base/status.h"
#include "base/str.h"
#include "broker/assign.h"
#include "broker/group_home.h"
#include "broker/moves.h"
#include "broker/settings.h"
#include "broker/shard.h"
#include "broker/stray.h"
#include "storage/flusher.h"

struct image_step {
    struct image_watch watch; /* first */
    struct shard *shard;
    const struct image *image; /* the new one */
    struct topic_settings inherited; /* what a topic gets that says nothing */
    int64_t producer_expiry_ms;
    bool has_deleted;  /* a topic */
    bool all_settings; /* a broker's settings changed: every topic may be meant */
};

static void translate_settings(const struct shard *shard, const struct topic_settings *topic,
    struct partition_settings *out)
{
    int level = CODEC_LEVEL_DEFAULT;

    switch (topic->compression) {
    case CODEC_GZIP: level = topic->gzip_level; break;
    case CODEC_LZ4: level = topic->lz4_level; break;
    case CODEC_ZSTD: level = topic->zstd_level; break;
    }
    *out = (struct partition_settings){
        .rules = {
            .max_message_bytes = topic->max_message_bytes,
            .max_uncompressed_size = INT32_MAX,
            .max_record_size = topic->max_decompressed_message_bytes,
            .timestamp_before_max_ms = topic->timestamp_before_max_ms,
            .timestamp_after_max_ms = topic->timestamp_after_max_ms,
            .log_append_time = topic->timestamp_type == TIMESTAMP_LOG_APPEND_TIME,
            .keys_required = (topic->cleanup_policy & CLEANUP_COMPACT) != 0,
            .header_only = shard->settings->produce_validate == PRODUCE_VALIDATE_HEADER,
        },
        .codec = topic->compression,
        .level = level,
        .segment_bytes = topic->segment_bytes,
        .page_cache = topic->ack_durability == ACK_PAGE_CACHE,
        .only_compacts = topic->cleanup_policy == CLEANUP_COMPACT,
    };
}

static void resolve(const struct image_step *step, struct str topic, struct partition_settings *out_partition,
    struct log_settings *out_log)
{
    struct topic_settings settings = step->inherited;

    topic_settings_override(step->image, topic, &settings);
    translate_settings(step->shard, &settings, out_partition);
    log_settings_defaults(out_log);
    topic_settings_to_log(&settings, step->producer_expiry_ms, out_log);
}

/* What lies there under our name but with another topic's id, or none, was set aside, or could not be (broker/stray.h). */
static const struct log_place *find_place(const struct log_dir *dir, const char *topic, int32_t index, struct uuid topic_id)
{
    const struct log_place *place = log_dir_find(dir, topic, index);

    if (place == NULL || broken(topic_id_unseen))
        return place;
    bool is_ours = uuid_is_zero(place->topic_id) ? !stray_is_nobodys(place) : uuid_equal(place->topic_id, topic_id);
    return is_ours ? place : NULL;
}

/* A directory that is offline, and may hold a partition whose directory is none of the others: -1 when there is none. An empty log
 * in another directory would take the place of the one that comes back with its disk; so Kafka makes none. */
static int find_offline(const struct shard *shard, const struct image_partition *partition, struct uuid id)
{
    bool is_new = uuid_equal(id, DIRECTORY_UNASSIGNED) && (shard->image != NULL || partition->leader_epoch == 0);

    for (int i = 0; i < shard->log_dir_count && !is_new; i++)
        if (flusher_is_failed(shard->flushers[i]))
            return i;
    return -1;
}

/* At the start the directory where the partition lies, wherever that is; else the one that the metadata name, or the next in turn. */
static int choose_directory(struct shard *shard, const struct image_partition *partition, const char *topic, int32_t index,
    struct uuid topic_id)
{
    struct uuid id = image_partition_directory(partition, shard->settings->node_id);

    int named = -1, found = -1;
    for (int i = 0; i < shard->log_dir_count; i++) {
        bool lies_here = find_place(shard->log_dirs[i], topic, index, topic_id) != NULL;
        if (uuid_equal(log_dir_identity(shard->log_dirs[i])->directory_id, id))
            named = i;
        if (lies_here && (found < 0 || named == i))
            found = i;
    }
    if (shard->image == NULL && found >= 0)
        return found;
    int preferred = preference_take(&shard->preferences, str_from(topic), index);
    if (preferred >= 0 && !flusher_is_failed(shard->flushers[preferred]))
        return preferred;
    if (named < 0)
        named = find_offline(shard, partition, id);
    if (named >= 0)
        return named;
    for (int i = 0; i < shard->log_dir_count; i++) {
        int candidate = shard->next_log_dir++ % shard->log_dir_count;
        if (!flusher_is_failed(shard->flushers[candidate]))
            return candidate;
    }
    return 0;
}

/* The start could not give it its name (stray.h): in its place an empty log would be taken for the partition's from then on. */
static bool waits_for_its_name(
    const struct shard *shard, const struct log_dir *dir, const char *topic, int32_t index, struct uuid topic_id)
{
    const struct log_place *place = shard->image == NULL ? log_dir_find_future(dir, topic, index) : NULL;

    return place != NULL && uuid_equal(place->topic_id, topic_id);
}

static struct log *open_log(struct shard *shard, int directory, const struct image_topic *topic, const char *name,
    int32_t index, const struct log_settings *settings)
{
    struct flusher *flusher = shard->flushers[directory];
    struct log_dir *log_dir = shard->log_dirs[directory];
    const struct log_place *place = shard->image == NULL ? find_place(log_dir, name, index, topic->id) : NULL;
    struct log *log = NULL;
    int status;

    if (flusher_is_failed(flusher) || (place == NULL && waits_for_its_name(shard, log_dir, name, index, topic->id)))
        return NULL;
    if (place != NULL)
        status = log_open_for(flusher, place, topic->id, settings, &log);
    else
        status = log_create(flusher, log_dir_path(log_dir), name, index, topic->id, settings, &log);
    if (status == 0)
        return log;
    report_error("partition_offline", "partition=%s-%d directory=%s reason=\"%s\"", name, index, log_dir_path(log_dir),
        status == -EUCLEAN ? "its log is damaged" : status_text(status));
    return NULL;
}

/* The controller hears of it when the metadata have it elsewhere; those of older releases do not name directories. */
static void tell_directory(struct shard *shard, const struct image_partition *from, struct partition *partition)
{
    int directory = partition->log_dir_index;
    struct uuid id = partition->log == NULL ? DIRECTORY_LOST : log_dir_identity(shard->log_dirs[directory])->directory_id;
    bool directory_failed = flusher_is_failed(shard->flushers[directory]); /* that is told for all of it at once */

    if (from->directories != NULL && !directory_failed &&
        !uuid_equal(image_partition_directory(from, shard->settings->node_id), id))
        assign_note(shard, partition, id);
}

static void add_partition(const struct image_step *step, const struct image_topic *topic, int32_t index)
{
    struct shard *shard = step->shard;
    const struct image_partition *from = topic->partitions[index];
    struct partition_settings settings;
    struct log_settings log_settings;
    char name[256];

    assert(topic->name.size < (int32_t)sizeof(name));
    memcpy(name, topic->name.data, (size_t)topic->name.size);
    name[topic->name.size] = 0;
    resolve(step, topic->name, &settings, &log_settings);
    int directory = choose_directory(shard, from, name, index, topic->id);
    struct log *log = open_log(shard, directory, topic, name, index, &log_settings);
    struct partition *partition =
        partition_create(shard->loop, (struct partition_key){ topic->id, index }, log, &settings);
    partition->log_dir_index = directory;
    partition_lead(partition, from->leader == shard->settings->node_id, from->leader_epoch);
    HASH_ADD(hh, shard->partitions, key, sizeof(partition->key), partition);
    if (str_is(topic->name, GROUP_TOPIC))
        group_home_open(shard, partition);
    tell_directory(shard, from, partition);
    if (shard->image == NULL)
        moves_resume(shard, partition, from, &log_settings);
}

/* A new topic may get the name, and would find there what is left of this one. */
static void delete_unopened(struct shard *shard, struct partition_key key, struct str topic)
{
    char name[256];

    assert(topic.size < (int32_t)sizeof(name));
    memcpy(name, topic.data, (size_t)topic.size);
    name[topic.size] = 0;
    for (int i = 0; i < shard->log_dir_count; i++)
        if (!flusher_is_failed(shard->flushers[i]))
            log_delete_unopened(shard->flushers[i], name, key.index, key.topic_id);
}

static void drop_partition(struct shard *shard, struct partition *partition, struct str topic)
{
    struct partition_key key = partition->key;
    bool is_offline = partition->log == NULL;

    group_home_close(partition);
    HASH_DEL(shard->partitions, partition);
    partition_destroy(partition, ERROR_UNKNOWN_TOPIC_OR_PARTITION, !broken(deleted_data_left));
    if (is_offline)
        delete_unopened(shard, key, topic); /* what is open of it is gone by now */
}

static void topic_changed(struct image_watch *watch, const struct image_topic *old_topic, const struct image_topic *new_topic)
{
    struct image_step *step = container_of(watch, struct image_step, watch);
    struct shard *shard = step->shard;
    const struct image_topic *any = new_topic != NULL ? new_topic : old_topic;
    int32_t count = any->partition_count;

    step->has_deleted |= new_topic == NULL;
    for (int32_t i = 0; i < count; i++) {
        if (shard_of(shard, any->id, i) != shard)
            continue;
        struct partition *partition = shard_partition(shard, any->id, i);
        const struct image_partition *now = new_topic == NULL ? NULL : image_partition(new_topic, i);
        bool ours = now != NULL && node_list_has(now->replicas, shard->settings->node_id);
        if (!ours) {
            if (partition != NULL)
                drop_partition(shard, partition, any->name);
        } else if (partition == NULL) {
            add_partition(step, new_topic, i);
        } else {
            partition_lead(partition, now->leader == shard->settings->node_id, now->leader_epoch);
            moves_see(shard, partition, now);
        }
    }
}

static void refresh_topic(const struct image_step *step, const struct image_topic *topic)
{
    struct partition_settings settings;
    struct log_settings log_settings;

    resolve(step, topic->name, &settings, &log_settings);
    for (int32_t i = 0; i < topic->partition_count; i++) {
        struct partition *partition = shard_partition(step->shard, topic->id, i);
        if (partition == NULL)
            continue;
        partition_set_settings(partition, &settings);
        if (partition->log != NULL)
            log_set_settings(partition->log, &log_settings);
        moves_set_settings(partition, &log_settings);
    }
}

static void setting_changed(struct image_watch *watch, enum setting_scope scope, struct str name, struct str key,
    struct str value)
{
    struct image_step *step = container_of(watch, struct image_step, watch);
    const struct image_topic *topic;

    (void)key;
    (void)value;
    if (step->shard->image == NULL)
        return; /* the first image: everything was made with the right settings */
    if (scope == SCOPE_BROKER)
        step->all_settings = true;
    if (scope == SCOPE_TOPIC && (topic = image_topic_by_name(step->image, name)) != NULL)
        refresh_topic(step, topic);
}

static void set_cleaners(struct shard *shard, const struct image *image)
{
    struct cleaner_settings settings;

    cleaner_settings_resolve(shard->settings, image, &settings);
    for (int i = 0; i < shard->log_dir_count; i++)
        flusher_set_cleaner(shard->flushers[i], &settings, shard->cleaning_memory);
}

void shard_take_image(struct shard *shard, const struct image *image)
{
    struct image_step step = {
        .watch = { .topic = topic_changed, .setting = setting_changed },
        .shard = shard,
        .image = image,
        .producer_expiry_ms = producer_expiry_resolve(shard->settings, image),
    };
    const struct image *old_image = shard->image;

    topic_settings_inherit(shard->settings, image, &step.inherited);
    if (shard->index != SHARD_OF_CONTROL && shard->image == NULL)
        moves_set_rate(shard, image);
    if (shard->index != SHARD_OF_CONTROL && !shard->stopping) {
        image_difference(old_image, image, &step.watch);
        if (old_image == NULL || step.all_settings)
            set_cleaners(shard, image);
        if (step.all_settings)
            moves_set_rate(shard, image);
        if (step.all_settings)
            for (const struct image_topic *topic = image_topic_after(image, (struct str){ 0 }); topic != NULL;
                 topic = image_topic_after(image, topic->name))
                refresh_topic(&step, topic);
    }
    shard->image = image;
    shard->group_topic = image_topic_by_name(image, STR(GROUP_TOPIC));
    if (shard->watch != NULL)
        shard->watch->image_taken(shard->watch, image);
    if (old_image == NULL || step.all_settings)
        group_homes_set_settings(shard);
    if (step.has_deleted)
        group_homes_topics_deleted(shard);
    image_unref(old_image);
}
