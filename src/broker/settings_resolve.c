/* SPDX-License-Identifier: Apache-2.0 */
/* How a topic's values come together while the node runs. */
#include "broker/setting_source.h"
#include "broker/settings.h"
#include "broker/stored_setting.h"
#include "metadata/image.h"
#include "storage/flusher.h"
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

/* What holds now of settings of the node, into the fields of `now`. */
static void resolve_live(const struct node_settings *node, const struct image *image,
    const struct str *keys, int key_count, struct node_settings *now)
{
    struct setting_view view;
    struct arena arena;
    struct str message;
    arena_init(&arena);
    setting_view_init(&view, node, image, &arena);
    for (int i = 0; i < key_count; i++)
        setting_parse(node_setting_find(keys[i]), broker_setting_value(&view, keys[i]), &arena, now,
            &message);
    arena_deinit(&arena);
}

int64_t producer_expiry_resolve(const struct node_settings *node, const struct image *image)
{
    struct str key = STR("producer.id.expiration.ms");
    struct node_settings now = { .producer_id_expiration_ms = node->producer_id_expiration_ms };
    resolve_live(node, image, &key, 1, &now);
    return now.producer_id_expiration_ms;
}

/* Through a controller anything can be stored. */
static int64_t clamp(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

void cleaner_settings_resolve(const struct node_settings *node, const struct image *image,
    struct cleaner_settings *out_settings)
{
    const struct str keys[] = { STR("log.cleaner.backoff.ms"), STR("log.cleaner.dedupe.buffer.size"),
        STR("log.cleaner.io.buffer.load.factor"), STR("log.cleaner.io.buffer.size"),
        STR("log.cleaner.io.max.bytes.per.second"), STR("log.cleaner.threads") };
    struct node_settings now = { .cleaner_threads = node->cleaner_threads,
        .cleaner_io_buffer_bytes = node->cleaner_io_buffer_bytes,
        .cleaner_backoff_ms = node->cleaner_backoff_ms,
        .cleaner_dedupe_bytes = node->cleaner_dedupe_bytes,
        .cleaner_load_factor = node->cleaner_load_factor,
        .cleaner_max_bytes_per_second = node->cleaner_max_bytes_per_second };
    resolve_live(node, image, keys, (int)(sizeof(keys) / sizeof(keys[0])), &now);
    double pace = now.cleaner_max_bytes_per_second;
    *out_settings = (struct cleaner_settings){ .enabled = node->cleaner_enable,
        .threads = now.cleaner_threads,
        .backoff_ms = now.cleaner_backoff_ms,
        .dedupe_bytes = clamp(now.cleaner_dedupe_bytes, 0, 1LL << 40),
        .io_buffer_bytes = now.cleaner_io_buffer_bytes,
        .bytes_per_second = pace >= 0 && pace < 1e18 ? (int64_t)pace : INT64_MAX, /* as in Kafka: below 0, no bound */
        .load_factor = now.cleaner_load_factor };
}

void coordinator_settings_resolve(const struct node_settings *node, const struct image *image,
    struct coordinator_settings *out_settings)
{
    struct str key = STR("group.consumer.assignment.interval.ms");
    struct node_settings now = { .coordinator = node->coordinator };
    resolve_live(node, image, &key, 1, &now);
    *out_settings = now.coordinator;
}

void topic_settings_to_log(
    const struct topic_settings *topic, int64_t producer_expiry_ms, struct log_settings *out_log)
{
    bool compacts = (topic->cleanup_policy & CLEANUP_COMPACT) != 0;
    bool rolls_sooner = compacts && topic->max_compaction_lag_ms < topic->segment_ms;
    *out_log = (struct log_settings){
        .segment_bytes = topic->segment_bytes,
        .segment_ms = rolls_sooner ? topic->max_compaction_lag_ms : topic->segment_ms,
        .segment_jitter_ms = topic->segment_jitter_ms,
        .index_bytes = topic->segment_index_bytes,
        .index_interval_bytes = topic->index_interval_bytes,
        .retention_ms = topic->retention_ms,
        .retention_bytes = topic->retention_bytes,
        .deletes = (topic->cleanup_policy & CLEANUP_DELETE) != 0,
        .compacts = compacts,
        .min_cleanable_ratio = topic->min_cleanable_dirty_ratio,
        .min_compaction_lag_ms = topic->min_compaction_lag_ms,
        .max_compaction_lag_ms = topic->max_compaction_lag_ms,
        .delete_retention_ms = topic->delete_retention_ms,
        .max_message_bytes = topic->max_message_bytes,
        .flush_messages = topic->flush_messages,
        .flush_ms = topic->flush_ms,
        .file_delete_delay_ms = topic->file_delete_delay_ms,
        .producer_expiry_ms = producer_expiry_ms,
        .page_cache = topic->ack_durability == ACK_PAGE_CACHE,
    };
}
