/* SPDX-License-Identifier: Apache-2.0 */
/* How topics and partitions lie in an image and change there. A partition is one allocation and
 * never changes; a topic changes in place while it belongs to the image's edit, else it is copied
 * first. */
#pragma once
#include "metadata/image.h"

struct partition_record;
struct partition_change_record;

struct bytes topic_name_key(const struct tree_value *value);
struct bytes topic_id_key(const struct tree_value *value);

struct bytes directory_key(const struct tree_value *value);

struct image_partition *image_partition_create(const struct partition_record *record);
/* Views into the partition, good as long as it lives. */
void partition_to_record(const struct image_partition *partition, struct uuid topic_id,
    int32_t index, struct partition_record *out_record);
/* What the partition becomes by the change. */
struct image_partition *partition_changed(
    const struct image_partition *partition, const struct partition_change_record *change);

/* The topic record as it was read is kept. Replaces nothing: the name and the id must be free. */
void image_add_topic(struct image *image, struct str name, struct uuid id, struct bytes record);
void image_remove_topic(struct image *image, const struct image_topic *topic);
/* Takes the reference to partition. */
void image_set_partition(struct image *image, const struct image_topic *topic, int32_t index,
    struct image_partition *partition);
