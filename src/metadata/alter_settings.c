/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of settings. The order of checks and the messages are Kafka's: a resource's records
 * first, then what it would say as a whole, then whether it is there. */
#include "metadata/decide.h"
#include "metadata/feature.h"
#include "metadata/settings_change.h"
#include "metadata/topic_name.h"
#include "wire/gen/clear_elr_record.h"
#include "wire/gen/config_record.h"
#include "wire/gen/create_topics.h"

enum { VALUE_MAX = INT16_MAX };

/* One resource on its way; pairs is what it says and, as wishes are taken, would say. */
struct alteration {
    struct decider *decider;
    struct resource_change *resource;
    struct setting_pair *pairs; /* a broker's are not looked at together: NULL */
    int32_t pair_count;
    bool changes_min_insync;
};

static enum error refuse(struct alteration *alteration, enum error error, const char *message)
{
    alteration->resource->error = error;
    alteration->resource->message = str_from(message);
    return error;
}

static bool list_holds(struct str list, struct str element)
{
    struct str piece;
    while (list.size > 0 && str_split(&list, ',', &piece))
        if (str_equal(piece, element))
            return true;
    return false;
}

static int32_t add_element(char *text, int32_t size, struct str element)
{
    if (size > 0)
        text[size++] = ',';
    memcpy(text + size, element.data, (size_t)element.size);
    return size + element.size;
}

/* The list in `now` with the elements of `change` added behind, or taken out. */
static struct str edit_list(struct arena *arena, struct str now, struct str change, bool append)
{
    char *text = arena_take(arena, (size_t)now.size + (size_t)change.size + 2);
    int32_t size = 0;
    struct str piece;
    while (now.size > 0 && str_split(&now, ',', &piece)) {
        if (piece.size > 0 && (append || !list_holds(change, piece)))
            size = add_element(text, size, piece);
    }
    while (append && change.size > 0 && str_split(&change, ',', &piece)) {
        if (!list_holds((struct str){ text, size }, piece))
            size = add_element(text, size, piece);
    }
    return (struct str){ text, size };
}

static void put_pair(struct alteration *alteration, struct str key, struct str value)
{
    struct setting_pair *pairs = alteration->pairs;
    int32_t at = 0;
    if (pairs == NULL)
        return;
    while (at < alteration->pair_count && !str_equal(pairs[at].key, key))
        at++;
    if (!str_is_null(value)) {
        pairs[at] = (struct setting_pair){ key, value };
        alteration->pair_count += at == alteration->pair_count;
    } else if (at < alteration->pair_count) {
        alteration->pair_count--;
        memmove(&pairs[at], &pairs[at + 1], (size_t)(alteration->pair_count - at) * sizeof(*pairs));
    }
}

static int32_t count_additions(const struct resource_change *resource)
{
    int32_t count = 0;
    for (int32_t i = 0; i < resource->wish_count; i++) {
        const struct setting_wish *wish = &resource->wishes[i];
        count += wish->operation != OPERATION_DELETE && !str_is_null(wish->value);
    }
    return count;
}

static enum error load_pairs(struct alteration *alteration, bool replaces)
{
    const struct resource_change *resource = alteration->resource;
    enum setting_scope scope = (enum setting_scope)resource->type;
    const struct image *image = alteration->decider->image;
    struct str key = { 0 }, value;
    int32_t count = 0, added = count_additions(resource);
    while (image_setting_after(image, scope, resource->name, key, &key, &value))
        count++;
    if (added > 0 && added + (replaces ? 0 : count) > SETTINGS_OF_RESOURCE_MAX)
        return refuse(alteration, ERROR_POLICY_VIOLATION,
            "The resource would have more than 10000 settings: delete some of them first.");
    if (scope == SCOPE_BROKER)
        return ERROR_NONE;
    alteration->pairs = arena_take_array(alteration->decider->arena,
        (size_t)count + (size_t)resource->wish_count + 1, sizeof(*alteration->pairs));
    key = (struct str){ 0 };
    while (image_setting_after(image, scope, resource->name, key, &key, &value))
        put_pair(alteration, key, value);
    return ERROR_NONE;
}

/* With eligible leader replicas on, min.insync.replicas is the cluster's, and always said. */
static enum error check_min_insync(struct alteration *alteration, struct str key, bool is_removed)
{
    const struct resource_change *resource = alteration->resource;
    if (resource->type != SCOPE_BROKER || !str_is(key, "min.insync.replicas") ||
        !image_has_elr(alteration->decider->image))
        return ERROR_NONE;
    if (resource->name.size > 0)
        return refuse(alteration, ERROR_INVALID_CONFIG,
            "Broker-level min.insync.replicas cannot be altered while ELR is enabled.");
    return is_removed
               ? refuse(alteration, ERROR_INVALID_CONFIG,
                     "Cluster-level min.insync.replicas cannot be removed while ELR is enabled.")
               : ERROR_NONE;
}

/* Sets one key and, where that changes something, writes it. A broker's records are written all the
 * same: it may have to read again what a value points to. */
static enum error write_setting(struct alteration *alteration, struct str key, struct str value)
{
    struct decider *decider = alteration->decider;
    const struct resource_change *resource = alteration->resource;
    struct str now =
        image_setting(decider->image, (enum setting_scope)resource->type, resource->name, key);
    put_pair(alteration, key, value);
    if (str_equal(now, value) && resource->type != SCOPE_BROKER)
        return ERROR_NONE;
    enum error error = check_min_insync(alteration, key, str_is_null(value));
    if (error != ERROR_NONE)
        return error;
    if (value.size > VALUE_MAX)
        return refuse(alteration, ERROR_INVALID_CONFIG,
            "The configuration value cannot be added because it exceeds the maximum value size of "
            "32767 bytes.");
    struct config_record record = { .resource_type = resource->type,
        .resource_name = resource->name,
        .name = key,
        .value = value };
    decide_record(decider, &config_record_schema, 0, &record);
    alteration->changes_min_insync |= str_is(key, "min.insync.replicas");
    return ERROR_NONE;
}

static enum error take_wish(struct alteration *alteration, const struct setting_wish *wish)
{
    struct decider *decider = alteration->decider;
    const struct controller_hooks *hooks = &decider->settings->hooks;
    const struct resource_change *resource = alteration->resource;
    enum setting_scope scope = (enum setting_scope)resource->type;
    struct str value = wish->value, unset = { 0 };
    if (wish->operation == OPERATION_DELETE)
        value = (struct str){ 0 };
    if (wish->operation == OPERATION_APPEND || wish->operation == OPERATION_SUBTRACT) {
        bool append = wish->operation == OPERATION_APPEND;
        if (hooks->list_setting == NULL ||
            !hooks->list_setting(hooks->context, scope, wish->key, decider->arena, &unset))
            return refuse(alteration, ERROR_INVALID_CONFIG,
                arena_format(decider->arena, "Can't %s to key %.*s because its type is not LIST.",
                    append ? "APPEND" : "SUBTRACT", STR_PRINT(wish->key)));
        struct str now = image_setting(decider->image, scope, resource->name, wish->key);
        value = edit_list(decider->arena, str_is_null(now) ? unset : now, value, append);
    }
    return write_setting(alteration, wish->key, value);
}

/* What the resource says and nobody wishes goes. */
static enum error drop_others(struct alteration *alteration)
{
    const struct resource_change *resource = alteration->resource;
    struct str key = { 0 }, value;
    while (image_setting_after(alteration->decider->image, (enum setting_scope)resource->type,
        resource->name, key, &key, &value)) {
        bool is_wished = false;
        for (int32_t i = 0; i < resource->wish_count; i++)
            is_wished |= str_equal(resource->wishes[i].key, key);
        enum error error =
            is_wished ? ERROR_NONE : write_setting(alteration, key, (struct str){ 0 });
        if (error != ERROR_NONE)
            return error;
    }
    return ERROR_NONE;
}

static enum error check_broker_name(struct alteration *alteration)
{
    struct str name = alteration->resource->name;
    int64_t id = 0;
    if (name.size > 0 && (!str_to_int64(name, &id) || id > INT32_MAX))
        return refuse(
            alteration, ERROR_INVALID_REQUEST, "Unable to parse broker name as a base 10 number.");
    if (id < 0)
        return refuse(alteration, ERROR_INVALID_REQUEST, "Invalid negative broker ID.");
    if (name.size > 0 && image_broker(alteration->decider->image, (int32_t)id) == NULL)
        return refuse(alteration, ERROR_BROKER_ID_NOT_REGISTERED,
            arena_format(alteration->decider->arena, "No node with id %d found.", (int32_t)id));
    return ERROR_NONE;
}

static enum error check_topic(struct alteration *alteration)
{
    struct decider *decider = alteration->decider;
    const struct controller_hooks *hooks = &decider->settings->hooks;
    struct str name = alteration->resource->name;
    int32_t count = alteration->pair_count;
    if (name.size == 0)
        return refuse(
            alteration, ERROR_INVALID_REQUEST, "Default topic resources are not allowed.");
    const char *fault = topic_name_fault(decider->arena, name);
    if (fault != NULL)
        return refuse(alteration, ERROR_INVALID_TOPIC_EXCEPTION, fault);
    struct create_topics_creatable_topic topic = { .name = name, .configs_count = count };
    topic.configs = MESSAGE_TAKE(create_topics_creatable_topic_config, decider->arena, count);
    for (int32_t i = 0; i < count; i++) {
        topic.configs[i].name = alteration->pairs[i].key;
        topic.configs[i].value = alteration->pairs[i].value;
    }
    enum error error = hooks->validate_topic == NULL
                           ? ERROR_NONE
                           : hooks->validate_topic(hooks->context, decider->image, &topic,
                                 decider->arena, &alteration->resource->message);
    if (error != ERROR_NONE)
        return alteration->resource->error = error;
    if (image_topic_by_name(decider->image, name) == NULL)
        return refuse(alteration, ERROR_UNKNOWN_TOPIC_OR_PARTITION,
            arena_format(decider->arena, "The topic '%.*s' does not exist.", STR_PRINT(name)));
    return ERROR_NONE;
}

static enum error check_resource(struct alteration *alteration)
{
    struct decider *decider = alteration->decider;
    const struct controller_hooks *hooks = &decider->settings->hooks;
    struct resource_change *resource = alteration->resource;
    enum setting_scope scope = (enum setting_scope)resource->type;
    switch (scope) {
    case SCOPE_TOPIC:
        return check_topic(alteration);
    case SCOPE_BROKER:
        return check_broker_name(alteration);
    case SCOPE_CLIENT_METRICS:
        if (resource->name.size == 0)
            return refuse(alteration, ERROR_INVALID_REQUEST, "Subscription name can't be empty");
        break;
    case SCOPE_GROUP:
        if (resource->name.size == 0)
            return refuse(
                alteration, ERROR_INVALID_REQUEST, "Default group resources are not allowed.");
        break;
    default:
        return refuse(alteration, ERROR_INVALID_REQUEST,
            arena_format(decider->arena, "Unknown resource type %d", resource->type));
    }
    if (hooks->validate_settings == NULL)
        return ERROR_NONE;
    resource->error = hooks->validate_settings(hooks->context, decider->image, scope,
        alteration->pairs, alteration->pair_count, decider->arena, &resource->message);
    return resource->error;
}

/* Who may lead was judged by the old number of replicas in sync. */
static void clear_elr(struct alteration *alteration)
{
    struct clear_elr_record record;
    if (!alteration->changes_min_insync || !image_has_elr(alteration->decider->image))
        return;
    message_defaults(&clear_elr_record_schema, &record);
    if (alteration->resource->type == SCOPE_TOPIC)
        record.topic_name = alteration->resource->name;
    decide_record(alteration->decider, &clear_elr_record_schema, 0, &record);
}

static void alter_resource(struct decider *decider, struct resource_change *resource, bool replaces)
{
    struct alteration alteration = { .decider = decider, .resource = resource };
    struct rsm_decision before = *decider->decision;
    enum error error = load_pairs(&alteration, replaces);
    for (int32_t i = 0; error == ERROR_NONE && i < resource->wish_count; i++)
        error = take_wish(&alteration, &resource->wishes[i]);
    if (error == ERROR_NONE && replaces)
        error = drop_others(&alteration);
    if (error == ERROR_NONE)
        error = check_resource(&alteration);
    if (error == ERROR_NONE) {
        clear_elr(&alteration);
        return;
    }
    decider->decision->record_count = before.record_count;
    decider->decision->record_bytes = before.record_bytes;
}

void decide_alter_settings(struct decider *decider, struct settings_change *change)
{
    struct rsm_decision before = *decider->decision;
    for (int32_t i = 0; i < change->count; i++)
        if (!change->resources[i].settled)
            alter_resource(decider, &change->resources[i], change->replaces);
    if (change->validate_only) {
        decider->decision->record_count = before.record_count;
        decider->decision->record_bytes = before.record_bytes;
    }
}
