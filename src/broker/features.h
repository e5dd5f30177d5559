/* SPDX-License-Identifier: Apache-2.0 */
/* The feature levels that this broker supports, in the order in which Kafka 4.4.0 tells them: to clients in
 * ApiVersions, and to the controller when it registers. */
#pragma once
#include <stdint.h>

#include "base/str.h"

struct feature_support {
    struct str name;
    int16_t min_level, max_level;
};

extern const struct feature_support feature_supports[];
extern const int32_t feature_support_count;
