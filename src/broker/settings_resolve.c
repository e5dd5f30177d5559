/* SPDX-License-Identifier: Apache-2.0 */
/* How a topic's values come together while the node runs. */
#include "broker/settings.h"
#include "metadata/image.h"
#include "storage/log.h"

/* The topic setting that a live broker setting speaks for: only the first of its synonyms can be
 * live. */
static const struct setting *find_by_broker_key(struct str key)
{
    for (int i = 0; i < topic_setting_count; i++) {
        const struct setting_fallback *fallback = topic_setting_rows[i].fallbacks;
        if (fallback != NULL && str_is(key, fallback->name))
            return &topic_setting_rows[i];
    }
    return NULL;
}

/* Below zero there is no bound, but a topic's row knows only -1. */
static struct str without_bound(const struct setting *row, struct str value)
{
    int64_t number;
    bool is_time = row->type == SETTING_INT64 && row->fallbacks[1].name != NULL;
    return is_time && str_to_int64(str_trim(value), &number) && number < 0 ? STR("-1") : value;
}

static void apply_overrides(const struct image *image, enum setting_scope scope, struct str name,
    struct topic_settings *settings)
{
    struct str key = { 0 }, next, value, message;
    struct arena arena;
    arena_init(&arena);
    while (image_setting_after(image, scope, name, key, &next, &value)) {
        const struct setting *row =
            scope == SCOPE_TOPIC ? topic_setting_find(next) : find_by_broker_key(next);
        /* What was stored by another version may not parse here: the value below it holds. */
        if (row != NULL && scope == SCOPE_BROKER)
            value = without_bound(row, value);
        if (row != NULL)
            setting_parse(row, value, &arena, settings, &message);
        key = next;
    }
    arena_deinit(&arena);
}

void topic_settings_resolve(const struct node_settings *node, const struct image *image,
    struct str topic, struct topic_settings *out_settings)
{
    *out_settings = node->topic;
    if (image == NULL)
        return;
    struct arena arena;
    arena_init(&arena);
    char *own = arena_format(&arena, "%d", node->node_id);
    apply_overrides(image, SCOPE_BROKER, STR(""), out_settings);
    apply_overrides(image, SCOPE_BROKER, str_from(own), out_settings);
    apply_overrides(image, SCOPE_TOPIC, topic, out_settings);
    arena_deinit(&arena);
}

int64_t producer_expiry_resolve(const struct node_settings *node, const struct image *image)
{
    struct str key = STR("producer.id.expiration.ms"), message;
    struct node_settings now = { .producer_id_expiration_ms = node->producer_id_expiration_ms };
    struct arena arena;
    arena_init(&arena);
    struct str own = str_from(arena_format(&arena, "%d", node->node_id));
    struct str names[] = { STR(""), own };
    for (int i = 0; image != NULL && i < 2; i++) {
        struct str value = image_setting(image, SCOPE_BROKER, names[i], key);
        if (!str_is_null(value))
            setting_parse(node_setting_find(key), value, &arena, &now, &message);
    }
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
