/* SPDX-License-Identifier: Apache-2.0 */
/* Where clients want replicas that are not here yet: AlterReplicaLogDirs says it before the topic is
 * made, and it counts when the replica comes (KIP-113). In memory only, as in Kafka; each shard
 * remembers the newest thousand. */
#pragma once
#include <stdint.h>

#include "base/str.h"

struct preference;
struct preferences {
    struct preference *list; /* oldest first */
    int32_t count;
};

void preference_note(struct preferences *preferences, struct str topic, int32_t index, int log_dir_index);
int preference_take(struct preferences *preferences, struct str topic, int32_t index); /* -1: none */
void preferences_deinit(struct preferences *preferences);
