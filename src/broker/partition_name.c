/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/partition_name.h"

#include <stdlib.h>
#include <string.h>

static int compare_mentions(const void *a, const void *b)
{
    const struct partition_mention *one = a, *other = b;
    int order = partition_name_compare(&one->name, &other->name);
    return order != 0 ? order
                      : (one->position > other->position) - (one->position < other->position);
}

int32_t partition_mentions_keep_last(void *mentions, int32_t count, size_t size)
{
    char *list = mentions;
    int32_t kept = 0;
    qsort(mentions, (size_t)count, size, compare_mentions);
    for (int32_t i = 0; i < count; i++) {
        const struct partition_mention *one = (void *)(list + (size_t)i * size);
        const struct partition_mention *next = (void *)(list + (size_t)(i + 1) * size);
        if (i + 1 < count && partition_name_compare(&one->name, &next->name) == 0)
            continue;
        if (kept < i)
            memcpy(list + (size_t)kept * size, one, size);
        kept++;
    }
    return kept;
}
