/* SPDX-License-Identifier: Apache-2.0 */
/* What a fetch brought: batches are taken apart, and each record goes into the history. */
#pragma once
#include <stdint.h>

#include "base/bytes.h"

struct actor;
struct topic;

/* *position is the offset that was asked for, and then the next one. */
void batches_see(struct actor *actor, struct topic *topic, int32_t partition, int64_t *position, struct bytes batches);

/* The offset that a reader of that partition goes on from, when the broker says that his is out of range: what was read may be gone where
 * power may take it, or a deletion. It must not be otherwise, unless the topic is going. */
int64_t position_after_loss(struct actor *actor, struct topic *topic, int32_t partition, int64_t position);
