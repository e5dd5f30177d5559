/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/setting_source.h"

#include <inttypes.h>

#include "broker/settings_input.h"
#include "broker/settings_rows.h"
#include "broker/stored_setting.h"
#include "metadata/image.h"

enum { SYNONYMS_MAX = 3, PLACES = 4 };

/* Keys that say the same in other units, the first that is said holding. */
static const char *const synonyms[][SYNONYMS_MAX] = {
    { "log.retention.ms", "log.retention.minutes", "log.retention.hours" },
    { "log.roll.ms", "log.roll.hours", NULL },
    { "log.roll.jitter.ms", "log.roll.jitter.hours", NULL },
    { "log.flush.interval.ms", "log.flush.scheduler.interval.ms", NULL },
};

void setting_view_init(struct setting_view *view, const struct node_settings *node,
    const struct image *image, struct arena *arena)
{
    *view = (struct setting_view){ node, image, arena,
        str_from(arena_format(arena, "%" PRId32, node->node_id)) };
}

static bool ends_with(struct str text, const char *end)
{
    int32_t size = (int32_t)strlen(end);
    return text.size >= size && memcmp(text.data + text.size - size, end, (size_t)size) == 0;
}

/* Behind a listener's name some keys have that of a SASL mechanism, too. */
struct str broker_setting_base(struct str key)
{
    static const char *const of_mechanisms[] = { "sasl.jaas.config",
        "sasl.login.callback.handler.class", "sasl.login.class",
        "sasl.server.callback.handler.class", "connections.max.reauth.ms" };
    struct str rest = key, piece;
    if (!str_starts(key, STR("listener.name.")))
        return key;
    for (int i = 0; i < 3; i++)
        str_split(&rest, '.', &piece);
    if (str_is_null(rest))
        return key;
    for (size_t i = 0; i < sizeof(of_mechanisms) / sizeof(of_mechanisms[0]); i++) {
        if (ends_with(rest, of_mechanisms[i]))
            return str_from(of_mechanisms[i]);
    }
    return rest;
}

const struct setting *broker_setting_row(struct str key)
{
    struct str base = broker_setting_base(key);
    const struct setting *row = node_setting_find(base);
    return row != NULL ? row
                       : setting_find(kafka_throttle_settings, kafka_throttle_settings_count, base);
}

bool broker_setting_is_live(struct str key)
{
    const struct setting *row = broker_setting_row(key);
    return row != NULL && str_is(key, row->name) &&
           (row->flags & (SETTING_LIVE | SETTING_PER_BROKER)) != 0;
}

static int find_synonyms(struct str key, struct str out[SYNONYMS_MAX])
{
    for (size_t i = 0; i < sizeof(synonyms) / sizeof(synonyms[0]); i++) {
        int count = 0;
        bool is_one = false;
        for (int k = 0; k < SYNONYMS_MAX && synonyms[i][k] != NULL; k++) {
            out[count] = str_from(synonyms[i][k]);
            is_one |= str_equal(out[count++], key);
        }
        if (is_one)
            return count;
    }
    out[0] = key;
    out[1] = broker_setting_base(key);
    return str_equal(out[0], out[1]) ? 1 : 2;
}

/* What one source says under exactly this key; null: nothing. A broker's old name for node.id is
 * always there. */
static struct str said_by(
    const struct setting_view *view, enum setting_source source, struct str key)
{
    const struct settings_said *said;
    const struct setting *row;
    switch (source) {
    case SOURCE_BROKER:
        return stored_broker_setting(view->image, view->own, key, view->arena);
    case SOURCE_CLUSTER:
        return stored_broker_setting(view->image, STR(""), key, view->arena);
    case SOURCE_FILE:
        if (str_is(key, "broker.id"))
            return view->own;
        said = view->node->input == NULL ? NULL : settings_input_find(view->node->input, key);
        return said == NULL ? (struct str){ 0 } : said->value;
    case SOURCE_DEFAULT:
        row = node_setting_find(key);
        return row == NULL || row->unset == NULL ? (struct str){ 0 } : str_from(row->unset);
    default:
        return (struct str){ 0 };
    }
}

static bool is_required(struct str key)
{
    const struct setting *row = node_setting_find(key);
    return row != NULL && (row->flags & SETTING_REQUIRED) != 0;
}

struct setting_voices broker_setting_voices(const struct setting_view *view, struct str key)
{
    struct str names[SYNONYMS_MAX];
    int name_count = find_synonyms(key, names);
    struct setting_voices voices = { 0 };
    voices.list = arena_take_array(view->arena, PLACES * SYNONYMS_MAX + 1, sizeof(*voices.list));
    for (int source = SOURCE_BROKER; source <= SOURCE_DEFAULT; source++) {
        for (int i = 0; i < name_count; i++) {
            struct str value = said_by(view, (enum setting_source)source, names[i]);
            bool is_behind = voices.count > 0 || str_equal(names[i], key);
            /* Kafka has no default here; ours is told where nobody says anything. */
            if (source == SOURCE_DEFAULT && voices.count > 0 && is_required(names[i]))
                continue;
            /* What comes before the key's own voices belongs to its synonyms alone. */
            if (!str_is_null(value) && is_behind)
                voices.list[voices.count++] =
                    (struct setting_voice){ names[i], value, (enum setting_source)source };
        }
    }
    return voices;
}

static bool parses(const struct setting_view *view, const struct setting *row, struct str text)
{
    struct str message;
    return setting_parse(row, text, view->arena, NULL, &message);
}

bool broker_limit_locks_out(struct str key, struct str text)
{
    struct str base = broker_setting_base(key);
    int64_t value;
    return (str_is(base, "max.connections") || str_is(base, "max.connection.creation.rate")) &&
           str_to_int64(str_trim(text), &value) && value <= 0;
}

/* A row cannot say it: exceptions that nobody understands, and a zero that lets nobody in without them. */
static bool locks_out(const struct setting_view *view, struct str key, struct str text)
{
    struct str exceptions = STR("max.connections.per.ip.overrides");
    int64_t value;
    if (str_equal(broker_setting_base(key), exceptions))
        return !connection_overrides_are_understood(str_trim(text));
    if (broker_limit_locks_out(key, text))
        return true;
    return str_is(key, "max.connections.per.ip") && str_to_int64(str_trim(text), &value) && value == 0 &&
           broker_setting_value(view, exceptions).size == 0;
}

/* A synonym is said while the node runs: what the file says in other units is gone. */
static bool is_replaced(const struct setting_view *view, struct str key)
{
    struct str names[SYNONYMS_MAX];
    int count = find_synonyms(key, names);
    for (int i = 0; i < count && !str_equal(key, names[i]); i++) {
        if (!str_is_null(said_by(view, SOURCE_BROKER, names[i])) ||
            !str_is_null(said_by(view, SOURCE_CLUSTER, names[i])))
            return true;
    }
    return false;
}

struct str broker_setting_value(const struct setting_view *view, struct str key)
{
    const struct setting *row = broker_setting_row(key);
    if (row == NULL)
        return (struct str){ 0 };
    for (int source = SOURCE_BROKER; source <= SOURCE_FILE; source++) {
        struct str text = said_by(view, (enum setting_source)source, key);
        if (source == SOURCE_FILE && is_replaced(view, key))
            break;
        if (!str_is_null(text) && parses(view, row, text) && (source == SOURCE_FILE || !locks_out(view, key, text)))
            return setting_normalize(row, text, view->arena);
    }
    return str_is(key, row->name) && row->unset != NULL
               ? setting_normalize(row, str_from(row->unset), view->arena)
               : (struct str){ 0 };
}

/* A broker's text in the unit of the topic's row. Below zero there is no bound in any unit. */
static struct str scale(
    const struct setting_view *view, const struct setting *row, struct str text, int64_t factor)
{
    int64_t value;
    bool is_time = row->type == SETTING_INT64 && row->fallbacks[1].name != NULL;
    if (!is_time || !str_to_int64(str_trim(text), &value))
        return text;
    if (value < 0)
        value = -1;
    else if (__builtin_mul_overflow(value, factor, &value))
        value = INT64_MAX;
    return str_from(arena_format(view->arena, "%" PRId64, value));
}

struct str topic_setting_inherited(const struct setting_view *view, const struct setting *row)
{
    const struct setting_fallback *fallback = row->fallbacks;
    for (; fallback != NULL && fallback->name != NULL; fallback++) {
        for (int source = SOURCE_BROKER; source <= SOURCE_FILE; source++) {
            struct str text = said_by(view, (enum setting_source)source, str_from(fallback->name));
            if (str_is_null(text))
                continue;
            text = scale(view, row, text, fallback->factor);
            if (parses(view, row, text))
                return setting_normalize(row, text, view->arena);
        }
    }
    return row->unset == NULL ? (struct str){ 0 }
                              : setting_normalize(row, str_from(row->unset), view->arena);
}

struct str resource_setting_value(const struct setting_view *view, int8_t resource_type,
    struct str name, const struct setting *row)
{
    enum setting_scope scope = (enum setting_scope)resource_type;
    struct str text = view->image == NULL
                          ? (struct str){ 0 }
                          : image_setting(view->image, scope, name, str_from(row->name));
    return str_is_null(text) || !parses(view, row, text)
               ? (struct str){ 0 }
               : setting_normalize(row, text, view->arena);
}

struct setting_voices setting_voices_behind(
    const struct setting_view *view, struct setting_voice first, struct setting_voices rest)
{
    struct setting_voices all = { .count = 1 };
    all.list = arena_take_array(view->arena, (size_t)rest.count + 1, sizeof(*all.list));
    all.list[0] = first;
    for (int32_t i = 0; i < rest.count; i++)
        all.list[all.count++] = rest.list[i];
    return all;
}

struct setting_voices topic_setting_inherited_voices(
    const struct setting_view *view, const struct setting *row)
{
    return row->fallbacks == NULL ? (struct setting_voices){ 0 }
                                  : broker_setting_voices(view, str_from(row->fallbacks[0].name));
}
