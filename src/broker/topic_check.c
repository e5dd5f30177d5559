/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/topic_check.h"

#include <inttypes.h>

#include "base/arena.h"
#include "base/setting.h"
#include "broker/settings.h"
#include "wire/gen/create_topics.h"

static enum error check_each(
    const struct create_topics_creatable_topic *topic, struct arena *arena, struct str *out_message)
{
    for (int32_t i = 0; i < topic->configs_count; i++) {
        if (topic_setting_find(topic->configs[i].name) == NULL)
            return topic_setting_check(
                topic->configs[i].name, topic->configs[i].value, arena, out_message);
    }
    for (int32_t i = 0; i < topic->configs_count; i++) {
        enum error error = topic_setting_check(
            topic->configs[i].name, topic->configs[i].value, arena, out_message);
        if (error != ERROR_NONE)
            return error;
    }
    return ERROR_NONE;
}

/* The row is bound to no field, since there is no tiered storage. */
static bool wants_tiered_storage(const struct create_topics_creatable_topic *topic)
{
    bool wanted = false;

    for (int32_t i = 0; i < topic->configs_count; i++) {
        struct str value = str_trim(topic->configs[i].value);
        if (str_is(topic->configs[i].name, "remote.storage.enable"))
            wanted = value.size == 4; /* what parsed is true or false, in any case of letters */
    }
    return wanted;
}

enum error topic_check(const struct node_settings *node, const struct image *image,
    const struct create_topics_creatable_topic *topic, struct arena *arena, struct str *out_message)
{
    struct topic_settings settings;
    enum error error = check_each(topic, arena, out_message);

    if (error != ERROR_NONE)
        return error;
    topic_settings_resolve(node, image, topic->name, &settings);
    for (int32_t i = 0; i < topic->configs_count; i++)
        setting_parse(topic_setting_find(topic->configs[i].name), topic->configs[i].value, arena,
            &settings, out_message);
    if (settings.min_compaction_lag_ms > settings.max_compaction_lag_ms) {
        *out_message = str_from(arena_format(arena,
            "conflict topic config setting min.compaction.lag.ms (%" PRId64
            ") > max.compaction.lag.ms (%" PRId64 ")",
            settings.min_compaction_lag_ms, settings.max_compaction_lag_ms));
        return ERROR_INVALID_CONFIG;
    }
    if (wants_tiered_storage(topic)) {
        *out_message = STR("Tiered Storage functionality is disabled in the broker. Topic cannot "
                           "be configured with "
                           "remote log storage.");
        return ERROR_INVALID_CONFIG;
    }
    return ERROR_NONE;
}
