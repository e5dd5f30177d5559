/* SPDX-License-Identifier: Apache-2.0 */
/* Which member of a group is to read which partitions: the assignors of the consumer protocol that
 * run on the server (KIP-848). Each is a pure function over indexes: the same input gives the same
 * result. Every partition of a topic that somebody subscribes to goes to exactly one member, which
 * subscribes to it; nobody gets anything else. Racks are no part of the input: as in Kafka 4.4.0 no
 * assignor asks for them, a change of racks only makes the group assign anew (KIP-1101). */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct arena;

/* Partitions of one topic. The topic is an index into the input's topics. */
struct assign_part {
    int32_t topic, partition_count;
    const int32_t *partitions;
};

/* All that one member has. From an assignor: topics ascending, each once and with at least one
 * partition, and their partitions ascending. */
struct assign_share {
    const struct assign_part *parts;
    int32_t part_count;
};

struct assign_member {
    struct str id, instance_id; /* instance_id null: not a static member */
    const int32_t *topics;      /* that it subscribes to and that exist, ascending, each once */
    int32_t topic_count;
    struct assign_share owned; /* in the present target, in any order; topics that it no longer
                                  subscribes to and partitions that no longer exist may be there */
};

/* Members and topics stand in an order of the caller's, which should stay the same from one
 * assignment to the next. */
struct assign_input {
    const struct assign_member *members;
    int32_t member_count;
    const int32_t *partition_counts; /* of each topic */
    int32_t topic_count;
    int64_t steps_most; /* uniform, mixed: how long it may look for something more even, in steps of
                           some ns; 0: until there is nothing */
};

/* uniform: even first, then sticky. All subscribe alike: nobody has two more than another, and no
 * fewer partitions could have moved. Else: no assignment at all is more even, be it by its largest
 * share, its smallest or what lies between; few partitions move, and none when it is even already.
 *
 * range: of each topic a run of partitions to each subscriber, the first ones one longer, static
 * members first (by instance id) and then the others (by member id), so that who subscribes alike
 * to topics of the same size has the same partitions of each. What is owned plays no part. */
struct assignor {
    const char *name;
    /* One share for each member. Result and scratch lie in the arena. */
    struct assign_share *(*assign)(const struct assign_input *input, struct arena *arena);
};

enum { ASSIGNOR_COUNT = 2 };
extern const struct assignor assignors[ASSIGNOR_COUNT]; /* the default first */

/* Those that the groups of a node may choose from; the first is that of a group without a choice.
 */
struct assignor_list {
    const struct assignor *at[ASSIGNOR_COUNT];
    int count;
};

/* From names with commas between them, each also as Kafka's Java class; null: all. What is none, or
 * stands there already, is passed over; a list of nothing else is that of all. */
void assignor_list_read(struct str names, struct assignor_list *out_list);
/* NULL: there is no such. */
const struct assignor *assignor_find(const struct assignor_list *list, struct str name);

/* What one takes of the arena, at most: links are the topics of all members. */
struct assign_size {
    size_t members, topics, links, partitions;
};
size_t assign_bytes(const struct assign_size *size);
