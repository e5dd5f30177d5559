/* SPDX-License-Identifier: Apache-2.0 */
#include "metadata/apply.h"

#include "base/arena.h"
#include "metadata/apply_kept.h"
#include "metadata/feature.h"
#include "metadata/item.h"
#include "metadata/registration.h"
#include "metadata/topic.h"
#include "wire/decode.h"
#include "wire/gen/broker_registration_change_record.h"
#include "wire/gen/clear_elr_record.h"
#include "wire/gen/fence_broker_record.h"
#include "wire/gen/partition_change_record.h"
#include "wire/gen/partition_record.h"
#include "wire/gen/register_broker_record.h"
#include "wire/gen/remove_topic_record.h"
#include "wire/gen/topic_record.h"
#include "wire/gen/unfence_broker_record.h"
#include "wire/gen/unregister_broker_record.h"

static const char *apply_topic(struct image *image, const void *message, struct bytes raw)
{
    const struct topic_record *record = message;
    if (image_topic_by_name(image, record->name) != NULL ||
        image_topic_by_id(image, record->topic_id) != NULL)
        return "a topic that is there already";
    image_add_topic(image, record->name, record->topic_id, raw);
    return NULL;
}

static const char *apply_remove_topic(struct image *image, const void *message, struct bytes raw)
{
    const struct remove_topic_record *record = message;
    const struct image_topic *topic = image_topic_by_id(image, record->topic_id);
    (void)raw;
    if (topic == NULL)
        return "removal of a topic that is not there";
    image_remove_settings(image, SCOPE_TOPIC, topic->name);
    image_remove_topic(image, topic);
    return NULL;
}

static const char *apply_partition(struct image *image, const void *message, struct bytes raw)
{
    enum { MOST_PARTITIONS = 10000000, WIDEST_GAP = 20000 }; /* twice what one request may make */
    const struct partition_record *record = message;
    const struct image_topic *topic = image_topic_by_id(image, record->topic_id);
    (void)raw;
    if (topic == NULL)
        return "a partition of a topic that is not there";
    if (record->partition_id < 0 || record->partition_id >= MOST_PARTITIONS ||
        record->partition_id - topic->partition_count > WIDEST_GAP)
        return "a partition with an impossible number";
    image_set_partition(image, topic, record->partition_id, image_partition_create(record));
    return NULL;
}

static const char *apply_partition_change(
    struct image *image, const void *message, struct bytes raw)
{
    const struct partition_change_record *record = message;
    const struct image_topic *topic = image_topic_by_id(image, record->topic_id);
    const struct image_partition *partition =
        topic == NULL ? NULL : image_partition(topic, record->partition_id);
    (void)raw;
    if (partition == NULL)
        return "a change of a partition that is not there";
    image_set_partition(image, topic, record->partition_id, partition_changed(partition, record));
    return NULL;
}

static void forget_elr(struct image *image, const struct image_topic *topic)
{
    for (int32_t i = 0; i < topic->partition_count; i++) {
        const struct image_partition *partition = image_partition(topic, i);
        if (partition == NULL || partition->elr.count + partition->last_known_elr.count == 0)
            continue;
        struct partition_record record;
        partition_to_record(partition, topic->id, i, &record);
        record.eligible_leader_replicas_count = record.last_known_elr_count = -1;
        image_set_partition(image, topic, i, image_partition_create(&record));
        topic = image_topic_by_id(image, topic->id); /* the first change may have copied it */
    }
}

static const char *apply_clear_elr(struct image *image, const void *message, struct bytes raw)
{
    const struct clear_elr_record *record = message;
    (void)raw;
    if (record->topic_name.size > 0) {
        const struct image_topic *topic = image_topic_by_name(image, record->topic_name);
        if (topic == NULL)
            return "ELR of a topic that is not there";
        forget_elr(image, topic);
        return NULL;
    }
    const struct image_topic *topic = image_topic_after(image, (struct str){ 0 });
    while (topic != NULL) {
        struct uuid id = topic->id;
        forget_elr(image, topic);
        topic = image_topic_after(image, image_topic_by_id(image, id)->name);
    }
    return NULL;
}

static const char *apply_register_broker(struct image *image, const void *message, struct bytes raw)
{
    const struct register_broker_record *record = message;
    (void)raw;
    if (record->broker_id < 0)
        return "a broker with an impossible number";
    tree_set(&image->brokers, image->edit, &broker_create(record)->value);
    return NULL;
}

static const char *apply_unregister_broker(
    struct image *image, const void *message, struct bytes raw)
{
    const struct unregister_broker_record *record = message;
    const struct image_broker *broker = image_broker(image, record->broker_id);
    (void)raw;
    if (broker == NULL || broker->epoch != record->broker_epoch)
        return "unregistration of a broker that is not there";
    uint8_t key[4];
    store_i32(key, record->broker_id);
    tree_remove(&image->brokers, image->edit, (struct bytes){ key, sizeof(key) });
    return NULL;
}

/* The broker's record to be changed, or NULL when broker and epoch do not fit. */
static bool begin_broker_change(
    const struct image *image, int32_t id, int64_t epoch, struct register_broker_record *out_record)
{
    const struct image_broker *broker = image_broker(image, id);
    if (broker == NULL || broker->epoch != epoch)
        return false;
    *out_record = *broker->record;
    return true;
}

static const char *apply_broker_change(struct image *image, const void *message, struct bytes raw)
{
    const struct broker_registration_change_record *change = message;
    struct register_broker_record record;
    (void)raw;
    if (!begin_broker_change(image, change->broker_id, change->broker_epoch, &record))
        return "a change of a broker that is not there";
    if (change->fenced != 0)
        record.fenced = change->fenced > 0;
    if (change->in_controlled_shutdown != 0)
        record.in_controlled_shutdown = change->in_controlled_shutdown > 0;
    if (change->log_dirs_count > 0) {
        record.log_dirs = change->log_dirs;
        record.log_dirs_count = change->log_dirs_count;
    }
    if (change->cordoned_log_dirs_count >= 0) {
        record.cordoned_log_dirs = change->cordoned_log_dirs;
        record.cordoned_log_dirs_count = change->cordoned_log_dirs_count;
    }
    tree_set(&image->brokers, image->edit, &broker_create(&record)->value);
    return NULL;
}

static const char *set_fence(struct image *image, int32_t id, int64_t epoch, bool fenced)
{
    struct register_broker_record record;
    if (!begin_broker_change(image, id, epoch, &record))
        return "a fence for a broker that is not there";
    record.fenced = fenced;
    tree_set(&image->brokers, image->edit, &broker_create(&record)->value);
    return NULL;
}

static const char *apply_fence(struct image *image, const void *message, struct bytes raw)
{
    const struct fence_broker_record *record = message;
    (void)raw;
    return set_fence(image, record->id, record->epoch, true);
}

static const char *apply_unfence(struct image *image, const void *message, struct bytes raw)
{
    const struct unfence_broker_record *record = message;
    (void)raw;
    return set_fence(image, record->id, record->epoch, false);
}

static const struct apply_row rows[] = {
    { &topic_record_schema, apply_topic },
    { &partition_record_schema, apply_partition },
    { &partition_change_record_schema, apply_partition_change },
    { &remove_topic_record_schema, apply_remove_topic },
    { &clear_elr_record_schema, apply_clear_elr },
    { &register_broker_record_schema, apply_register_broker },
    { &unregister_broker_record_schema, apply_unregister_broker },
    { &broker_registration_change_record_schema, apply_broker_change },
    { &fence_broker_record_schema, apply_fence },
    { &unfence_broker_record_schema, apply_unfence },
};

static const struct apply_row *find_row(int32_t type)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].schema->key == type)
            return &rows[i];
    for (int32_t i = 0; i < apply_kept_row_count; i++)
        if (apply_kept_rows[i].schema->key == type)
            return &apply_kept_rows[i];
    return NULL;
}

const char *image_apply(struct image *image, const struct metadata_record *record, struct bytes raw,
    struct arena *scratch)
{
    enum { LARGEST_SHAPE = 512 };
    const struct apply_row *row = find_row(record->type);
    if (row == NULL)
        return "a record of unknown type";
    if (record->version > INT16_MAX || !schema_has_version(row->schema, (int16_t)record->version))
        return "a record of unknown version";
    _Alignas(16) uint8_t message[LARGEST_SHAPE];
    if (row->schema->shape->size > sizeof(message))
        return "a record too large to decode";
    size_t used;
    if (!message_decode(
            row->schema, (int16_t)record->version, record->fields, scratch, message, &used) ||
        used != record->fields.size)
        return "a malformed record";
    return row->apply(image, message, raw);
}
