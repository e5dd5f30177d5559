/* SPDX-License-Identifier: Apache-2.0 */
/* Which of this node's directories get no new partitions (cordoned.log.dirs, KIP-1066): said by the
 * metadata log, else by what the node was started with. The broker tells the controller with its
 * heartbeat, at once when it changes, and that one places accordingly. Control loop only. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/uuid.h"

struct control;

/* Their ids, in the order of log.dirs, in the arena. They are about to be told. */
int32_t cordon_list(struct control *control, struct arena *arena, struct uuid **out_ids);
/* Nothing else is said by now. */
bool cordon_is_told(const struct control *control);
