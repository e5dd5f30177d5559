/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/topic_describe.h"

#include "base/setting.h"
#include "broker/settings.h"
#include "broker/settings_input.h"
#include "broker/stored_setting.h"
#include "metadata/image.h"
#include "wire/gen/create_topics.h"

/* DescribeConfigs' numbers. */
enum config_source { FROM_TOPIC = 1, FROM_BROKER = 2, FROM_CLUSTER = 3, FROM_FILE = 4, FROM_DEFAULT = 5 };

static const struct create_topics_creatable_topic_config *find_wish(const struct create_topics_creatable_topic *topic,
    const char *name)
{
    for (int32_t i = topic->configs_count - 1; i >= 0; i--) /* of two, the last holds */
        if (str_is(topic->configs[i].name, name) && !str_is_null(topic->configs[i].value))
            return &topic->configs[i];
    return NULL;
}

/* Who speaks for the row when the topic does not. */
static enum config_source find_source(const struct node_settings *node, const struct image *image, struct str own,
    const struct setting *row, struct arena *arena)
{
    const struct setting_fallback *fallback = row->fallbacks;

    if (fallback == NULL)
        return FROM_DEFAULT;
    struct str live = str_from(fallback->name);
    if (!str_is_null(stored_broker_setting(image, own, live, arena)))
        return FROM_BROKER;
    if (!str_is_null(stored_broker_setting(image, STR(""), live, arena)))
        return FROM_CLUSTER;
    for (; node->input != NULL && fallback->name != NULL; fallback++)
        if (settings_input_find(node->input, str_from(fallback->name)) != NULL)
            return FROM_FILE;
    return FROM_DEFAULT;
}

void topic_describe(const struct node_settings *node, const struct image *image,
    const struct create_topics_creatable_topic *topic, struct arena *arena,
    struct create_topics_creatable_topic_result *result)
{
    struct str own = str_from(arena_format(arena, "%d", node->node_id));
    struct topic_settings settings;

    topic_settings_resolve(node, image, topic->name, &settings);
    result->configs = MESSAGE_TAKE(create_topics_creatable_topic_configs, arena, topic_setting_count);
    result->configs_count = 0;
    for (int i = 0; i < topic_setting_count; i++) {
        const struct setting *row = &topic_setting_rows[i];
        const struct create_topics_creatable_topic_config *wish = find_wish(topic, row->name);
        if ((row->flags & SETTING_INTERNAL) && wish == NULL)
            continue;
        struct create_topics_creatable_topic_configs *config = &result->configs[result->configs_count++];
        config->name = str_from(row->name);
        config->config_source = (int8_t)(wish != NULL ? FROM_TOPIC : find_source(node, image, own, row, arena));
        if (wish != NULL)
            config->value = wish->value; /* as it was written */
        else
            config->value = row->offset == SETTING_NOWHERE ? str_from(row->unset) : setting_print(row, &settings, arena);
    }
}
