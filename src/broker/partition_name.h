/* SPDX-License-Identifier: Apache-2.0 */
/* A partition as requests name it, for those that must know which of very many names are equal:
 * they sort them. */
#pragma once
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
