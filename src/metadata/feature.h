/* SPDX-License-Identifier: Apache-2.0 */
/* Features: the levels this node supports, what a metadata.version brings with it, and which
 * version of a record is written at which level. All as in Kafka 4.4.0. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct image;

enum { METADATA_VERSION_MIN = 7, METADATA_VERSION_NEWEST = 33, ELR_NEEDS_METADATA_VERSION = 23 };

struct feature_range {
    const char *name;
    int16_t min, max;
};
extern const struct feature_range feature_ranges[];
extern const int32_t feature_range_count;

const struct feature_range *feature_find(struct str name); /* NULL: unknown */
int16_t feature_default(const struct feature_range *feature,
    int16_t metadata_version); /* the level a new cluster gets */
bool feature_fits(const struct feature_range *feature, int16_t level,
    int16_t metadata_version); /* its dependencies hold */

/* metadata.version by release ("4.4") or exact name ("4.4-IV2"); 0: unknown. */
int16_t metadata_version_find(struct str release);
const char *metadata_version_name(int16_t level); /* "4.4-IV2"; NULL: unknown */

/* A downgrade that old records would not survive: some level above `to` brought new ones. */
bool metadata_version_loses(int16_t from, int16_t to);

/* Record versions at the levels of an image. */
int16_t image_metadata_version(const struct image *image);
bool image_has_elr(const struct image *image); /* eligible leader replicas are in use */
int16_t partition_version(const struct image *image);
int16_t register_broker_version(const struct image *image);
