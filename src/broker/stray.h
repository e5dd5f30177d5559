/* SPDX-License-Identifier: Apache-2.0 */
/* Partition directories that the metadata does not give to this node: of another topic id, of a topic that is gone, of
 * a partition that moved. As Kafka does, they are renamed to NAME.ID-stray and kept: what to do with them is a person's
 * decision, for a start must delete nothing. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct image;
struct log_dir;
struct log_place;

/* It has no topic id, and a cut of power may have taken that: nothing in it was ever flushed, nor promised, and an older topic of the
 * name may have left it. So it is nobody's, also where it cannot be set aside. */
bool stray_is_nobodys(const struct log_place *place);

/* Looks through what was found at the start. Blocking; by the owner of the directories, with the first image, before
 * any shard has it. */
void stray_set_aside(struct log_dir *const *dirs, int dir_count, const struct image *image, int32_t node_id);
