/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/describe_settings.h"

#include "broker/group_settings.h"
#include "broker/logger.h"
#include "broker/settings_input.h"
#include "broker/settings_rows.h"
#include "broker/stored_setting.h"
#include "metadata/image.h"
#include "metadata/topic_name.h"
#include "wire/gen/describe_configs.h"

/* One setting to be told. row NULL: nobody knows it. */
struct telling {
    struct str name, value;
    const struct setting *row;
    struct setting_voices voices;
    bool read_only;
};

/* The protocol's numbers of types. */
static int8_t type_of(const struct setting *row)
{
    static const int8_t types[] = {
        [SETTING_BOOL] = 1,
        [SETTING_STRING] = 2,
        [SETTING_CHOICE] = 2,
        [SETTING_INT32] = 3,
        [SETTING_INT16] = 4,
        [SETTING_INT64] = 5,
        [SETTING_DOUBLE] = 6,
        [SETTING_LIST] = 7,
        [SETTING_CHOICES] = 7,
        [SETTING_CLASS] = 8,
        [SETTING_PASSWORD] = 9,
    };
    return row == NULL ? 0 : types[row->type];
}

static bool is_wished(const struct settings_description *description, struct str name)
{
    const struct describe_configs_resource *wish = description->wish;
    bool found = wish->configuration_keys_count <= 0;
    for (int32_t i = 0; i < wish->configuration_keys_count && !found; i++)
        found = str_equal(wish->configuration_keys[i], name);
    return found;
}

static struct describe_configs_resource_result *take_place(struct settings_description *description)
{
    struct describe_configs_result *result = description->result;
    if (result->configs_count == description->capacity) {
        int32_t capacity = description->capacity == 0 ? 32 : description->capacity * 2;
        struct describe_configs_resource_result *larger =
            MESSAGE_TAKE(describe_configs_resource_result, description->view.arena, capacity);
        if (result->configs_count > 0)
            memcpy(larger, result->configs, (size_t)result->configs_count * sizeof(*larger));
        result->configs = larger;
        description->capacity = capacity;
    }
    return &result->configs[result->configs_count++];
}

static void tell(struct settings_description *description, const struct telling *telling)
{
    struct describe_configs_resource_result *config = take_place(description);
    bool is_secret = telling->row == NULL || telling->row->type == SETTING_PASSWORD;
    config->name = telling->name;
    config->value = is_secret ? (struct str){ 0 } : telling->value;
    config->read_only = telling->read_only;
    config->is_sensitive = is_secret;
    config->config_type = type_of(telling->row);
    config->config_source =
        (int8_t)(telling->voices.count > 0 ? telling->voices.list[0].source : SOURCE_DEFAULT);
    config->documentation = telling->row != NULL && description->with_documentation
                                ? str_from(telling->row->doc)
                                : (struct str){ 0 };
    if (!description->with_synonyms)
        return;
    config->synonyms_count = telling->voices.count;
    config->synonyms =
        MESSAGE_TAKE(describe_configs_synonym, description->view.arena, telling->voices.count);
    for (int32_t i = 0; i < telling->voices.count; i++) {
        const struct setting_voice *voice = &telling->voices.list[i];
        config->synonyms[i].name = voice->name;
        config->synonyms[i].value = is_secret ? (struct str){ 0 } : voice->value;
        config->synonyms[i].source = (int8_t)voice->source;
    }
}

static enum error refuse(struct settings_description *description, const char *message)
{
    description->result->error_message = str_from(message);
    return ERROR_INVALID_REQUEST;
}

/* What all topics inherit is found once for a request. */
static void learn_inherited(struct settings_description *description)
{
    struct arena *arena = description->view.arena;
    if (description->topic_values != NULL)
        return;
    description->topic_values =
        arena_take_array(arena, (size_t)topic_setting_count, sizeof(*description->topic_values));
    description->topic_voices =
        arena_take_array(arena, (size_t)topic_setting_count, sizeof(*description->topic_voices));
    for (int i = 0; i < topic_setting_count; i++) {
        const struct setting *row = &topic_setting_rows[i];
        description->topic_values[i] = topic_setting_inherited(&description->view, row);
        description->topic_voices[i] = topic_setting_inherited_voices(&description->view, row);
    }
}

static void tell_topic_row(struct settings_description *description, int index, bool has_own)
{
    const struct setting *row = &topic_setting_rows[index];
    struct str topic = description->wish->resource_name, own = { 0 };
    struct telling telling = { .name = str_from(row->name), .row = row };
    if (!is_wished(description, telling.name))
        return;
    if (has_own)
        own = resource_setting_value(&description->view, SCOPE_TOPIC, topic, row);
    if (str_is_null(own) && (row->flags & SETTING_INTERNAL) != 0)
        return;
    telling.voices = description->topic_voices[index];
    telling.value = description->topic_values[index];
    if (!str_is_null(own)) {
        struct setting_voice first = { telling.name, own, SOURCE_TOPIC };
        telling.voices = setting_voices_behind(&description->view, first, telling.voices);
        telling.value = own;
    }
    tell(description, &telling);
}

enum error describe_topic(struct settings_description *description)
{
    struct str topic = description->wish->resource_name, key = { 0 }, value;
    const struct image *image = description->view.image;
    const char *fault = topic_name_fault(description->view.arena, topic);
    if (fault != NULL) {
        refuse(description, fault);
        return ERROR_INVALID_TOPIC_EXCEPTION;
    }
    if (image == NULL || image_topic_by_name(image, topic) == NULL)
        return ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    learn_inherited(description);
    bool has_own = image_setting_after(image, SCOPE_TOPIC, topic, key, &key, &value);
    for (int i = 0; i < topic_setting_count; i++)
        tell_topic_row(description, i, has_own);
    key = (struct str){ 0 };
    while (has_own && image_setting_after(image, SCOPE_TOPIC, topic, key, &key, &value)) {
        struct setting_voice voice = { key, value, SOURCE_TOPIC };
        struct telling telling = { .name = key, .voices = { &voice, 1 } };
        if (topic_setting_find(key) == NULL && is_wished(description, key))
            tell(description, &telling);
    }
    return ERROR_NONE;
}

static void tell_broker_key(
    struct settings_description *description, struct str key, const struct setting *row)
{
    struct telling telling = { .name = key, .row = row };
    if (!is_wished(description, key))
        return;
    telling.voices = broker_setting_voices(&description->view, key);
    bool is_said = telling.voices.count > 0 && telling.voices.list[0].source != SOURCE_DEFAULT;
    if (row != NULL && (row->flags & SETTING_INTERNAL) != 0 && !is_said)
        return;
    telling.value = str_is(key, "report.level") ? logger_report_level()
                                                : broker_setting_value(&description->view, key);
    telling.read_only = !broker_setting_is_live(key);
    tell(description, &telling);
}

static void tell_broker_row(void *context, const struct setting *row)
{
    tell_broker_key(context, str_from(row->name), row);
}

/* Keys beyond the rows that all brokers, or this one, are told in the metadata log. */
static void tell_others_of(struct settings_description *description, struct str name)
{
    const struct setting_view *view = &description->view;
    struct str key = { 0 }, value;
    while (image_setting_after(view->image, SCOPE_BROKER, name, key, &key, &value)) {
        bool is_known =
            node_setting_find(key) != NULL ||
            (view->node->input != NULL && settings_input_find(view->node->input, key) != NULL);
        bool is_told =
            name.size > 0 &&
            !str_is_null(stored_broker_setting(view->image, STR(""), key, view->arena));
        bool acts = !str_is_null(stored_broker_setting(view->image, name, key, view->arena));
        if (acts && !is_known && !is_told)
            tell_broker_key(description, key, broker_setting_row(key));
    }
}

static void tell_this_broker(struct settings_description *description)
{
    const struct settings_input *input = description->view.node->input;
    node_settings_visit(tell_broker_row, description);
    for (int i = 0; input != NULL && i < input->count; i++) {
        struct str key = input->said[i].key;
        if (node_setting_find(key) == NULL && !str_is(key, "cluster.id"))
            tell_broker_key(description, key, broker_setting_row(key));
    }
    if (description->view.image == NULL)
        return;
    tell_others_of(description, STR(""));
    tell_others_of(description, description->view.own);
}

static void tell_all_brokers(struct settings_description *description)
{
    const struct setting_view *view = &description->view;
    struct str key = { 0 }, value;
    while (view->image != NULL &&
           image_setting_after(view->image, SCOPE_BROKER, STR(""), key, &key, &value)) {
        struct telling telling = { .name = key, .value = value, .row = broker_setting_row(key) };
        if (!is_wished(description, key) ||
            str_is_null(stored_broker_setting(view->image, STR(""), key, view->arena)))
            continue;
        struct setting_voices all = broker_setting_voices(view, key);
        telling.voices.list = all.list;
        for (int32_t i = 0; i < all.count; i++) {
            if (all.list[i].source == SOURCE_CLUSTER)
                telling.voices.list[telling.voices.count++] = all.list[i];
        }
        telling.read_only = !broker_setting_is_live(key);
        tell(description, &telling);
    }
}

/* Whether the name is this broker's; else the refusal. */
static enum error check_broker_name(struct settings_description *description, const char *or_what)
{
    struct arena *arena = description->view.arena;
    struct str name = description->wish->resource_name;
    int32_t own = description->view.node->node_id;
    int64_t id;
    if (!str_to_int64(name, &id) || id < INT32_MIN || id > INT32_MAX)
        return refuse(description,
            arena_format(arena, "Broker id must be an integer, but it is: %.*s", STR_PRINT(name)));
    if (id != own)
        return refuse(description,
            arena_format(arena, "Unexpected broker id, expected %d%s but received %.*s", own,
                or_what, STR_PRINT(name)));
    return ERROR_NONE;
}

enum error describe_broker(struct settings_description *description)
{
    if (description->wish->resource_name.size == 0) {
        tell_all_brokers(description);
        return ERROR_NONE;
    }
    enum error error = check_broker_name(description, " or empty string,");
    if (error == ERROR_NONE)
        tell_this_broker(description);
    return error;
}

enum error describe_logger(struct settings_description *description)
{
    struct setting_voice level = { STR("root"), str_from(logger_level()), SOURCE_LOGGER };
    if (description->wish->resource_name.size == 0)
        return refuse(description, "Broker id must not be empty");
    enum error error = check_broker_name(description, "");
    if (error != ERROR_NONE || !is_wished(description, level.name))
        return error;
    struct describe_configs_resource_result *config = take_place(description);
    config->name = level.name;
    config->value = level.value;
    config->config_source = SOURCE_LOGGER;
    return ERROR_NONE;
}

enum error describe_client_metrics(struct settings_description *description)
{
    struct str name = description->wish->resource_name;
    if (name.size == 0)
        return refuse(description, "Client metrics subscription name must not be empty");
    for (int i = 0; i < kafka_client_metrics_settings_count; i++) {
        const struct setting *row = &kafka_client_metrics_settings[i];
        struct str own =
            resource_setting_value(&description->view, SCOPE_CLIENT_METRICS, name, row);
        struct setting_voice voice = { str_from(row->name), own, SOURCE_CLIENT_METRICS };
        struct telling telling = { .name = voice.name, .row = row };
        telling.voices = (struct setting_voices){ &voice, !str_is_null(own) };
        telling.value = str_is_null(own) ? str_from(row->unset) : own;
        if (is_wished(description, telling.name))
            tell(description, &telling);
    }
    return ERROR_NONE;
}

enum error describe_group(struct settings_description *description)
{
    struct str name = description->wish->resource_name;
    if (name.size == 0)
        return refuse(description, "Group name must not be empty");
    for (int i = 0; i < kafka_group_settings_count; i++) {
        const struct setting *row = &kafka_group_settings[i];
        struct telling telling = { .name = str_from(row->name), .row = row };
        if (!is_wished(description, telling.name))
            continue;
        telling.voices = group_setting_voices(&description->view, name, row);
        telling.value = group_setting_value(&description->view, name, row);
        bool is_own = telling.voices.count > 0 && telling.voices.list[0].source == SOURCE_GROUP;
        if (is_own || (row->flags & SETTING_INTERNAL) == 0)
            tell(description, &telling);
    }
    return ERROR_NONE;
}
