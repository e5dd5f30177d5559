/* SPDX-License-Identifier: Apache-2.0 */
/* Partitions that the metadata place on this node, and that no log directory holds: the disk under
 * a directory was emptied or replaced. They are served all the same, as empty ones, so a person
 * must hear of it. One that was never led and whose directory is here may have been created a
 * moment before a kill, and is no news. */
#pragma once
#include <stdint.h>

struct image;
struct log_dir;

/* Reports them, one line a directory. By the owner of the directories, with the first image, after
 * the strays were set aside and before any shard begins a log. */
void missing_report(
    struct log_dir *const *dirs, int dir_count, const struct image *image, int32_t node_id);
