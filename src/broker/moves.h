/* SPDX-License-Identifier: Apache-2.0 */
/* The moves of a shard's partitions between log directories (KIP-113): begun by clients, taken up
 * again at the start, finished when the metadata name the new directory, which the controller is
 * told when all is there (KIP-858). Used by the shard's loop. */
#pragma once
#include "broker/shard.h"
#include "error.h"

struct image_partition;
struct pace;

void moves_init(struct shard *shard, struct pace *pace);
/* A client wants the partition in that directory: begins a move, ends another, or both. */
enum error moves_alter(struct shard *shard, struct partition *partition, int log_dir_index);
/* A future log of the partition was found at the start: the move goes on. The first image names its directory still where the
 * node ended after READY: a start that does not find the log here makes do with the future one. */
void moves_resume(struct shard *shard, struct partition *partition, const struct image_partition *first,
    const struct log_settings *settings);
/* What an image says of a partition that is here. */
void moves_see(struct shard *shard, struct partition *partition, const struct image_partition *now);
void moves_look(struct shard *shard, struct partition *partition); /* the same, of the image that the shard has */
void moves_set_rate(struct shard *shard, const struct image *image); /* replica.alter.log.dirs.io.max.bytes.per.second */
void moves_set_settings(struct partition *partition, const struct log_settings *settings);
void moves_directory_failed(struct shard *shard, int log_dir_index); /* moves to there are over */
void moves_stop(struct shard *shard); /* they go on at the next start */
