/* SPDX-License-Identifier: Apache-2.0 */
/* Members of consumer groups (KIP-848) as the broker sees them: each heartbeats when it was told
 * to, takes and gives up partitions at once, and says so at once. Several may share a connection.
 * Nothing of it reads records. */
#pragma once
#include <stdbool.h>

#include "base/arena.h"
#include "base/heap.h"
#include "link.h"

enum { MEMBER_ID_SIZE = 32 };

struct crowd_member {
    struct asker asker;    /* first */
    struct heap_entry due; /* its next heartbeat; key: ns */
    struct crowd *crowd;
    struct link *link;
    int group;
    char id[MEMBER_ID_SIZE];
    int32_t epoch; /* 0: not joined */
    int32_t *owned, owned_count;
    bool has_changed; /* what it owns, since it last said so */
    bool is_gone;     /* left, or silent for good */
};

struct crowd {
    const struct options *options;
    struct uuid topic;
    int partitions; /* that the topic has by now */
    struct link *links;
    int link_count;
    struct crowd_member *members; /* those of one group are neighbours */
    int count;
    int *owners; /* of each partition, by group */
    int owned_once;
    int balanced; /* members that own no fewer and no more than their share */
    int share_least, share_most;
    uint64_t answers;
    int poll;
    struct heap due;
    struct arena arena;
};

/* Topic and coordinators are there, connections too, one for each member up to --connections;
 * nobody has joined. */
void crowd_init(struct crowd *crowd, const struct options *options);
void crowd_join(struct crowd *crowd, struct crowd_member *member);
void crowd_leave(struct crowd *crowd, struct crowd_member *member);
void crowd_hang(struct crowd *crowd, struct crowd_member *member); /* says no more */
/* How many partitions there are now, and members in a group: what is balanced from here on. */
void crowd_expect(struct crowd *crowd, int partitions, int members_a_group);
/* All partitions of all groups have one owner, and everybody has their share. */
bool crowd_is_settled(const struct crowd *crowd);
void crowd_turn(
    struct crowd *crowd); /* heartbeats that are due, answers that are there; waits a little */
