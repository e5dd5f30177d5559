/* SPDX-License-Identifier: Apache-2.0 */
/* Which of this node's directories get no new partitions (cordoned.log.dirs, KIP-1066): said by the
 * metadata log, else by what the node was started with. The broker tells the controller with its
 * heartbeat, which places accordingly. Control loop only. */
#pragma once
#include <stdint.h>

#include "base/arena.h"
#include "base/uuid.h"

struct control;

/* Their ids, in the order of log.dirs, in the arena. */
int32_t cordon_list(const struct control *control, struct arena *arena, struct uuid **out_ids);
