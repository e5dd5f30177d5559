/* SPDX-License-Identifier: Apache-2.0 */
/* UpdateFeatures: all levels of a request change, or none does. The messages are Kafka's. */
#include "metadata/decide.h"
#include "metadata/feature.h"
#include "metadata/item.h"
#include "wire/gen/config_record.h"
#include "wire/gen/feature_level_record.h"
#include "wire/gen/register_broker_record.h"
#include "wire/gen/update_features.h"

enum upgrade_type { UPGRADE = 1, SAFE_DOWNGRADE = 2, UNSAFE_DOWNGRADE = 3 };

/* What the request wants of one feature. */
struct feature_wish {
    struct decider *decider;
    const struct feature_range *feature;
    struct str name;
    int16_t level_now, level;
    int8_t upgrade_type;
    int16_t metadata_version; /* as it will be after the request */
};

static const char *say(const struct feature_wish *wish, const char *reason)
{
    return arena_format(wish->decider->arena, "Invalid update version %d for feature %.*s. %s",
        wish->level, STR_PRINT(wish->name), reason);
}

/* NULL, or why `who` cannot have the level. */
static const char *range_fault(
    const struct feature_wish *wish, const char *who, int32_t id, int16_t min, int16_t max)
{
    struct arena *arena = wish->decider->arena;
    if (wish->level >= min && wish->level <= max)
        return NULL;
    const char *reason =
        max == 0 ? arena_format(arena, "%s %d does not support this feature.", who, id)
                 : arena_format(arena, "%s %d only supports versions %d-%d", who, id, min, max);
    return say(wish, reason);
}

/* Every registered broker must be able to live with the level. */
static const char *brokers_fault(const struct feature_wish *wish)
{
    const struct image *image = wish->decider->image;
    const char *fault = NULL;
    const struct image_broker *broker = image_broker_after(image, -1);
    for (; broker != NULL && fault == NULL; broker = image_broker_after(image, broker->id)) {
        int16_t min = 0, max = 0;
        for (int32_t i = 0; i < broker->record->features_count; i++) {
            const struct register_broker_record_broker_feature *feature =
                &broker->record->features[i];
            if (str_equal(feature->name, wish->name)) {
                min = feature->min_supported_version;
                max = feature->max_supported_version;
            }
        }
        fault = range_fault(wish, "Broker", broker->id, min, max);
    }
    return fault;
}

static const char *metadata_version_fault(const struct feature_wish *wish)
{
    if (!metadata_version_loses(wish->level_now, wish->level))
        return NULL;
    return arena_format(wish->decider->arena,
        "Unsupported metadata.version downgrade from %d to %d. %s", wish->level_now, wish->level,
        wish->upgrade_type == UNSAFE_DOWNGRADE
            ? "Unsafe metadata downgrade is not supported in this version."
            : "Refusing to perform the requested downgrade because it might delete metadata "
              "information.");
}

static const char *direction_fault(const struct feature_wish *wish)
{
    if (wish->level < wish->level_now && wish->upgrade_type == UPGRADE)
        return say(wish, "Can't downgrade the version of this feature without setting the upgrade "
                         "type to either safe or unsafe downgrade.");
    if (wish->level > wish->level_now && wish->upgrade_type != UPGRADE)
        return say(wish, "Can't downgrade to a newer version.");
    return NULL;
}

static const char *wish_fault(const struct feature_wish *wish)
{
    const struct controller_settings *settings = wish->decider->settings;
    if (wish->upgrade_type < UPGRADE || wish->upgrade_type > UNSAFE_DOWNGRADE)
        return say(wish, "The controller does not support the given upgrade type.");
    if (wish->level < 0)
        return say(wish, "A feature version cannot be less than 0.");
    const struct feature_range *range = wish->feature;
    const char *fault = range_fault(wish, "Local controller", settings->node_id,
        range == NULL ? 0 : range->min, range == NULL ? 0 : range->max);
    if (fault == NULL)
        fault = brokers_fault(wish);
    if (fault == NULL)
        fault = direction_fault(wish);
    if (fault != NULL)
        return fault;
    if (range == NULL)
        return say(wish,
            arena_format(wish->decider->arena, "Feature %.*s not found.", STR_PRINT(wish->name)));
    if (str_is(wish->name, "metadata.version"))
        return metadata_version_fault(wish);
    if (str_is(wish->name, "kraft.version") && wish->level < wish->level_now)
        return say(wish, "Can't downgrade the version of this feature.");
    if (!feature_fits(range, wish->level, wish->metadata_version))
        return say(wish, arena_format(wish->decider->arena,
                             "%.*s could not be set to %d because it depends on metadata.version "
                             "level %d",
                             STR_PRINT(wish->name), wish->level, ELR_NEEDS_METADATA_VERSION));
    return NULL;
}

/* With eligible leader replicas on, min.insync.replicas is the cluster's, not each broker's. */
static void write_min_insync(struct decider *decider)
{
    const struct str key = STR("min.insync.replicas");
    struct config_record record = { .resource_type = SCOPE_BROKER, .name = key };
    if (str_is_null(image_setting(decider->image, SCOPE_BROKER, STR(""), key))) {
        record.resource_name = STR("");
        record.value =
            str_from(arena_format(decider->arena, "%d", decider->settings->min_insync_replicas));
        decide_record(decider, &config_record_schema, 0, &record);
    }
    record.value = (struct str){ 0 };
    const struct image_item *item = NULL;
    struct bytes from = { NULL, 0 };
    while (
        (item = (const struct image_item *)tree_after(&decider->image->settings, from)) != NULL) {
        enum setting_scope scope;
        struct str name, found;
        setting_key_parse(item->key, &scope, &name, &found);
        from = item->key;
        if (scope != SCOPE_BROKER || name.size == 0 || !str_equal(found, key))
            continue;
        record.resource_name = name;
        decide_record(decider, &config_record_schema, 0, &record);
    }
}

static void write_level(const struct feature_wish *wish)
{
    struct feature_level_record record = { .name = wish->name, .feature_level = wish->level };
    if (str_is(wish->name, "kraft.version")) { /* stands in the quorum's own records */
        wish->decider->decision->upgrades_log |= wish->level > wish->level_now;
        return;
    }
    if (str_is(wish->name, "eligible.leader.replicas.version") && wish->level >= 1)
        write_min_insync(wish->decider);
    decide_record(wish->decider, &feature_level_record_schema, 0, &record);
}

/* The last update of the request that names the feature, or (name NULL) one that nobody knows. */
static const struct update_features_feature_update_key *find_update(
    const struct update_features_request *request, const char *name)
{
    const struct update_features_feature_update_key *found = NULL;
    for (int32_t i = 0; i < request->feature_updates_count; i++) {
        const struct update_features_feature_update_key *update = &request->feature_updates[i];
        if (name == NULL ? feature_find(update->feature) == NULL : str_is(update->feature, name))
            found = update;
    }
    return found;
}

/* At most one wish a feature, in the order of feature_ranges; unknown features come last. Returns
 * how many. */
static int32_t gather(struct decider *decider, const struct update_features_request *request,
    struct feature_wish *wishes)
{
    int32_t count = 0;
    for (int32_t f = 0; f <= feature_range_count; f++) {
        const struct feature_range *feature = f < feature_range_count ? &feature_ranges[f] : NULL;
        const struct update_features_feature_update_key *update =
            find_update(request, feature == NULL ? NULL : feature->name);
        if (update == NULL)
            continue;
        bool is_kraft = str_is(update->feature, "kraft.version");
        wishes[count++] = (struct feature_wish){ .decider = decider,
            .feature = feature,
            .name = update->feature,
            .level_now = is_kraft ? decider->settings->kraft_version
                                  : image_feature(decider->image, update->feature),
            .level = update->max_version_level,
            .upgrade_type = update->upgrade_type };
    }
    return count;
}

static const char *update_levels(
    struct decider *decider, const struct update_features_request *request)
{
    struct feature_wish *wishes =
        arena_take_array(decider->arena, (size_t)feature_range_count + 1, sizeof(*wishes));
    int32_t count = gather(decider, request, wishes);
    const struct update_features_feature_update_key *version =
        find_update(request, "metadata.version");
    int16_t metadata_version =
        version == NULL ? image_metadata_version(decider->image) : version->max_version_level;
    for (int32_t i = 0; i < count; i++) {
        wishes[i].metadata_version = metadata_version;
        const char *fault = wish_fault(&wishes[i]);
        if (fault != NULL)
            return fault;
    }
    for (int32_t i = 0; i < count && !request->validate_only; i++)
        write_level(&wishes[i]);
    return NULL;
}

void decide_update_features(struct decider *decider, const struct update_features_request *request,
    struct update_features_response *response)
{
    response->results_count = 0;
    response->error_message = (struct str){ 0 };
    const char *fault = update_levels(decider, request);
    if (fault != NULL) {
        response->error_code = ERROR_INVALID_UPDATE_VERSION;
        response->error_message = str_from(arena_format(decider->arena,
            "The update failed for all features since the following feature had an error: %s",
            fault));
        return;
    }
    int32_t count = request->feature_updates_count > 0 ? request->feature_updates_count : 0;
    response->results_count = count;
    response->results =
        MESSAGE_TAKE(update_features_updatable_feature_result, decider->arena, count);
    for (int32_t i = 0; i < count; i++) {
        response->results[i].feature = request->feature_updates[i].feature;
        response->results[i].error_message = STR("NONE");
    }
}
