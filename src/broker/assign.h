/* SPDX-License-Identifier: Apache-2.0 */
/* Where this broker's replicas are, when that is not what the metadata say: lost, when a log is damaged, or found again after a
 * repair, or at the end of a move (KIP-858). Shards note it by mail; the control loop tells the controller, one request at a time and
 * in order, once the broker serves, and again until it has been heard. */
#pragma once
#include "base/uuid.h"

struct control;
struct partition;
struct shard;

/* On the shard's loop. directory: DIRECTORY_LOST or that of a log directory of ours. The partition counts the notes that are under way:
 * when there is none, the metadata say what was noted last, unless the controller refused it. */
void assign_note(struct shard *shard, struct partition *partition, struct uuid directory);

/* On the control loop. */
void assign_tell(struct control *control); /* what was noted and not told; nothing when a request is under way */
void assign_abandon(struct control *control); /* at the end, when no loop turns */
