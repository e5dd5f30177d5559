/* SPDX-License-Identifier: Apache-2.0 */
/* How a topic's values come together while the node runs. */
#include "broker/setting_source.h"
#include "broker/settings.h"
#include "broker/stored_setting.h"
#include "metadata/image.h"
#include "storage/log.h"

/* Below zero there is no bound, but a topic's row knows only -1. */
static struct str without_bound(const struct setting *row, struct str value)
{
    int64_t number;
    bool is_time = row->type == SETTING_INT64 && row->fallbacks[1].name != NULL;
    return is_time && str_to_int64(str_trim(value), &number) && number < 0 ? STR("-1") : value;
}

/* Only the first of a topic setting's synonyms can be said while the node runs. Keys are looked up, not walked: a
 * broker may be told of many that are no topic's. */
static void apply_broker(const struct image *image, struct str broker,
    struct topic_settings *settings, struct arena *arena)
{
    struct str message;
    for (int i = 0; i < topic_setting_count; i++) {
        const struct setting *row = &topic_setting_rows[i];
        if (row->fallbacks == NULL)
            continue;
        struct str value =
            stored_broker_setting(image, broker, str_from(row->fallbacks[0].name), arena);
        if (!str_is_null(value))
            setting_parse(row, without_bound(row, value), arena, settings, &message);
    }
}

void topic_settings_inherit(const struct node_settings *node, const struct image *image,
    struct topic_settings *out_settings)
{
    struct arena arena;
    *out_settings = node->topic;
    if (image == NULL)
        return;
    arena_init(&arena);
    apply_broker(image, STR(""), out_settings, &arena);
    apply_broker(image, str_from(arena_format(&arena, "%d", node->node_id)), out_settings, &arena);
    arena_deinit(&arena);
}

void topic_settings_override(
    const struct image *image, struct str topic, struct topic_settings *settings)
{
    struct str key = { 0 }, value, message;
    struct arena arena;
    arena_init(&arena);
    while (image_setting_after(image, SCOPE_TOPIC, topic, key, &key, &value)) {
        const struct setting *row = topic_setting_find(key);
        if (row != NULL)
            setting_parse(row, value, &arena, settings, &message);
    }
    arena_deinit(&arena);
}

void topic_settings_resolve(const struct node_settings *node, const struct image *image,
    struct str topic, struct topic_settings *out_settings)
{
    topic_settings_inherit(node, image, out_settings);
    if (image != NULL)
        topic_settings_override(image, topic, out_settings);
}

int64_t producer_expiry_resolve(const struct node_settings *node, const struct image *image)
{
    struct str key = STR("producer.id.expiration.ms"), message;
    struct node_settings now = { .producer_id_expiration_ms = node->producer_id_expiration_ms };
    struct setting_view view;
    struct arena arena;
    arena_init(&arena);
    setting_view_init(&view, node, image, &arena);
    setting_parse(node_setting_find(key), broker_setting_value(&view, key), &arena, &now, &message);
    arena_deinit(&arena);
    return now.producer_id_expiration_ms;
}

void topic_settings_to_log(
    const struct topic_settings *topic, int64_t producer_expiry_ms, struct log_settings *out_log)
{
    *out_log = (struct log_settings){
        .segment_bytes = topic->segment_bytes,
        .segment_ms = topic->segment_ms,
        .segment_jitter_ms = topic->segment_jitter_ms,
        .index_bytes = topic->segment_index_bytes,
        .index_interval_bytes = topic->index_interval_bytes,
        .retention_ms = topic->retention_ms,
        .retention_bytes = topic->retention_bytes,
        .deletes = (topic->cleanup_policy & CLEANUP_DELETE) != 0,
        .compacts = (topic->cleanup_policy & CLEANUP_COMPACT) != 0,
        .flush_messages = topic->flush_messages,
        .flush_ms = topic->flush_ms,
        .file_delete_delay_ms = topic->file_delete_delay_ms,
        .producer_expiry_ms = producer_expiry_ms,
        .page_cache = topic->ack_durability == ACK_PAGE_CACHE,
    };
}
