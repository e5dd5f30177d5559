/* SPDX-License-Identifier: Apache-2.0 */
/* The log directories of a node as its clients see them: named from the root, and cordoned when the
 * metadata say so (KIP-1066). Used by any shard; the directories never change. */
#pragma once
#include <stdbool.h>

#include "base/arena.h"
#include "base/str.h"

struct shard;

struct str directory_view_path(const struct shard *shard, int log_dir_index, struct arena *arena);
int directory_view_find(const struct shard *shard, struct str path, struct arena *arena); /* its number; -1: none has this path */
bool directory_view_is_cordoned(const struct shard *shard, int log_dir_index);
