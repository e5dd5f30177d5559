/* SPDX-License-Identifier: Apache-2.0 */
/* Offsets that were committed for a group: OffsetCommit, OffsetFetch, OffsetDelete, their expiry
 * (KIP-211), and those of transactions, which are pending until their marker (KIP-447). Who may
 * commit is the rule of the group's kind. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/uuid.h"
#include "coordinator/group.h"

struct coordinator_record;

struct committed_offset {
    int32_t partition;
    int32_t leader_epoch; /* -1: not told */
    bool is_committed;    /* false: some are pending only */
    int64_t offset;
    int64_t log_offset; /* of the record that says so */
    int64_t commit_ms;
    int64_t expire_ms; /* -1: by the broker's retention; only OffsetCommit 2 to 4 can say more */
    int32_t pending;   /* in open transactions */
    int32_t metadata_size;
    char *metadata;       /* owned; NULL: empty */
    struct uuid topic_id; /* zero: not told */
};

struct topic_offsets {
    char *name; /* owned, NUL-terminated */
    int32_t name_size;
    int32_t count, capacity;
    struct committed_offset *list; /* ascending by partition */
    UT_hash_handle hh;             /* of the group's */
};
static inline struct str topic_offsets_name(const struct topic_offsets *topic)
{
    return (struct str){ topic->name, topic->name_size };
}

/* What a producer committed in a transaction that is open. */
struct pending_offset;
struct pending_transaction {
    int64_t producer_id;
    struct pending_offset *list; /* in the order of the log */
    int32_t count, capacity;
    UT_hash_handle hh; /* of the coordinator's */
};

/* NULL: none. */
const struct committed_offset *offset_find(
    const struct group *group, struct str topic, int32_t partition);

/* These look topics up in the request's image; unknown ones are refused one by one. */
void decide_offset_commit(struct group_decider *decider);
void decide_offset_fetch(struct group_decider *decider);
void decide_offset_delete(struct group_decider *decider);
/* Tombstones for the group's offsets that the log has below its offset, and pending ones: as many
 * as suit one decision. True: for all of them. */
bool decide_offsets_gone(
    struct group_decider *decider, const struct group *group, int64_t log_offset);
/* These go on where the walk stands in its group, count in *work what they look at, and return true
 * at the group's end; it is not reached when that is enough for one decision. */
/* Tombstones for those past their retention; those that stay are counted, pending ones too. */
bool decide_offsets_expire(struct group_decider *decider, struct group_walk *walk, int64_t *work);
/* Tombstones for those of topics that the request's image does not have (any more). */
bool decide_offsets_of_lost_topics(
    struct group_decider *decider, struct group_walk *walk, int64_t *work);
bool decide_walk_is_enough(const struct group_decider *decider, int64_t work);

/* producer_id -1: outside of a transaction. */
void offset_apply(struct coordinator *coordinator, int64_t log_offset,
    const struct coordinator_record *record, int64_t producer_id);
void offsets_end_transaction(struct coordinator *coordinator, int64_t producer_id, bool committed);
void offsets_forget_pending(struct coordinator *coordinator);
void offsets_free(struct group *group);
/* As the record that commits it. */
void offset_record(struct rsm_decision *out_records, struct str group, struct str topic,
    const struct committed_offset *offset);
void offsets_dump(struct group *group, struct rsm_decision *out_records);
