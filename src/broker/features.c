/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/features.h"

#define NAMED(literal) { literal, (int32_t)sizeof(literal) - 1 }

const struct feature_support feature_supports[] = {
    { NAMED("group.version"), 0, 1 },
    { NAMED("kraft.version"), 0, 1 },
    { NAMED("metadata.version"), 7, 33 },
    { NAMED("share.version"), 0, 2 },
    { NAMED("streams.version"), 0, 1 },
    { NAMED("transaction.version"), 0, 2 },
    { NAMED("eligible.leader.replicas.version"), 0, 1 },
};
const int32_t feature_support_count = (int32_t)(sizeof(feature_supports) / sizeof(feature_supports[0]));
