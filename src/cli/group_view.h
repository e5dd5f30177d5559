/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of a group, whichever protocol it speaks: its state, its members with what they
 * were assigned, its committed offsets. All lies in the caller's arena. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

struct group_call;
struct metadata_response;

struct group_share {
    struct str topic;
    int32_t *partitions;
    int32_t partition_count;
};

struct group_member {
    struct str id, instance, client, host; /* instance null: it has none */
    int32_t epoch;                         /* -1: classic */
    struct group_share *shares;
    int32_t share_count;
};

struct group_view {
    struct str state, type; /* as the group's coordinator names the state; classic or consumer */
    struct str assignor;    /* or the protocol that a classic group agreed on; may be empty */
    int32_t epoch;          /* -1: classic */
    struct group_member *members;
    int32_t member_count;
};

struct group_partition {
    struct str topic;
    int32_t partition;
    int64_t committed;                 /* -1: nothing */
    int64_t end;                       /* -1: not known */
    const struct group_member *member; /* NULL: nobody's */
};

/* A group that is not there: EXIT_ABSENT without a complaint, so that the caller may go on. */
int group_view_load(struct group_call *call, struct arena *arena, struct group_view *out_view);

/* Every committed offset of the group, by topic and partition. metadata names the topics. A group
 * that is not there has none. */
int group_offsets_load(struct group_call *call, const struct metadata_response *metadata,
    struct arena *arena, struct group_partition **out_partitions, int *out_count);

/* The committed ones and those that members were assigned. */
int group_partitions_join(const struct group_view *view, const struct group_partition *committed,
    int committed_count, struct arena *arena, struct group_partition **out_partitions);
/* Where each ends now. EXIT_DONE, or the exit code after a complaint. */
int group_partitions_ends(struct group_call *call, const struct metadata_response *metadata,
    struct group_partition *partitions, int count);

int group_partition_compare(const void *left, const void *right); /* by topic and partition */
struct group_partition *group_partition_find(
    struct group_partition *sorted, int count, struct str topic, int32_t partition);
/* False: it is not known. Below zero when more is committed than there is, as Kafka's tools show
 * it. */
bool group_partition_lag(const struct group_partition *partition, int64_t *out_lag);
