/* SPDX-License-Identifier: Apache-2.0 */
/* Partitions of some topics, each with the epoch of its assignment where that is known: what a
 * member of a consumer group has, must give up, or is to have. Topics ascending by id, each once,
 * and so are the partitions of each: members of thousands of topics are usual, and what they say is
 * looked up here. A set lies in an arena, or is owned in one piece. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/uuid.h"

struct arena;

struct partition_set_topic {
    struct uuid id;
    int32_t count, capacity;
    int32_t *partitions;
    int32_t *epochs; /* parallel */
};

struct partition_set {
    struct partition_set_topic *topics;
    int32_t topic_count, topic_capacity;
};

/* Room in the arena for a number of topics, and for one more topic with a number of partitions. */
struct partition_set partition_set_take(struct arena *arena, int32_t topic_capacity);
struct partition_set_topic *partition_set_add_topic(
    struct partition_set *set, struct arena *arena, struct uuid id, int32_t capacity);
/* In any order; partition_set_sort() comes after the last. */
void partition_set_add(struct partition_set_topic *topic, int32_t partition, int32_t epoch);
void partition_set_sort(struct partition_set *set);

/* All that is in one of them, with its epoch; what is in both, twice. */
struct partition_set partition_set_union(
    const struct partition_set *one, const struct partition_set *other, struct arena *arena);
/* Without epochs. */
struct partition_set partition_set_copy(const struct partition_set *set, struct arena *arena);
struct partition_set partition_set_own(const struct partition_set *set);
void partition_set_give(struct partition_set *set); /* an owned one: empty after */

/* NULL: none. */
const struct partition_set_topic *partition_set_topic(
    const struct partition_set *set, struct uuid id);
/* NULL: not in it. */
const int32_t *partition_set_epoch(const struct partition_set_topic *topic, int32_t partition);
bool partition_set_has(const struct partition_set *set, struct uuid id, int32_t partition);
bool partition_set_is_empty(const struct partition_set *set);
bool partition_set_equal(
    const struct partition_set *one, const struct partition_set *other, bool with_epochs);
