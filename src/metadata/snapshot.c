/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"
#include "base/broken.h"
#include "metadata/apply.h"
#include "metadata/feature.h"
#include "metadata/topic.h"
#include "wire/gen/partition_record.h"
#include "wire/gen/register_broker_record.h"

struct emitter {
    const struct image *image;
    struct arena *scratch;
    void (*emit)(void *context, struct bytes record);
    void *context;
};

static void emit_items(struct emitter *emitter, const struct tree *tree)
{
    struct bytes key = { NULL, 0 };
    const struct image_item *item;
    while ((item = (const struct image_item *)tree_after(tree, key)) != NULL) {
        emitter->emit(emitter->context, item->record);
        key = item->key;
    }
}

static void emit_message(struct emitter *emitter, const struct message_schema *schema,
    int16_t version, const void *message)
{
    emitter->emit(
        emitter->context, metadata_record_encode(emitter->scratch, schema, version, message));
    arena_reset(emitter->scratch);
}

/* metadata.version leads: it says how the rest is to be read. */
static void emit_features(struct emitter *emitter)
{
    const struct tree *features = &emitter->image->features;
    const struct str first = STR("metadata.version");
    const struct bytes first_key = { (const uint8_t *)first.data, (size_t)first.size };
    const struct image_item *item = (const struct image_item *)tree_find(features, first_key);
    if (item != NULL)
        emitter->emit(emitter->context, item->record);
    struct bytes key = { NULL, 0 };
    while ((item = (const struct image_item *)tree_after(features, key)) != NULL) {
        if (!bytes_equal(item->key, first_key))
            emitter->emit(emitter->context, item->record);
        key = item->key;
    }
}

static void emit_brokers(struct emitter *emitter)
{
    int16_t version = register_broker_version(emitter->image);
    const struct image_broker *broker = image_broker_after(emitter->image, -1);
    for (; broker != NULL; broker = image_broker_after(emitter->image, broker->id))
        emit_message(emitter, &register_broker_record_schema, version, broker->record);
}

static void emit_topics(struct emitter *emitter)
{
    int16_t version = partition_version(emitter->image);
    const struct image_topic *topic = image_topic_after(emitter->image, (struct str){ 0 });
    for (; topic != NULL; topic = image_topic_after(emitter->image, topic->name)) {
        emitter->emit(emitter->context, topic->record->record);
        for (int32_t i = 0; i < topic->partition_count; i++) {
            const struct image_partition *partition = image_partition(topic, i);
            struct partition_record record;
            if (partition == NULL)
                continue;
            partition_to_record(partition, topic->id, i, &record);
            emit_message(emitter, &partition_record_schema, version, &record);
        }
    }
}

void image_snapshot(const struct image *image, struct arena *scratch,
    void (*emit)(void *context, struct bytes record), void *context)
{
    struct emitter emitter = { image, scratch, emit, context };
    emit_features(&emitter);
    emit_brokers(&emitter);
    emit_items(&emitter, &image->controllers);
    if (!broken(snapshot_misses_topics))
        emit_topics(&emitter);
    if (!broken(snapshot_misses_settings))
        emit_items(&emitter, &image->settings);
    if (!broken(snapshot_misses_quotas))
        emit_items(&emitter, &image->quotas);
    if (image->producer_ids != NULL && !broken(snapshot_misses_producer_ids))
        emit(context, image->producer_ids->record);
    emit_items(&emitter, &image->acls);
    emit_items(&emitter, &image->scram);
    emit_items(&emitter, &image->tokens);
    if (image->zk_migration != NULL)
        emit(context, image->zk_migration->record);
}
