/* SPDX-License-Identifier: Apache-2.0 */
/* A partition as requests name it, for those that must know which of very many names are equal:
 * they sort them. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct partition_name {
    struct str topic;
    int32_t index;
};

static inline int partition_name_compare(
    const struct partition_name *one, const struct partition_name *other)
{
    int order = str_compare(one->topic, other->topic);
    return order != 0 ? order : (one->index > other->index) - (one->index < other->index);
}

/* One of those in a request: the first member of what is wished for it. */
struct partition_mention {
    struct partition_name name;
    int32_t position; /* in the request */
};

/* Sorts `count` wishes of `size` bytes by topic and partition, keeps the last mention of each, and says how many that are. */
int32_t partition_mentions_keep_last(void *mentions, int32_t count, size_t size);
