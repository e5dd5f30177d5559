/* SPDX-License-Identifier: Apache-2.0 */
#include "metadata/feature.h"

#include <stddef.h>

#include "metadata/image.h"

const struct feature_range feature_ranges[] = {
    { "eligible.leader.replicas.version", 0, 1 },
    { "group.version", 0, 1 },
    { "kraft.version", 0, 1 },
    { "metadata.version", METADATA_VERSION_MIN, METADATA_VERSION_NEWEST },
    { "share.version", 0, 2 },
    { "streams.version", 0, 1 },
    { "transaction.version", 0, 2 },
};
const int32_t feature_range_count = sizeof(feature_ranges) / sizeof(feature_ranges[0]);

/* From which metadata.version on a new cluster gets the level. */
static const struct feature_since {
    const char *name;
    int16_t level, metadata_version;
} feature_since[] = {
    { "eligible.leader.replicas.version", 1, 26 },
    { "group.version", 1, 22 },
    { "kraft.version", 1, 21 },
    { "share.version", 1, 28 },
    { "share.version", 2, 31 },
    { "streams.version", 1, 29 },
    { "transaction.version", 1, 24 },
    { "transaction.version", 2, 24 },
};

const struct feature_range *feature_find(struct str name)
{
    for (int32_t i = 0; i < feature_range_count; i++)
        if (str_is(name, feature_ranges[i].name))
            return &feature_ranges[i];
    return NULL;
}

int16_t feature_default(const struct feature_range *feature, int16_t metadata_version)
{
    int16_t level = 0;
    if (str_is(str_from(feature->name), "metadata.version"))
        return metadata_version;
    for (size_t i = 0; i < sizeof(feature_since) / sizeof(feature_since[0]); i++)
        if (str_is(str_from(feature->name), feature_since[i].name) &&
            metadata_version >= feature_since[i].metadata_version && feature_since[i].level > level)
            level = feature_since[i].level;
    return level;
}

bool feature_fits(const struct feature_range *feature, int16_t level, int16_t metadata_version)
{
    if (level < feature->min || level > feature->max)
        return false;
    bool is_elr = str_is(str_from(feature->name), "eligible.leader.replicas.version");
    return !(is_elr && level >= 1 && metadata_version < ELR_NEEDS_METADATA_VERSION);
}

/* Index 0 is METADATA_VERSION_MIN. */
static const char *const version_names[] = {
    "3.3-IV3",
    "3.4-IV0",
    "3.5-IV0",
    "3.5-IV1",
    "3.5-IV2",
    "3.6-IV0",
    "3.6-IV1",
    "3.6-IV2",
    "3.7-IV0",
    "3.7-IV1",
    "3.7-IV2",
    "3.7-IV3",
    "3.7-IV4",
    "3.8-IV0",
    "3.9-IV0",
    "4.0-IV0",
    "4.0-IV1",
    "4.0-IV2",
    "4.0-IV3",
    "4.1-IV0",
    "4.1-IV1",
    "4.2-IV0",
    "4.2-IV1",
    "4.3-IV0",
    "4.4-IV0",
    "4.4-IV1",
    "4.4-IV2",
};
_Static_assert(sizeof(version_names) / sizeof(version_names[0]) ==
                   METADATA_VERSION_NEWEST - METADATA_VERSION_MIN + 1,
    "every metadata.version has a name");

const char *metadata_version_name(int16_t level)
{
    if (level < METADATA_VERSION_MIN || level > METADATA_VERSION_NEWEST)
        return NULL;
    return version_names[level - METADATA_VERSION_MIN];
}

bool metadata_version_loses(int16_t from, int16_t to)
{
    static const int16_t with_new_records[] = { 7, 8, 11, 13, 14, 15, 17, 23, 30, 32, 33 };
    for (size_t i = 0; i < sizeof(with_new_records) / sizeof(with_new_records[0]); i++)
        if (with_new_records[i] > to && with_new_records[i] <= from)
            return true;
    return false;
}

/* "4.4", "4.4.0" and "4.4-IV1" name the newest version of the release, or the exact one. */
int16_t metadata_version_find(struct str release)
{
    for (int16_t level = METADATA_VERSION_NEWEST; level >= METADATA_VERSION_MIN; level--)
        if (str_is(release, version_names[level - METADATA_VERSION_MIN]))
            return level;
    for (int16_t level = METADATA_VERSION_NEWEST; level >= METADATA_VERSION_MIN; level--) {
        struct str short_name = { version_names[level - METADATA_VERSION_MIN], 3 };
        bool is_patch =
            release.size > 4 && str_starts(release, short_name) && release.data[3] == '.';
        for (int32_t i = 4; is_patch && i < release.size; i++)
            is_patch = release.data[i] >= '0' && release.data[i] <= '9';
        if (str_equal(release, short_name) || is_patch)
            return level;
    }
    return 0;
}

int16_t image_metadata_version(const struct image *image)
{
    int16_t level = image_feature(image, STR("metadata.version"));
    return level == 0 ? METADATA_VERSION_MIN : level;
}

bool image_has_elr(const struct image *image)
{
    return image_feature(image, STR("eligible.leader.replicas.version")) >= 1;
}

int16_t partition_version(const struct image *image)
{
    enum { WITH_DIRECTORIES = 17, WITH_ELR = 23 };
    int16_t level = image_metadata_version(image);
    return level >= WITH_ELR ? 2 : level >= WITH_DIRECTORIES ? 1 : 0;
}

int16_t register_broker_version(const struct image *image)
{
    enum { WITH_MIGRATION = 8, WITH_DIRECTORIES = 17, WITH_CORDONS = 30 };
    int16_t level = image_metadata_version(image);
    if (level >= WITH_CORDONS)
        return 4;
    return level >= WITH_DIRECTORIES ? 3 : level >= WITH_MIGRATION ? 2 : 1;
}
